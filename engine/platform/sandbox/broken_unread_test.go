package sandbox_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// dimHarness is a place whose tables can be kept from the engine, which the
// sandbox itself has no way to do. It tells the truth unless it is given a lie.
type dimHarness struct {
	*harness
	hidden map[string]bool
	lie    dimLie
}

// dimLie is what a platform does otherwise than it should with what it cannot read.
type dimLie struct {
	observe func(d dim, st *platform.State)
	apply   func(ctx context.Context, d dim, b platform.Batch) ([]platform.Outcome, error)
}

var (
	_ platformtest.Hider  = (*dimHarness)(nil)
	_ platformtest.Locker = (*dimHarness)(nil)
)

func (h *dimHarness) Platform(ctx context.Context) (platform.Platform, error) {
	p, err := h.harness.Platform(ctx)
	return dim{p, h}, err
}

func (h *dimHarness) HideTable(_ context.Context, table string) error {
	h.hidden[table] = true
	return nil
}

func (h *dimHarness) ShowTable(_ context.Context, table string) error {
	delete(h.hidden, table)
	return nil
}

func (h *dimHarness) LockTable(ctx context.Context, table string) error {
	return h.HideTable(ctx, table)
}

func (h *dimHarness) UnlockTable(ctx context.Context, table string) error {
	return h.ShowTable(ctx, table)
}

// dim is a platform that cannot read the hidden tables of its place.
type dim struct {
	platform.Platform
	h *dimHarness
}

func (d dim) hides(o grant.Object) bool { return d.h.hidden[o.Path[len(o.Path)-1]] }

func (d dim) Observe(ctx context.Context) (platform.State, error) {
	st, err := d.Platform.Observe(ctx)
	for _, name := range slices.Sorted(maps.Keys(d.h.hidden)) {
		st.Unknown = append(st.Unknown, d.h.path(name))
	}
	if d.h.lie.observe != nil {
		d.h.lie.observe(d, &st)
	}
	return st, err
}

func (d dim) Apply(ctx context.Context, b platform.Batch) ([]platform.Outcome, error) {
	if d.h.lie.apply != nil && len(d.h.hidden) > 0 {
		return d.h.lie.apply(ctx, d, b)
	}
	return d.apply(ctx, b)
}

// apply leaves a role as it is where one of its tables cannot be read.
func (d dim) apply(ctx context.Context, b platform.Batch) ([]platform.Outcome, error) {
	out := make([]platform.Outcome, len(b.Changes))
	var asked []plan.Change
	var at []int
	for i, c := range b.Changes {
		if c.Action == plan.Provision && slices.ContainsFunc(c.Role.Objects, d.hides) {
			out[i] = platform.Outcome{Change: c, Status: platform.Pending, Code: platform.NoObject, Detail: "a table cannot be read"}
			continue
		}
		asked, at = append(asked, c), append(at, i)
	}
	done, err := d.Platform.Apply(ctx, platform.Batch{Changes: asked, Mark: b.Mark})
	for n, o := range done {
		out[at[n]] = o
	}
	return out, err
}

// fails is a platform that carries out nothing of one kind while it cannot read
// a table, whosever it is.
func fails(actions ...plan.Action) dimLie {
	return dimLie{apply: func(ctx context.Context, d dim, b platform.Batch) ([]platform.Outcome, error) {
		var asked []plan.Change
		for _, c := range b.Changes {
			if !slices.Contains(actions, c.Action) {
				asked = append(asked, c)
			}
		}
		done, err := d.apply(ctx, platform.Batch{Changes: asked, Mark: b.Mark})
		var out []platform.Outcome
		for _, c := range b.Changes {
			if slices.Contains(actions, c.Action) {
				out = append(out, platform.Outcome{Change: c, Status: platform.Failed, Code: platform.Busy, Detail: "a table cannot be read"})
				continue
			}
			out, done = append(out, done[0]), done[1:]
		}
		return out, err
	}}
}

func (d dim) loses(st *platform.State) {
	for i, r := range st.Ours.Roles {
		st.Ours.Roles[i].Objects = slices.DeleteFunc(r.Objects, d.hides)
	}
}

// What the suite asks of a platform that cannot read a table, a truthful one
// keeps, and each way of not keeping it is seen through.
func TestTheSuiteSeesThroughWhatCannotBeRead(t *testing.T) {
	const hidden = "observe/a table that cannot be read is unknown, and stays as it is"
	const locked = "observe/a masked table that somebody holds locked is not taken for missing, and holds nothing else up"
	missing := dimLie{observe: func(d dim, st *platform.State) {
		d.loses(st)
		st.Unknown = nil
	}}
	unknownAll := dimLie{observe: func(d dim, st *platform.State) {
		if len(d.h.hidden) > 0 {
			st.Unknown = [][]string{d.h.path("people"), d.h.path("trips"), d.h.path("wages")}
		}
	}}
	forgotten := dimLie{observe: func(d dim, st *platform.State) {
		if len(d.h.hidden) > 0 {
			st.Ours = grant.State{}
		}
	}}
	late := dimLie{observe: func(d dim, st *platform.State) { st.Unknown = [][]string{d.h.path("wages")} }}
	unsaid := dimLie{observe: func(_ dim, st *platform.State) { st.Unknown = nil }}
	closed := dimLie{apply: func(ctx context.Context, d dim, b platform.Batch) ([]platform.Outcome, error) {
		for i, c := range b.Changes {
			if c.Action == plan.Provision {
				r := *c.Role
				r.Objects = slices.DeleteFunc(slices.Clone(r.Objects), d.hides)
				b.Changes[i].Role = &r
			}
		}
		out, err := d.Platform.Apply(ctx, b)
		for i, o := range out {
			if o.Change.Action == plan.Provision {
				out[i].Status, out[i].Code, out[i].Detail = platform.Pending, platform.NoObject, "a table cannot be read"
			}
		}
		return out, err
	}}
	believed := dimLie{apply: func(ctx context.Context, d dim, b platform.Batch) ([]platform.Outcome, error) {
		out, err := d.apply(ctx, b)
		for i := range out {
			out[i].Status, out[i].Code, out[i].Detail = platform.Applied, "", ""
		}
		return out, err
	}}
	unrevoked := dimLie{apply: func(ctx context.Context, d dim, b platform.Batch) ([]platform.Outcome, error) {
		out, err := fails(plan.Revoke).apply(ctx, d, b)
		for i, o := range out {
			if o.Change.Action == plan.Revoke {
				out[i].Status, out[i].Code, out[i].Detail = platform.Applied, "", ""
			}
		}
		return out, err
	}}
	for _, c := range []struct {
		name, in string
		lie      dimLie
		believed bool
	}{
		{"the truth", hidden, dimLie{}, true},
		{"the truth", locked, dimLie{}, true},
		{"taken for missing", hidden, missing, false},
		{"taken for missing", locked, missing, false},
		{"one takes all", hidden, unknownAll, false},
		{"one takes all", locked, unknownAll, false},
		{"nothing is there", hidden, forgotten, false},
		{"nothing is there", locked, forgotten, false},
		{"unknown for good", hidden, late, false},
		{"unknown for good", locked, late, false},
		{"nothing is said", hidden, unsaid, false},
		{"closed", hidden, closed, false},
		{"said to be opened", hidden, believed, false},
		{"said to be opened", locked, believed, false},
		{"nobody leaves", hidden, fails(plan.Revoke), false},
		{"nobody leaves", locked, fails(plan.Revoke), false},
		{"said to have left", hidden, unrevoked, false},
		{"said to have left", locked, unrevoked, false},
		{"nobody comes", hidden, fails(plan.Allow), false},
		{"nobody comes", locked, fails(plan.Allow), false},
	} {
		t.Run(c.in+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			open := func(context.Context, platformtest.T) platformtest.Harness {
				return &dimHarness{newHarness(t, nil), map[string]bool{}, c.lie}
			}
			ran := false
			platformtest.Check(t.Context(), open, func(n string) bool { return n == c.in }, func(r platformtest.Result) {
				ran = true
				if r.Skipped != "" || len(r.Failed) == 0 != c.believed {
					t.Errorf("believed: %v, skipped: %q, failed: %q", len(r.Failed) == 0, r.Skipped, r.Failed)
				}
			})
			if !ran {
				t.Error("there is no such case")
			}
		})
	}
}

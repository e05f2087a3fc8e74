package sandbox_test

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// liar is a sandbox that breaks one promise. A hook that is nil keeps to the truth.
type liar struct {
	platform.Platform
	apply     func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error)
	observe   func(ctx context.Context, p platform.Platform) (platform.State, error)
	discover  func(all []platform.Source) []platform.Source
	preview   func(ctx context.Context, p platform.Platform, changes []plan.Change) ([]platform.Statement, error)
	address   func(p platform.Platform, k grant.RoleKey, o grant.Object) string
	can       func(*platform.Capabilities)
	close     func(p platform.Platform) error
	effective func(*platform.Effective)
}

func (l liar) Apply(ctx context.Context, b platform.Batch) ([]platform.Outcome, error) {
	if l.apply == nil {
		return l.Platform.Apply(ctx, b)
	}
	return l.apply(ctx, l.Platform, b)
}

func (l liar) Observe(ctx context.Context) (platform.State, error) {
	if l.observe == nil {
		return l.Platform.Observe(ctx)
	}
	return l.observe(ctx, l.Platform)
}

func (l liar) Discover(ctx context.Context) iter.Seq2[platform.Source, error] {
	if l.discover == nil {
		return l.Platform.Discover(ctx)
	}
	return func(yield func(platform.Source, error) bool) {
		var all []platform.Source
		for s, err := range l.Platform.Discover(ctx) {
			if err == nil {
				all = append(all, s)
			}
		}
		for _, s := range l.discover(all) {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (l liar) Preview(ctx context.Context, changes []plan.Change) ([]platform.Statement, error) {
	if l.preview == nil {
		return l.Platform.Preview(ctx, changes)
	}
	return l.preview(ctx, l.Platform, changes)
}

func (l liar) Address(k grant.RoleKey, o grant.Object) string {
	if l.address == nil {
		return l.Platform.Address(k, o)
	}
	return l.address(l.Platform, k, o)
}

func (l liar) Capabilities() platform.Capabilities {
	c := l.Platform.Capabilities()
	if l.can != nil {
		l.can(&c)
	}
	return c
}

func (l liar) Close() error {
	if l.close == nil {
		return l.Platform.Close()
	}
	return l.close(l.Platform)
}

func (l liar) Effective(ctx context.Context, q platform.Question) (platform.Effective, error) {
	e, err := l.Platform.(platform.Inspector).Effective(ctx, q)
	if l.effective != nil {
		l.effective(&e)
	}
	return e, err
}

type lyingHarness struct {
	*harness
	lie liar
}

func (h lyingHarness) Platform(ctx context.Context) (platform.Platform, error) {
	p, err := h.harness.Platform(ctx)
	l := h.lie
	l.Platform = p
	return l, err
}

// asks changes what is asked of Apply, and reports the outcomes for what was asked.
func asks(change func(c plan.Change) (plan.Change, bool)) liar {
	return liar{apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
		var asked []plan.Change
		place := map[int]int{}
		for i, c := range b.Changes {
			if other, keep := change(c); keep {
				place[i] = len(asked)
				asked = append(asked, other)
			}
		}
		done, err := p.Apply(ctx, platform.Batch{Changes: asked, Mark: b.Mark})
		out := make([]platform.Outcome, len(b.Changes))
		for i, c := range b.Changes {
			out[i] = platform.Outcome{Status: platform.Applied}
			if n, kept := place[i]; kept {
				out[i] = done[n]
			}
			out[i].Change = c
		}
		return out, err
	}}
}

// provisions changes the roles that are provisioned.
func provisions(change func(r *grant.Role)) liar {
	return asks(func(c plan.Change) (plan.Change, bool) {
		if c.Action == plan.Provision {
			r := *c.Role
			r.Objects = slices.Clone(r.Objects)
			for i := range r.Objects {
				r.Objects[i].Columns = slices.Clone(r.Objects[i].Columns)
			}
			change(&r)
			c.Role = &r
		}
		return c, true
	})
}

// lets changes the accounts that are let in and out.
func lets(change func(principal string) string) liar {
	return asks(func(c plan.Change) (plan.Change, bool) {
		if c.Grant != nil {
			g := *c.Grant
			g.Principal = change(g.Principal)
			c.Grant = &g
		}
		return c, true
	})
}

// forgets leaves out the changes of one action and says that they were made.
func forgets(a plan.Action) liar {
	return asks(func(c plan.Change) (plan.Change, bool) { return c, c.Action != a })
}

// tells changes the outcomes.
func tells(change func(out []platform.Outcome) []platform.Outcome) liar {
	return liar{apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
		out, err := p.Apply(ctx, b)
		return change(out), err
	}}
}

// calls gives one status another name.
func calls(from, to platform.Status) liar {
	return tells(func(out []platform.Outcome) []platform.Outcome {
		for i := range out {
			if out[i].Status == from {
				out[i].Status, out[i].Code = to, ""
			}
		}
		return out
	})
}

// marks changes the position that Apply is given.
func marks(change func(*platform.Mark)) liar {
	return liar{apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
		change(&b.Mark)
		return p.Apply(ctx, b)
	}}
}

// sees changes what is observed.
func sees(change func(st *platform.State)) liar {
	return liar{observe: func(ctx context.Context, p platform.Platform) (platform.State, error) {
		st, err := p.Observe(ctx)
		if err == nil {
			change(&st)
		}
		return st, err
	}}
}

func seesGrants(change func(g *grant.Grant)) liar {
	return sees(func(st *platform.State) {
		for i := range st.Ours.Grants {
			change(&st.Ours.Grants[i])
		}
	})
}

func replaces(old, with string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, with) }
}

// believer shows its own books in place of what is there.
func believer() liar {
	roles, members := map[grant.RoleKey]grant.Role{}, map[grant.Key]grant.Grant{}
	return liar{
		apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
			for _, c := range b.Changes {
				switch c.Action {
				case plan.Revoke:
					delete(members, c.Grant.Key())
				case plan.Retire:
					delete(roles, c.RoleKey())
				case plan.Provision:
					roles[c.RoleKey()] = *c.Role
				case plan.Extend, plan.Allow:
					members[c.Grant.Key()] = *c.Grant
				}
			}
			return p.Apply(ctx, b)
		},
		observe: func(ctx context.Context, p platform.Platform) (platform.State, error) {
			st, err := p.Observe(ctx)
			st.Ours = grant.State{
				Roles:  slices.SortedFunc(maps.Values(roles), func(a, b grant.Role) int { return a.RoleKey.Compare(b.RoleKey) }),
				Grants: slices.SortedFunc(maps.Values(members), grant.Grant.Compare),
			}
			return st, err
		},
	}
}

func unmask(r *grant.Role) {
	for _, o := range r.Objects {
		for i := range o.Columns {
			o.Columns[i].Mask = nil
		}
	}
}

// A suite is worth what it catches: every platform that lies is seen through
// by the case that is named for it.
func TestTheSuiteSeesThroughBrokenPlatforms(t *testing.T) {
	for _, lies := range []map[string]liar{accessLies(), outcomeLies(), observationLies(), otherLies()} {
		for _, name := range slices.Sorted(maps.Keys(lies)) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				open := func(_ context.Context, _ platformtest.T) platformtest.Harness {
					return lyingHarness{newHarness(t, nil), lies[name]}
				}
				ran := false
				platformtest.Check(t.Context(), open, func(n string) bool { return n == name }, func(r platformtest.Result) {
					ran = true
					if len(r.Failed) == 0 {
						t.Errorf("the lie is believed (skipped: %q)", r.Skipped)
					}
				})
				if !ran {
					t.Errorf("there is no case %q", name)
				}
			})
		}
	}
}

package platformtest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// contractCases: the promises of the interface itself.
func contractCases() []testCase {
	return []testCase{
		{"the capabilities are complete and without repeats", func(e *env) {
			c := e.p.Capabilities()
			e.want(slices.Contains(c.AccessLevels, resource.Read), "the read level is not claimed")
			e.want(len(c.Masks) > 0, "no mask is claimed")
			m := slices.Sorted(slices.Values(c.Masks))
			e.want(len(slices.Compact(m)) == len(c.Masks), "a mask is claimed twice: %v", c.Masks)
		}},
		{"the mark is kept and read back", func(e *env) {
			e.people("people")
			for range 3 {
				e.ok(provision(role(e.key("sales"), e.wholePeople("people"))))
				e.restart()
				if diff := cmp.Diff(e.mark(), e.observe().Mark); diff != "" {
					e.Fatalf("the mark is another (-applied +observed):\n%s", diff)
				}
			}
			e.ok()
			if diff := cmp.Diff(e.mark(), e.observe().Mark); diff != "" {
				e.Fatalf("the mark of an empty batch is lost (-applied +observed):\n%s", diff)
			}
		}},
		{"a batch from behind gives nothing", behindGives},
		{"a batch from behind still takes away", behindTakes},
		{"a preview executes nothing and says what will be done", previews},
		{"a preview of nothing is empty", func(e *env) {
			st, err := e.p.Preview(e.ctx, nil)
			e.must("preview", err)
			e.want(len(st) == 0, "a preview of nothing has %d statements", len(st))
		}},
		{"addresses tell roles apart where masks do", func(e *env) {
			e.people("people")
			a, b := e.key("sales"), withProfile(e.key("sales"), "x1a2b3c4d")
			plainA, plainB := e.p.Address(a, e.wholePeople("people")), e.p.Address(b, e.wholePeople("people"))
			maskA, maskB := e.p.Address(a, e.maskedPeople("people")), e.p.Address(b, e.maskedPeople("people"))
			e.want(maskA != maskB, "two profiles share the address %s", maskA)
			e.want(maskA != e.h.BaseAddress("people"), "a masked object has the address of its table")
			e.want(plainA != "" && plainB != "", "an address is empty")
			e.want(e.p.Address(a, e.maskedPeople("people")) != e.p.Address(a, e.maskedPeople("wages")), "two tables share an address")
		}},
		{"a closed platform answers with errors", closed},
		{"a cancelled context is an error and nothing is believed", canceled},
		{"an empty batch is no error", func(e *env) {
			e.want(len(e.apply()) == 0, "an empty batch has outcomes")
		}},
		{"changes do not leak into the values given", func(e *env) {
			batch, _ := e.mixed()
			before, err := json.Marshal(batch)
			e.must("marshal", err)
			e.ok(batch...)
			after, err := json.Marshal(batch)
			e.must("marshal", err)
			e.want(bytes.Equal(before, after), "apply changed the changes it was given")
		}},
	}
}

func behindGives(e *env) {
	r, g := e.reader("ann")
	e.accounts("bob")
	before := e.observe()
	wide := role(r.RoleKey, e.wholePeople("people"))
	batch := []plan.Change{revoke(g), provision(wide), extend(g), allow(member(r.RoleKey, "bob"))}
	mark := platform.Mark{Seq: e.seq - 1, Digest: "sha256:older"}
	e.ok(provision(r)) // the platform moves on
	before.Mark = e.mark()
	out, err := e.p.Apply(e.ctx, platform.Batch{Changes: batch, Mark: mark})
	if err != nil && platform.CodeOf(err) != platform.Behind {
		e.Fatalf("apply: %v", err)
	}
	e.inOrder(batch, out)
	for _, o := range out {
		e.want(o.Status == platform.Failed && o.Code == platform.Behind, "%s ended %s/%s", describe(o.Change), o.Status, o.Code)
	}
	e.refused("bob", e.address(r, 0), "id")
	e.readsCities("ann", e.address(r, 0))
	after := e.observe()
	if diff := cmp.Diff(before.Mark, after.Mark); diff != "" {
		e.Errorf("the mark moved (-before +after):\n%s", diff)
	}
	if diff := sameState(before.Ours, after.Ours); diff != "" {
		e.Errorf("the state moved (-before +after):\n%s", diff)
	}
}

func behindTakes(e *env) {
	r, g := e.reader("ann")
	other := role(e.key("audit"), e.maskedPeople("people"))
	e.ok(provision(other), allow(member(other.RoleKey, "ann")))
	held := e.observe().Mark
	batch := []plan.Change{revoke(g), retire(other)}
	out, err := e.p.Apply(e.ctx, platform.Batch{Changes: batch, Mark: platform.Mark{Seq: 1, Digest: "sha256:older"}})
	e.must("apply", err)
	e.inOrder(batch, out)
	for _, o := range out {
		e.want(o.Status == platform.Applied, "%s ended %s/%s (%s)", describe(o.Change), o.Status, o.Code, o.Detail)
	}
	e.refused("ann", e.address(r, 0), "id")
	e.cannotRead("ann", e.address(other, 0), "id")
	e.want(e.observe().Mark == held, "the mark went back to %+v", e.observe().Mark)
}

func previews(e *env) {
	e.people("people")
	e.people("wages")
	e.accounts("ann", "bob")
	old := role(e.key("old"), e.wholePeople("people"))
	gone := member(old.RoleKey, "bob")
	e.ok(provision(old), allow(gone))
	before := e.observe()
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	batch := []plan.Change{revoke(gone), retire(old), provision(r), allow(member(r.RoleKey, "ann"))}
	st, err := e.p.Preview(e.ctx, batch)
	e.must("preview", err)
	var all strings.Builder
	for _, s := range st {
		e.want(strings.TrimSpace(s.Text) != "", "a statement is empty")
		all.WriteString(s.Text + "\n")
	}
	for _, word := range []string{"ann", "bob", "people", "wages", "iban", r.RoleName(), old.RoleName()} {
		e.want(strings.Contains(all.String(), word), "the preview does not mention %s:\n%s", word, all.String())
	}
	e.refused("ann", e.h.BaseAddress("people"), "id")
	e.readsCities("bob", e.address(old, 0))
	after := e.observe()
	if diff := sameState(before.Ours, after.Ours); diff != "" {
		e.Errorf("the preview did something (-before +after):\n%s", diff)
	}
	e.want(before.Mark == after.Mark, "the preview moved the mark")
	e.ok(batch...)
	e.readsCities("ann", e.address(r, 0))
}

func closed(e *env) {
	r, g := e.reader("ann")
	p, err := e.h.Platform(e.ctx)
	e.must("open platform", err)
	e.must("close", p.Close())
	_, err = p.Observe(e.ctx)
	e.want(err != nil, "a closed platform observes")
	batch := []plan.Change{revoke(g), retire(r)}
	out, err := p.Apply(e.ctx, platform.Batch{Changes: batch, Mark: platform.Mark{Seq: 99}})
	e.want(err != nil, "a closed platform applies")
	e.unbelieved(batch, out)
	for _, err := range p.Discover(e.ctx) {
		e.want(err != nil, "a closed platform discovers")
	}
	_ = p.Address(r.RoleKey, r.Objects[0])
	_ = p.Capabilities()
	_ = p.Close() // again: whatever it returns, it must not panic
	e.readsCities("ann", e.address(r, 0))
}

// unbelieved asserts that no outcome claims a fact.
func (e *env) unbelieved(batch []plan.Change, out []platform.Outcome) {
	e.Helper()
	e.inOrder(batch, out)
	for _, o := range out {
		e.want(o.Status == platform.Failed, "%s ended %s, want failed", describe(o.Change), o.Status)
	}
}

func canceled(e *env) {
	r, g := e.reader("ann")
	e.accounts("bob")
	before := e.observe()
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := e.p.Observe(ctx)
	e.want(err != nil, "a cancelled observation is no error")
	batch := []plan.Change{revoke(g), provision(role(r.RoleKey, e.maskedPeople("people"))), allow(member(r.RoleKey, "bob"))}
	out, err := e.p.Apply(ctx, platform.Batch{Changes: batch, Mark: platform.Mark{Seq: 99, Digest: "sha256:x"}})
	e.want(err != nil, "a cancelled apply is no error")
	e.unbelieved(batch, out)
	var found int
	var last error
	for _, err := range e.p.Discover(ctx) {
		found, last = found+1, err
	}
	e.want(last != nil, "a cancelled discovery is no error after %d sources", found)
	after := e.observe()
	if diff := sameState(before.Ours, after.Ours); diff != "" {
		e.Errorf("a cancelled apply did something (-before +after):\n%s", diff)
	}
	e.refused("bob", e.address(r, 0), "id")
	e.ok(allow(member(r.RoleKey, "bob")))
	e.readsCities("bob", e.address(r, 0))
}

package platformtest

import (
	"fmt"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// repeatCases: a second call finds its work done, whatever the first left behind.
func repeatCases() []testCase {
	return append(prefixCases(), []testCase{
		{"a batch applied again is done and changes nothing", func(e *env) {
			batch, d := e.mixed()
			e.ok(batch...)
			before := e.observe()
			for _, o := range e.apply(batch...) {
				e.want(o.Status == platform.Done, "%s ended %s the second time, want done", describe(o.Change), o.Status)
			}
			if diff := sameState(before.Ours, e.observe().Ours); diff != "" {
				e.Fatalf("a repeated batch changed something (-before +after):\n%s", diff)
			}
			e.roundTrip(d)
			e.mixedHolds(d)
		}},
		{"taking away again is done", func(e *env) {
			r, g := e.reader("ann")
			e.statuses([]plan.Change{revoke(g), retire(r)}, "applied", "applied")
			e.statuses([]plan.Change{revoke(g), retire(r)}, "done", "done")
			e.restart()
			e.statuses([]plan.Change{revoke(g), retire(r)}, "done", "done")
			e.roundTrip(desired{})
		}},
		{"a restart between every step loses nothing", func(e *env) {
			batch, d := e.mixed()
			for _, c := range batch {
				e.ok(c)
				e.restart()
			}
			e.roundTrip(d)
			e.mixedHolds(d)
		}},
		{"what is desired is reached from nothing, by way of another", func(e *env) {
			_, d := e.mixed()
			e.converge(d)
			e.mixedHolds(d)
			other := desired{roles: roles(role(e.key("audit"), e.maskedPeople("people"))), grants: grants(member(e.key("audit"), "bob"))}
			e.converge(other)
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.refused("ann", e.h.BaseAddress("wages"), "id")
			e.converge(d)
			e.mixedHolds(d)
			e.converge(desired{})
			for _, who := range []string{"ann", "bob"} {
				e.refused(who, e.h.BaseAddress("people"), "id")
				e.refused(who, e.h.BaseAddress("wages"), "id")
			}
		}},
		{"many members come and go in one batch", func(e *env) {
			e.people("people")
			r := role(e.key("sales"), e.wholePeople("people"))
			d := desired{roles: roles(r)}
			for i := range 40 {
				name := fmt.Sprintf("user%02d", i)
				e.accounts(name)
				d.grants = append(d.grants, *member(r.RoleKey, name))
			}
			e.converge(d)
			e.readsCities("user00", e.address(r, 0))
			e.readsCities("user39", e.address(r, 0))
			d.grants = d.grants[1:]
			e.converge(d)
			e.refused("user00", e.address(r, 0), "id")
			e.readsCities("user39", e.address(r, 0))
			e.converge(desired{})
			e.refused("user39", e.address(r, 0), "id")
		}},
	}...)
}

// changesOfMixed is how many changes the batch of mixed has.
const changesOfMixed = 6

func prefixCases() []testCase {
	var out []testCase
	for n := range changesOfMixed + 1 {
		out = append(out, testCase{fmt.Sprintf("a batch that stopped after %d of its changes converges when it comes again", n), func(e *env) {
			batch, d := e.mixed()
			if len(batch) != changesOfMixed {
				e.Fatalf("the batch has %d changes", len(batch))
			}
			e.ok(batch[:n]...)
			e.restart()
			e.ok(batch...)
			e.roundTrip(d)
			e.mixedHolds(d)
		}})
	}
	return out
}

// mixed is a batch of every kind of thing, and what it leads to.
func (e *env) mixed() ([]plan.Change, desired) {
	e.Helper()
	e.people("people")
	e.people("wages")
	e.accounts("ann", "bob")
	a := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	b := role(withProfile(e.key("sales"), "x1a2b3c4d"), e.object("people", "id", "city"), e.wholePeople("wages"))
	c := role(e.key("old"), e.maskedPeople("people"))
	ga, gb := member(a.RoleKey, "ann"), member(b.RoleKey, "bob")
	gone := member(c.RoleKey, "bob")
	batch := []plan.Change{revoke(gone), retire(c), provision(a), provision(b), allow(ga), allow(gb)}
	e.ok(provision(c), allow(gone))
	return batch, desired{roles: roles(a, b), grants: grants(ga, gb)}
}

// mixedHolds asserts what ann and bob read once mixed was applied.
func (e *env) mixedHolds(d desired) {
	e.Helper()
	a, b := d.roles[0], d.roles[1]
	e.reads("ann", e.p.Address(a.RoleKey, a.Objects[0]), peopleColumns(), clearPeople())
	e.reads("ann", e.p.Address(a.RoleKey, a.Objects[1]), peopleColumns(), hiddenPeople())
	e.refused("ann", e.h.BaseAddress("wages"), "iban")
	e.readsCities("bob", e.p.Address(b.RoleKey, b.Objects[0]))
	e.reads("bob", e.p.Address(b.RoleKey, b.Objects[1]), peopleColumns(), clearPeople())
	e.refused("bob", e.h.BaseAddress("people"), "iban")
}

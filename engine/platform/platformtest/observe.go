package platformtest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// observeCases: what is seen is what is there.
func observeCases() []testCase {
	return []testCase{
		{"an empty place is observed as empty", func(e *env) {
			e.people("people")
			e.accounts("ann")
			st := e.observe()
			e.want(len(st.Ours.Roles) == 0 && len(st.Ours.Grants) == 0, "something is there: %+v", st.Ours)
			e.want(st.Mark.Seq == 0 && st.Mark.Digest == "", "a mark is there: %+v", st.Mark)
		}},
		{"observed is what was applied", observedEqualsApplied},
		{"the server has a lasting identity", func(e *env) {
			first := e.observe().ServerID
			e.want(first != "", "the server has no id")
			r, _ := e.reader("ann")
			e.ok(retire(r))
			e.restart()
			if again := e.observe().ServerID; again != first {
				e.Errorf("the server was %q and is %q after a restart", first, again)
			}
		}},
		{"a member taken out by hand is missing, and comes back", func(e *env) {
			r, g := e.reader("ann")
			e.accounts("bob")
			gb := member(r.RoleKey, "bob")
			e.ok(allow(gb))
			e.must("revoke by hand", e.h.RevokeByHand(e.ctx, "ann", r.RoleName()))
			e.refused("ann", e.address(r, 0), "id")
			e.roundTrip(desired{roles: roles(r), grants: grants(gb)})
			e.converge(desired{roles: roles(r), grants: grants(g, gb)})
			e.readsCities("ann", e.address(r, 0))
		}},
		{"a member put in by hand is seen without requests, and goes", func(e *env) {
			adder := optional[MemberAdder](e)
			r, g := e.reader("ann")
			e.accounts("mallory")
			e.must("add by hand", adder.AddByHand(e.ctx, "mallory", r.RoleName()))
			e.restart()
			seen := e.observe().Ours.Grants
			i := slices.IndexFunc(seen, func(g grant.Grant) bool { return g.Principal == "mallory" })
			if i < 0 || len(seen) != 2 {
				e.Fatalf("want ann and mallory, got %+v", seen)
			}
			e.want(len(seen[i].Requests) == 0, "the member has requests: %+v", seen[i].Requests)
			e.want(seen[i].RoleKey == r.RoleKey, "the member is of another role: %+v", seen[i].RoleKey)
			e.converge(desired{roles: roles(r), grants: grants(g)})
			e.refused("mallory", e.address(r, 0), "id")
			e.readsCities("ann", e.address(r, 0))
		}},
		{"a table that cannot be read is unknown, and stays as it is", unreadable},
		{"a masked table that somebody holds locked is not taken for missing, and holds nothing else up", locked},
		{"discovery lists tables in order, with columns, without ours", discovers},
	}
}

func observedEqualsApplied(e *env) {
	e.accounts("zoe", "ann", "Max")
	e.people("people")
	e.people("wages")
	e.people("trips")
	claimed := e.p.Capabilities().Masks
	trips := e.wholePeople("trips")
	wide := role(e.key("zeta"), e.wholePeople("people"), trips, e.maskedPeople("wages"))
	d := desired{roles: roles(wide)}
	for i, s := range maskSamples() {
		if slices.Contains(claimed, s.mask.Type) {
			k := e.key("mask" + string(rune('a'+i)))
			d.roles = append(d.roles, *role(k, masked(e.wholePeople("people"), "iban", s.mask), masked(e.object("wages", "iban", "city"), "city", s.mask)))
		}
	}
	exc := role(withProfile(e.key("zeta"), "x1a2b3c4d"), e.object("people", "city", "id"))
	d.roles = append(d.roles, *exc, *role(e.key("empty")))
	endless := member(wide.RoleKey, "zoe")
	endless.NotAfter = time.Time{}
	two := member(wide.RoleKey, "ann")
	two.NotAfter = time.Date(2199, 2, 28, 12, 30, 59, 0, time.UTC)
	two.Requests = []resource.Ref{{Kind: resource.KindAccessRequest, Name: "first"}, {Kind: resource.KindAccessRequest, Name: "second"}}
	d.grants = grants(endless, two, member(exc.RoleKey, "Max"), member(e.key("empty"), "Max"), member(e.key("maska"), "ann"))
	e.converge(d)
}

func unreadable(e *env) {
	hider := optional[Hider](e)
	e.people("people")
	e.people("wages")
	e.people("trips")
	e.accounts("ann", "bob")
	r := role(e.key("sales"), e.wholePeople("people"), e.wholePeople("trips"), e.maskedPeople("wages"))
	d := desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))}
	e.converge(d)
	for i, o := range r.Objects {
		name := o.Path[len(o.Path)-1]
		if name == "trips" {
			continue
		}
		e.must("hide table", hider.HideTable(e.ctx, name))
		e.restart()
		st := e.observe()
		e.want(slices.ContainsFunc(st.Unknown, func(path []string) bool { return slices.Equal(path, o.Path) }) && len(st.Unknown) == 1,
			"%s is hidden, and unknown are %v", name, st.Unknown)
		left := difference(d, st.Ours)
		e.want(len(left) == 0, "what cannot be read is taken for missing: %+v", left)
		e.hiddenPlans(d)
		out := e.apply(provision(r), allow(member(r.RoleKey, "bob")))
		e.want(out[0].Status == platform.Pending && out[0].Code == platform.NoObject, "%s is hidden, and the role ended %s/%s", name, out[0].Status, out[0].Code)
		e.want(out[1].Status == platform.Applied, "someone else's grant ended %s/%s", out[1].Status, out[1].Code)
		e.statuses([]plan.Change{revoke(member(r.RoleKey, "bob"))}, "applied")
		_, err := e.h.Select(e.ctx, "ann", e.address(r, i), "id")
		e.must("read what was open", err)
		e.must("show table", hider.ShowTable(e.ctx, name))
		e.want(len(e.observe().Unknown) == 0, "the table is shown again, and unknown")
		e.roundTrip(d)
		e.statuses([]plan.Change{provision(r)}, "done")
	}
}

func locked(e *env) {
	locker := optional[Locker](e)
	e.people("people")
	e.people("wages")
	e.people("trips")
	e.accounts("ann", "bob")
	r, other := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages")), role(e.key("audit"), e.maskedPeople("trips"))
	g, og := member(r.RoleKey, "ann"), member(other.RoleKey, "bob")
	d := desired{roles: roles(r, other), grants: grants(g)}
	e.converge(d)
	e.must("lock table", locker.LockTable(e.ctx, "wages"))
	st := e.observe()
	e.want(!slices.ContainsFunc(st.Unknown, func(path []string) bool { return !slices.Equal(path, e.path("wages")) }), "one table is locked, and unknown are %v", st.Unknown)
	left := difference(d, st.Ours)
	e.want(len(left) == 0, "what is locked is taken for missing: %+v", left)
	e.hiddenPlans(d)
	out := e.apply(revoke(g), provision(r), allow(og))
	e.want(out[0].Status == platform.Applied, "who leaves a role with a locked table ended %s/%s", out[0].Status, out[0].Code)
	e.want(out[1].Status == platform.Done || out[1].Status == platform.Pending || out[1].Status == platform.Failed && out[1].Code == platform.Busy,
		"a role with a locked table ended %s/%s", out[1].Status, out[1].Code)
	e.want(out[2].Status == platform.Applied, "another role's grant ended %s/%s", out[2].Status, out[2].Code)
	e.must("unlock table", locker.UnlockTable(e.ctx, "wages"))
	e.refused("ann", e.address(r, 1), "id")
	e.want(len(e.observe().Unknown) == 0, "nothing is locked, and something unknown")
	d.grants = grants(g, og)
	e.converge(d)
	e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
}

// hiddenPlans requires that the engine's own planner takes what cannot be read
// neither for missing nor for extra, and that it still revokes what is due.
func (e *env) hiddenPlans(d desired) {
	e.Helper()
	p, held := e.plan(plan.Desired{State: d.state()}, plan.DefaultLimits)
	e.want(p.Empty() && len(held) == 0, "for what cannot be read is planned: %+v, held %v", p.Changes, held)
	d.grants = nil
	p, held = e.plan(plan.Desired{State: d.state()}, plan.DefaultLimits)
	e.want(len(p.Changes) == 1 && p.Changes[0].Action == plan.Revoke && len(held) == 0,
		"for who is to leave a role with a table that cannot be read is planned: %+v, held %v", p.Changes, held)
}

func discovers(e *env) {
	e.people("wages")
	e.people("people")
	e.table(Table{Name: "Empty", Columns: []string{"B", "a"}})
	e.accounts("ann")
	r := role(e.key("sales"), e.maskedPeople("people"), e.maskedPeople("wages"))
	e.ok(provision(r), allow(member(r.RoleKey, "ann")))
	type found struct {
		Path    []string
		Kind    string
		Columns []string
	}
	var got []found
	for s, err := range e.p.Discover(e.ctx) {
		e.must("discover", err)
		f := found{Path: s.Path, Kind: s.Kind}
		for _, c := range s.Columns {
			f.Columns = append(f.Columns, c.Name)
			e.want(c.Type != "", "column %s of %v has no type", c.Name, s.Path)
		}
		got = append(got, f)
	}
	want := []found{
		{e.path("Empty"), "table", []string{"B", "a"}},
		{e.path("people"), "table", peopleColumns()},
		{e.path("wages"), "table", peopleColumns()},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		e.Fatalf("discovered something else (-want +got):\n%s", diff)
	}
	for range e.p.Discover(e.ctx) {
		break // a caller may stop after the first
	}
	e.want(len(e.observe().Ours.Grants) == 1, "discovery that stops early leaves the platform unusable")
}

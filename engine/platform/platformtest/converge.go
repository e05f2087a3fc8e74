package platformtest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// desired is what a case wants a platform to hold.
type desired struct {
	roles  []grant.Role
	grants []grant.Grant
}

func roles(rs ...*grant.Role) []grant.Role {
	var out []grant.Role
	for _, r := range rs {
		out = append(out, *r)
	}
	return out
}

func grants(gs ...*grant.Grant) []grant.Grant {
	var out []grant.Grant
	for _, g := range gs {
		out = append(out, *g)
	}
	return out
}

// state is the desired state in the order that the contract asks for.
func (d desired) state() grant.State {
	rs := slices.SortedFunc(slices.Values(d.roles), func(a, b grant.Role) int { return a.RoleKey.Compare(b.RoleKey) })
	for i := range rs {
		rs[i].Objects = slices.SortedFunc(slices.Values(rs[i].Objects), grant.Object.Compare)
	}
	return grant.State{Roles: rs, Grants: slices.SortedFunc(slices.Values(d.grants), grant.Grant.Compare)}
}

// sameState compares states to the letter, but for nil against empty.
func sameState(want, got grant.State) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b time.Time) bool {
		return a.Equal(b) && a.Location() == b.Location()
	}))
}

// roundTrip asserts that the platform, opened anew, is seen to hold exactly this.
func (e *env) roundTrip(d desired) {
	e.Helper()
	e.restart()
	if diff := sameState(d.state(), e.observe().Ours); diff != "" {
		e.Fatalf("observed is not what was applied (-applied +observed):\n%s", diff)
	}
}

// difference is what has to be done to get from seen to d, in the order that
// plan promises. It is plain on purpose: the suite must not share a mistake
// with the planner.
func difference(d desired, seen grant.State) []plan.Change {
	want := d.state()
	var out []plan.Change
	for _, g := range seen.Grants {
		if !slices.ContainsFunc(want.Grants, func(w grant.Grant) bool { return w.Key() == g.Key() }) {
			out = append(out, plan.Change{Action: plan.Revoke, Reason: plan.ReasonWithdrawn, Grant: &g, PriorGrant: &g})
		}
	}
	for _, r := range seen.Roles {
		if !slices.ContainsFunc(want.Roles, func(w grant.Role) bool { return w.RoleKey == r.RoleKey }) {
			out = append(out, retire(&r))
		}
	}
	for _, w := range want.Roles {
		i := slices.IndexFunc(seen.Roles, func(r grant.Role) bool { return r.RoleKey == w.RoleKey })
		switch {
		case i < 0:
			out = append(out, provision(&w))
		case !cmp.Equal(w, seen.Roles[i], cmpopts.EquateEmpty()):
			out = append(out, replace(&seen.Roles[i], &w))
		}
	}
	return append(out, grantDifference(want, seen)...)
}

func grantDifference(want, seen grant.State) []plan.Change {
	var extends, allows []plan.Change
	for _, w := range want.Grants {
		i := slices.IndexFunc(seen.Grants, func(g grant.Grant) bool { return g.Key() == w.Key() })
		switch {
		case i < 0:
			allows = append(allows, allow(&w))
		case !cmp.Equal(w, seen.Grants[i], cmpopts.EquateEmpty()):
			c := extend(&w)
			c.PriorGrant = &seen.Grants[i]
			extends = append(extends, c)
		}
	}
	return append(extends, allows...)
}

// converge brings the platform to d in one batch, and asserts that it is there
// and that nothing is left to do.
func (e *env) converge(d desired) {
	e.Helper()
	out := e.apply(difference(d, e.observe().Ours)...)
	for _, o := range out {
		if o.Status != platform.Applied && o.Status != platform.Done {
			e.Fatalf("%s: status %s, code %q, detail %q", describe(o.Change), o.Status, o.Code, o.Detail)
		}
	}
	e.roundTrip(d)
	if left := difference(d, e.observe().Ours); len(left) != 0 {
		e.Fatalf("%d changes are left after all were applied", len(left))
	}
}

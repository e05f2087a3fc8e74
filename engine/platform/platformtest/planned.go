package platformtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// plannedCases: the planner and the platform understand each other.
func plannedCases() []testCase {
	return []testCase{
		{"what is planned from nothing is applied and plans nothing more", func(e *env) {
			_, d := e.mixed()
			p, held := e.plan(plan.Desired{State: d.state()}, plan.DefaultLimits)
			e.want(len(held) == 0, "held: %v", held)
			e.ok(p.Changes...)
			e.roundTrip(d)
			e.mixedHolds(d)
			p, _ = e.plan(plan.Desired{State: d.state()}, plan.DefaultLimits)
			e.want(p.Empty(), "%d changes are planned after all were applied", len(p.Changes))
		}},
		{"a mass revocation is held and everybody keeps reading until it is confirmed", brake},
		{"taking a column from many is held like a mass revocation", func(e *env) {
			r, d := e.crowd(12)
			less := role(r.RoleKey, e.object("people", "id", "city"))
			_, held := e.plan(plan.Desired{State: desired{roles: roles(less), grants: d.grants}.state()}, plan.DefaultLimits)
			e.want(len(held) == 1, "%d batches are held, want 1", len(held))
			hide := role(r.RoleKey, e.maskedPeople("people"))
			p, held := e.plan(plan.Desired{State: desired{roles: roles(hide), grants: d.grants}.state()}, plan.DefaultLimits)
			e.want(len(held) == 0, "a mask is held: %v", held)
			e.ok(p.Changes...)
			e.reads("user00", e.address(hide, 0), peopleColumns(), hiddenPeople())
		}},
		{"an expired grant is planned, revoked and never held", func(e *env) {
			r, d := e.crowd(12)
			after := plan.Desired{State: desired{roles: roles(r)}.state(), Now: until().Add(time.Second)}
			p, held := e.plan(after, plan.DefaultLimits)
			e.want(len(held) == 0 && len(p.Changes) == len(d.grants), "%d changes, %d held", len(p.Changes), len(held))
			e.ok(p.Changes...)
			e.refused("user00", e.address(r, 0), "id")
			e.roundTrip(desired{roles: roles(r)})
		}},
		{"what was changed by hand is planned back", func(e *env) {
			r, g := e.reader("ann")
			e.must("revoke by hand", e.h.RevokeByHand(e.ctx, "ann", r.RoleName()))
			p, _ := e.plan(plan.Desired{State: desired{roles: roles(r), grants: grants(g)}.state(), Applied: map[grant.Key]bool{g.Key(): true}}, plan.DefaultLimits)
			e.want(len(p.Changes) == 1 && p.Changes[0].Reason == plan.ReasonDrift, "planned: %+v", p.Changes)
			e.ok(p.Changes...)
			e.readsCities("ann", e.address(r, 0))
		}},
		{"a member put in by hand is planned out as unexpected", func(e *env) {
			adder := optional[MemberAdder](e)
			r, g := e.reader("ann")
			e.accounts("mallory")
			e.must("add by hand", adder.AddByHand(e.ctx, "mallory", r.RoleName()))
			p, _ := e.plan(plan.Desired{State: desired{roles: roles(r), grants: grants(g)}.state()}, plan.DefaultLimits)
			e.want(len(p.Changes) > 0 && p.Changes[0].Action == plan.Revoke && p.Changes[0].Reason == plan.ReasonUnexpected &&
				p.Changes[0].Grant.Principal == "mallory", "planned: %+v", p.Changes)
			for _, c := range p.Changes[1:] { // a hand may also have changed the role itself, as by a membership that lets its member act as it
				e.want(c.Action == plan.Provision && c.RoleKey() == r.RoleKey, "planned: %+v", c)
			}
			e.ok(p.Changes...)
			e.refused("mallory", e.address(r, 0), "id")
		}},
		{"an observation that failed plans no revocation", func(e *env) {
			r, g := e.reader("ann")
			ctx, cancel := context.WithCancel(e.ctx)
			cancel()
			st, err := e.p.Observe(ctx)
			e.want(err != nil, "a cancelled observation is no error")
			p, _ := plan.Compute(plan.Desired{}, []plan.Observed{{Connection: e.h.Connection(), State: st.Ours, Err: err}}, plan.DefaultLimits)
			e.want(p.Empty() && slices.Equal(p.Unknown, []resource.Name{e.h.Connection()}), "planned: %+v", p)
			e.readsCities("ann", e.address(r, 0))
			e.roundTrip(desired{roles: roles(r), grants: grants(g)})
		}},
	}
}

// plan is what the engine's own planner makes of what is seen.
func (e *env) plan(d plan.Desired, limits plan.Limits) (plan.Plan, []*plan.LimitError) {
	e.Helper()
	return plan.Compute(d, []plan.Observed{{Connection: e.h.Connection(), State: e.observe().Ours}}, limits)
}

// crowd makes a role with n members, user00 and on.
func (e *env) crowd(n int) (*grant.Role, desired) {
	e.Helper()
	e.people("people")
	r := role(e.key("sales"), e.wholePeople("people"))
	d := desired{roles: roles(r)}
	for i := range n {
		name := fmt.Sprintf("user%02d", i)
		e.accounts(name)
		d.grants = append(d.grants, *member(r.RoleKey, name))
	}
	e.converge(d)
	return r, d
}

func brake(e *env) {
	r, d := e.crowd(12)
	nobody := plan.Desired{State: grant.State{}}
	p, held := e.plan(nobody, plan.DefaultLimits)
	var over *plan.LimitError
	if len(held) != 1 || !errors.As(held[0], &over) {
		e.Fatalf("%d batches are held, want 1", len(held))
	}
	e.ok(p.Changes...)
	e.readsCities("user00", e.address(r, 0))
	e.roundTrip(d)
	limits := plan.DefaultLimits
	limits.Confirmed = map[string]bool{over.Digest: true}
	p, held = e.plan(nobody, limits)
	e.want(len(held) == 0, "a confirmed batch is held")
	e.ok(p.Changes...)
	e.refused("user00", e.address(r, 0), "id")
	e.refused("user11", e.address(r, 0), "id")
	e.roundTrip(desired{})
}

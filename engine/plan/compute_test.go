package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

var end = time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)

func key(scope string) grant.RoleKey {
	return grant.RoleKey{
		Connection: "warehouse", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(scope)},
		Access: resource.Read, Profile: grant.DefaultProfile,
	}
}

func role(scope string, objects ...grant.Object) grant.Role {
	return grant.Role{RoleKey: key(scope), Objects: objects}
}

func table(name string, columns ...string) grant.Object {
	o := grant.Object{Path: []string{"shop", "public", name}, Kind: "table"}
	for _, c := range columns {
		o.Columns = append(o.Columns, grant.Column{Name: c})
	}
	return o
}

func masked(o grant.Object, i int, m resource.Mask) grant.Object {
	o.Columns = slices.Clone(o.Columns)
	o.Columns[i].Mask = &m
	return o
}

func allow(scope, who string, requests ...string) grant.Grant {
	g := grant.Grant{RoleKey: key(scope), Principal: who, NotAfter: end}
	for _, r := range requests {
		g.Requests = append(g.Requests, resource.Ref{Kind: resource.KindAccessRequest, Name: resource.Name(r)})
	}
	return g
}

// summary renders a plan as lines, which tables compare.
func summary(p plan.Plan) []string {
	out := []string{}
	for _, c := range p.Changes {
		who := ""
		if c.Grant != nil {
			who = " " + c.Grant.Principal
		}
		out = append(out, fmt.Sprintf("%s %s%s: %s", c.Action, c.RoleKey().Scope.Name, who, c.Reason))
	}
	return out
}

func TestCompute(t *testing.T) {
	orders := role("orders", table("orders", "id", "total"))
	tests := []struct {
		name     string
		desired  plan.Desired
		observed grant.State
		want     []string
	}{
		{"nothing anywhere", plan.Desired{}, grant.State{}, []string{}},
		{"new role and member: the role first", plan.Desired{State: state([]grant.Role{orders}, allow("orders", "ana", "r1"))}, grant.State{},
			[]string{"provision orders: product", "grant orders ana: approved"}},
		{"as desired", plan.Desired{State: state([]grant.Role{orders}, allow("orders", "ana", "r1"))}, state([]grant.Role{orders}, allow("orders", "ana", "r1")), []string{}},
		{"window over", plan.Desired{State: state([]grant.Role{orders}), Ended: map[resource.Name]bool{"r1": true}}, state([]grant.Role{orders}, allow("orders", "ana", "r1")),
			[]string{"revoke orders ana: expired"}},
		{"one of two requests is over, the other withdrawn", plan.Desired{State: state([]grant.Role{orders}), Ended: map[resource.Name]bool{"r1": true}}, state([]grant.Role{orders}, allow("orders", "ana", "r1", "r2")),
			[]string{"revoke orders ana: withdrawn"}},
		{"withdrawn", plan.Desired{State: state([]grant.Role{orders})}, state([]grant.Role{orders}, allow("orders", "ana", "r1")), []string{"revoke orders ana: withdrawn"}},
		{"a stranger in our role", plan.Desired{State: state([]grant.Role{orders})}, state([]grant.Role{orders}, allow("orders", "eve")), []string{"revoke orders eve: unexpected"}},
		{"removed behind our back", plan.Desired{State: state([]grant.Role{orders}, allow("orders", "ana", "r1")), Applied: map[grant.Key]bool{allow("orders", "ana").Key(): true}}, state([]grant.Role{orders}),
			[]string{"grant orders ana: drift"}},
		{"longer", plan.Desired{State: state([]grant.Role{orders}, until(allow("orders", "ana", "r1"), end.AddDate(0, 1, 0)))}, state([]grant.Role{orders}, allow("orders", "ana", "r1")),
			[]string{"extend orders ana: approved"}},
		{"another request justifies it too", plan.Desired{State: state([]grant.Role{orders}, allow("orders", "ana", "r1", "r2"))}, state([]grant.Role{orders}, allow("orders", "ana", "r1")),
			[]string{"extend orders ana: approved"}},
		{"product retired: members first, then the role", plan.Desired{}, state([]grant.Role{orders}, allow("orders", "ana", "r1")),
			[]string{"revoke orders ana: withdrawn", "retire orders: product"}},
		{"new mask", plan.Desired{State: state([]grant.Role{role("orders", masked(table("orders", "id", "total"), 1, resource.Mask{Type: resource.MaskNull}))})}, state([]grant.Role{orders}),
			[]string{"provision orders: product"}},
		{"other mask", plan.Desired{State: state([]grant.Role{role("orders", masked(table("orders", "id"), 0, resource.Mask{Type: resource.MaskHash}))})},
			state([]grant.Role{role("orders", masked(table("orders", "id"), 0, resource.Mask{Type: resource.MaskNull}))}), []string{"provision orders: product"}},
		{"a mask taken off behind our back", plan.Desired{State: state([]grant.Role{orders}), AppliedRoles: map[grant.RoleKey]grant.Role{orders.RoleKey: orders}},
			state([]grant.Role{role("orders", table("orders", "id"))}), []string{"provision orders: drift"}},
		{"a role dropped behind our back", plan.Desired{State: state([]grant.Role{orders}), AppliedRoles: map[grant.RoleKey]grant.Role{orders.RoleKey: orders}},
			grant.State{}, []string{"provision orders: drift"}},
		{"another product than was applied", plan.Desired{State: state([]grant.Role{orders}), AppliedRoles: map[grant.RoleKey]grant.Role{orders.RoleKey: role("orders")}},
			state([]grant.Role{role("orders")}), []string{"provision orders: product"}},
		{"new column", plan.Desired{State: state([]grant.Role{role("orders", table("orders", "id", "total", "note"))})}, state([]grant.Role{orders}), []string{"provision orders: product"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, held := plan.Compute(tt.desired, []plan.Observed{{Connection: "warehouse", State: tt.observed}}, plan.DefaultLimits)
			if diff := cmp.Diff(tt.want, summary(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if len(held) > 0 {
				t.Errorf("held %v", held)
			}
		})
	}
}

func state(roles []grant.Role, grants ...grant.Grant) grant.State {
	return grant.State{Roles: roles, Grants: grants}
}

func until(g grant.Grant, at time.Time) grant.Grant { g.NotAfter = at; return g }

func TestUnknownPlatformGetsOnlyDueExpiries(t *testing.T) {
	desired := plan.Desired{State: state([]grant.Role{role("orders", table("orders", "id"))}, allow("orders", "new", "r9")), Ended: map[resource.Name]bool{"over": true}}
	known := state(nil, allow("orders", "late", "over"), allow("orders", "gone", "withdrawn"))
	p, held := plan.Compute(desired, []plan.Observed{{Connection: "warehouse", State: known, Err: errors.New("down")}}, plan.DefaultLimits)
	if diff := cmp.Diff([]string{"revoke orders late: expired"}, summary(p)); diff != "" || len(held) > 0 {
		t.Errorf("held %v, plan (-want +got):\n%s", held, diff)
	}
	if !slices.Equal(p.Unknown, []resource.Name{"warehouse"}) {
		t.Errorf("unknown = %v", p.Unknown)
	}
}

func TestOtherConnectionsAreLeftAlone(t *testing.T) {
	foreign := allow("orders", "ana", "r1")
	foreign.Connection = "lake"
	p, _ := plan.Compute(plan.Desired{State: state(nil, foreign)}, []plan.Observed{{Connection: "warehouse"}}, plan.DefaultLimits)
	if !p.Empty() {
		t.Errorf("planned %v for a connection that nobody observed", summary(p))
	}
}

func crowd(n int, request string) (grants []grant.Grant) {
	for i := range n {
		grants = append(grants, allow("orders", fmt.Sprintf("u%03d", i), request))
	}
	return grants
}

func TestMassRevocation(t *testing.T) {
	orders := role("orders", table("orders", "id", "total"))
	narrow := role("orders", table("orders", "id"))
	tests := []struct {
		name     string
		desired  plan.Desired
		observed grant.State
		held     int // changes held
		changes  int // changes left in the plan
	}{
		{"ten may go", plan.Desired{State: state([]grant.Role{orders}, crowd(20, "r")[10:]...)}, state([]grant.Role{orders}, crowd(20, "r")...), 0, 10},
		{"eleven of twenty may not", plan.Desired{State: state([]grant.Role{orders}, crowd(20, "r")[11:]...)}, state([]grant.Role{orders}, crowd(20, "r")...), 11, 0},
		{"15 % of two hundred may go", plan.Desired{State: state([]grant.Role{orders}, crowd(200, "r")[30:]...)}, state([]grant.Role{orders}, crowd(200, "r")...), 0, 30},
		{"a hundred expiries may go", plan.Desired{State: state([]grant.Role{orders}), Ended: map[resource.Name]bool{"r": true}}, state([]grant.Role{orders}, crowd(100, "r")...), 0, 100},
		{"all, with their role", plan.Desired{}, state([]grant.Role{orders}, crowd(12, "r")...), 13, 0},
		{"a column that twelve people lose", plan.Desired{State: state([]grant.Role{narrow}, crowd(12, "r")...)}, state([]grant.Role{orders}, crowd(12, "r")...), 1, 0},
		{"a mask for twelve people is no loss", plan.Desired{State: state([]grant.Role{role("orders", masked(table("orders", "id", "total"), 1, resource.Mask{Type: resource.MaskNull}))}, crowd(12, "r")...)},
			state([]grant.Role{orders}, crowd(12, "r")...), 0, 1},
		{"what gives goes on", plan.Desired{State: state([]grant.Role{orders, role("new", table("new", "id"))}, allow("new", "ana", "r2"))}, state([]grant.Role{orders}, crowd(12, "r")...), 12, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			observed := []plan.Observed{{Connection: "warehouse", State: tt.observed}}
			p, held := plan.Compute(tt.desired, observed, plan.DefaultLimits)
			got := 0
			for _, e := range held {
				got += len(e.Held)
			}
			if got != tt.held || len(p.Changes) != tt.changes {
				t.Fatalf("held %d and planned %d changes, want %d and %d: %v", got, len(p.Changes), tt.held, tt.changes, summary(p))
			}
			if tt.held == 0 {
				return
			}
			limits := plan.DefaultLimits
			limits.Confirmed = map[string]bool{held[0].Digest: true}
			p, held = plan.Compute(tt.desired, observed, limits)
			if len(held) != 0 || len(p.Changes) != tt.held+tt.changes {
				t.Errorf("once confirmed, held %v and planned %d changes, want none and %d", held, len(p.Changes), tt.held+tt.changes)
			}
		})
	}
}

// A role that may not be narrowed yet opens to nobody new what has left it; those
// who leave go, and the batch to confirm stays the same whoever waits.
func TestNobodyJoinsARoleThatIsHeldWide(t *testing.T) {
	wide, narrow := role("orders", table("orders", "id", "total")), role("orders", table("orders", "id"))
	observed := []plan.Observed{{Connection: "warehouse", State: state([]grant.Role{wide}, crowd(12, "r")...)}}
	stay := crowd(12, "r")[1:]
	desired := plan.Desired{State: state([]grant.Role{narrow, role("new", table("new", "id"))}, stay...)}
	desired.Now, observed[0].State.Grants[0].NotAfter = end, end // the first has expired
	_, before := plan.Compute(desired, observed, plan.DefaultLimits)
	desired.Grants = append(slices.Clone(stay), allow("orders", "ana", "r2"), allow("new", "ana", "r2"))
	p, held := plan.Compute(desired, observed, plan.DefaultLimits)
	want := []string{"revoke orders u000: expired", "provision new: product", "grant new ana: approved"}
	if diff := cmp.Diff(want, summary(p)); diff != "" || len(held) != 1 || held[0].Digest != before[0].Digest {
		t.Fatalf("held %v, plan (-want +got):\n%s", held, diff)
	}
	limits := plan.DefaultLimits
	limits.Confirmed = map[string]bool{held[0].Digest: true}
	p, held = plan.Compute(desired, observed, limits)
	if !slices.Contains(summary(p), "grant orders ana: approved") || len(held) != 0 {
		t.Errorf("once confirmed: %v, held %v", summary(p), held)
	}
}

func TestConfirmationIsOfOneBatchOnly(t *testing.T) {
	orders := role("orders", table("orders", "id"))
	observed := []plan.Observed{{Connection: "warehouse", State: state([]grant.Role{orders}, crowd(12, "r")...)}}
	_, held := plan.Compute(plan.Desired{State: state([]grant.Role{orders})}, observed, plan.DefaultLimits)
	limits := plan.DefaultLimits
	limits.Confirmed = map[string]bool{held[0].Digest: true}
	observed[0].State = state([]grant.Role{orders}, crowd(13, "r")...)
	if _, held = plan.Compute(plan.Desired{State: state([]grant.Role{orders})}, observed, limits); len(held) != 1 {
		t.Error("a confirmation of twelve revocations let thirteen pass")
	}
}

// apply is the meaning of a plan on a platform that does all it is told.
func apply(s grant.State, changes []plan.Change) grant.State {
	for _, c := range changes {
		switch c.Action {
		case plan.Revoke, plan.Allow, plan.Extend:
			s.Grants = slices.DeleteFunc(slices.Clone(s.Grants), func(g grant.Grant) bool { return g.Key() == c.Grant.Key() })
			if c.Action != plan.Revoke {
				s.Grants = append(s.Grants, *c.Grant)
			}
		case plan.Retire, plan.Provision:
			s.Roles = slices.DeleteFunc(slices.Clone(s.Roles), func(r grant.Role) bool { return r.RoleKey == c.Role.RoleKey })
			if c.Action == plan.Provision {
				s.Roles = append(s.Roles, *c.Role)
			}
		}
	}
	return s
}

func anyState(t *rapid.T, label string) grant.State {
	var s grant.State
	scopes := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.ID[string]).Draw(t, label+" scopes")
	for _, scope := range scopes {
		columns := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"id", "x", "y"}), 1, 3, rapid.ID[string]).Draw(t, label+" columns")
		o := table("t", columns...)
		if rapid.Bool().Draw(t, label+" masked") {
			o = masked(o, 0, resource.Mask{Type: resource.MaskNull})
		}
		s.Roles = append(s.Roles, role(scope, o))
		for _, who := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"ana", "ben", "eve"}), rapid.ID[string]).Draw(t, label+" people") {
			g := allow(scope, who, rapid.SliceOfDistinct(rapid.SampledFrom([]string{"r1", "r2"}), rapid.ID[string]).Draw(t, label+" requests")...)
			g.NotAfter = rapid.SampledFrom([]time.Time{{}, end}).Draw(t, label+" end")
			s.Grants = append(s.Grants, g)
		}
	}
	return s
}

// Applying a plan makes the next one empty, whatever was desired and observed;
// applying any part of it first changes nothing about that; and what takes
// access away comes before what gives it.
func TestPlanConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := plan.Desired{State: anyState(t, "desired"), Ended: map[resource.Name]bool{"r1": rapid.Bool().Draw(t, "ended")}}
		was := anyState(t, "observed")
		limits := plan.Limits{Count: 1000}
		compute := func(s grant.State) plan.Plan {
			p, _ := plan.Compute(desired, []plan.Observed{{Connection: "warehouse", State: s}}, limits)
			return p
		}
		p := compute(was)
		part := rapid.IntRange(0, len(p.Changes)).Draw(t, "part")
		half := apply(was, p.Changes[:part])
		if rest := compute(apply(half, compute(half).Changes)); !rest.Empty() {
			t.Fatalf("after a part and then the whole, still to do: %v", summary(rest))
		}
		gives := false
		for _, c := range p.Changes {
			takes := c.Action == plan.Revoke || c.Action == plan.Retire
			if takes && gives {
				t.Fatalf("gives before it takes: %v", summary(p))
			}
			gives = gives || !takes
		}
		again := compute(was)
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("the same question got another plan:\n%s", diff)
		}
	})
}

func TestPlanIsData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := plan.Compute(plan.Desired{State: anyState(t, "desired")}, []plan.Observed{{Connection: "warehouse", State: anyState(t, "observed")}}, plan.Limits{Count: 1000})
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back plan.Plan
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("a plan changed on its way through JSON:\n%s", diff)
		}
	})
}

func BenchmarkCompute(b *testing.B) {
	roles := make([]grant.Role, 0, 100)
	var grants []grant.Grant
	for i := range 100 {
		scope := fmt.Sprintf("p%03d", i)
		roles = append(roles, role(scope, table("t", "id", "x")))
		for j := range 100 {
			grants = append(grants, allow(scope, fmt.Sprintf("u%03d", j), "r"))
		}
	}
	observed := []plan.Observed{{Connection: "warehouse", State: state(roles, grants...)}}
	for b.Loop() {
		if p, _ := plan.Compute(plan.Desired{State: state(roles, grants...)}, observed, plan.DefaultLimits); !p.Empty() {
			b.Fatal("not empty")
		}
	}
}

// Both ends of a masking exception move a person between two roles of one
// product. Nobody loses anything, so the brake counts none of it.
func TestMovesBetweenRolesOfAScopeAreNoLoss(t *testing.T) {
	lifted := key("orders")
	lifted.Profile = "x0"
	open := grant.Role{RoleKey: lifted, Objects: []grant.Object{table("orders", "id", "total")}}
	shut := role("orders", masked(table("orders", "id", "total"), 1, resource.Mask{Type: resource.MaskNull}))
	var in, out []grant.Grant
	for _, g := range crowd(40, "r") {
		out = append(out, g)
		g.RoleKey = lifted
		in = append(in, g)
	}
	for name, tt := range map[string]struct{ was, will grant.State }{
		"begins": {state([]grant.Role{shut}, out...), state([]grant.Role{open, shut}, in...)},
		"ends":   {state([]grant.Role{open, shut}, in...), state([]grant.Role{shut}, out...)},
	} {
		p, held := plan.Compute(plan.Desired{State: tt.will}, []plan.Observed{{Connection: "warehouse", State: tt.was}}, plan.DefaultLimits)
		if len(held) > 0 {
			t.Errorf("%s: held %d changes", name, len(held[0].Held))
		}
		if first := p.Changes[0]; first.Action != plan.Revoke || first.Reason != plan.ReasonMoved {
			t.Errorf("%s: the first change is %s (%s)", name, first.Action, first.Reason)
		}
	}
	fewer := grant.Role{RoleKey: lifted, Objects: []grant.Object{table("orders", "id")}}
	if _, held := plan.Compute(plan.Desired{State: state([]grant.Role{fewer, shut}, in...)}, []plan.Observed{{Connection: "warehouse", State: state([]grant.Role{shut}, out...)}}, plan.DefaultLimits); len(held) != 1 {
		t.Error("forty people lost a column by a move, and nothing was held")
	}
}

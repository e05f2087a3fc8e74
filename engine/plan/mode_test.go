package plan_test

import (
	"encoding/json"
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

func in(mode resource.Mode) func(grant.RoleKey) resource.Mode {
	return func(grant.RoleKey) resource.Mode { return mode }
}

func left(p plan.Plan) []string { return summary(plan.Plan{Changes: p.Untouched}) }

// Each row is one difference; what enforce makes of it, the others make or leave.
func TestModes(t *testing.T) {
	hash := resource.Mask{Type: resource.MaskHash}
	orders := role("orders", table("orders", "id", "total"))
	wider := role("orders", table("orders", "id", "total"), table("pay", "id"))
	veiled := role("orders", masked(table("orders", "id", "total"), 1, hash))
	ana := allow("orders", "ana", "r1")
	sooner := ana
	sooner.NotAfter = end.AddDate(0, 0, -1)
	tests := []struct {
		name           string
		desired        plan.Desired
		observed       grant.State
		observe, adopt bool // whether all of it is made
	}{
		{"a person joins", plan.Desired{State: state([]grant.Role{orders}, ana)}, state([]grant.Role{orders}), false, true},
		{"a lost membership", plan.Desired{State: state([]grant.Role{orders}, ana), Applied: map[grant.Key]bool{ana.Key(): true}}, state([]grant.Role{orders}), false, true},
		{"a role comes", plan.Desired{State: state([]grant.Role{orders})}, grant.State{}, false, true},
		{"an end that has passed", plan.Desired{State: state([]grant.Role{orders}), Now: end}, state([]grant.Role{orders}, ana), true, true},
		{"an approval that is gone", plan.Desired{State: state([]grant.Role{orders})}, state([]grant.Role{orders}, ana), true, true},
		{"a member whom nobody approved", plan.Desired{State: state([]grant.Role{orders})}, state([]grant.Role{orders}, allow("orders", "eve")), false, false},
		{"an earlier end", plan.Desired{State: state([]grant.Role{orders}, sooner)}, state([]grant.Role{orders}, ana), false, true},
		{"a later end", plan.Desired{State: state([]grant.Role{orders}, ana)}, state([]grant.Role{orders}, sooner), false, true},
		{"a product that grew", plan.Desired{State: state([]grant.Role{wider})}, state([]grant.Role{orders}), false, true},
		{
			"a product that shrank", plan.Desired{State: state([]grant.Role{orders}), AppliedRoles: map[grant.RoleKey]grant.Role{orders.RoleKey: wider}},
			state([]grant.Role{wider}), false, true,
		},
		{"an object that somebody added", plan.Desired{State: state([]grant.Role{orders}), AppliedRoles: map[grant.RoleKey]grant.Role{orders.RoleKey: orders}}, state([]grant.Role{wider}), false, false},
		{
			"a mask that came", plan.Desired{State: state([]grant.Role{veiled}), AppliedRoles: map[grant.RoleKey]grant.Role{orders.RoleKey: orders}},
			state([]grant.Role{orders}), false, true,
		},
		{"a mask that somebody removed", plan.Desired{State: state([]grant.Role{veiled}), AppliedRoles: map[grant.RoleKey]grant.Role{orders.RoleKey: veiled}}, state([]grant.Role{orders}), false, false},
		{"a retired product", plan.Desired{}, state([]grant.Role{orders}), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compute := func(mode resource.Mode) plan.Plan {
				d := tt.desired
				d.Mode = in(mode)
				p, held := plan.Compute(d, []plan.Observed{{Connection: "warehouse", State: tt.observed}}, plan.DefaultLimits)
				if len(held) > 0 {
					t.Fatalf("held: %v", held[0])
				}
				return p
			}
			enforced := compute(resource.ModeEnforce)
			if enforced.Empty() || len(enforced.Untouched) > 0 {
				t.Fatalf("enforce makes %v and leaves %v", summary(enforced), left(enforced))
			}
			for mode, all := range map[resource.Mode]bool{resource.ModeObserve: tt.observe, resource.ModeAdopt: tt.adopt} {
				p := compute(mode)
				made, untouched := summary(enforced), []string{}
				if !all {
					made, untouched = untouched, made
				}
				if diff := cmp.Diff([][]string{made, untouched}, [][]string{summary(p), left(p)}); diff != "" {
					t.Errorf("%s: made and left (-want +got):\n%s", mode, diff)
				}
			}
		})
	}
}

// In adopt nobody joins a role that shows more than it should, and nobody is
// taken out of another one on the way there; who has to leave leaves.
func TestAdoptLetsNobodyIntoARoleThatShowsMore(t *testing.T) {
	lifted := key("orders")
	lifted.Profile = "x0"
	extra := role("orders", table("orders", "id"), table("pay", "id"))
	clean := role("orders", table("orders", "id"))
	open := grant.Role{RoleKey: lifted, Objects: clean.Objects}
	ana, ben, cal := allow("orders", "ana", "r1"), allow("orders", "ben", "r2"), allow("orders", "cal", "r3", "x3")
	from := func(g grant.Grant) grant.Grant { g.RoleKey = lifted; return g }
	stays := allow("orders", "cal", "r3")
	p, _ := plan.Compute(plan.Desired{
		State: state([]grant.Role{clean, open}, ana, ben, stays), Mode: in(resource.ModeAdopt), AppliedRoles: map[grant.RoleKey]grant.Role{clean.RoleKey: clean},
	}, []plan.Observed{{Connection: "warehouse", State: state([]grant.Role{extra, open}, from(ben), from(cal))}}, plan.DefaultLimits)
	if diff := cmp.Diff([]string{"revoke orders cal: moved"}, summary(p)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	want := []string{"revoke orders ben: moved", "provision orders: drift", "grant orders ana: approved", "grant orders ben: approved", "grant orders cal: approved"}
	if diff := cmp.Diff(want, left(p)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestModesAreThoseOfRoles(t *testing.T) {
	mode := func(k grant.RoleKey) resource.Mode {
		if k.Scope.Name == "watched" {
			return resource.ModeObserve
		}
		return resource.ModeEnforce
	}
	p, _ := plan.Compute(plan.Desired{Mode: mode}, []plan.Observed{{Connection: "warehouse", State: state([]grant.Role{role("orders", table("t", "id")), role("watched", table("t", "id"))}, allow("orders", "eve"), allow("watched", "eve"))}}, plan.DefaultLimits)
	if diff := cmp.Diff([]string{"revoke orders eve: unexpected", "retire orders: product"}, summary(p)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"revoke watched eve: unexpected", "retire watched: product"}, left(p)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// Whatever was desired and observed: observe only revokes, what a request once
// justified; a mode neither adds to what enforce does nor drops any of it.
func TestModesOnlyLeaveOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := plan.Desired{State: anyState(t, "desired"), Ended: map[resource.Name]bool{"r1": rapid.Bool().Draw(t, "ended")}, Now: time.Time{}}
		observed := []plan.Observed{{Connection: "warehouse", State: anyState(t, "observed")}}
		limits := plan.Limits{Count: 1000}
		all, _ := plan.Compute(desired, observed, limits)
		mode := rapid.SampledFrom([]resource.Mode{resource.ModeObserve, resource.ModeAdopt}).Draw(t, "mode")
		desired.Mode = in(mode)
		p, _ := plan.Compute(desired, observed, limits)
		both := slices.Concat(summary(p), left(p))
		slices.Sort(both)
		if want := slices.Sorted(slices.Values(summary(all))); !slices.Equal(want, both) {
			t.Fatalf("%s: %v, enforce: %v", mode, both, want)
		}
		for _, c := range p.Changes {
			if c.Reason == plan.ReasonUnexpected || mode == resource.ModeObserve && c.Action != plan.Revoke {
				t.Fatalf("mode %s makes %s (%s)", mode, c.Action, c.Reason)
			}
		}
	})
}

// A change of any size is put together from its parts to what it made.
func TestPartsMakeTheRole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objects := func(label string) []grant.Object {
			var out []grant.Object
			for i := range 20 {
				if rapid.Bool().Draw(t, label) {
					out = append(out, table(fmt.Sprintf("t%02d", i), rapid.SampledFrom([]string{"id", "other"}).Draw(t, label)))
				}
			}
			return out
		}
		was, will := role("orders", objects("was")...), role("orders", objects("will")...)
		c := plan.Change{Action: plan.Provision, Role: &will}
		made := grant.Role{}
		if rapid.Bool().Draw(t, "known") {
			c.PriorRole, made = &was, was
		}
		parts := c.Parts(rapid.IntRange(1, 2000).Draw(t, "most"))
		for i, p := range parts {
			if (p.PriorRole == nil) != (c.PriorRole == nil) {
				t.Fatal("a part tells of a prior role where there was none, or the reverse")
			}
			made = p.Made(made, i)
		}
		if diff := cmp.Diff(will, made, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%d parts (-want +got):\n%s", len(parts), diff)
		}
	})
}

func TestPartsOfALargeChangeAreSmall(t *testing.T) {
	var many []grant.Object
	for i := range 10_000 {
		many = append(many, table(fmt.Sprintf("t%05d", i), "id", "name", "mail", "total"))
	}
	was, will := role("orders", many[:9_999]...), role("orders", many...)
	if parts := (plan.Change{Action: plan.Provision, Role: &will, PriorRole: &was}).Parts(4096); len(parts) != 1 || len(parts[0].Role.Objects) != 1 {
		t.Errorf("one table more is %d parts", len(parts))
	}
	for _, p := range (plan.Change{Action: plan.Provision, Role: &will}).Parts(256 << 10) {
		if data, err := json.Marshal(p); err != nil || len(data) > 300<<10 {
			t.Errorf("a part of %d bytes, %v", len(data), err)
		}
	}
	if parts := (plan.Change{Action: plan.Retire, Role: &will, PriorRole: &will}).Parts(4096); len(parts) != 1 || len(parts[0].Role.Objects) != 0 {
		t.Errorf("a retirement is %d parts", len(parts))
	}
}

package plan_test

import (
	"fmt"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// What one leaver loses counts once, however much it is; each leaver counts.
func TestLeaversCountByThePersonTowardsTheBrake(t *testing.T) {
	lost := func(people, each int) (plan.Desired, []plan.Observed) {
		d := plan.Desired{Left: map[grant.Account]bool{}}
		o := plan.Observed{Connection: "dw"}
		for p := range people {
			who := fmt.Sprintf("p%d", p)
			d.Left[grant.Account{Connection: "dw", Principal: who}] = true
			for n := range each {
				key := grant.RoleKey{Connection: "dw", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(fmt.Sprintf("x%d", n))}, Access: resource.Read, Profile: grant.DefaultProfile}
				o.State.Grants = append(o.State.Grants, grant.Grant{RoleKey: key, Principal: who, Requests: []resource.Ref{{Kind: resource.KindAccessRequest, Name: "r"}}})
			}
		}
		return d, []plan.Observed{o}
	}
	for _, tt := range []struct {
		people, each int
		left         bool
		held         bool
	}{
		{1, 5, true, false},
		{1, 5, false, true},
		{2, 5, true, false},
		{3, 1, true, true},
	} {
		d, o := lost(tt.people, tt.each)
		if !tt.left {
			d.Left = nil
		}
		p, held := plan.Compute(d, o, plan.Limits{Count: 2})
		if got := len(held) > 0; got != tt.held {
			t.Errorf("%d people with %d grants each, left %v: held %v, want %v", tt.people, tt.each, tt.left, got, tt.held)
		}
		if !tt.held && len(p.Changes) != tt.people*tt.each {
			t.Errorf("%d changes, want %d", len(p.Changes), tt.people*tt.each)
		}
	}
}

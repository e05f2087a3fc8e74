package plan_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
)

// A grant whose own end has passed expired, also where a request behind it goes
// on in another role: many such at once are no mass revocation, and a platform
// that cannot be read is told of them too.
func TestAGrantPastItsOwnEndIsAnExpiry(t *testing.T) {
	orders := role("orders", table("orders", "id"))
	var members []grant.Grant
	for _, g := range crowd(40, "goes-on") {
		members = append(members, until(g, end))
	}
	for _, tt := range []struct {
		name string
		now  plan.Desired
		held int
	}{
		{"past", plan.Desired{State: state([]grant.Role{orders}), Now: end}, 0},
		{"a second before", plan.Desired{State: state([]grant.Role{orders}), Now: end.Add(-1)}, 1},
		{"no instant", plan.Desired{State: state([]grant.Role{orders})}, 1},
	} {
		p, held := plan.Compute(tt.now, []plan.Observed{{Connection: "warehouse", State: state([]grant.Role{orders}, members...)}}, plan.DefaultLimits)
		if len(held) != tt.held || len(p.Changes) != 40*(1-tt.held) {
			t.Errorf("%s: held %d batches, planned %d changes", tt.name, len(held), len(p.Changes))
		}
	}
	p, _ := plan.Compute(plan.Desired{Now: end}, []plan.Observed{{Connection: "warehouse", State: state(nil, members[0]), Err: errors.New("down")}}, plan.DefaultLimits)
	if diff := cmp.Diff([]string{"revoke orders u000: expired"}, summary(p)); diff != "" {
		t.Errorf("unreadable platform (-want +got):\n%s", diff)
	}
}

// Whether an object may be written is part of the role.
func TestReadOnlyIsADifference(t *testing.T) {
	closed := table("orders", "id")
	closed.ReadOnly = true
	p, _ := plan.Compute(plan.Desired{State: state([]grant.Role{role("orders", closed)})},
		[]plan.Observed{{Connection: "warehouse", State: state([]grant.Role{role("orders", table("orders", "id"))})}}, plan.DefaultLimits)
	if diff := cmp.Diff([]string{"provision orders: product"}, summary(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

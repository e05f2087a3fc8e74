package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
)

// A state out of order, or with a grant twice, of which the last counts, makes
// the plan that the same one in order makes.
func TestStatesNeedNoOrder(t *testing.T) {
	roles := []grant.Role{role("orders", table("t", "a")), role("sales", table("t", "a"))}
	had := []grant.Grant{allow("sales", "zoe", "r1"), allow("orders", "ann", "r1"), allow("sales", "bob", "old"), allow("orders", "zoe", "r1"), allow("sales", "bob", "r1")}
	want := []grant.Grant{allow("sales", "cyd", "r2"), allow("sales", "bob", "r2"), allow("orders", "zoe", "r2"), allow("orders", "bob", "r1"), allow("orders", "zoe", "r1"), allow("sales", "bob", "r1")}
	p, held := plan.Compute(plan.Desired{State: grant.State{Roles: roles, Grants: want}},
		[]plan.Observed{{Connection: "warehouse", State: grant.State{Roles: roles, Grants: had}}}, plan.DefaultLimits)
	if len(held) > 0 {
		t.Fatal(held)
	}
	lines := []string{"revoke orders ann: withdrawn", "revoke sales zoe: withdrawn", "grant orders bob: approved", "grant sales cyd: approved"}
	if diff := cmp.Diff(lines, summary(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
)

// A table that its owner builds anew is opened again within one round, told as
// drift, and what became of the old one is closed.
func TestRebuiltTablesAreRepairedInOneRound(t *testing.T) {
	const made = `CREATE TABLE shop.people_new (id text PRIMARY KEY, name text, iban text)`
	const filled = `INSERT INTO shop.people_new VALUES ('3', 'Eve', 'DE89')`
	for name, rebuild := range map[string][]string{
		"dropped and made again":     {`DROP TABLE shop.people CASCADE`, made, filled, `ALTER TABLE shop.people_new RENAME TO people`},
		"swapped by names":           {made, filled, `ALTER TABLE shop.people RENAME TO people_old`, `ALTER TABLE shop.people_new RENAME TO people`},
		"swapped, then the old gone": {made, filled, `ALTER TABLE shop.people RENAME TO people_old`, `ALTER TABLE shop.people_new RENAME TO people`, `DROP TABLE shop.people_old CASCADE`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "bob")
			clear, masked := f.clearRole(), f.maskedRole()
			want := plan.Desired{
				State:        grant.State{Roles: []grant.Role{*clear, *masked}, Grants: []grant.Grant{*member(clear, "ann"), *member(masked, "bob")}},
				AppliedRoles: map[grant.RoleKey]grant.Role{clear.RoleKey: *clear, masked.RoleKey: *masked},
			}
			round := func() []plan.Change {
				p, held := plan.Compute(want, []plan.Observed{{Connection: f.Connection(), State: f.observe().Ours}}, plan.DefaultLimits)
				if held != nil {
					t.Fatalf("held: %v", held)
				}
				f.ok(p.Changes...)
				return p.Changes
			}
			round()
			mustExec(t, f.owner, rebuild...)
			f.refused("ann", "shop.people", "id")
			changes := round()
			if len(changes) != 2 {
				t.Errorf("changes are %v", changes)
			}
			for _, c := range changes {
				if c.Action != plan.Provision || c.Reason != plan.ReasonDrift {
					t.Errorf("%s %s because of %s", c.Action, c.RoleKey().RoleName(), c.Reason)
				}
			}
			if d := cmp.Diff([][]string{{"3", "Eve"}}, f.reads("ann", clear, "id", "name")); d != "" {
				t.Errorf("ann reads (-want +got):\n%s", d)
			}
			if rows := f.reads("bob", masked, "id", "iban"); len(rows) != 1 || rows[0][0] != "3" || rows[0][1] != "***" {
				t.Errorf("bob reads %v", rows)
			}
			f.refused("ann", "shop.people_old", "id")
			if again := round(); len(again) != 0 {
				t.Errorf("a second round does %v", again)
			}
		})
	}
}

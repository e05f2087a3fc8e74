package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// A table that a role must close, and whose grants are another's by now, holds
// nothing else up: the rest opens, people go, nobody joins, it shows as drift,
// and the outcome has the statement that is enough.
func TestTableThatTheEngineMayNotClose(t *testing.T) {
	const owned = `ALTER TABLE shop.vault OWNER TO ENGINE`
	hidden := hiddenAs("iban", resource.Mask{Type: resource.MaskNull})
	for _, tt := range []struct {
		name, before, harm, by string
		vault                  []grant.Column // none: it left the product
		says                   string
	}{
		{"its owner changed", owned, `ALTER TABLE shop.vault OWNER TO dba`, "dba", nil, `("id", "iban")`},
		{"a column is masked now", owned, `ALTER TABLE shop.vault OWNER TO dba`, "dba", []grant.Column{seen("id"), hidden}, `("id", "iban")`},
		{"a column left", owned, `ALTER TABLE shop.vault OWNER TO dba`, "dba", []grant.Column{seen("id")}, `("id", "iban")`},
		{
			"the engine left the role that owns it", `ALTER TABLE shop.vault OWNER TO dba; REVOKE ALL ON shop.vault FROM ENGINE CASCADE; GRANT dba TO ENGINE`,
			`REVOKE dba FROM ENGINE`, "dba", nil, `("id", "iban")`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "bob", "cem", "dba")
			in := strings.NewReplacer("ENGINE", "engine"+f.db[2:])
			mustExec(t, f.owner, `CREATE TABLE shop.vault (id text, iban text)`, `INSERT INTO shop.vault VALUES ('1', 'NO93')`)
			mustExec(t, f.admin, in.Replace(tt.before))
			before := f.vault()
			f.ok(provision(before), allow(before, "ann"), allow(before, "bob"))
			mustExec(t, f.admin, in.Replace(tt.harm))
			now := f.role("safe", f.object("people", seen("id"), seen("name"), seen("iban")))
			if tt.vault != nil {
				now.Objects = append(now.Objects, f.object("vault", tt.vault...))
			}
			other := f.role("other", f.object("people", seen("id")))
			statement := `REVOKE SELECT ` + tt.says + ` ON "shop"."vault" FROM "` + before.RoleName() + `";`
			says := "let " + tt.by + " run " + statement
			changes := []plan.Change{revoke(before, "bob"), provision(now), provision(other), allow(now, "cem"), allow(other, "cem")}
			shown, err := f.p.Preview(t.Context(), changes)
			if err != nil || !slices.ContainsFunc(shown, func(s platform.Statement) bool {
				return strings.HasPrefix(s.Text, "-- ") && strings.Contains(s.Text, says)
			}) {
				t.Errorf("the plan does not say it: %v, %v", shown, err)
			}
			for n := range 2 { // it is tried and said in every round
				out := f.apply(changes...)
				ok := map[int]string{0: "applied", 1: "done"}[n]
				f.want(out, ok, "failed/no-right", ok, "failed/no-right", ok)
				if !strings.Contains(out[1].Detail, says) || !strings.Contains(out[3].Detail, says) {
					t.Errorf("%s; %s", out[1].Detail, out[3].Detail)
				}
				f.reads("ann", now, "id", "name", "iban") // its first object is people
				if rows, err := f.Select(t.Context(), "ann", "shop.vault", "id", "iban"); err != nil || len(rows) != 1 {
					t.Errorf("the test does not test: %v, %v", rows, err)
				}
				for _, who := range []string{"bob", "cem"} {
					f.refused(who, "shop.people", "name")
					f.refused(who, "shop.vault", "id")
				}
				roles := f.observe().Ours.Roles
				if i := slices.IndexFunc(roles, func(o grant.Role) bool { return o.RoleKey == now.RoleKey }); i < 0 || !slices.ContainsFunc(roles[i].Objects, func(o grant.Object) bool {
					return o.Path[2] == "vault" && (len(o.Columns) == 2 && o.Columns[1].Mask == nil || len(o.Columns) == 0)
				}) {
					t.Errorf("the table is believed to be closed: %+v", roles)
				}
			}
			mustExec(t, f.admin, statement, in.Replace(`GRANT SELECT ON shop.vault TO ENGINE WITH GRANT OPTION`))
			f.ok(provision(now), allow(now, "cem"))
			if d := f.diff([]*grant.Role{other, now}, []*grant.Grant{member(other, "cem"), member(now, "ann"), member(now, "cem")}); d != "" {
				t.Error(d)
			}
		})
	}
}

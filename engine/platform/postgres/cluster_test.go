package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
)

// Two databases of one cluster hold the same product: each has a role of its
// own, whichever comes first, and neither touches the other's.
func TestOneProductInTwoDatabases(t *testing.T) {
	one, two := newFixture(t), newFixture(t)
	for _, f := range []*fixture{one, two} {
		mustExec(t, f.owner, `CREATE TABLE shop.people (id text PRIMARY KEY, name text, iban text)`,
			`INSERT INTO shop.people VALUES ('`+f.db+`', 'Ann', 'NO93')`)
	}
	if one.major() >= 16 { // another engine made the owner of the views
		one.ok(provision(one.maskedRole()))
		mustExec(t, one.admin, `GRANT assent_views TO engine`+two.db[2:]+` WITH ADMIN OPTION`)
	}
	one.accounts("ann", "bob")
	roles := map[*fixture]*grant.Role{one: one.maskedRole(), two: two.maskedRole()}
	one.ok(provision(roles[one]), allow(roles[one], "ann"))
	two.ok(provision(roles[two]), allow(roles[two], "ann"), allow(roles[two], "bob"))
	for f, r := range roles {
		if got := f.reads("ann", r, "id"); got[0][0] != f.db {
			t.Errorf("ann reads %v in %s", got, f.db)
		}
	}
	one.refused("bob", one.p.Address(roles[one].RoleKey, roles[one].Objects[0]), "id")
	if d := one.diff([]*grant.Role{roles[one]}, []*grant.Grant{member(roles[one], "ann")}); d != "" {
		t.Errorf("the first database:\n%s", d)
	}
	if d := two.diff([]*grant.Role{roles[two]}, []*grant.Grant{member(roles[two], "ann"), member(roles[two], "bob")}); d != "" {
		t.Errorf("the second database:\n%s", d)
	}
	names := func() []string {
		rows, err := one.admin.Query(t.Context(), `SELECT rolname FROM pg_roles WHERE rolname ~ '^assent_masked' ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for rows.Next() {
			var n string
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			out = append(out, n)
		}
		return out
	}
	had := names()
	if len(had) != 2 || had[0] != "assent_masked_read" || !strings.HasPrefix(had[1], "assent_masked_read_") {
		t.Fatalf("roles are %q", had)
	}
	// The first one goes: the second keeps its name, and its members.
	one.ok(retire(roles[one]))
	two.ok(provision(roles[two]), revoke(roles[two], "bob"))
	if got := names(); !slices.Equal(got, had[1:]) {
		t.Errorf("roles are %q", got)
	}
	if got := two.reads("ann", roles[two], "id"); got[0][0] != two.db {
		t.Errorf("ann reads %v", got)
	}
	two.refused("bob", two.p.Address(roles[two].RoleKey, roles[two].Objects[0]), "id")
	two.ok(retire(roles[two]))
	if got := names(); len(got) != 0 {
		t.Errorf("roles are %q", got)
	}
	for _, f := range []*fixture{one, two} { // so that the cleanup of one can drop what both share
		mustExec(t, f.admin, `DROP OWNED BY assent_views`)
	}
}

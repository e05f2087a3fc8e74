package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
)

// Whatever somebody changes about a role of ours shows as another role than
// the desired one, and provisioning it again puts it right.
func TestTamperedRoleIsSeenAndRepaired(t *testing.T) {
	cases := []struct {
		name   string
		engine bool // by the engine's account, so that the grantor is ours
		sql    []string
	}{
		{"a column is opened", true, []string{`GRANT SELECT (iban) ON shop.people TO assent_clear_read`}},
		{"the whole table is opened", true, []string{`GRANT SELECT ON shop.people TO assent_clear_read`}},
		{"another privilege is given", true, []string{`GRANT DELETE ON shop.people TO assent_clear_read`}},
		{"another table is opened", true, []string{`GRANT SELECT ON shop.other TO assent_clear_read`}},
		{"the table itself is opened beside the view", true, []string{`GRANT SELECT (iban) ON shop.people TO assent_masked_read`}},
		{"a column is closed", true, []string{`REVOKE SELECT (name) ON shop.people FROM assent_clear_read`}},
		{"the use of the schema is taken", false, []string{`REVOKE USAGE ON SCHEMA assent_masked FROM assent_masked_read`}},
		{"the use of another schema is given", true, []string{`GRANT USAGE ON SCHEMA assent_masked TO assent_clear_read`}},
		{"the role can log in", false, []string{`ALTER ROLE assent_clear_read LOGIN`}},
		{"the role inherits", false, []string{`ALTER ROLE assent_clear_read INHERIT`}},
		{"the role lost its comment", false, []string{`COMMENT ON ROLE assent_clear_read IS NULL`}},
		{"the books lost the role", false, []string{`DELETE FROM assent.role WHERE name = 'assent_clear_read'`}},
		{"the role was renamed", false, []string{`ALTER ROLE assent_clear_read RENAME TO innocent`}},
		{"a member may pass the role on", true, []string{`GRANT assent_clear_read TO ann WITH ADMIN OPTION`}},
		{"the view shows the clear column", false, []string{
			`CREATE OR REPLACE VIEW assent_masked.shop__people AS SELECT id, name, iban FROM shop.people`}},
		{"the view shows another table", false, []string{
			`CREATE OR REPLACE VIEW assent_masked.shop__people AS SELECT id, name, iban FROM shop.other`}},
		{"the view shows another table, with our comment", false, []string{
			`DROP VIEW assent_masked.shop__people`,
			`CREATE VIEW assent_masked.shop__people AS SELECT id, name, iban FROM shop.other`,
			`ALTER VIEW assent_masked.shop__people OWNER TO assent_views`,
			`GRANT SELECT ON assent_masked.shop__people TO assent_masked_read`,
			`DO $$ BEGIN EXECUTE format('COMMENT ON VIEW assent_masked.shop__people IS %L', (SELECT 'assent view ' || text FROM assent.view)); END $$`}},
		{"the tables changed places", false, []string{
			`ALTER TABLE shop.people RENAME TO tmp`, `ALTER TABLE shop.other RENAME TO people`, `ALTER TABLE shop.tmp RENAME TO other`}},
		{"the view has another owner", false, []string{`ALTER VIEW assent_masked.shop__people OWNER TO CURRENT_USER`}},
		{"the view has options", false, []string{`ALTER VIEW assent_masked.shop__people SET (security_invoker = true)`}},
		{"the view is gone", false, []string{`DROP VIEW assent_masked.shop__people`}},
		{"the view can be written", false, []string{`GRANT UPDATE ON assent_masked.shop__people TO assent_masked_read`}},
		{"the view is closed", false, []string{`REVOKE SELECT ON assent_masked.shop__people FROM assent_masked_read`}},
		{"the view moved away", false, []string{`ALTER VIEW assent_masked.shop__people SET SCHEMA shop`}},
		{"the view's owner lost a column", true, []string{`REVOKE SELECT (name) ON shop.people FROM assent_views`}},
		{"the view's owner lost the salt", true, []string{`REVOKE SELECT ON assent.salt FROM assent_views`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann")
			mustExec(t, f.owner, `CREATE TABLE shop.other (id text, name text, iban text)`)
			clear, masked := f.clearRole(), f.maskedRole()
			f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "ann"))
			roles := []*grant.Role{clear, masked}
			grants := []*grant.Grant{member(clear, "ann"), member(masked, "ann")}
			if d := f.diff(roles, grants); d != "" {
				t.Fatalf("before (-want +got):\n%s", d)
			}
			before := f.reads("ann", masked, "id", "name", "iban")
			if c.engine {
				f.asEngine(c.sql...)
			} else {
				mustExec(t, f.admin, c.sql...)
			}
			ours := f.observe().Ours
			if len(ours.Roles) != 2 || len(ours.Grants) != 2 {
				t.Fatalf("roles or members are missing: %v", ours)
			}
			if d := cmp.Diff([]grant.Role{*clear, *masked}, ours.Roles); d == "" {
				t.Fatal("nothing is seen of it")
			}
			f.ok(provision(clear), provision(masked))
			if d := f.diff(roles, grants); d != "" {
				t.Fatalf("after the repair (-want +got):\n%s", d)
			}
			f.refused("ann", "shop.people", "iban")
			if c.name != "the tables changed places" {
				if d := cmp.Diff(before, f.reads("ann", masked, "id", "name", "iban")); d != "" {
					t.Fatalf("ann reads something else now:\n%s", d)
				}
			}
		})
	}
}

// A role that others hold, or a schema, is not ours because it has the name.
func TestNamesTakenByOthersAreLeftAlone(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "eve")
	mustExec(t, f.admin, `CREATE ROLE assent_clear_read`, `COMMENT ON ROLE assent_clear_read IS 'assent {"database":"elsewhere"}'`,
		`GRANT assent_clear_read TO eve`, `CREATE SCHEMA assent_masked`, `CREATE TABLE assent_masked.kept (id int)`)
	clear, masked := f.clearRole(), f.maskedRole()
	f.want(f.apply(provision(clear), provision(masked), allow(clear, "ann"), revoke(clear, "eve"), retire(clear), retire(masked)),
		"failed/not-ours", "failed/not-ours", "failed/not-ours", "failed/not-ours", "failed/not-ours", "done")
	var members, tables int
	err := f.admin.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_auth_members WHERE roleid = 'assent_clear_read'::regrole),
		(SELECT count(*) FROM pg_class WHERE oid = 'assent_masked.kept'::regclass)`).Scan(&members, &tables)
	if err != nil || members != 1 || tables != 1 {
		t.Fatalf("members %d, tables %d, %v", members, tables, err)
	}
	if ours := f.observe().Ours; len(ours.Roles) != 0 || len(ours.Grants) != 0 {
		t.Fatalf("taken for ours: %v", ours)
	}
}

// Tables of one name in two schemas have a view each.
func TestSameTableNameInTwoSchemas(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	n := f.db[2:]
	mustExec(t, f.admin, `CREATE SCHEMA bank AUTHORIZATION owner`+n, `GRANT USAGE ON SCHEMA bank TO engine`+n+` WITH GRANT OPTION`)
	mustExec(t, f.owner, `CREATE TABLE bank.people (id text, name text, iban text)`, `INSERT INTO bank.people VALUES ('9', 'Zoe', 'FR1')`,
		`GRANT SELECT ON bank.people TO engine`+n+` WITH GRANT OPTION`)
	r := f.role("both", f.object("people", seen("id"), starred("iban")), f.object("people", seen("id"), starred("iban")))
	r.Objects[0].Path = []string{f.db, "bank", "people"}
	f.ok(provision(r), allow(r, "ann"))
	for i, want := range [][][]string{{{"9", "***"}}, {{"1", "***"}, {"2", "***"}}} {
		got, err := f.Select(t.Context(), "ann", f.p.Address(r.RoleKey, r.Objects[i]), "id", "iban")
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("object %d: %v\n%s", i, err, d)
		}
	}
	if d := f.diff([]*grant.Role{r}, []*grant.Grant{member(r, "ann")}); d != "" {
		t.Error(d)
	}
}

package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// What two other grantors and the owner gave stays, and shows as foreign.
func TestForeignGrantsAreShownAndUntouched(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "eve", "dba1", "dba2")
		mustExec(t, f.owner, `GRANT SELECT ON shop.people TO dba1 WITH GRANT OPTION`, `GRANT SELECT (id) ON shop.people TO dba2 WITH GRANT OPTION`)
		clear := f.clearRole()
		f.ok(provision(clear), allow(clear, "ann"))
		for account, sql := range map[string]string{
			"dba1": `GRANT SELECT ON shop.people TO eve, assent_clear_read`, "dba2": `GRANT SELECT (id) ON shop.people TO PUBLIC`,
		} {
			if err := f.as(t.Context(), account, func(c *pgx.Conn) error { _, err := c.Exec(t.Context(), sql); return err }); err != nil {
				t.Fatal(err)
			}
		}
		acl := func() string {
			var s string
			if err := f.admin.QueryRow(t.Context(), `SELECT (SELECT relacl::text FROM pg_class WHERE oid = 'shop.people'::regclass) ||
				(SELECT string_agg(coalesce(attacl::text, '-'), ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'shop.people'::regclass AND attnum > 0)`).
				Scan(&s); err != nil {
				t.Fatal(err)
			}
			return s
		}
		before := acl()
		path := []string{f.db, "shop", "people"}
		owner := "owner" + f.db[2:]
		want := []platform.Foreign{
			{Principal: "PUBLIC", Path: path, Privilege: "SELECT", Columns: []string{"id"}, Grantor: "dba2"},
			{Principal: "assent_clear_read", Path: path, Privilege: "SELECT", Grantor: "dba1"},
			{Principal: "dba1", Path: path, Privilege: "SELECT", Grantable: true, Grantor: owner},
			{Principal: "dba2", Path: path, Privilege: "SELECT", Columns: []string{"id"}, Grantable: true, Grantor: owner},
			{Principal: "eve", Path: path, Privilege: "SELECT", Grantor: "dba1"},
		}
		if d := cmp.Diff(want, f.observe().Foreign); d != "" {
			t.Errorf("foreign (-want +got):\n%s", d)
		}
		if d := f.diff([]*grant.Role{clear}, []*grant.Grant{member(clear, "ann")}); d != "" {
			t.Errorf("what others gave to our role changes it:\n%s", d)
		}
		f.ok(provision(clear))
		if d := cmp.Diff(before, acl()); d != "" {
			t.Errorf("provision changed the privileges of others:\n%s", d)
		}
		f.want(f.apply(revoke(clear, "ann")), "residual/still-readable")
		f.want(f.apply(retire(clear)), "failed/not-ours") // the role still holds dba1's grant
		if f.observe().Ours.Grants != nil {
			t.Error("a member is left")
		}
		mustExec(t, f.admin, `SET ROLE dba1`, `REVOKE SELECT ON shop.people FROM assent_clear_read`, `RESET ROLE`)
		f.ok(retire(f.clearRole()))
		if !strings.Contains(acl(), "eve=r/dba1") || !strings.Contains(acl(), "=r/dba2") {
			t.Errorf("others lost what they had: %s", acl())
		}
	})
}

// After a revocation the outcome tells the ways that are left.
func TestResidualAccessIsReported(t *testing.T) {
	cases := []struct{ name, sql, want string }{
		{"none", `SELECT 1`, "applied"},
		{"to the account", `GRANT SELECT ON shop.people TO ann`, "residual/still-readable"},
		{"one column", `GRANT SELECT (name) ON shop.people TO ann`, "residual/still-readable"},
		{"to everybody", `GRANT SELECT ON shop.people TO PUBLIC`, "residual/still-readable"},
		{"through a group", `GRANT SELECT ON shop.people TO team; GRANT team TO ann`, "residual/still-readable"},
		{"a group that is a member of ours", `GRANT assent_clear_read TO team; GRANT team TO ann`, "residual/still-readable"},
		{"everything", `GRANT pg_read_all_data TO ann`, "residual/still-readable"},
		{"superuser", `ALTER ROLE ann SUPERUSER`, "residual/still-readable"},
		{"another role of ours", ``, "applied"},
		{"writes only", `GRANT INSERT ON shop.people TO ann`, "applied"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "team")
			clear, other := f.clearRole(), f.role("other", f.object("people", seen("id")))
			f.ok(provision(clear), provision(other), allow(clear, "ann"))
			if c.sql == "" {
				f.ok(allow(other, "ann"))
			} else {
				mustExec(t, f.admin, c.sql)
			}
			f.want(f.apply(revoke(clear, "ann")), c.want)
		})
	}
}

// From PostgreSQL 16 on the engine cannot take back what another grantor gave:
// it says so, and shows the membership as foreign too.
func TestMemberOfAnotherGrantor(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		if f.major() < 16 {
			t.Skip("before PostgreSQL 16 a membership has one grantor, and the engine may revoke it")
		}
		f.people("ann", "eve")
		clear := f.clearRole()
		f.ok(provision(clear), allow(clear, "ann"))
		mustExec(t, f.admin, `GRANT assent_clear_read TO eve, ann`)
		foreign := 0
		for _, x := range f.observe().Foreign {
			if x.Privilege == "MEMBER OF assent_clear_read" && x.Grantor == "admin" {
				foreign++
			}
		}
		if grants := f.observe().Ours.Grants; foreign != 2 || len(grants) != 2 || grants[1].Requests != nil {
			t.Errorf("%d foreign, ours %v", foreign, grants)
		}
		f.want(f.apply(revoke(clear, "ann"), revoke(clear, "eve")), "failed/no-right", "failed/no-right")
		mustExec(t, f.admin, `REVOKE assent_clear_read FROM eve, ann`)
		f.want(f.apply(revoke(clear, "ann"), revoke(clear, "eve")), "done", "done")
		f.refused("ann", "shop.people", "id")
	})
}

// A session that acts as the role, or holds a cursor, ends with the access.
func TestRevocationEndsSessionsThatHoldOn(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "bob")
		clear := f.clearRole()
		f.ok(provision(clear), allow(clear, "ann"), allow(clear, "bob"))
		open := func(account string) *pgx.Conn { return dial(t, f.server.DSN(account, consumerPassword, f.db)) }
		ann, bob := open("ann"), open("bob")
		if f.major() < 16 { // later ones forbid SET ROLE
			mustExec(t, ann, `SET ROLE assent_clear_read`)
		}
		mustExec(t, ann, `BEGIN`, `DECLARE c CURSOR FOR SELECT id FROM shop.people`)
		out := f.apply(revoke(clear, "ann"))
		f.want(out, "applied")
		if out[0].SessionsEnded != 1 {
			t.Errorf("%d sessions ended: %s", out[0].SessionsEnded, out[0].Detail)
		}
		if _, err := ann.Exec(t.Context(), `FETCH ALL FROM c`); err == nil {
			t.Error("ann still reads through an open cursor")
		}
		mustExec(t, bob, `BEGIN`, `SELECT id FROM shop.people`)

		// Where the engine may not, the revocation stands and says so.
		mustExec(t, f.admin, `REVOKE pg_signal_backend FROM engine`+f.db[2:])
		out = f.apply(revoke(clear, "bob"))
		f.want(out, "applied")
		if out[0].SessionsEnded != 0 || !strings.Contains(out[0].Detail, "pg_signal_backend") {
			t.Errorf("%d sessions ended: %q", out[0].SessionsEnded, out[0].Detail)
		}
		if _, err := bob.Exec(t.Context(), `SELECT id FROM shop.people`); err == nil {
			t.Error("bob still reads")
		}
	})
}

// Nobody but the engine and the owner of the views gets at the salt, and no
// text shows it.
func TestSaltStaysSecret(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	masked := f.maskedRole()
	shown, err := f.p.Preview(t.Context(), []plan.Change{provision(masked)})
	if err != nil {
		t.Fatal(err)
	}
	f.ok(provision(masked), allow(masked, "ann"))
	var salt, def string
	if err := f.admin.QueryRow(t.Context(), `SELECT encode(salt, 'hex'), pg_get_viewdef('assent_masked.shop__people'::regclass) FROM assent.salt`).
		Scan(&salt, &def); err != nil {
		t.Fatal(err)
	}
	if len(salt) != 64 || strings.Contains(def, salt) {
		t.Errorf("salt %q shows in %s", salt, def)
	}
	for _, s := range shown {
		if strings.Contains(s.Text, salt) {
			t.Errorf("salt shows in %s", s.Text)
		}
	}
	f.refused("ann", "assent.salt", "salt")
	rows := f.reads("ann", masked, "id", "name")
	if len(rows[0][1]) != 64 || rows[0][1] == rows[1][1] {
		t.Errorf("ann reads %v", rows)
	}
}

// The engine's own search path decides, not what somebody set for its account
// or its database, and functions of the same name change nothing.
func TestHostileSearchPath(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	n := f.db[2:]
	mustExec(t, f.admin, `CREATE SCHEMA evil`, `GRANT USAGE ON SCHEMA evil TO PUBLIC`,
		`CREATE FUNCTION evil.pg_has_role(oid, text) RETURNS bool LANGUAGE sql AS 'SELECT true'`,
		`CREATE FUNCTION evil.regexp_replace(text, text, text, text) RETURNS text LANGUAGE sql AS 'SELECT $1'`,
		`CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'`,
		`CREATE FUNCTION evil.eq(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'`,
		`CREATE VIEW evil.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE false`,
		`CREATE TABLE evil.people (id text, name text, iban text)`,
		`CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false)`,
		`ALTER DATABASE `+f.db+` SET search_path = evil, pg_catalog`, `ALTER ROLE engine`+n+` SET search_path = evil, pg_catalog`,
		`ALTER ROLE ann SET search_path = evil, pg_catalog`)
	r := f.role("masked", f.object("people", seen("id"), hiddenAs("name", resource.Mask{Type: resource.MaskHash}),
		hiddenAs("iban", resource.Mask{Type: resource.MaskRegex, Pattern: `[0-9]`, Replacement: `\\'#`})))
	f.ok(provision(r), allow(r, "ann"))
	rows := f.reads("ann", r, "name", "iban")
	if len(rows) != 2 || len(rows[0][0]) != 64 {
		t.Errorf("ann reads %v", rows)
	}
	for _, row := range rows {
		if strings.ContainsAny(row[1], "0123456789") {
			t.Errorf("ann reads %v", row)
		}
	}
	if d := f.diff([]*grant.Role{r}, []*grant.Grant{member(r, "ann")}); d != "" {
		t.Error(d)
	}
}

// Names are bytes of the catalog: nothing in them is SQL.
func TestHostileIdentifiers(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("é", 31) + "x" // 63 bytes
	names := []string{
		`"`, `'; DROP TABLE shop.people; --`, `a"b'c\d`, `Mixed Case`, `select`, long, "tab\tand\nline", `$1`, `%s`, `a.b`, `ünï 🙂`, `__`, `{x}`,
	}
	f.people()
	for i, name := range names {
		account := name
		if name == `$1` {
			account = "dollar"
		}
		mustExec(t, f.owner, `CREATE TABLE shop.`+ident(name)+` (id text, `+ident(name)+` text)`, `INSERT INTO shop.`+ident(name)+` VALUES ('1', 'x')`)
		f.accounts(account)
		clear := f.role("c"+string(rune('a'+i)), f.object(name, seen("id"), seen(name)))
		masked := f.role("m"+string(rune('a'+i)), f.object(name, seen("id"), hiddenAs(name, resource.Mask{Type: resource.MaskConstant, Value: name})))
		f.ok(provision(clear), provision(masked), allow(clear, account), allow(masked, account))
		if got := f.reads(account, clear, name); got[0][0] != "x" {
			t.Errorf("%q: clear reads %q", name, got)
		}
		if got := f.reads(account, masked, name); got[0][0] != name {
			t.Errorf("%q: masked reads %q", name, got)
		}
		if d := f.diff([]*grant.Role{clear, masked}, []*grant.Grant{member(clear, account), member(masked, account)}); d != "" {
			t.Errorf("%q:\n%s", name, d)
		}
		f.ok(revoke(clear, account), revoke(masked, account), retire(clear), retire(masked))
	}
	// What cannot be a name is said to be none, not cut to one that exists.
	r := f.role("cut", f.object(long+"yz", seen("id")))
	f.want(f.apply(provision(r), allow(r, "nul\x00"), allow(r, long+"yz")), "failed/bad-name", "failed/bad-name", "failed/bad-name")
}

// A role whose provision failed lets nobody in.
func TestNobodyJoinsARoleThatFailed(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear := f.clearRole()
	f.ok(provision(clear))
	mustExec(t, f.admin, `CREATE SCHEMA assent_clear`)
	narrowed := f.role("clear", f.object("people", seen("id"), starred("name")))
	f.want(f.apply(provision(narrowed), allow(clear, "ann")), "failed/not-ours", "failed/not-ours")
	f.refused("ann", "shop.people", "name")
}

// What cannot be masked is closed, even where it was open before.
func TestUnsupportedMaskClosesTheObject(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	bad := f.role("clear", f.object("people", seen("id"), hiddenAs("name", resource.Mask{Type: "rot13"})))
	f.want(f.apply(provision(bad)), "failed/unsupported")
	f.refused("ann", "shop.people", "id")
	pattern := f.role("clear", f.object("people", seen("id"), hiddenAs("name", resource.Mask{Type: resource.MaskRegex, Pattern: "("})))
	f.want(f.apply(provision(pattern)), "failed/unsupported")
	f.refused("ann", "shop.people", "id")
}

package postgres

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

func (f *fixture) openAs(dsn string) *Postgres {
	f.t.Helper()
	p, err := Open(f.t.Context(), Config{Connection: "warehouse", DSN: dsn})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = p.Close() })
	return p
}

// audit is the codes of what an account's audit finds, with a ! where it refuses.
func (f *fixture) audit(p *Postgres) []string {
	f.t.Helper()
	found, err := p.SelfAudit(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, x := range found {
		if x.Text == "" || x.Fix == "" {
			f.t.Errorf("%s has no text or no fix: %+v", x.Code, x)
		}
		mark := ""
		if x.Refuse {
			mark = "!"
		}
		out = append(out, mark+x.Code)
	}
	return out
}

// The account that the setup makes is found fit on every version, and each
// thing that is too much or too little has its code and the statement that
// mends it: after the fix, nothing is found.
func TestSelfAudit(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people()
		me := "engine" + f.db[2:]
		cases := []struct{ sql, want string }{
			{`SELECT 1`, ""},
			{`ALTER ROLE ` + me + ` BYPASSRLS`, "bypassrls"},
			{`ALTER ROLE ` + me + ` CREATEDB`, "createdb"},
			{`ALTER ROLE ` + me + ` REPLICATION`, "replication"},
			{`ALTER ROLE ` + me + ` NOCREATEROLE`, "no-createrole"},
			{`GRANT pg_read_all_data TO ` + me, "predefined-role"},
			{`GRANT pg_write_server_files TO ` + me, "predefined-role"},
			{`GRANT pg_execute_server_program TO ` + me, "predefined-role"},
			{`GRANT admin TO ` + me, "!becomes-superuser"},
			{`REVOKE CREATE ON DATABASE ` + f.db + ` FROM ` + me, "no-create"},
			{`REVOKE pg_signal_backend FROM ` + me, "no-signal"},
			{`REVOKE pg_read_all_stats FROM ` + me, "no-stats"},
			{`SET ROLE owner` + f.db[2:] + `; CREATE TABLE shop."New one" (id int); REVOKE ALL ON shop."New one" FROM ` + me + `; RESET ROLE`, "no-grant-option"},
		}
		for _, c := range cases {
			mustExec(t, f.admin, c.sql)
			f.reopen() // some of it counts from the next session on
			if got := f.audit(f.p); strings.Join(got, " ") != c.want {
				// A superuser's rights come with it.
				if c.want != "!becomes-superuser" || !slices.Contains(got, c.want) {
					t.Errorf("%s: found %q, want %q", c.sql, got, c.want)
				}
			}
			found, err := f.p.SelfAudit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "!becomes-superuser" {
				found = found[:1] // the rest follows from it
			}
			for _, x := range found {
				mustExec(t, f.admin, x.Fix)
			}
			f.reopen()
			if got := f.audit(f.p); got != nil {
				t.Fatalf("%s: after the fix, found %q", c.sql, got)
			}
		}
		n := f.db[2:]
		if got := f.audit(f.openAs(s.AdminDSN(f.db))); strings.Join(got, " ") != "!superuser" {
			t.Errorf("superuser: found %q", got)
		}
		if got := f.audit(f.openAs(s.DSN("owner"+n, "owner", f.db))); strings.Join(got, " ") != "weak-provenance no-createrole no-create no-signal no-stats" {
			t.Errorf("owner: found %q", got)
		}
	})
}

// A superuser as the engine's account gives nothing, and still takes away.
func TestSuperuserGivesNothingAndTakesAway(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "bob")
		clear := f.clearRole()
		f.ok(provision(clear), allow(clear, "ann"))
		f.p = f.openAs(s.AdminDSN(f.db))
		for _, c := range []plan.Change{provision(f.maskedRole()), allow(clear, "bob")} {
			out, err := f.try(t.Context(), c)
			var pe *platform.Error
			if !errors.As(err, &pe) || pe.Code != platform.TooBroad || pe.Hint == "" {
				t.Fatalf("%v, %v", statuses(out), err)
			}
			f.want(out, "failed/engine-too-broad")
		}
		f.refused("bob", "shop.people", "id")
		f.ok(revoke(clear, "ann"))
		f.refused("ann", "shop.people", "id")
	})
}

// createrole_self_grant, which somebody may set for the engine's account, puts
// it into none of the roles that it makes.
func TestEngineIsNoMemberOfWhatItMakes(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann")
		if f.major() >= 16 {
			mustExec(t, f.admin, `ALTER ROLE engine`+f.db[2:]+` SET createrole_self_grant = 'set, inherit'`)
			f.reopen()
		}
		clear := f.clearRole()
		f.ok(provision(clear), allow(clear, "ann"))
		var usable bool
		if err := f.admin.QueryRow(t.Context(), `SELECT pg_has_role('engine`+f.db[2:]+`', 'assent_clear_read', 'USAGE')`).Scan(&usable); err != nil || usable {
			t.Errorf("the engine has the rights of the role: %v, %v", usable, err)
		}
	})
}

func TestSetupCoversWhatCreatorsMakeLater(t *testing.T) {
	f := newFixture(t)
	mustExec(t, f.admin, `CREATE ROLE maker LOGIN PASSWORD '`+consumerPassword+`'`, `CREATE SCHEMA "Lab 1" AUTHORIZATION maker`,
		`CREATE SCHEMA elsewhere AUTHORIZATION maker`)
	text, err := f.p.Prepare(platform.Preparation{
		Account: "other engine", Database: f.db, Schemas: []string{"Lab 1", "elsewhere"}, Creators: map[string][]string{"Lab 1": {"maker"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, f.admin, text, `SET ROLE maker`, `CREATE TABLE "Lab 1".later (id int)`, `CREATE TABLE elsewhere.later (id int)`, `RESET ROLE`)
	var may, more bool
	err = f.admin.QueryRow(t.Context(), `SELECT has_table_privilege('other engine', '"Lab 1".later', 'SELECT WITH GRANT OPTION')`).Scan(&may)
	if err != nil || !may {
		t.Errorf("the engine may not open what the creator made: %v", err)
	}
	err = f.admin.QueryRow(t.Context(), `SELECT has_table_privilege('other engine', 'elsewhere.later', 'SELECT')`).Scan(&more)
	if err != nil || more || !strings.Contains(text, `are not covered in "elsewhere": `) {
		t.Errorf("the engine reads what a creator made where none was named: %v, %v\n%s", more, err, text)
	}
	if strings.Contains(text, "PASSWORD '") {
		t.Errorf("a password is in it:\n%s", text)
	}
	if _, err := f.p.Prepare(platform.Preparation{Account: strings.Repeat("x", 64), Database: f.db}); err == nil {
		t.Error("a name of 64 bytes is taken")
	}
}

package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// meanwhile runs statements in somebody else's session once, just before the
// engine runs its first statement that holds the words: what the engine has
// read is not so any more.
func (f *fixture) meanwhile(conn *pgx.Conn, words string, statements ...string) (ran *bool) {
	f.t.Helper()
	ran = new(bool)
	f.p.before = func(ctx context.Context, sql string) error {
		if *ran || !strings.Contains(sql, words) {
			return nil
		}
		*ran = true
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s); err != nil {
				f.t.Errorf("%s: %v", s, err)
			}
		}
		return nil
	}
	return ran
}

// An object that changes between the reading and the statement: the change
// fails, or waits for what is gone, or is right for the object as it is now.
// Nobody reads more than declared, and the next round is right again.
func TestObjectThatChangesUnderUs(t *testing.T) {
	cases := []struct {
		name string
		sql  []string // as the owner
		want string   // of the masked role, then and in the next round
		next string
	}{
		{"dropped", []string{`DROP TABLE shop.people`}, "pending/no-such-object", "pending/no-such-object"},
		{"renamed", []string{`ALTER TABLE shop.people RENAME TO persons`}, "pending/no-such-object", "pending/no-such-object"},
		{"dropped and made anew", []string{
			`DROP TABLE shop.people`, `CREATE TABLE shop.people (id text, name text, iban text)`, `INSERT INTO shop.people VALUES ('1', 'x', 'y')`,
		}, "applied", "done"},
		{"another in its place", []string{
			`ALTER TABLE shop.people RENAME TO persons`, `CREATE TABLE shop.people (iban text, id text, name text)`, `INSERT INTO shop.people VALUES ('secret', '1', 'x')`,
		}, "applied", "done"},
		// A view is of the types that were read: the read-back tells, and it is made anew.
		{"retyped", []string{`ALTER TABLE shop.people ALTER name TYPE varchar(10), ALTER iban TYPE varchar(20)`}, "failed/not-read-back", "applied"},
		{"column dropped", []string{`ALTER TABLE shop.people DROP COLUMN name`}, "pending/no-such-column", "pending/no-such-column"},
		{"column renamed", []string{`ALTER TABLE shop.people RENAME name TO nick`}, "pending/no-such-column", "pending/no-such-column"},
		{"columns exchanged", []string{
			`ALTER TABLE shop.people RENAME name TO tmp`, `ALTER TABLE shop.people RENAME iban TO name`, `ALTER TABLE shop.people RENAME tmp TO iban`,
		}, "applied", "done"},
		{"rights taken", []string{`REVOKE ALL ON shop.people FROM engine%s CASCADE`}, "failed/no-right", "failed/no-right"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann")
			f.ok(provision(f.role("before", f.object("people", seen("id"))))) // so that the books are there
			masked := f.maskedRole()
			for i, s := range c.sql {
				c.sql[i] = strings.ReplaceAll(s, "%s", f.db[2:])
			}
			ran := f.meanwhile(f.owner, "ON TABLE "+ident("shop", "people"), c.sql...)
			if out := f.apply(provision(masked), allow(masked, "ann")); !*ran {
				t.Fatal("nothing happened meanwhile")
			} else if got := statuses(out)[0]; got != c.want {
				t.Errorf("then: %s, want %s: %s", got, c.want, out[0].Detail)
			}
			f.p.before = nil
			out := f.apply(provision(masked), allow(masked, "ann"))
			if got := statuses(out)[0]; got != c.next {
				t.Errorf("next: %s, want %s: %s", got, c.next, out[0].Detail)
			}
			f.refused("ann", "shop.people", "iban")
			rows, err := f.Select(t.Context(), "ann", f.p.Address(masked.RoleKey, masked.Objects[0]), "iban")
			for _, r := range rows {
				if r[0] != "***" {
					t.Errorf("ann reads %v", r)
				}
			}
			// What is missing keeps the other columns from nobody.
			if opens := !strings.Contains(c.next, "no-such-object") && !strings.Contains(c.next, "no-right"); opens != (err == nil) {
				t.Errorf("ann reads %v, %v", rows, err)
			}
		})
	}
}

// A table that changes its owner keeps what the engine gave, and the engine
// can still take it back.
func TestOwnerThatChangesUnderUs(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "newowner")
	clear, masked := f.clearRole(), f.maskedRole()
	ran := f.meanwhile(f.admin, "ON TABLE "+ident("shop", "people"), `ALTER TABLE shop.people OWNER TO newowner`)
	f.ok(provision(clear), provision(masked), allow(clear, "ann"))
	if !*ran {
		t.Fatal("nothing happened meanwhile")
	}
	f.p.before = nil
	if d := f.diff([]*grant.Role{clear, masked}, []*grant.Grant{member(clear, "ann")}); d != "" {
		t.Error(d)
	}
	f.ok(revoke(clear, "ann"), retire(clear), retire(masked))
	f.refused("ann", "shop.people", "id")
}

// Operators and casts of the same name, put where a session looks first, change
// nothing: what a view does was bound when the engine made it.
func TestShadowedOperatorsAndCasts(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	mustExec(t, f.admin, `CREATE SCHEMA evil`, `GRANT USAGE ON SCHEMA evil TO PUBLIC`,
		`CREATE FUNCTION evil.cat(bytea, bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $2'`,
		`CREATE OPERATOR evil.|| (FUNCTION = evil.cat, LEFTARG = bytea, RIGHTARG = bytea)`,
		`CREATE FUNCTION evil.cat(text, text) RETURNS text LANGUAGE sql AS 'SELECT ''leak'''`,
		`CREATE OPERATOR evil.|| (FUNCTION = evil.cat, LEFTARG = text, RIGHTARG = text)`,
		`CREATE FUNCTION evil.le(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false'`,
		`CREATE OPERATOR evil.<= (FUNCTION = evil.le, LEFTARG = int, RIGHTARG = int)`,
		`CREATE FUNCTION evil."left"(text, int) RETURNS text LANGUAGE sql AS 'SELECT $1'`,
		`CREATE FUNCTION evil.repeat(text, int) RETURNS text LANGUAGE sql AS 'SELECT ''leak'''`,
		`CREATE FUNCTION evil.encode(bytea, text) RETURNS text LANGUAGE sql AS 'SELECT ''leak'''`,
		`CREATE TYPE evil.text AS (x int)`,
		`CREATE FUNCTION evil.text(pg_catalog.text) RETURNS evil.text LANGUAGE sql AS 'SELECT ROW(1)::evil.text'`,
		`CREATE CAST (pg_catalog.text AS evil.text) WITH FUNCTION evil.text(pg_catalog.text) AS IMPLICIT`,
		`ALTER DATABASE `+f.db+` SET search_path = evil, pg_catalog`, `ALTER ROLE ann SET search_path = evil, pg_catalog`)
	f.reopen()
	r := f.role("masked", f.object("people", seen("id"), hiddenAs("name", resource.Mask{Type: resource.MaskHash}),
		hiddenAs("iban", resource.Mask{Type: resource.MaskPartial, KeepFirst: 1, KeepLast: 1})))
	f.ok(provision(r), allow(r, "ann"))
	rows := f.reads("ann", r, "name", "iban")
	if len(rows) != 2 || len(rows[0][0]) != 64 || rows[0][0] == rows[1][0] {
		t.Errorf("ann reads %v", rows)
	}
	for _, row := range rows {
		if row[1] != "N**3" && row[1] != "I**0" {
			t.Errorf("ann reads %v", row)
		}
	}
}

// A view of the owner's that is a source: replaced to show another table, it
// still shows no more than the declared columns, and the masks hold. What is
// in the view is its owner's to say.
func TestBaseViewThatIsReplaced(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	n := f.db[2:]
	mustExec(t, f.owner, `CREATE VIEW shop.v AS SELECT id, name, iban FROM shop.people`, `CREATE TABLE shop.wages (id text, name text, iban text)`,
		`INSERT INTO shop.wages VALUES ('9', 'Zoe', 'FR9')`, `GRANT SELECT ON shop.v TO engine`+n+` WITH GRANT OPTION`)
	clear, masked := f.role("clear", f.object("v", seen("id"))), f.role("masked", f.object("v", seen("id"), seen("name"), starred("iban")))
	f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "bob"))
	mustExec(t, f.owner, `CREATE OR REPLACE VIEW shop.v AS SELECT id, name, iban FROM shop.wages`)
	if d := cmp.Diff([][]string{{"9", "Zoe", "***"}}, f.reads("bob", masked, "id", "name", "iban")); d != "" {
		t.Error(d)
	}
	f.refused("ann", "shop.v", "name")
	f.refused("ann", "shop.wages", "id")
	f.refused("bob", "shop.wages", "id")
	if d := f.diff([]*grant.Role{clear, masked}, []*grant.Grant{member(clear, "ann"), member(masked, "bob")}); d != "" {
		t.Error(d)
	}
}

// A table whose own list of privileges is full still opens, because the engine
// grants columns. A column whose list is full fails with a reason that says so;
// the other roles of the batch go on, and it opens once there is room.
func TestPrivilegeListThatIsFull(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	mustExec(t, f.admin, `DO $$ BEGIN FOR i IN 1..2600 LOOP EXECUTE format('CREATE ROLE crowd%s', i); END LOOP; END $$`)
	defer mustExec(t, f.admin, `DO $$ BEGIN DROP TABLE shop.people, shop.wages CASCADE; FOR i IN 1..2600 LOOP EXECUTE format('DROP ROLE crowd%s', i); END LOOP; END $$`)
	mustExec(t, f.owner, `CREATE TABLE shop.wages (id text, name text)`)
	// As many as go, to the last one.
	fill := func(grant string) {
		t.Helper()
		mustExec(t, f.owner, `DO $$ BEGIN FOR step IN REVERSE 11..0 LOOP
			DECLARE have int := coalesce((SELECT count(*) FROM pg_roles WHERE rolname ~ '^crowd' AND `+grant+`), 0); names text; BEGIN
				names := (SELECT string_agg('crowd' || i, ', ') FROM generate_series(have + 1, least(have + (1 << step), 2600)) i);
				EXECUTE format('GRANT SELECT `+target(grant)+` TO %s', names);
			EXCEPTION WHEN program_limit_exceeded THEN NULL; END; END LOOP; END $$`)
	}
	fill(`has_table_privilege(rolname, 'shop.people', 'SELECT')`)
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	f.reads("ann", clear, "id", "name")

	fill(`has_column_privilege(rolname, 'shop.wages', 'id', 'SELECT')`)
	wages, other := f.role("wages", f.object("wages", seen("id"), seen("name"))), f.role("other", f.object("people", seen("id")))
	out := f.apply(provision(wages), provision(other), allow(wages, "ann"), allow(other, "ann"))
	f.want(out, "failed/unsupported", "applied", "failed/unsupported", "applied")
	if !strings.Contains(out[0].Detail, "list of privileges is full") {
		t.Errorf("says %q", out[0].Detail)
	}
	f.refused("ann", "shop.wages", "name")
	mustExec(t, f.owner, `REVOKE SELECT (id) ON shop.wages FROM crowd1, crowd2, crowd3`)
	f.ok(provision(wages), allow(wages, "ann"))
	f.reads("ann", wages, "id", "name")
}

func target(check string) string {
	if strings.Contains(check, "column") {
		return "(id) ON shop.wages"
	}
	return "ON shop.people"
}

// Somebody who holds a table locked for longer than the engine waits: what
// needs the lock is busy, everything else of the batch is carried out, people
// leave all the same, and once the lock is gone the rest follows.
func TestLockThatSomebodyHolds(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "bob")
		mustExec(t, f.owner, `CREATE TABLE shop.other (id text)`)
		clear, wide := f.clearRole(), f.role("clear", f.object("people", seen("id"), seen("name"), seen("iban")))
		other := f.role("other", f.object("other", seen("id")))
		f.ok(provision(clear), allow(clear, "ann"))
		f.p.pgx.RuntimeParams["lock_timeout"] = "50ms"
		_ = f.p.conn.Close(t.Context())
		tx, err := f.owner.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, f.owner, `LOCK TABLE shop.people IN ACCESS EXCLUSIVE MODE`)
		out := f.apply(revoke(clear, "ann"), provision(wide), provision(other), allow(clear, "bob"), allow(other, "bob"))
		got := strings.Join(statuses(out), " ")
		// Before PostgreSQL 18 a GRANT does not heed the lock.
		if got != "applied failed/busy applied failed/busy applied" && got != "applied applied applied applied applied" {
			t.Errorf("%s: %s", got, out[1].Detail)
		}
		if f.major() >= 18 && out[1].Status == platform.Applied {
			t.Error("the lock was not heeded")
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.refused("ann", "shop.people", "id")
		f.ok(provision(wide), allow(clear, "bob"))
		f.reads("bob", wide, "id", "iban")
	})
}

// Somebody who holds a table locked that is behind a mask, so that its view cannot
// be read: that object is unknown, neither missing nor altered. Nobody new comes
// in there, people leave, and everything else goes on.
func TestLockBehindAMask(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "bob")
		mustExec(t, f.owner, `CREATE TABLE shop.other (id text)`)
		masked, other := f.maskedRole(), f.role("other", f.object("other", starred("id")))
		f.ok(provision(masked), provision(other), allow(masked, "ann"))
		f.p.pgx.RuntimeParams["lock_timeout"] = "50ms"
		_ = f.p.conn.Close(t.Context())
		tx, err := f.owner.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, f.owner, `LOCK TABLE shop.people IN ACCESS EXCLUSIVE MODE`)
		if got := f.observe().Unknown; !slices.EqualFunc(got, [][]string{{f.db, "shop", "people"}}, slices.Equal[[]string]) {
			t.Errorf("unknown: %v", got)
		}
		if d := f.diff([]*grant.Role{masked, other}, []*grant.Grant{member(masked, "ann")}); d != "" {
			t.Errorf("locked, it differs:\n%s", d)
		}
		f.want(f.apply(revoke(masked, "ann"), provision(masked), allow(masked, "bob"), allow(other, "bob")),
			"applied", "failed/busy", "failed/busy", "applied")
		f.want(f.apply(allow(masked, "bob")), "failed/busy")
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := f.observe(); len(st.Unknown) != 0 {
			t.Errorf("unlocked, unknown: %v", st.Unknown)
		}
		f.refused("ann", f.p.Address(masked.RoleKey, masked.Objects[0]), "id")
		f.ok(provision(masked), allow(masked, "bob"))
		f.reads("bob", masked, "id", "iban")
	})
}

// A user with an open TRUNCATE or ALTER holds the change up, or makes it try
// again; it goes through once the user is done.
func TestOpenTruncateOrAlter(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann")
		for i, sql := range []string{`TRUNCATE shop.people`, `ALTER TABLE shop.people ALTER COLUMN name SET NOT NULL`} {
			r := f.role(fmt.Sprint("r", i), f.object("people", seen("id"), seen("name")))
			tx, err := f.owner.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mustExec(t, f.owner, sql)
			committed := make(chan error)
			go func() {
				time.Sleep(300 * time.Millisecond)
				committed <- tx.Commit(context.Background())
			}()
			f.ok(provision(r), allow(r, "ann"))
			if err := <-committed; err != nil {
				t.Fatal(err)
			}
			f.reads("ann", r, "id", "name")
		}
	})
}

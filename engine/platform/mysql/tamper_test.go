package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// Whatever somebody changes about what is ours shows, and Apply mends it.
func TestTampering(t *testing.T) {
	f := newFixture(t)
	clear, masked := f.clearRole(), f.maskedRole()
	roles := []grant.Role{*clear, *masked}
	tests := []struct{ name, statements, what string }{
		{"a privilege more", "GRANT SELECT (iban) ON shop.people TO assent_clear_read", "other privileges"},
		{"the whole table", "GRANT SELECT ON shop.people TO assent_clear_read", "other privileges"},
		{"a privilege less", "REVOKE SELECT (name) ON shop.people FROM assent_clear_read", "other privileges"},
		{"all privileges", "REVOKE SELECT (id, name) ON shop.people FROM assent_clear_read", "taken away"},
		{"another table", "CREATE TABLE shop.wages (id INT); GRANT SELECT ON shop.wages TO assent_clear_read", ""},
		{"a database", "GRANT SELECT ON `shop`.* TO assent_clear_read", "it holds SELECT on shop"},
		{"databases", "GRANT SELECT, UPDATE ON `s\\_%`.* TO assent_clear_read", "it holds SELECT, UPDATE on s\\_%"},
		{"another role", "GRANT staff TO assent_clear_read", "put into role staff"},
		{"the view", "CREATE OR REPLACE DEFINER = assent_views@localhost VIEW assent_masked.shop__people AS SELECT id, name, iban FROM shop.people", "is not as we made it"},
		{"the view's rights", "CREATE OR REPLACE SQL SECURITY INVOKER VIEW assent_masked.shop__people AS SELECT id, name, iban FROM shop.people", ""},
		{"the view's columns", "REVOKE SELECT (id) ON shop.people FROM assent_views@localhost", "may not read column id"},
		{"the view dropped", "DROP VIEW assent_masked.shop__people", "is gone"},
		{"a table for the view", "DROP VIEW assent_masked.shop__people; CREATE TABLE assent_masked.shop__people AS SELECT * FROM shop.people", "is not as we made it"},
		{"the database's mark", "ALTER DATABASE assent_masked COMMENT 'mine'", "has lost our mark"},
		{"the role dropped", "DROP ROLE assent_clear_read", "it is gone"},
		{"the fuses' owner", "REVOKE assent_clear_read FROM assent_fuse@localhost", "may no longer take people out"},
		{"a column dropped", "DO SLEEP(1.1); ALTER TABLE shop.people DROP COLUMN name, ADD COLUMN name VARCHAR(9)", "made anew"},
		{"the table made anew", "RENAME TABLE shop.people TO shop.old; CREATE TABLE shop.people LIKE shop.old", "made anew"},
		{"a type", "ALTER TABLE shop.people MODIFY name DATETIME", "made"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann")
			f.must("DELETE FROM shop.people; CREATE ROLE staff WITH ADMIN engine")
			f.ok(provision(clear), provision(masked), allow(clear, "ann"))
			if d := cmp.Diff(roles, f.observe().Ours.Roles); d != "" {
				t.Fatal(d)
			}
			if err := f.byHand(t.Context(), tt.statements); err != nil {
				t.Fatal(err)
			}
			st := f.observe()
			if cmp.Equal(roles, st.Ours.Roles) {
				t.Fatal("it is not seen")
			}
			if tt.what != "" && !slices.ContainsFunc(st.Altered, func(a platform.Alteration) bool { return strings.Contains(a.What, tt.what) }) {
				t.Errorf("want %q, got %+v", tt.what, st.Altered)
			}
			out := f.apply(provision(clear), provision(masked), allow(clear, "ann"))
			switch tt.name {
			case "the database's mark", "a table for the view": // a stranger's now: closed, and never replaced
				f.want(out, "done", "failed/not-ours", "done")
				if rows := f.ask("SELECT * FROM mysql.tables_priv WHERE User = 'assent_masked_read'"); len(rows) != 0 {
					t.Errorf("the role still holds %v", rows)
				}
				return
			case "databases": // the engine may not take back what it may not give
				f.want(out, "failed/no-right", "done", "failed/no-right")
				return
			}
			for _, o := range out {
				if o.Status != platform.Applied && o.Status != platform.Done {
					t.Errorf("%s: %s/%s %s", o.Change.Action, o.Status, o.Code, o.Detail)
				}
			}
			if d := cmp.Diff(roles, f.observe().Ours.Roles); d != "" {
				t.Fatal(d)
			}
			f.refused("ann", "shop.people", "iban")
		})
	}
}

// What is open on a table that is gone is closed, whoever takes its name later.
func TestNameOfAVanishedTableIsClosed(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear, masked := f.clearRole(), f.maskedRole()
	f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "ann"))
	f.must("DROP TABLE shop.people")
	f.want(f.apply(provision(clear), provision(masked)), "pending/no-such-object", "pending/no-such-object")
	f.must("CREATE TABLE shop.people (id INT, name TEXT, iban TEXT)")
	f.refused("ann", "shop.people", "id")
	f.refused("ann", "assent_masked.shop__people", "id")
	if rows := f.ask("SELECT * FROM mysql.columns_priv WHERE Db = 'shop'"); len(rows) != 0 {
		t.Errorf("left: %v", rows)
	}
	f.ok(provision(clear), provision(masked))
	f.reads("ann", clear, "id")
	f.reads("ann", masked, "iban")
}

// TRUNCATE, which gives a table another id, is nobody's change of it.
func TestTruncateChangesNothing(t *testing.T) {
	f := newFixture(t)
	f.people()
	f.must("DO SLEEP(1.1)") // the books cannot tell within the second
	clear := f.clearRole()
	f.ok(provision(clear))
	f.must("TRUNCATE shop.people")
	if d := f.diff([]*grant.Role{clear}, nil); d != "" {
		t.Error(d)
	}
}

// Without its books the engine takes its own roles up again, by the right to
// pass them on, and nobody else's.
func TestLostBooks(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	f.must("DROP TABLE assent.meta, assent.roles, assent.members, assent.umbrellas, assent.views, assent.homes, assent.salt; DROP USER assent_views@localhost, assent_fuse@localhost; CREATE ROLE assent_masked_read")
	f.reopen()
	f.want(f.apply(provision(clear), provision(f.maskedRole())), "applied", "failed/not-ours")
	g := f.observe().Ours.Grants
	if len(g) != 1 || g[0].Requests != nil {
		t.Fatalf("seen as %+v", g)
	}
	f.ok(allow(clear, "ann"))
	f.reads("ann", clear, "id")
	f.ok(revoke(clear, "ann"))
	f.refused("ann", "shop.people", "id")
}

// A database that is somebody else's is not taken for the books.
func TestBooksOfAnother(t *testing.T) {
	for name, statements := range map[string]string{
		"a table of theirs":  "CREATE TABLE assent.things (id INT)",
		"another connection": "UPDATE assent.meta SET connection = 'lake'",
	} {
		f := newFixture(t)
		f.people()
		if strings.HasPrefix(statements, "UPDATE") {
			f.ok(provision(f.clearRole()))
		}
		f.must(statements)
		if _, err := f.p.Observe(t.Context()); platform.CodeOf(err) != platform.NotOurs {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package sandbox_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/resource"
)

const secret = "NO9386011117947"

// fortress is a sandbox in which ann reads people behind a mask and two columns
// of staff, may write the first two columns of notes, and has nothing else.
func fortress(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t, nil)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"people", "staff", "notes", "closed"} {
		must(h.owner.CreateTable(t.Context(), h.path(name),
			[]resource.Column{{Name: "id", Type: "integer"}, {Name: "city"}, {Name: "iban"}},
			[][]string{{"1", "Oslo", secret}, {"2", "Rome", "IT6054281110101"}}))
	}
	must(h.owner.CreateTable(t.Context(), h.path("open"), []resource.Column{{Name: "id"}, {Name: "city"}}, [][]string{{"1", "Oslo"}}))
	must(h.owner.CreateAccount(t.Context(), "ann"))
	must(h.owner.CreateAccount(t.Context(), "bob"))
	object := func(table string, columns ...grant.Column) grant.Object {
		return grant.Object{Path: h.path(table), Kind: "table", Columns: columns}
	}
	id, city := grant.Column{Name: "id"}, grant.Column{Name: "city"}
	hashed := grant.Column{Name: "iban", Mask: &resource.Mask{Type: resource.MaskHash}}
	read := grant.RoleKey{
		Connection: "box", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: "sales"},
		Access: resource.Read, Profile: grant.DefaultProfile,
	}
	write := read
	write.Access, write.Scope.Name = resource.Write, "memos"
	batch := []plan.Change{
		{Action: plan.Provision, Role: &grant.Role{RoleKey: read, Objects: []grant.Object{object("people", id, city, hashed), object("staff", id, city)}}},
		{Action: plan.Provision, Role: &grant.Role{RoleKey: write, Objects: []grant.Object{object("notes", id, city), object("open", id, city)}}},
		{Action: plan.Allow, Grant: &grant.Grant{RoleKey: read, Principal: "ann"}},
		{Action: plan.Allow, Grant: &grant.Grant{RoleKey: write, Principal: "ann"}},
	}
	out, err := h.owner.Apply(t.Context(), platform.Batch{Changes: batch})
	must(err)
	for _, o := range out {
		if o.Status != platform.Applied {
			t.Fatalf("%s: %s %s %s", o.Change.Action, o.Status, o.Code, o.Detail)
		}
	}
	return h
}

const (
	view   = `"assent_sales.public.people"`
	people = `"public.people"`
	staff  = `"public.staff"`
	notes  = `"public.notes"`
	opened = `"public.open"`
)

func TestGuardRefusesEveryActionCode(t *testing.T) {
	h := fortress(t)
	file := filepath.Join(t.TempDir(), "stolen.db")
	attacks := []struct{ name, sql string }{
		// One of each action code that SQLite asks its authorizer about.
		{"create index", `CREATE INDEX i ON ` + staff + ` (id)`},
		{"create table", `CREATE TABLE x (a)`},
		{"create table as", `CREATE TABLE x AS SELECT iban FROM ` + people},
		{"create temp index", `CREATE INDEX temp.i ON x (id)`},
		{"create temp table", `CREATE TEMP TABLE x (a)`},
		{"create temp table as", `CREATE TEMP TABLE x AS SELECT iban FROM ` + people},
		{"create temp trigger", `CREATE TEMP TRIGGER x AFTER INSERT ON ` + notes + ` BEGIN SELECT 1; END`},
		{"create temp view", `CREATE TEMP VIEW x AS SELECT iban FROM ` + people},
		{"create trigger", `CREATE TRIGGER x AFTER INSERT ON ` + notes + ` BEGIN SELECT 1; END`},
		{"create view", `CREATE VIEW x AS SELECT iban FROM ` + people},
		{"delete", `DELETE FROM ` + people},
		{"delete from bookkeeping", `DELETE FROM assent_members`},
		{"drop table", `DROP TABLE ` + people},
		{"drop bookkeeping", `DROP TABLE assent_columns`},
		{"drop temp view", `DROP VIEW ` + view},
		{"insert", `INSERT INTO ` + people + ` VALUES (3, 'a', 'b')`},
		{"insert into bookkeeping", `INSERT INTO assent_members VALUES ('assent_sales_read', 'bob', NULL, '[]')`},
		{"insert through a mask at read level", `INSERT INTO ` + view + ` (id) VALUES (3)`},
		{"pragma", `PRAGMA table_list`},
		{"pragma writable_schema", `PRAGMA writable_schema = 1`},
		{"pragma function", `SELECT * FROM pragma_table_info('public.people')`},
		{"pragma function list", `SELECT * FROM pragma_function_list`},
		{"pragma count", `SELECT count(*) FROM pragma_table_list`},
		{"begin", `BEGIN`},
		{"commit", `COMMIT`},
		{"rollback", `ROLLBACK`},
		{"update", `UPDATE ` + people + ` SET city = 'x'`},
		{"update bookkeeping", `UPDATE assent_columns SET mask = NULL`},
		{"update through a mask", `UPDATE ` + view + ` SET city = 'x'`},
		{"attach", `ATTACH '` + file + `' AS x`},
		{"attach itself", `ATTACH '` + h.cfg.Path + `' AS x`},
		{"vacuum into", `VACUUM INTO '` + file + `'`},
		{"detach", `DETACH main`},
		{"alter table", `ALTER TABLE ` + people + ` RENAME TO x`},
		{"alter column", `ALTER TABLE ` + staff + ` DROP COLUMN iban`},
		{"reindex", `REINDEX`},
		{"analyze", `ANALYZE`},
		{"create virtual table", `CREATE VIRTUAL TABLE x USING fts5(a)`},
		{"create temp virtual table", `CREATE VIRTUAL TABLE temp.x USING dbstat`},
		{"drop virtual table", `DROP TABLE temp.x`},
		{"load extension", `SELECT load_extension('x')`},
		{"savepoint", `SAVEPOINT x`},
		// Reading what is not open.
		{"masked table", `SELECT iban FROM ` + people},
		{"masked table, clear column", `SELECT id FROM ` + people},
		{"masked table, qualified", `SELECT p.iban FROM main.` + people + ` AS p`},
		{"masked table, star", `SELECT * FROM ` + people},
		{"masked table, count", `SELECT count(*) FROM ` + people},
		{"masked table, rowid", `SELECT rowid FROM ` + people},
		{"hidden column", `SELECT iban FROM ` + staff},
		{"hidden column, star", `SELECT * FROM ` + staff},
		{"hidden column, upper case", `SELECT IBAN FROM "PUBLIC.STAFF"`},
		{"hidden column in a filter", `SELECT id FROM ` + staff + ` WHERE iban = '` + secret + `'`},
		{"hidden column in an order", `SELECT id FROM ` + staff + ` ORDER BY iban`},
		{"hidden column in an aggregate", `SELECT max(iban) FROM ` + staff},
		{"hidden column in a window", `SELECT rank() OVER (ORDER BY iban) FROM ` + staff},
		{"hidden column in a group", `SELECT count(*) FROM ` + staff + ` GROUP BY iban`},
		{"closed table", `SELECT id FROM "public.closed"`},
		{"closed table, count", `SELECT count(*) FROM "public.closed"`},
		{"closed table, count, upper case", `SELECT count(*) FROM "PUBLIC.CLOSED"`},
		{"closed table, exists", `SELECT EXISTS (SELECT 1 FROM "public.closed")`},
		{"subquery", `SELECT (SELECT iban FROM ` + people + ` LIMIT 1)`},
		{"correlated subquery", `SELECT id, (SELECT iban FROM ` + people + ` p WHERE p.id = s.id) FROM ` + staff + ` s`},
		{"subquery in from", `SELECT * FROM (SELECT iban FROM ` + people + `)`},
		{"join", `SELECT p.iban FROM ` + staff + ` s JOIN ` + people + ` p ON p.id = s.id`},
		{"join of the view and its table", `SELECT p.iban FROM ` + view + ` v JOIN ` + people + ` p ON p.id = v.id`},
		{"union", `SELECT id FROM ` + staff + ` UNION SELECT iban FROM ` + people},
		{"common table expression", `WITH x AS (SELECT iban FROM ` + people + `) SELECT * FROM x`},
		{"recursive expression", `WITH RECURSIVE x(v) AS (SELECT iban FROM ` + people + ` UNION SELECT v FROM x) SELECT * FROM x`},
		{"expression named like the view", `WITH ` + view + ` AS (SELECT iban FROM ` + people + `) SELECT * FROM ` + view},
		{"expression named like the view, materialized", `WITH ` + view + ` AS MATERIALIZED (SELECT iban FROM ` + people + `) SELECT * FROM ` + view},
		{"expression named like a trigger", `WITH sqlite_returning AS (SELECT iban FROM ` + people + `) SELECT * FROM sqlite_returning`},
		{"alias named like the view", `SELECT * FROM (SELECT iban FROM ` + people + `) AS ` + view},
		{"values of the table", `SELECT * FROM ` + view + ` WHERE id IN (SELECT id FROM ` + people + ` WHERE iban = '` + secret + `')`},
		{"json over the table", `SELECT * FROM json_each((SELECT json_group_array(iban) FROM ` + people + `))`},
		{"explain", `EXPLAIN SELECT iban FROM ` + people},
		{"sqlite_master", `SELECT * FROM sqlite_master`},
		{"sqlite_schema", `SELECT sql FROM sqlite_schema`},
		{"sqlite_schema, count", `SELECT count(*) FROM sqlite_schema`},
		{"sqlite_temp_schema", `SELECT name FROM sqlite_temp_schema`},
		{"sqlite_temp_master", `SELECT name FROM temp.sqlite_master`},
		{"sqlite_sequence", `SELECT * FROM sqlite_sequence`},
		{"bookkeeping", `SELECT * FROM assent_members`},
		{"salt", `SELECT value FROM assent_meta`},
		{"bookkeeping, count", `SELECT count(*) FROM assent_members`},
		{"dbstat", `SELECT * FROM dbstat`},
		{"dbstat, count", `SELECT count(*) FROM dbstat`},
		{"sqlite_dbpage", `SELECT data FROM sqlite_dbpage`},
		{"bytecode", `SELECT * FROM bytecode('SELECT 1')`},
		{"fts5 over the table", `SELECT * FROM fts5vocab`},
		// The mask functions would tell which value hides behind a hash.
		{"hash of a guess", `SELECT assent_hash('` + secret + `')`},
		{"filter with a hash of a guess", `SELECT id FROM ` + view + ` WHERE iban = assent_hash('` + secret + `')`},
		// Writing what is not open, and reading through a write.
		{"returning", `INSERT INTO ` + notes + ` (id) VALUES (9) RETURNING iban`},
		{"returning star", `UPDATE ` + notes + ` SET city = 'x' RETURNING *`},
		{"delete returning", `DELETE FROM ` + notes + ` RETURNING iban`},
		{"delete by a hidden column", `DELETE FROM ` + notes + ` WHERE iban = '` + secret + `'`},
		{"update from a hidden column", `UPDATE ` + notes + ` SET city = iban`},
		{"update from the table", `UPDATE ` + notes + ` SET city = p.iban FROM ` + people + ` p`},
		{"update of a hidden column", `UPDATE ` + notes + ` SET iban = 'x'`},
		{"insert of a hidden column", `INSERT INTO ` + notes + ` VALUES (9, 'a', 'b')`},
		{"insert or ignore of a hidden column", `INSERT OR IGNORE INTO ` + notes + ` (id, iban) VALUES (9, 'b')`},
		{"insert or fail of a hidden column", `INSERT OR FAIL INTO ` + notes + ` (id, iban) VALUES (9, 'b')`},
		{"replace of a hidden column", `REPLACE INTO ` + notes + ` (id, iban) VALUES (9, 'b')`},
		{"insert from the table", `INSERT INTO ` + notes + ` (id, city) SELECT id, iban FROM ` + people},
		{"upsert from the table", `INSERT INTO ` + notes + ` (id) VALUES (1) ON CONFLICT DO UPDATE SET city = iban`},
		// More than one statement.
		{"insert into a hidden column of a view", `INSERT INTO ` + notes + ` (id, city, iban) SELECT id, city, city FROM ` + notes},
		{"two statements", `SELECT id FROM ` + staff + `; SELECT iban FROM ` + people},
	}
	before := contents(t, h)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			res, err := h.owner.Query(t.Context(), "ann", a.sql)
			if err == nil {
				t.Fatalf("allowed, and gave %v", res)
			}
			if strings.Contains(err.Error(), secret) && !strings.Contains(a.sql, secret) {
				t.Fatalf("the error shows the secret: %v", err)
			}
		})
	}
	if diff := cmp.Diff(before, contents(t, h)); diff != "" {
		t.Fatalf("something was changed (-before +after):\n%s", diff)
	}
}

// contents is every table, read by one to whom the owner opened it by hand.
func contents(t *testing.T, h *harness) map[string][][]string {
	t.Helper()
	out := map[string][][]string{}
	for _, name := range []string{"people", "staff", "notes", "closed"} {
		if err := h.owner.GrantByHand(t.Context(), "bob", h.path(name)); err != nil {
			t.Fatal(err)
		}
		res, err := h.owner.Query(t.Context(), "bob", `SELECT * FROM `+h.BaseAddress(name)+` ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = res.Rows
	}
	return out
}

// SQLite does not ask its authorizer about columns that USING and NATURAL
// join, and a full join even gives them out. There must be nothing to find.
func TestJoinsFindNothingTheGuardIsNotAskedAbout(t *testing.T) {
	h := fortress(t)
	guess := `(SELECT '` + secret + `' AS iban)`
	for _, from := range []string{people, staff, notes, `"public.closed"`, "main." + people, "temp." + people, "temp." + staff} {
		for _, sql := range []string{
			`SELECT iban FROM (SELECT NULL AS iban) FULL JOIN ` + from + ` USING (iban)`,
			`SELECT iban FROM ` + from + ` FULL JOIN (SELECT NULL AS iban) USING (iban)`,
			`SELECT iban FROM (SELECT NULL AS iban) NATURAL FULL JOIN ` + from,
			`SELECT g.iban FROM ` + guess + ` g JOIN ` + from + ` USING (iban)`,
			`SELECT g.iban FROM ` + guess + ` g NATURAL JOIN ` + from,
			`SELECT g.iban FROM ` + from + ` a JOIN ` + from + ` b USING (iban) JOIN ` + guess + ` g USING (iban)`,
		} {
			if res, err := h.owner.Query(t.Context(), "ann", sql); err == nil {
				for _, row := range res.Rows {
					if row[0] != sandbox.Null {
						t.Errorf("%s gives %v", sql, res.Rows)
					}
				}
			}
		}
	}
	for _, from := range []string{"assent_meta", "assent_members", "sqlite_schema", "pragma_database_list", "pragma_table_list", "dbstat"} {
		for _, column := range []string{"name", "value", "key", "account", "sql", "schema", "file"} {
			sql := `SELECT ` + column + ` FROM (SELECT NULL AS ` + column + `) FULL JOIN ` + from + ` USING (` + column + `)`
			if res, err := h.owner.Query(t.Context(), "ann", sql); err == nil {
				for _, row := range res.Rows {
					if row[0] != sandbox.Null {
						t.Errorf("%s gives %v", sql, res.Rows)
					}
				}
			}
		}
	}
}

// The definitions of the views can be read like this. The names in them are
// of no use: the next connection has others.
func TestNamesOfOneConnectionMeanNothingInTheNext(t *testing.T) {
	h := fortress(t)
	const sql = `SELECT sql FROM (SELECT NULL AS sql) FULL JOIN sqlite_temp_schema USING (sql) WHERE sql LIKE '%_hash(%'`
	res, err := h.owner.Query(t.Context(), "ann", sql)
	if err != nil {
		t.Skipf("SQLite no longer gives them out: %v", err)
	}
	if len(res.Rows) != 1 || strings.Contains(res.Rows[0][0], secret) {
		t.Fatalf("want one definition, got %v", res.Rows)
	}
	_, definition, _ := strings.Cut(res.Rows[0][0], " AS ")
	for _, steal := range []string{definition, strings.Replace(definition, `SELECT "id"`, `SELECT "iban"`, 1)} {
		if got, err := h.owner.Query(t.Context(), "ann", steal); err == nil {
			t.Errorf("%s gives %v", steal, got.Rows)
		}
	}
}

func TestGuardLetsPeopleWork(t *testing.T) {
	h := fortress(t)
	work := []struct {
		name, sql string
		want      [][]string
	}{
		{"clear columns", `SELECT id, city FROM ` + staff + ` ORDER BY id`, [][]string{{"1", "Oslo"}, {"2", "Rome"}}},
		{"upper case", `SELECT ID FROM "PUBLIC.STAFF" ORDER BY 1`, [][]string{{"1"}, {"2"}}},
		{"view, star", `SELECT count(*), sum(length(iban) = 64) FROM (SELECT * FROM ` + view + `)`, [][]string{{"2", "2"}}},
		{"view, count", `SELECT count(*) FROM ` + view, [][]string{{"2"}}},
		{"table, count", `SELECT count(*) FROM ` + staff, [][]string{{"2"}}},
		{"join of table and view", `SELECT s.city FROM ` + staff + ` s JOIN ` + view + ` v USING (id) WHERE v.city = 'Rome'`, [][]string{{"Rome"}}},
		{"expression", `WITH x AS (SELECT id FROM ` + staff + `) SELECT count(*) FROM x`, [][]string{{"2"}}},
		{"recursion", `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n`, [][]string{{"1"}, {"2"}, {"3"}}},
		{"json", `SELECT value FROM json_each('[1,2]')`, [][]string{{"1"}, {"2"}}},
		{"functions and a null", `SELECT upper('a'), NULL;`, [][]string{{"A", sandbox.Null}}},
		{"window", `SELECT row_number() OVER (ORDER BY id) FROM ` + view, [][]string{{"1"}, {"2"}}},
		{"insert", `INSERT INTO ` + notes + ` (id, city) VALUES (7, 'Bonn') RETURNING id, city`, [][]string{{"7", "Bonn"}}},
		{"inserted", `SELECT city FROM ` + notes + ` WHERE id = 7`, [][]string{{"Bonn"}}},
		{"insert into an open table", `INSERT INTO ` + opened + ` VALUES ('7', 'Bonn') RETURNING id, city`, [][]string{{"7", "Bonn"}}},
		{"update", `UPDATE ` + opened + ` SET city = 'Bern' WHERE id = '7' RETURNING city`, [][]string{{"Bern"}}},
		{"delete", `DELETE FROM ` + opened + ` WHERE id = '7' RETURNING id`, [][]string{{"7"}}},
		{"insert from what is open", `INSERT INTO ` + notes + ` (id, city) SELECT id + 10, city FROM ` + view + ` RETURNING id`, [][]string{{"11"}, {"12"}}},
	}
	for _, w := range work {
		t.Run(w.name, func(t *testing.T) {
			res, err := h.owner.Query(t.Context(), "ann", w.sql)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w.want, res.Rows); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestQueryTellsDeniedFromWrong(t *testing.T) {
	h := fortress(t)
	for _, c := range []struct {
		account, sql string
		args         []any
		denied       bool
	}{
		{"ann", `SELECT iban FROM ` + people, nil, true},
		{"bob", `SELECT id FROM ` + view, nil, true},
		{"bob", `SELECT count(*) FROM ` + view, nil, true},
		{"nobody", `SELECT 1`, nil, true},
		{"", `SELECT 1`, nil, true},
		{"ann", `INSERT INTO ` + notes + ` VALUES (9, 'a', 'b')`, nil, true},
		{"ann", `SELECT nothing FROM ` + staff, nil, false},
		{"ann", `SELECT id FROM "public.nowhere"`, nil, false},
		{"ann", `SELEKT`, nil, false},
		{"ann", ``, nil, false},
		{"ann", `SELECT ?`, nil, false},
		{"ann", `SELECT ?`, []any{[]int{1}}, false},
	} {
		_, err := h.owner.Query(t.Context(), c.account, c.sql, c.args...)
		if err == nil || errors.Is(err, sandbox.ErrDenied) != c.denied {
			t.Errorf("%s: %s: denied = %v, want %v: %v", c.account, c.sql, !c.denied, c.denied, err)
		}
	}
	res, err := h.owner.Query(t.Context(), "ann", `SELECT ?, ?, ?, ?, ?, ?`, "a", 1, int64(2), 1.5, true, nil)
	if diff := cmp.Diff([][]string{{"a", "1", "2", "1.5", "1", sandbox.Null}}, res.Rows); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestHashIsKeyedByFile(t *testing.T) {
	sql := `SELECT iban FROM ` + view + ` WHERE id = 1`
	a, err := fortress(t).owner.Query(t.Context(), "ann", sql)
	if err != nil {
		t.Fatal(err)
	}
	b, err := fortress(t).owner.Query(t.Context(), "ann", sql)
	if err != nil {
		t.Fatal(err)
	}
	if a.Rows[0][0] == b.Rows[0][0] {
		t.Fatal("two files hash a value alike")
	}
}

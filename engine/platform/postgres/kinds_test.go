package postgres

import "testing"

// Every kind of relation that a product may hold can be read, clear and masked,
// and by members only.
func TestEveryKindOfRelation(t *testing.T) {
	f := newFixture(t)
	f.accounts("ann", "bob")
	n := f.db[2:]
	mustExec(t, f.owner, `CREATE TABLE shop.plain (id text, name text)`, `INSERT INTO shop.plain VALUES ('1', 'Ann')`,
		`CREATE TABLE shop.parted (id text, name text) PARTITION BY LIST (id)`,
		`CREATE TABLE shop.parted_1 PARTITION OF shop.parted FOR VALUES IN ('1')`, `INSERT INTO shop.parted VALUES ('1', 'Ann')`,
		`CREATE VIEW shop.seen AS SELECT * FROM shop.plain`, `CREATE MATERIALIZED VIEW shop.kept AS SELECT * FROM shop.plain`)
	kinds := map[string]string{"plain": "table", "parted": "partitioned-table", "seen": "view", "kept": "materialized-view"}
	if f.ask(`SELECT count(*) FROM pg_available_extensions WHERE name = 'file_fdw'`) == "1" {
		mustExec(t, f.admin, `CREATE EXTENSION file_fdw`, `CREATE SERVER files FOREIGN DATA WRAPPER file_fdw`,
			`CREATE FOREIGN TABLE shop.far (id text, name text) SERVER files OPTIONS (program 'echo 1,Ann', format 'csv')`,
			`GRANT SELECT ON shop.far TO engine`+n+` WITH GRANT OPTION`)
		kinds["far"] = "foreign-table"
	} else {
		t.Log("foreign tables are left out: this server has no file_fdw")
	}
	for _, name := range keys(kinds) {
		clear, masked := f.role("clear-"+name, f.object(name, seen("id"), seen("name"))), f.role("masked-"+name, f.object(name, seen("id"), starred("name")))
		clear.Objects[0].Kind, masked.Objects[0].Kind = kinds[name], kinds[name]
		f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "bob"))
		if got := f.reads("ann", clear, "id", "name"); len(got) != 1 || got[0][1] != "Ann" {
			t.Errorf("%s: ann reads %v", name, got)
		}
		if got := f.reads("bob", masked, "id", "name"); len(got) != 1 || got[0][1] != "***" {
			t.Errorf("%s: bob reads %v", name, got)
		}
		f.refused("bob", "shop."+name, "id")
		if name == "parted" { // who may read the whole reads its parts through it only
			f.refused("ann", "shop.parted_1", "id")
			f.refused("bob", "shop.parted_1", "id")
		}
		f.ok(revoke(clear, "ann"), revoke(masked, "bob"))
		f.refused("ann", "shop."+name, "id")
	}
	for s, err := range f.p.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if want, ok := kinds[s.Path[2]]; ok && s.Kind != want {
			t.Errorf("%s is discovered as %s, want %s", s.Path[2], s.Kind, want)
		}
	}
}

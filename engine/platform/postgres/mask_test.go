package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

func mask(t resource.MaskType) resource.Mask { return resource.Mask{Type: t} }

// Every mask on columns of many types: what a member reads, and of which type
// the view's column is.
func TestMasksOfTypedColumns(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	mustExec(t, f.owner,
		`CREATE TYPE shop.mood AS ENUM ('sad', 'ok')`,
		`CREATE DOMAIN shop.email AS varchar(40) NOT NULL CHECK (VALUE LIKE '%@%')`,
		`CREATE DOMAIN shop.mail2 AS shop.email`,
		`CREATE TABLE shop.typed (id int, small int2, amount numeric(10,2), ratio float8, day date, at timestamptz, local timestamp(3), yes bool,
			who uuid, code varchar(3), fixed char(4), doc jsonb, tags text[], raw bytea, feel shop.mood, mail shop.email, mail2 shop.mail2, addr inet)`,
		`INSERT INTO shop.typed VALUES (1234, 32767, 1234.56, 'NaN', '2020-02-29', '2020-02-29 12:00+00', '2020-02-29 23:59:59.999', true,
			'00000000-0000-0000-0000-000000000001', 'abc', 'wxyz', '{"a":1}', '{a,b}', '\x00ff', 'ok', 'ann@x.org', 'ann@y.org', '10.0.0.1')`,
		`GRANT USAGE ON SCHEMA shop TO PUBLIC`)
	const null = "<null>"
	constant := func(v string) resource.Mask { return resource.Mask{Type: resource.MaskConstant, Value: v} }
	cut := func(u resource.DateUnit) resource.Mask { return resource.Mask{Type: resource.MaskTruncate, Unit: u} }
	rounded := func(d int) resource.Mask { return resource.Mask{Type: resource.MaskRound, Digits: d} }
	partly := func(a, b int) resource.Mask {
		return resource.Mask{Type: resource.MaskPartial, KeepFirst: a, KeepLast: b}
	}
	cases := []struct {
		column string
		mask   resource.Mask
		want   string
		typ    string
	}{
		{"id", mask(resource.MaskNull), null, "integer"},
		{"amount", mask(resource.MaskNull), null, "numeric(10,2)"},
		{"doc", mask(resource.MaskNull), null, "jsonb"},
		{"tags", mask(resource.MaskNull), null, "text[]"},
		{"feel", mask(resource.MaskNull), null, "shop.mood"},
		{"mail", mask(resource.MaskNull), null, "character varying(40)"},
		{"mail2", mask(resource.MaskNull), null, "character varying(40)"},
		{"id", constant("7"), "7", "integer"},
		{"small", constant("99999"), "99999", "text"},
		{"amount", constant("***"), "***", "text"},
		{"ratio", constant("0"), "0", "double precision"},
		{"day", constant("1970-01-01"), "1970-01-01", "date"},
		{"day", constant("soon"), "soon", "text"},
		{"yes", constant("false"), "false", "boolean"},
		{"code", constant("hidden"), "hidden", "text"},
		{"feel", constant("hidden"), "hidden", "text"},
		{"who", constant("it's \\ hidden"), "it's \\ hidden", "text"},
		{"code", partly(1, 0), "a**", "text"},
		{"code", partly(2, 1), "***", "text"},
		{"fixed", partly(1, 1), "w**z", "text"},
		{"mail", partly(1, 4), "a****.org", "text"},
		{"addr", partly(0, 3), "********/32", "text"},
		{"id", rounded(-2), "1200", "numeric"},
		{"small", rounded(-4), "30000", "numeric"},
		{"amount", rounded(0), "1235", "numeric"},
		{"amount", rounded(1), "1234.6", "numeric"},
		{"ratio", rounded(1), "NaN", "numeric"},
		{"code", rounded(0), null, "text"},
		{"day", cut(resource.UnitMonth), "2020-02-01", "date"},
		{"day", cut(resource.UnitHour), "2020-02-29", "date"},
		{"at", cut(resource.UnitDay), "2020-02-29 00:00:00+00", "timestamp with time zone"},
		{"at", cut(resource.UnitWeek), "2020-02-24 00:00:00+00", "timestamp with time zone"},
		{"local", cut(resource.UnitHour), "2020-02-29 23:00:00", "timestamp(3) without time zone"},
		{"local", cut(resource.UnitQuarter), "2020-01-01 00:00:00", "timestamp(3) without time zone"},
		{"code", cut(resource.UnitYear), null, "text"},
		{"mail", resource.Mask{Type: resource.MaskRegex, Pattern: `^[^@]+`, Replacement: `x`}, "x@x.org", "text"},
		{"day", resource.Mask{Type: resource.MaskRegex, Pattern: `-\d+`, Replacement: `-00`}, "2020-00-00", "text"},
	}
	for i, c := range cases {
		r := f.role("t"+strings.Repeat("x", i), f.object("typed", hiddenAs(c.column, c.mask)))
		f.ok(provision(r), allow(r, "ann"))
		if got := f.reads("ann", r, c.column); got[0][0] != c.want {
			t.Errorf("%s, %+v: reads %q, want %q", c.column, c.mask, got[0][0], c.want)
		}
		var typ string
		if err := f.admin.QueryRow(t.Context(), `SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1`,
			f.p.Address(r.RoleKey, r.Objects[0])).Scan(&typ); err != nil || typ != c.typ {
			t.Errorf("%s, %+v: is %s, want %s (%v)", c.column, c.mask, typ, c.typ, err)
		}
		f.ok(retire(r))
	}
	// Days begin where UTC's do, wherever the reader is.
	mustExec(t, f.admin, `ALTER ROLE ann SET timezone = 'Asia/Tokyo'`)
	r := f.role("tokyo", f.object("typed", hiddenAs("at", cut(resource.UnitDay))))
	f.ok(provision(r), allow(r, "ann"))
	if got := f.reads("ann", r, "at"); got[0][0] != "2020-02-29 09:00:00+09" {
		t.Errorf("in Tokyo, the day begins at %q", got[0][0])
	}
	f.ok(retire(r))
	for _, column := range []string{"id", "amount", "doc", "tags", "raw", "feel", "mail2", "at"} {
		r := f.role("h", f.object("typed", hiddenAs(column, mask(resource.MaskHash))))
		f.ok(provision(r), allow(r, "ann"))
		if got := f.reads("ann", r, column); len(got[0][0]) != 64 {
			t.Errorf("hash of %s reads %q", column, got[0][0])
		}
		f.ok(retire(r))
	}
	for _, column := range []string{"day", "doc", "yes", "tags", "feel"} {
		r := f.role("bad", f.object("typed", hiddenAs(column, rounded(0))))
		f.want(f.apply(provision(r)), "failed/unsupported")
	}
	for _, column := range []string{"id", "doc", "yes", "addr", "tags"} {
		r := f.role("bad", f.object("typed", hiddenAs(column, cut(resource.UnitMonth))))
		f.want(f.apply(provision(r)), "failed/unsupported")
	}
}

// The owner of the views holds what the views read, and not a column more.
func TestViewOwnerHoldsOnlyWhatViewsRead(t *testing.T) {
	f := newFixture(t)
	f.people()
	held := func() []string {
		rows, err := f.admin.Query(t.Context(), `SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'shop.people'::regclass AND a.attnum > 0
			AND has_column_privilege('assent_views', a.attrelid, a.attnum, 'SELECT') ORDER BY a.attnum`)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for rows.Next() {
			var n string
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			names = append(names, n)
		}
		return names
	}
	a := f.role("a", f.object("people", seen("id"), starred("name")))
	b := f.role("b", f.object("people", seen("iban"), hiddenAs("name", mask(resource.MaskHash))))
	steps := []struct {
		run  func()
		want []string
	}{
		{func() { f.ok(provision(a)) }, []string{"id"}},
		{func() { f.ok(provision(b)) }, []string{"id", "name", "iban"}},
		{func() { f.ok(retire(a)) }, []string{"name", "iban"}},
		{func() { f.ok(provision(f.role("b", f.object("people", seen("iban"), starred("name"))))) }, []string{"iban"}},
		{func() { f.ok(retire(b)) }, nil},
	}
	for i, s := range steps {
		s.run()
		if d := cmp.Diff(s.want, held()); d != "" {
			t.Errorf("step %d (-want +got):\n%s", i, d)
		}
	}
}

func TestDefinition(t *testing.T) {
	text := column{name: "n", typ: "text", base: "text", category: "S", system: true, declared: "text"}
	num := column{name: `a"b`, typ: "numeric(8,2)", base: "numeric", category: "N", system: true, declared: "numeric(8,2)"}
	enum := column{name: "e", typ: "x.mood", base: "mood", category: "E", declared: "x.mood"}
	r := &relation{relName: relName{"s", `t"`}, columns: []column{text, num, enum}}
	cases := []struct {
		columns []grant.Column
		want    string
		reads   []string
		salted  bool
	}{
		{[]grant.Column{seen("n"), hiddenAs("e", mask(resource.MaskNull))},
			`CREATE VIEW "v"."s__t""" AS SELECT t."n" AS "n", NULL::x.mood AS "e" FROM "s"."t""" AS t`, []string{"n"}, false},
		{[]grant.Column{hiddenAs(`a"b`, resource.Mask{Type: resource.MaskConstant, Value: `'; DROP`})},
			`CREATE VIEW "v"."s__t""" AS SELECT '''; DROP'::pg_catalog.text AS "a""b" FROM "s"."t""" AS t`, []string{`a"b`}, false},
		{[]grant.Column{hiddenAs(`a"b`, resource.Mask{Type: resource.MaskRound, Digits: -1})},
			`CREATE VIEW "v"."s__t""" AS SELECT pg_catalog.round(t."a""b"::pg_catalog.numeric, -1) AS "a""b" FROM "s"."t""" AS t`, []string{`a"b`}, false},
		{[]grant.Column{hiddenAs("n", mask(resource.MaskHash))},
			`CREATE VIEW "v"."s__t""" AS SELECT pg_catalog.encode(pg_catalog.sha256((SELECT s.salt FROM "assent"."salt" AS s) || ` +
				`pg_catalog.convert_to(t."n"::pg_catalog.text, 'UTF8')), 'hex') AS "n" FROM "s"."t""" AS t`, []string{"n"}, true},
	}
	for _, c := range cases {
		o := grant.Object{Path: []string{"db", "s", `t"`}, Columns: c.columns}
		got, reads, salted, err := definition("v", o, r)
		if err != nil || got != c.want || !cmp.Equal(reads, c.reads) || salted != c.salted {
			t.Errorf("got  %s\nwant %s\nreads %v, want %v; salted %v, want %v; %v", got, c.want, reads, c.reads, salted, c.salted, err)
		}
	}
	for _, m := range []resource.Mask{
		{Type: "rot13"}, {Type: resource.MaskPartial, KeepFirst: -1}, {Type: resource.MaskConstant, Value: "\x00"},
		{Type: resource.MaskRegex, Pattern: "\x00"}, {Type: resource.MaskRegex, Pattern: "a", Replacement: "\xff"}, {Type: resource.MaskRound, Digits: 99999},
		{Type: resource.MaskTruncate}, {Type: resource.MaskTruncate, Unit: "decade"},
	} {
		if sql, _, err := expression(num, &m); err == nil {
			t.Errorf("%+v becomes %s", m, sql)
		}
	}
}

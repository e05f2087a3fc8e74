package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// masksOfAll is a table with a column for each way of hiding one, and its role.
func (f *fixture) masksOfAll(product string) *grant.Role {
	f.t.Helper()
	mustExec(f.t, f.owner, `CREATE TABLE shop.wide (id int PRIMARY KEY, gone int, code varchar(20), flag bool, price numeric(10,2), born date,
		seen timestamptz(3), at timestamp, iban text, mail text, name char(12), note text)`)
	return f.role(product, f.object("wide",
		seen("id"),
		hiddenAs("gone", resource.Mask{Type: resource.MaskNull}),
		hiddenAs("code", resource.Mask{Type: resource.MaskConstant, Value: "x'y"}),
		hiddenAs("flag", resource.Mask{Type: resource.MaskConstant, Value: "true"}),
		hiddenAs("price", resource.Mask{Type: resource.MaskRound, Digits: -1}),
		hiddenAs("born", resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitYear}),
		hiddenAs("seen", resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitHour}),
		hiddenAs("at", resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitMonth}),
		hiddenAs("iban", resource.Mask{Type: resource.MaskHash}),
		hiddenAs("mail", resource.Mask{Type: resource.MaskRegex, Pattern: "[^@]+@", Replacement: "…@"}),
		hiddenAs("name", resource.Mask{Type: resource.MaskPartial, KeepFirst: 1, KeepLast: 1}),
		seen("note"),
	))
}

// sources are the tables of the fixture as discovery writes them into files.
func (f *fixture) sources() []platform.Source {
	f.t.Helper()
	var out []platform.Source
	for s, err := range f.p.Discover(f.t.Context()) {
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// traced are the statements that an Apply of the changes runs.
func (f *fixture) traced(changes ...plan.Change) []string {
	f.t.Helper()
	var ran []string
	f.p.before = func(_ context.Context, sql string) error {
		if sql != "BEGIN" && sql != "COMMIT" && !strings.HasPrefix(sql, "UPDATE assent.meta SET mark_seq") {
			ran = append(ran, sql)
		}
		return nil
	}
	defer func() { f.p.before = nil }()
	f.ok(changes...)
	return ran
}

func worded(list []platform.Statement) (statements, remarks []string) {
	for _, s := range list {
		if s.IsRemark() {
			remarks = append(remarks, s.Text)
		} else {
			statements = append(statements, s.Text)
		}
	}
	return statements, remarks
}

// What is drafted from the files is what Apply runs on an empty server, to the letter.
func TestDraftIsWhatApplyRuns(t *testing.T) {
	eachVersion(t, func(t *testing.T, server *Private) {
		f := newFixtureOn(t, server)
		f.people("ann", "bob")
		masked, clear := f.masksOfAll("masks"), f.clearRole()
		f.closed()
		writes := f.role("writes", f.object("people", seen("id"), seen("name"), seen("iban")), f.object("wide", seen("id"), seen("note")))
		writes.Access = resource.Write
		changes := []plan.Change{
			provision(masked), provision(clear), provision(writes),
			allow(masked, "ann"), allow(clear, "ann"), allow(clear, "bob"), allow(writes, "bob"),
		}
		d := platform.Draft{Connection: f.Connection(), Changes: changes, Sources: f.sources()}
		version := f.major() * 10000
		drafted, _ := worded(draft(d, version, f.engineName()))
		public, remarks := f.draft(d)
		ran := f.traced(changes...)
		if diff := cmp.Diff(ran, drafted); diff != "" {
			t.Errorf("apply and draft differ (-apply +draft):\n%s", diff)
		}
		if len(remarks) != 3 {
			t.Errorf("remarks are %q", remarks)
		}
		// What people read names the engine's account by what it is, and options of 16.
		if len(public) != len(ran) {
			t.Fatalf("%d statements are drafted and %d run", len(public), len(ran))
		}
		for i, text := range public {
			text = strings.ReplaceAll(text, ident(draftEngine), ident(f.engineName()))
			if version < draftVersion {
				text = strings.NewReplacer(" WITH INHERIT TRUE, SET FALSE", "", " WITH INHERIT TRUE, SET TRUE", "").Replace(text)
			}
			if text != ran[i] {
				t.Errorf("drafted %s\nand ran %s", public[i], ran[i])
			}
		}
	})
}

// Where the role is there already, who joins it is among what is drafted.
func TestDraftForARoleThatIsThere(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	whole, _ := worded(draft(platform.Draft{
		Connection: f.Connection(), Changes: []plan.Change{provision(clear), allow(clear, "bob")}, Sources: f.sources(),
	}, f.major()*10000, f.engineName()))
	only, _ := worded(draft(platform.Draft{
		Connection: f.Connection(), Changes: []plan.Change{allow(clear, "bob")}, Sources: f.sources(),
	}, f.major()*10000, f.engineName()))
	ran := f.traced(provision(clear), allow(clear, "bob"))
	if len(ran) == 0 || !strings.HasPrefix(ran[0], `GRANT "assent_clear_read" TO "bob"`) {
		t.Fatalf("apply ran %q", ran)
	}
	for _, text := range ran {
		if !strings.Contains(strings.Join(whole, "\n"), text) {
			t.Errorf("%s is not drafted", text)
		}
	}
	if diff := cmp.Diff(ran, only); diff != "" {
		t.Errorf("who joins alone (-apply +draft):\n%s", diff)
	}
}

// Who leaves and what goes is drafted as well, such as at a masking exception.
func TestDraftOfWhatGoes(t *testing.T) {
	eachVersion(t, func(t *testing.T, server *Private) {
		f := newFixtureOn(t, server)
		f.people("ann")
		f.closed()
		old, next := f.maskedRole(), f.clearRole()
		f.ok(provision(old), allow(old, "ann"))
		left, gone := revoke(old, "ann"), retire(old)
		left.PriorGrant, gone.PriorRole = left.Grant, gone.Role
		changes := []plan.Change{left, gone, provision(next), allow(next, "ann")}
		d := platform.Draft{Connection: f.Connection(), Changes: changes, Sources: f.sources()}
		drafted, _ := worded(draft(d, f.major()*10000, f.engineName()))
		if diff := cmp.Diff(f.traced(changes...), drafted); diff != "" {
			t.Errorf("apply and draft differ (-apply +draft):\n%s", diff)
		}
	})
}

// A mask that depends on a type which no file says is named, and not made up.
func TestDraftWithoutTypes(t *testing.T) {
	role := &grant.Role{RoleKey: grant.RoleKey{
		Connection: "wh", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: "p"}, Access: resource.Read, Profile: grant.DefaultProfile,
	}}
	for _, table := range []string{"a", "b", "c\nDROP TABLE x"} {
		role.Objects = append(role.Objects, grant.Object{Path: []string{"db", "s", table}, Kind: "table", Columns: []grant.Column{
			seen("id"), hiddenAs("v", resource.Mask{Type: resource.MaskNull}),
		}})
	}
	src := func(table, typ string) platform.Source {
		return platform.Source{Path: []string{"db", "s", table}, Columns: []resource.Column{{Name: "id"}, {Name: "v", Type: typ}}}
	}
	end := &grant.Grant{RoleKey: role.RoleKey, Principal: "ann", NotAfter: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)}
	list, err := (&Postgres{}).Draft(t.Context(), platform.Draft{
		Connection: "wh", Changes: []plan.Change{provision(role), {Action: plan.Allow, Grant: end}},
		Sources: []platform.Source{src("a", "money"), src("b", "shop.email"), src("c\nDROP TABLE x", "")},
	})
	if err != nil {
		t.Fatal(err)
	}
	statements, remarks := worded(list)
	all := strings.Join(statements, "\n")
	if !strings.Contains(all, `NULL::money AS "v" FROM "s"."a"`) || strings.Contains(all, `"s"."b"`) || strings.Contains(all, "DROP") {
		t.Errorf("statements:\n%s", all)
	}
	told := strings.Join(remarks, "\n")
	for _, want := range []string{"db.s.b has no statement here", "says shop.email", "db.s.c DROP TABLE x has no statement here", "says none", "ends 2030-01-02T00:00:00Z", "PostgreSQL 16"} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in:\n%s", want, told)
		}
	}
	if len(strings.Split(told, "\n")) != len(remarks) {
		t.Errorf("a remark has several lines:\n%s", told)
	}
}

// The names of types that people write are those that the server writes.
func TestDeclaredTypes(t *testing.T) {
	f := newFixture(t)
	for _, declared := range []string{
		"int", "int2", "int8", "integer", "decimal(10,2)", "numeric", "float8", "varchar(20)", "varchar", "char(3)", "char", "bool",
		"timestamptz", "timestamp(3) with time zone", "timestamp", "timestamp(0)", "timetz", "time", "text", "uuid", "jsonb", "bytea", "money", "real", "interval", "inet", "date",
	} {
		got := declaredColumn(declared)
		var typ, base, category string
		mustExec(t, f.owner, `DROP TABLE IF EXISTS shop.typed`, `CREATE TABLE shop.typed (v `+declared+`)`)
		err := f.admin.QueryRow(t.Context(), `SELECT format_type(a.atttypid, a.atttypmod), t.typname, t.typcategory::text FROM pg_attribute a
			JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = 'shop.typed'::regclass AND a.attnum = 1`).Scan(&typ, &base, &category)
		if err != nil {
			t.Fatal(err)
		}
		if got.typ != typ || got.base != base || got.category != category || got.undeclared {
			t.Errorf("%s is %+v, the server says %s %s %s", declared, got, typ, base, category)
		}
	}
	for _, declared := range []string{"", "email", "shop.text", "integer[]", "text; DROP", "bit varying(3)"} {
		if !declaredColumn(declared).undeclared {
			t.Errorf("%q is taken for a type", declared)
		}
	}
}

// closed lets nobody use the schema who was not let.
func (f *fixture) closed() {
	f.t.Helper()
	mustExec(f.t, f.admin, `REVOKE USAGE ON SCHEMA shop FROM PUBLIC`, `GRANT USAGE ON SCHEMA shop TO `+ident(f.engineName())+` WITH GRANT OPTION`)
}

func (f *fixture) engineName() string {
	f.t.Helper()
	s, err := f.p.read(f.t.Context(), wantedBy(nil))
	if err != nil {
		f.t.Fatal(err)
	}
	return s.engine
}

func (f *fixture) draft(d platform.Draft) (statements, remarks []string) {
	f.t.Helper()
	list, err := (&Postgres{}).Draft(f.t.Context(), d)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range list {
		if s.Why == "" {
			f.t.Errorf("%s: no reason given", s.Text)
		}
	}
	return worded(list)
}

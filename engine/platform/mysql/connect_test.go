package mysql

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// A failure to log in has its reason, a next step, and no password.
func TestLoginFailuresAreTold(t *testing.T) {
	f := newFixture(t)
	f.must("CREATE USER locked IDENTIFIED BY 'pw' ACCOUNT LOCK; CREATE USER faraway@'10.1.1.1' IDENTIFIED BY 'pw'")
	host, port := f.admin.Where()
	for name, tt := range map[string]struct {
		cfg  Config
		code platform.Code
	}{
		"wrong password":  {Config{User: "engine", Password: "Tr0ub4dor&3"}, platform.WrongCredential},
		"no such user":    {Config{User: "nobody_here", Password: "Tr0ub4dor&3"}, platform.WrongCredential},
		"locked":          {Config{User: "locked", Password: "pw"}, platform.WrongCredential},
		"another host's":  {Config{User: "faraway", Password: "pw"}, platform.WrongCredential},
		"nothing listens": {Config{User: "engine", Port: 1}, platform.Unreachable},
		"a tls mode":      {Config{User: "engine", TLS: "maybe"}, platform.Unreachable},
	} {
		tt.cfg.Connection, tt.cfg.Host = "warehouse", host
		if tt.cfg.Port == 0 {
			tt.cfg.Port = port
		}
		if tt.cfg.TLS == "" {
			tt.cfg.TLS = "disable"
		}
		p, err := Open(t.Context(), tt.cfg)
		if err == nil {
			_, err = p.Observe(t.Context())
			_ = p.Close()
		}
		var pe *platform.Error
		if !errors.As(err, &pe) || pe.Code != tt.code || pe.Hint == "" || pe.Connection != "warehouse" {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if strings.Contains(err.Error()+pe.Hint, "Tr0ub4dor&3") {
			t.Errorf("%s: the password shows in %v", name, err)
		}
	}
}

// A connection that was lost is made anew by the next call.
func TestReconnects(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.ok(provision(f.clearRole()))
	f.must("KILL USER engine")
	if _, err := f.p.Observe(t.Context()); platform.CodeOf(err) != platform.Unreachable {
		t.Errorf("the first call after the loss: %v", err)
	}
	if n := len(f.observe().Ours.Roles); n != 1 {
		t.Errorf("%d roles", n)
	}
}

// What the engine may not do is told as such, and the others go on.
func TestRightsThatTheEngineLacks(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.must("CREATE DATABASE hr; CREATE TABLE hr.desks (id INT); GRANT SELECT ON hr.* TO engine")
	clear := f.clearRole()
	desks := f.role("desks", grant.Object{Path: []string{"hr", "desks"}, Kind: "table", Columns: []grant.Column{seen("id")}})
	out := f.apply(provision(desks), provision(clear), allow(desks, "ann"), allow(clear, "ann"))
	f.want(out, "failed/no-right", "applied", "applied", "applied")
	f.refused("ann", "hr.desks", "id")
	if !strings.Contains(out[0].Detail, "setup") {
		t.Error(out[0].Detail)
	}
	f.must("GRANT SELECT ON hr.* TO engine WITH GRANT OPTION")
	f.ok(provision(desks), allow(desks, "ann"))
	if err := f.CreateAccount(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	f.must("DROP PROCEDURE assent.default_role")
	f.want(f.apply(allow(clear, "bob")), "failed/no-right")
	f.refused("bob", "shop.people", "id")
	f.must("REVOKE CONNECTION ADMIN ON *.* FROM engine; REVOKE PROCESS ON *.* FROM engine")
	_ = f.p.Close()
	f.reopen()
	db, err := f.admin.open("ann")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	out = f.apply(revoke(desks, "ann")) // she keeps another role, and so needs no change of her default role
	f.want(out, "applied")
	if out[0].SessionsEnded != 0 || !strings.Contains(out[0].Detail, "CONNECTION ADMIN") {
		t.Errorf("%d ended: %s", out[0].SessionsEnded, out[0].Detail)
	}
}

// An application's lock on a table holds nothing up: privileges are on names.
func TestLockedTable(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	db, err := f.admin.open("owner")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "UPDATE shop.people SET name = 'x'"); err != nil {
		t.Fatal(err)
	}
	clear, masked := f.clearRole(), f.maskedRole()
	f.ok(provision(clear), provision(masked), allow(clear, "ann"))
}

func TestDiscoverReadsCommentsAndTags(t *testing.T) {
	f := newFixture(t)
	f.people()
	f.must("CREATE TABLE shop.`A table` (id INT NOT NULL COMMENT '@tag key', iban VARCHAR(34) COMMENT 'Account. @tag pii.iban') COMMENT 'Of people @tag pii';" +
		"CREATE VIEW shop.seen AS SELECT id FROM shop.people; CREATE SEQUENCE shop.numbers; CREATE DATABASE hidden; CREATE TABLE hidden.t (id INT)")
	f.ok(provision(f.maskedRole()))
	var got []platform.Source
	for s, err := range f.p.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	yes, no := true, false
	want := platform.Source{
		Path: []string{"shop", "A table"}, Kind: "table", Description: "Of people", Tags: []string{"pii"}, Columns: []resource.Column{
			{Name: "id", Type: "int(11)", Nullable: &no, Tags: []string{"key"}},
			{Name: "iban", Type: "varchar(34)", Nullable: &yes, Description: "Account.", Tags: []string{"pii.iban"}},
		},
	}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var names []string
	for _, s := range got {
		names = append(names, dotted(s.Path)+" "+s.Kind)
	}
	if want := []string{"shop.A table table", "shop.people table", "shop.seen view"}; !slices.Equal(names, want) {
		t.Errorf("found %q, want %q", names, want)
	}
}

func TestQuoting(t *testing.T) {
	for in, want := range map[string]string{"a": "`a`", "a`b": "`a``b`", `a\b'"`: "`a\\b'\"`"} {
		if got := ident(in); got != want {
			t.Errorf("%q becomes %s", in, got)
		}
	}
	if got := pattern(`a_b%c\d`); got != "`a\\_b\\%c\\\\d`" {
		t.Error(got)
	}
	if got := literal(`it's \ "x"`); got != `'it''s \\ "x"'` {
		t.Error(got)
	}
	long := strings.Repeat("ж", 40)
	names := map[string][]string{}
	for _, path := range [][]string{
		{"a", "b"}, {"a__b", "c"}, {"a", "b__c"}, {"a_", "_b"}, {"a", "__b"}, {"a__", "b"}, {long, long}, {long, long + "x"}, {"A", "b"},
	} {
		n := viewName(path)
		if len([]rune(n)) > maxIdent || names[n] != nil {
			t.Errorf("%q and %q are %q", path, names[n], n)
		}
		names[n] = path
	}
	for pattern, databases := range map[string]map[string]bool{
		"shop": {"shop": true, "shopx": false}, `sh\_p`: {"sh_p": true, "shop": false}, "sh_p": {"shop": true, "shp": false}, "%": {"": true, "x": true},
		"a%b%c": {"abc": true, "axxbyyc": true, "ab": false}, "%op": {"shop": true, "shops": false},
	} {
		for d, want := range databases {
			if covers(pattern, d) != want {
				t.Errorf("%q covers %q: want %v", pattern, d, want)
			}
		}
	}
}

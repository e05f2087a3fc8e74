package postgres

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// A failure to connect has its reason, a next step, and no password.
func TestConnectFailuresAreTold(t *testing.T) {
	h := newPlace(t)
	const password = "Tr0ub4dor&3"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	base := Config{
		Connection: "warehouse", Host: server.Host(), Port: server.Port(), Database: h.db, TLS: "disable",
		User: "engine" + h.db[2:], Password: password,
	}
	cases := []struct {
		name string
		edit func(*Config)
		code platform.Code
	}{
		{"wrong password", func(*Config) {}, platform.WrongCredential},
		{"no such user", func(c *Config) { c.User = "nobody_here" }, platform.WrongCredential},
		{"wrong password in a DSN", func(c *Config) { c.DSN = server.DSN("engine1", password, h.db) }, platform.WrongCredential},
		{"nothing listens", func(c *Config) { c.Port = closed }, platform.Unreachable},
		{"no TLS there", func(c *Config) { c.TLS = "require" }, platform.Untrusted},
		{"no such database", func(c *Config) {
			c.DSN = strings.Replace(h.engine, "/"+h.db+"?", "/nowhere?", 1)
			c.User, c.Password = "", ""
		}, platform.NoObject},
		{"no such host", func(c *Config) { c.Host, c.TLS = "no-such-host.invalid", "" }, platform.Unreachable},
		{"TLS off, elsewhere", func(c *Config) { c.Host = "db.example.com" }, platform.Untrusted},
		{"TLS unchecked, elsewhere", func(c *Config) { c.Host, c.TLS = "db.example.com", "require" }, platform.Untrusted},
		{"TLS if you like, elsewhere", func(c *Config) { c.DSN = "postgres://u@db.example.com/x?sslmode=prefer" }, platform.Untrusted},
		{"authorities that are none", func(c *Config) { c.TLS, c.CA = "verify-full", []byte("no certificate") }, platform.Untrusted},
		{"a DSN that is none", func(c *Config) { c.DSN = "postgres://u:" + password + "@[::1/x" }, platform.Unreachable},
		{"an unknown tls mode", func(c *Config) { c.TLS = "maybe" }, platform.Unreachable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := base
			c.edit(&cfg)
			p, err := Open(t.Context(), cfg)
			if err == nil {
				defer p.Close()
				_, err = p.Observe(t.Context())
			}
			var pe *platform.Error
			if !errors.As(err, &pe) || pe.Code != c.code || pe.Hint == "" || pe.Connection != "warehouse" {
				t.Fatalf("got %#v", err)
			}
			if strings.Contains(err.Error()+pe.Hint, password) {
				t.Fatalf("the password shows in %v", err)
			}
		})
	}
}

// A connection that was lost is made anew by the next call.
func TestReconnects(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.ok(provision(f.clearRole()))
	mustExec(t, f.admin, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'assent' AND datname = current_database()`)
	if _, err := f.p.Observe(t.Context()); err == nil {
		t.Error("the first call after the loss succeeds; nothing was lost")
	}
	if n := len(f.observe().Ours.Roles); n != 1 {
		t.Errorf("%d roles", n)
	}
}

// A database that is governed under another name is left alone.
func TestOtherConnectionNameIsRefused(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.ok(provision(f.clearRole()))
	p, err := Open(t.Context(), Config{Connection: "other", DSN: f.engine})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Observe(t.Context()); platform.CodeOf(err) != platform.NotOurs {
		t.Fatalf("got %v", err)
	}
}

func TestDiscover(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	mustExec(t, f.owner, `COMMENT ON TABLE shop.people IS 'Everybody. @tag hr @tag pii.any'`, `COMMENT ON COLUMN shop.people.iban IS '@tag pii.iban'`,
		`CREATE TABLE shop.parts (id int NOT NULL, at date) PARTITION BY RANGE (at)`, `CREATE VIEW shop."A view" AS SELECT 1 AS one`,
		`CREATE MATERIALIZED VIEW shop.kept AS SELECT 1 AS one`)
	f.ok(provision(f.maskedRole()))
	var got []platform.Source
	for s, err := range f.p.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	yes, no := true, false
	one := []resource.Column{{Name: "one", Type: "integer", Nullable: &yes}}
	want := []platform.Source{
		{Path: []string{f.db, "shop", "A view"}, Kind: "view", Columns: one},
		{Path: []string{f.db, "shop", "kept"}, Kind: "materialized-view", Columns: one},
		{Path: []string{f.db, "shop", "parts"}, Kind: "partitioned-table", Columns: []resource.Column{
			{Name: "id", Type: "integer", Nullable: &no}, {Name: "at", Type: "date", Nullable: &yes}}},
		{Path: []string{f.db, "shop", "people"}, Kind: "table", Description: "Everybody.", Tags: []string{"hr", "pii.any"}, Columns: []resource.Column{
			{Name: "id", Type: "text", Nullable: &no}, {Name: "name", Type: "text", Nullable: &yes},
			{Name: "iban", Type: "text", Nullable: &yes, Tags: []string{"pii.iban"}}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPrivateServerLeavesNothing(t *testing.T) {
	newPlace(t) // skips where there is no server
	s, err := StartPrivate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	dsn, err := s.CreateEngine(t.Context(), "engine", "postgres", "public")
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, dsn)
	mustExec(t, conn, `SELECT 1`)
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.server.Path(".")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder: %v", err)
	}
	if c, err := net.Dial("tcp", net.JoinHostPort(s.Host(), strconv.Itoa(s.Port()))); err == nil {
		_ = c.Close()
		t.Error("something still listens")
	}
}

func TestNoServerIsTold(t *testing.T) {
	t.Setenv("ASSENT_PG_BINDIR", t.TempDir())
	if _, err := StartPrivate(context.Background(), ""); !errors.Is(err, ErrNoServer) {
		t.Fatalf("got %v", err)
	}
}

func TestSetupRefusesWhatIsNoName(t *testing.T) {
	for _, name := range []string{"", "a\x00b", strings.Repeat("x", 64)} {
		if sql, err := SetupSQL(name, "", "db"); err == nil {
			t.Errorf("%q becomes %s", name, sql)
		}
	}
	if _, err := SetupSQL("e", "a\x00", "db"); err == nil {
		t.Error("a NUL in the password is taken")
	}
}

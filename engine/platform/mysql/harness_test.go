package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/platform/private"
	"github.com/assent-dev/assent/engine/resource"
)

// server is the private server of this test binary, nil where there is none.
var server *Private

func TestMain(m *testing.M) {
	s, err := StartPrivate(context.Background(), "")
	if err != nil && !errors.Is(err, ErrNoServer) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	code := m.Run()
	if server != nil {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// noServer ends a test that has no server: in CI it fails.
func noServer(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" || !errors.Is(err, ErrNoServer) {
		t.Fatal(err)
	}
	t.Skip(err)
}

// newServer is a server of the test's own.
func newServer(t *testing.T, o PrivateOptions) *Private {
	t.Helper()
	s, err := StartPrivateWith(t.Context(), o)
	if err != nil {
		noServer(t, err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// place is the private server, emptied, with a database shop that belongs to
// owner. One connection governs a whole server, so there is one place at a time.
type place struct {
	t     *testing.T
	admin *Admin
	lock  *sql.DB // the session of LockTable
}

var (
	_ platformtest.Filterer       = (*place)(nil)
	_ platformtest.MemberAdder    = (*place)(nil)
	_ platformtest.RoleTaker      = (*place)(nil)
	_ platformtest.ColumnAdder    = (*place)(nil)
	_ platformtest.ColumnDropper  = (*place)(nil)
	_ platformtest.Namer          = (*place)(nil)
	_ platformtest.Changer        = (*place)(nil)
	_ platformtest.Distinguisher  = (*place)(nil)
	_ platformtest.AccountDropper = (*place)(nil)
	_ platformtest.TableRenamer   = (*place)(nil)
	_ platformtest.NameBound      = (*place)(nil)
	_ platformtest.Withholder     = (*place)(nil)
	_ platformtest.Mortal         = (*place)(nil)
	_ platformtest.Hider          = (*place)(nil)
	_ platformtest.Locker         = (*place)(nil)
)

func newPlace(t *testing.T) *place {
	t.Helper()
	if server == nil {
		noServer(t, ErrNoServer)
	}
	h := &place{t: t, admin: server.Admin()}
	h.clear()
	h.must("CREATE DATABASE shop")
	for _, login := range []string{"owner", "engine"} {
		h.admin.passwords[login] = private.Secret()
	}
	h.must("CREATE USER owner IDENTIFIED BY '" + h.admin.passwords["owner"] + "'; GRANT ALL ON shop.* TO owner WITH GRANT OPTION")
	setup, err := SetupSQL(MariaDB, "engine", h.admin.passwords["engine"], "shop")
	if err != nil {
		t.Fatal(err)
	}
	h.must(setup)
	return h
}

// clear drops every database, account and role that a test made.
func (h *place) clear() {
	h.t.Helper()
	ctx := h.t.Context()
	var drops []string
	for _, row := range h.ask("SELECT schema_name FROM information_schema.schemata") {
		if !slices.Contains([]string{"mysql", "information_schema", "performance_schema", "sys"}, row[0]) {
			drops = append(drops, "DROP DATABASE "+ident(row[0]))
		}
	}
	for _, row := range h.ask("SELECT user, host, is_role FROM mysql.user WHERE user NOT IN ('admin', 'mariadb.sys', 'PUBLIC') OR is_role = 'Y' AND user = 'admin'") {
		if row[2] == "Y" {
			drops = append(drops, "DROP ROLE "+ident(row[0]))
		} else {
			drops = append(drops, "DROP USER "+literal(row[0])+"@"+literal(row[1]))
		}
	}
	// Privileges go by name, and outlive what they are about.
	drops = append(drops, "DELETE FROM mysql.global_priv WHERE user = 'PUBLIC'", "DELETE FROM mysql.db", "DELETE FROM mysql.tables_priv WHERE db <> 'mysql' AND db <> 'sys'", "DELETE FROM mysql.columns_priv", "FLUSH PRIVILEGES")
	if err := h.admin.Exec(ctx, strings.Join(drops, ";\n")); err != nil {
		h.t.Fatalf("clear the server: %v", err)
	}
}

// must runs statements as the administrator, ask queries as him.
func (h *place) must(statements string) {
	h.t.Helper()
	if err := h.admin.Exec(h.t.Context(), statements); err != nil {
		h.t.Fatalf("%s: %v", statements, err)
	}
}

func (h *place) ask(query string) [][]string {
	h.t.Helper()
	rows, err := h.admin.Query(h.t.Context(), h.admin.user, query)
	if err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func (h *place) Connection() resource.Name { return "warehouse" }
func (h *place) Database() string          { return "shop" }
func (h *place) Schema() string            { return "" }

// Platform observes once, so that the platform knows whether the server runs
// events, and claims what it can.
func (h *place) Platform(ctx context.Context) (platform.Platform, error) {
	p, err := h.open(ctx)
	if err != nil {
		return nil, err
	}
	_, err = p.Observe(ctx)
	return p, err
}

func (h *place) open(ctx context.Context) (*MySQL, error) {
	host, port := h.admin.Where()
	return Open(ctx, Config{Connection: h.Connection(), Host: host, Port: port, TLS: "disable", User: "engine", Password: h.admin.passwords["engine"]})
}

func (h *place) CreateAccount(ctx context.Context, account string) error {
	return h.admin.CreateLogin(ctx, account)
}

func (h *place) DropAccount(ctx context.Context, account string) error {
	return h.admin.Exec(ctx, "DROP USER "+literal(account))
}

// as runs statements as an account; they hold no semicolon but within quotes.
func (h *place) as(ctx context.Context, account, statement string) error {
	return h.admin.exec(ctx, account, statement)
}

func (h *place) CreateTable(ctx context.Context, t platformtest.Table) error {
	const text = " VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	var defs []string
	for i, c := range t.Columns {
		def := ident(c) + text
		if i == 0 {
			def += " PRIMARY KEY"
		}
		defs = append(defs, def)
	}
	if err := h.as(ctx, "owner", "CREATE TABLE "+h.BaseAddress(t.Name)+" ("+strings.Join(defs, ", ")+")"); err != nil {
		return err
	}
	for _, row := range t.Rows {
		if err := h.Insert(ctx, "owner", h.BaseAddress(t.Name), t.Columns, row); err != nil {
			return err
		}
	}
	return nil
}

func (h *place) DropTable(ctx context.Context, name string) error {
	return h.as(ctx, "owner", "DROP TABLE "+h.BaseAddress(name))
}

func (h *place) RenameTable(ctx context.Context, from, to string) error {
	return h.as(ctx, "owner", "RENAME TABLE "+h.BaseAddress(from)+" TO "+h.BaseAddress(to))
}

// CreateWithheld makes a table on which the engine's account holds SELECT and
// may not pass it on. No table can be taken out of a privilege on its database,
// so that becomes one on each of the tables that are there.
func (h *place) CreateWithheld(ctx context.Context, t platformtest.Table) error {
	if err := h.CreateTable(ctx, t); err != nil {
		return err
	}
	if err := h.HideTable(ctx, t.Name); err != nil {
		return err
	}
	return h.admin.Exec(ctx, "GRANT SELECT ON "+h.BaseAddress(t.Name)+" TO engine")
}

const engineRights = "SELECT, INSERT, UPDATE, DELETE, SHOW VIEW"

// HideTable leaves the engine's account its rights on all other tables.
func (h *place) HideTable(ctx context.Context, table string) error {
	statements := []string{"REVOKE " + engineRights + ", GRANT OPTION ON shop.* FROM engine"}
	for _, row := range h.ask("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop'") {
		if row[0] != table {
			statements = append(statements, "GRANT "+engineRights+" ON "+h.BaseAddress(row[0])+" TO engine WITH GRANT OPTION")
		}
	}
	if len(h.ask("SELECT 1 FROM mysql.tables_priv WHERE User = 'engine' AND Db = 'shop' AND BINARY Table_name = "+literal(table))) > 0 {
		statements = append(statements, "REVOKE ALL PRIVILEGES ON "+h.BaseAddress(table)+" FROM engine",
			"REVOKE GRANT OPTION ON "+h.BaseAddress(table)+" FROM engine")
	}
	return h.admin.Exec(ctx, strings.Join(statements, "; "))
}

func (h *place) ShowTable(ctx context.Context, _ string) error {
	return h.admin.Exec(ctx, "GRANT "+engineRights+" ON shop.* TO engine WITH GRANT OPTION")
}

// LockTable locks a table in a session of the owner's own.
func (h *place) LockTable(ctx context.Context, table string) error {
	db, err := h.admin.open("owner")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	h.lock = db
	h.t.Cleanup(func() { _ = db.Close() })
	_, err = db.ExecContext(ctx, "LOCK TABLES "+h.BaseAddress(table)+" WRITE")
	return err
}

func (h *place) UnlockTable(context.Context, string) error { return h.lock.Close() }

func (h *place) Dying(ctx context.Context, step int) (platform.Platform, func() bool, error) {
	p, err := h.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	n := 0
	p.before = func(context.Context, string) error {
		if n++; n >= step {
			p.drop()
			return errors.New("died")
		}
		return nil
	}
	return p, func() bool { return n >= step }, nil
}

func (h *place) AddColumn(ctx context.Context, table, column, value string) error {
	return h.as(ctx, "owner", "ALTER TABLE "+h.BaseAddress(table)+" ADD COLUMN "+ident(column)+" VARCHAR(255) DEFAULT "+literal(value))
}

func (h *place) DropColumn(ctx context.Context, table, column string) error {
	return h.as(ctx, "owner", "ALTER TABLE "+h.BaseAddress(table)+" DROP COLUMN "+ident(column))
}

func (h *place) GrantByHand(ctx context.Context, account, table string) error {
	return h.as(ctx, "owner", "GRANT SELECT ON "+h.BaseAddress(table)+" TO "+literal(account))
}

// RevokeByHand takes the role from the account, and from the roles it is in.
func (h *place) RevokeByHand(ctx context.Context, account, role string) error {
	var revokes []string
	of := literal(account)
	for _, row := range h.ask("SELECT user, host FROM mysql.roles_mapping WHERE role = " + literal(role) + " AND (user = " + of +
		" OR host = '' AND user IN (SELECT role FROM mysql.roles_mapping WHERE user = " + of + "))") {
		from := literal(row[0])
		if row[1] != "" {
			from += "@" + literal(row[1])
		}
		revokes = append(revokes, "REVOKE "+ident(role)+" FROM "+from)
	}
	if len(revokes) == 0 {
		return fmt.Errorf("%s is not in %s", account, role)
	}
	return h.byHand(ctx, strings.Join(revokes, "; "))
}

func (h *place) AddByHand(ctx context.Context, account, role string) error {
	return h.byHand(ctx, "GRANT "+ident(role)+" TO "+literal(account))
}

// byHand runs statements about a role as whoever made it: the administrator may
// not pass on, or take back, a role that is another's.
func (h *place) byHand(ctx context.Context, statements string) error {
	if err := h.admin.Exec(ctx, statements); err == nil {
		return nil
	}
	return h.as(ctx, "engine", statements)
}

// PrivilegesFollowNames: on MariaDB they do.
func (h *place) PrivilegesFollowNames() bool { return true }

func (h *place) TakeRoleName(ctx context.Context, role string) error {
	return h.admin.Exec(ctx, "CREATE ROLE "+ident(role))
}

// CanName knows that names have at most 64 characters, an account's 128, none
// of them beyond U+FFFF, and that a table's or column's ends in no space.
func (h *place) CanName(kind, name string) bool {
	longest := 64
	if kind == "account" {
		longest = 128
	}
	beyond := strings.ContainsFunc(name, func(r rune) bool { return r > 0xFFFF || r == 0 })
	return name != "" && utf8.RuneCountInString(name) <= longest && !beyond && (kind == "account" || !strings.HasSuffix(name, " "))
}

// TellsApart asks the server: it folds the case and the accents of columns.
func (h *place) TellsApart(kind, a, b string) bool {
	if kind == "account" && a+"@%" == b {
		return false
	}
	collation := "utf8mb3_bin"
	if kind == "column" {
		collation = "utf8mb3_general_ci"
	}
	text := func(s string) string { return "CONVERT(" + literal(s) + " USING utf8mb3) COLLATE " + collation }
	return h.ask("SELECT " + text(a) + " = " + text(b))[0][0] == "0"
}

func (h *place) Select(ctx context.Context, account, address string, columns ...string) ([][]string, error) {
	return h.admin.Query(ctx, account, "SELECT "+quoted(columns)+" FROM "+address+" ORDER BY 1")
}

func (h *place) SelectWhere(ctx context.Context, account, address, column, value string, columns ...string) ([][]string, error) {
	return h.admin.Query(ctx, account, "SELECT "+quoted(columns)+" FROM "+address+" WHERE "+ident(column)+" = "+literal(value)+" ORDER BY 1")
}

func quoted(columns []string) string {
	var list []string
	for _, c := range columns {
		list = append(list, ident(c))
	}
	return strings.Join(list, ", ")
}

func (h *place) Insert(ctx context.Context, account, address string, columns, values []string) error {
	var list []string
	for _, v := range values {
		list = append(list, literal(v))
	}
	return h.as(ctx, account, "INSERT INTO "+address+" ("+quoted(columns)+") VALUES ("+strings.Join(list, ", ")+")")
}

func (h *place) Update(ctx context.Context, account, address, key, keyValue, column, value string) error {
	return h.as(ctx, account, "UPDATE "+address+" SET "+ident(column)+" = "+literal(value)+" WHERE "+ident(key)+" = "+literal(keyValue))
}

func (h *place) Delete(ctx context.Context, account, address, key, keyValue string) error {
	return h.as(ctx, account, "DELETE FROM "+address+" WHERE "+ident(key)+" = "+literal(keyValue))
}

func (h *place) BaseAddress(table string) string { return ident("shop", table) }

func (h *place) Denied(err error) bool { return Denied(err) }

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/resource"
)

// server is the private server of this test binary, nil where there is none.
var server *Private

var databases atomic.Int64

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		os.Exit(m.Run()) // the parent has the server
	}
	s, err := StartPrivate(context.Background(), "")
	if err != nil && !errors.Is(err, ErrNoServer) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	code := m.Run()
	for _, s := range append(others(), server) {
		if s == nil {
			continue
		}
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const consumerPassword = "consumer"

// place is a database of its own on the private server. Accounts and roles are
// the cluster's, so they are dropped with the place.
type place struct {
	t      *testing.T
	server *Private
	db     string
	engine string // DSN
	owner  *pgx.Conn
	admin  *pgx.Conn
	locker *pgx.Conn // of LockTable
}

// Not a Hider: what is in the catalogs anybody sees. A lock alone keeps a view from being read.
var (
	_ platformtest.Filterer       = (*place)(nil)
	_ platformtest.MemberAdder    = (*place)(nil)
	_ platformtest.RoleTaker      = (*place)(nil)
	_ platformtest.ColumnAdder    = (*place)(nil)
	_ platformtest.ColumnDropper  = (*place)(nil)
	_ platformtest.Namer          = (*place)(nil)
	_ platformtest.Changer        = (*place)(nil)
	_ platformtest.AccountDropper = (*place)(nil)
	_ platformtest.TableRenamer   = (*place)(nil)
	_ platformtest.Withholder     = (*place)(nil)
	_ platformtest.Locker         = (*place)(nil)
	_ platformtest.Mortal         = (*place)(nil)
)

func newPlace(t *testing.T) *place {
	t.Helper()
	if server == nil {
		if os.Getenv("CI") != "" {
			t.Fatal(ErrNoServer)
		}
		t.Skip(ErrNoServer)
	}
	return newPlaceOn(t, server)
}

func newPlaceOn(t *testing.T, server *Private) *place {
	t.Helper()
	ctx := t.Context()
	n := strconv.FormatInt(databases.Add(1), 10)
	h := &place{t: t, server: server, db: "db" + n}
	h.admin = dial(t, server.AdminDSN(""))
	mustExec(t, h.admin, "CREATE DATABASE "+h.db)
	h.admin = dial(t, server.AdminDSN(h.db))
	mustExec(t, h.admin, "CREATE ROLE owner"+n+" LOGIN PASSWORD 'owner'", "CREATE SCHEMA shop AUTHORIZATION owner"+n,
		"GRANT USAGE ON SCHEMA shop TO PUBLIC")
	engine, err := server.CreateEngine(ctx, "engine"+n, h.db, "shop")
	if err != nil {
		t.Fatal(err)
	}
	h.engine = engine
	h.owner = dial(t, server.DSN("owner"+n, "owner", h.db))
	mustExec(t, h.owner, "ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO engine"+n+" WITH GRANT OPTION",
		"ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT USAGE ON SEQUENCES TO engine"+n+" WITH GRANT OPTION")
	t.Cleanup(func() { h.drop() })
	return h
}

// drop removes the database and every role made since, so that places do not
// meet in the names of the cluster.
func (h *place) drop() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, h.server.AdminDSN(""))
	if err != nil {
		h.t.Error(err)
		return
	}
	defer conn.Close(ctx)
	_ = h.owner.Close(ctx)
	if _, err := conn.Exec(ctx, "DROP DATABASE "+h.db+" WITH (FORCE)"); err != nil {
		h.t.Error(err)
		return
	}
	// Places nest: the logins of the outer ones stay.
	rows, err := conn.Query(ctx, "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user"+
		" AND (rolname !~ '^(owner|engine)[0-9]+$' OR rolname IN ('owner' || $1, 'engine' || $1))", strings.TrimPrefix(h.db, "db"))
	if err != nil {
		h.t.Error(err)
		return
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		h.t.Error(err)
	}
	for _, n := range names {
		if _, err := conn.Exec(ctx, "DROP OWNED BY "+ident(n)); err != nil {
			h.t.Error(err)
		}
	}
	for _, n := range names {
		if _, err := conn.Exec(ctx, "DROP ROLE "+ident(n)); err != nil {
			h.t.Error(err)
		}
	}
}

func dial(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func (h *place) Connection() resource.Name { return "warehouse" }
func (h *place) Database() string          { return h.db }
func (h *place) Schema() string            { return "shop" }

func (h *place) Platform(ctx context.Context) (platform.Platform, error) { return h.open(ctx) }

func (h *place) open(ctx context.Context) (*Postgres, error) {
	return Open(ctx, Config{Connection: h.Connection(), DSN: h.engine})
}

func (h *place) CreateAccount(ctx context.Context, account string) error {
	_, err := h.admin.Exec(ctx, "CREATE ROLE "+ident(account)+" LOGIN PASSWORD '"+consumerPassword+"'")
	return err
}

func (h *place) CreateTable(ctx context.Context, t platformtest.Table) error {
	var defs []string
	for i, c := range t.Columns {
		def := ident(c) + " text"
		if i == 0 {
			def += " PRIMARY KEY"
		}
		defs = append(defs, def)
	}
	name := ident("shop", t.Name)
	if _, err := h.owner.Exec(ctx, "CREATE TABLE "+name+" ("+strings.Join(defs, ", ")+")"); err != nil {
		return err
	}
	for _, row := range t.Rows {
		if err := insert(ctx, h.owner, name, t.Columns, row); err != nil {
			return err
		}
	}
	return nil
}

func insert(ctx context.Context, conn *pgx.Conn, table string, columns, values []string) error {
	var holes []string
	var args []any
	for i, v := range values {
		holes = append(holes, "$"+strconv.Itoa(i+1))
		args = append(args, v)
	}
	_, err := conn.Exec(ctx, "INSERT INTO "+table+" ("+idents(columns)+") VALUES ("+strings.Join(holes, ", ")+")", args...)
	return err
}

func (h *place) DropTable(ctx context.Context, name string) error {
	_, err := h.owner.Exec(ctx, "DROP TABLE "+ident("shop", name)+" CASCADE")
	return err
}

func (h *place) GrantByHand(ctx context.Context, account, table string) error {
	_, err := h.owner.Exec(ctx, "GRANT SELECT ON "+ident("shop", table)+" TO "+ident(account))
	return err
}

func (h *place) RevokeByHand(ctx context.Context, account, role string) error {
	_, err := h.admin.Exec(ctx, "REVOKE "+ident(role)+" FROM "+ident(account)+h.grantedBy()+" CASCADE")
	return err
}

func (h *place) AddByHand(ctx context.Context, account, role string) error {
	_, err := h.admin.Exec(ctx, "GRANT "+ident(role)+" TO "+ident(account)+h.grantedBy())
	return err
}

// grantedBy makes a membership the engine's from PostgreSQL 16 on, where each
// grantor has its own; what another grantor's is, TestMemberOfAnotherGrantor says.
func (h *place) grantedBy() string {
	if h.major() < 16 {
		return ""
	}
	return " GRANTED BY engine" + strings.TrimPrefix(h.db, "db")
}

func (h *place) major() int {
	version, _, _ := strings.Cut(h.admin.PgConn().ParameterStatus("server_version"), ".")
	n, err := strconv.Atoi(version)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *place) DropColumn(ctx context.Context, table, column string) error {
	_, err := h.owner.Exec(ctx, "ALTER TABLE "+ident("shop", table)+" DROP COLUMN "+ident(column)+" CASCADE")
	return err
}

func (h *place) TakeRoleName(ctx context.Context, role string) error {
	_, err := h.admin.Exec(ctx, "CREATE ROLE "+ident(role))
	return err
}

func (h *place) AddColumn(ctx context.Context, table, column, value string) error {
	_, err := h.owner.Exec(ctx, "ALTER TABLE "+ident("shop", table)+" ADD COLUMN "+ident(column)+" text DEFAULT "+literal(value))
	return err
}

func (h *place) DropAccount(ctx context.Context, account string) error {
	if _, err := h.admin.Exec(ctx, "DROP OWNED BY "+ident(account)); err != nil {
		return err
	}
	_, err := h.admin.Exec(ctx, "DROP ROLE "+ident(account))
	return err
}

func (h *place) RenameTable(ctx context.Context, from, to string) error {
	_, err := h.owner.Exec(ctx, "ALTER TABLE "+ident("shop", from)+" RENAME TO "+ident(to))
	return err
}

// CreateWithheld makes a table of the superuser's and takes it from the engine.
func (h *place) CreateWithheld(ctx context.Context, t platformtest.Table) error {
	var defs []string
	for _, c := range t.Columns {
		defs = append(defs, ident(c)+" text")
	}
	_, err := h.admin.Exec(ctx, "CREATE TABLE "+ident("shop", t.Name)+" ("+strings.Join(defs, ", ")+"); "+
		"REVOKE ALL ON "+ident("shop", t.Name)+" FROM engine"+strings.TrimPrefix(h.db, "db"))
	return err
}

// LockTable opens a transaction of the owner's, in a session of its own.
func (h *place) LockTable(ctx context.Context, table string) error {
	if h.locker == nil {
		n := strings.TrimPrefix(h.db, "db")
		h.locker = dial(h.t, h.server.DSN("owner"+n, "owner", h.db))
	}
	_, err := h.locker.Exec(ctx, "BEGIN; LOCK TABLE "+ident("shop", table)+" IN ACCESS EXCLUSIVE MODE")
	return err
}

func (h *place) UnlockTable(ctx context.Context, _ string) error {
	_, err := h.locker.Exec(ctx, "ROLLBACK")
	return err
}

func (h *place) Dying(ctx context.Context, step int) (platform.Platform, func() bool, error) {
	p, err := h.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	n := 0
	p.before = func(context.Context, string) error {
		if n++; n >= step {
			return errors.Join(errors.New("died"), p.conn.PgConn().Conn().Close())
		}
		return nil
	}
	return p, func() bool { return n >= step }, nil
}

func (h *place) CanName(_, name string) bool { return nameable(name) }

// as runs something in a session of the account's own.
func (h *place) as(ctx context.Context, account string, run func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, h.server.DSN(account, consumerPassword, h.db))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return run(conn)
}

func (h *place) Select(ctx context.Context, account, address string, columns ...string) ([][]string, error) {
	return h.rows(ctx, account, "SELECT "+texts(columns)+" FROM "+address+" ORDER BY 1")
}

func (h *place) SelectWhere(ctx context.Context, account, address, column, value string, columns ...string) ([][]string, error) {
	return h.rows(ctx, account, "SELECT "+texts(columns)+" FROM "+address+" WHERE "+ident(column)+" = $1 ORDER BY 1", value)
}

func texts(columns []string) string {
	var list []string
	for _, c := range columns {
		list = append(list, "coalesce("+ident(c)+"::pg_catalog.text, '<null>')")
	}
	return strings.Join(list, ", ")
}

func (h *place) rows(ctx context.Context, account, sql string, args ...any) (out [][]string, err error) {
	err = h.as(ctx, account, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]string, error) {
			values, err := row.Values()
			var texts []string
			for _, v := range values {
				texts = append(texts, v.(string))
			}
			return texts, err
		})
		return err
	})
	return out, err
}

func (h *place) Insert(ctx context.Context, account, address string, columns, values []string) error {
	return h.as(ctx, account, func(conn *pgx.Conn) error { return insert(ctx, conn, address, columns, values) })
}

func (h *place) Update(ctx context.Context, account, address, key, keyValue, column, value string) error {
	return h.as(ctx, account, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "UPDATE "+address+" SET "+ident(column)+" = $1 WHERE "+ident(key)+" = $2", value, keyValue)
		return err
	})
}

func (h *place) Delete(ctx context.Context, account, address, key, keyValue string) error {
	return h.as(ctx, account, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DELETE FROM "+address+" WHERE "+ident(key)+" = $1", keyValue)
		return err
	})
}

func (h *place) BaseAddress(table string) string { return ident("shop", table) }

func (h *place) Denied(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

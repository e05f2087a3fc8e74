package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assent-dev/assent/engine/platform/private"
)

// Admin is what the owner of a server does around the engine, in a demo or a
// test: make a database, logins and tables, and ask as a person would.
type Admin struct {
	dsn       string // of the superuser, in the governed database
	passwords map[string]string
}

// NewAdmin takes the URL of a superuser.
func NewAdmin(dsn string) *Admin { return &Admin{dsn: dsn, passwords: map[string]string{}} }

// CreateDatabase makes a database and goes on in it.
func (a *Admin) CreateDatabase(ctx context.Context, name string) error {
	if err := a.Exec(ctx, "CREATE DATABASE "+ident(name)); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	dsn, err := a.as("", "", name)
	if err != nil {
		return err
	}
	a.dsn = dsn
	return nil
}

// CreateLogin makes a role that may connect and nothing more.
func (a *Admin) CreateLogin(ctx context.Context, name string) error {
	password := private.Secret()
	if err := a.Exec(ctx, "CREATE ROLE "+ident(name)+" LOGIN PASSWORD '"+password+"'"); err != nil {
		return fmt.Errorf("create login %s: %w", name, err)
	}
	a.passwords[name] = password
	return nil
}

// CreateEngine runs SetupSQL and returns how the engine logs in.
func (a *Admin) CreateEngine(ctx context.Context, role, database string, schemas ...string) (password string, err error) {
	password = private.Secret()
	setup, err := SetupSQL(role, password, database, schemas...)
	if err != nil {
		return "", err
	}
	if err := a.Exec(ctx, setup); err != nil {
		return "", fmt.Errorf("create engine role: %w", err)
	}
	return password, nil
}

// Exec runs statements as the superuser.
func (a *Admin) Exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, a.dsn)
	if err != nil {
		return scrub(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// Where is the host, port and database that the URL reaches.
func (a *Admin) Where() (host string, port int, database string, err error) {
	cfg, err := pgx.ParseConfig(a.dsn)
	if err != nil {
		return "", 0, "", errors.New("read server address: not a PostgreSQL URL")
	}
	return cfg.Host, int(cfg.Port), cfg.Database, nil
}

// Query asks as a login, in a session of its own. NULL reads as "<null>".
func (a *Admin) Query(ctx context.Context, login, sql string) ([][]string, error) {
	dsn, err := a.as(login, a.passwords[login], "")
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, scrub(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]string, error) {
		values, err := row.Values()
		out := make([]string, len(values))
		for i, v := range values {
			if v == nil {
				out[i] = "<null>"
			} else {
				out[i] = fmt.Sprint(v)
			}
		}
		return out, err
	})
}

// Denied reports whether the server refused for want of a right.
func Denied(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

func (a *Admin) as(user, password, database string) (string, error) {
	u, err := url.Parse(a.dsn)
	if err != nil {
		return "", errors.New("read server address: not a PostgreSQL URL")
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	if database != "" {
		u.Path = "/" + database
	}
	return u.String(), nil
}

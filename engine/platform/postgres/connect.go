package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assent-dev/assent/engine/platform"
)

// settings hold on every engine connection. They travel in the startup packet,
// so that no ALTER ROLE or ALTER DATABASE … SET changes them.
func settings() map[string]string {
	return map[string]string{
		"application_name":                    "assent",
		"search_path":                         "pg_catalog",
		"lock_timeout":                        "2s",
		"statement_timeout":                   "30s",
		"idle_in_transaction_session_timeout": "60s",
		"standard_conforming_strings":         "on",
		"client_min_messages":                 "notice",
		// An engine whose machine died holds its lock for a minute, not for hours.
		"tcp_keepalives_idle":     "30",
		"tcp_keepalives_interval": "10",
		"tcp_keepalives_count":    "3",
		"DateStyle":               "ISO, MDY",
		"TimeZone":                "UTC",
	}
}

var errClosed = errors.New("the platform was closed")

const connectTimeout = 10 * time.Second

func (p *Postgres) connConfig() (*pgx.ConnConfig, error) {
	dsn := p.cfg.DSN
	if dsn == "" {
		port := p.cfg.Port
		if port == 0 {
			port = 5432
		}
		tls := p.cfg.TLS
		if tls == "" {
			tls = "verify-full"
		}
		u := url.URL{
			Scheme: "postgres", Host: net.JoinHostPort(p.cfg.Host, strconv.Itoa(port)), Path: "/" + p.cfg.Database,
			RawQuery: url.Values{"sslmode": {tls}}.Encode(),
		}
		dsn = u.String()
	}
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's own message may quote the DSN, and with it a password.
		return nil, &platform.Error{
			Connection: p.cfg.Connection, Code: platform.Unreachable,
			Hint: "check host, port, database and tls of the connection",
			Err:  errors.New("parse connection settings: not a valid address"),
		}
	}
	if err := p.trust(c); err != nil {
		return nil, err
	}
	if p.cfg.User != "" {
		c.User = p.cfg.User
	}
	if p.cfg.Password != "" {
		c.Password = p.cfg.Password
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectTimeout {
		c.ConnectTimeout = connectTimeout
	}
	for k, v := range settings() {
		c.RuntimeParams[k] = v
	}
	delete(c.RuntimeParams, "options")
	// What a query's columns are is asked once for each connection, and no
	// statement is prepared under a name, which a pooler in between would lose.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { p.notices = append(p.notices, n) }
	return c, nil
}

// connect gives the one connection, made anew where it was lost. The caller
// holds the lock.
func (p *Postgres) connect(ctx context.Context) (*pgx.Conn, error) {
	if p.closed {
		return nil, p.whole("connect", errClosed)
	}
	if p.conn != nil && !p.conn.IsClosed() {
		return p.conn, nil
	}
	p.conn = nil
	conn, err := pgx.ConnectConfig(ctx, p.pgx)
	if err != nil {
		return nil, p.whole("connect", err)
	}
	if err := settle(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return nil, p.whole("connect", err)
	}
	p.conn = conn
	return conn, nil
}

// settle sets what the startup packet could not, or may not have: a pooler in
// between may drop what it asked for, and PostgreSQL 15 would not know of
// createrole_self_grant, which could put the engine into each role that it makes.
func settle(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)`)
	if err != nil || majorOf(conn) < 16 {
		return err
	}
	_, err = conn.Exec(ctx, `SET createrole_self_grant = ''`)
	return err
}

// majorOf is the server's major version, zero where it tells none.
func majorOf(conn *pgx.Conn) int {
	digits := strings.IndexFunc(conn.PgConn().ParameterStatus("server_version")+".", func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(conn.PgConn().ParameterStatus("server_version")[:digits])
	if err != nil {
		return 0
	}
	return n
}

// whole turns an error into a *platform.Error with its reason. The text of the
// driver's connect errors names user, host and database, never the password.
func (p *Postgres) whole(doing string, err error) error {
	var pe *platform.Error
	if err == nil || errors.As(err, &pe) {
		return err
	}
	code, hint := reason(err)
	return &platform.Error{Connection: p.cfg.Connection, Code: code, Hint: hint, Err: fmt.Errorf("%s: %w", doing, scrub(err))}
}

// scrub keeps what the server or the network said and drops the driver's echo
// of the settings.
func scrub(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) && ce.Unwrap() != nil {
		return ce.Unwrap()
	}
	return err
}

// reason is the code of an error, and the next step for a person.
//
//	28xxx login refused         wrong-credential
//	3D000, 3F000, 42P01 absent  no-such-object
//	42703 absent column         no-such-column
//	42704 absent role           no-such-account
//	42501 may not               no-right
//	25006 read-only             no-right
//	54000 list of privileges full  unsupported
//	busyStates                  busy
//	2BP01 others depend on it   not-ours
//	other data or syntax error  unsupported
//	certificate bad or absent   untrusted-server
//	no answer                   unreachable
func reason(err error) (platform.Code, string) {
	var f *fault
	if errors.As(err, &f) {
		return f.code, f.detail
	}
	if hint := distrust(err); hint != "" {
		return platform.Untrusted, hint
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 {
		return platform.Unreachable, "check that the server runs and that host, port and tls of the connection are right"
	}
	switch {
	case pg.Code[:2] == "28":
		return platform.WrongCredential, "check the user and password that credentialsFrom points to, and pg_hba.conf"
	case pg.Code == "3D000":
		return platform.NoObject, "check the database of the connection: the server has none of that name"
	case pg.Code == "42P01" || pg.Code == "3F000":
		return platform.NoObject, "wait for the table, or update the data source"
	case pg.Code == "42703":
		return platform.NoColumn, "wait for the column, or update the data source"
	case pg.Code == "42704":
		return platform.NoAccount, "create the account on the server, or correct the user's file"
	case pg.Code == "42501":
		return platform.NoRight, "give the engine's account the rights that the setup statements list"
	case pg.Code == "25006":
		return platform.NoRight, "the server takes no changes, as a standby does: point the connection at the primary server"
	case pg.Code == "54000":
		return platform.Unsupported, "the list of privileges is full (about 2,400 grantees): take back what others granted to people one by one"
	case busyState(pg.Code):
		return platform.Busy, "nothing to do: it is tried again in the next round"
	case pg.Code == "2BP01":
		return platform.NotOurs, "something that others made depends on it: remove that first"
	case pg.Code[:2] == "57" || pg.Code[:2] == "08" || pg.Code[:2] == "53":
		return platform.Unreachable, "check the server: it is shutting down, full or out of resources"
	default:
		return platform.Unsupported, "correct the mask or the data source"
	}
}

// clash reports whether a transaction failed because another one changed the
// same row, and not for want of a lock that somebody holds.
func clash(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "XX000" || pg.Code == "40P01" || pg.Code == "40001")
}

// busyState reports whether a later try may succeed: a tuple concurrently
// updated, a deadlock, a lock or statement timeout, a serialization failure, or
// something that somebody else made first.
func busyState(code string) bool {
	switch code {
	case "XX000", "40P01", "55P03", "40001", "57014", "23505", "42710", "42P06", "42P07":
		return true
	}
	return false
}

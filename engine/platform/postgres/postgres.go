// Package postgres carries out roles and grants in PostgreSQL 15 and newer.
//
// # Model
//
// Each grant.RoleKey is one NOLOGIN group role; people are members of it. A
// clear object is opened by column privileges on exactly the listed columns of
// the table itself, so a new column stays hidden. An object with any mask is
// opened through a static view in a schema of the role's own, owned by the
// NOLOGIN role assent_views, which alone holds SELECT on the columns that the
// view refers to. A masked object cannot be written, and row-level security of
// the table applies to assent_views as to anybody.
//
// A hash mask is the SHA-256, in hexadecimal, of a secret salt and the value's
// text. The salt is a row of the bookkeeping that only the engine and
// assent_views may read; the view refers to it, so that it appears neither in
// the text of the view nor in a preview, and nobody but the engine can call
// the hash on values of his choice. The text of a date, a float or a byte
// string follows the session's settings, and so does its hash.
//
// # Ownership
//
// Everything that the engine makes carries a mark: a COMMENT, and a row in the
// schema "assent". A role or schema that has the name but neither mark is left
// alone. Privileges that another role granted are reported, never changed. That
// needs an engine account which is neither superuser nor owner of the tables:
// see SetupSQL, and SelfAudit for an account that is.
//
// # Limits
//
// One connection governs one database. Roles belong to the cluster: where two
// databases of it hold the same product, the role of the second has a suffix
// made of the database and the connection. All connections to one cluster share
// the owner of masked views; from PostgreSQL 16 on they need the same engine
// account, or its administrator lets the second in: GRANT assent_views TO … WITH
// ADMIN OPTION. A writing role may use the sequences and functions that
// inserting into its tables calls, where PUBLIC may not; the engine needs them
// with grant option, which SetupSQL gives for sequences only. Inserting through
// a view of others needs what its table needs, which is not granted. From
// PostgreSQL 16 on, a membership in a role of ours that another grantor gave
// cannot be taken back by the engine: the revocation fails with no-right until
// that grantor does it.
//
// Where pg_cron is installed in the database and its schedules are in GMT, and
// the engine may use schema cron, each membership with an end has a job that
// takes it away in the first full minute at or after the end, be the engine
// alive or not. pg_cron must be able to run jobs as the engine's account: by
// background workers, or by a login without password. It makes up for nothing
// that it missed while the server was down, and open sessions that hold on to the
// role end with the next Apply. Elsewhere grants end only while an engine runs.
//
// Nothing here decides who may have what, reads Git, starts goroutines (but
// for the private server of StartPrivate) or logs.
package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

var _ platform.Platform = (*Postgres)(nil)

// Config says how to reach one database. DSN, a URL or keywords as libpq reads
// them, wins over the fields below it.
type Config struct {
	Connection resource.Name // the name that grants on this database carry
	DSN        string
	Host       string
	Port       int // 5432 where zero
	Database   string
	TLS        string // verify-full where empty, verify-ca; require, disable on loopback only
	CA         []byte // certificates (PEM) of the authorities to trust; the machine's where empty
	User       string
	Password   string
	// NoEndSessions leaves the open sessions of a person whose access ended
	// alone. A session that holds on to the role (SET ROLE on PostgreSQL 15, an
	// open cursor on any) then keeps reading until it disconnects.
	NoEndSessions bool
}

// Postgres is one database under governance. Its methods may be called from
// several goroutines; they take turns.
type Postgres struct {
	cfg  Config
	pgx  *pgx.ConnConfig
	mu   sync.Mutex
	conn *pgx.Conn
	// timers says that the last read could use pg_cron.
	timers bool
	// bodies are the roles of the books that the last read decoded, by their text.
	bodies map[string]grant.Role
	// closed is set for good by Close.
	closed bool
	// notices are what the server said during the last statement.
	notices []*pgconn.Notice
	// before, where set, is called ahead of each statement that writes, BEGIN
	// and COMMIT among them; an error stops the transaction. Tests fail the engine with it.
	before func(ctx context.Context, sql string) error
	// weight bounds a transaction, where tests want another bound than maxWeight.
	weight int
}

// Open checks the configuration. The connection is made by the first call that
// needs it, and again after it was lost.
func Open(_ context.Context, cfg Config) (*Postgres, error) {
	p := &Postgres{cfg: cfg}
	c, err := p.connConfig()
	if err != nil {
		return nil, err
	}
	p.pgx = c
	return p, nil
}

// Capabilities implements platform.Platform. As it needs no connection, it
// claims native expiry only once pg_cron was seen to be usable: after the first
// Observe, Preview or Apply.
func (p *Postgres) Capabilities() platform.Capabilities {
	p.mu.Lock()
	defer p.mu.Unlock()
	return platform.Capabilities{
		Masks: []resource.MaskType{
			resource.MaskNull, resource.MaskConstant, resource.MaskHash,
			resource.MaskRegex, resource.MaskPartial, resource.MaskRound, resource.MaskTruncate,
		},
		AccessLevels: []resource.AccessLevel{resource.Read, resource.Write},
		NativeExpiry: p.timers,
		EndSessions:  !p.cfg.NoEndSessions,
	}
}

// Close implements platform.Platform. Every later call is an error.
func (p *Postgres) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.conn == nil {
		return nil
	}
	err := p.conn.Close(context.Background())
	p.conn = nil
	return err
}

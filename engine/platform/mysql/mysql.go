// Package mysql carries out roles and grants in MariaDB 10.11 and newer, and
// speaks the grammar of MySQL 8 where the two differ.
//
// # Model
//
// A path has two parts, database and table. Each grant.RoleKey is a role; a clear
// object is opened by column privileges on exactly the listed columns of the
// table itself, so a new column stays hidden. An object with any mask is opened
// through a static view in a database of the role's own. The views run as the
// account assent_views, which is locked, has no password that fits, and alone
// holds SELECT on the columns that they read. A masked object cannot be written.
//
// On MariaDB one role is active in a session. So each account has one role of its
// own, its umbrella, which is granted to it and made its default role; product
// roles are granted to the umbrella. A default role that others set is never
// replaced: the grant fails with not-ours and says what the administrator can do.
// What others put into an umbrella stays, and shows as foreign; an umbrella with
// nothing in it goes.
//
// A principal is the user name of an account where only one account has it, or
// user@host. One that means several accounts is refused as ambiguous.
//
// A hash mask is the SHA-256, in hexadecimal, of a secret salt and the value's
// text. The salt is a row of the books that only the engine and assent_views may
// read; a view joins it, so that it stands neither in the text of the view nor in
// a preview. Who reads a view holds no SHOW VIEW, and the server keeps its plans
// and traces from him.
//
// # Ownership
//
// Roles carry no comments here, and a grantor is only a text. What is ours stands
// in the books, the database "assent", and everything on a role of ours that the
// books do not know shows as altered. A role that has the name and is not in the
// books is left alone, unless the engine's account may pass it on: then it is one
// that the engine made before its books were lost. What others hold is reported
// and never changed.
//
// GRANT commits by itself. So the books say first what is about to be, then the
// statements follow, and the books say last that it is settled; a run that died
// in between is read and compared again, never resumed.
//
// Roles without masks are provisioned together: what several are given alike is
// one statement that names them all. Where the server refuses one of the
// statements, the roles are tried again in halves, down to the one at fault.
//
// A relation that the engine's account may not open to others, by what it holds
// or by the server's answer, is left out of its role: the rest of the role opens,
// and the outcome names the statement that an administrator has to run.
//
// # The end of access
//
// An event ends each grant that has an end before 2038, with the engine dead or
// alive, if the server's event_scheduler is on: it runs as the account assent_fuse,
// nobody can log in as it, and all it may do is take people out of our roles. On a
// replica that takes over, the server disables events: the next Observe sees such
// grants as altered and the next Apply repairs them.
//
// Taking a product role from an umbrella ends access with the next statement of
// every open session, prepared ones included. The sessions are ended all the
// same, so that no statement goes on: all of that user name, since the server does
// not say which account a session belongs to.
//
// # Privileges go by name
//
// A table made anew under the name of one that was dropped is open as that one
// was. The books keep when each table was made: Observe shows a role whose table
// was altered or made anew, and the next Apply gives its privileges again, exactly
// for the columns that are listed, and records the new table. What is open on a
// table that is gone is closed by the next Apply, so that whoever takes its name
// later opens nothing.
//
// A relation that the server does not show to the engine's account, or cannot
// open, is told as unknown: what a role opens there stays as it is, and the role
// is pending until it can be read again.
//
// # Limits
//
// One connection governs one server. The privilege tables know no transactions:
// an Observe during another engine's Apply may see half of it, as altered. Stored
// procedures and views that others made, and that run with their rights, are
// another way to data that is not looked for.
//
// The server keeps a copy of every privilege of a product role for each umbrella
// that is in it. With every change of a role it looks, for each of its people, at
// the copies of all roles, a quarter of a microsecond each on busy cores, and
// nobody can log in meanwhile: one more table took 0.7 seconds with 100 people in
// 300 tables, 6 to 9 with 300 people in 300, and would take minutes with 1,000 in
// 1,000; one more person, who costs one look at the copies, took 0.1 and 0.2
// seconds. So a batch opens tables before people come, which then takes some
// milliseconds a table, and a table to write is opened with one statement, not
// four (8.5 seconds instead of 29.5 at 300 people in 300 tables). From a second
// or so on, a preview and the self-audit warn. An umbrella cannot be shared by
// people of the same products: the event that ends one person's access would have
// to move him to another umbrella, which needs the right to become anybody.
//
// A regex mask is refused where the server's first alternative may not be the
// longest match, which is what it means everywhere else.
//
// # MySQL
//
// Nothing for MySQL 8 has been run; it is written from its manual. Of the 76
// statements of a setup and of a batch with every action, an independent parser of
// that grammar, TiDB's, took all but those with EVENT and WITH ADMIN OPTION, which
// it does not know.
//
// There, several roles are active at once: people are members of the product roles
// themselves, which are added to their default roles; sessions are ended one by
// one; a database carries no mark but its row in the books.
//
// Nothing here decides who may have what, reads Git, starts goroutines (but for
// the private server of StartPrivate) or logs.
package mysql

import (
	"context"
	"database/sql"
	"sync"

	"github.com/go-sql-driver/mysql"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

var _ platform.Platform = (*MySQL)(nil)

// Config says how to reach one server.
type Config struct {
	Connection resource.Name // the name that grants on this server carry
	Host       string
	Port       int    // 3306 where zero
	TLS        string // verify-full where empty, verify-ca; on loopback alone require, disable
	CA         []byte // certificates (PEM) of the authorities to trust; the machine's where empty
	User       string
	Password   string
	// NoEndSessions leaves the open sessions of a person whose access ended
	// alone. They lose it with their next statement all the same; a statement
	// that runs already goes on to its end.
	NoEndSessions bool
}

// MySQL is one server under governance. Its methods may be called from several
// goroutines; they take turns.
type MySQL struct {
	cfg    Config
	driver *mysql.Config
	mu     sync.Mutex
	db     *sql.DB
	conn   *sql.Conn // the one connection of db, nil where there is none
	// closed is set for good by Close.
	closed bool
	// timers says whether the server was last seen to run events.
	timers bool
	// before, where set, is called ahead of each statement that writes; an error
	// stops the unit. Tests fail the engine with it.
	before func(ctx context.Context, sql string) error
}

// Open checks the configuration. The connection is made by the first call that
// needs it, and again after it was lost.
func Open(_ context.Context, cfg Config) (*MySQL, error) {
	m := &MySQL{cfg: cfg}
	d, err := m.driverConfig()
	if err != nil {
		return nil, err
	}
	m.driver = d
	return m, nil
}

// Capabilities implements platform.Platform. As it needs no connection, it
// claims native expiry only once the server was seen to run events: after the
// first Observe, Preview or Apply.
func (m *MySQL) Capabilities() platform.Capabilities {
	m.mu.Lock()
	defer m.mu.Unlock()
	return platform.Capabilities{
		Masks: []resource.MaskType{
			resource.MaskNull, resource.MaskConstant, resource.MaskHash,
			resource.MaskRegex, resource.MaskPartial, resource.MaskRound, resource.MaskTruncate,
		},
		AccessLevels: []resource.AccessLevel{resource.Read, resource.Write},
		NativeExpiry: m.timers,
		EndSessions:  !m.cfg.NoEndSessions,
	}
}

// Close implements platform.Platform. Every later call is an error.
func (m *MySQL) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.drop()
	return nil
}

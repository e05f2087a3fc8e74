package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

var _ platform.Platform = (*Sandbox)(nil)

// busyTimeout is how long a statement waits for another process.
const busyTimeout = 10 * time.Second

// Config says which file to open, and as which connection.
type Config struct {
	// Connection is the name that roles and grants carry.
	Connection resource.Name
	// Path is the file, which is made where there is none.
	Path string
	// Now, where set, makes grants end by themselves: Query refuses a member
	// from the end of the grant on. Left nil, only a revocation ends one.
	Now func() time.Time
}

// Sandbox is one open file. It may be used by several goroutines, and the file
// by several processes.
type Sandbox struct {
	cfg Config

	mu   sync.Mutex
	conn *sqlite.Conn // nil once closed

	// afterStatement, where set, is called after each statement of Apply,
	// before its transaction ends, which its error undoes. Tests take the file
	// away there.
	afterStatement func(text string) error
}

var errClosed = errors.New("the sandbox is closed")

// Open opens the file, and makes it and its bookkeeping where they are missing.
func Open(ctx context.Context, cfg Config) (*Sandbox, error) {
	s := &Sandbox{cfg: cfg}
	if cfg.Path == "" || strings.HasPrefix(cfg.Path, ":") {
		return nil, s.wrap(fmt.Errorf("open sandbox: %q is not the path of a file", cfg.Path))
	}
	conn, err := dial(cfg.Path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, s.wrap(fmt.Errorf("open sandbox %s: %w", cfg.Path, err))
	}
	s.conn = conn
	if err := s.write(ctx, initialise); err != nil {
		_ = conn.Close()
		return nil, s.wrap(fmt.Errorf("open sandbox %s: %w", cfg.Path, err))
	}
	return s, nil
}

// dial opens a database with the settings that every connection has.
func dial(path string, flags sqlite.OpenFlags) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	if err := conn.SetDefensive(true); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Close implements platform.Platform. A second call does nothing.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	if err := conn.Close(); err != nil {
		return fmt.Errorf("close sandbox %s: %w", s.cfg.Path, err)
	}
	return nil
}

// write runs f in one transaction that no other writer overlaps.
func (s *Sandbox) write(ctx context.Context, f func(*sqlite.Conn) error) error {
	return s.use(ctx, func(conn *sqlite.Conn) (err error) {
		end, err := sqlitex.ImmediateTransaction(conn)
		if err != nil {
			return err
		}
		defer end(&err)
		return f(conn)
	})
}

// read runs f on one consistent view of the file.
func (s *Sandbox) read(ctx context.Context, f func(*sqlite.Conn) error) error {
	return s.use(ctx, func(conn *sqlite.Conn) (err error) {
		defer sqlitex.Transaction(conn)(&err)
		return f(conn)
	})
}

func (s *Sandbox) use(ctx context.Context, f func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return errClosed
	}
	s.conn.SetInterrupt(ctx.Done())
	defer s.conn.SetInterrupt(nil)
	return f(s.conn)
}

// wrap gives an error of the whole platform its reason code.
func (s *Sandbox) wrap(err error) error {
	if err == nil {
		return nil
	}
	pe := &platform.Error{Connection: s.cfg.Connection, Code: platform.Unreachable, Err: err}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked:
		pe.Code, pe.Hint = platform.Busy, "another process holds the file; run again when it is done"
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultAuth:
		pe.Code, pe.Hint = platform.NoRight, "make the file and its folder writable for this user"
	default:
		pe.Hint = "check that the file " + s.cfg.Path + " exists and is a sandbox"
	}
	return pe
}

// Capabilities implements platform.Platform. EndSessions is false because
// there are none: each statement is a session.
func (s *Sandbox) Capabilities() platform.Capabilities {
	return platform.Capabilities{
		Masks: []resource.MaskType{
			resource.MaskNull, resource.MaskConstant, resource.MaskHash,
			resource.MaskRegex, resource.MaskPartial, resource.MaskRound, resource.MaskTruncate,
		},
		AccessLevels: []resource.AccessLevel{resource.Read, resource.Write},
		NativeExpiry: s.cfg.Now != nil,
	}
}

// Address implements platform.Platform.
func (s *Sandbox) Address(role grant.RoleKey, object grant.Object) string {
	if object.Masked() {
		return ident(viewName(role, object.Path))
	}
	return ident(relation(object.Path))
}

// relation is the SQLite name of a table: schema and table with a dot between
// them. A dot within either is escaped, so that two paths never share a name.
func relation(path []string) string {
	parts := make([]string, 0, len(path))
	for _, p := range path[min(1, len(path)):] {
		parts = append(parts, strings.NewReplacer("%", "%25", ".", "%2E").Replace(p))
	}
	return strings.Join(parts, ".")
}

// viewName is the name of the view through which members of a role read a
// masked object.
func viewName(k grant.RoleKey, path []string) string { return k.SchemaName() + "." + relation(path) }

// ident quotes an identifier.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal quotes a text value.
func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

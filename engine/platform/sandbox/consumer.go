package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// ErrDenied is wrapped by the error of Query when the account may not do what
// its statement asks for.
var ErrDenied = errors.New("permission denied")

// Null is how a NULL reads in a Result.
const Null = "<null>"

// The bounds of one consumer's statement.
const (
	maxSQLBytes   = 1 << 20
	maxValueBytes = 16 << 20
)

// Result is what a consumer's statement gave.
type Result struct {
	Columns []string
	Rows    [][]string // NULL reads as Null
}

// Query runs one statement as an account, in a session of its own that sees
// what the account may do at this moment. An error that wraps ErrDenied means
// that the account may not; any other is about the statement or the file.
func (s *Sandbox) Query(ctx context.Context, account, sql string, args ...any) (Result, error) {
	res, err := s.query(ctx, account, sql, args)
	if err != nil {
		return Result{}, fmt.Errorf("query as %s: %w", account, err)
	}
	return res, nil
}

func (s *Sandbox) query(ctx context.Context, account, sql string, args []any) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if s.isClosed() {
		return Result{}, errClosed
	}
	conn, err := dial(":memory:", sqlite.OpenReadWrite)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = conn.Close() }()
	conn.SetInterrupt(ctx.Done())
	token := "assent_" + random(16)
	if err := exec(conn, "ATTACH ? AS "+ident(token), s.cfg.Path); err != nil {
		return Result{}, err
	}
	conn.Limit(sqlite.LimitSQLLength, maxSQLBytes)
	conn.Limit(sqlite.LimitLength, maxValueBytes)
	conn.Limit(sqlite.LimitAttached, 0)

	a, err := s.reach(conn, token, account)
	if err != nil {
		return Result{}, err
	}
	return s.session(conn, a, account, sql, args)
}

func (s *Sandbox) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == nil
}

// session runs the statement in the same transaction that reads what the
// account may do, so that a revocation falls before it or after it. What was
// seen before it only says whether the transaction is one that writes.
func (s *Sandbox) session(conn *sqlite.Conn, seen *reach, account, sql string, args []any) (res Result, err error) {
	if seen.writes() {
		end, err := sqlitex.ImmediateTransaction(conn)
		if err != nil {
			return res, err
		}
		defer end(&err)
	} else {
		defer sqlitex.Transaction(conn)(&err)
	}
	ok, err := accountExists(conn, account)
	if err != nil {
		return res, err
	}
	if !ok {
		return res, fmt.Errorf("%w: the account does not exist", ErrDenied)
	}
	a, err := s.reach(conn, seen.token, account)
	if err != nil {
		return res, err
	}
	if err := a.prepare(conn); err != nil {
		return res, err
	}
	g := &guard{reach: a}
	if err := conn.SetAuthorizer(g); err != nil {
		return res, err
	}
	res, err = run(conn, sql, args)
	if e := conn.SetAuthorizer(nil); e != nil {
		return res, errors.Join(err, e)
	}
	switch {
	case err == nil:
		return res, nil
	case g.denied != "":
		return res, fmt.Errorf("%w: %s", ErrDenied, g.denied)
	case strings.Contains(err.Error(), a.token):
		return res, fmt.Errorf("%w: a column of the statement is not open for writing", ErrDenied)
	case strings.Contains(err.Error(), "because it is a view"):
		// Consumers make no views, so this is one of ours: a table that is not
		// open as a whole, which SQLite refuses before it asks the guard.
		return res, fmt.Errorf("%w: the table is not open for changes", ErrDenied)
	default:
		return res, err
	}
}

func (s *Sandbox) reach(conn *sqlite.Conn, token, account string) (*reach, error) {
	var now time.Time
	if s.cfg.Now != nil {
		now = s.cfg.Now()
	}
	return loadReach(conn, token, account, now)
}

// run runs exactly one statement.
func run(conn *sqlite.Conn, sql string, args []any) (res Result, err error) {
	stmt, trailing, err := conn.PrepareTransient(sql)
	if err != nil {
		return res, err
	}
	defer func() {
		if e := stmt.Finalize(); err == nil {
			err = e
		}
	}()
	if strings.Trim(sql[len(sql)-trailing:], "; \t\r\n") != "" {
		return res, errors.New("want one statement only")
	}
	if err := bind(stmt, args); err != nil {
		return res, err
	}
	for i := range stmt.ColumnCount() {
		res.Columns = append(res.Columns, stmt.ColumnName(i))
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return res, err
		}
		row := make([]string, stmt.ColumnCount())
		for i := range row {
			if row[i] = stmt.ColumnText(i); stmt.ColumnIsNull(i) {
				row[i] = Null
			}
		}
		res.Rows = append(res.Rows, row)
	}
}

func bind(stmt *sqlite.Stmt, args []any) error {
	if stmt.BindParamCount() != len(args) {
		return fmt.Errorf("%d arguments for %d parameters", len(args), stmt.BindParamCount())
	}
	for i, arg := range args {
		switch v := arg.(type) {
		case nil:
			stmt.BindNull(i + 1)
		case string:
			stmt.BindText(i+1, v)
		case int:
			stmt.BindInt64(i+1, int64(v))
		case int64:
			stmt.BindInt64(i+1, v)
		case float64:
			stmt.BindFloat(i+1, v)
		case bool:
			stmt.BindBool(i+1, v)
		default:
			return fmt.Errorf("argument %d: type %T is not text, a number, a truth value or nil", i+1, arg)
		}
	}
	return nil
}

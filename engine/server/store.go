package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// store is the database below a queue.
type store interface{ Close() error }

// openSQLite opens the queue in one file, which only one process may have open.
// One that is damaged is put aside: nothing is lost with it but hints.
func openSQLite(ctx context.Context, path string, cfg *river.Config) (riverClient, store, error) {
	client, db, err := trySQLite(ctx, path, cfg)
	if !damaged(err) || !isSQLite(path) {
		return client, db, err
	}
	cfg.Logger.Warn("the queue's file is damaged, and is put aside; the first sweep finds what was in it", "file", path, "aside", path+".damaged", "error", err)
	for _, part := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+part, path+".damaged"+part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	return trySQLite(ctx, path, cfg)
}

func trySQLite(ctx context.Context, path string, cfg *river.Config) (c riverClient, s store, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // not as open as SQLite would make it
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, err
	}
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(2000)", "locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(NORMAL)",
	}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: full, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	db.SetMaxOpenConns(1) // SQLite has one writer, and this connection holds the file
	db.SetMaxIdleConns(1)
	driver := riversqlite.New(db)
	if err := migrate(ctx, driver, cfg); err != nil {
		if busy(err) {
			err = fmt.Errorf("%s is in use: each `assent serve` needs its own queue: %w", path, err)
		}
		return nil, nil, err
	}
	// What ran when the last process died runs nowhere now.
	if _, err := db.ExecContext(ctx, `UPDATE river_job SET state = 'available', scheduled_at = created_at WHERE state = 'running'`); err != nil {
		return nil, nil, err
	}
	cfg.PollOnly = true // a file tells nobody
	client, err := river.NewClient(driver, cfg)
	if err != nil {
		return nil, nil, err
	}
	return client, db, nil
}

func migrate[T any](ctx context.Context, driver riverdriver.Driver[T], cfg *river.Config) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: cfg.Logger})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// code is the result code of SQLite, without what refines it; zero for others.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	const refined = 8
	return e.Code() & (1<<refined - 1)
}

func busy(err error) bool { return code(err) == sqlite3.SQLITE_BUSY }

func damaged(err error) bool {
	return code(err) == sqlite3.SQLITE_CORRUPT || code(err) == sqlite3.SQLITE_NOTADB
}

// isSQLite reports whether a file begins as SQLite's do. Any other one is
// somebody's, named by mistake.
func isSQLite(path string) bool {
	const magic = "SQLite format 3\x00"
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}

// pool is a pgxpool.Pool as a store.
type pool struct{ *pgxpool.Pool }

// Close implements store.
func (p pool) Close() error {
	p.Pool.Close()
	return nil
}

// openPostgres opens the queue in a database that replicas share. The URL never
// reaches an error: it may hold a password.
func openPostgres(ctx context.Context, at string, cfg *river.Config) (c riverClient, s store, err error) {
	parsed, err := pgxpool.ParseConfig(at)
	if err != nil {
		return nil, nil, errors.New("the URL of the database cannot be read")
	}
	db, err := pgxpool.NewWithConfig(ctx, parsed)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	driver := riverpgxv5.New(db)
	if err := migrate(ctx, driver, cfg); err != nil {
		return nil, nil, err
	}
	client, err := river.NewClient(driver, cfg)
	if err != nil {
		return nil, nil, err
	}
	return client, pool{db}, nil
}

package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/assent-dev/assent/engine/platform"
)

// formatVersion is the version of the bookkeeping that this engine reads.
const formatVersion = "2"

// schemaSQL is the bookkeeping. A table has an id drawn at random, so that what
// was opened on a dropped table is not open on its namesake.
const schemaSQL = `
CREATE TABLE assent_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE assent_accounts (name TEXT PRIMARY KEY) STRICT;
CREATE TABLE assent_tables (
	id INTEGER PRIMARY KEY,
	db TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL,
	relation TEXT NOT NULL UNIQUE,
	columns TEXT NOT NULL, -- JSON: descriptions and tags, as the owner wrote them
	UNIQUE (db, schema, name)
) STRICT;
CREATE TABLE assent_roles (
	name TEXT PRIMARY KEY,
	ours INTEGER NOT NULL,
	scope_kind TEXT NOT NULL, scope_name TEXT NOT NULL,
	access TEXT NOT NULL, profile TEXT NOT NULL
) STRICT;
CREATE TABLE assent_objects (
	role TEXT NOT NULL, table_id INTEGER NOT NULL, kind TEXT NOT NULL,
	read_only INTEGER NOT NULL, -- for the members of a writing role
	PRIMARY KEY (role, table_id)
) STRICT;
CREATE TABLE assent_columns (
	role TEXT NOT NULL, table_id INTEGER NOT NULL, ordinal INTEGER NOT NULL,
	name TEXT NOT NULL,
	mask TEXT, -- JSON; NULL is clear
	PRIMARY KEY (role, table_id, name)
) STRICT;
CREATE TABLE assent_members (
	role TEXT NOT NULL, account TEXT NOT NULL,
	not_after INTEGER, -- Unix seconds, exclusive; NULL is no end
	requests TEXT NOT NULL, -- JSON
	PRIMARY KEY (role, account)
) STRICT;
CREATE TABLE assent_foreign (
	account TEXT NOT NULL, table_id INTEGER NOT NULL,
	privilege TEXT NOT NULL, grantor TEXT NOT NULL,
	PRIMARY KEY (account, table_id, privilege, grantor)
) STRICT;
`

// initialise makes the bookkeeping in a file that has none.
func initialise(conn *sqlite.Conn) error {
	n, err := number(conn, `SELECT count(*) FROM sqlite_schema WHERE name = 'assent_meta'`)
	if err != nil {
		return err
	}
	if n == 1 {
		v, err := meta(conn, "format")
		if err == nil && v != formatVersion {
			err = fmt.Errorf("read format: version %q, this engine reads %s", v, formatVersion)
		}
		return err
	}
	if err := sqlitex.ExecuteScript(conn, schemaSQL, nil); err != nil {
		return fmt.Errorf("create bookkeeping: %w", err)
	}
	for _, m := range [][2]string{{"format", formatVersion}, {"server", random(16)}, {"salt", random(32)}} {
		if err := setMeta(conn, m[0], m[1]); err != nil {
			return err
		}
	}
	return nil
}

// random is n random bytes in hexadecimal.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return hex.EncodeToString(b)
}

func meta(conn *sqlite.Conn, key string) (string, error) {
	var v string
	err := query(conn, `SELECT value FROM assent_meta WHERE key = ?`, func(st *sqlite.Stmt) error {
		v = st.ColumnText(0)
		return nil
	}, key)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return v, nil
}

func setMeta(conn *sqlite.Conn, key, value string) error {
	if err := exec(conn, `INSERT INTO assent_meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

func readMark(conn *sqlite.Conn) (platform.Mark, error) {
	text, err := meta(conn, "mark.seq")
	if err != nil || text == "" {
		return platform.Mark{}, err
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return platform.Mark{}, fmt.Errorf("read mark: %w", err)
	}
	digest, err := meta(conn, "mark.digest")
	return platform.Mark{Seq: seq, Digest: digest}, err
}

func writeMark(conn *sqlite.Conn, m platform.Mark) error {
	if err := setMeta(conn, "mark.seq", strconv.FormatUint(m.Seq, 10)); err != nil {
		return err
	}
	return setMeta(conn, "mark.digest", m.Digest)
}

func exec(conn *sqlite.Conn, sql string, args ...any) error { return query(conn, sql, nil, args...) }

func query(conn *sqlite.Conn, sql string, row func(*sqlite.Stmt) error, args ...any) error {
	return sqlitex.Execute(conn, sql, &sqlitex.ExecOptions{Args: args, ResultFunc: row})
}

func number(conn *sqlite.Conn, sql string, args ...any) (n int64, err error) {
	err = query(conn, sql, func(st *sqlite.Stmt) error {
		n = st.ColumnInt64(0)
		return nil
	}, args...)
	return n, err
}

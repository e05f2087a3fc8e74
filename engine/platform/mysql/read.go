package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/platform"
)

const (
	bookDatabase = "assent"
	bookMark     = "assent bookkeeping: do not edit"
	ourPrefix    = "assent_"
	publicRole   = "PUBLIC"
)

// The accounts of our own that nobody can log in as: the definer of masked
// views, which alone reads the columns behind them, and the definer of the
// events that end grants, which may take people out of our roles.
var (
	viewsOwner = account{"assent_views", "localhost"}
	fuseOwner  = account{"assent_fuse", "localhost"}
)

// bookTables are the tables of the books, in the order they are made; the one
// that says they are whole comes last.
func bookTables() []string {
	return []string{"salt", "roles", "homes", "views", "members", "umbrellas", "meta"}
}

// reader runs queries and keeps the first error.
type reader struct {
	ctx  context.Context //nolint:containedctx // lives for one read
	conn *sql.Conn
	err  error
}

// each calls fn for every row, NULL as the empty string.
func (r *reader) each(query string, fn func(row []string) error) {
	if r.err != nil {
		return
	}
	rows, err := r.conn.QueryContext(r.ctx, query)
	if err != nil {
		r.err = err
		return
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		r.err = err
		return
	}
	cells := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if r.err = rows.Scan(into...); r.err != nil {
			return
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = c.String
		}
		if r.err = fn(row); r.err != nil {
			return
		}
	}
	r.err = rows.Err()
}

// read takes a snapshot. The caller holds the lock.
func (m *MySQL) read(ctx context.Context, w wanted) (*snapshot, error) {
	conn, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, conn: conn}
	s := &snapshot{connection: m.cfg.Connection}
	for _, step := range []func(*reader, *wanted){
		s.readServer, s.readDatabases, s.readBook, s.readLogins, s.readMembers, s.readRights, s.readEvents, s.readRelations,
	} {
		if step(r, &w); r.err != nil {
			return nil, m.whole("read", r.err)
		}
	}
	m.timers = s.timers
	return s, nil
}

func (s *snapshot) readServer(r *reader, _ *wanted) {
	r.each("SELECT VERSION(), CURRENT_USER(), UTC_TIMESTAMP(), @@event_scheduler", func(row []string) error {
		s.oracle = !strings.Contains(row[0], "MariaDB")
		i := strings.LastIndex(row[1], "@")
		s.engine = account{row[1][:i], row[1][i+1:]}
		s.timers = row[3] == "ON" || row[3] == "1"
		var err error
		s.now, err = parseTime(row[2])
		return err
	})
	id := "@@server_uid"
	if s.oracle {
		id = "@@server_uuid"
	}
	s.readOwn(r)
	r.each("SELECT "+id, func(row []string) error {
		s.serverID = row[0]
		return nil
	})
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateTime, text)
}

func (s *snapshot) readDatabases(r *reader, _ *wanted) {
	s.databases = map[string]string{}
	comment := "SCHEMA_COMMENT"
	if s.oracle {
		comment = "''"
	}
	r.each("SELECT SCHEMA_NAME, "+comment+" FROM information_schema.SCHEMATA", func(row []string) error {
		s.databases[row[0]] = row[1]
		return nil
	})
}

// readBook reads the bookkeeping, and refuses a database of that name which is
// not ours. Where only some of its tables are there, an engine died making them.
func (s *snapshot) readBook(r *reader, w *wanted) {
	found := map[string]string{}
	r.each("SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+literal(bookDatabase), func(row []string) error {
		found[row[0]] = row[1]
		return nil
	})
	if r.err != nil {
		return
	}
	for name, comment := range found {
		if comment != bookMark || !slices.Contains(bookTables(), name) {
			r.err = faultf(platform.NotOurs, "database %s has a table %s that is not ours: rename the database", bookDatabase, name)
			return
		}
	}
	if _, ok := s.databases[bookDatabase]; ok {
		s.bookState = bookBegun
	}
	if found["meta"] == "" {
		return
	}
	b := &book{
		roles: map[string]bookRole{}, homes: map[string]string{}, views: map[relName]bookView{},
		members: map[memberKey]bookMember{}, umbrellas: map[account]string{},
	}
	whole := false
	r.each("SELECT connection, epoch, mark_seq, mark_digest, owners, server FROM assent.meta", func(row []string) error {
		whole = true
		b.connection, b.digest, b.owners = row[0], row[3], row[4] == "1"
		s.serverID = row[5]
		var err error
		if b.epoch, err = strconv.ParseUint(row[1], 10, 64); err != nil {
			return err
		}
		b.seq, err = strconv.ParseUint(row[2], 10, 64)
		return err
	})
	if r.err != nil || !whole {
		return
	}
	if b.connection != string(s.connection) {
		r.err = faultf(platform.NotOurs, "the server is governed as connection %q: use that name", b.connection)
		return
	}
	s.book, s.bookState = b, bookWhole
	s.readBookRows(r, w)
}

func (s *snapshot) readBookRows(r *reader, w *wanted) {
	b := s.book
	r.each("SELECT name, settled, body, born FROM assent.roles", func(row []string) error {
		one := bookRole{settled: row[1] == "1"}
		if err := json.Unmarshal([]byte(row[2]), &one.body); err != nil {
			return fmt.Errorf("books of role %s: %w", row[0], err)
		}
		if err := json.Unmarshal([]byte(row[3]), &one.born); err != nil {
			return fmt.Errorf("books of role %s: %w", row[0], err)
		}
		for _, o := range one.body.Objects {
			w.paths[relName{o.Path[0], o.Path[1]}] = true
		}
		b.roles[row[0]] = one
		return nil
	})
	r.each("SELECT name, role FROM assent.homes", func(row []string) error {
		b.homes[row[0]] = row[1]
		return nil
	})
	r.each("SELECT home, name, role, text, def FROM assent.views", func(row []string) error {
		b.views[relName{row[0], row[1]}] = bookView{role: row[2], text: row[3], def: row[4]}
		return nil
	})
	r.each("SELECT role, user, host, principal, not_after, requests, ending FROM assent.members", func(row []string) error {
		one := bookMember{principal: row[3], ending: row[6] == "1"}
		var err error
		if one.notAfter, err = parseTime(row[4]); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(row[5]), &one.requests); err != nil {
			return fmt.Errorf("books of member %s: %w", row[3], err)
		}
		b.members[memberKey{row[0], account{row[1], row[2]}}] = one
		return nil
	})
	r.each("SELECT user, host, name FROM assent.umbrellas", func(row []string) error {
		b.umbrellas[account{row[0], row[1]}] = row[2]
		return nil
	})
}

func (s *snapshot) readEvents(r *reader, _ *wanted) {
	s.events = map[string]event{}
	r.each("SELECT EVENT_NAME, DEFINER, TIME_ZONE, STATUS, EVENT_DEFINITION, EXECUTE_AT FROM information_schema.EVENTS WHERE EVENT_SCHEMA = "+
		literal(bookDatabase), func(row []string) error {
		e := event{definer: row[1], timeZone: row[2], status: row[3], text: row[4]}
		var err error
		e.at, err = parseTime(row[5])
		s.events[row[0]] = e
		return err
	})
}

package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// readViews reads what the server makes of the views in our schemas. It locks
// each view and its table to do so: where somebody holds one of them, that view
// is unread, and all others are read.
func (s *snapshot) readViews(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	var oids []uint32
	for _, r := range s.ordered {
		if r.kind == 'v' && strings.HasPrefix(r.schema, "assent_") {
			oids = append(oids, r.oid)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	err := s.viewsOf(ctx, tx, oids, nil)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "55P03" {
		return err
	}
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT w.ev_class FROM pg_rewrite w
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
		JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = d.refobjid AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
		WHERE w.ev_class = ANY ($1::oid[]) AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`, oids)
	if err != nil {
		return err
	}
	locked, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return err
	}
	s.unread = map[relName]bool{}
	for _, oid := range locked {
		s.unread[s.byOID[oid].relName] = true
	}
	return s.viewsOf(ctx, tx, oids, locked)
}

// viewsOf reads views but for some, and leaves the transaction as it was where
// that fails.
func (s *snapshot) viewsOf(ctx context.Context, tx pgx.Tx, oids, but []uint32) error {
	point, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = point.Rollback(ctx) }()
	var oid uint32
	var def string
	err = each(ctx, point, `
		SELECT oid, encode(sha256(convert_to(pg_get_viewdef(oid) || coalesce(reloptions::text, ''), 'UTF8')), 'hex')
		FROM pg_class WHERE oid = ANY ($1::oid[]) AND oid <> ALL (coalesce($2::oid[], '{}'))`, []any{oids, but}, []any{&oid, &def}, func() error {
		s.byOID[oid].def = def
		return nil
	})
	if err != nil {
		return err
	}
	return point.Commit(ctx)
}

// unreadOf are the objects of a role whose views could not be read.
func (s *snapshot) unreadOf(role string) [][]string {
	var out [][]string
	for at := range s.unread {
		if s.book != nil && s.book.views[at].role == role {
			out = append(out, s.book.views[at].path)
		}
	}
	return out
}

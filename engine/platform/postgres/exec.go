package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assent-dev/assent/engine/platform"
)

// carryOut runs the transactions of a unit, and between them sees to the
// sessions of those who left.
func (r *run) carryOut(ctx context.Context, u unit, w work) error {
	if err := r.tx(ctx, w.first, true); err != nil {
		return err
	}
	notes := map[string]string{}
	ended := map[string]int{}
	for _, a := range w.end {
		n, note, err := r.end(ctx, a)
		if err != nil {
			return err
		}
		ended[a], notes[a] = n, note
	}
	for _, stmts := range w.rest {
		if err := r.tx(ctx, stmts, true); err != nil {
			return err
		}
	}
	for _, i := range u.at {
		o := &r.out[i]
		o.Status, o.Code, o.Detail = platform.Done, "", ""
		if c := o.Change; c.Grant != nil && w.touched[c.Grant.Principal] || c.Grant == nil && len(w.first)+len(w.rest) > 0 {
			o.Status = platform.Applied
		}
		r.note(o, ended, notes)
		r.seen[i] = w
	}
	return nil
}

// note adds to an outcome what became of the sessions.
func (r *run) note(o *platform.Outcome, ended map[string]int, notes map[string]string) {
	for _, a := range keys(ended) {
		if o.Change.Grant == nil || o.Change.Grant.Principal == a {
			o.SessionsEnded += ended[a]
			if notes[a] != "" {
				o.Detail = notes[a]
			}
		}
	}
}

// end ends the sessions of an account. That the engine may not is no error: it
// is a note for the outcome.
func (r *run) end(ctx context.Context, account string) (int, string, error) {
	if r.p.cfg.NoEndSessions {
		return 0, "open sessions were left alone: one that holds on to the role reads until it disconnects", nil
	}
	stmt := r.s.endSessions(account)
	if err := r.hook(ctx, stmt.Text); err != nil {
		return 0, "", err
	}
	var n int
	err := r.p.conn.QueryRow(ctx, stmt.Text).Scan(&n)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return 0, "open sessions of " + account + " could not be ended (" + pg.Message + "): grant pg_signal_backend to the engine's account", nil
	}
	return n, "", err
}

func (r *run) hook(ctx context.Context, sql string) error {
	if r.p.before == nil {
		return nil
	}
	return r.p.before(ctx, sql)
}

// tx runs statements in one transaction that holds the fence.
func (r *run) tx(ctx context.Context, stmts []platform.Statement, fenced bool) error {
	if len(stmts) == 0 {
		return nil
	}
	if err := r.hook(ctx, "BEGIN"); err != nil {
		return err
	}
	tx, err := r.p.conn.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if fenced {
		tag, err := tx.Exec(ctx, `UPDATE assent.meta SET epoch = epoch + 1 WHERE epoch = $1`, r.epoch)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return errFenced
		}
	}
	for _, s := range stmts {
		if err := r.exec(ctx, tx.Conn(), s.Text); err != nil {
			return err
		}
	}
	if err := r.hook(ctx, "COMMIT"); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if fenced {
		r.epoch++
	}
	return nil
}

// exec runs one statement through the extended protocol, which takes no
// second one, and turns a warning that nothing was granted into an error.
func (r *run) exec(ctx context.Context, conn *pgx.Conn, sql string) error {
	if err := r.hook(ctx, sql); err != nil {
		return err
	}
	r.p.notices = nil
	if res := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read(); res.Err != nil {
		return res.Err
	}
	for _, n := range r.p.notices {
		if n.Code == "01007" || n.Code == "01006" {
			return faultf(platform.NoRight, "%s on %q: give the engine's account the right with grant option", n.Message, firstWords(sql))
		}
	}
	return nil
}

func firstWords(sql string) string {
	if i := strings.Index(sql, " TO "); i > 0 {
		return sql[:i]
	}
	if i := strings.Index(sql, " FROM "); i > 0 {
		return sql[:i]
	}
	return sql
}

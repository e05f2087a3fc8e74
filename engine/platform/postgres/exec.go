package postgres

import (
	"cmp"
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
	if err := r.txs(ctx, w.first); err != nil {
		return err
	}
	notes, ended := map[string]string{}, map[string]int{}
	if len(w.end) > 0 {
		if err := r.end(ctx, w.end, ended, notes); err != nil {
			return err
		}
	}
	for _, rest := range w.rest {
		if err := r.txs(ctx, rest); err != nil {
			return err
		}
	}
	for at := range w.touched {
		r.touched[at] = true // a move lets people in before the batch comes to their grant
	}
	for name, f := range w.lost {
		if f != nil {
			r.shut[name] = f
		}
	}
	for _, p := range u.parts {
		name := r.s.roleName(p.key)
		for _, i := range p.at {
			o := &r.out[i]
			o.Status, o.Code, o.Detail = platform.Done, "", ""
			g := o.Change.Grant
			if g != nil && r.touched[memberKey{name, g.Principal}] || g == nil && w.changed[p.key] {
				o.Status = platform.Applied
			}
			r.note(o, w.end, ended, notes)
			r.seen[i] = &w
		}
	}
	return nil
}

// note adds to an outcome what became of the sessions.
func (r *run) note(o *platform.Outcome, who []string, ended map[string]int, notes map[string]string) {
	if g := o.Change.Grant; g != nil {
		if len(ended)+len(notes) > 0 {
			o.SessionsEnded, o.Detail = ended[g.Principal], notes[g.Principal]
		}
		return
	}
	for _, a := range who {
		o.SessionsEnded += ended[a]
		if notes[a] != "" {
			o.Detail = notes[a]
		}
	}
}

// end ends the sessions of accounts. That the engine may not is no error: it
// is a note for the outcome.
func (r *run) end(ctx context.Context, accounts []string, ended map[string]int, notes map[string]string) error {
	if r.p.cfg.NoEndSessions {
		for _, a := range accounts {
			notes[a] = "open sessions were left alone: one that holds on to the role reads until it disconnects"
		}
		return nil
	}
	stmt := r.s.endSessions(accounts)
	if err := r.hook(ctx, stmt.Text); err != nil {
		return err
	}
	rows, err := r.p.conn.Query(ctx, stmt.Text, pgx.QueryExecModeExec) // other text each time: no description to keep
	if err == nil {
		var a string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&a, &n}, func() error {
			ended[a] += n
			return nil
		})
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if len(accounts) > 1 { // one of them stands in the way of all
		for _, a := range accounts {
			if err := r.end(ctx, []string{a}, ended, notes); err != nil {
				return err
			}
		}
		return nil
	}
	notes[accounts[0]] = "open sessions of " + accounts[0] + " could not be ended (" + pg.Message +
		"): grant pg_signal_backend to the engine's account"
	return nil
}

func (r *run) hook(ctx context.Context, sql string) error {
	if r.p.before == nil {
		return nil
	}
	return r.p.before(ctx, sql)
}

// txs runs atoms, in transactions of bounded size.
func (r *run) txs(ctx context.Context, atoms []atom) error {
	for _, stmts := range transactions(atoms, cmp.Or(r.p.weight, maxWeight)) {
		if err := r.tx(ctx, stmts, true); err != nil {
			return err
		}
	}
	return nil
}

// tx runs statements in one transaction that holds the fence: all in one round
// trip, and COMMIT in another once everything went well. Each statement goes
// through the extended protocol, which takes no second one.
func (r *run) tx(ctx context.Context, stmts []platform.Statement, fenced bool) (err error) {
	if len(stmts) == 0 {
		return nil
	}
	batch := &pgconn.Batch{}
	send := func(sql string) error {
		batch.ExecParams(sql, nil, nil, nil, nil)
		return r.hook(ctx, sql)
	}
	if err := send("BEGIN"); err != nil {
		return err
	}
	if fenced {
		batch.ExecParams("UPDATE assent.meta SET epoch = epoch + 1 WHERE epoch = "+signed(r.epoch), nil, nil, nil, nil)
	}
	for _, s := range stmts {
		if err := send(s.Text); err != nil {
			return err
		}
	}
	conn := r.p.conn.PgConn()
	defer func() {
		if err != nil && !conn.IsClosed() {
			_, _ = conn.Exec(ctx, "ROLLBACK").ReadAll()
		}
	}()
	if err := r.pipeline(ctx, conn, batch, stmts, fenced); err != nil {
		return err
	}
	if err := r.hook(ctx, "COMMIT"); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "COMMIT").ReadAll(); err != nil {
		return err
	}
	if fenced {
		r.epoch++
	}
	return nil
}

// pipeline sends a transaction but for its COMMIT. It turns a fence that is gone,
// and a warning that nothing was granted, into errors.
func (r *run) pipeline(ctx context.Context, conn *pgconn.PgConn, batch *pgconn.Batch, stmts []platform.Statement, fenced bool) error {
	first := 1 // the result of the first statement
	if fenced {
		first = 2
	}
	var fault error
	r.p.notices = nil
	results := conn.ExecBatch(ctx, batch)
	for n := 0; results.NextResult(); n++ {
		tag, err := results.ResultReader().Close()
		if err != nil {
			break // Close says it, too
		}
		if n == 1 && fenced && tag.RowsAffected() != 1 && fault == nil {
			fault = errFenced
		}
		if n >= first && fault == nil {
			fault = refused(r.p.notices, stmts[n-first].Text)
		}
		r.p.notices = nil
	}
	if err := results.Close(); err != nil {
		return err
	}
	return fault
}

// refused is the fault of a statement that the server warned about.
func refused(notices []*pgconn.Notice, sql string) error {
	for _, n := range notices {
		if n.Code == "01007" || n.Code == "01006" {
			return faultf(platform.NoRight, "%s on %q: give the engine's account the right with grant option", n.Message, firstWords(sql))
		}
	}
	return nil
}

// firstWords is a statement without its roles, and without the end of a long one.
func firstWords(sql string) string {
	for _, word := range []string{" TO ", " FROM "} {
		if i := strings.Index(sql, word); i > 0 {
			sql = sql[:i]
			break
		}
	}
	const most = 200
	if len(sql) > most {
		return strings.ToValidUTF8(sql[:most], "") + " …"
	}
	return sql
}

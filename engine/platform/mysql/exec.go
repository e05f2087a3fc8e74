package mysql

import (
	"context"

	"github.com/assent-dev/assent/engine/platform"
)

// carryOut runs the statements of a unit, and between them sees to the sessions
// of those who left.
func (r *run) carryOut(ctx context.Context, u unit, w work) error {
	left := refusals{map[int][]string{}, map[int][]string{}}
	if err := r.withClosings(ctx, w.first, w, &left); err != nil {
		return err
	}
	ended, notes := map[string]int{}, map[string]string{}
	for _, user := range users(w.end) {
		n, note, err := r.end(ctx, user)
		if err != nil {
			return err
		}
		ended[user], notes[user] = n, note
	}
	if err := r.withClosings(ctx, w.rest, w, &left); err != nil {
		return err
	}
	for _, i := range u.at {
		o := &r.out[i]
		o.Status, o.Code, o.Detail = platform.Done, "", ""
		r.tell(i, w, left)
		if o.Change.Grant == nil && w.wrote[i] {
			o.Status = platform.Applied
		}
		whom := w.people[i]
		if o.Change.Grant == nil {
			whom = w.end
		}
		for _, who := range whom {
			if o.Change.Grant != nil && w.touched[who] {
				o.Status = platform.Applied
			}
		}
		for _, user := range users(whom) {
			o.SessionsEnded += ended[user]
			if notes[user] != "" {
				o.Detail = notes[user]
			}
		}
		r.seen[i] = w
	}
	return nil
}

// end ends the sessions of a user name. That the engine may not is no error: it
// is a note for the outcome.
func (r *run) end(ctx context.Context, user string) (int, string, error) {
	if r.m.cfg.NoEndSessions {
		return 0, "open sessions were left alone: a statement that runs goes on to its end", nil
	}
	stmt := r.s.endSessions(user)
	if err := r.hook(ctx, stmt.Text); err != nil {
		return 0, "", err
	}
	n, err := r.kill(ctx, stmt.Text)
	denied := err == nil && !r.s.oracle && !r.s.super && !r.s.global["CONNECTION ADMIN"] // then the server says nothing and does nothing
	if isServer(err) {
		code, _ := reason(err)
		denied = code != platform.Busy
	}
	if denied {
		return n, "open sessions of " + user + " could not be ended: grant CONNECTION ADMIN to the engine's account", nil
	}
	return n, "", err
}

func (r *run) kill(ctx context.Context, text string) (int, error) {
	if !r.s.oracle {
		res, err := r.m.conn.ExecContext(ctx, text)
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		return int(n), err
	}
	var ids []string
	q := &reader{ctx: ctx, conn: r.m.conn}
	q.each(text, func(row []string) error {
		ids = append(ids, row[0])
		return nil
	})
	n := 0
	for _, id := range ids {
		if _, err := r.m.conn.ExecContext(ctx, "KILL "+id); err == nil {
			n++
		}
	}
	return n, q.err
}

func (r *run) hook(ctx context.Context, sql string) error {
	if r.m.before == nil {
		return nil
	}
	return r.m.before(ctx, sql)
}

// failedStatement is an error with the statement that met it. Neither shows the
// other: errors may go where statements must not.
type failedStatement struct {
	text string
	err  error
}

func (f *failedStatement) Error() string { return f.err.Error() }

func (f *failedStatement) Unwrap() error { return f.err }

// all runs statements one after the other; each commits by itself. Before them
// the fence moves, which only the holder of the epoch can.
func (r *run) all(ctx context.Context, stmts []platform.Statement) error {
	return r.each(ctx, stmts, func(string, error) bool { return false })
}

// each is all, going on after an error that passes.
func (r *run) each(ctx context.Context, stmts []platform.Statement, passes func(text string, err error) bool) error {
	if len(stmts) == 0 {
		return nil
	}
	if r.fenced {
		res, err := r.m.conn.ExecContext(ctx, "UPDATE assent.meta SET epoch = epoch + 1 WHERE epoch = ?", r.epoch)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errFenced
		}
		r.epoch++
	}
	for _, s := range stmts {
		err := r.hook(ctx, s.Text)
		if err == nil {
			_, err = r.m.conn.ExecContext(ctx, s.Text)
		}
		if err != nil && !passes(s.Text, err) {
			return &failedStatement{s.Text, err}
		}
	}
	return nil
}

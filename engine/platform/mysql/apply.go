package mysql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

const (
	lockName  = "assent"
	lockWait  = 10 // seconds
	maxTries  = 5
	firstWait = 50 * time.Millisecond
)

var errFenced = &fault{platform.Busy, "another engine has taken over this server: stop one of the two"}

// run is one Apply.
type run struct {
	m     *MySQL
	batch platform.Batch
	want  wanted
	s     *snapshot
	b     *builder
	epoch uint64
	// fenced is set once there are books to hold the fence.
	fenced bool
	out    []platform.Outcome
	// seen holds, by position, what the read-back compares with.
	seen map[int]work
	// shut are the roles whose provision failed: nobody joins them now.
	shut map[string]*fault
	// refused are the relations that the server would not let us open.
	refused map[refusal]bool
	// had are the relations of roles as they were before the batch.
	had map[string][]relName
}

// Apply implements platform.Platform. It takes one lock for the server, whose
// session runs every statement, so that an engine which lost its session can no
// longer write; an epoch in the books fences one that shares a session through a
// proxy.
func (m *MySQL) Apply(ctx context.Context, batch platform.Batch) ([]platform.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &run{
		m: m, batch: batch, want: wantedBy(batch.Changes),
		seen: map[int]work{}, shut: map[string]*fault{}, refused: map[refusal]bool{}, had: map[string][]relName{},
	}
	for _, c := range batch.Changes {
		r.out = append(r.out, platform.Outcome{
			Change: c, Status: platform.Failed, Code: platform.Unreachable, Detail: "not reached: it is tried again in the next round",
		})
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return r.fail(err)
	}
	defer unlock()
	if err := checkText(batch.Mark.Digest); err != nil {
		return r.fail(err)
	}
	if err := r.start(ctx); err != nil {
		return r.fail(err)
	}
	for _, u := range r.s.units(batch.Changes) {
		if err := r.do(ctx, u, 0); err != nil {
			return r.fail(err)
		}
	}
	if err := r.verify(ctx); err != nil {
		return r.fail(err)
	}
	return r.out, nil
}

// fail gives every change that was not read back the reason of the whole.
func (r *run) fail(err error) ([]platform.Outcome, error) {
	err = r.m.whole("apply", err)
	code, hint := platform.CodeOf(err), ""
	var pe *platform.Error
	if errors.As(err, &pe) {
		hint = pe.Hint
	}
	for i := range r.out {
		if r.out[i].Code == platform.Unreachable || r.out[i].Status == platform.Applied || r.out[i].Status == platform.Done {
			r.out[i].Status, r.out[i].Code, r.out[i].Detail = platform.Failed, code, "not carried out or not read back: "+hint
		}
	}
	return r.out, err
}

// lock waits for the one writer's lock of this server.
func (m *MySQL) lock(ctx context.Context) (func(), error) {
	conn, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	got := ""
	q := &reader{ctx: ctx, conn: conn}
	q.each(fmt.Sprintf("SELECT GET_LOCK(%s, %d)", literal(lockName), lockWait), func(row []string) error {
		got = row[0]
		return nil
	})
	if q.err != nil {
		return nil, q.err
	}
	if got != "1" {
		return nil, &platform.Error{
			Connection: m.cfg.Connection, Code: platform.Busy, Hint: "another engine writes to this server: stop one of the two",
			Err: fmt.Errorf("lock server: held for more than %d seconds", lockWait),
		}
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if m.conn != conn {
			return // the lock ended with its session
		}
		if _, err := conn.ExecContext(ctx, "DO RELEASE_LOCK("+literal(lockName)+")"); err != nil {
			m.drop()
		}
	}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// start reads, refuses what is behind, makes the books and records the mark.
func (r *run) start(ctx context.Context) error {
	if err := r.reread(ctx); err != nil {
		return err
	}
	behind := r.behind()
	if behind != nil {
		for _, c := range r.batch.Changes {
			if !takesAway(c) {
				return behind
			}
		}
	}
	if err := r.tooBroad(); err != nil {
		return err
	}
	if r.s.book == nil && len(r.batch.Changes) == 0 && r.batch.Mark.Seq == 0 {
		return nil
	}
	if r.s.book != nil {
		for name := range r.s.book.roles {
			r.had[name] = r.s.reached(name)
		}
		r.epoch, r.fenced = r.s.book.epoch, true
	}
	if err := r.b.bootstrap(); err != nil {
		return err
	}
	if err := r.all(ctx, r.b.take()); err != nil {
		return err
	}
	r.fenced = true
	if behind == nil {
		r.b.mark(r.batch.Mark)
		if err := r.all(ctx, r.b.take()); err != nil {
			return err
		}
	}
	return r.leftovers(ctx)
}

func (r *run) reread(ctx context.Context) error {
	s, err := r.m.read(ctx, r.want)
	if err != nil {
		return err
	}
	s.refused = r.refused
	r.s, r.b = s, &builder{s: s}
	return nil
}

// behind is the refusal of a batch that is older than what the server holds.
func (r *run) behind() error {
	b, m := r.s.book, r.batch.Mark
	if b == nil || m.Seq > b.seq || m.Seq == b.seq && (m.Digest == b.digest || b.seq == 0) {
		return nil
	}
	return &platform.Error{
		Connection: r.m.cfg.Connection, Code: platform.Behind,
		Hint: "the ledger went back or was rewritten: restore it, or bring it past the position that the server holds",
		Err:  fmt.Errorf("apply at ledger position %d: the server holds %d, or another digest", m.Seq, b.seq),
	}
}

// leftovers finishes with the people whom an Apply before this one took out of
// a role without coming to their sessions.
func (r *run) leftovers(ctx context.Context) error {
	for _, name := range r.s.unfinished() {
		left := r.s.left(name, nil)
		ways := r.s.ways(name)
		r.b.leave(name, left, ways)
		if err := r.all(ctx, r.b.take()); err != nil {
			return err
		}
		for _, user := range users(left) {
			if _, _, err := r.end(ctx, user); err != nil {
				return err
			}
		}
		r.b.forget(name, left)
		if err := r.all(ctx, r.b.take()); err != nil {
			return err
		}
	}
	return nil
}

// unfinished are the roles with people whose sessions are still to end.
func (s *snapshot) unfinished() []string {
	found := map[string]bool{}
	for k, m := range s.book.members {
		if m.ending {
			found[k.role] = true
		}
	}
	return keys(found)
}

// do carries out a unit, with retries; it splits a unit of many people or
// roles to find the one that fails. Its error means that nothing further can be done.
func (r *run) do(ctx context.Context, u unit, try int) error {
	if f := r.shut[u.key.RoleName()]; f != nil && (u.action == plan.Allow || u.action == plan.Extend) {
		r.refuse(u, f.code, "the role is not as it should be: "+f.detail)
		return nil
	}
	w, err := r.b.build(u, r.batch.Changes)
	if err == nil {
		err = r.carryOut(ctx, u, w)
	}
	if err == nil {
		return nil
	}
	code, hint := reason(err)
	if errors.Is(err, errFenced) || ctx.Err() != nil || code == platform.Unreachable {
		return err
	}
	if err := r.reread(ctx); err != nil {
		return err
	}
	retry := code == platform.Busy && try < maxTries
	if retry {
		wait := firstWait << try
		if err := sleep(ctx, wait+rand.N(wait)); err != nil {
			return err
		}
	}
	if n := len(u.at); n > 1 && (!retry || try > 0) {
		left, right := u, u
		left.at, right.at = u.at[:n/2], u.at[n/2:]
		right.key = r.batch.Changes[right.at[0]].RoleKey()
		if err := r.do(ctx, left, try); err != nil {
			return err
		}
		return r.do(ctx, right, try)
	}
	if retry || r.leaveOut(u, err, try) {
		return r.do(ctx, u, try+1)
	}
	f := &fault{code, err.Error() + ": " + hint}
	var own *fault
	if errors.As(err, &own) {
		f = own
	}
	if u.action == plan.Provision {
		r.shut[u.key.RoleName()] = f
	}
	r.refuse(u, f.code, f.detail)
	return nil
}

// leaveOut reports whether a role is to be tried again without what the server
// refused: a relation that it would not open, which is noted, or one that is
// gone since it was read.
func (r *run) leaveOut(u unit, err error, try int) bool {
	if u.action != plan.Provision {
		return false
	}
	switch code, _ := reason(err); code {
	case platform.NoObject, platform.NoColumn:
		return try < maxTries
	case platform.NoRight:
		var failed *failedStatement
		if !errors.As(err, &failed) {
			return false
		}
		one, ok := r.s.refusedBy(*r.batch.Changes[u.at[0]].Role, failed.text)
		if ok {
			r.refused[one] = true
		}
		return ok
	default:
		return false
	}
}

// refuse ends every change of a unit without success.
func (r *run) refuse(u unit, code platform.Code, detail string) {
	for _, i := range u.at {
		r.set(i, &fault{code, detail})
	}
}

// set ends a change with a fault. What is missing may come: it is pending.
func (r *run) set(i int, f *fault) {
	status := platform.Failed
	if f.code == platform.NoAccount || f.code == platform.NoObject || f.code == platform.NoColumn {
		status = platform.Pending
	}
	r.out[i].Status, r.out[i].Code, r.out[i].Detail = status, f.code, f.detail
}

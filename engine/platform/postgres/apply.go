package postgres

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
	lockKey   = 0x617373656e74 // "assent"
	lockWait  = 30 * time.Second
	lockEvery = 100 * time.Millisecond
	maxTries  = 6
	maxClash  = 12 // tries where somebody else was faster, which takes no time to find out
	firstWait = 50 * time.Millisecond
	longest   = 800 * time.Millisecond // wait between two tries
	maxWaits  = time.Minute            // of one Apply
)

var errFenced = &fault{platform.Busy, "another engine has taken over this database: stop one of the two"}

// run is one Apply.
type run struct {
	p     *Postgres
	batch platform.Batch
	want  wanted
	s     *snapshot
	b     *builder
	epoch int64
	out   []platform.Outcome
	// seen holds, by position, what the read-back compares with; nil where a change
	// was not carried out.
	seen []*work
	// touched are the memberships that this Apply has changed so far.
	touched map[memberKey]bool
	// shut are the roles whose provision failed: nobody joins them now.
	shut map[string]*fault
	// changed are the relations that statements of this Apply were made for.
	changed map[relName]bool
	// had are the relations of roles as they were before the batch.
	had map[string][]relName
	// waited is the time that retries took so far.
	waited time.Duration
}

// Apply implements platform.Platform. It takes one advisory lock for the
// database, and every transaction moves an epoch that only the holder knows,
// so that an engine which lost its session can no longer write. What the batch
// touched is read back before anything is said to be applied. A table that it
// had no need to touch counts as it was read at the start, under the lock: what
// somebody else changes there meanwhile shows in the next round.
func (p *Postgres) Apply(ctx context.Context, batch platform.Batch) ([]platform.Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &run{
		p: p, batch: batch, want: wantedBy(batch.Changes),
		seen: make([]*work, len(batch.Changes)), touched: make(map[memberKey]bool, len(batch.Changes)), shut: map[string]*fault{}, had: map[string][]relName{},
		changed: map[relName]bool{}, out: make([]platform.Outcome, 0, len(batch.Changes)),
	}
	for _, c := range batch.Changes {
		r.out = append(r.out, platform.Outcome{
			Change: c, Status: platform.Failed, Code: platform.Unreachable, Detail: "not reached: it is tried again in the next round",
		})
	}
	unlock, err := p.lock(ctx)
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
	for _, u := range units(batch.Changes) {
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
	err = r.p.whole("apply", err)
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

// lock waits for the one writer's lock of this database.
func (p *Postgres) lock(ctx context.Context) (func(), error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; {
		var ok bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lockKey)).Scan(&ok); err != nil {
			return nil, err
		}
		if ok {
			break
		}
		if time.Now().After(end) {
			return nil, &platform.Error{
				Connection: p.cfg.Connection, Code: platform.Busy, Hint: "another engine writes to this database: stop one of the two",
				Err: fmt.Errorf("lock database: held for more than %s", lockWait),
			}
		}
		if err := sleep(ctx, lockEvery); err != nil {
			return nil, err
		}
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(lockKey)); err != nil {
			_ = conn.Close(ctx) // the lock ends with the session
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
	if err := r.tooBroad(); err != nil {
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
	for _, c := range r.batch.Changes {
		if name := r.s.roleName(c.RoleKey()); c.Action == plan.Revoke && r.had[name] == nil {
			r.had[name] = r.s.reached(name)
		}
	}
	if r.s.book == nil && (len(r.batch.Changes) > 0 || r.batch.Mark.Seq > 0) {
		r.b.bootstrap()
		if err := r.tx(ctx, statements(r.b.take()), false); err != nil {
			return err
		}
	}
	if r.s.book == nil {
		return nil
	}
	r.epoch = r.s.book.epoch
	r.b.rename()
	if err := r.txs(ctx, r.b.take()); err != nil {
		return err
	}
	if behind == nil {
		r.b.mark(r.batch.Mark)
		if err := r.txs(ctx, r.b.take()); err != nil {
			return err
		}
		if err := r.timers(ctx); err != nil {
			return err
		}
	}
	return r.leftovers(ctx)
}

func (r *run) reread(ctx context.Context) error {
	s, err := r.p.read(ctx, r.want)
	if err != nil {
		return err
	}
	r.s, r.b = s, &builder{s: s, changed: r.changed}
	for at := range s.unread {
		if s.book != nil && r.shut != nil {
			r.shut[s.book.views[at].role] = faultf(platform.Busy, "somebody holds %s locked, or its masked view: it is tried again in the next round",
				dotted(s.book.views[at].path))
		}
	}
	return nil
}

// behind is the refusal of a batch that is older than what the database holds.
func (r *run) behind() error {
	b, m := r.s.book, r.batch.Mark
	if b == nil || m.Seq > b.seq || m.Seq == b.seq && (m.Digest == b.digest || b.seq == 0) {
		return nil
	}
	return &platform.Error{
		Connection: r.p.cfg.Connection, Code: platform.Behind,
		Hint: "the ledger went back or was rewritten: restore it, or bring it past the position that the database holds",
		Err:  fmt.Errorf("apply at ledger position %d: the database holds %d, or another digest", m.Seq, b.seq),
	}
}

// leftovers ends the sessions that an Apply before this one did not come to.
func (r *run) leftovers(ctx context.Context) error {
	for _, name := range keys(r.s.book.ending) {
		accounts := r.b.leavers(name, nil)
		if len(accounts) == 0 {
			continue
		}
		if err := r.end(ctx, accounts, map[string]int{}, map[string]string{}); err != nil {
			return err
		}
		r.b.settled(name, accounts)
		if err := r.txs(ctx, r.b.take()); err != nil {
			return err
		}
	}
	return nil
}

// do carries out a unit, with retries; it splits a unit to find the part that
// fails. Its error means that nothing further can be done.
func (r *run) do(ctx context.Context, u unit, try int) error {
	u = r.admitted(u)
	if len(u.parts) == 0 {
		return nil
	}
	w := r.b.build(u, r.batch.Changes)
	if len(w.bad) > 0 {
		return r.without(ctx, u, w.bad, try)
	}
	err := r.carryOut(ctx, u, w)
	if err == nil {
		return nil
	}
	if errors.Is(err, errFenced) || ctx.Err() != nil || r.p.conn == nil || r.p.conn.IsClosed() {
		return err
	}
	code, _ := reason(err)
	if err := r.reread(ctx); err != nil {
		return err
	}
	tries := maxTries
	if clash(err) {
		tries = maxClash
	}
	retry := code == platform.Busy && try < tries && r.waited < maxWaits
	if retry {
		wait := min(firstWait<<try, longest)
		wait += rand.N(wait)
		r.waited += wait
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	if left, right, ok := u.halves(); ok && (!retry || try > 0) {
		if err := r.do(ctx, left, try); err != nil {
			return err
		}
		return r.do(ctx, right, try)
	}
	if retry {
		return r.do(ctx, u, try+1)
	}
	if !u.single && (u.action == plan.Provision || u.action == plan.Retire) {
		u.single = true
		return r.do(ctx, u, try)
	}
	r.refuse(u.action, u.parts[0], err)
	return nil
}

// admitted is a unit without the people who would join a role that is not as
// it should be.
func (r *run) admitted(u unit) unit {
	if len(r.shut) == 0 || u.action != plan.Allow && u.action != plan.Extend {
		return u
	}
	out := u
	out.parts = nil
	for _, p := range u.parts {
		if f := r.shut[r.s.roleName(p.key)]; f != nil {
			r.refuse(u.action, p, &fault{f.code, "the role is not as it should be: " + f.detail})
			continue
		}
		out.parts = append(out.parts, p)
	}
	return out
}

// without carries out a unit less its bad parts.
func (r *run) without(ctx context.Context, u unit, bad map[int]error, try int) error {
	if err := r.reread(ctx); err != nil {
		return err
	}
	rest := u
	rest.parts = nil
	for n, p := range u.parts {
		if err := bad[n]; err != nil {
			r.refuse(u.action, p, err)
		} else {
			rest.parts = append(rest.parts, p)
		}
	}
	return r.do(ctx, rest, try)
}

// refuse ends every change of a part without success.
func (r *run) refuse(action plan.Action, p part, err error) {
	var f *fault
	if !errors.As(err, &f) {
		code, hint := reason(err)
		f = &fault{code, scrub(err).Error() + ": " + hint}
	}
	if action == plan.Provision {
		r.shut[r.s.roleName(p.key)] = f
	}
	for _, i := range p.at {
		r.set(i, f)
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

package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// maxParallel bounds the platforms that are read or changed side by side. It is
// far more than hang at once: one that hangs keeps its place.
const maxParallel = 64

// work is something that goes on beside a round; nil before it begins, closed
// when it is over.
type work chan struct{}

// over reports whether work is over, or never began.
func (w work) over() bool {
	if w == nil {
		return true
	}
	select {
	case <-w:
		return true
	default:
		return false
	}
}

// wait returns when work is over, or a limit was reached; a limit of nil never is.
func (w work) wait(limit <-chan struct{}) {
	if w == nil {
		return
	}
	select {
	case <-w:
	case <-limit:
	}
}

// read opens and reads the targets side by side; each keeps its own error. What
// takes longer than the lanes allow goes on in its lane.
func (r *Reconciler) read(ctx context.Context, rd *round, l *lanes) {
	ground := *rd // the round goes on while slow platforms are still being read
	slots := make(chan struct{}, maxParallel)
	for _, t := range rd.targets {
		if t.busy {
			continue
		}
		t.read = make(work)
		go func() {
			defer close(t.read)
			slots <- struct{}{}
			defer func() { <-slots }()
			began := r.Now()
			r.readOne(ctx, &ground, t)
			t.took = r.Now().Sub(began)
		}()
	}
	l.await(rd, func(t *target) work { return t.read })
	l.leave(rd, func(t *target) work { return t.read }, func(t *target) (Report, error) {
		return r.resume(ctx, t)
	})
}

func (r *Reconciler) readOne(ctx context.Context, rd *round, t *target) {
	ctx, cancel := r.patience(ctx)
	defer cancel()
	opened, err := r.Open(ctx, t.connection)
	if err != nil {
		t.err = err // and what came with it is not a platform
		return
	}
	t.platform = opened
	if t.state, t.err = opened.Observe(ctx); t.err == nil {
		t.account, t.err = selfAudit(ctx, opened)
	}
	t.discover(ctx, rd)
}

func (r *Reconciler) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := r.Patience
	if limit <= 0 {
		limit = time.Minute
	}
	return context.WithTimeout(ctx, limit)
}

// apply carries the plan out, platforms side by side and each in order. What
// takes longer than the lanes allow goes on in its lane.
func (r *Reconciler) apply(ctx context.Context, rd *round, l *lanes) {
	slots := make(chan struct{}, maxParallel)
	mark := platform.Mark{Seq: rd.custody.Head.Seq, Digest: string(rd.custody.Head.Digest)}
	for i, t := range rd.targets {
		changes := rd.plan.For(t.connection.Ref().Name)
		if len(changes) == 0 {
			continue
		}
		if t.platform == nil || platform.CodeOf(t.err) == platform.NotOurs {
			rd.report.Connections[i].Steps = unreached(changes, t)
			continue
		}
		mark := mark
		if !rd.ledgerHolds {
			mark = t.state.Mark // a ledger that does not hold is nothing to remember
		}
		t.applied = make(work)
		go func() {
			defer close(t.applied)
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := r.patience(ctx)
			defer cancel()
			t.outcomes, t.applyErr = t.platform.Apply(ctx, platform.Batch{Changes: changes, Mark: mark})
		}()
	}
	l.await(rd, func(t *target) work { return t.applied })
	whole := *rd // as it was planned
	whole.report.Connections = slices.Clone(rd.report.Connections)
	l.leave(rd, func(t *target) work { return t.applied }, func(t *target) (Report, error) {
		return r.finish(ctx, whole, t)
	})
	for i, t := range rd.targets {
		rd.settle(&rd.report.Connections[i], t)
	}
}

// settle tells how the changes of a connection ended.
func (rd *round) settle(c *Connection, t *target) {
	for _, o := range t.outcomes {
		c.Steps = append(c.Steps, Step{Change: o.Change, Status: o.Status, Code: o.Code, Detail: o.Detail})
	}
	if t.applyErr != nil && len(t.outcomes) == 0 {
		c.Steps = unreached(rd.plan.For(c.Name), &target{err: t.applyErr})
	}
	if t.applyErr != nil && c.Unknown == "" {
		c.unknown(t.applyErr)
	}
	for j := range c.Steps {
		c.Steps[j].LateSeconds = rd.lateness(c.Steps[j].Change)
	}
}

// unreached are changes that are due where nothing can be changed now.
func unreached(changes []plan.Change, t *target) []Step {
	detail := "it is tried again in the next round"
	if t.busy {
		detail = "the platform has not answered yet"
	}
	var out []Step
	for _, c := range changes {
		out = append(out, Step{Change: c, Status: platform.Failed, Code: platform.CodeOf(t.err), Detail: detail})
	}
	return out
}

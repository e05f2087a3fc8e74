package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
)

// lanes let Run make rounds while slow platforms are still worked on, so that one
// that hangs delays no end on another. A round takes every connection whose lane
// is free. What is not over after the lag is left in its lane: it goes on there by
// itself, is recorded by itself, and no round touches that connection meanwhile.
//
//	the work on a connection           the round
//	is over within the lag             takes it
//	goes on                            leaves it in its lane
//	took longer to read last time      does not wait for it
//
// Nil lanes wait for everything. Their methods are called by Run's goroutine,
// except where they say otherwise.
type lanes struct {
	lag time.Duration
	of  map[resource.Name]*lane

	wg    sync.WaitGroup
	ready chan struct{} // something is in over
	mu    sync.Mutex
	over  []part
}

// lane is one connection.
type lane struct {
	busy bool
	slow bool       // to be read, the last time
	last Connection // how its work ended the last time that no round took it
	// ahead is why its platform knows another ledger than ours, as of the last
	// time; see checkTarget.
	ahead string
}

// part is the end of work that a round left in a lane.
type part struct {
	name   resource.Name
	report Report
	err    error
	slow   bool
	ahead  string
}

// errBusy stands for a platform that an earlier round's work is not over on.
var errBusy = errors.New("work on it is not over")

func newLanes(lag time.Duration) *lanes {
	if lag <= 0 {
		lag = 2 * time.Second
	}
	return &lanes{lag: lag, of: map[resource.Name]*lane{}, ready: make(chan struct{}, 1)}
}

func (l *lanes) lane(name resource.Name) *lane {
	if l.of[name] == nil {
		l.of[name] = &lane{}
	}
	return l.of[name]
}

// target is a connection as a round takes it.
func (l *lanes) target(c *resource.Connection) *target {
	t := &target{connection: c}
	if l != nil && l.lane(c.Ref().Name).busy {
		t.busy, t.err = true, errBusy
	}
	return t
}

// await waits for the targets, for the slow ones not at all and for the others
// together no longer than the lag.
func (l *lanes) await(rd *round, of func(*target) work) {
	if l == nil {
		for _, t := range rd.targets {
			of(t).wait(nil)
		}
		return
	}
	limit := make(chan struct{})
	timer := time.AfterFunc(l.lag, func() { close(limit) })
	defer timer.Stop()
	for _, t := range rd.targets {
		if !l.lane(t.connection.Ref().Name).slow {
			of(t).wait(limit)
		}
	}
}

// leave leaves what is not over in its lane, where end ends it.
func (l *lanes) leave(rd *round, of func(*target) work, end func(*target) (Report, error)) {
	if l == nil {
		return
	}
	for i, t := range rd.targets {
		if of(t).over() {
			continue
		}
		name := t.connection.Ref().Name
		l.lane(name).busy = true
		rd.targets[i] = &target{connection: t.connection, busy: true, err: errBusy}
		if i < len(rd.report.Connections) {
			l.tell(&rd.report.Connections[i])
		}
		l.wg.Go(func() {
			<-of(t)
			report, err := end(t)
			if t.platform != nil {
				_ = t.platform.Close()
			}
			l.put(part{name: name, report: report, err: err, slow: t.took > l.lag, ahead: t.ahead})
		})
	}
}

// put is called by the goroutines of the lanes.
func (l *lanes) put(p part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = append(l.over, p)
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// take frees the lanes whose work is over.
func (l *lanes) take() []part {
	l.mu.Lock()
	over := l.over
	l.over = nil
	l.mu.Unlock()
	for _, p := range over {
		at := l.lane(p.name)
		at.busy, at.slow, at.ahead = false, p.slow, p.ahead
		at.last = Connection{}
		if i := p.report.find(p.name); i >= 0 {
			at.last = p.report.Connections[i]
		}
	}
	return over
}

// tell says of a connection that work on it goes on, and what came of it last.
func (l *lanes) tell(c *Connection) {
	last := l.lane(c.Name).last
	c.Busy, c.Unknown, c.Code, c.Hint = true, last.Unknown, last.Code, last.Hint
}

// remind freezes a round for what a platform knew that it does not wait for.
func (l *lanes) remind(rd *round) {
	if l == nil {
		return
	}
	for _, t := range rd.targets {
		if ahead := l.lane(t.connection.Ref().Name).ahead; t.busy && ahead != "" {
			rd.ledgerHolds = false
			rd.freeze("%s", ahead)
		}
	}
}

// wait waits until no lane is busy, or ctx ends.
func (l *lanes) wait(ctx context.Context) {
	over := make(work)
	go func() {
		l.wg.Wait()
		close(over)
	}()
	over.wait(ctx.Done())
}

// find is where a connection is in the report; below zero where it is not.
func (r Report) find(name resource.Name) int {
	return slices.IndexFunc(r.Connections, func(c Connection) bool { return c.Name == name })
}

// with is the last report and what came of one connection since. What had ended
// well by then is not told again.
func (r Report) with(p part) Report {
	out := r
	out.Connections, out.Records, out.Took = nil, p.report.Records, p.report.Took
	for _, c := range r.Connections {
		if i := p.report.find(c.Name); i >= 0 && c.Name == p.name {
			out.Connections = append(out.Connections, p.report.Connections[i])
			continue
		}
		c.Steps = slices.DeleteFunc(slices.Clone(c.Steps), Step.ended)
		out.Connections = append(out.Connections, c)
	}
	if p.report.Ledger.Seq > out.Ledger.Seq {
		out.Ledger = p.report.Ledger
	}
	if next := p.report.Next; !next.IsZero() && (out.Next.IsZero() || next.Before(out.Next)) {
		out.Next = next
	}
	if out.Frozen == "" {
		out.Frozen = p.report.Frozen
	}
	return out
}

// resume makes the rest of a round for one target, once it is read: on what main
// and the ledger are by then.
func (r *Reconciler) resume(ctx context.Context, t *target) (Report, error) {
	began := r.Now()
	rd, settings, err := r.ground(ctx)
	if err != nil {
		return Report{}, err
	}
	rd.part, rd.targets = true, []*target{t}
	now, there := rd.set.Find(t.connection.Ref())
	c, same := now.(*resource.Connection)
	if !there || !same || c.Source.OID != t.connection.Source.OID {
		return Report{}, fmt.Errorf("connection %s was changed while it was read; it is read again", t.connection.Ref().Name)
	}
	r.judge(ctx, rd, settings, nil)
	r.apply(ctx, rd, nil)
	if err := ctx.Err(); err != nil {
		return rd.report, err
	}
	err = r.record(ctx, rd)
	rd.report.Took = r.Now().Sub(began)
	return rd.report, err
}

// finish makes the rest of a round for one target, once it is changed.
func (r *Reconciler) finish(ctx context.Context, rd round, t *target) (Report, error) {
	name := t.connection.Ref().Name
	c := rd.report.Connections[rd.report.find(name)]
	c.Busy, c.Unknown, c.Code, c.Hint = false, "", "", ""
	if t.err != nil {
		c.unknown(t.err)
	}
	rd.settle(&c, t)
	rd.part, rd.targets = true, []*target{t}
	rd.report.Connections, rd.report.Records, rd.report.Ledger = []Connection{c}, 0, ledger.Mark{}
	err := r.record(ctx, &rd)
	return rd.report, err
}

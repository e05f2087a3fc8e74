package reconcile

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pace says how often Run makes a round.
type Pace struct {
	Interval time.Duration // at the latest; a minute unless stated
	Retry    time.Duration // after a round that left something undone; five seconds unless stated
	// Grace is how long a round that is being made may go on when Run has to end.
	Grace time.Duration
}

// Run makes rounds until ctx ends: at once, at every interval, at every expiry
// to the second, whenever Wake says so, and sooner again while something is left
// undone. It never gives up; OnRound hears of every round.
func (r *Reconciler) Run(ctx context.Context, pace Pace) error {
	if pace.Interval <= 0 {
		pace.Interval = time.Minute
	}
	if pace.Retry <= 0 {
		pace.Retry = 5 * time.Second
	}
	inRound, cancel := graced(ctx, pace.Grace)
	l := newLanes(r.Lag)
	defer func() {
		l.wait(inRound)
		cancel()
		l.wg.Wait()
	}()
	for {
		began := r.Now()
		report, err := r.once(inRound, l)
		report.Took = r.Now().Sub(began)
		if inRound.Err() != nil {
			return ctx.Err()
		}
		r.tell(report, err)
		if err := r.rest(ctx, pace, l, report, err); err != nil {
			return err
		}
	}
}

func (r *Reconciler) tell(report Report, err error) {
	if r.OnRound != nil {
		r.OnRound(report, err)
	}
}

// rest waits until the next round is due, and hears meanwhile of what ended in
// the lanes.
func (r *Reconciler) rest(ctx context.Context, pace Pace, l *lanes, report Report, err error) error {
	due := r.Now().Add(pace.wait(report, err, r.Now()))
	hear := func() {
		for _, p := range l.take() {
			report = report.with(p)
			r.tell(report, p.err)
			if again := r.Now().Add(pace.wait(report, p.err, r.Now())); again.Before(due) {
				due = again
			}
		}
	}
	for {
		timer := time.NewTimer(due.Sub(r.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			hear()
			return ctx.Err()
		case <-timer.C:
			hear()
			return nil
		case <-r.Wake:
			timer.Stop()
			hear()
			return nil
		case <-l.ready:
			timer.Stop()
			hear()
		}
	}
}

// graced is a context that ends some time after another one.
func graced(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	if grace <= 0 {
		return ctx, func() {}
	}
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-late.Done():
		}
	})
	return late, func() { stop(); cancel() }
}

// wait is how long to sleep after a round: until the next expiry, but neither
// longer than the interval nor, with work left undone, longer than the retry.
func (p Pace) wait(report Report, err error, now time.Time) time.Duration {
	wait := p.Interval
	if err != nil || !report.Settled() {
		wait = min(wait, p.Retry-rand.N(p.Retry/4+1)) //nolint:gosec // so that not all engines try at once
	}
	if !report.Next.IsZero() {
		wait = min(wait, report.Next.Sub(now))
	}
	return max(wait, 0)
}

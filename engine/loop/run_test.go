package loop_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

// bubble is where the clock of a synctest bubble begins.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// journal is the times of rounds.
type journal struct {
	mu sync.Mutex
	at []time.Time
}

func (j *journal) add(t time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.at = append(j.at, t)
}

func (j *journal) all() []time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.at)
}

// Run makes a round at the instant of an end, however long its interval, and
// leaves no goroutine behind: the bubble would not end.
func TestRunEndsAccessAtTheInstant(t *testing.T) {
	w := newWorldAt(t, bubble)
	w.granted("ana-1", "ana", pipeline, "30d")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var made journal
		r := w.reconciler()
		r.Now = time.Now
		r.OnRound = func(rep reconcile.Report, err error) { made.add(rep.At) }
		done := make(chan error)
		go func() { done <- r.Run(ctx, reconcile.Pace{Interval: 240 * time.Hour, Retry: 5 * time.Second}) }()

		time.Sleep(30*24*time.Hour - time.Second)
		synctest.Wait()
		w.want("ana", pipeline, true)
		before := len(made.all())
		if before != 3 {
			t.Errorf("%d rounds in 30 days, want 3: at once, and every ten days: %v", before, made.all())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		w.want("ana", pipeline, false)
		if rounds := made.all(); len(rounds) != before+1 || !rounds[before].Equal(bubble.AddDate(0, 0, 30)) {
			t.Errorf("rounds %v, want one more at the end", rounds)
		}
		cancel()
		if err := <-done; err == nil {
			t.Error("Run ended without the context's error")
		}
	})
}

// R4: a platform that is down at the end is tried again until it is back.
func TestRunTriesAnEndUntilThePlatformIsBack(t *testing.T) {
	w := newWorldAt(t, bubble)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		back := bubble.AddDate(0, 0, 30).Add(time.Hour)
		r := w.reconciler()
		r.Now = time.Now
		r.Open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
			if time.Now().After(bubble.AddDate(0, 0, 29)) && time.Now().Before(back) {
				return nil, errDown
			}
			return w.openBox(ctx, c)
		}
		done := make(chan error)
		go func() { done <- r.Run(ctx, reconcile.Pace{Interval: 240 * time.Hour, Retry: time.Minute}) }()
		time.Sleep(time.Until(back) - time.Second)
		synctest.Wait()
		w.want("ana", pipeline, true)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		w.want("ana", pipeline, false)
		cancel()
		<-done
	})
}

// A platform that answers nothing at all costs a round its patience and no more.
func TestAPlatformThatHangsHoldsUpNoOther(t *testing.T) {
	w := newWorld2At(t, bubble)
	w.granted("ana-1", "ana", pipeline, "30d")
	synctest.Test(t, func(t *testing.T) {
		r := w.reconciler()
		r.Now, r.Patience = time.Now, 20*time.Second
		r.Open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
			if c.Ref().Name == "lake" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return w.openBox(ctx, c)
		}
		start := time.Now()
		rep, err := r.Once(t.Context())
		if err != nil || rep.Settled() {
			t.Errorf("settled %v, %v", rep.Settled(), err)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("the round took %s", took)
		}
		w.want("ana", pipeline, true)
	})
}

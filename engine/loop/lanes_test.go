package loop_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

// lake is a platform whose answers take their time. It stands on the sandbox.
type lake struct {
	platform.Platform
	w *slowWorld
}

// slowWorld is a world whose lake is slow; Run makes its rounds.
type slowWorld struct {
	*world
	wake chan struct{}

	mu      sync.Mutex
	open    time.Duration // how long each takes from now on; hangs where it is below zero
	observe time.Duration
	apply   time.Duration
	mark    platform.Mark // of its observations, where it is not zero
	rounds  []reconcile.Report
	errs    []error
}

const hangs = time.Duration(-1)

func (w *slowWorld) set(open, observe, apply time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open, w.observe, w.apply = open, observe, apply
}

func (w *slowWorld) takes(ctx context.Context, what *time.Duration) error {
	w.mu.Lock()
	d := *what
	w.mu.Unlock()
	if d == hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(d)
	return ctx.Err()
}

func (l lake) Observe(ctx context.Context) (platform.State, error) {
	if err := l.w.takes(ctx, &l.w.observe); err != nil {
		return platform.State{}, err
	}
	st, err := l.Platform.Observe(ctx)
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.mark.Seq > 0 {
		st.Mark = l.w.mark
	}
	return st, err
}

func (l lake) Apply(ctx context.Context, b platform.Batch) ([]platform.Outcome, error) {
	if err := l.w.takes(ctx, &l.w.apply); err != nil {
		return nil, err
	}
	return l.Platform.Apply(ctx, b)
}

// run has Run make rounds in a bubble while do goes on, and then stops it.
func (w *slowWorld) run(t *testing.T, do func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w.wake = make(chan struct{}, 1)
		r := w.reconciler()
		r.Now, r.Wake = time.Now, w.wake
		r.Open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
			if c.Ref().Name != "lake" {
				return w.openBox(ctx, c)
			}
			if err := w.takes(ctx, &w.open); err != nil {
				return nil, err
			}
			p, err := w.openBox(ctx, c)
			return lake{p, w}, err
		}
		r.OnRound = func(rep reconcile.Report, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.rounds, w.errs = append(w.rounds, rep), append(w.errs, err)
		}
		done := make(chan error)
		go func() { done <- r.Run(ctx, reconcile.Pace{Interval: 240 * time.Hour, Retry: 5 * time.Second}) }()
		do()
		cancel()
		<-done
	})
}

func (w *slowWorld) last() reconcile.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rounds[len(w.rounds)-1]
}

// at sleeps until a time of the bubble and all that is to happen then has.
func at(t time.Time) {
	time.Sleep(time.Until(t))
	synctest.Wait()
}

func newSlowWorld(t *testing.T) *slowWorld {
	return &slowWorld{world: newWorld2At(t, bubble)}
}

// However a platform hangs, what ends on another ends on time: to the second once
// it is known to hang, and within the lag the first time.
func TestAPlatformThatHangsDelaysNoEndOnAnother(t *testing.T) {
	for name, hang := range map[string]func(*slowWorld){
		"when it is opened":  func(w *slowWorld) { w.set(hangs, 0, 0) },
		"when it is read":    func(w *slowWorld) { w.set(0, hangs, 0) },
		"when it is changed": func(w *slowWorld) { w.set(0, 0, hangs) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSlowWorld(t)
			w.granted("ana-1", "ana", pipeline, "30d")
			w.granted("ana-2", "ana", "lake-pipeline", "30d")
			w.run(t, func() {
				at(bubble.Add(10 * time.Minute))
				w.clock = time.Now()
				w.granted("ben-1", "ben", pipeline, "30d")
				w.wake <- struct{}{}
				first := bubble.AddDate(0, 0, 30)
				second := first.Add(10 * time.Minute)
				at(first.Add(-time.Second))
				hang(w)
				w.want("ana", pipeline, true)
				if !w.readsLake("ana") {
					t.Fatal("ana does not read the lake")
				}
				at(first.Add(2 * time.Second))
				w.want("ana", pipeline, false)
				at(second.Add(-time.Second))
				w.want("ben", pipeline, true)
				// What can be changed but not read gets its due ends all the same.
				ends := name == "when it is read"
				if late := w.last().Late(); w.readsLake("ana") == ends || late < 8*time.Minute != ends {
					t.Errorf("ana reads the lake: %v, and her end is told to be late by %s", w.readsLake("ana"), late)
				}
				at(second)
				w.want("ben", pipeline, false)
				w.set(0, 0, 0)
				at(second.Add(2 * time.Minute))
				if w.readsLake("ana") {
					t.Error("ana still reads the lake, which answers again")
				}
				if rep := w.last(); !rep.Settled() || rep.Late() != 0 {
					t.Errorf("it is told to be undone: %+v", rep.Connections)
				}
			})
			if got := w.effects(); len(got) != 6 {
				t.Errorf("records %q", got)
			}
			w.clock = bubble.AddDate(0, 0, 32)
			w.quiet()
		})
	}
}

// A platform that is only slow is worked on in its lane: it gets what it should,
// is recorded once, told of once, and called undone at no time.
func TestASlowPlatformIsWorkedOnBesideTheRounds(t *testing.T) {
	for name, set := range map[string]func(*slowWorld){
		"to be read":    func(w *slowWorld) { w.set(5*time.Second, 10*time.Second, 0) },
		"to be changed": func(w *slowWorld) { w.set(0, 0, 15*time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSlowWorld(t)
			set(w)
			w.granted("ana-1", "ana", pipeline, "30d")
			w.granted("ana-2", "ana", "lake-pipeline", "30d")
			w.run(t, func() {
				at(bubble.Add(2 * time.Second)) // the lag
				w.want("ana", pipeline, true)
				at(bubble.Add(14 * time.Second))
				if w.readsLake("ana") {
					t.Error("ana reads the lake already")
				}
				at(bubble.Add(time.Minute))
				if !w.readsLake("ana") {
					t.Error("ana does not read the lake")
				}
				end := bubble.AddDate(0, 0, 30)
				at(end)
				w.want("ana", pipeline, false)
				at(end.Add(time.Minute))
				if w.readsLake("ana") {
					t.Error("ana still reads the lake")
				}
			})
			grants, undone := 0, 0
			for i, rep := range w.rounds {
				if w.errs[i] != nil {
					t.Error(w.errs[i])
				}
				for _, c := range rep.Connections {
					if c.Unknown != "" {
						undone++
					}
					for _, s := range c.Steps {
						if c.Name == "lake" && s.Grant != nil && s.Status == platform.Applied {
							grants++
						}
					}
				}
			}
			if grants != 2 || undone != 0 {
				t.Errorf("%d changes of the lake told of, want 2; %d times it was called unknown", grants, undone)
			}
			want := []string{"applied ana approved", "applied ana approved", "revoked ana expired", "revoked ana expired"}
			if got := w.effects(); !slices.Equal(got, want) {
				t.Errorf("records %q", got)
			}
			if got := w.observations(); len(got) != 0 {
				t.Errorf("it is noted that %q", got)
			}
			w.clock = bubble.AddDate(0, 0, 31)
			w.quiet()
		})
	}
}

// What is merged while a slow platform is being read is granted on the others at
// once, and on that one from what main is once it is read.
func TestASlowPlatformIsJudgedByTheNewestMain(t *testing.T) {
	w := newSlowWorld(t)
	w.set(0, 30*time.Second, 0)
	w.run(t, func() {
		at(bubble.Add(10 * time.Second))
		w.clock = time.Now()
		w.granted("ana-1", "ana", pipeline, "30d")
		w.granted("ana-2", "ana", "lake-pipeline", "30d")
		w.wake <- struct{}{}
		synctest.Wait()
		w.want("ana", pipeline, true)
		at(bubble.Add(31 * time.Second))
		if !w.readsLake("ana") {
			t.Error("the lake was judged by what main was before it was read")
		}
	})
	w.clock = bubble.Add(time.Minute)
	w.quiet()
}

// What a slow platform knows of the ledger freezes the rounds that do not wait
// for it too.
func TestASlowPlatformThatKnowsALaterLedgerFreezes(t *testing.T) {
	w := newSlowWorld(t)
	w.set(0, 10*time.Second, 0)
	w.mark = platform.Mark{Seq: 4711, Digest: "sha256:" + fmt.Sprintf("%064d", 1)}
	w.run(t, func() {
		at(bubble.Add(15 * time.Second))
		w.clock = time.Now()
		w.granted("ana-1", "ana", pipeline, "30d")
		w.wake <- struct{}{}
		synctest.Wait()
		w.want("ana", pipeline, false)
		if w.last().Frozen == "" {
			t.Error("the round is not frozen")
		}
		w.mu.Lock()
		w.mark = platform.Mark{}
		w.mu.Unlock()
		at(time.Now().Add(time.Minute))
		w.want("ana", pipeline, true)
	})
}

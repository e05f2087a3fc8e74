package server_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/server"
)

func openQueue(t *testing.T, cfg server.QueueConfig) *server.Queue {
	t.Helper()
	if cfg.At == "" {
		cfg.At = filepath.Join(t.TempDir(), "queue.db")
	}
	q, err := server.OpenQueue(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func startQueue(t *testing.T, cfg server.QueueConfig) *server.Queue {
	t.Helper()
	q := openQueue(t, cfg)
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopQueue(t, q) })
	return q
}

func stopQueue(t *testing.T, q *server.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := q.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}

// looks is who was looked at, in order.
type looks struct {
	mu   sync.Mutex
	list []string
}

func (l *looks) add(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, id)
}

func (l *looks) count(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, one := range l.list {
		if one == id {
			n++
		}
	}
	return n
}

func hint(t *testing.T, q *server.Queue, id string) {
	t.Helper()
	if err := q.Determine(t.Context(), id, server.ByWebhook, ""); err != nil {
		t.Fatal(err)
	}
}

func TestQueueLooksOnceForManyHints(t *testing.T) {
	var l looks
	q := openQueue(t, server.QueueConfig{Determine: func(_ context.Context, id string, _ server.Trigger) error {
		l.add(id)
		return nil
	}})
	for range 50 {
		hint(t, q, "7")
	}
	hint(t, q, "8")
	if n, oldest, err := q.Depth(t.Context()); err != nil || n != 2 || time.Since(oldest) > time.Minute {
		t.Errorf("depth %d since %v: %v", n, oldest, err)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stopQueue(t, q)
	until(t, "both looked at", func() bool { return l.count("7") == 1 && l.count("8") == 1 })
	// What was completed does not keep later hints away.
	until(t, "done", func() bool { n, _, err := q.Depth(t.Context()); return err == nil && n == 0 })
	hint(t, q, "7")
	until(t, "looked at again", func() bool { return l.count("7") == 2 })
}

// A hint that comes while its pull request is looked at leads to another look,
// that begins after the hint: at whatever moment it comes.
func TestQueueLooksAgainAfterAHintMeanwhile(t *testing.T) {
	const rounds = 60
	var seen, now atomic.Int64
	q := startQueue(t, server.QueueConfig{Determine: func(context.Context, string, server.Trigger) error {
		read := now.Load() // the facts
		time.Sleep(3 * time.Millisecond)
		seen.Store(read)
		return nil
	}})
	for i := range rounds {
		now.Add(1)
		hint(t, q, "7")
		if i%3 == 0 { // the others pile up, or hit the moment when a job ends
			until(t, fmt.Sprintf("look %d", i), func() bool { return seen.Load() == now.Load() })
		}
		time.Sleep(time.Duration(i%7) * time.Millisecond)
	}
	until(t, "the last look", func() bool { return seen.Load() == now.Load() })
}

func TestQueueLooksAtOneOnlyOnceAtATime(t *testing.T) {
	var inside, most atomic.Int64
	var total atomic.Int64
	q := startQueue(t, server.QueueConfig{Determine: func(context.Context, string, server.Trigger) error {
		most.Store(max(most.Load(), inside.Add(1)))
		time.Sleep(2 * time.Millisecond)
		inside.Add(-1)
		total.Add(1)
		return nil
	}})
	for range 100 {
		hint(t, q, "7")
		time.Sleep(time.Millisecond)
	}
	until(t, "done", func() bool { n, _, err := q.Depth(t.Context()); return err == nil && n == 0 })
	if most.Load() != 1 || total.Load() < 5 {
		t.Errorf("%d at a time, %d in all", most.Load(), total.Load())
	}
}

// One that hangs, one that panics and one that fails hold up no other.
func TestQueueGoesOnPastBrokenOnes(t *testing.T) {
	var l looks
	var panics atomic.Int64
	hang := make(chan struct{})
	q := startQueue(t, server.QueueConfig{
		OnPanic: func() { panics.Add(1) },
		Determine: func(ctx context.Context, id string, _ server.Trigger) error {
			l.add(id)
			switch id {
			case "hangs":
				select {
				case <-hang:
				case <-ctx.Done():
				}
			case "panics":
				panic("of a pull request")
			case "fails":
				return errors.New("no")
			}
			return nil
		},
	})
	defer close(hang)
	for _, id := range []string{"hangs", "panics", "fails", "good"} {
		hint(t, q, id)
	}
	until(t, "the good one", func() bool { return l.count("good") == 1 })
	until(t, "another try of each", func() bool { return l.count("panics") >= 2 && l.count("fails") >= 2 })
	hint(t, q, "good")
	until(t, "the good one again", func() bool { return l.count("good") == 2 })
	if panics.Load() == 0 {
		t.Error("nobody heard of the panic")
	}
}

func TestQueueWaitsUntilItMakesSense(t *testing.T) {
	var l looks
	later := time.Now().Add(3 * time.Second)
	q := startQueue(t, server.QueueConfig{
		RetryAt: func(error) time.Time { return later },
		Determine: func(_ context.Context, id string, _ server.Trigger) error {
			l.add(id)
			if time.Now().Before(later) {
				return errors.New("throttled")
			}
			return nil
		},
	})
	hint(t, q, "7")
	until(t, "the first try", func() bool { return l.count("7") == 1 })
	time.Sleep(time.Until(later) - 200*time.Millisecond)
	if n := l.count("7"); n != 1 {
		t.Errorf("%d tries before it made sense", n)
	}
	until(t, "the second try", func() bool { return l.count("7") == 2 })
}

// What was queued, and what ran when the process died, is done after a restart.
func TestQueueIsDurable(t *testing.T) {
	at := filepath.Join(t.TempDir(), "queue.db")
	q := openQueue(t, server.QueueConfig{At: at, Determine: func(ctx context.Context, _ string, _ server.Trigger) error {
		<-ctx.Done() // never ends by itself
		return ctx.Err()
	}})
	hint(t, q, "waits")
	stopQueue(t, q)
	info, err := os.Stat(at)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	var l looks
	startQueue(t, server.QueueConfig{At: at, Determine: func(_ context.Context, id string, _ server.Trigger) error {
		l.add(id)
		return nil
	}})
	until(t, "what waited", func() bool { return l.count("waits") == 1 })
}

func TestQueueFileMayBeDeletedAnyTime(t *testing.T) {
	at := filepath.Join(t.TempDir(), "queue.db")
	remove := func() {
		parts, err := filepath.Glob(at + "*")
		if err != nil || len(parts) == 0 {
			t.Fatalf("nothing to delete: %v %v", parts, err)
		}
		for _, p := range parts {
			if err := os.Remove(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	var l looks
	work := func(_ context.Context, id string, _ server.Trigger) error {
		l.add(id)
		return nil
	}
	q := openQueue(t, server.QueueConfig{At: at, Determine: work})
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	hint(t, q, "before")
	until(t, "before", func() bool { return l.count("before") == 1 })
	remove() // while it runs
	for i := range 30 {
		hint(t, q, fmt.Sprint(i))
	}
	until(t, "after", func() bool { return l.count("0") == 1 && l.count("29") == 1 })
	stopQueue(t, q)
	q = openQueue(t, server.QueueConfig{At: at, Determine: work})
	stopQueue(t, q)
	remove() // between two runs
	q = startQueue(t, server.QueueConfig{At: at, Determine: work})
	hint(t, q, "again")
	until(t, "again", func() bool { return l.count("again") == 1 })
}

func TestQueuePutsADamagedFileAside(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "queue.db")
	work := func(context.Context, string, server.Trigger) error { return nil }
	stopQueue(t, openQueue(t, server.QueueConfig{At: at, Determine: work}))
	raw, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(raw); i++ {
		raw[i] ^= 0x5a
	}
	if err := os.WriteFile(at, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, server.QueueConfig{At: at, Determine: work})
	hint(t, q, "7")
	stopQueue(t, q)
	if _, err := os.Stat(at + ".damaged"); err != nil {
		t.Error(err)
	}
	// A file of somebody else is not touched.
	other := filepath.Join(dir, "passwd")
	text := []byte("root:x:0:0:root:/root:/bin/sh\n" + string(make([]byte, 4096)))
	if err := os.WriteFile(other, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.OpenQueue(t.Context(), server.QueueConfig{At: other, Determine: work}); err == nil {
		t.Error("took a file that is no queue")
	}
	if got, err := os.ReadFile(other); err != nil || !slices.Equal(got, text) {
		t.Errorf("and changed it: %v", err)
	}
}

func TestQueueHasOneOwner(t *testing.T) {
	at := filepath.Join(t.TempDir(), "queue.db")
	cfg := server.QueueConfig{At: at, Determine: func(context.Context, string, server.Trigger) error { return nil }}
	startQueue(t, cfg)
	if q, err := server.OpenQueue(t.Context(), cfg); err == nil {
		stopQueue(t, q)
		t.Error("two have it")
	}
}

func TestQueueWakesTheReconciler(t *testing.T) {
	var rounds atomic.Int64
	q := startQueue(t, server.QueueConfig{Wake: func() { rounds.Add(1) }})
	if err := q.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "a round", func() bool { return rounds.Load() == 1 })
}

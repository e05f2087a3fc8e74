package server_test

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform/postgres"
	"github.com/assent-dev/assent/engine/server"
)

// Two replicas share a queue: a pull request is looked at by one of them, after
// the hint, and the other one's reconciler can be woken.
func TestQueueOfReplicas(t *testing.T) {
	private, err := postgres.StartPrivate(t.Context(), "")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no PostgreSQL here: %v", err)
	}
	t.Cleanup(func() {
		if err := private.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin, err := pgx.Connect(t.Context(), private.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE queue"); err != nil {
		t.Fatal(err)
	}
	if err := admin.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := private.AdminDSN("queue")
	if !strings.HasPrefix(at, "postgres") {
		t.Fatalf("no URL: %s", at)
	}
	var now, seen, inside, most, rounds atomic.Int64
	work := func(context.Context, string, server.Trigger) error {
		read := now.Load()
		most.Store(max(most.Load(), inside.Add(1)))
		time.Sleep(5 * time.Millisecond)
		inside.Add(-1)
		for was := seen.Load(); was < read && !seen.CompareAndSwap(was, read); was = seen.Load() {
		}
		return nil
	}
	one := startQueue(t, server.QueueConfig{At: at, Determine: work})
	two := startQueue(t, server.QueueConfig{At: at, Determine: work, Wake: func() { rounds.Add(1) }})
	for i := range 40 {
		now.Add(1)
		hint(t, []*server.Queue{one, two}[i%2], "7")
		time.Sleep(time.Duration(i%5) * time.Millisecond)
	}
	until(t, "a look after the last hint", func() bool { return seen.Load() == now.Load() })
	if err := one.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the other one's round", func() bool { return rounds.Load() >= 1 })
	t.Logf("at most %d at a time", most.Load())
	if _, err := server.OpenQueue(t.Context(), server.QueueConfig{At: "postgres://u:" + canary + "@127.0.0.1:1/none"}); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a database that is not there: %v", err)
	}
}

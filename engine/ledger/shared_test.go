package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/signature"
)

// shared is the ledger branch of a repository elsewhere, over git's protocol.
type shared struct {
	db   *gitdb.DB
	from gitdb.Remote
	dies bool // after the shared branch has moved
}

func (s *shared) Pull(ctx context.Context) error {
	_, err := s.db.Follow(ctx, s.from, "refs/heads/"+branch)
	return err
}

func (s *shared) Push(ctx context.Context, was, now gitdb.OID) error {
	if err := s.db.Push(ctx, s.from, "refs/heads/"+branch, was, now); err != nil {
		return err
	}
	if s.dies {
		return errors.New("died")
	}
	return nil
}

// engine is an engine with a repository of its own that shares w's ledger.
func (w *world) engine() (*ledger.Ledger, *shared) {
	w.t.Helper()
	db, err := gitdb.Init(w.t.TempDir(), "main", true)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &shared{db: db, from: gitdb.Remote{URL: w.dir}}
	l := ledger.Open(db, w.trust)
	l.Share(s)
	return l, s
}

func TestEnginesThatShareALedgerLoseNothing(t *testing.T) {
	w := newWorld(t)
	const each = 5
	var wg sync.WaitGroup
	for n, signer := range []signature.Signer{w.determining, w.reconciling} {
		l, _ := w.engine()
		wg.Go(func() {
			for i := range each {
				d := determination(fmt.Sprintf("e%d-%d", n, i))
				if n == 1 {
					d = draftOf(ledger.TypeApplied, w)
				}
				if _, err := l.Append(t.Context(), signer, w.now, d); err != nil {
					t.Errorf("engine %d: %v", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	records, err := collect(t.Context(), w.open())
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1+2*each {
		t.Errorf("the shared ledger has %d records, want %d", len(records), 1+2*each)
	}
}

// A record that reached the shared branch is recorded, also where its writer
// died before it knew; a record that did not is none.
func TestWhatTheSharedLedgerHasIsRecorded(t *testing.T) {
	w := newWorld(t)
	l, s := w.engine()
	s.dies = true
	if _, err := l.Append(t.Context(), w.determining, w.now, determination("a")); err == nil {
		t.Fatal("the writer did not die")
	}
	s.dies = false
	if _, err := l.Append(t.Context(), w.determining, w.now, determination("b")); err != nil {
		t.Fatal(err)
	}
	records, err := collect(t.Context(), w.open())
	if err != nil || len(records) != 3 || records[1].Subject.Request != "a" || records[2].Subject.Request != "b" {
		t.Errorf("the shared ledger holds %d records (%v), want the seal, a and b", len(records), err)
	}
	s.from.URL = t.TempDir() + "/gone"
	if _, err := l.Append(t.Context(), w.determining, w.now, determination("c")); err == nil {
		t.Error("a record that nobody else can see counts")
	}
	if records, err := collect(t.Context(), l); err != nil || len(records) != 3 {
		t.Errorf("it is in our own branch: %d records, %v", len(records), err)
	}
}

func TestASharedLedgerThatWentBackIsRefused(t *testing.T) {
	w := newWorld(t)
	w.append(w.determining, determination("a"))
	before, err := w.db.Resolve("refs/heads/" + branch)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := w.engine()
	if _, err := l.Append(t.Context(), w.determining, w.now, determination("b")); err != nil {
		t.Fatal(err)
	}
	now, err := w.db.Resolve("refs/heads/" + branch)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.MoveRef("refs/heads/"+branch, now, before); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), w.determining, w.now, determination("c")); !errors.Is(err, gitdb.ErrRewound) {
		t.Errorf("append to a ledger that went back: %v, want %v", err, gitdb.ErrRewound)
	}
}

package loop_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/review"
)

// refs are the references that an engine run moves, in the order of their moves.
func (w *world) refs() map[string]gitdb.OID {
	w.t.Helper()
	out := map[string]gitdb.OID{}
	list, err := w.db.Refs("refs/")
	must(w.t, err)
	for _, r := range list {
		out[r.Name] = r.OID
	}
	return out
}

// A crash after any durable write of a determination leaves what the next run
// completes: one merge, one record.
func TestACrashAtAnyWriteOfADeterminationIsCompleted(t *testing.T) {
	for _, verdict := range []review.Verdict{review.Approve, review.Deny} {
		t.Run(string(verdict), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.ask("ana-1", "ana", pipeline, "30d")
			w.review("ana-1", "kim", verdict, "so be it")
			before := w.copied()
			w.determine()
			after := w.refs()
			log := "refs/assent/pr/ana-1"
			middle := parentOf(t, w.db, after[log]) // of the two events that a run appends
			steps := []struct {
				ref string
				to  gitdb.OID
			}{{mainRef, after[mainRef]}, {log, middle}, {bookRef, after[bookRef]}, {log, after[log]}}
			if verdict == review.Deny {
				steps[0], steps[1], steps[2] = steps[2], struct {
					ref string
					to  gitdb.OID
				}{log, middle}, steps[0]
			}
			for k := range len(steps) + 1 {
				c := before.copied()
				must(t, copyObjects(w.path("governance.git"), c.path("governance.git")))
				c.connect()
				for _, s := range steps[:k] {
					must(t, c.db.MoveRef(s.ref, c.refs()[s.ref], s.to))
				}
				for range 2 {
					c.determine()
				}
				want := []string{"ana-1 temporarily-approved"}
				if verdict == review.Deny {
					want = []string{"ana-1 denied"}
				}
				if diff := cmp.Diff(want, c.outcomes("ana-1")); diff != "" {
					t.Errorf("after %d writes: records (-want +got):\n%s", k, diff)
				}
				first, _, err := c.db.FirstParents(c.tip(mainRef), before.tip(mainRef))
				must(t, err)
				if want := map[review.Verdict]int{review.Approve: 1, review.Deny: 0}[verdict]; len(first) != want {
					t.Errorf("after %d writes: %d merges, want %d", k, len(first), want)
				}
				if got := c.custody(); len(got.Findings) != 0 {
					t.Errorf("after %d writes: findings %s", k, codes(got.Findings))
				}
			}
		})
	}
}

func parentOf(t testing.TB, db *gitdb.DB, oid gitdb.OID) gitdb.OID {
	t.Helper()
	c, err := db.Commit(oid)
	must(t, err)
	return c.Parents[0]
}

// copyObjects adds the objects of one repository to another.
func copyObjects(from, to string) error {
	return filepath.WalkDir(filepath.Join(from, "objects"), func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if _, err := os.Stat(target); err == nil {
			return nil
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, raw, 0o444)
	})
}

// stopping is a forge that dies before or after one of its calls.
type stopping struct {
	forge.Forge
	calls, stop int
	after       bool
	between     func() // before the merge
}

var errCrash = errors.New("the process died")

func (s *stopping) call(f func() error) error {
	s.calls++
	if s.calls == s.stop && !s.after {
		return errCrash
	}
	err := f()
	if s.calls == s.stop && s.after {
		return errCrash
	}
	return err
}

func (s *stopping) Publish(ctx context.Context, id string, r forge.Report) error {
	return s.call(func() error { return s.Forge.Publish(ctx, id, r) })
}

func (s *stopping) Close(ctx context.Context, id, reason string) error {
	return s.call(func() error { return s.Forge.Close(ctx, id, reason) })
}

func (s *stopping) Merge(ctx context.Context, id string, want forge.Want) (m forge.Merged, err error) {
	if s.between != nil {
		s.between()
		s.between = nil
	}
	err = s.call(func() error { m, err = s.Forge.Merge(ctx, id, want); return err })
	return m, err
}

func TestACrashAtAnyCallOfTheForgeIsCompleted(t *testing.T) {
	t.Parallel()
	for _, verdict := range []review.Verdict{review.Approve, review.Deny} {
		for stop := 1; stop <= 2; stop++ {
			for _, after := range []bool{false, true} {
				w := newWorld(t, nil)
				w.ask("ana-1", "ana", pipeline, "30d")
				w.review("ana-1", "kim", verdict, "so be it")
				f := &stopping{Forge: w.forge, stop: stop, after: after}
				out, err := w.determiner(f).All(t.Context())
				must(t, err)
				if f.calls != stop || out[0].Err == "" {
					t.Fatalf("%s: it did not die at call %d: %+v", verdict, stop, out)
				}
				w.connect()
				w.determine()
				w.determine()
				if n := len(w.outcomes("ana-1")); n != 1 {
					t.Errorf("%s, stopped at %d (after: %v): %d records, want 1", verdict, stop, after, n)
				}
				if facts, err := w.forge.Observe(t.Context(), "ana-1"); err != nil || facts.State == review.StateOpen {
					t.Errorf("%s, stopped at %d (after: %v): it is %s %v", verdict, stop, after, facts.State, err)
				}
			}
		}
	}
}

// The base moves between the judgement and the merge: it is judged again on the
// new base, and merged there.
func TestABaseThatMovesBeforeTheMergeIsJudgedAgain(t *testing.T) {
	t.Run("by something else", func(t *testing.T) {
		w := newWorld(t, nil)
		w.ask("ana-1", "ana", pipeline, "30d")
		w.approve("ana-1", "kim")
		f := &stopping{Forge: w.forge, between: func() {
			w.byHand(map[string][]byte{"directory/groups/analysts.yaml": w.replaced("directory/groups/analysts.yaml", "Analysts", "All analysts")})
		}}
		out, err := w.determiner(f).All(t.Context())
		must(t, err)
		if out[0].Err != "" || len(out[0].Records) != 1 {
			t.Fatalf("%+v", out[0])
		}
		if c := w.custody(); len(c.Approvals) != 1 || len(c.Findings) != 0 {
			t.Errorf("%d approvals, findings %s", len(c.Approvals), codes(c.Findings))
		}
	})
	t.Run("by the removal of the steward who approved", func(t *testing.T) {
		w := newWorld(t, nil)
		w.ask("ana-1", "ana", pipeline, "30d")
		w.approve("ana-1", "kim")
		f := &stopping{Forge: w.forge, between: func() {
			w.byHand(map[string][]byte{"directory/groups/finance-stewards.yaml": w.replaced("directory/groups/finance-stewards.yaml", "    - user: kim\n", "")})
		}}
		before := len(w.records(ledger.TypeDetermination))
		out, err := w.determiner(f).All(t.Context())
		must(t, err)
		if out[0].Judgement.Outcome != review.Pending || len(w.records(ledger.TypeDetermination)) != before {
			t.Fatalf("%+v", out[0])
		}
	})
}

// Several determiners at once, each a process of its own: one merge, one record.
func TestDeterminersAtOnceRecordOnce(t *testing.T) {
	t.Parallel()
	for range 3 {
		w := newWorld(t, nil)
		w.ask("ana-1", "ana", pipeline, "30d")
		w.approve("ana-1", "kim")
		w.ask("ben-1", "ben", pipeline, "30d")
		w.review("ben-1", "kim", review.Deny, "no")
		var group sync.WaitGroup
		for range 3 {
			c := *w
			c.connect()
			group.Go(func() { _, _ = c.det.All(t.Context()) }) // who loses a race may say so
		}
		group.Wait()
		w.connect()
		w.determine()
		if diff := cmp.Diff([]string{"ana-1 temporarily-approved"}, w.outcomes("ana-1")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"ben-1 denied"}, w.outcomes("ben-1")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	}
}

// A record that rests on a position is not appended after another one.
func TestARecordIsAppendedAfterThePositionItRestsOnOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	head, err := w.book.Head(t.Context())
	must(t, err)
	draft := ledger.Draft{Type: ledger.TypeObservation, Body: ledger.ObservationBody{Code: "note", Detail: "x"}}
	other := *w
	other.connect()
	other.append("reconciling", draft)
	if _, err := w.book.AppendAfter(t.Context(), w.keys["reconciling"], w.clock, head, draft); !errors.Is(err, gitdb.ErrMoved) {
		t.Errorf("got %v, want ErrMoved", err)
	}
	head, err = w.book.Head(t.Context())
	must(t, err)
	if _, err := w.book.AppendAfter(t.Context(), w.keys["reconciling"], w.clock, head, draft); err != nil {
		t.Error(err)
	}
	if n := len(w.observations()); n != 2 {
		t.Errorf("%d observations, want 2", n)
	}
}

package loop_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
)

// R9, R11: whatever happens to main or the ledger, nothing is granted and
// nothing revoked, but what ends; then what was broken is mended.
func TestBrokenGroundFreezesEverythingButEnds(t *testing.T) {
	t.Parallel()
	var undo func(w *world)
	restore := func(w *world, ref string) {
		was := w.tip(ref)
		undo = func(w *world) {
			must(w.t, w.db.MoveRef(ref, w.tip(ref), was))
		}
	}
	cases := []struct {
		name string
		harm func(w *world)
		mend func(w *world) // restores references where nil
	}{
		{"assent.yaml missing", func(w *world) { w.byHand(map[string][]byte{"assent.yaml": nil}) },
			func(w *world) { w.byHand(map[string][]byte{"assent.yaml": w.quickFile("assent.yaml")}) }},
		{"assent.yaml unreadable", func(w *world) { w.byHand(map[string][]byte{"assent.yaml": []byte("kind: [")}) },
			func(w *world) { w.byHand(map[string][]byte{"assent.yaml": w.quickFile("assent.yaml")}) }},
		{"a request unreadable", func(w *world) { w.byHand(map[string][]byte{requestFile("ben-1", pipeline): []byte("kind: [")}) },
			func(w *world) {
				w.byHand(map[string][]byte{requestFile("ben-1", pipeline): w.request("ben-1", "ben", pipeline, "60d")})
			}},
		{"a product unreadable", func(w *world) { w.byHand(map[string][]byte{"products/sales-pipeline.yaml": []byte("kind: [")}) },
			func(w *world) {
				w.byHand(map[string][]byte{"products/sales-pipeline.yaml": w.quickFile("products/sales-pipeline.yaml")})
			}},
		{"the connection unreadable", func(w *world) { w.byHand(map[string][]byte{"connections/warehouse.yaml": []byte("kind: [")}) },
			func(w *world) {
				w.byHand(map[string][]byte{"connections/warehouse.yaml": w.quickFile("connections/warehouse.yaml")})
			}},
		{"empty tree on main", func(w *world) {
			restore(w, mainRef)
			tip := w.tip(mainRef)
			who := gitdb.Person{Name: "x", Email: "x@example.com", When: w.clock}
			oid, err := w.db.WriteCommit(gitdb.Commit{Tree: gitdb.EmptyTree, Parents: []gitdb.OID{tip}, Author: who, Committer: who, Message: "gone\n"}, nil)
			must(w.t, err)
			must(w.t, w.db.MoveRef(mainRef, tip, oid))
		}, nil},
		{"main rewritten", func(w *world) {
			restore(w, mainRef)
			tip := w.tip(mainRef)
			other := w.commit(w.before(tip, 3), map[string][]byte{"docs.txt": []byte("x\n")})
			must(w.t, w.db.MoveRef(mainRef, tip, other))
		}, nil},
		{"main rolled back", func(w *world) {
			restore(w, mainRef)
			tip := w.tip(mainRef)
			must(w.t, w.db.MoveRef(mainRef, tip, w.before(tip, 2)))
		}, nil},
		{"main gone", func(w *world) { restore(w, mainRef); must(w.t, w.db.MoveRef(mainRef, w.tip(mainRef), "")) },
			func(w *world) { must(w.t, w.db.MoveRef(mainRef, "", w.gone)) }},
		{"ledger rolled back", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			must(w.t, w.db.MoveRef(bookRef, tip, w.before(tip, 2)))
		}, nil},
		{"ledger rolled back, and the high-water mark lost", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			must(w.t, w.db.MoveRef(bookRef, tip, w.before(tip, 3))) // to before what the platform has seen
			must(w.t, os.Remove(w.path("high-water.json")))
		}, nil},
		{"ledger rolled back and grown again to its length, and the high-water mark lost", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			was := len(w.all())
			must(w.t, w.db.MoveRef(bookRef, tip, w.before(tip, 3))) // to before what the platform has seen
			w.connect()
			for len(w.all()) < was+3 {
				w.append("reconciling", ledger.Draft{Type: ledger.TypeObservation, Body: ledger.ObservationBody{Code: "pad", Detail: fmt.Sprint(len(w.all()))}})
			}
			must(w.t, os.Remove(w.path("high-water.json")))
		}, nil},
		{"ledger gone", func(w *world) { restore(w, bookRef); must(w.t, w.db.MoveRef(bookRef, w.tip(bookRef), "")) },
			func(w *world) { must(w.t, w.db.MoveRef(bookRef, "", w.gone)) }},
		{"ledger with a stray file", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			must(w.t, w.db.MoveRef(bookRef, tip, w.commit(tip, map[string][]byte{"records/note.txt": []byte("x\n")})))
		}, nil},
		{"high-water mark damaged", func(w *world) { must(w.t, os.WriteFile(w.path("high-water.json"), []byte("{"), 0o600)) },
			func(w *world) { must(w.t, os.Remove(w.path("high-water.json"))) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			undo = nil
			w := newWorld(t, nil)
			w.settled()
			w.granted("ana-1", "ana", pipeline, "30d")
			w.settled()
			w.granted("ben-1", "ben", pipeline, "60d")
			w.settled()
			w.ask("kim-1", "kim", pipeline, "60d")
			w.approve("kim-1", "raj")
			w.determine() // approved, and not granted yet
			w.gone = w.tip(mainRef)
			if strings.HasPrefix(c.name, "ledger") {
				w.gone = w.tip(bookRef)
			}
			c.harm(w)
			for _, fresh := range []bool{false, true} {
				if fresh {
					w.connect()
				}
				rep, err := w.rec.Once(t.Context())
				if err != nil || rep.Frozen == "" || rep.Settled() {
					t.Fatalf("not frozen: %q %v", rep.Frozen, err)
				}
				w.want("ana", pipeline, true)
				w.want("ben", pipeline, true)
				w.want("kim", pipeline, false)
			}
			w.clock = begin.AddDate(0, 0, 30)
			rep, err := w.rec.Once(t.Context())
			if err != nil || rep.Frozen == "" {
				t.Fatalf("not frozen: %q %v", rep.Frozen, err)
			}
			w.want("ana", pipeline, false)
			w.want("ben", pipeline, true)
			w.want("kim", pipeline, false)
			if c.mend != nil {
				c.mend(w)
			} else {
				undo(w)
			}
			w.connect()
			w.settled()
			w.want("ana", pipeline, false)
			w.want("ben", pipeline, true)
			w.want("kim", pipeline, true)
			w.truth()
			w.quiet()
		})
	}
}

// before is the nth first parent of a commit.
func (w *world) before(oid gitdb.OID, n int) gitdb.OID {
	w.t.Helper()
	for range n {
		oid = parentOf(w.t, w.db, oid)
	}
	return oid
}

func (w *world) all() []ledger.Verified {
	w.t.Helper()
	return w.records(ledger.TypeSeal, ledger.TypeDetermination, ledger.TypeRevocation, ledger.TypeApplied, ledger.TypeRevoked, ledger.TypeObservation, ledger.TypeOverride, ledger.TypeCheckpoint)
}

// Without a high-water mark and without settings on main nothing is known, not
// even a connection: that is an error, and nothing happens.
func TestAFirstRoundOnAnEmptyMainIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	must(t, os.Remove(w.path("high-water.json")))
	w.byHand(map[string][]byte{"assent.yaml": nil})
	w.connect()
	if _, err := w.rec.Once(t.Context()); err == nil {
		t.Error("no error")
	}
	w.want("ana", pipeline, true)
}

// A freeze is told of once in a ledger that holds, and a ledger that does not
// hold is left as it is.
func TestAFreezeIsRecordedOnceWhereTheLedgerHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.settled()
	w.byHand(map[string][]byte{"requests/sales-pipeline/x.yaml": []byte("kind: [")})
	w.reconcile()
	w.reconcile()
	if got := strings.Join(w.observations(), " "); got != "frozen" {
		t.Errorf("observations %q, want one freeze", got)
	}
	w.byHand(map[string][]byte{"requests/sales-pipeline/x.yaml": nil})
	w.settled()
	tip := w.tip(bookRef)
	back := parentOf(t, w.db, tip)
	must(t, w.db.MoveRef(bookRef, tip, back))
	w.connect()
	w.reconcile()
	if got := w.tip(bookRef); got != back {
		t.Errorf("a rolled-back ledger grew from %s to %s", back, got)
	}
}

// Threat 14: what is pushed past the pull requests gives nothing, and each
// commit and request is told of once.
func TestWhatIsPushedPastThePullRequestsGivesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.settled()
	w.granted("ben-1", "ben", pipeline, "60d")
	for i := range 3 {
		name := fmt.Sprintf("ana-%d", i)
		w.byHand(map[string][]byte{requestFile(name, pipeline): w.request(name, "ana", pipeline, "30d")})
	}
	for range 2 {
		w.settled()
		w.want("ana", pipeline, false)
		w.want("ben", pipeline, true)
	}
	count := map[string]int{}
	for _, code := range w.observations() {
		count[code]++
	}
	if diff := cmp.Diff(map[string]int{"merged-unapproved": 3, "no-record": 3}, count); diff != "" {
		t.Errorf("observations (-want +got):\n%s", diff)
	}
	w.quiet()
}

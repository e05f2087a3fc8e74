package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
)

// Two processes, here two DBs on one directory, append at the same time: the
// chain is dense and nothing is lost.
func TestRacingWritersLoseNothing(t *testing.T) {
	w := newWorld(t)
	const each = 12
	var wg sync.WaitGroup
	for writer := range 2 {
		l := w.open()
		wg.Go(func() {
			for i := range each {
				signer, d := w.determining, determination(fmt.Sprintf("w%d-%d", writer, i))
				if writer == 1 {
					signer, d = w.reconciling, draftOf(ledger.TypeApplied, w)
					d.Subject.Request = fmt.Sprintf("w%d-%d", writer, i)
				}
				out, err := l.Append(t.Context(), signer, w.now, d)
				if err != nil {
					t.Errorf("writer %d: %v", writer, err)
					return
				}
				if out[0].Subject.Request != d.Subject.Request {
					t.Errorf("writer %d got the record of %s", writer, out[0].Subject.Request)
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
		t.Fatalf("got %d records, want %d", len(records), 1+2*each)
	}
	next := [2]int{}
	for i, v := range records[1:] {
		var writer, n int
		if _, err := fmt.Sscanf(v.Subject.Request, "w%d-%d", &writer, &n); err != nil {
			t.Fatal(err)
		}
		if v.Seq != uint64(i+2) || n != next[writer] {
			t.Errorf("record %d is %s, want w%d-%d", v.Seq, v.Subject.Request, writer, next[writer])
		}
		next[writer]++
	}
}

func TestInitOnlyOnce(t *testing.T) {
	w := newWorld(t)
	if err := w.open().Init(t.Context(), w.root, w.seal(), w.now); err == nil {
		t.Error("a second Init replaced the ledger")
	}
	db, err := gitdb.Init(t.TempDir(), "main", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Open(db, w.trust).Init(t.Context(), w.determining, w.seal(), w.now); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("Init without a pinned root key: got %v, want ErrKey", err)
	}
}

func TestAppendRefusesABodyOfAnotherType(t *testing.T) {
	w := newWorld(t)
	for _, d := range []ledger.Draft{
		{Type: ledger.TypeDetermination, Subject: ledger.Subject{Request: "a"}, Body: ledger.ObservationBody{Code: "x"}},
		{Type: ledger.TypeDetermination, Subject: ledger.Subject{Request: "a"}},
		{Type: "rumour", Body: ledger.ObservationBody{Code: "x"}},
		{Type: ledger.TypeDetermination, Subject: ledger.Subject{Request: "a"}, Body: map[string]any{"outcome": 1.5}},
	} {
		if _, err := w.ledger.Append(t.Context(), w.determining, w.now, d); err == nil {
			t.Errorf("appended %+v", d)
		}
	}
	if _, err := w.ledger.Append(t.Context(), w.determining, w.now); err == nil {
		t.Error("appended nothing")
	}
	if head, err := w.ledger.Head(t.Context()); err != nil || head.Seq != 1 {
		t.Errorf("head %+v, %v", head, err)
	}
}

// Following verifies only what is new, but a change of what was verified, in the
// tree or in the history, is found.
func TestFollowerFindsARewrittenPrefix(t *testing.T) {
	ref := func(w *world) string { return filepath.Join(w.dir, ".git/refs/heads", branch) }
	point := func(w *world, l *ledger.Ledger) { // the branch takes what branchOf made
		tip, err := w.db.Resolve("refs/heads/tampered")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ref(w), []byte(tip+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("history", func(t *testing.T) { // the same files under another root commit
		w := grown(t)
		point(w, w.branchOf(w.files()))
		if got := codeOf(t, w.ledger); got != ledger.CodeRewritten {
			t.Errorf("got %q, want rewritten", got)
		}
		if got := codeOf(t, w.open()); got != "" {
			t.Errorf("a new reader, who cannot know: got %q", got)
		}
	})
	t.Run("tree", func(t *testing.T) { // a descendant commit that replaces a record
		w := grown(t)
		tip, err := w.db.Resolve("refs/heads/" + branch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.ledger.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := w.files()
		p := f.records()[4]
		w.put(f, p, []byte("{}\n"))
		tree, err := w.db.WriteTree(w.tree(), []gitdb.Edit{{Path: p, OID: f[p].OID}})
		if err != nil {
			t.Fatal(err)
		}
		commit, err := w.db.WriteCommit(gitdb.Commit{Tree: tree, Parents: []gitdb.OID{tip}, Message: "x\n"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.db.MoveRef("refs/heads/"+branch, tip, commit); err != nil {
			t.Fatal(err)
		}
		if got := codeOf(t, w.ledger); got != ledger.CodeRewritten {
			t.Errorf("got %q, want rewritten", got)
		}
	})
}

func TestSinceYieldsOnlyWhatIsNew(t *testing.T) {
	w := newWorld(t)
	w.append(w.determining, determination("a"), determination("b"))
	l := w.open()
	var got []string
	read := func(after uint64) {
		for v, err := range l.Since(t.Context(), after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v.Subject.Request)
		}
	}
	read(2)
	read(3)
	w.append(w.determining, determination("c"))
	read(3)
	if s := strings.Join(got, " "); s != "b c" {
		t.Errorf("got %q, want b c", s)
	}
	for _, err := range l.Since(t.Context(), 9) {
		if !errors.Is(err, ledger.ErrRolledBack) {
			t.Errorf("after a record that is gone: got %v, want ErrRolledBack", err)
		}
	}
}

// In a fresh clone the ledger is origin's branch; appending starts our own.
func TestAppendInACloneFollowsOrigin(t *testing.T) {
	w := newWorld(t)
	w.append(w.determining, determination("a"))
	a := newAuditor(t, w.dir)
	a.run("git", "checkout", "-q", "--detach")
	a.run("git", "branch", "-q", "-D", branch)
	db, err := gitdb.Open(a.clone)
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.Open(db, w.trust)
	if head, err := l.Head(t.Context()); err != nil || head.Seq != 2 {
		t.Fatalf("head %+v, %v", head, err)
	}
	for _, name := range []string{"b", "c"} {
		if _, err := l.Append(t.Context(), w.determining, w.now, determination(name)); err != nil {
			t.Fatal(err)
		}
	}
	a.run("git", "push", "-q", "origin", branch)
	if head, err := w.ledger.Head(t.Context()); err != nil || head.Seq != 4 {
		t.Errorf("after the push: head %+v, %v", head, err)
	}
	a.run("git", "merge-base", "--is-ancestor", "refs/remotes/origin/"+branch, branch)
}

// A reader may append while it reads.
func TestReplayHoldsNoLockWhileYielding(t *testing.T) {
	w := newWorld(t)
	n := 0
	for _, err := range w.ledger.Replay(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		w.append(w.determining, determination("x"))
	}
	if n != 1 {
		t.Errorf("replay saw %d records, want the one that was there when it began", n)
	}
}

package gitdb_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/gitdb"
)

func TestMoveRefIsCompareAndSwap(t *testing.T) {
	db, o := newRepo(t)
	a := commit(t, db, map[string]string{"f": "a"})
	b := commit(t, db, map[string]string{"f": "b"}, a)
	const ref = "refs/heads/assent/ledger"
	moved := func(old, to gitdb.OID, want error) {
		t.Helper()
		if err := db.MoveRef(ref, old, to); !errors.Is(err, want) {
			t.Errorf("from %q to %q: got %v, want %v", old, to, err, want)
		}
	}
	at := func(want gitdb.OID) {
		t.Helper()
		out, _ := o.try(nil, "rev-parse", "--verify", "-q", ref)
		if got := gitdb.OID(strings.TrimSpace(out)); got != want {
			t.Errorf("git sees %q, want %q", got, want)
		}
		if got, err := o.open().Resolve(ref); got != want || want == "" && !errors.Is(err, gitdb.ErrNotFound) {
			t.Errorf("we see %q, %v, want %q", got, err, want)
		}
	}
	moved(a, b, gitdb.ErrMoved)
	at("")
	moved("", a, nil)
	at(a)
	moved("", b, gitdb.ErrMoved)
	moved(b, a, gitdb.ErrMoved)
	at(a)
	moved(a, b, nil)
	at(b)
	o.git("pack-refs", "--all", "--prune")
	at(b)
	moved("", a, gitdb.ErrMoved)
	moved(a, b, gitdb.ErrMoved)
	moved(b, a, nil)
	at(a) // the loose reference hides the packed one
	moved(b, "", gitdb.ErrMoved)
	moved(a, "", nil)
	at("") // and the packed one does not come back
	moved(a, "", gitdb.ErrMoved)
	moved("", b, nil)
	at(b)
	if left, err := filepath.Glob(filepath.Join(o.dir, ".git/refs/heads/assent/*.lock")); err != nil || len(left) > 0 {
		t.Errorf("locks left: %v, %v", left, err)
	}
	o.git("fsck", "--strict")
}

func TestMoveRefRefusesWhatIsNoReferenceOrNoObject(t *testing.T) {
	db, o := newRepo(t)
	a := commit(t, db, map[string]string{"f": "a"})
	for _, name := range []string{"", "main", "HEAD", "refs/heads/../../config", "refs/heads/a..b", "refs/heads/", "refs/heads/a.lock", "refs/heads/a b", "/refs/heads/a", "refs/heads/\x00"} {
		if err := db.MoveRef(name, "", a); err == nil {
			t.Errorf("moved %q", name)
		}
	}
	if err := db.MoveRef("refs/heads/x", "", "1111111111111111111111111111111111111111"); !errors.Is(err, gitdb.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	// A torn reference is an error, and not an absent one.
	if err := os.WriteFile(filepath.Join(o.dir, ".git/refs/heads/torn"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.MoveRef("refs/heads/torn", "", a); err == nil || errors.Is(err, gitdb.ErrMoved) {
		t.Errorf("torn reference: got %v", err)
	}
	if _, err := db.Resolve("refs/heads/torn"); err == nil || errors.Is(err, gitdb.ErrNotFound) {
		t.Errorf("torn reference: got %v", err)
	}
}

// Eight goroutines on two DBs count up by compare-and-swap while git packs the
// references and moves the same one: every success is one step of the history.
func TestMoveRefLosesNoUpdate(t *testing.T) {
	db, o := newRepo(t)
	const ref = "refs/heads/count"
	root := commit(t, db, map[string]string{"n": "0"})
	if err := db.MoveRef(ref, "", root); err != nil {
		t.Fatal(err)
	}
	dbs := []*gitdb.DB{db, o.open()}
	const goroutines, each = 8, 4
	var lost atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		db := dbs[g%2]
		wg.Go(func() {
			for i := 0; i < each; {
				tip, err := db.Resolve(ref)
				if err != nil {
					t.Error(err)
					return
				}
				err = db.MoveRef(ref, tip, commit(t, db, map[string]string{"n": fmt.Sprint(g, i)}, tip))
				switch {
				case err == nil:
					i++
				case errors.Is(err, gitdb.ErrMoved):
					lost.Add(1)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	byGit := 0
	for i := 0; byGit < 5 && i < 1000; i++ {
		tip := o.git("rev-parse", ref)
		next := o.git("commit-tree", "-p", tip, "-m", "git", o.git("rev-parse", tip+"^{tree}"))
		if _, err := o.try(nil, "update-ref", ref, next, tip); err == nil {
			byGit++
		}
		_, _ = o.try(nil, "pack-refs", "--all") // may find the reference locked
	}
	wg.Wait()
	commits, _, err := o.open().FirstParents(must[gitdb.OID](t)(db.Resolve(ref)), root)
	if err != nil {
		t.Fatal(err)
	}
	if len(commits) != goroutines*each+byGit {
		t.Errorf("%d steps in the history, want %d and %d by git (%d races lost)", len(commits), goroutines*each, byGit, lost.Load())
	}
}

// Git refuses to move a reference while we hold its lock, and the lock of a
// process of ours that was killed is taken away; git's own is respected.
func TestLocksOfTheKilled(t *testing.T) {
	db, o := newRepo(t)
	a := commit(t, db, map[string]string{"f": "a"})
	const ref = "refs/heads/x"
	if err := db.MoveRef(ref, "", a); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(o.dir, ".git", ref+".lock")
	draft := filepath.Join(o.dir, ".git/assent-locks/refs%heads%x.draft")
	if err := os.WriteFile(draft, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(draft, lock); err != nil {
		t.Fatal(err)
	}
	b := commit(t, db, map[string]string{"f": "b"}, a)
	if _, err := o.try(nil, "update-ref", ref, string(b), string(a)); err == nil {
		t.Error("git moved a reference that is locked")
	}
	if err := db.MoveRef(ref, a, b); err != nil {
		t.Errorf("our own stale lock: %v", err)
	}
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.MoveRef(ref, b, a); err == nil || !strings.Contains(err.Error(), lock) {
		t.Errorf("git's lock: got %v, want an error that names it", err)
	}
	if got := o.git("rev-parse", ref); got != string(b) {
		t.Errorf("the reference moved to %s", got)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := db.MoveRef(ref, b, a); err != nil {
		t.Error(err)
	}
}

func TestResolve(t *testing.T) {
	db, o := newRepo(t)
	a := commit(t, db, map[string]string{"f": "a"})
	b := commit(t, db, map[string]string{"f": "b"}, a)
	if err := db.MoveRef("refs/heads/main", "", b); err != nil {
		t.Fatal(err)
	}
	o.git("tag", "light", string(a))
	o.git("tag", "-a", "-m", "x", "heavy", string(a))
	o.git("tag", "-a", "-m", "x", "heavier", "heavy")
	o.git("tag", "main", string(a)) // a branch comes before a tag of the same name
	o.git("update-ref", "refs/remotes/origin/other", string(a))
	o.git("update-ref", "refs/tags/refs/heads/ghost", string(a))
	o.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
	o.git("tag", "tree", string(a)+"^{tree}")
	for _, packed := range []bool{false, true} {
		for rev, want := range map[string]gitdb.OID{
			"HEAD": b, "main": b, "refs/heads/main": b, "light": a, "heavy": a, "heavier": a, "refs/tags/main": a,
			"other": a, "refs/remotes/origin/other": a, string(a): a, "HEAD~1": a, "main^": a, "refs/heads/main~1": a, "alias": b,
			o.git("rev-parse", "heavier"): a,
		} {
			if got, err := db.Resolve(rev); err != nil || got != want {
				t.Errorf("packed %v: %s is %s, %v, want %s", packed, rev, got, err, want)
			}
		}
		for _, rev := range []string{
			"", "nothing", "refs/heads/nothing", "refs/heads/ghost", "refs/heads/other", "HEAD~9", "tree", "../HEAD", "-x", "@{-1}",
			"1111111111111111111111111111111111111111", o.git("rev-parse", string(a)+"^{tree}"),
		} {
			if got, err := db.Resolve(rev); !errors.Is(err, gitdb.ErrNotFound) {
				t.Errorf("packed %v: %q is %s, %v, want ErrNotFound", packed, rev, got, err)
			}
		}
		o.git("pack-refs", "--all", "--prune")
	}
}

func TestRefsEqualsForEachRef(t *testing.T) {
	db, o := newRepo(t)
	a := commit(t, db, map[string]string{"f": "a"})
	for i, name := range []string{"refs/heads/b", "refs/heads/a/x", "refs/heads/a.b", "refs/tags/t", "refs/heads/c"} {
		if err := db.MoveRef(name, "", a); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			o.git("pack-refs", "--all", "--prune")
		}
	}
	b := commit(t, db, map[string]string{"f": "b"})
	if err := db.MoveRef("refs/heads/b", a, b); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "refs/heads/", "refs/heads/a", "refs/none"} {
		refs, err := db.Refs(prefix)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, r := range refs {
			got = append(got, string(r.OID)+" "+r.Name)
		}
		for _, line := range strings.Split(o.git("for-each-ref", "--format=%(objectname) %(refname)"), "\n") {
			if strings.HasPrefix(line[41:], prefix) {
				want = append(want, line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", prefix, diff)
		}
	}
}

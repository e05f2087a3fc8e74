package ledger_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
)

func (w *world) commitMain(parent gitdb.OID, name string) gitdb.OID {
	w.t.Helper()
	blob, err := w.db.WriteBlob([]byte(name))
	if err != nil {
		w.t.Fatal(err)
	}
	tree, err := w.db.WriteTree("", []gitdb.Edit{{Path: name, OID: blob}})
	if err != nil {
		w.t.Fatal(err)
	}
	c := gitdb.Commit{Tree: tree, Message: name + "\n"}
	if parent != "" {
		c.Parents = []gitdb.OID{parent}
	}
	id, err := w.db.WriteCommit(c, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestRollbackBehindTheHighWaterIsFound(t *testing.T) {
	w := newWorld(t)
	main := w.commitMain("", "a")
	if err := w.db.MoveRef("refs/heads/main", "", main); err != nil {
		t.Fatal(err)
	}
	w.append(w.determining, determination("a"))
	early, err := w.db.Resolve("refs/heads/" + branch)
	if err != nil {
		t.Fatal(err)
	}
	w.append(w.determining, determination("b"))
	tip, err := w.db.Resolve("refs/heads/" + branch)
	if err != nil {
		t.Fatal(err)
	}
	hw, err := w.ledger.HighWater(t.Context(), "refs/heads/main")
	if err != nil {
		t.Fatal(err)
	}
	if hw.Ledger.Seq != 3 || hw.Tip != tip || hw.Main != main {
		t.Fatalf("high water %+v", hw)
	}
	move := func(ref string, from, to gitdb.OID) {
		t.Helper()
		if err := w.db.MoveRef(ref, from, to); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, want error) {
		t.Helper()
		if err := w.open().CheckHighWater(t.Context(), hw); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	check("unchanged", nil)

	move("refs/heads/"+branch, tip, early)
	check("ledger rolled back", ledger.ErrRolledBack)
	if err := w.ledger.CheckHighWater(t.Context(), hw); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("ledger rolled back under a running process: got %v, want ErrRolledBack", err)
	}
	w.ledger = w.open()
	w.append(w.determining, determination("other"))
	check("another record in the place of the last", ledger.ErrRolledBack)
	// A platform remembers the mark alone.
	if err := w.open().CheckHighWater(t.Context(), ledger.HighWater{Ledger: hw.Ledger}); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("another record in the place of the last, by its mark: got %v, want ErrRolledBack", err)
	}
	other, _ := w.db.Resolve("refs/heads/" + branch)
	move("refs/heads/"+branch, other, "")
	check("ledger deleted", ledger.ErrRolledBack)
	move("refs/heads/"+branch, "", tip)
	check("restored", nil)

	next := w.commitMain(main, "b")
	move("refs/heads/main", main, next)
	check("main grown", nil)
	move("refs/heads/main", next, w.commitMain("", "b"))
	check("main rewritten", ledger.ErrRolledBack)
	rewritten, _ := w.db.Resolve("refs/heads/main")
	move("refs/heads/main", rewritten, "")
	check("main deleted", ledger.ErrRolledBack)
}

func TestHighWaterOfAnEmptyStartChecksNothing(t *testing.T) {
	w := newWorld(t)
	if err := w.ledger.CheckHighWater(t.Context(), ledger.HighWater{}); err != nil {
		t.Error(err)
	}
}

func TestHighWaterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "high-water.json")
	if _, err := ledger.LoadHighWater(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want ErrNotExist", err)
	}
	want := ledger.HighWater{Ledger: ledger.Mark{Seq: 7, Digest: ledger.DigestOf(nil)}, Tip: gitdb.EmptyTree, MainRef: "refs/heads/main", Main: gitdb.EmptyTree}
	for range 2 {
		if err := ledger.SaveHighWater(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ledger.LoadHighWater(path)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
	for _, torn := range []string{"", "{", "{}x", `{"more": 1}`} {
		if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		if hw, err := ledger.LoadHighWater(path); err == nil {
			t.Errorf("%q was read as %+v", torn, hw)
		}
	}
}

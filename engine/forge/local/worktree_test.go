package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func (w *world) put(path, content string) {
	w.t.Helper()
	at := filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o750); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clean() {
	w.t.Helper()
	if out := w.git("status", "--porcelain"); out != "" {
		w.t.Errorf("work tree is not clean:\n%s", out)
	}
}

func TestMergeRefusesAWorkTreeInTheWay(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"changed file":            func(w *world) { w.put("forms/standard.yaml", "mine\n") },
		"staged file":             func(w *world) { w.put("forms/standard.yaml", "mine\n"); w.git("add", "-A") },
		"staged new file":         func(w *world) { w.put("forms/new.yaml", "mine\n"); w.git("add", "-A") },
		"deleted file":            func(w *world) { w.git("rm", "-q", "forms/standard.yaml") },
		"untracked file in place": func(w *world) { w.put("requests/one.yaml", "mine\n") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false)
			w.open("one")
			want := wantOf(w.observe("one"))
			spoil(w)
			before := w.git("status", "--porcelain")
			if _, err := w.forge().Merge(t.Context(), "one", want); !errors.Is(err, ErrDirty) {
				t.Errorf("merge: %v, want %v", err, ErrDirty)
			}
			if w.git("rev-parse", "main") != want.Base || w.git("status", "--porcelain") != before {
				t.Error("the refused merge changed something")
			}
			w.git("reset", "-q", "--hard")
			w.git("clean", "-fdq")
			if _, err := w.forge().Merge(t.Context(), "one", want); err != nil {
				t.Errorf("merge after tidying up: %v", err)
			}
			w.clean()
		})
	}
}

func TestMergeLeavesOtherFilesAndBranchesAlone(t *testing.T) {
	w := newWorld(t, false)
	w.open("one")
	w.open("two")
	w.put("notes.txt", "mine\n") // untracked and not in the way
	if _, err := w.forge().Merge(t.Context(), "one", wantOf(w.observe("one"))); err != nil {
		t.Fatal(err)
	}
	if out := w.git("status", "--porcelain"); out != "?? notes.txt" {
		t.Errorf("status %q", out)
	}
	w.git("checkout", "-q", "-b", "mine")
	w.put("forms/standard.yaml", "mine\n")
	if _, err := w.forge().Merge(t.Context(), "two", wantOf(w.observe("two"))); err != nil {
		t.Errorf("merge while another branch is checked out: %v", err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "requests/two.yaml")); err == nil {
		t.Error("the merge wrote into a work tree of another branch")
	}
}

func TestWorkTreeFollowsAfterACrash(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, false)
		h := &harness{w}
		w.open("one")
		want := wantOf(w.observe("one"))
		_, err := h.Crashing(n).Merge(t.Context(), "one", want)
		died := err != nil
		if _, err := w.forge().Merge(t.Context(), "one", want); err != nil {
			t.Errorf("after write %d: %v", n, err)
		}
		w.clean()
		if !died {
			if n < 6 { // commit, branch, event's commit, log, work tree
				t.Errorf("only %d writes could be hit", n-1)
			}
			return
		}
	}
}

// The next merge finds the work tree behind and brings it along first.
func TestNextMergeHealsTheWorkTree(t *testing.T) {
	w := newWorld(t, false)
	h := &harness{w}
	w.open("one")
	w.open("two")
	if _, err := h.Crashing(2).Merge(t.Context(), "one", wantOf(w.observe("one"))); !errors.Is(err, errDied) {
		t.Fatalf("the process did not die: %v", err)
	}
	if w.git("status", "--porcelain") == "" {
		t.Fatal("the crash left no trace to heal")
	}
	if _, err := w.forge().Merge(t.Context(), "two", wantOf(w.observe("two"))); err != nil {
		t.Fatal(err)
	}
	w.clean()
}

func TestLinkedWorkTreeOfABareRepositoryFollows(t *testing.T) {
	w := newWorld(t, true)
	dir := filepath.Join(t.TempDir(), "tree")
	w.git("worktree", "add", "-q", dir, "main")
	linked := &world{t: t, dir: dir}
	w.open("one")
	linked.put("forms/standard.yaml", "mine\n")
	want := wantOf(w.observe("one"))
	if _, err := w.forge().Merge(t.Context(), "one", want); !errors.Is(err, ErrDirty) {
		t.Errorf("merge over a changed linked work tree: %v", err)
	}
	linked.git("checkout", "-q", ".")
	if _, err := w.forge().Merge(t.Context(), "one", want); err != nil {
		t.Fatal(err)
	}
	linked.clean()
	if _, err := os.Stat(filepath.Join(dir, "requests/one.yaml")); err != nil {
		t.Error(err)
	}
}

func TestMergeRunsNoHooks(t *testing.T) {
	w := newWorld(t, false)
	trace := filepath.Join(t.TempDir(), "trace")
	for _, hook := range []string{"post-index-change", "post-checkout", "pre-commit", "post-merge", "reference-transaction", "update", "fsmonitor-watchman"} {
		at := filepath.Join(w.dir, ".git", "hooks", hook)
		if err := os.MkdirAll(filepath.Dir(at), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("#!/bin/sh\necho "+hook+" >> "+trace+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.git("config", "core.fsmonitor", filepath.Join(w.dir, ".git", "hooks", "fsmonitor-watchman"))
	w.open("one")
	if _, err := w.forge().Merge(t.Context(), "one", wantOf(w.observe("one"))); err != nil {
		t.Fatal(err)
	}
	if out, err := os.ReadFile(trace); err == nil {
		t.Errorf("hooks ran:\n%s", out)
	}
}

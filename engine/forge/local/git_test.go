package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// clone is somebody's work tree beside a bare repository, with a signing key.
type clone struct {
	*world
	key signature.Signer
}

func newClone(t *testing.T, w *world) clone {
	t.Helper()
	needs(t, "ssh-keygen")
	key, file, err := signature.Generate("clone")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := clone{&world{t: t, dir: dir}, key}
	c.git("clone", "-q", w.dir, ".")
	for name, value := range map[string]string{"gpg.format": "ssh", "user.signingKey": path} {
		c.git("config", name, value)
	}
	return c
}

func (c clone) write(path, content string) {
	c.t.Helper()
	at := filepath.Join(c.dir, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o750); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.git("add", "-A")
}

func has(actors []review.Actor, key signature.Signer) bool {
	for _, a := range actors {
		if a.ID == key.Public().Fingerprint() {
			return true
		}
	}
	return false
}

func TestBranchOfPlainGit(t *testing.T) {
	w := newWorld(t, true)
	c := newClone(t, w)
	c.git("checkout", "-q", "-b", "mine")
	c.write("requests/one.yaml", "a: 1\n")
	c.git("commit", "-q", "-S", "-m", "one")
	c.git("push", "-q", "origin", "mine")
	pr, err := w.forge().OpenBranch(t.Context(), w.keys["ann"], "one", "by hand", "mine")
	if err != nil {
		t.Fatal(err)
	}
	facts := w.observe("one")
	if pr.HeadRef != "refs/heads/mine" || facts.Author.ID != w.keys["ann"].Public().Fingerprint() {
		t.Errorf("pull request %+v, author %v", pr, facts.Author)
	}
	if !has(facts.Pushers, w.keys["ann"]) || !has(facts.Pushers, c.key) {
		t.Errorf("pushers %v, want who opened and who signed the commit", facts.Pushers)
	}

	// A push that nobody signed for cannot be judged, until somebody does.
	c.write("requests/one.yaml", "a: 2\n")
	c.git("commit", "-q", "-S", "-m", "two")
	c.git("push", "-q", "origin", "mine")
	if _, err := w.forge().Observe(t.Context(), "one"); !errors.Is(err, forge.ErrIncomplete) || !strings.Contains(err.Error(), "assent request push one") {
		t.Errorf("observe after a plain push: %v", err)
	}
	if _, err := w.forge().Review(t.Context(), w.keys["bo"], "one", review.Approve, ""); err == nil {
		t.Error("an unnamed head was reviewed")
	}
	if _, err := w.forge().Push(t.Context(), w.keys["di"], "one", nil, ""); err != nil {
		t.Fatal(err)
	}
	after := w.observe("one")
	if after.Head == facts.Head || !has(after.Pushers, w.keys["di"]) || !has(after.Pushers, c.key) {
		t.Errorf("head %s, pushers %v", after.Head, after.Pushers)
	}
	if again, err := w.forge().Push(t.Context(), w.keys["cy"], "one", nil, ""); err != nil || again.Head != after.Head || has(w.observe("one").Pushers, w.keys["cy"]) {
		t.Errorf("signing for a known head changed something: %v", err)
	}
}

func TestUnsignedCommitCannotBeJudged(t *testing.T) {
	w := newWorld(t, true)
	c := newClone(t, w)
	c.git("checkout", "-q", "-b", "mine")
	c.write("requests/one.yaml", "a: 1\n")
	c.git("commit", "-q", "--no-gpg-sign", "-m", "hidden")
	c.write("requests/one.yaml", "a: 2\n")
	c.git("commit", "-q", "-S", "-m", "signed")
	c.git("push", "-q", "origin", "mine")
	if _, err := w.forge().OpenBranch(t.Context(), w.keys["ann"], "one", "x", "mine"); !errors.Is(err, forge.ErrIncomplete) || !strings.Contains(err.Error(), "sign it") {
		t.Errorf("open: %v", err)
	}
	c.git("rebase", "-q", "--exec", "git commit -q --amend --no-edit -S", "origin/main")
	c.git("push", "-q", "-f", "origin", "mine")
	if _, err := w.forge().OpenBranch(t.Context(), w.keys["ann"], "one", "x", "mine"); err != nil {
		t.Errorf("open after signing: %v", err)
	}
}

// Base merged into the branch: only the branch's own commits are its makers'.
func TestBranchThatMergedItsBase(t *testing.T) {
	w := newWorld(t, true)
	c := newClone(t, w)
	c.git("checkout", "-q", "-b", "mine")
	c.write("requests/one.yaml", "a: 1\n")
	c.git("commit", "-q", "-S", "-m", "one")
	tip, err := w.db.Resolve("refs/heads/main")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // unsigned, and none of the branch's business
		tip = w.direct(tip, map[string]string{"forms/other.yaml": string(tip)})
	}
	c.git("fetch", "-q")
	c.git("merge", "-q", "-S", "--no-ff", "-m", "catch up", "origin/main")
	c.git("push", "-q", "origin", "mine")
	if _, err := w.forge().OpenBranch(t.Context(), w.keys["ann"], "one", "x", "mine"); err != nil {
		t.Fatal(err)
	}
	facts := w.observe("one")
	if len(facts.Files) != 1 || len(facts.Pushers) != 2 || facts.MergeBase != string(tip) {
		t.Errorf("files %v, pushers %v, merge base %s", facts.Files, facts.Pushers, facts.MergeBase)
	}
	if _, err := w.forge().Merge(t.Context(), "one", wantOf(facts)); err != nil {
		t.Error(err)
	}
}

func TestUnrelatedHistoryIsIncomplete(t *testing.T) {
	w := newWorld(t, true)
	who := gitdb.Person{Name: "x", Email: "x@example.org", When: clock()}
	oid, err := w.db.WriteCommit(gitdb.Commit{Tree: gitdb.EmptyTree, Author: who, Committer: who, Message: "root\n"}, signCommit(w.keys["ann"]))
	if err == nil {
		err = w.db.MoveRef("refs/heads/stray", "", oid)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.forge().OpenBranch(t.Context(), w.keys["ann"], "one", "x", "stray"); !errors.Is(err, forge.ErrIncomplete) {
		t.Errorf("open: %v, want %v", err, forge.ErrIncomplete)
	}
}

func TestFileWhereBaseHasADirectoryIsAConflict(t *testing.T) {
	w := newWorld(t, true)
	_, err := w.forge().Open(t.Context(), w.keys["ann"], Draft{ID: "one", Files: map[string][]byte{"requests/x": []byte("a: 1\n")}})
	if err != nil {
		t.Fatal(err)
	}
	tip, err := w.db.Resolve("refs/heads/main")
	if err != nil {
		t.Fatal(err)
	}
	w.direct(tip, map[string]string{"requests/x/y.yaml": "b: 2\n"})
	if f := w.observe("one"); f.ResultTree != "" || f.Conflicts == "" {
		t.Errorf("tree %q, conflicts %q", f.ResultTree, f.Conflicts)
	}
}

// A log that was packed, fetched and pushed by git is the same log.
func TestLogTravelsThroughGit(t *testing.T) {
	w := newWorld(t, true)
	w.open("one")
	other := newWorld(t, true)
	other.git("fetch", "-q", "-f", w.dir, "+refs/heads/*:refs/heads/*", "refs/assent/*:refs/assent/*")
	db, err := gitdb.Open(other.dir)
	if err != nil {
		t.Fatal(err)
	}
	l := New(db, Config{Repo: repoID, Branch: "main", Now: clock})
	if _, err := l.Review(t.Context(), w.keys["bo"], "one", review.Approve, "from afar"); err != nil {
		t.Fatal(err)
	}
	other.git("push", "-q", w.dir, "refs/assent/pr/one:refs/assent/pr/one")
	w.git("gc", "-q")
	if f := w.observe("one"); len(f.Reviews) != 1 || f.Reviews[0].Body != "from afar" {
		t.Errorf("reviews %+v", f.Reviews)
	}
}

package local

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

const repoID = "repo-1"

// world is one repository with people and an engine.
type world struct {
	t      *testing.T
	dir    string
	db     *gitdb.DB
	keys   map[string]signature.Signer
	engine signature.Signer
}

func newWorld(t *testing.T, bare bool) *world {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := gitdb.Init(dir, "main", bare)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, db: db, keys: map[string]signature.Signer{}, engine: newKey(t)}
	for _, name := range []string{"ann", "bo", "cy", "di"} {
		w.keys[name] = newKey(t)
	}
	w.direct("", map[string]string{"assent.yaml": "kind: Repository\n", "forms/standard.yaml": "kind: RequestForm\n"})
	if !bare {
		w.git("reset", "-q", "--hard")
	}
	return w
}

func newKey(t *testing.T) signature.Signer {
	t.Helper()
	key, _, err := signature.Generate("test")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func clock() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// forge is a new process over the repository, with the engine's key.
func (w *world) forge() *Local {
	w.t.Helper()
	db, err := gitdb.Open(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return New(db, Config{Repo: repoID, Branch: "main", Now: clock, Engine: w.engine})
}

// direct puts a commit onto main without anybody's leave.
func (w *world) direct(from gitdb.OID, files map[string]string) gitdb.OID {
	w.t.Helper()
	tree := gitdb.EmptyTree
	var parents []gitdb.OID
	if from != "" {
		c, err := w.db.Commit(from)
		if err != nil {
			w.t.Fatal(err)
		}
		tree, parents = c.Tree, []gitdb.OID{from}
	}
	var edits []gitdb.Edit
	for name, data := range files {
		oid, err := w.db.WriteBlob([]byte(data))
		if err != nil {
			w.t.Fatal(err)
		}
		edits = append(edits, gitdb.Edit{Path: name, OID: oid})
	}
	tree, err := w.db.WriteTree(tree, edits)
	if err != nil {
		w.t.Fatal(err)
	}
	who := gitdb.Person{Name: "adm", Email: "adm@example.org", When: clock()}
	oid, err := w.db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: who, Committer: who, Message: "direct\n"}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.db.MoveRef("refs/heads/main", from, oid); err != nil {
		w.t.Fatal(err)
	}
	return oid
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@example.org", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) open(id string) forge.PullRequest {
	w.t.Helper()
	pr, err := w.forge().Open(context.Background(), w.keys["ann"], Draft{
		ID: id, Title: "access for ann", Files: map[string][]byte{"requests/" + id + ".yaml": []byte("role: read\n")},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return pr
}

func (w *world) observe(id string) review.Facts {
	w.t.Helper()
	facts, err := w.forge().Observe(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return facts
}

func wantOf(f review.Facts) forge.Want {
	return forge.Want{Base: f.Base, Head: f.Head, Tree: f.ResultTree}
}

func bothKinds(t *testing.T, test func(t *testing.T, w *world)) {
	for name, bare := range map[string]bool{"bare": true, "work tree": false} {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t, bare)) })
	}
}

func TestOpenReviewMerge(t *testing.T) {
	bothKinds(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		w.open("one")
		if _, err := w.forge().Review(ctx, w.keys["bo"], "one", review.Approve, "fine"); err != nil {
			t.Fatal(err)
		}
		facts := w.observe("one")
		if facts.State != review.StateOpen || len(facts.Reviews) != 1 || facts.Reviews[0].Signed.ChangeDigest != facts.ChangeDigest {
			t.Fatalf("facts: %+v", facts)
		}
		done, err := w.forge().Merge(ctx, "one", wantOf(facts))
		if err != nil {
			t.Fatal(err)
		}
		if w.git("rev-parse", "main") != done.Commit || w.git("show", "main:requests/one.yaml") != "role: read" {
			t.Error("main does not hold the merge")
		}
		if !w.db.Bare() {
			if out := w.git("status", "--porcelain"); out != "" {
				t.Errorf("work tree was not brought along:\n%s", out)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "requests/one.yaml")); err != nil {
				t.Error(err)
			}
		}
		after := w.observe("one")
		if after.State != review.StateMerged || after.ChangeDigest != facts.ChangeDigest || after.Base != facts.Base || after.ResultTree != facts.ResultTree {
			t.Errorf("merged facts: %+v", after)
		}
	})
}

package gitdb_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
)

// served is a bare repository behind git's own smart HTTP, which wants a token.
func served(t *testing.T) (dir string, at gitdb.Remote) {
	t.Helper()
	root := t.TempDir()
	dir = filepath.Join(root, "repo.git")
	gitRun(t, root, "init", "-q", "--bare", "-b", "main", dir)
	gitRun(t, dir, "config", "http.receivepack", "true")
	gitRun(t, dir, "config", "receive.denyNonFastForwards", "true")
	path := strings.TrimSpace(gitRun(t, root, "--exec-path"))
	backend := &cgi.Handler{
		Path: filepath.Join(path, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=engine"},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, token, _ := r.BasicAuth(); token != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return dir, gitdb.Remote{URL: srv.URL + "/repo.git", Token: func(context.Context) (string, error) { return "s3cret", nil }}
}

func gitRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func fresh(t *testing.T) *gitdb.DB {
	t.Helper()
	db, err := gitdb.Init(filepath.Join(t.TempDir(), "db.git"), "main", true)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func commitOf(t *testing.T, db *gitdb.DB, text string, parents ...gitdb.OID) gitdb.OID {
	t.Helper()
	blob, err := db.WriteBlob([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := db.WriteTree("", []gitdb.Edit{{Path: "file", OID: blob}})
	if err != nil {
		t.Fatal(err)
	}
	who := gitdb.Person{Name: "ann", Email: "ann@example.com", When: time.Unix(1_700_000_000, 0).UTC()}
	oid, err := db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: who, Committer: who, Message: text + "\n"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return oid
}

func TestPushComparesAndSwaps(t *testing.T) {
	t.Parallel()
	dir, at := served(t)
	db := fresh(t)
	first := commitOf(t, db, "one")
	second := commitOf(t, db, "two", first)
	other := commitOf(t, db, "other", first)
	const name = "refs/heads/assent/ledger"
	push := func(old, to gitdb.OID) error { return db.Push(t.Context(), at, name, old, to) }
	if err := push("", first); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"must not exist":    push("", second),
		"not where it was":  push(second, commitOf(t, db, "three", second)),
		"was elsewhere yet": push(other, second),
	} {
		if !errors.Is(err, gitdb.ErrMoved) {
			t.Errorf("%s: %v, want %v", what, err, gitdb.ErrMoved)
		}
	}
	if err := push(first, second); err != nil {
		t.Fatal(err)
	}
	if err := push(first, other); !errors.Is(err, gitdb.ErrMoved) {
		t.Errorf("after it moved: %v, want %v", err, gitdb.ErrMoved)
	}
	if got := strings.TrimSpace(gitRun(t, dir, "rev-parse", name)); got != string(second) {
		t.Errorf("the remote is at %s, want %s", got, second)
	}
	if err := push(second, second); err != nil {
		t.Errorf("pushing again what is there: %v", err)
	}
}

func TestFetchBringsNamedReferencesOnly(t *testing.T) {
	t.Parallel()
	dir, at := served(t)
	theirs := fresh(t)
	one := commitOf(t, theirs, "one")
	two := commitOf(t, theirs, "two", one)
	for name, oid := range map[string]gitdb.OID{"refs/heads/main": one, "refs/pull/7/head": two, "refs/heads/noise": two} {
		if err := theirs.Push(t.Context(), at, name, "", oid); err != nil {
			t.Fatal(err)
		}
	}
	gitRun(t, dir, "tag", "v1", string(two))
	db := fresh(t)
	want := map[string]string{"refs/heads/main": "refs/forge/main", "refs/pull/7/head": "refs/forge/pull/7", "refs/pull/8/head": "refs/forge/pull/8"}
	got, err := db.Fetch(t.Context(), at, want)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["refs/heads/main"] != one || got["refs/pull/7/head"] != two {
		t.Errorf("fetched %v", got)
	}
	refs, err := db.Refs("refs/")
	if err != nil || len(refs) != 2 {
		t.Errorf("here are %v (%v), want the two that were named", refs, err)
	}
	// A force-push is followed, and what is gone there goes here.
	three := commitOf(t, theirs, "three")
	gitRun(t, dir, "config", "receive.denyNonFastForwards", "false")
	gitRun(t, theirs.Dir(), "-c", "credential.helper=", "push", "-q", "--force", strings.Replace(at.URL, "://", "://x:s3cret@", 1), string(three)+":refs/pull/7/head")
	gitRun(t, dir, "update-ref", "-d", "refs/heads/main")
	if got, err = db.Fetch(t.Context(), at, want); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got["refs/pull/7/head"] != three {
		t.Errorf("fetched again: %v", got)
	}
	if _, err := db.Resolve("refs/forge/main"); !errors.Is(err, gitdb.ErrNotFound) {
		t.Errorf("what is gone is still here: %v", err)
	}
}

func TestARemoteThatRefusesOrIsDown(t *testing.T) {
	t.Parallel()
	_, at := served(t)
	db := fresh(t)
	wrong := gitdb.Remote{URL: at.URL, Token: func(context.Context) (string, error) { return "wrong", nil }}
	if _, err := db.Fetch(t.Context(), wrong, map[string]string{"refs/heads/main": "refs/forge/main"}); !errors.Is(err, gitdb.ErrRefused) {
		t.Errorf("a wrong token: %v, want %v", err, gitdb.ErrRefused)
	}
	if err := db.Push(t.Context(), wrong, "refs/heads/x", "", commitOf(t, db, "x")); !errors.Is(err, gitdb.ErrRefused) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong token: %v, want %v and not the token", err, gitdb.ErrRefused)
	}
	down := gitdb.Remote{URL: "http://127.0.0.1:1/repo.git"}
	if _, err := db.Fetch(t.Context(), down, map[string]string{"refs/heads/main": "refs/forge/main"}); !errors.Is(err, gitdb.ErrUnreachable) {
		t.Errorf("nobody there: %v, want %v", err, gitdb.ErrUnreachable)
	}
}

func TestFollowNeverGoesBack(t *testing.T) {
	t.Parallel()
	dir, at := served(t)
	theirs, db := fresh(t), fresh(t)
	one := commitOf(t, theirs, "one")
	two := commitOf(t, theirs, "two", one)
	const main, none = "refs/heads/main", "refs/heads/assent/ledger"
	follow := func() (gitdb.OID, error) {
		if _, err := db.Follow(t.Context(), at, main, none); err != nil {
			return "", err
		}
		return db.Resolve(main)
	}
	for i, step := range []struct{ old, to gitdb.OID }{{"", one}, {one, two}, {two, two}} {
		if err := theirs.Push(t.Context(), at, main, step.old, step.to); err != nil {
			t.Fatal(err)
		}
		if got, err := follow(); err != nil || got != step.to {
			t.Errorf("step %d: at %s (%v), want %s", i, got, err, step.to)
		}
	}
	gitRun(t, dir, "update-ref", main, string(one))
	if _, err := follow(); !errors.Is(err, gitdb.ErrRewound) {
		t.Errorf("after the remote went back: %v, want %v", err, gitdb.ErrRewound)
	}
	if got, err := db.Resolve(main); err != nil || got != two {
		t.Errorf("ours is at %s (%v), want %s still", got, err, two)
	}
}

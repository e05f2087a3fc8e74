package gitdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/gitdb"
)

// oracle is the git binary on one repository: the judge of what is right.
type oracle struct {
	t   testing.TB
	dir string
}

func needGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("git is missing")
		}
		t.Skip("git is missing")
	}
}

func (o oracle) try(in []byte, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", o.dir}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out.String(), nil
}

func (o oracle) git(args ...string) string {
	o.t.Helper()
	out, err := o.try(nil, args...)
	if err != nil {
		o.t.Fatal(err)
	}
	return strings.TrimRight(out, "\n")
}

func (o oracle) open() *gitdb.DB {
	o.t.Helper()
	db, err := gitdb.Open(o.dir)
	if err != nil {
		o.t.Fatal(err)
	}
	return db
}

// newRepo is an empty repository with a work tree, and git on it.
func newRepo(t testing.TB) (*gitdb.DB, oracle) {
	t.Helper()
	needGit(t)
	dir := t.TempDir()
	db, err := gitdb.Init(dir, "main", false)
	if err != nil {
		t.Fatal(err)
	}
	return db, oracle{t, dir}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func blob(t testing.TB, db *gitdb.DB, text string) gitdb.OID {
	t.Helper()
	return must[gitdb.OID](t)(db.WriteBlob([]byte(text)))
}

// commit writes files, given as path and content, on top of parents.
func commit(t testing.TB, db *gitdb.DB, files map[string]string, parents ...gitdb.OID) gitdb.OID {
	t.Helper()
	base := gitdb.OID("")
	if len(parents) > 0 {
		base = must[gitdb.Commit](t)(db.Commit(parents[0])).Tree
	}
	var edits []gitdb.Edit
	for p, text := range files {
		edits = append(edits, gitdb.Edit{Path: p, OID: blob(t, db, text)})
	}
	tree := must[gitdb.OID](t)(db.WriteTree(base, edits))
	who := gitdb.Person{Name: "kim", Email: "kim@example.com"}
	return must[gitdb.OID](t)(db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: who, Committer: who, Message: "x\n"}, nil))
}

func TestOpenFindsTheRepository(t *testing.T) {
	db, o := newRepo(t)
	tip := commit(t, db, map[string]string{"a": "1"})
	if err := db.MoveRef("refs/heads/main", "", tip); err != nil {
		t.Fatal(err)
	}
	o.git("reset", "-q", "--hard")
	if err := os.MkdirAll(filepath.Join(o.dir, "deep/down"), 0o755); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(t.TempDir(), "linked")
	o.git("worktree", "add", "-q", "-b", "side", linked)
	bare := filepath.Join(t.TempDir(), "bare.git")
	o.git("clone", "-q", "--bare", ".", bare)
	inside := filepath.Join(o.dir, "state/mirror.git") // a bare mirror kept inside the work tree
	o.git("clone", "-q", "--bare", ".", inside)

	for _, c := range []struct {
		name, dir, root, gitDir string
		bare                    bool
	}{
		{"work tree", o.dir, o.dir, filepath.Join(o.dir, ".git"), false},
		{"below it", filepath.Join(o.dir, "deep/down"), o.dir, filepath.Join(o.dir, ".git"), false},
		{"linked work tree", linked, linked, filepath.Join(o.dir, ".git"), false},
		{"bare", bare, bare, bare, true},
		{"bare inside a work tree", inside, inside, inside, true},
	} {
		db, err := gitdb.Open(c.dir)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !same(t, db.Dir(), c.root) || !same(t, db.GitDir(), c.gitDir) || db.Bare() != c.bare {
			t.Errorf("%s: dir %s git %s bare %v", c.name, db.Dir(), db.GitDir(), db.Bare())
		}
		if got, err := db.Resolve("main"); err != nil || got != tip {
			t.Errorf("%s: main is %s, %v", c.name, got, err)
		}
		next := commit(t, db, map[string]string{"b": c.name}, tip)
		ref := "refs/heads/from-" + strings.ReplaceAll(c.name, " ", "-")
		if err := db.MoveRef(ref, "", next); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, err := (oracle{t, c.dir}).try(nil, "rev-parse", ref); err != nil || strings.TrimSpace(got) != string(next) {
			t.Errorf("%s: git sees %s, %v", c.name, got, err)
		}
	}
	if _, err := gitdb.Open(t.TempDir()); err == nil {
		t.Error("opened a folder that is no repository")
	}
}

func same(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(x, y)
}

func TestOpenRefusesWhatMakesGitShowOtherBytes(t *testing.T) {
	spoil := map[string]func(t *testing.T, o oracle, tip gitdb.OID) string{
		"replace ref": func(_ *testing.T, o oracle, tip gitdb.OID) string {
			o.git("replace", string(tip), o.git("commit-tree", "-m", "evil", string(gitdb.EmptyTree)))
			return o.dir
		},
		"packed replace ref": func(_ *testing.T, o oracle, tip gitdb.OID) string {
			o.git("replace", string(tip), o.git("commit-tree", "-m", "evil", string(gitdb.EmptyTree)))
			o.git("pack-refs", "--all")
			return o.dir
		},
		"alternates": func(t *testing.T, o oracle, _ gitdb.OID) string {
			dir := filepath.Join(t.TempDir(), "shared")
			o.git("clone", "-q", "--shared", ".", dir)
			return dir
		},
		"shallow": func(t *testing.T, o oracle, _ gitdb.OID) string {
			dir := filepath.Join(t.TempDir(), "shallow")
			o.git("clone", "-q", "--depth=1", "file://"+o.dir, dir)
			return dir
		},
		"grafts": func(t *testing.T, o oracle, tip gitdb.OID) string {
			if err := os.MkdirAll(filepath.Join(o.dir, ".git/info"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(o.dir, ".git/info/grafts"), []byte(tip+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return o.dir
		},
	}
	for name, f := range spoil {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			db, o := newRepo(t)
			blob(t, db, "")
			must[gitdb.OID](t)(db.WriteTree("", nil)) // the empty tree
			tip := commit(t, db, map[string]string{"a": "2"}, commit(t, db, map[string]string{"a": "1"}))
			if err := db.MoveRef("refs/heads/main", "", tip); err != nil {
				t.Fatal(err)
			}
			dir := f(t, o, tip)
			if _, err := gitdb.Open(dir); err == nil {
				t.Error("opened")
			}
		})
	}
}

// Git repacks and prunes while we read.
func TestObjectsStayReadableAcrossRepack(t *testing.T) {
	db, o := newRepo(t)
	tip := gitdb.OID("")
	var ids []gitdb.OID
	for i := range 5 {
		var parents []gitdb.OID
		if tip != "" {
			parents = []gitdb.OID{tip}
		}
		next := commit(t, db, map[string]string{fmt.Sprintf("f%d", i): fmt.Sprintf("text %d", i)}, parents...)
		if err := db.MoveRef("refs/heads/main", tip, next); err != nil {
			t.Fatal(err)
		}
		tip = next
		ids = append(ids, blob(t, db, fmt.Sprintf("text %d", i)))
		switch i {
		case 1:
			o.git("gc", "-q", "--prune=now")
		case 2:
			o.git("repack", "-q", "-d")
		case 3:
			o.git("repack", "-q", "-a", "-d", "-f")
			o.git("prune", "--expire=now")
		}
		// A second process reads what the first wrote, having listed the packs before.
		for j, id := range ids {
			if data, err := db.Blob(id, 100); err != nil || string(data) != fmt.Sprintf("text %d", j) {
				t.Fatalf("after step %d: blob %d is %q, %v", i, j, data, err)
			}
		}
		if c, found, err := db.FirstParents(tip, ""); err != nil || !found || len(c) != i+1 {
			t.Fatalf("after step %d: %d commits, %v, %v", i, len(c), found, err)
		}
		if i > 0 {
			if ok, err := db.IsAncestor(c0(t, db, tip), tip); err != nil || !ok {
				t.Fatalf("after step %d: %v, %v", i, ok, err)
			}
		}
	}
	// Objects that arrive in a pack are seen as well.
	other, oo := newRepo(t)
	oo.git("fetch", "-q", o.dir, "main")
	if got, err := other.Commit(tip); err != nil || got.OID != tip {
		t.Fatalf("fetched commit: %v", err)
	}
}

func c0(t *testing.T, db *gitdb.DB, tip gitdb.OID) gitdb.OID {
	t.Helper()
	all, _, err := db.FirstParents(tip, "")
	if err != nil {
		t.Fatal(err)
	}
	return all[len(all)-1].OID
}

func TestBlobHoldsItsLimit(t *testing.T) {
	db, o := newRepo(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 512<<10) // 8 MiB
	id := must[gitdb.OID](t)(db.WriteBlob(big))
	small := blob(t, db, "0123456789")
	tree := must[gitdb.OID](t)(db.WriteTree("", []gitdb.Edit{{Path: "big", OID: id}, {Path: "small", OID: small}}))
	tip := must[gitdb.OID](t)(db.WriteCommit(gitdb.Commit{Tree: tree, Message: "x\n"}, nil))
	if err := db.MoveRef("refs/heads/main", "", tip); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"loose", "packed"} {
		for _, db := range []*gitdb.DB{db, o.open()} {
			if _, err := db.Blob(id, int64(len(big))-1); !errors.Is(err, gitdb.ErrTooLarge) {
				t.Errorf("%s: got %v, want ErrTooLarge", stage, err)
			}
			if data, err := db.Blob(id, int64(len(big))); err != nil || !bytes.Equal(data, big) {
				t.Errorf("%s: %d bytes, %v", stage, len(data), err)
			}
			if _, err := db.Blob(small, 9); !errors.Is(err, gitdb.ErrTooLarge) {
				t.Errorf("%s: got %v, want ErrTooLarge", stage, err)
			}
			if _, err := db.Blob(tip, 1000); !errors.Is(err, gitdb.ErrNotFound) {
				t.Errorf("%s: a commit as blob: got %v, want ErrNotFound", stage, err)
			}
		}
		o.git("gc", "-q", "--prune=now")
	}
	if _, err := db.Blob("1111111111111111111111111111111111111111", 10); !errors.Is(err, gitdb.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	// The caller owns what it got.
	data := must[[]byte](t)(db.Blob(small, 10))
	data[0] = 'x'
	if again := must[[]byte](t)(db.Blob(small, 10)); string(again) != "0123456789" {
		t.Errorf("the cache was changed: %q", again)
	}
}

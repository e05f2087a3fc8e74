package gitdb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/signature"
)

func TestSignedCommitVerifiesWithGit(t *testing.T) {
	db, o := newRepo(t)
	key, _, err := signature.Generate("kim")
	if err != nil {
		t.Fatal(err)
	}
	allowed := filepath.Join(t.TempDir(), "allowed")
	if err := os.WriteFile(allowed, []byte(`kim namespaces="git" `+key.Public().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sign := func(payload []byte) ([]byte, error) { return key.Sign("git", payload) }
	when := time.Date(2026, 11, 22, 6, 0, 0, 0, time.FixedZone("", 3600))
	who := gitdb.Person{Name: "Kim Ö", Email: "kim@example.com", When: when}
	for _, message := range []string{"x\n", "x", "", "subject\n\nbody\n\n  more\n", "gpgsig x\n", "\n\nx\n"} {
		tree := must[gitdb.OID](t)(db.WriteTree("", nil))
		want := gitdb.Commit{Tree: tree, Author: who, Committer: who, Message: message}
		id := must[gitdb.OID](t)(db.WriteCommit(want, sign))
		if _, err := o.try(nil, "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", string(id)); err != nil {
			t.Errorf("%q: %v", message, err)
		}
		got := must[gitdb.Commit](t)(db.Commit(id))
		if !strings.HasPrefix(got.Signature, "-----BEGIN SSH SIGNATURE-----\n") {
			t.Errorf("%q: signature %q", message, got.Signature)
		}
		want.OID, want.Signature = id, got.Signature
		want.Author.When, want.Committer.When = when.UTC(), when.UTC()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", message, diff)
		}
	}
	if _, err := o.try(nil, "fsck", "--strict"); err != nil {
		t.Error(err)
	}
	failed := errors.New("no key")
	if _, err := db.WriteCommit(gitdb.Commit{Tree: gitdb.EmptyTree}, func([]byte) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want the signer's error", err)
	}
}

func TestWriteCommitRefusesTextThatBecomesAHeader(t *testing.T) {
	db, _ := newRepo(t)
	good := gitdb.Person{Name: "kim", Email: "kim@example.com"}
	for _, evil := range []string{"a\nparent 1111111111111111111111111111111111111111", "a <b>", "a>", "a\x00"} {
		for _, c := range []gitdb.Commit{
			{Author: gitdb.Person{Name: evil}, Committer: good}, {Author: gitdb.Person{Email: evil}, Committer: good},
			{Author: good, Committer: gitdb.Person{Name: evil}}, {Author: good, Committer: gitdb.Person{Email: evil}},
		} {
			c.Tree = gitdb.EmptyTree
			if id, err := db.WriteCommit(c, nil); err == nil {
				t.Errorf("%q: wrote %s", evil, id)
			}
		}
	}
	if id, err := db.WriteCommit(gitdb.Commit{Tree: gitdb.EmptyTree, Message: "a\x00b"}, nil); err == nil {
		t.Errorf("NUL in the message: wrote %s", id)
	}
}

func TestHistoryEqualsGits(t *testing.T) {
	db, o := newRepo(t)
	//	a - b - d - e      (main)
	//	     \- c -/       z: another root
	a := commit(t, db, map[string]string{"f": "a"})
	b := commit(t, db, map[string]string{"f": "b"}, a)
	c := commit(t, db, map[string]string{"g": "c"}, b)
	d := commit(t, db, map[string]string{"h": "d"}, b, c)
	e := commit(t, db, map[string]string{"f": "e"}, d)
	z := commit(t, db, map[string]string{"f": "z"})
	all := []gitdb.OID{a, b, c, d, e, z}
	for _, x := range all {
		for _, y := range all {
			_, err := o.try(nil, "merge-base", "--is-ancestor", string(x), string(y))
			if got, gerr := db.IsAncestor(x, y); gerr != nil || got != (err == nil) {
				t.Errorf("is %s an ancestor of %s: %v, %v; git says %v", x, y, got, gerr, err == nil)
			}
			want, err := o.try(nil, "merge-base", string(x), string(y))
			got, gerr := db.MergeBase(x, y)
			if string(got) != strings.TrimSpace(want) || (err != nil) != errors.Is(gerr, gitdb.ErrNotFound) {
				t.Errorf("merge base of %s and %s: %s, %v; git says %s", x, y, got, gerr, want)
			}
		}
	}
	commits, found, err := db.FirstParents(e, "")
	var got []string
	for _, c := range commits {
		got = append(got, string(c.OID))
	}
	if diff := cmp.Diff(strings.Fields(o.git("rev-list", "--first-parent", string(e))), got); err != nil || !found || diff != "" {
		t.Errorf("%v, %v (-git +we)\n%s", found, err, diff)
	}
	if commits, found, err := db.FirstParents(e, b); err != nil || !found || len(commits) != 2 {
		t.Errorf("until b: %d, %v, %v", len(commits), found, err)
	}
	if _, found, err := db.FirstParents(e, c); err != nil || found {
		t.Errorf("until c, which is no first parent: %v, %v", found, err)
	}
}

package local

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// signers writes an allowed_signers file that knows everyone.
func (w *world) signers() string {
	w.t.Helper()
	var b strings.Builder
	for name, key := range w.keys {
		b.WriteString(name + "@example.org " + key.Public().String() + "\n")
	}
	b.WriteString("engine@example.org " + w.engine.Public().String() + "\n")
	path := filepath.Join(w.t.TempDir(), "allowed_signers")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// An auditor needs git and ssh-keygen and none of our code.
func TestAuditorChecksReviewWithSSHKeygenAlone(t *testing.T) {
	needs(t, "ssh-keygen")
	w := newWorld(t, true)
	w.open("one")
	if _, err := w.forge().Review(t.Context(), w.keys["bo"], "one", review.Approve, "fine\n"); err != nil {
		t.Fatal(err)
	}
	sig := filepath.Join(t.TempDir(), "review.sig")
	if err := os.WriteFile(sig, []byte(w.git("show", "refs/assent/pr/one:events/0002-review.json.sig")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	allowed := w.signers()
	verify := func(who, namespace, payload string) error {
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", who, "-n", namespace, "-s", sig)
		cmd.Stdin = strings.NewReader(payload)
		return cmd.Run()
	}
	payload := w.git("show", "refs/assent/pr/one:events/0002-review.json") + "\n"
	if err := verify("bo@example.org", "assent.review.v1", payload); err != nil {
		t.Errorf("bo's review: %v", err)
	}
	for what, err := range map[string]error{
		"another person":    verify("cy@example.org", "assent.review.v1", payload),
		"another namespace": verify("bo@example.org", "assent.opened.v1", payload),
		"another payload":   verify("bo@example.org", "assent.review.v1", strings.Replace(payload, "approve", "deny", 1)),
	} {
		if err == nil {
			t.Errorf("%s verifies too", what)
		}
	}
	facts := w.observe("one")
	if s := facts.Reviews[0].Signed; s.Payload != payload || s.Namespace != "assent.review.v1" {
		t.Errorf("facts carry other bytes than the log: %q", s.Payload)
	}
}

func TestGitVerifiesOurCommits(t *testing.T) {
	needs(t, "ssh-keygen")
	w := newWorld(t, true)
	w.open("one")
	done, err := w.forge().Merge(t.Context(), "one", wantOf(w.observe("one")))
	if err != nil {
		t.Fatal(err)
	}
	allowed := w.signers()
	for rev, who := range map[string]string{"refs/heads/request/one": "ann@example.org", done.Commit: "engine@example.org"} {
		out := w.git("-c", "gpg.ssh.allowedSignersFile="+allowed, "log", "-1", "--format=%G? %GS", rev)
		if out != "G "+who {
			t.Errorf("git says %q of %s, want a good signature of %s", out, rev, who)
		}
	}
	w.git("fsck", "--strict", "--no-dangling")
}

// The digest is computed here a second time, from its description.
func TestChangeDigestIsWhatItSays(t *testing.T) {
	w := newWorld(t, true)
	_, err := w.forge().Open(t.Context(), w.keys["ann"], Draft{ID: "one", Title: "x", Files: map[string][]byte{
		"requests/one.yaml": []byte("a: 1\n"), "forms/standard.yaml": nil,
	}})
	if err != nil {
		t.Fatal(err)
	}
	content := sha256.Sum256([]byte("a: 1\n"))
	sum := sha256.New()
	for _, s := range []string{
		"assent.change.v1", repoID,
		"forms/standard.yaml", "000000", "",
		"requests/one.yaml", "100644", "sha256:" + hex.EncodeToString(content[:]),
	} {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		sum.Write([]byte(s))
	}
	facts := w.observe("one")
	if want := "sha256:" + hex.EncodeToString(sum.Sum(nil)); facts.ChangeDigest != want {
		t.Errorf("digest %s, want %s", facts.ChangeDigest, want)
	}
	if len(facts.Files) != 2 || facts.Files[0].Mode != "" || facts.Files[0].NewBlob != "" || facts.Files[0].OldBlob == "" {
		t.Errorf("files %+v, want a removed one first", facts.Files)
	}
}

func TestChangeDigestCoversModeAndRepository(t *testing.T) {
	w := newWorld(t, true)
	w.open("one")
	facts := w.observe("one")
	other := New(w.db, Config{Repo: "repo-2", Branch: "main", Now: clock})
	c, err := change.Read(other.db, other.cfg.Repo, gitdb.OID(facts.Base), gitdb.OID(facts.Head))
	if err != nil || c.Digest == facts.ChangeDigest {
		t.Errorf("another repository has the same digest: %v", err)
	}
	head, err := w.db.Commit(gitdb.OID(facts.Head))
	entry, _, err2 := w.db.Find(head.Tree, "requests/one.yaml")
	tree, err3 := w.db.WriteTree(head.Tree, []gitdb.Edit{{Path: entry.Path, Mode: gitdb.ModeExec, OID: entry.OID}})
	head.Tree = tree
	oid, err4 := w.db.WriteCommit(head, nil)
	c, err5 := change.Read(w.forge().db, w.forge().cfg.Repo, gitdb.OID(facts.Base), oid)
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	if c.Digest == facts.ChangeDigest || c.Files[0].Mode != "100755" {
		t.Errorf("an executable file has the same digest; mode %s", c.Files[0].Mode)
	}
}

func TestEventBytesAreTheOnlyOnes(t *testing.T) {
	_, file, err := signature.Generate("test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := signature.ParseSigner(file)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		e := Event{
			Schema: eventSchema, Forge: Name, Repo: rapid.String().Draw(t, "repo"), Type: TypeReview, Seq: 2,
			Actor: key.Public().Fingerprint(), At: clock(), Verdict: review.Comment, Body: rapid.String().Draw(t, "body"),
		}
		sealed, err := seal(e, key)
		if err != nil {
			t.Fatal(err)
		}
		again, err := unseal(sealed.Payload, sealed.Signature, TypeReview)
		if err != nil || again.Body != e.Body || again.Repo != e.Repo {
			t.Fatalf("%q came back as %q: %v", e.Body, again.Body, err)
		}
		at := rapid.IntRange(0, len(sealed.Payload)-1).Draw(t, "at")
		flipped := append([]byte(nil), sealed.Payload...)
		flipped[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := unseal(flipped, sealed.Signature, TypeReview); err == nil {
			t.Fatalf("a flipped bit at byte %d goes unnoticed", at)
		}
	})
}

func FuzzSplitSignature(f *testing.F) {
	f.Add([]byte("tree a\ngpgsig -----BEGIN\n x\n -----END\nextra h\n\nmessage\ngpgsig no\n"))
	f.Add([]byte("tree a\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		payload, sig, err := splitSignature(raw)
		if err != nil {
			return
		}
		// Nothing is lost: what is covered and the signature make up the commit.
		if len(payload)+len(sig)+len("gpgsig ")+strings.Count(string(sig), "\n")-1 != len(raw) {
			t.Errorf("%d bytes became %d covered and %d of signature", len(raw), len(payload), len(sig))
		}
	})
}

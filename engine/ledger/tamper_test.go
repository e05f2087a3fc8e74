package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/signature"
)

// grown is a ledger with 30 records of all types and one key rotation.
func grown(t testing.TB) *world {
	w := newWorld(t)
	for i := range 4 {
		w.append(w.determining, determination(fmt.Sprintf("sales-%d", i)), draftOf(ledger.TypeRevocation, w), draftOf(ledger.TypeOverride, w))
		w.append(w.reconciling, draftOf(ledger.TypeApplied, w), draftOf(ledger.TypeRevoked, w), draftOf(ledger.TypeObservation, w))
		w.append(w.reconciling, draftOf(ledger.TypeCheckpoint, w))
		w.now = w.now.AddDate(0, 0, 10)
	}
	w.append(w.root, draftOf(ledger.TypeSeal, w))
	return w
}

// files is the tree of the ledger branch, by path.
type files map[string]gitdb.Entry

func (w *world) files() files {
	w.t.Helper()
	list, err := w.db.Files(w.tree())
	if err != nil {
		w.t.Fatal(err)
	}
	out := files{}
	for _, e := range list {
		out[e.Path] = e
	}
	return out
}

func (w *world) tree() gitdb.OID {
	w.t.Helper()
	tip, err := w.db.Resolve("refs/heads/" + branch)
	if err != nil {
		w.t.Fatal(err)
	}
	commit, err := w.db.Commit(tip)
	if err != nil {
		w.t.Fatal(err)
	}
	return commit.Tree
}

// records are the paths of the records, in order.
func (f files) records() []string {
	var out []string
	for p := range f {
		if strings.HasSuffix(p, ".json") {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return strings.Compare(a[len("records/2026/11/"):], b[len("records/2026/11/"):])
	})
	return out
}

func (w *world) read(e gitdb.Entry) []byte {
	w.t.Helper()
	data, err := w.db.Blob(e.OID, 1<<24)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func (w *world) put(f files, path string, data []byte) {
	w.t.Helper()
	id, err := w.db.WriteBlob(data)
	if err != nil {
		w.t.Fatal(err)
	}
	f[path] = gitdb.Entry{Path: path, Mode: gitdb.ModeFile, OID: id}
}

// forge makes a signed record as somebody with a key could, and puts it at a path.
func (w *world) forge(f files, path string, raw []byte, key signature.Signer, namespace string) {
	w.t.Helper()
	sig, err := key.Sign(namespace, raw)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(f, path, raw)
	w.put(f, path+".sig", sig)
}

// branchOf points another branch at a tree of these files and returns a ledger on it.
func (w *world) branchOf(f files) *ledger.Ledger {
	w.t.Helper()
	was := w.files()
	var edits []gitdb.Edit
	for p, e := range f {
		if was[p] != e {
			edits = append(edits, gitdb.Edit{Path: p, Mode: e.Mode, OID: e.OID})
		}
		delete(was, p)
	}
	for p := range was {
		edits = append(edits, gitdb.Edit{Path: p})
	}
	tree, err := w.db.WriteTree(w.tree(), edits)
	if err != nil {
		w.t.Fatal(err)
	}
	who := gitdb.Person{Name: "eve", Email: "eve@example.com", When: time.Unix(0, 0)}
	commit, err := w.db.WriteCommit(gitdb.Commit{Tree: tree, Author: who, Committer: who, Message: "x\n"}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	// Written as an attacker would, and without waiting for the disk.
	if err := os.WriteFile(filepath.Join(w.db.GitDir(), "refs/heads/tampered"), []byte(commit+"\n"), 0o644); err != nil {
		w.t.Fatal(err)
	}
	trust := w.trust
	trust.Branch = "tampered"
	return ledger.Open(w.db, trust)
}

// codeOf is the code of the first fault, empty if everything holds. Anything
// else than a *ChainError fails the test.
func codeOf(t *testing.T, l *ledger.Ledger) ledger.Code {
	t.Helper()
	records, err := collect(t.Context(), l)
	if err == nil {
		if len(records) == 0 {
			t.Fatal("an empty replay without an error")
		}
		return ""
	}
	var chain *ledger.ChainError
	if !errors.As(err, &chain) {
		t.Fatalf("got %v, want a *ChainError", err)
	}
	if _, err := l.Append(t.Context(), newKey(t), time.Now(), determination("x")); err == nil {
		t.Fatal("appended to a ledger that does not verify")
	}
	return chain.Code
}

func TestUntamperedCopyHolds(t *testing.T) {
	w := grown(t)
	f := w.files()
	if n := len(f.records()); n != 30 {
		t.Fatalf("the ledger has %d records, want 30", n)
	}
	if code := codeOf(t, w.branchOf(f)); code != "" {
		t.Fatalf("got %s", code)
	}
}

func TestDeletedRecordIsFound(t *testing.T) {
	w := grown(t)
	f := w.files()
	for i, p := range f.records() {
		g := clone(f)
		delete(g, p)
		delete(g, p+".sig")
		got := codeOf(t, w.branchOf(g))
		want := ledger.CodeGap
		if i == 29 {
			want = ledger.CodeSigners // the last one is a seal; truncation before it is for the high water to find
		}
		if got != want {
			t.Errorf("without %s: got %q, want %s", p, got, want)
		}
	}
}

func TestReorderedRecordsAreFound(t *testing.T) {
	w := grown(t)
	f := w.files()
	paths := f.records()
	for i := range paths[1:] {
		a, b := paths[i], paths[i+1]
		g := clone(f)
		g[a], g[b] = moved(f[b], a), moved(f[a], b)
		g[a+".sig"], g[b+".sig"] = moved(f[b+".sig"], a+".sig"), moved(f[a+".sig"], b+".sig")
		if got := codeOf(t, w.branchOf(g)); got == "" {
			t.Errorf("swapping the contents of %s and %s holds", a, b)
		}
		// The same with the names that their contents ask for cannot be told from
		// the original; with exchanged numbers in the names it can.
		g = clone(f)
		na, nb := renumber(a, b), renumber(b, a)
		for _, p := range []string{a, b, a + ".sig", b + ".sig"} {
			delete(g, p)
		}
		g[na], g[na+".sig"] = moved(f[a], na), moved(f[a+".sig"], na+".sig")
		g[nb], g[nb+".sig"] = moved(f[b], nb), moved(f[b+".sig"], nb+".sig")
		if got := codeOf(t, w.branchOf(g)); got == "" {
			t.Errorf("exchanging the numbers of %s and %s holds", a, b)
		}
	}
}

func TestDuplicatedRecordIsFound(t *testing.T) {
	w := grown(t)
	f := w.files()
	for _, p := range f.records() {
		other := "records/2020" + p[len("records/2026"):]
		g := clone(f)
		g[other], g[other+".sig"] = moved(f[p], other), moved(f[p+".sig"], other+".sig")
		if got := codeOf(t, w.branchOf(g)); got != ledger.CodeFork {
			t.Errorf("a copy of %s: got %q, want fork", p, got)
		}
		last := fmt.Sprintf("records/2026/12/%010d-%s", 31, p[len("records/2026/11/0000000000-"):])
		g = clone(f)
		g[last], g[last+".sig"] = moved(f[p], last), moved(f[p+".sig"], last+".sig")
		if got := codeOf(t, w.branchOf(g)); got == "" {
			t.Errorf("replaying %s as record 31 holds", p)
		}
	}
}

func TestFlippedBitsAreFound(t *testing.T) {
	w := grown(t)
	f := w.files()
	for n, p := range f.records() {
		for _, file := range []string{p, p + ".sig"} {
			data := w.read(f[file])
			for k := range 6 {
				bit := (n*7919 + k*104729) % (len(data) * 8)
				if file == p+".sig" && bytes.ContainsAny(data[bit/8:bit/8+1], "\n-") {
					continue // the armour's own frame; package signature covers it
				}
				g := clone(f)
				flipped := bytes.Clone(data)
				flipped[bit/8] ^= 1 << (bit % 8)
				w.put(g, file, flipped)
				if got := codeOf(t, w.branchOf(g)); got != ledger.CodeSignature && got != ledger.CodeKey && got != ledger.CodeRoot && got != ledger.CodeNamespace {
					t.Errorf("bit %d of %s: got %q", bit, file, got)
				}
			}
		}
	}
}

func TestSignatureOfAnotherTypeIsFound(t *testing.T) {
	w := grown(t)
	f := w.files()
	first := map[ledger.Type]string{}
	for _, p := range f.records() {
		typ := ledger.Type(strings.Split(strings.TrimSuffix(p[len("records/2026/11/0000000000-"):], ".json"), "-")[0])
		if first[typ] == "" {
			first[typ] = p
		}
	}
	for _, a := range allTypes() {
		for _, b := range allTypes() {
			if a == b {
				continue
			}
			g := clone(f)
			g[first[a]+".sig"] = moved(f[first[b]+".sig"], first[a]+".sig")
			if got := codeOf(t, w.branchOf(g)); got != ledger.CodeNamespace {
				t.Errorf("%s record with the signature of a %s record: got %q, want namespace", a, b, got)
			}
			// And signed anew by b's key in b's namespace, which b's holder can do.
			g = clone(f)
			w.forge(g, first[a], w.read(f[first[a]]), w.signer(b), b.Namespace())
			if got := codeOf(t, w.branchOf(g)); got != ledger.CodeNamespace {
				t.Errorf("%s record signed as %s: got %q, want namespace", a, b, got)
			}
			// In a's namespace by b's key.
			g = clone(f)
			w.forge(g, first[a], w.read(f[first[a]]), w.signer(b), a.Namespace())
			ra, _ := a.Signs()
			rb, _ := b.Signs()
			want := ledger.CodeRole
			switch {
			case ra == rb:
				want = ""
			case ra == ledger.Root:
				want = ledger.CodeRoot
			}
			if got := codeOf(t, w.branchOf(g)); got != want {
				t.Errorf("%s record signed by the %s key: got %q, want %q", a, rb, got, want)
			}
		}
	}
}

func clone(f files) files {
	out := make(files, len(f)+2)
	for k, v := range f {
		out[k] = v
	}
	return out
}

func moved(e gitdb.Entry, path string) gitdb.Entry {
	e.Path = path
	return e
}

// renumber is path a with the sequence number of path b.
func renumber(a, b string) string {
	const at = len("records/2026/11/")
	return a[:at] + b[at:at+10] + a[at+10:]
}

package ledger_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
)

// next is a record that would hold as the next one, for a test to spoil.
func (w *world) next(typ ledger.Type) ledger.Record {
	w.t.Helper()
	head, err := w.ledger.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	d := draftOf(typ, w)
	body, err := ledger.Canonical(d.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return ledger.Record{
		Schema: ledger.Schema, Type: typ, Repo: repoID, Seq: head.Seq + 1, Prev: head.Digest,
		RecordedAt: w.now, Subject: d.Subject, Body: body,
	}
}

func (w *world) encode(r ledger.Record) []byte {
	w.t.Helper()
	raw, err := ledger.Encode(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// path is where a record of a type belongs that follows the head.
func (w *world) path(r ledger.Record) string {
	name := r.Subject.Request
	if name == "" {
		name = r.Subject.Connection
	}
	if name != "" {
		name = "-" + name
	}
	return fmt.Sprintf("records/%s/%010d-%s%s.json", r.RecordedAt.Format("2006/01"), r.Seq, r.Type, name)
}

// A holder of the right key adds one more record that is wrong in one way, and
// signs it properly: only the check of that way can find it.
func TestEveryCauseIsFoundInARecordSignedByTheRightKey(t *testing.T) {
	w := newWorld(t)
	w.append(w.determining, determination("sales-0"))
	base := w.files()
	next := w.next(ledger.TypeDetermination)
	good := w.encode(next)
	path := w.path(next)

	replace := func(old, to string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the record has no %q:\n%s", old, good)
		}
		return bytes.Replace(good, []byte(old), []byte(to), 1)
	}
	signed := func(raw []byte) func(files) {
		return func(f files) { w.forge(f, path, raw, w.determining, next.Type.Namespace()) }
	}
	cases := []struct {
		name   string
		tamper func(files)
		want   ledger.Code
	}{
		{"nothing", signed(good), ""},
		{"gap", func(f files) {
			r := next
			r.Seq += 3
			w.forge(f, w.path(r), w.encode(r), w.determining, r.Type.Namespace())
		}, ledger.CodeGap},
		{"fork", func(f files) {
			signed(good)(f)
			r := next
			r.Subject.Request = "sales-other"
			w.forge(f, w.path(r), w.encode(r), w.determining, r.Type.Namespace())
		}, ledger.CodeFork},
		{"second record 1", func(f files) {
			r := next
			r.Seq, r.Prev = 1, ""
			w.forge(f, w.path(r), w.encode(r), w.determining, r.Type.Namespace())
		}, ledger.CodeFork},
		{"wrong prev", func(f files) {
			r := next
			r.Prev = ledger.DigestOf([]byte("another"))
			signed(w.encode(r))(f)
		}, ledger.CodePrev},
		{"no prev", signed(replace(string(next.Prev), "")), ledger.CodePrev},
		{"foreign repository", signed(replace(`"R_test"`, `"R_fork"`)), ledger.CodeRepo},
		{"unknown schema", signed(replace("assent.record/v1", "assent.record/v2")), ledger.CodeSchema},
		{"unknown type in the body", signed(replace(`"type": "determination"`, `"type": "rumour"`)), ledger.CodeType},
		{"unknown type in the name", func(f files) {
			p := strings.Replace(path, "determination", "rumour", 1)
			w.forge(f, p, good, w.determining, "assent.rumour.v1")
		}, ledger.CodeType},
		{"another type in the body", signed(replace(`"type": "determination"`, `"type": "override"`)), ledger.CodeField},
		{"unknown field", signed(replace("{\n", "{\n  \"more\": 1,\n")), ledger.CodeField},
		{"unknown field in the body", signed(replace("\"outcome\"", "\"more\": 1,\n    \"outcome\"")), ledger.CodeField},
		{"field in another case", signed(replace("\"outcome\"", "\"Outcome\"")), ledger.CodeEncoding},
		{"duplicate key", signed(replace("{\n", "{\n  \"schema\": \"assent.record/v1\",\n")), ledger.CodeEncoding},
		{"duplicate key in the facts", signed(replace(`"n": 3`, "\"n\": 3,\n      \"n\": 3")), ledger.CodeEncoding},
		{"fraction", signed(replace(`"n": 3`, `"n": 3.0`)), ledger.CodeEncoding},
		{"exponent", signed(replace(`"n": 3`, `"n": 3e0`)), ledger.CodeEncoding},
		{"number that readers round", signed(replace(`"n": 3`, `"n": 9007199254740993`)), ledger.CodeEncoding},
		{"escape that need not be", signed(replace("kim", "k\\u0069m")), ledger.CodeEncoding},
		{"bytes that are not UTF-8", signed(replace("kim", "k\xffm")), ledger.CodeEncoding},
		{"other indent", signed(replace("  \"type\"", " \"type\"")), ledger.CodeEncoding},
		{"no final newline", signed(bytes.TrimSuffix(good, []byte("\n"))), ledger.CodeEncoding},
		{"two final newlines", signed(append(bytes.Clone(good), '\n')), ledger.CodeEncoding},
		{"second document", signed(append(bytes.Clone(good), good...)), ledger.CodeEncoding},
		{"carriage returns", signed(bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n"))), ledger.CodeEncoding},
		{"byte order mark", signed(append([]byte("\xef\xbb\xbf"), good...)), ledger.CodeEncoding},
		{"field left out", signed(replace(",\n    \"stages\": null", "")), ledger.CodeEncoding},
		{"time in another zone", signed(replace(`"2026-11-22T05:00:00Z"`, `"2026-11-22T07:00:00+02:00"`)), ledger.CodeField},
		{"time with a fraction", signed(replace(`"2026-11-22T05:00:00Z"`, `"2026-11-22T05:00:00.5Z"`)), ledger.CodeField},
		{"digest in capitals", signed(replace(string(next.Prev), "sha256:"+strings.ToUpper(string(next.Prev[7:])))), ledger.CodeField},
		{"unknown outcome", signed(replace(`"approved"`, `"agreed"`)), ledger.CodeField},
		{"plan that its digest does not cover", signed(replace(`"contentDigest"`, "\"contentDigest\": \""+string(ledger.DigestOf(nil))+"\",\n    \"planDigest\": \""+string(ledger.DigestOf(nil))+"\",\n    \"x\"")), ledger.CodeField},
		{"no signature", func(f files) { signed(good)(f); delete(f, path+".sig") }, ledger.CodeMissing},
		{"signature without a record", func(f files) { signed(good)(f); delete(f, path) }, ledger.CodeExtra},
		{"second signature", func(f files) {
			signed(good)(f)
			w.put(f, path+".sig", bytes.Repeat(w.read(f[path+".sig"]), 2))
		}, ledger.CodeSignature},
		{"empty signature", func(f files) { signed(good)(f); w.put(f, path+".sig", nil) }, ledger.CodeSignature},
		{"wrong namespace", func(f files) { w.forge(f, path, good, w.determining, "git") }, ledger.CodeNamespace},
		{"other role's key", func(f files) { w.forge(f, path, good, w.reconciling, next.Type.Namespace()) }, ledger.CodeRole},
		{"root's key", func(f files) { w.forge(f, path, good, w.root, next.Type.Namespace()) }, ledger.CodeRole},
		{"unknown key", func(f files) { w.forge(f, path, good, newKey(t), next.Type.Namespace()) }, ledger.CodeKey},
		{"extra file", func(f files) { w.put(f, "records/2026/11/notes.txt", nil) }, ledger.CodeExtra},
		{"extra file in another folder", func(f files) { w.put(f, "policies/x.rego", nil) }, ledger.CodeExtra},
		{"record deeper down", func(f files) {
			w.forge(f, strings.Replace(path, "/11/", "/11/01/", 1), good, w.determining, next.Type.Namespace())
		}, ledger.CodeExtra},
		{"record with a short number", func(f files) {
			w.forge(f, strings.Replace(path, "0000000003", "3", 1), good, w.determining, next.Type.Namespace())
		}, ledger.CodeExtra},
		{"executable record", func(f files) {
			signed(good)(f)
			f[path] = gitdb.Entry{Path: path, Mode: gitdb.ModeExec, OID: f[path].OID}
		}, ledger.CodeMode},
		{"symbolic link", func(f files) {
			signed(good)(f)
			f[path+".sig"] = gitdb.Entry{Path: path + ".sig", Mode: gitdb.ModeSymlink, OID: f[path].OID}
		}, ledger.CodeMode},
		{"name of another request", func(f files) {
			w.forge(f, strings.Replace(path, "sales-1", "sales-2", 1), good, w.determining, next.Type.Namespace())
		}, ledger.CodePath},
		{"name of another month", func(f files) {
			w.forge(f, strings.Replace(path, "2026/11", "2026/12", 1), good, w.determining, next.Type.Namespace())
		}, ledger.CodePath},
		{"number of another record", func(f files) {
			w.forge(f, path, replace(`"seq": "3"`, `"seq": "2"`), w.determining, next.Type.Namespace())
		}, ledger.CodePath},
		{"oversize record", signed(bytes.Repeat([]byte(" "), ledger.MaxRecord+1)), ledger.CodeSize},
		{"oversize signature", func(f files) { signed(good)(f); w.put(f, path+".sig", bytes.Repeat([]byte(" "), 1<<16)) }, ledger.CodeSize},
		{"no allowed_signers", func(f files) { delete(f, "allowed_signers") }, ledger.CodeSigners},
		{"one more signer", func(f files) {
			w.put(f, "allowed_signers", append(w.read(f["allowed_signers"]), "* ssh-ed25519 AAAA\n"...))
		}, ledger.CodeSigners},
		{"huge allowed_signers", func(f files) { w.put(f, "allowed_signers", make([]byte, 2<<20)) }, ledger.CodeSigners},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			f := clone(base)
			c.tamper(f)
			if got := codeOf(t, w.branchOf(f)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSealsAreJudged(t *testing.T) {
	w := newWorld(t)
	w.append(w.determining, determination("sales-0"))
	base := w.files()
	other := newKey(t).Public().String()
	cases := []struct {
		name string
		edit func(*ledger.SealBody)
		want ledger.Code
	}{
		{"rotation", func(b *ledger.SealBody) { b.Determining = other }, ""},
		{"planned rotation", func(b *ledger.SealBody) { b.From = 100 }, ""},
		{"one key for both roles", func(b *ledger.SealBody) { b.Determining = b.Reconciling }, ledger.CodeSeal},
		{"exchanged roles", func(b *ledger.SealBody) { b.Determining, b.Reconciling = b.Reconciling, b.Determining }, ledger.CodeSeal},
		{"key that changes its role", func(b *ledger.SealBody) { b.Determining, b.Reconciling = b.Reconciling, other }, ledger.CodeSeal},
		{"root key as engine key", func(b *ledger.SealBody) { b.Determining = w.root.Public().String() }, ledger.CodeSeal},
		{"no key", func(b *ledger.SealBody) { b.Determining = "" }, ledger.CodeSeal},
		{"key with a comment", func(b *ledger.SealBody) { b.Determining = other + " kim" }, ledger.CodeSeal},
		{"from the past", func(b *ledger.SealBody) { b.From = 2 }, ledger.CodeSeal},
		{"distrust of the future", func(b *ledger.SealBody) { b.DistrustFrom = 9 }, ledger.CodeSeal},
		{"distrust that waits", func(b *ledger.SealBody) { b.DistrustFrom, b.From = 2, 9 }, ledger.CodeSeal},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			r := w.next(ledger.TypeSeal)
			body := w.seal()
			body.From = r.Seq + 1
			c.edit(&body)
			r.Body, _ = ledger.Canonical(body)
			raw := rawRecord(t, r)
			f := clone(base)
			w.forge(f, w.path(r), raw, w.root, r.Type.Namespace())
			got := codeOf(t, w.branchOf(f))
			if c.want == "" && got == ledger.CodeSigners { // only Append writes that file
				got = ""
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if c.want == "" {
				return
			}
			if _, err := w.open().Append(t.Context(), w.root, w.now, ledger.Draft{Type: ledger.TypeSeal, Body: body}); err == nil {
				t.Error("Append made it")
			}
		})
	}
	r := w.next(ledger.TypeSeal)
	body := w.seal()
	body.From = r.Seq + 1
	r.Body, _ = ledger.Canonical(body)
	for _, key := range []struct {
		name string
		sign func(files)
	}{
		{"determining", func(f files) { w.forge(f, w.path(r), rawRecord(t, r), w.determining, r.Type.Namespace()) }},
		{"unknown", func(f files) { w.forge(f, w.path(r), rawRecord(t, r), newKey(t), r.Type.Namespace()) }},
	} {
		f := clone(base)
		key.sign(f)
		if got := codeOf(t, w.branchOf(f)); got != ledger.CodeRoot {
			t.Errorf("seal signed by the %s key: got %q, want root", key.name, got)
		}
	}
}

// rawRecord writes a record in the canonical form without the checks of Encode.
func rawRecord(t *testing.T, r ledger.Record) []byte {
	t.Helper()
	raw, err := ledger.Canonical(r)
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, '\n')
}

func TestLedgerMustStartWithASealOfAPinnedRoot(t *testing.T) {
	w := newWorld(t)
	trust := w.trust
	trust.Root = []string{newKey(t).Public().Fingerprint()}
	if got := codeOf(t, ledger.Open(w.db, trust)); got != ledger.CodeRoot {
		t.Errorf("with another root: got %q, want root", got)
	}
	trust.Root = nil
	if got := codeOf(t, ledger.Open(w.db, trust)); got != ledger.CodeRoot {
		t.Errorf("without a root: got %q, want root", got)
	}
	f := files{}
	for p, e := range w.files() {
		if p == "allowed_signers" {
			f[p] = e
		}
	}
	if got := codeOf(t, w.branchOf(f)); got != ledger.CodeSeal {
		t.Errorf("without records: got %q, want seal", got)
	}
}

func TestCheckpointMustRepeatTheChain(t *testing.T) {
	w := newWorld(t)
	w.append(w.determining, determination("a"), determination("b"))
	r := w.next(ledger.TypeCheckpoint)
	body, err := r.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	body.Mark.Seq--
	r.Body, _ = ledger.Canonical(body)
	f := w.files()
	w.forge(f, w.path(r), w.encode(r), w.reconciling, r.Type.Namespace())
	if got := codeOf(t, w.branchOf(f)); got != ledger.CodeCheckpoint {
		t.Errorf("got %q, want checkpoint", got)
	}
	if _, err := w.ledger.Append(t.Context(), w.reconciling, w.now, ledger.Draft{Type: ledger.TypeCheckpoint, Body: body}); err == nil {
		t.Error("Append made it")
	}
}

package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/signature"
)

const (
	repoID = "R_test"
	branch = "assent/ledger"
)

// world is a ledger with its keys.
type world struct {
	t                              testing.TB
	dir                            string
	db                             *gitdb.DB
	ledger                         *ledger.Ledger
	trust                          ledger.Trust
	root, determining, reconciling signature.Signer
	now                            time.Time
}

func newKey(t testing.TB) signature.Signer {
	t.Helper()
	s, _, err := signature.Generate("test")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)}
	db, err := gitdb.Init(w.dir, "main", false)
	if err != nil {
		t.Fatal(err)
	}
	w.db = db
	w.root, w.determining, w.reconciling = newKey(t), newKey(t), newKey(t)
	w.trust = ledger.Trust{Repo: repoID, Branch: branch, Root: []string{w.root.Public().Fingerprint()}}
	w.ledger = ledger.Open(db, w.trust)
	if err := w.ledger.Init(t.Context(), w.root, w.seal(), w.now); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) seal() ledger.SealBody {
	return ledger.SealBody{
		Determining: w.determining.Public().String(), Reconciling: w.reconciling.Public().String(), Reason: "test",
	}
}

// open reads the repository again, with nothing remembered.
func (w *world) open() *ledger.Ledger {
	w.t.Helper()
	db, err := gitdb.Open(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return ledger.Open(db, w.trust)
}

func (w *world) append(s signature.Signer, drafts ...ledger.Draft) []ledger.Verified {
	w.t.Helper()
	out, err := w.ledger.Append(w.t.Context(), s, w.now, drafts...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func determination(name string) ledger.Draft {
	return ledger.Draft{
		Type: ledger.TypeDetermination,
		Subject: ledger.Subject{
			Request: name, Path: "requests/sales/" + name + ".yaml",
			ContentDigest: ledger.ContentDigest(repoID, "requests/sales/"+name+".yaml", []byte("x")),
		},
		Body: ledger.DeterminationBody{
			Outcome: "approved", Reason: "<fine> & good", DecidedAt: time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC),
			Facts: json.RawMessage(`{"reviews":[{"by":"kim","counted":true}],"empty":[],"n":3}`),
		},
	}
}

// draftOf is a valid draft of each type.
func draftOf(typ ledger.Type, w *world) ledger.Draft {
	d := ledger.Draft{Type: typ, Subject: ledger.Subject{Request: "sales-1", Connection: "crm"}}
	switch typ {
	case ledger.TypeDetermination:
		return determination("sales-1")
	case ledger.TypeRevocation:
		d.Body = ledger.RevocationBody{Determination: "2", By: "kim", Reason: "left"}
	case ledger.TypeApplied, ledger.TypeRevoked:
		d.Body = ledger.EffectBody{Role: "assent_r", Principal: "ana", Reason: "approved", Status: "applied", ServerID: "1"}
	case ledger.TypeObservation:
		d.Body = ledger.ObservationBody{Code: "drift", Detail: "a grant is gone"}
	case ledger.TypeOverride:
		d.Body = ledger.OverrideBody{Code: "mass-revocation", By: []string{"kim", "lee"}, Reason: "planned"}
	case ledger.TypeSeal:
		d.Subject, d.Body = ledger.Subject{}, w.seal()
	case ledger.TypeCheckpoint:
		head, err := w.ledger.Head(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		d.Subject, d.Body = ledger.Subject{}, ledger.CheckpointBody{Mark: head}
	}
	return d
}

func (w *world) signer(typ ledger.Type) signature.Signer {
	role, _ := typ.Signs()
	return map[ledger.Role]signature.Signer{ledger.Root: w.root, ledger.Determining: w.determining, ledger.Reconciling: w.reconciling}[role]
}

func allTypes() []ledger.Type {
	return []ledger.Type{
		ledger.TypeDetermination, ledger.TypeRevocation, ledger.TypeApplied, ledger.TypeRevoked,
		ledger.TypeObservation, ledger.TypeOverride, ledger.TypeSeal, ledger.TypeCheckpoint,
	}
}

func collect(ctx context.Context, l *ledger.Ledger) ([]ledger.Verified, error) {
	var out []ledger.Verified
	for v, err := range l.Replay(ctx) {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

func TestReplayYieldsWhatWasAppendedInOrder(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 5 {
		name := fmt.Sprintf("sales-%d", i)
		w.append(w.determining, determination(name))
		w.append(w.reconciling, draftOf(ledger.TypeApplied, w), draftOf(ledger.TypeObservation, w))
		want = append(want, "determination "+name, "applied sales-1", "observation sales-1")
		w.now = w.now.AddDate(0, -1, 0) // a clock that runs backwards changes nothing
	}
	for _, l := range []*ledger.Ledger{w.open(), w.ledger} {
		records, err := collect(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 16 {
			t.Fatalf("got %d records, want 16", len(records))
		}
		for i, v := range records {
			if v.Seq != uint64(i+1) || v.Digest != ledger.DigestOf(v.Raw) {
				t.Errorf("record %d: seq %d digest %s", i+1, v.Seq, v.Digest)
			}
			if i > 0 && (v.Prev != records[i-1].Digest || string(v.Type)+" "+v.Subject.Request != want[i-1]) {
				t.Errorf("record %d is %s %s after %s", i+1, v.Type, v.Subject.Request, v.Prev)
			}
		}
		if body, err := records[1].Determination(); err != nil || body.Reason != "<fine> & good" {
			t.Errorf("body %+v, %v", body, err)
		}
	}
}

func TestReplayOfNothingIsAnError(t *testing.T) {
	db, err := gitdb.Init(t.TempDir(), "main", true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = collect(t.Context(), ledger.Open(db, ledger.Trust{Repo: repoID, Branch: branch}))
	if !errors.Is(err, ledger.ErrNoLedger) {
		t.Fatalf("got %v, want ErrNoLedger", err)
	}
}

func TestRecordsReadWell(t *testing.T) {
	w := newWorld(t)
	v := w.append(w.determining, determination("sales-0042"))[0]
	if want := "records/2026/11/0000000002-determination-sales-0042.json"; v.Path != want {
		t.Errorf("path %s, want %s", v.Path, want)
	}
	for _, want := range []string{"{\n  \"schema\": \"assent.record/v1\",\n  \"type\": \"determination\",\n  \"repo\": \"R_test\",\n  \"seq\": \"2\",\n", "\"reason\": \"<fine> & good\"", "\n    \"facts\": {\n      \"reviews\": [\n", "\"empty\": [],", "\"stages\": null"} {
		if !strings.Contains(string(v.Raw), want) {
			t.Errorf("record lacks %q:\n%s", want, v.Raw)
		}
	}
}

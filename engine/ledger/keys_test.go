package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/signature"
)

// rotate gives a role new keys from the next record on.
func (w *world) rotate(distrust uint64) (old signature.Signer) {
	w.t.Helper()
	old = w.determining
	w.determining = newKey(w.t)
	body := w.seal()
	body.DistrustFrom = distrust
	w.append(w.root, ledger.Draft{Type: ledger.TypeSeal, Body: body})
	return old
}

func TestAppendRefusesEveryKeyThatMayNotSign(t *testing.T) {
	w := newWorld(t)
	signers := map[string]signature.Signer{"root": w.root, "determining": w.determining, "reconciling": w.reconciling, "unknown": newKey(t)}
	for _, typ := range allTypes() {
		role, _ := typ.Signs()
		for name, s := range signers {
			if name == string(role) {
				continue
			}
			if _, err := w.ledger.Append(t.Context(), s, w.now, draftOf(typ, w)); !errors.Is(err, ledger.ErrKey) {
				t.Errorf("%s signed by the %s key: got %v, want ErrKey", typ, name, err)
			}
		}
	}
	mixed := []ledger.Draft{determination("a"), draftOf(ledger.TypeApplied, w)}
	if _, err := w.ledger.Append(t.Context(), w.determining, w.now, mixed...); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("batch of two roles: got %v, want ErrKey", err)
	}
	if head, err := w.ledger.Head(t.Context()); err != nil || head.Seq != 1 {
		t.Errorf("a refused append left record %d, %v", head.Seq, err)
	}
}

func TestRotatedKeySignsNoMoreAndWhatItSignedStands(t *testing.T) {
	w := newWorld(t)
	before := w.append(w.determining, determination("a"))[0]
	old := w.rotate(0)
	if _, err := w.ledger.Append(t.Context(), old, w.now, determination("b")); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("old key: got %v, want ErrKey", err)
	}
	w.append(w.determining, determination("b"))

	// The holder of the old key writes to the branch, dated before the rotation.
	w.now = w.now.AddDate(0, 0, -1)
	r := w.next(ledger.TypeDetermination)
	f := w.files()
	w.forge(f, w.path(r), w.encode(r), old, r.Type.Namespace())
	if got := codeOf(t, w.branchOf(f)); got != ledger.CodeKey {
		t.Errorf("back-dated record of a retired key: got %q, want key", got)
	}
	records, err := collect(t.Context(), w.open())
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 4 || records[1].Digest != before.Digest || records[1].Void {
		t.Errorf("the old record does not stand: %d records, %+v", len(records), records[1])
	}
}

func TestPlannedRotationTakesEffectAtItsSequenceNumber(t *testing.T) {
	w := newWorld(t)
	old := w.determining
	w.determining = newKey(t)
	body := w.seal()
	body.From = 5
	w.append(w.root, ledger.Draft{Type: ledger.TypeSeal, Body: body}) // record 2
	if _, err := w.ledger.Append(t.Context(), w.determining, w.now, determination("a")); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("new key before its time: got %v, want ErrKey", err)
	}
	if _, err := w.ledger.Append(t.Context(), old, w.now, determination("a"), determination("b"), determination("c")); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("old key in a batch that crosses record 5: got %v, want ErrKey", err)
	}
	w.append(old, determination("a"), determination("b"))
	w.append(w.determining, determination("c"))
	if records, err := collect(t.Context(), w.open()); err != nil || len(records) != 5 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// A stolen key signed from record 3 on. What took access away stands, what gave
// it is withheld, and records of the other, untouched key stand.
func TestDistrustWithholdsWhatGaveAccess(t *testing.T) {
	w := newWorld(t)
	w.append(w.determining, determination("honest"))                                                                     // 2
	w.append(w.determining, determination("stolen"), draftOf(ledger.TypeRevocation, w), draftOf(ledger.TypeOverride, w)) // 3 4 5
	w.append(w.reconciling, draftOf(ledger.TypeApplied, w))                                                              // 6
	before := w.open()
	if records, err := collect(t.Context(), before); err != nil || len(records) != 6 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	old := w.rotate(3)                               // 7
	w.append(w.determining, determination("honest")) // 8

	type seen struct {
		Seq  uint64
		Type ledger.Type
		Void bool
	}
	want := []seen{
		{1, ledger.TypeSeal, false}, {2, ledger.TypeDetermination, false}, {4, ledger.TypeRevocation, true},
		{6, ledger.TypeApplied, false}, {7, ledger.TypeSeal, false}, {8, ledger.TypeDetermination, false},
	}
	// A ledger opened afresh and one that had verified the records before agree.
	for name, l := range map[string]*ledger.Ledger{"fresh": w.open(), "followed": before} {
		records, err := collect(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		var got []seen
		for _, v := range records {
			got = append(got, seen{v.Seq, v.Type, v.Void})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		void, err := l.Distrusted(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(void) != 3 || void[0].Seq != 3 || void[1].Seq != 4 || void[2].Seq != 5 {
			t.Errorf("%s: distrusted %+v", name, void)
		}
	}

	r := w.next(ledger.TypeDetermination)
	f := w.files()
	w.forge(f, w.path(r), w.encode(r), old, r.Type.Namespace())
	if got := codeOf(t, w.branchOf(f)); got != ledger.CodeDistrusted {
		t.Errorf("new record of the stolen key: got %q, want distrusted", got)
	}
	w.determining = old
	if _, err := w.ledger.Append(t.Context(), w.root, w.now, ledger.Draft{Type: ledger.TypeSeal, Body: w.seal()}); err == nil {
		t.Error("a distrusted key was sealed again")
	}
}

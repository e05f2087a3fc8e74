package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/ledger"
)

// anyJSON draws what may stand in the free-form fields of a body.
func anyJSON(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), toAny), rapid.Map(rapid.String(), toAny),
		rapid.Map(rapid.Int64Range(-(1<<53-1), 1<<53-1), toAny),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(anyJSON(depth-1), 0, 4), toAny),
		rapid.Map(rapid.MapOfN(rapid.String(), anyJSON(depth-1), 0, 20), toAny),
	)
}

func toAny[T any](v T) any { return v }

func rawJSON(t *rapid.T, label string) json.RawMessage {
	raw, err := json.Marshal(anyJSON(3).Draw(t, label))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func seconds() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(0, 4102444800), func(s int64) time.Time { return time.Unix(s, 0).UTC() })
}

func anyBody(t *rapid.T, typ ledger.Type, seq uint64) any {
	text := rapid.String()
	switch typ {
	case ledger.TypeDetermination:
		return ledger.DeterminationBody{
			Outcome: rapid.SampledFrom([]string{"approved", "temporarily-approved", "denied", "canceled"}).Draw(t, "outcome"),
			Reason:  text.Draw(t, "reason"), Until: seconds().Draw(t, "until"), DecidedAt: seconds().Draw(t, "decided"),
			Change: ledger.Merged{Forge: text.Draw(t, "forge"), Commit: text.Draw(t, "commit")},
			Facts:  rawJSON(t, "facts"), Stages: rawJSON(t, "stages"), Plan: rawJSON(t, "plan"),
		}
	case ledger.TypeRevocation:
		return ledger.RevocationBody{Determination: fmt.Sprint(rapid.Uint64Min(1).Draw(t, "seq")), By: text.Draw(t, "by"), Reason: text.Draw(t, "reason")}
	case ledger.TypeApplied, ledger.TypeRevoked:
		return ledger.EffectBody{
			Role: text.Draw(t, "role"), NotAfter: seconds().Draw(t, "after"), Requests: rapid.SliceOf(text).Draw(t, "requests"),
			SessionsEnded: rapid.IntRange(0, 9).Draw(t, "ended"), LateSeconds: rapid.Int64Range(0, 1e9).Draw(t, "late"), Change: rawJSON(t, "change"),
		}
	case ledger.TypeObservation:
		return ledger.ObservationBody{Code: "c" + text.Draw(t, "code"), Detail: text.Draw(t, "detail")}
	case ledger.TypeOverride:
		return ledger.OverrideBody{Code: "c" + text.Draw(t, "code"), By: rapid.SliceOfN(text, 1, 3).Draw(t, "by"), Reason: text.Draw(t, "reason")}
	case ledger.TypeSeal:
		return ledger.SealBody{From: seq + rapid.Uint64Range(0, 9).Draw(t, "from"), Determining: keyA, Reconciling: keyB, Reason: text.Draw(t, "reason")}
	default:
		return ledger.CheckpointBody{Mark: ledger.Mark{Seq: seq - 1, Digest: ledger.DigestOf(nil)}, Main: text.Draw(t, "main")}
	}
}

const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNwMHM8lLcve+HMdKmjaanRnkdOE0Sm3ZUxkjv5LTgg"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOrvP89uyupCbqyFcCz1nNtKuLT8YIUkj0Vhf/xYamSs"
)

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint64Range(2, 1<<32).Draw(t, "seq")
		r := ledger.Record{
			Schema: ledger.Schema, Type: rapid.SampledFrom(allTypes()).Draw(t, "type"), Repo: "r" + rapid.String().Draw(t, "repo"),
			Seq: seq, Prev: ledger.DigestOf([]byte(rapid.String().Draw(t, "prev"))), RecordedAt: seconds().Draw(t, "at"),
			Subject: ledger.Subject{Request: "r" + rapid.String().Draw(t, "request"), Path: rapid.String().Draw(t, "path")},
		}
		body, err := json.Marshal(anyBody(t, r.Type, seq))
		if err != nil {
			t.Fatal(err)
		}
		r.Body = body
		raw, err := ledger.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.Decode(raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		again, err := ledger.Encode(got)
		if err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("%v\n%s\n%s", err, raw, again)
		}
		got.Body, r.Body = compact(t, got.Body), compact(t, r.Body)
		if diff := cmp.Diff(r, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// compact is the value of a JSON text, written by encoding/json.
func compact(t *rapid.T, raw []byte) []byte {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCanonicalForm(t *testing.T) {
	cases := []struct{ in, want string }{
		{`{}`, `{}`},
		{` [ ] `, `[]`},
		{`{"b":1,"a":[true,null]}`, "{\n  \"b\": 1,\n  \"a\": [\n    true,\n    null\n  ]\n}"},
		{`"\u003c\u00e9\ud83d\ude00\/\u0007\u2028"`, "\"<é😀/\\u0007\u2028\""},
		{`"\ud800x\udc00"`, "\"\ufffdx\ufffd\""},
		{`-12`, `-12`},
		{`9007199254740991`, `9007199254740991`},
	}
	for _, c := range cases {
		got, err := ledger.Canonical(json.RawMessage(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.in, got, err, c.want)
		}
	}
	refused := []string{
		`1.0`, `1e3`, `-0`, `9007199254740992`, `-9007199254740992`, `99999999999999999999999999`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `[{"x":{"y":1,"y":2}}]`,
		strings.Repeat("[", 66) + strings.Repeat("]", 66),
	}
	wide := "{"
	for i := range 40 {
		wide += fmt.Sprintf(`"k%d":1,`, i)
	}
	refused = append(refused, wide+`"k7":1}`)
	for _, in := range refused {
		if got, err := ledger.Canonical(json.RawMessage(in)); err == nil {
			t.Errorf("%.40s became %q", in, got)
		}
	}
	if got, err := ledger.Canonical(map[string]any{"z": 1, "a": map[string]int{"y": 1, "b": 2}}); err != nil || string(got) != "{\n  \"a\": {\n    \"b\": 2,\n    \"y\": 1\n  },\n  \"z\": 1\n}" {
		t.Errorf("map: %s, %v", got, err)
	}
	if _, err := ledger.Canonical(0.5); err == nil {
		t.Error("a float was written")
	}
}

func TestDigestsBindTheirPurpose(t *testing.T) {
	content := ledger.ContentDigest("R", "requests/a.yaml", []byte("x"))
	for name, other := range map[string]ledger.Digest{
		"another repository": ledger.ContentDigest("S", "requests/a.yaml", []byte("x")),
		"another path":       ledger.ContentDigest("R", "requests/b.yaml", []byte("x")),
		"other bytes":        ledger.ContentDigest("R", "requests/a.yaml", []byte("y")),
		"shifted":            ledger.ContentDigest("R", "requests/a.yamlx", nil),
		"a plan":             ledger.PlanDigest([]byte("R\x00requests/a.yaml\x00x")),
		"bare":               ledger.DigestOf([]byte("x")),
	} {
		if other == content {
			t.Errorf("%s has the same digest", name)
		}
		if !other.Valid() {
			t.Errorf("%s: %s is not valid", name, other)
		}
	}
	// From `printf 'assent/request/v1\0R\0requests/a.yaml\0x' | sha256sum`.
	if want := ledger.Digest("sha256:773923187d4bd94adf7128272eefbf18a7db1301508d01589b77ea3a31432529"); content != want {
		t.Errorf("content digest %s, want %s", content, want)
	}
	for _, bad := range []ledger.Digest{"", "sha256:", "md5:00", content + "0", content[:70], ledger.Digest(strings.ToUpper(string(content)))} {
		if bad.Valid() {
			t.Errorf("%q is valid", bad)
		}
	}
}

// FuzzDecode: whatever Decode takes, Encode writes again to the same bytes, and
// its errors are typed.
func FuzzDecode(f *testing.F) {
	r := ledger.Record{Schema: ledger.Schema, Type: ledger.TypeObservation, Repo: "R", Seq: 1, RecordedAt: time.Unix(0, 0).UTC(), Body: json.RawMessage(`{"code":"drift","detail":"<x>"}`)}
	raw, err := ledger.Encode(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"schema":"assent.record/v1","body":{"a":[1,2,{"b":"\ud800"}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ledger.Decode(raw)
		if err != nil {
			var chain *ledger.ChainError
			if !errors.As(err, &chain) || chain.Code == "" {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := ledger.Encode(r)
		if err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("%v: %q became %q", err, raw, again)
		}
	})
}

// FuzzCanonical: the canonical form is valid, stable and means the same to
// encoding/json, which is the judge of what is JSON.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2,"\u00e9\n"],"b":null}`, `"\ud83d\ude00"`, `[[],{}]`, `1.5`, "\"\xff\"", `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ledger.Canonical(json.RawMessage(raw))
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q is not JSON but became %q", raw, got)
		}
		again, err := ledger.Canonical(json.RawMessage(got))
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%v: %q became %q", err, got, again)
		}
		var a, b any
		if err := errors.Join(json.Unmarshal(raw, &a), json.Unmarshal(got, &b)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("%q became %q\n%s", raw, got, diff)
		}
	})
}

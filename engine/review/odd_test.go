package review_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/review"
)

// sound is the answer that would approve the scene of oddScene.
const sound = `{"outcome": "temporarily-approved", "reason": "approved by bo", "counted": ["r1"], "missing": [], "constraints": [], "asked": [],
 "stages": [{"state": "approved", "sources": [{"answered": ["bo"]}]}], "until": "2027-02-22T12:00:00Z"}`

// oddScene is approved in all but the answer of the rules; r2 is an approval
// that is not valid.
func oddScene(t testing.TB) *scene {
	s := newScene(t, anyFinance, forAnn)
	s.says(bo, approve, "")
	s.says(ann, approve, "")
	return s
}

func swap(old, with string) string { return strings.Replace(sound, old, with, 1) }

// answers are the rules of somebody who got them wrong, or wants too much. The
// first gives the sound answer, to show that nothing but the oddity matters.
func answers() map[string]string {
	rego := map[string]string{}
	for name, object := range map[string]string{
		"another outcome":          swap(`"temporarily-approved"`, `"allowed"`),
		"outcome in capitals":      swap(`"temporarily-approved"`, `"Temporarily-Approved"`),
		"outcome true":             swap(`"temporarily-approved"`, `true`),
		"outcome 1":                swap(`"temporarily-approved"`, `1`),
		"outcome null":             swap(`"temporarily-approved"`, `null`),
		"outcome in a list":        swap(`"temporarily-approved"`, `["approved"]`),
		"outcome in a set":         swap(`"temporarily-approved"`, `{"approved"}`),
		"outcome in an object":     swap(`"temporarily-approved"`, `{"is": "approved"}`),
		"outcome skipped":          swap(`"temporarily-approved"`, `"skipped"`),
		"outcome canceled":         swap(`"temporarily-approved"`, `"canceled"`),
		"outcome empty":            swap(`"temporarily-approved"`, `""`),
		"outcome missing":          swap(`"outcome": "temporarily-approved", `, ``),
		"key in capitals":          swap(`"outcome"`, `"OUTCOME"`),
		"key twice, in capitals":   swap(`{"outcome"`, `{"Outcome": "approved", "outcome"`),
		"unknown field":            swap(`{"outcome"`, `{"force": true, "outcome"`),
		"unknown field in stages":  swap(`"state"`, `"skip": true, "state"`),
		"no reason":                swap(`"approved by bo"`, `""`),
		"reason null":              swap(`"approved by bo"`, `null`),
		"reason 1":                 swap(`"approved by bo"`, `1`),
		"approved without an end":  swap(`"2027-02-22T12:00:00Z"`, `""`),
		"plainly approved":         strings.Replace(swap(`"temporarily-approved"`, `"approved"`), `"2027-02-22T12:00:00Z"`, `""`, 1),
		"approved with an end":     swap(`"temporarily-approved"`, `"approved"`),
		"an end too late":          swap(`2027-02-22`, `2027-02-23`),
		"an end long ago":          swap(`2027-02-22`, `2020-02-22`),
		"an end in words":          swap(`"2027-02-22T12:00:00Z"`, `"soon"`),
		"an end in another zone":   swap(`12:00:00Z`, `12:00:00+02:00`),
		"an end with fractions":    swap(`12:00:00Z`, `12:00:00.5Z`),
		"an end as a number":       swap(`"2027-02-22T12:00:00Z"`, `1803124800`),
		"nobody counted":           swap(`["r1"]`, `[]`),
		"counted null":             swap(`["r1"]`, `null`),
		"counted missing":          swap(`"counted": ["r1"], `, ``),
		"an unknown review":        swap(`["r1"]`, `["r9"]`),
		"an invalid review":        swap(`["r1"]`, `["r2"]`),
		"an invalid one too":       swap(`["r1"]`, `["r1", "r2"]`),
		"counted by number":        swap(`["r1"]`, `[1]`),
		"no stages":                swap(`[{"state": "approved", "sources": [{"answered": ["bo"]}]}]`, `[]`),
		"stages null":              swap(`[{"state": "approved", "sources": [{"answered": ["bo"]}]}]`, `null`),
		"a stage too many":         swap(`"stages": [`, `"stages": [{"state": "approved", "sources": []}, `),
		"no sources":               swap(`[{"answered": ["bo"]}]`, `[]`),
		"a waiting stage":          swap(`"state": "approved"`, `"state": "waiting"`),
		"a blocked stage":          swap(`"state": "approved"`, `"state": "blocked"`),
		"a stage of no state":      swap(`"state": "approved"`, `"state": ""`),
		"something missing":        swap(`"missing": []`, `"missing": [{"what": "x"}]`),
		"missing nowhere":          swap(`"missing": []`, `"missing": [{"what": "x", "stage": 7}]`),
		"missing in no source":     swap(`"missing": []`, `"missing": [{"what": "x", "stage": 0, "source": -1}]`),
		"missing without a stage":  swap(`"missing": []`, `"missing": [{"what": "x", "source": 0}]`),
		"missing is a text":        swap(`"missing": []`, `"missing": "nothing"`),
		"a constraint":             swap(`"constraints": []`, `"constraints": ["x"]`),
		"constraints null":         swap(`"constraints": []`, `"constraints": null`),
		"constraints is an object": swap(`"constraints": []`, `"constraints": {}`),
		"asks of its own":          swap(`"asked": []`, `"asked": [{"mode": "any", "count": 1, "distinct": true, "files": ["x"], "sources": []}]`),
		"asked is missing":         swap(`"asked": [],`, ``),
		"denied without a denial":  swap(`"temporarily-approved"`, `"denied"`),
		"empty object":             `{}`,
	} {
		rego[name] = "decision := " + object + "\n"
	}
	for name, body := range map[string]string{
		"undefined":         "decision := " + sound + " if false\n",
		"another name":      "decide := " + sound + "\n",
		"a text":            "decision := \"approved\"\n",
		"a text of JSON":    "decision := `" + sound + "`\n",
		"true":              "decision := true\n",
		"bare":              "decision if true\n",
		"null":              "decision := null\n",
		"a list":            "decision := [" + sound + "]\n",
		"a set":             "decision := {" + sound + "}\n",
		"a partial set":     "decision contains " + sound + " if true\n",
		"a partial object":  "decision[\"outcome\"] := \"approved\"\n",
		"conflict":          "decision := " + sound + "\n\ndecision := {}\n",
		"a failing builtin": "decision := " + sound + " if not time.parse_rfc3339_ns(input.kind) == 1\n",
		"default true":      "default decision := true\n",
	} {
		rego[name] = body
	}
	return rego
}

func TestOddAnswersNeverGrant(t *testing.T) {
	engine := func(body string) review.Decider {
		e, err := policy.Compile(t.Context(), map[string]string{"q.rego": "package assent.quorum\n\n" + body}, nil)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return e
	}
	if j := oddScene(t).judge(t, engine("decision := "+sound+"\n")); j.Outcome != temporary {
		t.Fatalf("the sound answer is refused: %s", show(t, j))
	}
	odd := answers()
	if len(odd) < 60 {
		t.Fatalf("only %d odd answers", len(odd))
	}
	for name, body := range odd {
		j := oddScene(t).judge(t, engine(body))
		if j.Outcome != pending || j.Reason == "" || !j.Determinations[0].Until.IsZero() {
			t.Errorf("%s: %s", name, show(t, j))
		}
	}
}

// decider answers without any rules.
type decider func() (json.RawMessage, error)

func (d decider) Decide(context.Context, any, time.Time) (json.RawMessage, error) { return d() }

func TestBrokenDecidersNeverGrant(t *testing.T) {
	for name, d := range map[string]decider{
		"error":             func() (json.RawMessage, error) { return nil, errors.New("boom") },
		"error with answer": func() (json.RawMessage, error) { return json.RawMessage(sound), errors.New("boom") },
		"deadline":          func() (json.RawMessage, error) { return nil, context.DeadlineExceeded },
		"nothing":           func() (json.RawMessage, error) { return nil, nil },
		"null":              func() (json.RawMessage, error) { return json.RawMessage("null"), nil },
		"half":              func() (json.RawMessage, error) { return json.RawMessage(sound[:len(sound)/2]), nil },
		"two":               func() (json.RawMessage, error) { return json.RawMessage(sound + sound), nil },
		"rubbish after it":  func() (json.RawMessage, error) { return json.RawMessage(sound + "]"), nil },
		"no JSON":           func() (json.RawMessage, error) { return json.RawMessage("approved"), nil },
	} {
		for _, reviews := range []func(*scene){func(*scene) {}, func(s *scene) { s.says(cy, deny, "") }} {
			s := oddScene(t)
			reviews(s)
			if j := s.judge(t, d); j.Outcome != pending || !strings.Contains(j.Reason, "the rules") {
				t.Errorf("%s: %s", name, show(t, j))
			}
		}
	}
}

func TestADenialIsNotOutvotedByTheRules(t *testing.T) {
	s := oddScene(t)
	s.says(cy, deny, "")
	d := decider(func() (json.RawMessage, error) { return json.RawMessage(sound), nil })
	if j := s.judge(t, d); j.Outcome != pending {
		t.Errorf("%s", show(t, j))
	}
}

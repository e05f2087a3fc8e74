package scenario_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/scenario"
	"github.com/assent-dev/assent/examples"
	"github.com/assent-dev/assent/policies"
)

// story is one that passes on the quickstart.
const story = `scenario: personal data
at: 2026-11-09T09:00:00Z
people:
  zoe: {groups: [privacy]}
request:
  requester: ana
  target: {product: customer-orders}
  duration: 90d
  answers: {purpose: Churn model for the spring campaign, project: churn-model, duration: 90d}
reviews:
  - {by: kim, verdict: approve}
expect: {outcome: pending, counted: [kim], missing: [group privacy], reason: waiting for}
steps:
  - at: 2026-11-10T09:00:00Z
    reviews: [{by: zoe, verdict: approve, body: /approve for 30d}]
    expect: {outcome: temporarily-approved, until: 2026-12-10T09:00:00Z, counted: [zoe, kim], missing: []}
`

func play(t *testing.T, text string) scenario.Result {
	t.Helper()
	files, err := examples.Quickstart()
	if err != nil {
		t.Fatal(err)
	}
	snap, err := repo.LoadDir(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	e, err := policy.Compile(context.Background(), policies.Builtin(), snap.Policies)
	if err != nil {
		t.Fatal(err)
	}
	s, problems := scenario.Decode("policies/scenarios/x.yaml", []byte(text))
	if problems.HasErrors() {
		return scenario.Result{Problems: problems}
	}
	r, err := scenario.Run(t.Context(), e, snap.Set, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAStoryThatComesOutAsToldPasses(t *testing.T) {
	if r := play(t, story); !r.Passed() || r.Steps != 2 {
		t.Errorf("%+v", r)
	}
	all := scenario.Explanations()
	if r := play(t, all[0].Example); !r.Passed() {
		t.Errorf("the example of the explanation: %+v", r)
	}
}

// Each edit of the story makes it tell something that is not so.
func TestAStoryThatComesOutOtherwiseFailsAndSaysHow(t *testing.T) {
	for _, tc := range []struct{ name, old, new, what, got string }{
		{"outcome", "outcome: pending", "outcome: approved", "outcome", "pending (waiting for an approval for group privacy)"},
		{"who counts", "counted: [kim]", "counted: [raj]", "counted", "[kim]"},
		{"nobody counts", "counted: [kim]", "counted: []", "counted", "[kim]"},
		{"what is missing", "missing: [group privacy]", "missing: [group legal]", "missing", `["an approval for group privacy"]`},
		{"nothing is missing", "missing: [group privacy]", "missing: []", "missing", `["an approval for group privacy"]`},
		{"more is missing", "missing: [group privacy]", "missing: [group privacy, group privacy]", "missing", `["an approval for group privacy"]`},
		{"reason", "reason: waiting for", "reason: waits for", "reason", "waiting for an approval for group privacy"},
		{"end", "until: 2026-12-10T09:00:00Z", "until: 2026-12-10T09:00:01Z", "until", "2026-12-10T09:00:00Z"},
		{"no end", "until: 2026-12-10T09:00:00Z", "until: none", "until", "2026-12-10T09:00:00Z"},
		{"a reviewer of another group", "groups: [privacy]", "groups: [analysts]", "outcome", "pending (waiting for an approval for group privacy)"},
		{"a reviewer who left", "zoe: {groups: [privacy]}", "zoe: {groups: [privacy], state: left}", "outcome", "pending (waiting for an approval for group privacy)"},
		{"a person of the directory who left", "zoe: {groups: [privacy]}", "zoe: {groups: [privacy]}\n  kim: {state: left}", "outcome", ""},
		{"its own author reviews", "target:", "beneficiaries: [{user: kim}]\n  target:", "counted", "[]"},
		{"whoever opened it reviews", "people:", "by: kim\npeople:", "counted", "[]"},
		{"the rules of the organisation", "purpose: Churn model for the spring campaign", "purpose: Churn", "outcome", ""},
	} {
		if !strings.Contains(story, tc.old) {
			t.Fatalf("%s: no %q", tc.name, tc.old)
		}
		r := play(t, strings.Replace(story, tc.old, tc.new, 1))
		found := false
		for _, d := range r.Differs {
			found = found || d.What == tc.what && (tc.got == "" || d.Got == tc.got) && d.At.Line > 0 && d.Want != d.Got
		}
		if !found {
			t.Errorf("%s: %+v", tc.name, r)
		}
	}
}

func TestMistakesInAStoryHaveTheirPlace(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown field", "reviews:\n", "revews:\n", `x.yaml:10:1: error[SCN001]: unknown field "revews" in a scenario`},
		{"unknown field of a review", "by: kim, verdict", "who: kim, verdict", `x.yaml:11:6: error[SCN001]: unknown field "who" in a review`},
		{"unknown verdict", "verdict: approve}\nexpect", "verdict: aprove}\nexpect", `x.yaml:11:24: error[SCN001]: "aprove" is none of [approve deny comment dismissed]`},
		{"unknown outcome", "outcome: pending", "outcome: waiting", `x.yaml:12:19: error[SCN001]: "waiting" is none of`},
		{"twice", "at: 2026-11-09T09:00:00Z\n", "at: 2026-11-09T09:00:00Z\nat: 2026-11-09T09:00:00Z\n", "x.yaml:3:1: error[SCN001]: at is stated twice"},
		{"no time", "at: 2026-11-09T09:00:00Z\n", "", "error[SCN001]: a scenario lacks at"},
		{"no instant", "at: 2026-11-10T09:00:00Z", "at: tomorrow", `x.yaml:14:9: error[SCN001]: parse instant "tomorrow"`},
		{"backwards", "at: 2026-11-10T09:00:00Z", "at: 2026-11-08T09:00:00Z", "x.yaml:14:5: error[SCN001]: it is before the step before it"},
		{"nobody", "by: kim", "by: kym", `error[SCN001]: nobody is "kym"`},
		{"nobody counts", "counted: [kim]", "counted: [kym]", `error[SCN001]: nobody is "kym"`},
		{"no expectation", "expect: {outcome: pending, counted: [kim], missing: [group privacy], reason: waiting for}\n", "", "error[SCN001]: it expects nothing"},
		{"request and file", "request:\n", "file: x.yaml\nrequest:\n", "error[SCN001]: a scenario has either request or file"},
		{"unknown file", story[strings.Index(story, "request:"):strings.Index(story, "reviews:")], "file: requests/x/y.yaml\n", "x.yaml:5:7: error[SCN002]: no request of this repository is requests/x/y.yaml"},
		{"misspelt request", "  duration: 90d\n", "  durration: 90d\n", `x.yaml:8:3: error[SCN002]: unknown field`},
		{"wrong value in the request", "  duration: 90d\n", "  duration: ninety\n", `x.yaml:8:13: error[SCN002]:`},
		{"no YAML", "at: 2026", "at: [2026", "error[SCN001]:"},
		{"a list", story, "- x\n", "x.yaml:1:1: error[SCN001]: a scenario is no mapping"},
		{"nothing", story, "", "error[SCN001]: it is empty"},
		{"too large", "scenario: ", "scenario: " + strings.Repeat("x", 40000), "at most"},
	} {
		if !strings.Contains(story, tc.old) {
			t.Fatalf("%s: no %q", tc.name, tc.old)
		}
		r := play(t, strings.Replace(story, tc.old, tc.new, 1))
		text := ""
		for _, p := range r.Problems {
			text += p.String() + "\n"
		}
		if !strings.Contains(text, tc.want) || r.Passed() {
			t.Errorf("%s: want %s, got\n%s%+v", tc.name, tc.want, text, r.Differs)
		}
	}
}

func TestWhatPeopleHoldIsToldToTheRules(t *testing.T) {
	held := strings.Replace(story, "people:\n", "held:\n  ana: [{product: a}, {product: b}, {product: c}, {product: d}]\npeople:\n", 1)
	r := play(t, held)
	if r.Passed() || !strings.Contains(r.Differs[0].Got, "ana would hold 5 products") {
		t.Errorf("%+v", r)
	}
	waiting := strings.ReplaceAll(held, "}, {product: d}", "}, {product: d, pending: true}")
	if r := play(t, waiting); !r.Passed() {
		t.Errorf("what is pending is not held: %+v", r)
	}
	apart := strings.Replace(story, "people:\n", "held:\n  ana: [{product: salaries}]\npeople:\n", 1)
	if r := play(t, apart); r.Passed() || !strings.Contains(r.Differs[0].Got, "ana holds people data") {
		t.Errorf("%+v", r)
	}
}

func TestPlayingChangesNothing(t *testing.T) {
	first := play(t, strings.Replace(story, "counted: [kim]", "counted: [raj]", 1))
	for range 3 {
		again := play(t, strings.Replace(story, "counted: [kim]", "counted: [raj]", 1))
		if diff := cmp.Diff(first, again); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(story))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("scenario:\n  request: {}\n? x"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, problems := scenario.Decode("x.yaml", raw)
		if !problems.HasErrors() && (s.Title == "" && !strings.Contains(string(raw), "scenario") || len(s.Steps) == 0) {
			t.Errorf("%q reads as %+v", raw, s)
		}
	})
}

package review_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func TestTheShortestEndWins(t *testing.T) {
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	for _, tc := range []struct {
		name, spec string
		bodies     []string
		want       time.Time
		outcome    review.Outcome
	}{
		{"asked", `duration: 90d`, []string{"", ""}, day(90), temporary},
		{"one steward", `duration: 90d`, []string{"/approve for 30d", ""}, day(30), temporary},
		{"the shorter of two stewards", `duration: 90d`, []string{"/approve for 30d", "/approve for 7d"}, day(7), temporary},
		{"a steward asks for more than was asked", `duration: 7d`, []string{"/approve for 30d", ""}, day(7), temporary},
		{"a day", `duration: 90d`, []string{"/approve until 2026-12-01", ""}, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), temporary},
		{"indefinite meets the product's most", `duration: indefinite`, []string{"", ""}, noon.AddDate(1, 0, 0), temporary},
		{"indefinite and temporary", `duration: indefinite`, []string{"/approve for 30d", ""}, day(30), temporary},
		{"until", `until: 2026-12-24`, []string{"", ""}, time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC), temporary},
		{"until yesterday", `until: 2026-11-23`, []string{"", ""}, time.Time{}, pending},
		{"ends before it begins", `until: 2026-12-24, notBefore: 2026-12-24`, []string{"", ""}, time.Time{}, pending},
		{"begins later", `until: 2026-12-24, notBefore: 2026-12-23`, []string{"", ""}, time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC), temporary},
		{"unreadable", `duration: long`, []string{"", ""}, time.Time{}, pending},
		{"unreadable begin", `duration: 90d, notBefore: soon`, []string{"", ""}, time.Time{}, pending},
		{"nothing stated", `answers: {}`, []string{"", ""}, time.Time{}, pending},
	} {
		s := newScene(t, twoOfTwo, `beneficiaries: [{user: ann}], `+tc.spec)
		s.says(bo, approve, tc.bodies[0])
		s.says(cy, approve, tc.bodies[1])
		j := s.judge(t, theRules(t))
		if j.Outcome != tc.outcome || !j.Determinations[0].Until.Equal(tc.want) {
			t.Errorf("%s: want %s until %s, got %s", tc.name, tc.outcome, tc.want, show(t, j))
		}
	}
}

func TestNoEndAnywhereIsPlainlyApproved(t *testing.T) {
	s := newScene(t, anyFinance, `beneficiaries: [{user: ann}], duration: indefinite`)
	s.base = setOf(t, people, strings.Replace(product(anyFinance), ", maxDuration: 1y", "", 1))
	s.says(bo, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != review.Approved || !j.Determinations[0].Until.IsZero() {
		t.Errorf("%s", show(t, j))
	}
}

func TestTheClockStartsAtTheFinalDetermination(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	s.says(bo, approve, "/approve for 30d")
	s.facts.ObservedAt = noon.Add(48*time.Hour + 300*time.Millisecond)
	want := noon.Add(48*time.Hour).AddDate(0, 0, 30)
	if d := s.judge(t, theRules(t)).Determinations[0]; !d.Until.Equal(want) || !d.DecidedAt.Equal(noon.Add(48*time.Hour)) {
		t.Errorf("until %s, decided %s", d.Until, d.DecidedAt)
	}
}

func TestAResultSaysWhoCanUnblockItAndWhereThatIsWritten(t *testing.T) {
	s := newScene(t, `
    mode: stewards
    rules:
      - when: {accessLevel: write}
        stages: [{any: [{user: di}]}]
      - when: {accessLevel: read}
        stages:
          - any: [{user: bo}]
          - all:
              - group: legal
              - attribute: {key: role, value: dpo}
              - permission: GOVERNANCE`, forAnn)
	s.says(bo, approve, "")
	s.says(gov, approve, "")
	d := s.judge(t, theRules(t)).Determinations[0]
	wantFlow := review.FlowRef{Mode: resource.ReviewStewards, From: "RequestForm/ask", At: "forms/ask.yaml:5:3", Rule: "1"}
	if diff := cmp.Diff(wantFlow, d.Flow); diff != "" {
		t.Error(diff)
	}
	wantStages := []review.StageResult{
		{State: review.StageApproved, Mode: "any", At: "forms/ask.yaml:12:13", Sources: []review.SourceResult{
			{Source: "user bo", People: []resource.Name{"bo"}, Answered: []resource.Name{"bo"}, At: "forms/ask.yaml:12:19"},
		}},
		{State: review.StageWaiting, Mode: "all", At: "forms/ask.yaml:13:13", Sources: []review.SourceResult{
			{Source: "group legal", People: []resource.Name{"dee", "eve"}, Answered: []resource.Name{}, At: "forms/ask.yaml:14:17"},
			{Source: "attribute role=dpo", People: []resource.Name{"dee"}, Answered: []resource.Name{}, At: "forms/ask.yaml:15:17"},
			{Source: "permission GOVERNANCE", People: []resource.Name{"gov"}, Answered: []resource.Name{"gov"}, At: "forms/ask.yaml:16:17"},
		}},
	}
	if diff := cmp.Diff(wantStages, d.Stages); diff != "" {
		t.Error(diff)
	}
	wantMissing := []review.Need{
		{What: "an approval for group legal", People: []resource.Name{"dee", "eve"}, At: "forms/ask.yaml:14:17"},
		{What: "an approval for attribute role=dpo", People: []resource.Name{"dee"}, At: "forms/ask.yaml:15:17"},
	}
	if diff := cmp.Diff(wantMissing, d.Missing); diff != "" {
		t.Error(diff)
	}
}

func TestAStageThatNobodyIsLeftForSaysSo(t *testing.T) {
	s := newScene(t, `{mode: stewards, stages: [{any: [{user: ann}]}]}`, forAnn)
	d := s.judge(t, theRules(t)).Determinations[0]
	if len(d.Missing) != 1 || !strings.Contains(d.Missing[0].What, "nobody is left") {
		t.Errorf("%s", show(t, d))
	}
}

func TestInputAndDecisionAreCanonicalAndReplay(t *testing.T) {
	s := newScene(t, bothGroup, forAnn+`, columns: [email], answers: {purpose: "<b> & more", size: 3, sure: true, tags: [b, a]}`)
	s.says(bo, approve, "fine")
	s.says(dee, approve, "/approve for 30d")
	first, again := s.judge(t, theRules(t)), s.judge(t, rules(t, nil))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
	d := first.Determinations[0]
	for name, raw := range map[string]json.RawMessage{"input": d.Input, "decision": d.Decision} {
		var plain any
		if err := json.Unmarshal(raw, &plain); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		if string(sorted) != string(raw) {
			t.Errorf("%s is not canonical:\n%s\n%s", name, raw, sorted)
		}
	}
	var input any
	if err := json.Unmarshal(d.Input, &input); err != nil {
		t.Fatal(err)
	}
	answer, err := theRules(t).Decide(t.Context(), input, d.DecidedAt)
	if err != nil || string(answer) != string(d.Decision) {
		t.Errorf("the recorded input gives another decision:\n%s\n%s, %v", answer, d.Decision, err)
	}
	var back review.Determination
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, back); diff != "" {
		t.Errorf("a determination does not survive JSON: %s", diff)
	}
}

func BenchmarkDetermine(b *testing.B) {
	s := newScene(b, bothGroup, forAnn)
	s.says(bo, approve, "")
	s.says(dee, approve, "/approve for 30d")
	d := theRules(b)
	b.ReportAllocs()
	for b.Loop() {
		s.judge(b, d)
	}
}

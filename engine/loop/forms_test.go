package loop_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const analytics = "forms/analytics.yaml"

// An edit of the form reaches later requests only: the flow that was pinned
// decides, the answers stay those of the pinned questions, and audit, which has
// nothing but the recorded facts, comes to the same result.
func TestSemantic05_AnEditedFormTouchesNoPendingRequest(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("early", "ana", pipeline, "30d")
	opened := w.tip(mainRef)
	w.determine()
	// The question is another, the agreement too, and lea of privacy decides instead of the finance stewards.
	w.byHand(map[string][]byte{
		analytics:                        replaceAll(w.file(analytics), "id: purpose", "id: reason", "    stages:\n      - any:\n          - group: finance-stewards\n    reminders", "    stages:\n      - any:\n          - group: privacy\n    reminders"),
		"agreements/acceptable-use.yaml": append(w.file("agreements/acceptable-use.yaml"), "# a word more\n"...),
	})
	w.propose("late", "ana", map[string][]byte{requestFile("late", pipeline): w.request("late", "ana", pipeline, "30d", func(r *resource.AccessRequest) {
		r.Spec.Answers = map[string]any{"reason": "Forecast", "project": "quarterly-report", "duration": "30d"}
	})})
	w.approve("late", "kim")
	w.approve("early", "kim")
	w.determine()
	if diff := cmp.Diff([]string{"early temporarily-approved"}, w.outcomes("early")); diff != "" {
		t.Errorf("early: %s", diff)
	}
	if got := w.outcomes("late"); got != nil {
		t.Errorf("the late request was decided by the old flow: %v", got)
	}
	w.approve("late", "lea")
	w.determine()
	if diff := cmp.Diff([]string{"late temporarily-approved"}, w.outcomes("late")); diff != "" {
		t.Errorf("late: %s", diff)
	}
	c := w.custody()
	if len(c.Findings) > 0 || len(c.Approvals) != 2 {
		t.Errorf("judged again: %+v", c.Findings)
	}
	for _, v := range w.records(ledger.TypeDetermination) {
		body, err := v.Determination()
		must(t, err)
		var facts review.Facts
		must(t, json.Unmarshal(body.Facts, &facts))
		if v.Subject.Request == "early" && facts.OpenedBase != string(opened) {
			t.Errorf("recorded opened base %s, want %s", facts.OpenedBase, opened)
		}
	}
	w.settled()
	w.want("ana", pipeline, true)
}

// Only the form is pinned. Who its stewards are is asked when it is decided.
func TestSemantic05_MembershipIsAskedWhenItIsDecided(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("early", "ana", pipeline, "30d")
	w.determine()
	w.byHand(map[string][]byte{
		analytics:                                replaceAll(w.file(analytics), "id: purpose", "id: reason"),
		"directory/groups/finance-stewards.yaml": replaceAll(w.file("directory/groups/finance-stewards.yaml"), "user: kim", "user: lea"),
	})
	w.approve("early", "kim")
	w.determine()
	if got := w.outcomes("early"); got != nil {
		t.Fatalf("a former steward decided: %v", got)
	}
	w.approve("early", "lea")
	w.determine()
	if diff := cmp.Diff([]string{"early temporarily-approved"}, w.outcomes("early")); diff != "" {
		t.Error(diff)
	}
}

func TestAFormThatTheEngineNeverSawWithTheRequestDoesNotCount(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("early", "ana", pipeline, "30d") // and no engine looks at it before the edit
	w.byHand(map[string][]byte{analytics: replaceAll(w.file(analytics), "title: Data for analysis", "title: Data")})
	w.approve("early", "kim")
	w.determine()
	j := w.judgement("early")
	if j.Outcome != review.Pending || !strings.Contains(j.Reason, "this is not the digest of the form") || !strings.HasPrefix(j.Determinations[0].Missing[0].What, "read the form again and pin sha256:") {
		t.Errorf("%s: %s %+v", j.Outcome, j.Reason, j.Determinations[0].Missing)
	}
}

func TestAnOpenedBaseThatMainDoesNotDescendFromIsIgnored(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("early", "ana", pipeline, "30d")
	w.determine()
	stray := w.commit("", map[string][]byte{"assent.yaml": w.file("assent.yaml")})
	w.byHand(map[string][]byte{analytics: replaceAll(w.file(analytics), "title: Data for analysis", "title: Data")})
	w.approve("early", "kim")
	facts := w.factsOf("early")
	good, err := w.judge().Judge(t.Context(), facts)
	must(t, err)
	if !good.Outcome.Grants() {
		t.Fatalf("%s: %s", good.Outcome, good.Reason)
	}
	for name, oid := range map[string]gitdb.OID{"unrelated": stray, "unknown": "1234567890123456789012345678901234567890", "its own head": gitdb.OID(facts.Head)} {
		facts.OpenedBase = string(oid)
		j, err := w.judge().Judge(t.Context(), facts)
		must(t, err)
		if j.Outcome != review.Pending || !strings.Contains(j.Reason, "opened") || !strings.Contains(j.Reason, string(oid)) {
			t.Errorf("%s: %s: %s", name, j.Outcome, j.Reason)
		}
	}
}

// factsOf are the facts as a determiner has them.
func (w *world) factsOf(id string) review.Facts {
	w.t.Helper()
	facts, err := w.forge.Observe(w.t.Context(), id)
	must(w.t, err)
	facts, err = w.judge().Held(w.t.Context(), facts, w.approvals, nil)
	must(w.t, err)
	return facts
}

func (w *world) judgement(id string) review.Judgement {
	w.t.Helper()
	facts := w.factsOf(id)
	j, err := w.judge().Judge(w.t.Context(), facts)
	must(w.t, err)
	return j.Judgement
}

func replaceAll(raw []byte, pairs ...string) []byte {
	return []byte(strings.NewReplacer(pairs...).Replace(string(raw)))
}

func TestWhoeverAsksOpensThePullRequest(t *testing.T) {
	w := newWorld(t, nil)
	w.propose("forged", "ben", map[string][]byte{requestFile("forged", pipeline): w.request("forged", "ana", pipeline, "30d")})
	w.approve("forged", "kim")
	w.determine()
	j := w.judgement("forged")
	if j.Outcome != review.Pending || !strings.Contains(j.Reason, "ben opened the pull request, but the requester is ana") {
		t.Errorf("%s: %s", j.Outcome, j.Reason)
	}
	if got := w.outcomes("forged"); got != nil {
		t.Errorf("%v", got)
	}
}

func TestARequestThatNobodyDecidesLapses(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("slow", "ana", pipeline, "30d")
	w.ask("full", "ana", pipeline, "30d")
	w.determine()
	d := w.judgement("slow").Determinations[0].Deadlines
	if d == nil || !d.LapseAt.Equal(begin.AddDate(0, 0, 14)) || !d.NextReminder.Equal(begin.AddDate(0, 0, 1)) {
		t.Fatalf("deadlines %+v", d)
	}
	w.clock = begin.AddDate(0, 0, 14).Add(-time.Second)
	w.determine()
	if got := w.outcomes("slow"); got != nil {
		t.Fatalf("a second early: %v", got)
	}
	w.clock = begin.AddDate(0, 0, 14)
	w.approve("full", "kim") // in time for the run that would let it lapse
	w.determine()
	if diff := cmp.Diff([]string{"slow canceled"}, w.outcomes("slow")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"full temporarily-approved"}, w.outcomes("full")); diff != "" {
		t.Error(diff)
	}
	for _, v := range w.records(ledger.TypeDetermination) {
		body, err := v.Determination()
		must(t, err)
		if v.Subject.Request == "slow" && body.Reason != "lapsed: nobody decided within 14d" {
			t.Errorf("reason %q", body.Reason)
		}
	}
	facts, err := w.forge.Observe(t.Context(), "slow")
	must(t, err)
	if facts.State != review.StateClosed {
		t.Errorf("the pull request is %s", facts.State)
	}
	before := len(w.records(ledger.TypeDetermination))
	w.determine()
	if after := len(w.records(ledger.TypeDetermination)); after != before {
		t.Errorf("recorded again: %d, then %d", before, after)
	}
	if findings := w.custody().Findings; len(findings) > 0 {
		t.Errorf("%+v", findings)
	}
}

// Nobody need approve, but a form is a form: a wrong answer or an agreement that
// was not accepted holds the request.
func TestSemantic24_AnAutomaticApprovalTakesAnswersAndAgreement(t *testing.T) {
	automatic := func(files map[string][]byte) {
		raw := files[analytics]
		at := strings.Index(string(raw), "  review:\n")
		files[analytics] = append(raw[:at:at], "  review:\n    mode: automatic\n    automatic: {justification: public reference data, duration: 20d}\n"...)
	}
	for _, tc := range []struct {
		name string
		edit func(*resource.AccessRequest)
		want string // the outcome, or why it is held
	}{
		{"as asked", func(*resource.AccessRequest) {}, "temporarily-approved"},
		{"no answer", func(r *resource.AccessRequest) { delete(r.Spec.Answers, "purpose") }, `question "purpose" is not answered`},
		{"an answer that is no option", func(r *resource.AccessRequest) { r.Spec.Answers["project"] = "fun" }, `"fun" is no option`},
		{"no agreement", func(r *resource.AccessRequest) { r.Spec.Agreement = nil }, `agreement "acceptable-use" is not accepted`},
		{"not accepted", func(r *resource.AccessRequest) { r.Spec.Agreement.Accepted = false }, `agreement "acceptable-use" is not accepted`},
		{"another text", func(r *resource.AccessRequest) { r.Spec.Agreement.Digest = r.Spec.Form.Digest }, `agreement "acceptable-use" has another text`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, automatic)
			w.propose("auto", "ana", map[string][]byte{requestFile("auto", pipeline): w.request("auto", "ana", pipeline, "30d", tc.edit)})
			w.determine()
			got := w.outcomes("auto")
			if tc.want == "temporarily-approved" {
				body, err := w.records(ledger.TypeDetermination)[0].Determination()
				must(t, err)
				if diff := cmp.Diff([]string{"auto " + tc.want}, got); diff != "" || body.Reason != "approved automatically: public reference data" {
					t.Errorf("%s %s", diff, body.Reason)
				}
				if !body.Until.Equal(begin.AddDate(0, 0, 20)) { // the shorter of 20d and the 30d asked for
					t.Errorf("until %s", body.Until)
				}
				return
			}
			if j := w.judgement("auto"); got != nil || j.Outcome != review.Pending || !strings.Contains(j.Reason, tc.want) {
				t.Errorf("%v %s: %s", got, j.Outcome, j.Reason)
			}
		})
	}
}

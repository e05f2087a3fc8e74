package review_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func TestDeadlinesOf(t *testing.T) {
	opened := noon
	day := func(n int) time.Time { return opened.AddDate(0, 0, n) }
	legal := []resource.Subject{{Group: "legal"}}
	whole := resource.ReviewFlow{
		Reminders: &resource.Reminders{Every: "2d"}, Escalate: &resource.Escalation{After: "3d", To: legal}, Lapse: &resource.Lapse{After: "7d"},
	}
	for _, tc := range []struct {
		name string
		flow resource.ReviewFlow
		now  time.Time
		want review.Deadlines
	}{
		{"nothing is stated", resource.ReviewFlow{}, opened, review.Deadlines{}},
		{"at once", whole, opened, review.Deadlines{NextReminder: day(2), EscalateAt: day(3), EscalateTo: legal, LapseAt: day(7), LapseAfter: "7d"}},
		{"on the second of a reminder", whole, day(2), review.Deadlines{NextReminder: day(4), EscalateAt: day(3), EscalateTo: legal, LapseAt: day(7), LapseAfter: "7d"}},
		{"the next reminder would come after the lapse", whole, day(6), review.Deadlines{EscalateAt: day(3), EscalateTo: legal, LapseAt: day(7), LapseAfter: "7d"}},
		{"a reminder at the lapse", resource.ReviewFlow{Reminders: &resource.Reminders{Every: "7d"}, Lapse: &resource.Lapse{After: "1w"}}, opened, review.Deadlines{LapseAt: day(7), LapseAfter: "1w"}},
		{"no lapse", resource.ReviewFlow{Reminders: &resource.Reminders{Every: "1d"}}, day(400), review.Deadlines{NextReminder: day(401)}},
		{"indefinite never comes", resource.ReviewFlow{Reminders: &resource.Reminders{Every: "indefinite"}, Escalate: &resource.Escalation{After: "indefinite", To: legal}, Lapse: &resource.Lapse{After: "indefinite"}}, opened, review.Deadlines{}},
		{"unreadable never comes", resource.ReviewFlow{Reminders: &resource.Reminders{Every: "often"}, Escalate: &resource.Escalation{After: "", To: legal}, Lapse: &resource.Lapse{After: "soon"}}, opened, review.Deadlines{}},
	} {
		if diff := cmp.Diff(tc.want, review.DeadlinesOf(tc.flow, opened, tc.now)); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestLapsed(t *testing.T) {
	const lapsing = `{mode: stewards, stages: [{any: [{group: finance}]}], lapse: {after: 2h}}`
	for _, tc := range []struct {
		name  string
		flow  string
		steps func(s *scene)
		want  string
	}{
		{"at its time", lapsing, func(*scene) {}, "lapsed: nobody decided within 2h"}, // opened two hours before noon
		{"a second early", lapsing, func(s *scene) { s.facts.OpenedAt = s.facts.OpenedAt.Add(time.Second) }, ""},
		{"without a deadline", anyFinance, func(*scene) {}, ""},
		{"approved", lapsing, func(s *scene) { s.says(bo, approve, "") }, ""},
		{"denied", lapsing, func(s *scene) { s.says(bo, deny, "") }, ""},
		{"a remark decides nothing", lapsing, func(s *scene) { s.says(bo, comment, "hm") }, "lapsed: nobody decided within 2h"},
		{"approved, but in conflict", lapsing, func(s *scene) { s.says(bo, approve, ""); s.facts.ResultTree = "" }, ""},
		{"automatic", `{mode: automatic, automatic: {justification: x, duration: 1d}, lapse: {after: 2h}}`, func(s *scene) { s.facts.ResultTree = "" }, ""},
		{"opened in the future", lapsing, func(s *scene) { s.facts.OpenedAt = noon.AddDate(1, 0, 0) }, ""},
		{"not known since when", lapsing, func(s *scene) { s.facts.OpenedAt = time.Time{} }, ""},
	} {
		s := newScene(t, tc.flow, forAnn)
		tc.steps(s)
		j := s.judge(t, theRules(t))
		reason, ok := j.Lapsed(noon)
		if reason != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %q, %v; %s", tc.name, reason, ok, j.Outcome)
		}
	}
	// Rules that cannot be evaluated are nobody's silence.
	s := newScene(t, lapsing, forAnn)
	if _, ok := s.judge(t, rules(t, map[string]string{"policies/x.rego": "package assent.custom.x\nimport rego.v1\ndeny contains 1 / 0"})).Lapsed(noon); ok {
		t.Error("it lapses while the rules are broken")
	}
}

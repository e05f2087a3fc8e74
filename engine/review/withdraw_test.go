package review_test

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/review"
)

const flowOfCy = `{mode: stewards, stages: [{any: [{user: cy}]}]}`

// Who may take access away, by what the request names: dee works for ann, and
// ann is not named by the request, which bo filed.
func TestWithdrawalRights(t *testing.T) {
	managed := strings.Replace(people, "spec: {forge: {github: {id: 4, login: dee}}", "spec: {manager: ann, forge: {github: {id: 4, login: dee}}", 1)
	for _, tc := range []struct {
		name, beneficiaries string
		author              int
		want                review.Outcome
		why                 string
	}{
		{"the person it names", "[{user: dee}]", dee, review.Approved, "withdrawn by dee"},
		{"their manager", "[{user: dee}]", ann, review.Approved, "withdrawn by ann"},
		{"one of two whom it names", "[{user: dee}, {user: di}]", di, review.Approved, "withdrawn by di"},
		{"a stranger", "[{user: dee}]", di, pending, "withdrawn by its requester"},
		{"a member of a group it names", "[{group: legal}]", dee, pending, "leave the group"},
		{"the manager of a member", "[{group: legal}]", ann, pending, "withdrawn by its requester"},
		{"a member who is also named", "[{group: legal}, {user: dee}]", dee, review.Approved, "withdrawn by dee"},
		{"governance, for a group", "[{group: legal}]", gov, review.Approved, "withdrawn by gov"},
		{"the requester, for a group", "[{group: legal}]", bo, review.Approved, "withdrawn by bo"},
		{"the owner of a service account", "[{serviceAccount: etl}]", bo, review.Approved, "withdrawn by bo"},
		{"the service account itself", "[{serviceAccount: etl}]", 9, pending, ""},
		{"somebody who left and is named", "[{user: lee}]", lee, pending, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, flowOfCy, `beneficiaries: `+tc.beneficiaries+`, duration: 90d`)
			asked := strings.Replace(request(`beneficiaries: `+tc.beneficiaries+`, duration: 90d`), "requester: ann", "requester: bo", 1)
			s.base = setOf(t, managed, product(flowOfCy), asked)
			s.head = setOf(t, managed, product(flowOfCy))
			s.facts.Files = []review.File{{Path: requestPath, OldBlob: s.facts.Files[0].NewBlob}}
			s.facts.Author, s.facts.Pushers = github(tc.author), []review.Actor{github(tc.author)}
			if j := s.judge(t, theRules(t)); j.Outcome != tc.want || !strings.Contains(words(j), tc.why) {
				t.Errorf("want %s because of %q, got %s", tc.want, tc.why, show(t, j))
			}
		})
	}
}

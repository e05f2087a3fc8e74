package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const glass = `
-- assent.yaml --
kind: Repository
metadata: {name: acme}
spec: {id: repo-1, forge: github, breakGlass: {group: oncall, people: PEOPLE, maxDuration: MOST}}
-- directory/groups/oncall.yaml --
kind: Group
metadata: {name: oncall}
spec: {members: [{user: bo}, {user: cy}, {user: dee}, {user: ann}, {user: lee}, {serviceAccount: etl}]}
`

// alarm is an emergency request by ann for two hours, in a repository whose rule
// asks for that many people and that long at the most.
func alarm(t testing.TB, people, most string, uses ...review.EmergencyUse) *scene {
	t.Helper()
	base := []string{guarded(people, most), product(anyFinance)}
	text := strings.Replace(request(`beneficiaries: [{user: ann}], duration: 2h`), "data-access", "emergency-access", 1)
	text = strings.Replace(text, `{name: ask, digest: "DIGEST(ask)"}`, `{name: standard, digest: "`+resource.BuiltinForm().Digest()+`"}`, 1)
	s := newScene(t, anyFinance, forAnn)
	s.base, s.head = setOf(t, base...), setOf(t, append(base, text)...)
	req, ok := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
	if !ok {
		t.Fatal("the request is not in the head")
	}
	s.facts.Files[0].NewBlob = req.Origin().OID
	s.facts.Emergencies = &review.Emergencies{Ledger: 9, Uses: uses}
	return s
}

func guarded(people, most string) string {
	return everybody + strings.NewReplacer("PEOPLE", people, "MOST", most).Replace(glass)
}

const everybody = people

func use(name string, people []resource.Name, until time.Time) review.EmergencyUse {
	return review.EmergencyUse{
		Request: resource.Name(name), Record: 4, Target: resource.Target{Product: "orders"}, Access: resource.Read,
		People: people, Approvers: []resource.Name{"bo"}, Until: until, ReviewBy: until.Add(24 * time.Hour),
	}
}

// yes approves whatever it is asked, as rules would that somebody broke.
func yes(t testing.TB, until, stages string) review.Decider {
	t.Helper()
	e, err := policy.Compile(t.Context(), map[string]string{"q.rego": `package assent.quorum
decision := {"outcome": "temporarily-approved", "reason": "yes", "missing": [], "constraints": [], "asked": [], "until": ` + until + `,
	"counted": [r.id | some r in input.reviews; r.valid], "stages": ` + stages + `}
`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const yesStages = `[{"state": "approved", "sources": [{"answered": []}]}]`

// Whatever the rules say, the floor in Go holds.
func TestTheFloorOfEmergencyAccessHoldsBelowTheRules(t *testing.T) {
	long := noon.Add(-100 * time.Hour)
	tests := []struct {
		name   string
		scene  *scene
		until  string
		by     []int
		want   review.Outcome
		reason string
	}{
		{name: "two people", scene: alarm(t, "2", "3h"), by: []int{bo, cy}, want: temporary},
		{name: "one person", scene: alarm(t, "2", "3h"), by: []int{bo}, want: pending, reason: "takes 2 people of group oncall, and 1 agree"},
		{name: "one person, where the rule says one", scene: alarm(t, "1", "3h"), by: []int{bo}, want: pending, reason: "takes 2 people"},
		{name: "two, where the rule says three", scene: alarm(t, "3", "3h"), by: []int{bo, cy}, want: pending, reason: "takes 3 people"},
		{name: "an end beyond the rule", scene: alarm(t, "2", "1h"), until: `"2026-11-24T14:00:00Z"`, by: []int{bo, cy}, want: pending},
		{name: "the ledger was not asked", scene: unasked(alarm(t, "2", "3h")), by: []int{bo, cy}, want: pending, reason: "it is not known"},
		{name: "an overdue review", scene: alarm(t, "2", "3h", use("e0", []resource.Name{"ann"}, long)), by: []int{bo, cy}, want: pending, reason: "bars it"},
		{name: "somebody else's overdue review", scene: alarm(t, "2", "3h", use("e0", []resource.Name{"cy"}, long)), by: []int{bo, cy}, want: temporary},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, id := range tt.by {
				tt.scene.says(id, approve, "Production is down")
			}
			if tt.until == "" {
				tt.until = "input.limit"
			}
			j := tt.scene.judge(t, yes(t, tt.until, yesStages))
			if j.Outcome != tt.want || !strings.Contains(j.Reason, tt.reason) {
				t.Fatalf("%s: %s, want %s: %s", j.Outcome, j.Reason, tt.want, tt.reason)
			}
			if mark := j.Determinations[0].Emergency; (mark != nil) != (tt.want == temporary) {
				t.Errorf("marked %+v", mark)
			}
		})
	}
}

func unasked(s *scene) *scene {
	s.facts.Emergencies = nil
	return s
}

// The mark holds all that is needed to look back, without the request file.
func TestApprovedEmergencyAccessIsMarked(t *testing.T) {
	s := alarm(t, "2", "3h")
	s.says(bo, approve, "Production is down")
	s.says(cy, approve, "I see it too")
	j := s.judge(t, theRules(t))
	want := &review.EmergencyUse{
		Request: "r1", Target: resource.Target{Product: "orders"}, Access: resource.Read,
		People: []resource.Name{"ann"}, Approvers: []resource.Name{"bo", "cy"},
		Until: noon.Add(2 * time.Hour), ReviewBy: noon.Add(2*time.Hour + 3*24*time.Hour),
	}
	if diff := cmp.Diff(want, j.Determinations[0].Emergency); diff != "" {
		t.Errorf("%s (-want +got):\n%s", j.Reason, diff)
	}
}

func TestEmergencyUseState(t *testing.T) {
	u := use("e", nil, noon)
	bad := u
	bad.Misuse = "look"
	for _, tt := range []struct {
		use  review.EmergencyUse
		at   time.Time
		want review.EmergencyState
		bars bool
	}{
		{u, noon.Add(-time.Second), review.EmergencyInUse, false},
		{u, noon, review.EmergencyDue, false},
		{u, u.ReviewBy.Add(-time.Second), review.EmergencyDue, false},
		{u, u.ReviewBy, review.EmergencyOverdue, true},
		{bad, noon.Add(-time.Second), review.EmergencyMisuse, true},
		{bad, u.ReviewBy, review.EmergencyMisuse, true},
	} {
		if got := tt.use.State(tt.at); got != tt.want || tt.use.Bars(tt.at) != tt.bars {
			t.Errorf("at %s: %q, bars %v; want %q, %v", tt.at, got, tt.use.Bars(tt.at), tt.want, tt.bars)
		}
	}
}

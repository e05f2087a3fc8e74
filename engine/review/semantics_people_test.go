package review_test

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// The requester opens the pull request. Names and addresses in commits say
// nothing of who asks.
func TestTheRequesterIsTheAuthorOfThePullRequest(t *testing.T) {
	for _, tc := range []struct {
		name   string
		author review.Actor
		want   review.Outcome
		why    string
	}{
		{"herself", github(ann), temporary, "approved by bo"},
		{"a colleague", github(di), pending, "di opened the pull request, but the requester is ann"},
		{"nobody known", review.Actor{Forge: "github", ID: "4711", Login: "ann"}, pending, "it is not known who asks: nobody in the directory is github 4711"},
		{"her own account at another forge", review.Actor{Forge: "gitlab", ID: "1"}, pending, "it is not known who asks"},
		{"a bot that says it passes on what it was told", review.Actor{Forge: "github", ID: "99", Bot: true}, pending, "a bot opened the pull request, and nothing shows that ann asks"},
		{"an account that is gone", review.Actor{Forge: "github", Login: "ghost", Bot: true}, pending, "a bot opened the pull request"},
	} {
		s := newScene(t, anyFinance, forAnn)
		s.facts.Author, s.facts.Pushers = tc.author, []review.Actor{tc.author}
		s.facts.CoAuthors = []review.Actor{{Forge: "github", Login: "Ann <ann@x.org>"}}
		s.says(bo, approve, "")
		if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != tc.want || !strings.Contains(d.Reason, tc.why) {
			t.Errorf("%s: %s: %s", tc.name, d.Outcome, d.Reason)
		}
	}
}

func TestARequestStaysWithWhoAskedForIt(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	was := strings.ReplaceAll(request(forAnn), "ann", "di")
	s.base = setOf(t, people, product(anyFinance), was)
	old, _ := resource.Get[*resource.AccessRequest](s.base, resource.KindAccessRequest, "r1")
	s.facts.Files[0].OldBlob = old.Origin().OID
	s.says(bo, approve, "")
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != pending || !strings.Contains(d.Reason, "di asked for this") {
		t.Errorf("%s: %s", d.Outcome, d.Reason)
	}
}

func TestEachKindOfStewardSourceDecidesAndNobodyElse(t *testing.T) {
	for source, want := range map[string][]int{
		`{user: di}`:                              {di},
		`{group: legal}`:                          {dee, eve},
		`{attribute: {key: role, value: dpo}}`:    {dee},
		`{permission: GOVERNANCE}`:                {gov},
		`{domainPermission: manageDataProducts}`:  {cy},
		`{domainPermission: auditActivity}`:       nil,
		`{subjectMatterExpert: true}`:             {eve},
		`{group: empty}`:                          nil,
		`{attribute: {key: role, value: nobody}}`: nil,
		`{user: lee}`:                             nil,
		`{user: etl}`:                             nil,
	} {
		flow := `{mode: stewards, stages: [{any: [` + source + `]}]}`
		for _, id := range []int{bo, cy, dee, eve, gov, di, lee, etl} {
			s := newScene(t, flow, forAnn)
			s.base = setOf(t, people, strings.Replace(product(flow), "sources:", "subjectMatterExpert: {user: eve}, sources:", 1))
			s.says(id, approve, "")
			d := s.judge(t, theRules(t)).Determinations[0]
			if allowed := contains(want, id); d.Outcome.Grants() != allowed {
				t.Errorf("%s, %d: %s", source, id, d.Outcome)
			}
		}
	}
}

func contains(list []int, id int) bool {
	for _, e := range list {
		if e == id {
			return true
		}
	}
	return false
}

func TestRulesReplaceTheStagesAndTheFirstThatHoldsCounts(t *testing.T) {
	const flow = `{mode: automatic, automatic: {justification: small and short, duration: 30d}, rules: [` +
		`{when: {longerThan: 60d}, stages: [{any: [{group: legal}], count: 2}]}, {when: {accessLevel: write}, stages: [{any: [{user: di}]}]}]}`
	for _, tc := range []struct {
		name, spec string
		by         []int
		want       review.Outcome
		rule       string
	}{
		{"no rule holds", `beneficiaries: [{user: ann}], duration: 60d`, nil, temporary, ""},
		{"the first", `beneficiaries: [{user: ann}], duration: 61d`, nil, pending, "0"},
		{"the first, one of two", `beneficiaries: [{user: ann}], duration: 61d`, []int{dee}, pending, "0"},
		{"the first, two of two", `beneficiaries: [{user: ann}], duration: 61d`, []int{dee, eve}, temporary, "0"},
		{"both hold, and the second does not count", `beneficiaries: [{user: ann}], duration: 61d, accessLevel: write`, []int{di}, pending, "0"},
		{"the second", `beneficiaries: [{user: ann}], duration: 1d, accessLevel: write`, []int{di}, temporary, "1"},
	} {
		if d := judged(t, flow, tc.spec, tc.by...); d.Outcome != tc.want || d.Flow.Rule != tc.rule {
			t.Errorf("%s: %s by rule %q", tc.name, d.Outcome, d.Flow.Rule)
		}
	}
}

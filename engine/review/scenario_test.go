package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/review"
)

const (
	twoOfTwo  = `{mode: stewards, stages: [{any: [{group: finance}], count: 2}]}`
	bothGroup = `{mode: stewards, stages: [{all: [{group: finance}, {group: legal}]}]}`
	inOrder   = `{mode: stewards, stages: [{any: [{group: finance}]}, {any: [{group: legal}]}]}`
	automatic = `{mode: automatic, automatic: {justification: public data, duration: 30d}}`
)

const (
	approve   = review.Approve
	deny      = review.Deny
	comment   = review.Comment
	dismissed = review.Dismissed

	pending   = review.Pending
	temporary = review.TemporarilyApproved
	denied    = review.Denied
)

// The scenarios of a pull request from its opening to its determination. Each
// says what must come out, and with which words the deciding review, or the
// determination, explains it.
func TestScenarios(t *testing.T) {
	forBo := strings.ReplaceAll(forAnn, "ann", "bo")
	for _, tc := range []struct {
		name, flow, spec string
		steps            func(s *scene)
		want             review.Outcome
		why              string // in a review's Why or in the reason
	}{
		{"happy: two of two", twoOfTwo, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(cy, approve, "") }, temporary, "approved by bo, cy"},
		{"one of two", twoOfTwo, forAnn, func(s *scene) { s.says(bo, approve, "") }, pending, "approvals by 2 distinct people, of which 1 are there"},
		{"self proxy: the engine opens for ann, who asked for bo by an issue", anyFinance, forBo, func(s *scene) {
			s.facts.Author, s.facts.Pushers = github(ann), []review.Actor{{Forge: "github", ID: "99", Bot: true}}
			s.says(bo, approve, "")
		}, pending, "bo is a beneficiary"},
		{"self proxy: cy decides", anyFinance, forBo, func(s *scene) {
			s.facts.Author, s.facts.Pushers = github(ann), []review.Actor{{Forge: "github", ID: "99", Bot: true}}
			s.says(bo, approve, "")
			s.says(cy, approve, "")
		}, temporary, "approved by cy"},
		{"hijack: bo pushed", anyFinance, forAnn, func(s *scene) {
			s.facts.Pushers = append(s.facts.Pushers, github(bo))
			s.says(bo, approve, "")
		}, pending, "bo pushed to the pull request"},
		{"push after", anyFinance, forAnn, func(s *scene) {
			r := s.says(bo, approve, "")
			r.Commit, r.FirstCommit = "old", "old"
		}, pending, "it is of commit old, not of head"},
		{"reanchored by the forge", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").FirstCommit = "old" }, pending, "moved to head by the forge"},
		{"first seen nowhere", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").FirstCommit = "" }, pending, "not known which commit it named"},
		{"reanchored in both fields, but too early", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "").SubmittedAt = s.facts.HeadFirstSeen.Add(-time.Minute)
		}, pending, "not later than this head"},
		{"in the second in which the head appeared", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").SubmittedAt = s.facts.HeadFirstSeen }, pending, "not later than this head"},
		{"head not known since when", anyFinance, forAnn, func(s *scene) {
			s.facts.HeadFirstSeen = time.Time{}
			s.says(bo, approve, "")
		}, pending, "since when this head exists"},
		{"from the future", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").SubmittedAt = noon.Add(time.Second) }, pending, "lies in the future"},
		{"the engine's clock is behind", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "").SubmittedAt = noon.Add(time.Minute)
			s.facts.ForgeTime = noon.Add(time.Minute)
		}, temporary, "approved by bo"},
		{"the engine's clock is ahead", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "").SubmittedAt = noon.Add(-time.Second)
			s.facts.ForgeTime = noon.Add(-time.Minute)
		}, pending, "lies in the future"},
		{"signed statement survives a rebase", anyFinance, forAnn, func(s *scene) {
			s.signs("sha256:c").Commit = "old"
		}, temporary, "approved by bo"},
		{"signed statement of another change", anyFinance, forAnn, func(s *scene) { s.signs("sha256:other") }, pending, "agrees to another change"},
		{"signed statement of nothing", anyFinance, forAnn, func(s *scene) {
			s.facts.ChangeDigest = ""
			s.signs("")
		}, pending, "names no change"},
		{"newer review of an old commit", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "")
			s.says(bo, approve, "").Commit = "old"
		}, pending, "it is of commit old"},
		{"flip: denies, then approves", anyFinance, forAnn, func(s *scene) { s.says(bo, deny, "no"); s.says(bo, approve, "") }, denied, "denied by bo: no"},
		{"flip: approves, then denies", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(bo, deny, "") }, denied, "denied by bo"},
		{"approves, then comments", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(bo, comment, "hm") }, temporary, "a comment decides nothing"},
		{"dismissed denial does not revive the approval", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "")
			by := github(di)
			s.says(bo, deny, "").DismissedBy = &by
		}, pending, "bo spoke again in review r2"},
		{"dismissed in place does not revive either", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(bo, dismissed, "") }, pending, "bo spoke again in review r2"},
		{"requester dismisses a denial", anyFinance, forAnn, func(s *scene) {
			by := github(ann)
			s.says(bo, deny, "").DismissedBy = &by
			s.says(cy, approve, "")
		}, denied, "denied by bo"},
		{"stranger dismisses a denial", anyFinance, forAnn, func(s *scene) {
			s.says(bo, deny, "").DismissedBy = &review.Actor{Forge: "github", ID: "4711"}
		}, denied, "denied by bo"},
		{"bot dismisses a denial", anyFinance, forAnn, func(s *scene) {
			s.says(bo, deny, "").DismissedBy = &review.Actor{Forge: "github", ID: "7", Bot: true}
		}, denied, "denied by bo"},
		{"dismissed approval", anyFinance, forAnn, func(s *scene) {
			by := github(ann)
			s.says(bo, approve, "").DismissedBy = &by
		}, pending, "it was dismissed by github 1"},
		{"denial on page two", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "")
			for range 55 {
				s.says(di, comment, "?")
			}
			s.says(cy, deny, "")
		}, denied, "denied by cy"},
		{"denial is not cleared by a push", anyFinance, forAnn, func(s *scene) {
			r := s.says(cy, deny, "no")
			r.Commit, r.FirstCommit, r.SubmittedAt = "old", "old", noon.Add(-99*time.Hour)
			s.says(bo, approve, "")
		}, denied, "denied by cy"},
		{"edited denial stands", anyFinance, forAnn, func(s *scene) { s.says(cy, deny, "").Edited = true }, denied, "denied by cy"},
		{"a directive below a denial takes nothing back", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(cy, deny, "no\n/approve") }, denied, "denied by cy"},
		{"a denial that is edited to approve stands", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(cy, deny, "/approve").Edited = true }, denied, "denied by cy"},
		{"denial by a steward of a later stage", inOrder, forAnn, func(s *scene) { s.says(dee, deny, "") }, denied, "denied by dee"},
		{"denial by somebody else", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(di, deny, "") }, temporary, "di is not a steward of this request"},
		{"steward has left", anyFinance, forAnn, func(s *scene) { s.says(lee, approve, "") }, pending, "lee has left"},
		{"service account", anyFinance, forAnn, func(s *scene) { s.says(etl, approve, "") }, pending, "etl is a service account"},
		{"requester", anyFinance, forAnn, func(s *scene) { s.says(ann, approve, "") }, pending, "ann is the requester"},
		{"beneficiary through a group", anyFinance, `beneficiaries: [{group: legal}], duration: 90d`, func(s *scene) { s.says(eve, approve, "") }, pending, "eve is a beneficiary through group legal"},
		{"owner of the service account that benefits", anyFinance, `beneficiaries: [{serviceAccount: etl}], duration: 90d`, func(s *scene) { s.says(bo, approve, "") }, pending, "bo owns service account etl, which is a beneficiary"},
		{"author who is not the requester", anyFinance, forAnn, func(s *scene) {
			s.facts.Author = github(bo)
			s.says(bo, approve, "")
		}, pending, "bo opened the pull request"},
		{"co-author by id", anyFinance, forAnn, func(s *scene) {
			s.facts.CoAuthors = []review.Actor{github(bo)}
			s.says(bo, approve, "")
		}, pending, "bo is an author of its commits"},
		{"co-author by mail", anyFinance, forAnn, func(s *scene) {
			s.facts.CoAuthors = []review.Actor{{Forge: "local", Login: "Somebody <BO@x.org>"}}
			s.says(bo, approve, "")
		}, pending, "bo is an author of its commits"},
		{"co-author by GitHub's own address", anyFinance, forAnn, func(s *scene) {
			s.facts.CoAuthors = []review.Actor{{Forge: "local", Login: "B <2+bo@users.noreply.github.com>"}}
			s.says(bo, approve, "")
		}, pending, "bo is an author of its commits"},
		{"co-author by Gitea's own address, renamed since", anyFinance, forAnn, func(s *scene) {
			s.facts.CoAuthors = []review.Actor{{Forge: "gitea", Login: "C <33+cyrus@noreply.localhost>"}}
			s.says(cy, approve, "")
		}, pending, "cy is an author of its commits"},
		{"bot", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").Actor.Bot = true }, pending, "is a bot"},
		{"unknown id with a known login", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "").Actor = review.Actor{Forge: "github", ID: "666", Login: "bo"}
		}, pending, `nobody in the directory is github 666 (login "bo")`},
		{"the same number at another forge", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").Actor.Forge = "gitlab" }, pending, "nobody in the directory"},
		{"an id in another spelling", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").Actor.ID = "02" }, pending, "nobody in the directory"},
		{"ghost", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "").Actor.ID = "" }, pending, "nobody in the directory"},
		{"two accounts of one person", twoOfTwo, forAnn, func(s *scene) { s.says(bo, approve, ""); s.signs("sha256:c") }, pending, "from another account; a person counts once"},
		{"one person in two groups", bothGroup, forAnn, func(s *scene) { s.says(eve, approve, "") }, pending, "nobody may answer for two sources"},
		{"one person in two groups and another", bothGroup, forAnn, func(s *scene) { s.says(eve, approve, ""); s.says(bo, approve, "") }, temporary, "approved by bo, eve"},
		{"two of one group", bothGroup, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(cy, approve, "") }, pending, "waiting for an approval for group legal"},
		{"later stage first", inOrder, forAnn, func(s *scene) { s.says(dee, approve, "") }, pending, "waiting for an approval for group finance"},
		{"both stages", inOrder, forAnn, func(s *scene) { s.says(dee, approve, ""); s.says(bo, approve, "") }, temporary, "approved by bo, dee"},
		{"edited approval", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "/approve for 7d").Edited = true }, pending, "it was edited"},
		{"fake co-sign in a comment", anyFinance, forAnn, func(s *scene) { s.says(bo, comment, "/approve") }, pending, "submit the directive with an approving review"},
		{"trailer in a comment", anyFinance, forAnn, func(s *scene) { s.says(ann, comment, "Approved-by: bo") }, pending, "a comment decides nothing"},
		{"directive that is none", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "/approve for a week") }, pending, "is not understood; the first line may be"},
		{"directive that is none replaces the approval before it", anyFinance, forAnn, func(s *scene) {
			s.says(bo, approve, "")
			s.says(bo, approve, "/approve for a week")
		}, pending, "bo spoke again in review r2"},
		{"approving denial", anyFinance, forAnn, func(s *scene) { s.says(bo, approve, "/deny") }, pending, "request changes instead"},
		{"verdict of a later version", anyFinance, forAnn, func(s *scene) { s.says(bo, "endorse", "") }, pending, `"endorse" is no verdict`},
		{"reason required and missing", `{mode: stewards, requireReason: true, stages: [{any: [{group: finance}]}]}`, forAnn, func(s *scene) { s.says(bo, approve, "/approve for 7d\n \n") }, pending, "say why"},
		{"reason required and given", `{mode: stewards, requireReason: true, stages: [{any: [{group: finance}]}]}`, forAnn, func(s *scene) { s.says(bo, approve, "needed for the audit") }, temporary, "approved by bo"},
		{"denial without the required reason", `{mode: stewards, requireReason: true, stages: [{any: [{group: finance}]}]}`, forAnn, func(s *scene) { s.says(bo, deny, "") }, denied, "denied by bo"},
		{"empty group", `{mode: stewards, stages: [{any: [{group: empty}]}]}`, forAnn, func(s *scene) { s.says(bo, approve, "") }, pending, "bo is not a steward"},
		{"group that does not exist", `{mode: stewards, stages: [{any: [{group: nobody}]}]}`, forAnn, func(s *scene) { s.says(bo, approve, "") }, pending, "bo is not a steward"},
		{"all with an empty group", `{mode: stewards, stages: [{all: [{group: finance}, {group: empty}]}]}`, forAnn, func(s *scene) { s.says(bo, approve, "") }, pending, "waiting for an approval for group empty"},
		{"stage without sources", `{mode: stewards, stages: [{count: 1}]}`, forAnn, func(s *scene) { s.says(gov, approve, "") }, pending, "this one lists nobody"},
		{"stage with any and all", `{mode: stewards, stages: [{any: [{group: finance}], all: [{group: legal}]}]}`, forAnn, func(s *scene) { s.says(bo, approve, ""); s.says(dee, approve, "") }, pending, ""},
		{"no stages", `{mode: stewards}`, forAnn, func(s *scene) { s.says(gov, approve, "") }, pending, "no review flow to decide by"},
		{"governance is no super-steward", anyFinance, forAnn, func(s *scene) { s.says(gov, approve, "") }, pending, "gov is not a steward"},
		{"default flow: governance", `{mode: delegated}`, forAnn, func(s *scene) { s.says(gov, approve, "") }, temporary, "approved by gov"},
		{"default flow: the domain", `{mode: delegated}`, forAnn, func(s *scene) { s.says(cy, approve, "") }, temporary, "approved by cy"},
		{"default flow: others", `{mode: delegated}`, forAnn, func(s *scene) { s.says(bo, approve, "") }, pending, "bo is not a steward"},
		{"automatic", automatic, forAnn, func(*scene) {}, temporary, "approved automatically: public data"},
		{"automatic, denied", automatic, forAnn, func(s *scene) { s.says(gov, deny, "not this one") }, denied, "denied by gov: not this one"},
		{"automatic, denied by somebody else", automatic, forAnn, func(s *scene) { s.says(di, deny, "") }, temporary, "di is not a steward"},
		{"automatic without a justification", `{mode: automatic, automatic: {justification: "", duration: 30d}}`, forAnn, func(*scene) {}, pending, ""},
		{"automatic without a duration", `{mode: automatic, automatic: {justification: x, duration: ""}}`, forAnn, func(*scene) {}, pending, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, tc.flow, tc.spec)
			tc.steps(s)
			j := s.judge(t, theRules(t))
			if j.Outcome != tc.want || !strings.Contains(words(j), tc.why) {
				t.Errorf("want %s because of %q, got %s", tc.want, tc.why, show(t, j))
			}
			if j.Outcome.Grants() != (tc.want == temporary) {
				t.Errorf("grants: %v", j.Outcome.Grants())
			}
		})
	}
}

// words are all the reasons that a judgement gives.
func words(j review.Judgement) string {
	out := []string{j.Reason}
	for _, d := range j.Determinations {
		out = append(out, d.Reason)
		for _, r := range d.Reviews {
			if r.Counted == (r.Why != "") {
				out = append(out, "a review counts if and only if there is no reason against it: "+r.ID)
			}
			out = append(out, r.Why)
		}
	}
	return strings.Join(out, "\n")
}

// signs adds a signed approval by bo's key of a change.
func (s *scene) signs(digest string) *review.Review {
	r := s.says(bo, approve, "")
	r.Actor = review.Actor{Forge: "local", ID: boKey}
	r.Signed = &review.Signed{ChangeDigest: digest}
	return r
}

func TestPolicyMoves(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	s.says(bo, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != temporary {
		t.Fatalf("before: %s", show(t, j))
	}
	s.base = setOf(t, people, product(twoOfTwo))
	if j := s.judge(t, theRules(t)); j.Outcome != pending {
		t.Errorf("after the base asks for two: %s", show(t, j))
	}
}

func TestStewardsAndPeopleOfTheHeadDoNotCount(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	s.head = setOf(t, strings.ReplaceAll(people, "{user: eve}, {user: ann}", "{user: di}"), product(anyFinance), request(forAnn))
	s.says(di, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != pending || !strings.Contains(words(j), "di is not a steward") {
		t.Errorf("%s", show(t, j))
	}
}

func TestAnAccountThatTwoPeopleClaimDecidesForNeither(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	twice := strings.Replace(people, "id: 3, login: cy", "id: 2, login: cy", 1)
	s.base = setOf(t, twice, product(anyFinance))
	s.says(bo, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != pending || !strings.Contains(words(j), "claimed by bo, cy") {
		t.Errorf("%s", show(t, j))
	}
	s.facts.Reviews = nil
	s.facts.Pushers = append(s.facts.Pushers, github(bo))
	s.signs("sha256:c")
	if j := s.judge(t, theRules(t)); j.Outcome != pending || !strings.Contains(words(j), "bo pushed") {
		t.Errorf("whoever may have pushed is kept out: %s", show(t, j))
	}
}

func TestSubjectMatterExpertOfTheProduct(t *testing.T) {
	s := newScene(t, `{mode: stewards, stages: [{any: [{subjectMatterExpert: true}]}]}`, forAnn)
	s.base = setOf(t, people, strings.Replace(product(`{mode: stewards, stages: [{any: [{subjectMatterExpert: true}]}]}`),
		"domain: money,", "domain: money, subjectMatterExpert: {user: di},", 1))
	s.says(di, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != temporary {
		t.Errorf("%s", show(t, j))
	}
}

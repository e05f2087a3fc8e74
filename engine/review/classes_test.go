package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func TestClassOfAPullRequest(t *testing.T) {
	for _, tc := range []struct {
		paths []string
		want  review.Class
	}{
		{nil, review.ClassEmpty},
		{[]string{requestPath}, review.ClassRequest},
		{[]string{requestPath, "requests/orders/r2.yaml"}, review.ClassRequest},
		{[]string{"forms/ask.yaml"}, review.ClassGovernance},
		{[]string{"policies/x.rego", "assent.yaml", ".gitattributes"}, review.ClassGovernance},
		{[]string{requestPath, "forms/ask.yaml"}, review.ClassMixed},
		{[]string{requestPath, "requests/README.md"}, review.ClassMixed},
		{[]string{requestPath, "requests/orders/r2.yml"}, review.ClassMixed},
		{[]string{requestPath, "Requests/orders/r2.yaml"}, review.ClassMixed},
		{[]string{requestPath, "policies/requests/x.yaml"}, review.ClassMixed},
		{[]string{"requests.yaml"}, review.ClassGovernance},
	} {
		s := newScene(t, anyFinance, forAnn)
		s.facts.Files = nil
		for _, p := range tc.paths {
			s.facts.Files = append(s.facts.Files, review.File{Path: p, Mode: "100644", NewBlob: "x"})
		}
		s.says(bo, approve, "")
		s.says(gov, approve, "")
		j := s.judge(t, theRules(t))
		if j.Class != tc.want {
			t.Errorf("%v is %s, want %s", tc.paths, j.Class, tc.want)
		}
		if tc.want == review.ClassEmpty && (j.Outcome != review.Skipped || j.Outcome.Grants()) {
			t.Errorf("%v: %s", tc.paths, j.Outcome)
		}
		if tc.want == review.ClassMixed && (j.Outcome != pending || !strings.Contains(j.Reason, "split it")) {
			t.Errorf("%v: %s", tc.paths, show(t, j))
		}
	}
}

// governanceScene is a change of the form's questions, by ann.
func governanceScene(t testing.TB) *scene {
	return changeScene(t, people+product(anyFinance), people+strings.Replace(product(anyFinance), "questions: []", "questions: [{id: why, title: Why, type: short-answer}]", 1))
}

func TestGovernanceHasAQuorumOfItsOwn(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps func(*scene)
		want  review.Outcome
		why   string
	}{
		{"nobody", func(*scene) {}, pending, "an approval for permission GOVERNANCE"},
		{"a colleague", func(s *scene) { s.says(di, approve, "") }, pending, "di is not a steward"},
		{"a steward whom the form names", func(s *scene) { s.says(bo, approve, "") }, review.Approved, "approved by bo"},
		{"governance", func(s *scene) { s.says(gov, approve, "") }, review.Approved, "approved by gov"},
		{"its author", func(s *scene) { s.facts.Author = github(gov); s.says(gov, approve, "") }, pending, "gov opened the pull request"},
		{"its pusher", func(s *scene) { s.facts.Pushers = []review.Actor{github(gov)}; s.says(gov, approve, "") }, pending, "gov pushed"},
		{"for a time", func(s *scene) { s.says(gov, approve, "/approve for 7d") }, temporary, "approved by gov"},
		{"denied", func(s *scene) { s.says(gov, deny, "no") }, denied, "denied by gov: no"},
		{"an old head", func(s *scene) { s.says(gov, approve, "").Commit = "old" }, pending, "it is of commit old"},
		{"conflicts", func(s *scene) { s.facts.ResultTree = ""; s.says(gov, approve, "") }, pending, "conflicts with"},
	} {
		s := governanceScene(t)
		tc.steps(s)
		j := s.judge(t, theRules(t))
		if j.Class != review.ClassGovernance || j.Outcome != tc.want || !strings.Contains(words(j), tc.why) {
			t.Errorf("%s: want %s because of %q, got %s", tc.name, tc.want, tc.why, show(t, j))
		}
		if len(j.Determinations) != 1 || j.Determinations[0].Request != "" {
			t.Errorf("%s: %s", tc.name, show(t, j))
		}
	}
}

func TestRulesOfTheOrganisationHoldRequestsAndNotGovernance(t *testing.T) {
	custom := rules(t, map[string]string{"policies/x.rego": `package assent.custom.x

deny contains sprintf("%s asks for too much", [input.request.requester]) if input.request.product == "orders"

deny contains "nothing at all" if input.kind == "governance"
`})
	s := newScene(t, anyFinance, forAnn)
	s.says(bo, approve, "")
	j := s.judge(t, custom)
	if j.Outcome != pending || !cmp.Equal(j.Determinations[0].Constraints, []string{"ann asks for too much"}) {
		t.Errorf("%s", show(t, j))
	}
	g := governanceScene(t)
	g.says(gov, approve, "")
	if j := g.judge(t, custom); j.Outcome != review.Approved {
		t.Errorf("%s", show(t, j))
	}
}

func TestFaultsHoldWhatIsAgreed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps func(t *testing.T, s *scene)
		want  review.Outcome
		why   string
	}{
		{"conflicts", func(_ *testing.T, s *scene) { s.facts.ResultTree = ""; s.facts.Conflicts = requestPath }, pending, "conflicts with refs/heads/main"},
		{"closed", func(_ *testing.T, s *scene) { s.facts.State = review.StateClosed }, pending, "is closed"},
		{"canceled", func(_ *testing.T, s *scene) { s.facts.State = review.StateCanceled }, review.Canceled, "withdrawn by its author"},
		{"state unknown", func(_ *testing.T, s *scene) { s.facts.State = "" }, pending, "in no known state"},
		{"merged", func(_ *testing.T, s *scene) { s.facts.State = review.StateMerged }, temporary, "approved by bo"},
		{"unreadable file", func(t *testing.T, s *scene) { s.head = s.base }, pending, "the request file has errors"},
		{"other bytes than the facts name", func(_ *testing.T, s *scene) { s.facts.Files[0].NewBlob = "other" }, pending, "the request file has errors"},
		{"executable", func(_ *testing.T, s *scene) { s.facts.Files[0].Mode = "100755" }, pending, "no ordinary file"},
		{"symlink", func(_ *testing.T, s *scene) { s.facts.Files[0].Mode = "120000" }, pending, "no ordinary file"},
		{"the base has it by now", func(t *testing.T, s *scene) { s.base = s.head }, pending, "changed on refs/heads/main"},
		{"the base lost it", func(_ *testing.T, s *scene) { s.facts.Files[0].OldBlob = "x" }, pending, "changed on refs/heads/main"},
		{"a name twice in the head", func(t *testing.T, s *scene) {
			s.head = setOf(t, people, product(anyFinance), request(forAnn), strings.Replace(request(forAnn), "requests/orders", "requests/zzz", 1))
		}, pending, "have one name"},
		{"a name taken at the base", func(t *testing.T, s *scene) {
			s.base = setOf(t, people, product(anyFinance), strings.Replace(request(forAnn), "requests/orders", "requests/zzz", 1))
		}, pending, "the name is taken"},
		{"moved to another folder", func(t *testing.T, s *scene) {
			s.base = setOf(t, people, product(anyFinance), strings.Replace(request(forAnn), "requests/orders", "requests/zzz", 1))
			s.facts.Files = append(s.facts.Files, review.File{Path: "requests/zzz/r1.yaml", OldBlob: "x"})
		}, temporary, "withdrawn by ann"},
		{"no such product", func(t *testing.T, s *scene) { s.base = setOf(t, people) }, pending, ""},
		{"no such form", func(t *testing.T, s *scene) {
			s.base = setOf(t, people, strings.Replace(product(anyFinance), "forms: {dataAccess: ask}", "forms: {dataAccess: gone}", 1))
		}, pending, `the form "gone" that it has to fill in does not exist`},
	} {
		s := newScene(t, anyFinance, forAnn)
		s.says(bo, approve, "")
		tc.steps(t, s)
		j := s.judge(t, theRules(t))
		if j.Outcome != tc.want || !strings.Contains(words(j), tc.why) {
			t.Errorf("%s: want %s because of %q, got %s", tc.name, tc.want, tc.why, show(t, j))
		}
		if !j.Outcome.Grants() && !j.Determinations[0].Until.IsZero() {
			t.Errorf("%s: an end without a grant", tc.name)
		}
	}
}

func TestADenialStandsWhateverBecomesOfThePullRequest(t *testing.T) {
	for _, state := range []review.State{review.StateOpen, review.StateClosed, review.StateCanceled, review.StateMerged} {
		s := newScene(t, anyFinance, forAnn)
		s.facts.State, s.facts.ResultTree = state, ""
		s.says(cy, deny, "no")
		if j := s.judge(t, theRules(t)); j.Outcome != denied {
			t.Errorf("%s: %s", state, show(t, j))
		}
	}
}

func TestUnusableFactsAreAnError(t *testing.T) {
	for name, spoil := range map[string]func(*review.Facts){
		"no time":        func(f *review.Facts) { f.ObservedAt = time.Time{} },
		"no head":        func(f *review.Facts) { f.Head = "" },
		"no base":        func(f *review.Facts) { f.Base = "" },
		"review without": func(f *review.Facts) { f.Reviews[0].ID = "" },
		"reviews twice":  func(f *review.Facts) { f.Reviews = append(f.Reviews, f.Reviews[0]) },
		"path twice":     func(f *review.Facts) { f.Files = append(f.Files, f.Files[0]) },
		"no path":        func(f *review.Facts) { f.Files[0].Path = "" },
	} {
		s := newScene(t, anyFinance, forAnn)
		s.says(bo, approve, "")
		spoil(&s.facts)
		if j, err := review.Determine(t.Context(), theRules(t), s.base, s.head, s.facts); err == nil || j.Outcome != "" {
			t.Errorf("%s: %s, %v", name, j.Outcome, err)
		}
	}
}

func TestWithdrawal(t *testing.T) {
	for _, tc := range []struct {
		name   string
		author int
		steps  func(*scene)
		want   review.Outcome
		why    string
	}{
		{"requester", ann, func(*scene) {}, review.Approved, "withdrawn by ann"},
		{"beneficiary", dee, func(*scene) {}, review.Approved, "withdrawn by dee"},
		{"steward", cy, func(*scene) {}, review.Approved, "withdrawn by cy"},
		{"colleague", di, func(*scene) {}, pending, "a request is withdrawn by its requester"},
		{"colleague, approved by a steward", di, func(s *scene) { s.says(cy, approve, "") }, review.Approved, "withdrawn by cy"},
		{"colleague, approved by the requester", di, func(s *scene) { s.says(ann, approve, "") }, review.Approved, "withdrawn by ann"},
		{"colleague, approved by GOVERNANCE", di, func(s *scene) { s.says(gov, approve, "") }, review.Approved, "withdrawn by gov"},
		{"somebody who left", lee, func(*scene) {}, pending, ""},
		{"a bot", 99, func(s *scene) { s.facts.Author.Bot = true }, pending, ""},
		{"conflicting", ann, func(s *scene) { s.facts.ResultTree = "" }, pending, "conflicts with"},
	} {
		s := newScene(t, anyFinance, `beneficiaries: [{user: dee}], duration: 90d`)
		s.base, s.head = s.head, s.base
		s.facts.Files = []review.File{{Path: requestPath, OldBlob: s.facts.Files[0].NewBlob}}
		s.facts.Author, s.facts.Pushers = github(tc.author), []review.Actor{github(tc.author)}
		tc.steps(s)
		j := s.judge(t, theRules(t))
		if j.Outcome != tc.want || !strings.Contains(words(j), tc.why) || j.Determinations[0].Request != "r1" {
			t.Errorf("%s: want %s because of %q, got %s", tc.name, tc.want, tc.why, show(t, j))
		}
	}
}

func TestOneDenialOrOnePendingHoldsThePullRequest(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	second := strings.NewReplacer("orders/r1", "orders/r2", "name: r1", "name: r2", "user: ann", "user: cy").Replace(request(forAnn))
	s.head = setOf(t, people, product(anyFinance), request(forAnn), second)
	r2, _ := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r2")
	s.facts.Files = append(s.facts.Files, review.File{Path: "requests/orders/r2.yaml", Mode: "100644", NewBlob: r2.Origin().OID})
	s.says(cy, approve, "")
	j := s.judge(t, theRules(t))
	if j.Outcome != pending || j.Determinations[0].Outcome != temporary || j.Determinations[1].Outcome != pending || !strings.HasPrefix(j.Reason, "request r2: ") {
		t.Errorf("cy decides on ann's only: %s", show(t, j))
	}
	s.says(bo, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != temporary {
		t.Errorf("bo decides on both: %s", show(t, j))
	}
	s.says(cy, deny, "")
	if j := s.judge(t, theRules(t)); j.Outcome != denied || j.Determinations[1].Outcome != temporary {
		t.Errorf("cy denies ann's: %s", show(t, j))
	}
}

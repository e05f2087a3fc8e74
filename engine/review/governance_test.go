package review_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// changeScene is a pull request by ann that turns one repository into another.
func changeScene(t testing.TB, base, head string) *scene {
	t.Helper()
	s := newScene(t, anyFinance, forAnn)
	s.base, s.head, s.facts.Files = setOf(t, base), setOf(t, head), nil
	for _, c := range resource.Diff(s.base, s.head) {
		f := review.File{}
		if c.Old != nil {
			f.Path, f.OldBlob = c.Old.Origin().File, c.Old.Origin().OID
		}
		if c.New != nil {
			f.Path, f.NewBlob, f.Mode = c.New.Origin().File, c.New.Origin().OID, "100644"
		}
		s.facts.Files = append(s.facts.Files, f)
	}
	return s
}

// estate is a small repository: money belongs to cy (owner and manager), staff to
// dee; ada and abe administer users, gov and vic govern.
const estate = people + `
-- directory/users/ada.yaml --
kind: User
metadata: {name: ada}
spec: {forge: {github: {id: 11}}, permissions: [USER_ADMIN]}
-- directory/users/abe.yaml --
kind: User
metadata: {name: abe}
spec: {forge: {github: {id: 12}}, permissions: [USER_ADMIN]}
-- directory/users/vic.yaml --
kind: User
metadata: {name: vic}
spec: {forge: {github: {id: 13}}, permissions: [GOVERNANCE]}
-- domains/staff.yaml --
kind: Domain
metadata: {name: staff}
spec: {owner: dee, members: {match: {tags: [staff]}}, permissions: {manageDataProducts: [{user: eve}], managePolicies: [{user: di}]}}
-- sources/dw/hr/public/pay.yaml --
kind: DataSource
metadata: {name: pay}
spec: {connection: dw, path: [hr, public, pay], kind: table, tags: [staff], columns: [{name: id, tags: [pii]}, {name: amount}]}
-- sources/dw/shop/public/spare.yaml --
kind: DataSource
metadata: {name: spare}
spec: {connection: dw, path: [shop, public, spare], kind: table, columns: [{name: id}]}
-- products/pay.yaml --
kind: DataProduct
metadata: {name: pay}
spec: {domain: staff, sources: [{source: dw/hr/public/pay}]}
-- products/till.yaml --
kind: DataProduct
metadata: {name: till}
spec: {domain: money, sources: [], forms: {dataAccess: till}}
-- forms/till.yaml --
kind: RequestForm
metadata: {name: till}
spec: {questions: [], agreement: terms, review: {mode: delegated}}
-- agreements/terms.yaml --
kind: DataUseAgreement
metadata: {name: terms}
spec: {text: be good}
-- masking/staff.yaml --
kind: MaskingPolicy
metadata: {name: staff}
spec: {match: {tags: [pii], domain: staff}, mask: {type: "null"}}
-- connections/dw.yaml --
kind: Connection
metadata: {name: dw}
spec: {platform: sandbox}
`

const (
	ada = 11
	abe = 12
	vic = 13
)

// Each line is one edit of the estate: who may agree to it alone, and whom it
// takes together.
func TestWhoMayAgreeToWhichChange(t *testing.T) {
	everybody := map[string]int{"bo": bo, "cy": cy, "dee": dee, "eve": eve, "gov": gov, "di": di, "ada": ada, "abe": abe, "vic": vic}
	for _, tc := range []struct {
		name, old, new string
		alone          string // names
		together       []int
	}{
		{"a product", "spec: {domain: money, sources: []", "spec: {domain: money, state: suspended, sources: []", "cy", nil},
		{"a product of the other domain", "spec: {domain: staff, sources", "spec: {domain: staff, hidden: true, sources", "dee eve", nil},
		{"a product that moves", "spec: {domain: staff, sources: [{source: dw/hr/public/pay}]}", "spec: {domain: money, sources: [{source: dw/hr/public/pay}]}", "", []int{cy, eve}},
		{"a product that takes in another domain's data", "domain: money, sources: []", "domain: money, sources: [{source: dw/hr/public/pay}]", "", []int{cy, dee}},
		{"a product that takes it in by a match", "domain: money, sources: []", "domain: money, sources: [{match: {tags: [staff]}}]", "", []int{cy, dee}},
		{"a product that takes in nobody's data", "domain: money, sources: []", "domain: money, sources: [{source: dw/shop/public/spare}]", "", []int{cy, gov}},
		{"a domain's description", "metadata: {name: staff}\nspec: {owner: dee", "metadata: {name: staff, title: Staff}\nspec: {owner: dee", "dee gov vic", nil},
		{"a domain's owner", "spec: {owner: dee", "spec: {owner: bo", "gov vic", nil},
		{"a domain's permissions", "managePolicies: [{user: di}]", "managePolicies: [{user: bo}]", "gov vic", nil},
		{"a domain that lets its data go", "members: {match: {tags: [staff]}}", "members: {match: {tags: [none]}}", "", []int{dee, di}},
		{"a domain that takes in another's data", "spec: {owner: cy, permissions", "spec: {owner: cy, members: {match: {tags: [staff]}}, permissions", "gov vic", nil},
		{"a mask of a domain", `mask: {type: "null"}`, "mask: {type: hash}", "di", nil},
		{"a mask that becomes a guardrail", `mask: {type: "null"}}`, `mask: {type: "null"}, guardrail: true}`, "gov vic", nil},
		{"a mask that loses its domain", "match: {tags: [pii], domain: staff}", "match: {tags: [pii]}", "gov vic", nil},
		{"a source's description", "kind: table, tags: [staff]", "kind: table, description: pay, tags: [staff]", "eve gov vic", nil},
		{"a source that leaves its domain", "kind: table, tags: [staff]", "kind: table, tags: []", "", []int{eve, di}},
		{"a source that shows a column", "{name: id, tags: [pii]}", "{name: id}", "", []int{eve, di}},
		{"a source that shows it by a mask of its own", "{name: id, tags: [pii]}", "{name: id, tags: [pii], mask: {type: partial, keepFirst: 9}}", "", []int{gov, di}},
		{"a source that hides more", "{name: amount}", "{name: amount, tags: [pii]}", "eve gov vic", nil},
		{"a source of no domain", "kind: table, columns: [{name: id}]", "kind: table, tags: [x], columns: [{name: id}]", "gov vic", nil},
		{"a form that delegates", "agreement: terms, review", "onBehalfOf: anyone, agreement: terms, review", "cy gov vic", nil},
		{"an agreement", "text: be good", "text: be better", "cy gov vic", nil},
		{"a connection", "platform: sandbox", "platform: postgres", "gov vic", nil},
		{"a colleague's key", "github: {id: 7, login: di}", "github: {id: 77, login: di}", "ada abe", nil},
		{"one's own key", "github: {id: 11}}, permissions: [USER_ADMIN]", "github: {id: 111}}, permissions: [USER_ADMIN]", "abe", nil},
		{"one's own title", "metadata: {name: ada}", "metadata: {name: ada, title: Ada}", "ada abe", nil},
		{"the permission GOVERNANCE", "spec: {forge: {github: {id: 7, login: di}}}", "spec: {forge: {github: {id: 7, login: di}}, permissions: [GOVERNANCE]}", "", []int{gov, vic}},
		{"the key of who governs", "github: {id: 13}", "github: {id: 131}", "", nil}, // vic is barred, gov is one
		{"who governs leaves", "{forge: {github: {id: 13}}", "{forge: {github: {id: 13}}, state: left", "ada abe", nil},
		{"a group", "members: [{user: dee}, {user: eve}]", "members: [{user: dee}, {user: eve}, {user: ada}]", "abe", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strings.Count(estate, tc.old) != 1 {
				t.Fatalf("%q is in the estate %d times", tc.old, strings.Count(estate, tc.old))
			}
			outcome := func(ids ...int) review.Judgement {
				s := changeScene(t, estate, strings.Replace(estate, tc.old, tc.new, 1))
				if len(s.facts.Files) != 1 {
					t.Fatalf("changes %v", s.facts.Files)
				}
				for _, id := range ids {
					s.says(id, approve, "")
				}
				return s.judge(t, theRules(t))
			}
			for name, id := range everybody {
				may := strings.Contains(" "+tc.alone+" ", " "+name+" ")
				if j := outcome(id); j.Outcome.Grants() != may {
					t.Errorf("%s alone: %s, want %v", name, show(t, j), may)
				}
			}
			if tc.together == nil {
				return
			}
			if j := outcome(tc.together...); j.Outcome != review.Approved {
				t.Errorf("together: %s", show(t, j))
			}
		})
	}
}

func TestEveryFileNeedsItsOwnAgreement(t *testing.T) {
	head := strings.Replace(estate, "domain: money, sources: []", "domain: money, state: suspended, sources: []", 1)
	head = strings.Replace(head, "platform: sandbox", "platform: postgres", 1)
	s := changeScene(t, estate, head)
	s.says(cy, approve, "")
	j := s.judge(t, theRules(t))
	if j.Outcome != pending || !strings.Contains(j.Reason, "connections/dw.yaml: an approval for permission GOVERNANCE") {
		t.Error(show(t, j))
	}
	if missing := j.Determinations[0].Missing; len(missing) != 1 || missing[0].At != "directory/users/gov.yaml:3:46" {
		t.Error(show(t, missing))
	}
	for _, stage := range j.Determinations[0].Stages {
		if len(stage.Files) != 1 || stage.At == "" {
			t.Error(show(t, stage))
		}
	}
	s.says(gov, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != review.Approved {
		t.Error(show(t, j))
	}
}

func TestADenialOfGovernanceCountsFromThoseWhoMayAgree(t *testing.T) {
	edit := func() *scene {
		return changeScene(t, estate, strings.Replace(estate, "domain: money, sources: []", "domain: money, state: suspended, sources: []", 1))
	}
	s := edit()
	s.says(gov, deny, "no") // holds GOVERNANCE, but is not asked about a product
	s.says(cy, approve, "")
	j := s.judge(t, theRules(t))
	if j.Outcome != review.Approved || !strings.Contains(words(j), "gov is not asked") {
		t.Error(show(t, j))
	}
	s = edit()
	s.says(cy, deny, "no")
	if j := s.judge(t, theRules(t)); j.Outcome != denied {
		t.Error(show(t, j))
	}
}

func TestPermissionsAreThoseOfTheBase(t *testing.T) {
	head := strings.Replace(estate, "permissions: {manageDataProducts: [{user: cy}]}", "permissions: {manageDataProducts: [{user: bo}]}", 1)
	head = strings.Replace(head, "domain: money, sources: []", "domain: money, state: suspended, sources: []", 1)
	s := changeScene(t, estate, head)
	s.says(bo, approve, "")
	s.says(gov, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != pending || !strings.Contains(words(j), "bo is not a steward") {
		t.Error(show(t, j))
	}
}

func TestGovernanceIsHeldWhereTheBaseMoved(t *testing.T) {
	s := changeScene(t, estate, strings.Replace(estate, "platform: sandbox", "platform: postgres", 1))
	s.facts.Files[0].OldBlob = "older"
	s.says(gov, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != pending || !strings.Contains(j.Reason, "connections/dw.yaml changed on") {
		t.Error(show(t, j))
	}
}

func TestWhatCannotBeReadIsForGovernance(t *testing.T) {
	for name, spoil := range map[string]func(*review.File){
		"other bytes": func(f *review.File) { f.NewBlob = "other" },
		"executable":  func(f *review.File) { f.Mode = "100755" },
		"a symlink":   func(f *review.File) { f.Mode = "120000" },
	} {
		s := changeScene(t, estate, strings.Replace(estate, "domain: money, sources: []", "domain: money, state: suspended, sources: []", 1))
		spoil(&s.facts.Files[0])
		s.says(cy, approve, "")
		if j := s.judge(t, theRules(t)); j.Outcome != pending {
			t.Errorf("%s: %s", name, show(t, j))
		}
		s.says(gov, approve, "")
		if j := s.judge(t, theRules(t)); j.Outcome != review.Approved {
			t.Errorf("%s: %s", name, show(t, j))
		}
	}
}

func TestNobodyLeftToAskIsPendingWithAReason(t *testing.T) {
	base := strings.ReplaceAll(estate, "permissions: [GOVERNANCE]", "permissions: [AUDIT]")
	s := changeScene(t, base, strings.Replace(base, "platform: sandbox", "platform: postgres", 1))
	s.says(cy, approve, "")
	j := s.judge(t, theRules(t))
	if j.Outcome != pending || !strings.Contains(j.Reason, "there are 0 such people, so somebody has to be given the permission first") {
		t.Error(show(t, j))
	}
}

// The floor below the rules: whatever they answer, every changed file needs the
// agreement of somebody who holds something.
func TestOddAnswersAboutGovernanceNeverApprove(t *testing.T) {
	const sound = `{"outcome": "approved", "reason": "approved by gov", "counted": ["r1"], "missing": [], "constraints": [], "until": "",
 "stages": [{"state": "approved", "sources": [{"answered": ["gov"]}]}],
 "asked": [{"mode": "any", "count": 1, "distinct": true, "files": ["connections/dw.yaml"], "sources": [{"source": "x", "people": ["gov"], "at": ""}]}]}`
	judge := func(answer string) review.Judgement {
		s := changeScene(t, estate, strings.Replace(estate, "platform: sandbox", "platform: postgres", 1))
		s.says(gov, approve, "")
		return s.judge(t, decider(func() (json.RawMessage, error) { return json.RawMessage(answer), nil }))
	}
	if j := judge(sound); j.Outcome != review.Approved {
		t.Fatalf("the sound answer is refused: %s", show(t, j))
	}
	_, asked, _ := strings.Cut(sound, `"asked": `)
	for name, swap := range map[string][2]string{
		"nothing asked":        {asked, `[]}`},
		"another file":         {"connections/dw.yaml", "connections/other.yaml"},
		"no file":              {`["connections/dw.yaml"]`, `[]`},
		"nobody":               {`[{"source": "x", "people": ["gov"], "at": ""}]`, `[]`},
		"its author":           {`"people": ["gov"]`, `"people": ["gov", "ann"]`},
		"who holds nothing":    {`"people": ["gov"]`, `"people": ["gov", "bo"]`},
		"nobody is enough":     {`"count": 1`, `"count": 0`},
		"a mode of its own":    {`"mode": "any"`, `"mode": "all"`},
		"a stage less":         {`"stages": [{"state": "approved", "sources": [{"answered": ["gov"]}]}]`, `"stages": []`},
		"without the approval": {`"counted": ["r1"]`, `"counted": []`},
	} {
		if !strings.Contains(sound, swap[0]) {
			t.Fatalf("%s: %q is not in the answer", name, swap[0])
		}
		if j := judge(strings.Replace(sound, swap[0], swap[1], 1)); j.Outcome != pending {
			t.Errorf("%s: %s", name, show(t, j))
		}
	}
}

func TestFilesThatChangedAlikeAreOneStage(t *testing.T) {
	s := changeScene(t, estate, strings.Replace(estate, "platform: sandbox", "platform: postgres", 1))
	for _, file := range []string{"docs/b.md", "docs/a.md", "assent.yaml"} {
		s.facts.Files = append(s.facts.Files, review.File{Path: file, Mode: "100644", NewBlob: "x"})
	}
	stages := s.judge(t, theRules(t)).Determinations[0].Stages
	var got [][]string
	for _, stage := range stages {
		got = append(got, stage.Files)
	}
	if diff := cmp.Diff([][]string{{"assent.yaml"}, {"connections/dw.yaml", "docs/a.md", "docs/b.md"}}, got); diff != "" {
		t.Error(diff)
	}
}

package review_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// The tests of this file go through the numbered points at which a reader of
// request forms and review flows may expect one thing or another: which of them
// holds, from the files and the reviews to the determination. Those that need
// more than a determination have the same names in other packages: 05 and 24 in
// loop, 06 in validate, 07 and 08 in resource.

// judged is what comes of a flow, a request and one approval each of people.
func judged(t *testing.T, flow, spec string, by ...int) review.Determination {
	t.Helper()
	s := newScene(t, flow, spec)
	for _, id := range by {
		s.says(id, approve, "")
	}
	return s.judge(t, theRules(t)).Determinations[0]
}

func TestSemantic01_TheAskedDurationIsAdviceToStewardsAndIsKept(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	s.says(bo, approve, "/approve for 7d")
	d := s.judge(t, theRules(t)).Determinations[0]
	if !d.Until.Equal(noon.AddDate(0, 0, 7)) {
		t.Errorf("granted until %s", d.Until)
	}
	var input struct{ Request struct{ Duration string } }
	if err := json.Unmarshal(d.Input, &input); err != nil || input.Request.Duration != "90d" {
		t.Errorf("asked for %q, %v", input.Request.Duration, err)
	}
	// A steward who says more agrees to what was asked, and no more.
	s = newScene(t, anyFinance, forAnn)
	s.says(bo, approve, "/approve for 180d")
	if d := s.judge(t, theRules(t)).Determinations[0]; !d.Until.Equal(noon.AddDate(0, 0, 90)) {
		t.Errorf("granted until %s", d.Until)
	}
}

func TestSemantic02_TheShorterOfAutomaticAndAskedDurationWins(t *testing.T) {
	for asked, want := range map[string]int{"90d": 30, "30d": 30, "7d": 7, "indefinite": 30} {
		d := judged(t, automatic, `beneficiaries: [{user: ann}], duration: `+asked)
		if d.Outcome != temporary || !d.Until.Equal(noon.AddDate(0, 0, want)) {
			t.Errorf("%s: %s until %s", asked, d.Outcome, d.Until)
		}
	}
}

func TestSemantic03_AFormWithoutADurationQuestionCanStillBeTemporary(t *testing.T) {
	s := newScene(t, anyFinance, `beneficiaries: [{user: ann}], duration: indefinite`)
	s.base = setOf(t, people, strings.Replace(product(anyFinance), ", maxDuration: 1y", "", 1))
	s.says(bo, approve, "/approve for 5d")
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != temporary || !d.Until.Equal(noon.AddDate(0, 0, 5)) {
		t.Errorf("%s until %s", d.Outcome, d.Until)
	}
}

// edited is a base whose form asks dee instead of finance.
func edited(t *testing.T) *resource.Set {
	t.Helper()
	return setOf(t, people, product(`{mode: stewards, stages: [{any: [{user: dee}]}]}`))
}

func determineOpened(t *testing.T, s *scene, opened *resource.Set, why string) review.Determination {
	t.Helper()
	j, err := review.DetermineIn(context.Background(), theRules(t), review.Sets{Base: s.base, Head: s.head, Opened: opened, NotOpened: why}, s.facts)
	if err != nil {
		t.Fatal(err)
	}
	return j.Determinations[0]
}

func TestSemantic04_TheFormOfTheRequestIsTheOneItPinned(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	opened := s.base
	s.base = edited(t)
	s.says(dee, approve, "")
	if d := determineOpened(t, s, opened, ""); d.Outcome != pending || !strings.Contains(show(t, d), "dee is not a steward") {
		t.Errorf("the new flow decided: %s", show(t, d))
	}
	s.says(bo, approve, "")
	if d := determineOpened(t, s, opened, ""); d.Outcome != temporary || d.Flow.From != "RequestForm/ask" || d.Stages[0].Sources[0].Source != "group finance" {
		t.Errorf("the pinned flow did not decide: %s", show(t, d))
	}
	// Where nothing attests how it was, nobody can help but the requester.
	d := determineOpened(t, s, nil, "main was rewritten")
	if d.Outcome != pending || !strings.Contains(d.Reason, "this is not the digest of the form") || !strings.Contains(d.Reason, "(main was rewritten)") ||
		!cmp.Equal(d.Missing[0].People, []resource.Name{"ann"}) || !strings.HasPrefix(d.Missing[0].At, requestPath+":3:") {
		t.Errorf("%s", show(t, d))
	}
	s.says(dee, deny, "no")
	if d := determineOpened(t, s, nil, ""); d.Outcome != denied {
		t.Errorf("a denial does not end it: %s", show(t, d))
	}
}

func TestSemantic05_TheFlowIsPinnedAndItsPeopleAreNot(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	opened := s.base
	s.base = setOf(t, strings.Replace(people, "{members: [{user: bo}, {user: cy},", "{members: [{user: di},", 1),
		product(`{mode: stewards, stages: [{any: [{user: dee}]}]}`))
	s.says(bo, approve, "")
	if d := determineOpened(t, s, opened, ""); d.Outcome != pending {
		t.Errorf("somebody who left the group decides: %s", show(t, d))
	}
	s.says(di, approve, "")
	if d := determineOpened(t, s, opened, ""); d.Outcome != temporary {
		t.Errorf("somebody who joined does not: %s", show(t, d))
	}
}

func TestSemantic09_AnAgreementThatIsEditedLaterChangesNoDetermination(t *testing.T) {
	form := strings.Replace(product(anyFinance), "questions: []", "questions: []\n  agreement: terms", 1)
	text := func(s string) string {
		return "-- agreements/terms.yaml --\nkind: DataUseAgreement\nmetadata: {name: terms}\nspec: {text: " + s + "}\n"
	}
	spec := forAnn + `, agreement: {name: terms, digest: "DIGEST(terms)", accepted: true}`
	s := newScene(t, anyFinance, forAnn)
	s.base, s.head = setOf(t, people, form, text("old")), setOf(t, people, form, text("old"), request(spec))
	req, _ := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
	s.facts.Files[0].NewBlob = req.Origin().OID
	s.says(bo, approve, "")
	before := s.judge(t, theRules(t))
	s.base = setOf(t, people, form, text("new"))
	if after := s.judge(t, theRules(t)); before.Outcome != temporary || after.Outcome != temporary {
		t.Errorf("%s, then %s", show(t, before), show(t, after))
	}
}

func TestSemantic10_TypesOfRequestHaveTheirOwnFormsAndFlows(t *testing.T) {
	const two = `
-- products/orders.yaml --
kind: DataProduct
metadata: {name: orders}
spec: {domain: money, sources: [], forms: {dataAccess: ask, maskingException: unmask}}
-- forms/ask.yaml --
kind: RequestForm
metadata: {name: ask}
spec: {questions: [], review: {mode: stewards, stages: [{any: [{group: finance}]}]}}
-- forms/unmask.yaml --
kind: RequestForm
metadata: {name: unmask}
spec: {questions: [], review: {mode: stewards, stages: [{any: [{group: legal}]}]}}
`
	for kind, want := range map[string]struct {
		form string
		by   int
	}{"data-access": {"ask", bo}, "masking-exception": {"unmask", dee}} {
		for _, id := range []int{bo, dee} {
			s := newScene(t, anyFinance, forAnn)
			file := strings.NewReplacer("type: data-access", "type: "+kind, "name: ask", "name: "+want.form, "DIGEST(ask)", "DIGEST("+want.form+")").Replace(request(forAnn))
			s.base, s.head = setOf(t, people, two), setOf(t, people, two, file)
			req, _ := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
			s.facts.Files[0].NewBlob = req.Origin().OID
			s.says(id, approve, "")
			d := s.judge(t, theRules(t)).Determinations[0]
			if d.Outcome.Grants() != (id == want.by) || d.Flow.From != "RequestForm/"+want.form {
				t.Errorf("%s, approved by %d: %s", kind, id, show(t, d))
			}
		}
	}
}

func TestSemantic11_AllIsPerSourceEntry(t *testing.T) {
	if d := judged(t, bothGroup, forAnn, bo, cy); d.Outcome != pending {
		t.Errorf("two of one group: %s", show(t, d))
	}
	if d := judged(t, bothGroup, forAnn, bo, dee); d.Outcome != temporary {
		t.Errorf("one of each: %s", show(t, d))
	}
}

func TestSemantic12_OnePersonFillsTwoEntriesOnlyWhereTheFlowSaysSo(t *testing.T) {
	if d := judged(t, bothGroup, forAnn, eve); d.Outcome != pending {
		t.Errorf("by default: %s", show(t, d))
	}
	loose := strings.Replace(bothGroup, "}]}]}", "}], distinct: false}]}", 1)
	if d := judged(t, loose, forAnn, eve); d.Outcome != temporary {
		t.Errorf("distinct: false: %s", show(t, d))
	}
}

func TestSemantic13_AnyIsOneOfAnySource(t *testing.T) {
	const flow = `{mode: stewards, stages: [{any: [{group: finance}, {group: legal}, {user: di}]}]}`
	for _, id := range []int{bo, dee, di} {
		if d := judged(t, flow, forAnn, id); d.Outcome != temporary {
			t.Errorf("%d: %s", id, show(t, d))
		}
	}
	if d := judged(t, flow, forAnn, gov); d.Outcome != pending {
		t.Errorf("somebody else: %s", show(t, d))
	}
}

func TestSemantic14_OneDenialIsFinalInBothModes(t *testing.T) {
	for _, flow := range []string{bothGroup, `{mode: stewards, stages: [{any: [{group: finance}, {group: legal}]}]}`} {
		s := newScene(t, flow, forAnn)
		s.says(bo, approve, "")
		s.says(dee, deny, "no")
		s.says(dee, approve, "on second thoughts")
		s.says(cy, approve, "")
		s.says(eve, approve, "")
		d := s.judge(t, theRules(t)).Determinations[0]
		if d.Outcome != denied || d.Reason != "denied by dee: no" {
			t.Errorf("%s: %s", flow, show(t, d))
		}
		for _, r := range d.Reviews {
			if r.Verdict == approve && r.Counted {
				t.Errorf("%s: the approval of %s counts", flow, r.Person)
			}
		}
	}
}

func TestSemantic15_AnApprovalIsOfWhatWasReviewed(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	r := s.says(bo, approve, "")
	r.Commit, r.FirstCommit = "before", "before"
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != pending {
		t.Errorf("after a push: %s", show(t, d))
	}
	s = newScene(t, anyFinance, forAnn)
	s.says(bo, approve, "").Edited = true
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != pending {
		t.Errorf("edited: %s", show(t, d))
	}
}

func TestSemantic16_TheFormsFlowReplacesTheProductsWhole(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	own := strings.Replace(product(anyFinance), "maxDuration: 1y", "maxDuration: 1y, review: {mode: stewards, stages: [{any: [{user: di}]}]}", 1)
	s.base = setOf(t, people, own)
	s.says(di, approve, "")
	d := s.judge(t, theRules(t)).Determinations[0]
	if d.Outcome != pending || !cmp.Equal(d.Flow.Inactive, []string{"DataProduct/orders at products/orders.yaml:3:110"}) {
		t.Errorf("the stewards were merged, or the loser is not told: %s", show(t, d.Flow))
	}
	s.base = setOf(t, people, strings.Replace(own, anyFinance, "{mode: delegated}", 1))
	s.head = setOf(t, people, strings.Replace(own, anyFinance, "{mode: delegated}", 1), request(forAnn))
	req, _ := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
	s.facts.Files[0].NewBlob = req.Origin().OID
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != temporary || d.Flow.From != "DataProduct/orders" || len(d.Flow.Inactive) > 0 {
		t.Errorf("delegated: %s", show(t, d.Flow))
	}
}

func TestSemantic16_TheNearestAncestorOfASourceDecides(t *testing.T) {
	levels := func(of string) string {
		return people + `
-- connections/dw.yaml --
kind: Connection
metadata: {name: dw}
spec:
  platform: sandbox
  levels:
` + of + `
-- sources/dw/shop/public/orders.yaml --
kind: DataSource
metadata: {name: orders}
spec: {connection: dw, path: [shop, public, orders], kind: table, columns: [{name: id}]}
`
	}
	const (
		connection = "    - {review: {mode: stewards, stages: [{any: [{user: bo}]}]}}\n"
		database   = "    - {path: shop, review: {mode: stewards, stages: [{any: [{user: cy}]}]}}\n"
		schema     = "    - {path: shop/public, review: {mode: stewards, stages: [{any: [{user: dee}]}]}}\n"
	)
	file := strings.NewReplacer("{product: orders}", "{source: dw/shop/public/orders}", "{name: ask, digest: \"DIGEST(ask)\"}",
		`{name: standard, digest: "`+resource.BuiltinForm().Digest()+`"}`).Replace(request(forAnn))
	for of, want := range map[string]struct {
		by   int
		from string
	}{
		connection + database + schema: {dee, "Connection/dw level shop/public"},
		connection + database:          {cy, "Connection/dw level shop"},
		connection:                     {bo, "Connection/dw"},
	} {
		for _, id := range []int{bo, cy, dee} {
			s := newScene(t, anyFinance, forAnn)
			s.base, s.head = setOf(t, levels(of)), setOf(t, levels(of), file)
			req, _ := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
			s.facts.Files[0].NewBlob = req.Origin().OID
			s.says(id, approve, "")
			d := s.judge(t, theRules(t)).Determinations[0]
			if d.Outcome.Grants() != (id == want.by) || d.Flow.From != want.from || d.Stages[0].At == "" {
				t.Errorf("%s approved by %d: %s", want.from, id, show(t, d))
			}
		}
	}
}

func TestSemantic17_NoStewardsAreNoApproval(t *testing.T) {
	for _, flow := range []string{
		`{mode: stewards}`, `{mode: stewards, stages: []}`, `{mode: stewards, stages: [{}]}`, `{mode: stewards, stages: [{any: []}]}`,
		`{mode: stewards, stages: [{all: []}]}`, `{mode: stewards, stages: [{any: [{group: empty}]}]}`, `{mode: stewards, stages: [{any: [{group: finance}], all: [{group: legal}]}]}`,
		`{mode: stewards, stages: [{any: [{}]}]}`, `{mode: automatic}`, `{mode: automatic, automatic: {justification: "", duration: 30d}}`,
		`{mode: automatic, automatic: {justification: x, duration: ""}}`, `{mode: ""}`,
	} {
		if d := judged(t, flow, forAnn, bo, cy, dee, eve, gov, di); d.Outcome != pending {
			t.Errorf("%s: %s", flow, show(t, d))
		}
	}
}

func TestSemantic18_DomainStewardsAreThoseOfTheTargetsDomain(t *testing.T) {
	const flow = `{mode: stewards, stages: [{any: [{domainPermission: manageDataProducts}]}]}`
	if d := judged(t, flow, forAnn, cy); d.Outcome != temporary {
		t.Errorf("in the domain: %s", show(t, d))
	}
	if d := judged(t, flow, forAnn, bo, gov); d.Outcome != pending {
		t.Errorf("others: %s", show(t, d))
	}
	s := newScene(t, flow, forAnn)
	s.base = setOf(t, people, strings.Replace(product(flow), "domain: money", "domain: nowhere", 1))
	s.says(cy, approve, "")
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != pending {
		t.Errorf("outside of any domain: %s", show(t, d))
	}
}

func TestSemantic19_GovernanceIsNoSuperApprover(t *testing.T) {
	for _, flow := range []string{anyFinance, twoOfTwo, bothGroup, inOrder} {
		if d := judged(t, flow, forAnn, gov); d.Outcome != pending || d.Reviews[0].Counted {
			t.Errorf("%s: %s", flow, show(t, d))
		}
	}
}

func TestSemantic20_TheDefaultIsAnyOfGovernanceAndTheDomain(t *testing.T) {
	for id, want := range map[int]review.Outcome{gov: temporary, cy: temporary, bo: pending, dee: pending} {
		if d := judged(t, `{mode: delegated}`, forAnn, id); d.Outcome != want || d.Flow.From != "default" {
			t.Errorf("%d: %s", id, show(t, d))
		}
	}
}

func TestSemantic21_ALaterStageIsBlockedUntilTheEarlierIsApproved(t *testing.T) {
	states := func(d review.Determination) (out []review.StageState) {
		for _, s := range d.Stages {
			out = append(out, s.State)
		}
		return out
	}
	for _, tc := range []struct {
		by   []int
		want []review.StageState
	}{
		{nil, []review.StageState{review.StageWaiting, review.StageBlocked}},
		{[]int{dee}, []review.StageState{review.StageWaiting, review.StageBlocked}},
		{[]int{bo}, []review.StageState{review.StageApproved, review.StageWaiting}},
		{[]int{bo, dee}, []review.StageState{review.StageApproved, review.StageApproved}},
	} {
		if d := judged(t, inOrder, forAnn, tc.by...); !cmp.Equal(states(d), tc.want) {
			t.Errorf("%v: %v", tc.by, states(d))
		}
	}
	s := newScene(t, inOrder, forAnn)
	s.facts.State = review.StateCanceled
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != review.Canceled || d.Deadlines != nil {
		t.Errorf("canceled: %s", show(t, d))
	}
}

func TestSemantic22_OfSeveralEndsTheEarliestCounts(t *testing.T) {
	for _, bodies := range [][2]string{{"/approve for 30d", "/approve for 7d"}, {"/approve for 7d", "/approve"}} {
		s := newScene(t, bothGroup, `beneficiaries: [{user: ann}], duration: indefinite`)
		s.says(bo, approve, bodies[0])
		s.says(dee, approve, bodies[1])
		if d := s.judge(t, theRules(t)).Determinations[0]; d.Outcome != temporary || !d.Until.Equal(noon.AddDate(0, 0, 7)) {
			t.Errorf("%v: %s until %s", bodies, d.Outcome, d.Until)
		}
	}
}

func TestSemantic23_TheClockStartsWithTheLastDeterminationAndMonthsAreClamped(t *testing.T) {
	s := newScene(t, inOrder, `beneficiaries: [{user: ann}], duration: 1mo`)
	s.facts.OpenedAt = noon.AddDate(0, -3, 0)
	s.facts.ObservedAt = time.Date(2027, 1, 31, 9, 30, 0, 500, time.UTC)
	s.says(bo, approve, "")
	s.says(dee, approve, "")
	d := s.judge(t, theRules(t)).Determinations[0]
	if want := time.Date(2027, 2, 28, 9, 30, 0, 0, time.UTC); !d.Until.Equal(want) || d.Until.Location() != time.UTC {
		t.Errorf("until %s, want %s", d.Until, want)
	}
}

func TestSemantic24_AnAutomaticApprovalHasARecordedReason(t *testing.T) {
	d := judged(t, automatic, forAnn)
	if d.Outcome != temporary || d.Reason != "approved automatically: public data" || len(d.Stages) != 0 {
		t.Errorf("%s", show(t, d))
	}
}

func TestSemantic25_NobodyApprovesForThemselves(t *testing.T) {
	for name, spec := range map[string]string{
		"requester": `beneficiaries: [{user: di}], duration: 90d`, "both": forAnn,
	} {
		if d := judged(t, anyFinance, spec, ann); d.Outcome != pending || d.Reviews[0].Why != "ann is the requester" {
			t.Errorf("%s: %s", name, show(t, d))
		}
	}
	if d := judged(t, anyFinance, `beneficiaries: [{user: cy}], duration: 90d`, cy); d.Outcome != pending || d.Reviews[0].Why != "cy is a beneficiary" {
		t.Errorf("beneficiary: %s", show(t, d))
	}
	s := newScene(t, automatic, forAnn) // an automatic flow asks nobody, so nobody approves for themselves
	s.says(ann, approve, "")
	if d := s.judge(t, theRules(t)).Determinations[0]; d.Reviews[0].Counted {
		t.Errorf("automatic: %s", show(t, d))
	}
}

func TestSemantic26_RequesterAndBeneficiaryAreTwo(t *testing.T) {
	d := judged(t, anyFinance, `beneficiaries: [{user: di}, {group: legal}], duration: 90d`, bo)
	var input struct {
		Request struct {
			Requester     string
			Beneficiaries []string
		}
	}
	if err := json.Unmarshal(d.Input, &input); err != nil {
		t.Fatal(err)
	}
	if input.Request.Requester != "ann" || !cmp.Equal(input.Request.Beneficiaries, []string{"dee", "di", "eve"}) || d.Outcome != temporary {
		t.Errorf("%s: %+v", d.Outcome, input)
	}
}

package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// goldenPage compares a text with its file; UPDATE_GOLDEN=1 writes it.
func goldenPage(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "page", name+".md")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as in %s; UPDATE_GOLDEN=1 writes it:\n%s", name, file, got)
	}
}

func asked(d review.Determination) report.Page {
	d.Request, d.DecidedAt = "ana-orders", noon
	j := review.Judgement{Class: review.ClassRequest, Outcome: d.Outcome, Reason: d.Reason, Determinations: []review.Determination{d}}
	return report.Page{PullRequest: "12", State: report.StateOf(j), Reason: d.Reason, Asks: []report.Ask{{
		RequestStatus: audit.RequestStatus{
			Request: "ana-orders", State: audit.StatePending, Reason: d.Reason, File: "requests/orders/ana-orders.yaml", At: "requests/orders/ana-orders.yaml:7:3",
			Asked: "90d", PullRequest: "12", Target: "data product orders", For: []string{"ana"}, Level: "read", Judgement: &j,
		},
		Cannot: []report.Barred{{Person: "ana", Why: "is the requester"}},
		Preview: &grant.Preview{Request: "ana-orders", Until: noon.AddDate(0, 0, 90), Rows: []grant.PreviewRow{
			{Person: "ana", Source: "wh/shop/public/customers", Then: resource.Read, Columns: []grant.PreviewColumn{
				{Name: "id", Now: grant.Hidden, Then: grant.Clear}, {Name: "email", Now: grant.Hidden, Then: grant.Masked},
			}},
			{Person: "ana", Source: "wh/shop/public/orders", Now: resource.Read, Then: resource.Read, Columns: []grant.PreviewColumn{{Name: "id", Now: grant.Clear, Then: grant.Clear}}},
		}},
		Places: map[resource.Name]report.Place{
			"wh/shop/public/customers": {Connection: "wh", Path: "shop.public.customers"}, "wh/shop/public/orders": {Connection: "wh", Path: "shop.public.orders"},
		},
		Answers: []report.Answer{{Question: "What for?", Text: "Churn model; @kim knows"}},
		Facts:   []string{"nobody asked for it before"},
	}}, Commands: []string{"approve: `assent review approve 12`"}}
}

func stages(states ...review.StageState) []review.StageResult {
	var out []review.StageResult
	for i, s := range states {
		people := [][]resource.Name{{"kim", "raj"}, {"lea"}}[i]
		r := review.StageResult{State: s, Mode: "any", At: "forms/analytics.yaml:34:13", Sources: []review.SourceResult{{Source: []string{"group finance", "group privacy"}[i], People: people}}}
		if s == review.StageApproved {
			r.Sources[0].Answered = people[:1]
		}
		out = append(out, r)
	}
	return out
}

func waiting() review.Determination {
	return review.Determination{
		Outcome: review.Pending, Reason: "waiting for an approval for group privacy", Decision: []byte("{}"),
		Flow:   review.FlowRef{Mode: resource.ReviewStewards, From: "RequestForm/analytics", At: "forms/analytics.yaml:27:3"},
		Stages: stages(review.StageApproved, review.StageWaiting), Missing: []review.Need{{What: "an approval for group privacy", People: []resource.Name{"lea"}}},
		Reviews: []review.ReviewResult{
			{ID: "1", Person: "kim", Verdict: review.Approve, Reason: "fine", Counted: true},
			{ID: "2", Person: "ana", Verdict: review.Approve, Why: "ana is the requester"},
		},
		Deadlines: &review.Deadlines{LapseAt: noon.AddDate(0, 0, 14), EscalateAt: noon.AddDate(0, 0, 3), EscalateTo: []resource.Subject{{Group: "privacy"}}},
	}
}

func decided(state audit.State, reason string, grants ...audit.GrantStatus) report.Page {
	s := audit.RequestStatus{
		Request: "ana-orders", State: state, Reason: reason, PullRequest: "12", Target: "data product orders", For: []string{"ana", "group analysts"}, Level: "read",
		DecidedAt: noon, DecidedBy: []resource.Name{"kim", "lea"}, Until: noon.AddDate(0, 0, 30), Record: 5, Grants: grants,
	}
	return report.Page{PullRequest: "12", State: report.Standing(s), Reason: reason, Asks: []report.Ask{{RequestStatus: s}}}
}

// Each state has its word beside its icon, says who does what next, and looks
// the same tomorrow.
func TestEveryStateHasItsPage(t *testing.T) {
	ruled, faulty, agreed, denied, withdrawn := waiting(), waiting(), waiting(), waiting(), waiting()
	ruled.Constraints, ruled.Reason = []string{"no contractors on finance data"}, "held by the organisation's rules: no contractors on finance data"
	ruled.Missing = nil
	faulty.Stages, faulty.Reason, faulty.Missing = stages(review.StageApproved, review.StageApproved), "the change has mistakes: requests/orders/ana-orders.yaml:9:3: no column `x`", nil
	agreed.Outcome, agreed.Reason, agreed.Until, agreed.Missing = review.TemporarilyApproved, "approved by kim, lea", noon.AddDate(0, 0, 30), nil
	agreed.Stages = stages(review.StageApproved, review.StageApproved)
	denied.Outcome, denied.Reason, denied.Missing = review.Denied, "denied by lea: the board has this report already", nil
	withdrawn.Outcome, withdrawn.Reason, withdrawn.Missing = review.Canceled, "withdrawn by its author", nil
	applied := audit.GrantStatus{Connection: "wh", Role: "assent_orders_read", Principal: "ana", State: "applied", Record: 6}
	failing := audit.GrantStatus{Connection: "wh", Role: "assent_orders_read", Principal: "ana", State: "failing", Detail: "no-such-account: ana"}
	gone := applied
	gone.State = "revoked"
	guarded := decided(audit.StateApproved, "approved by kim, lea")
	guarded.Asks[0].Prevented = []grant.Prevented{{Request: "ana-orders", State: grant.StatePrevented, Reason: "guardrail pii keeps email masked"}}
	guarded.State = report.Standing(guarded.Asks[0].RequestStatus)
	for _, tc := range []struct {
		name, first string
		page        report.Page
	}{
		{"waiting", "🟡 **waiting for a steward** · request `ana-orders` · `ana` → data product `orders` · read · until 2027-02-22 if approved today (asked: `90d`)", asked(waiting())},
		{"changes-requested", "🟠 **changes requested** · ", asked(faulty)},
		{"approved-open", "🟢 **approved, merge to apply** · ", asked(agreed)},
		{"prevented-by-rule", "⛔ **prevented by guardrail** · ", asked(ruled)},
		{"denied-open", "🔴 **denied** · ", asked(denied)},
		{"withdrawn-open", "⚪ **withdrawn** · ", asked(withdrawn)},
		{"approved", "🟢 **approved, but applying it fails** · ", decided(audit.StateApproved, "approved by kim, lea", failing)},
		{"approved-waiting", "🟢 **approved, about to be applied** · ", decided(audit.StateApproved, "approved by kim, lea")},
		{"applied", "✅ **applied** · request `ana-orders` · `ana`, `group analysts` → data product `orders` · read · until 2026-12-24 12:00 UTC", decided(audit.StateApproved, "approved by kim, lea", applied)},
		{"denied", "🔴 **denied** · ", decided(audit.StateDenied, "denied by lea: no")},
		{"expired", "⚪ **expired** · ", decided(audit.StateExpired, "approved by kim, lea", gone)},
		{"revoked", "⚪ **revoked** · ", decided(audit.StateRevoked, "withdrawn by ana", gone)},
		{"withdrawn", "⚪ **withdrawn** · ", decided(audit.StateCanceled, "withdrawn by its author")},
		{"prevented", "⛔ **prevented by guardrail** · ", guarded},
		{"governance", "🟡 **waiting** · ", report.Page{
			PullRequest: "13", State: report.Waiting, Reason: "waiting for an approval for permission GOVERNANCE", Governance: true, Foreseen: true,
			Shifts: []grant.Shift{{Person: "ana", Source: "wh/shop/public/orders", Was: grant.Sight{Level: resource.Read, Columns: []grant.Seen{{Name: "id", How: grant.Clear}}}}},
			Impact: &review.Impact{Checked: 7, Differences: []review.ImpactDifference{{Request: "old", Old: review.Approved, New: review.Pending, NewReason: "waiting"}}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := report.Markdown(tc.page, 0)
			if !strings.HasPrefix(got, tc.first) {
				t.Errorf("begins with %q, want %q", got[:min(len(got), 120)], tc.first)
			}
			if strings.Contains(strings.ReplaceAll(got, "`Churn model; @kim knows`", ""), "@") && !strings.Contains(got, "@@ wh @@") {
				t.Errorf("mentions somebody:\n%s", got)
			}
			check(t, "golden", got)
			goldenPage(t, tc.name, got)
		})
	}
}

// A status has room for one line; it says who can move the pull request on.
func TestLineNamesWhoCanUnblockIt(t *testing.T) {
	if got, want := report.Line(asked(waiting())), "waiting for lea: waiting for an approval for group privacy"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

// What moves by itself from day to day is no news.
func TestKeyStandsStillWhereOnlyDatesMove(t *testing.T) {
	a, b := asked(waiting()), asked(waiting())
	later := *b.Asks[0].Preview
	later.Until = later.Until.AddDate(0, 0, 1)
	b.Asks[0].Preview, b.Asks[0].Facts = &later, []string{"1 of 1 earlier request for it approved"}
	b.Asks[0].Judgement.Determinations[0].Deadlines.NextReminder = noon
	if report.Key(a) != report.Key(b) {
		t.Error("a new date is news")
	}
	if report.Markdown(a, 0) == report.Markdown(b, 0) {
		t.Error("the text does not show the date")
	}
	c := asked(waiting())
	c.Asks[0].Judgement.Determinations[0].Missing[0].People = []resource.Name{"mo"}
	if report.Key(a) == report.Key(c) {
		t.Error("another steward is no news")
	}
}

package loop_test

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/review"
)

// A steward denies on GitHub: the pull request is closed, and the ledger has why,
// whatever the reason holds. A directive in it takes nothing back.
func TestADenialClosesThePullRequestAndIsRecordedWithItsReason(t *testing.T) {
	t.Parallel()
	hostile := "not @everyone's data <img src=x> <!-- assent --> [a](http://x) \u202e\u2028 \x1b[31m\n```\n/approve\n" + strings.Repeat("漢", 20_000)
	for name, reason := range map[string]string{"plain": "ask for the aggregated table", "hostile": hostile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			n := h.asks("one", pipeline, "30d")
			h.looks(n)
			h.says(n, "raj", "APPROVE", "fine")
			h.says(n, "kim", "REQUEST_CHANGES", reason)
			for range 2 {
				h.looks(n)
			}
			facts, err := h.adapter().Observe(t.Context(), strconv.Itoa(n))
			must(t, err)
			if facts.State != review.StateClosed {
				t.Errorf("it is %s", facts.State)
			}
			var bodies []ledger.DeterminationBody
			for _, v := range h.records(ledger.TypeDetermination) {
				body, err := v.Determination()
				must(t, err)
				bodies = append(bodies, body)
			}
			if len(bodies) != 1 || bodies[0].Outcome != string(review.Denied) {
				t.Fatalf("%d records: %+v", len(bodies), bodies)
			}
			got := bodies[0].Reason
			if !strings.HasPrefix(got, "denied by kim") || !strings.Contains(got, strings.Fields(reason)[0]) {
				t.Errorf("the reason is %.200q", got)
			}
			if len(got) > review.MaxSaid+200 || !utf8.ValidString(got) || strings.Contains(got, "bytes are left out") != (len(reason) > review.MaxSaid) {
				t.Errorf("the reason has %d bytes: %q", len(got), got[max(0, len(got)-80):])
			}
			if len(bodies[0].Facts)+len(bodies[0].Stages) > 6*review.MaxSaid {
				t.Errorf("%d bytes of facts, %d of stages", len(bodies[0].Facts), len(bodies[0].Stages))
			}
			h.follow()
			if c := h.custody(); len(c.Approvals) != 0 || len(c.Findings) != 0 {
				t.Errorf("%d approvals, findings %s", len(c.Approvals), codes(c.Findings))
			}
		})
	}
}

// On the local forge a review is signed, and its statement is kept whole: a long
// one denies, and an audit finds nothing amiss.
func TestALongSignedReviewIsCutAndStillProven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.ask("ana-1", "ana", pipeline, "30d")
	w.review("ana-1", "raj", review.Comment, strings.Repeat("because ", 2000))
	w.approve("ana-1", "kim")
	w.determine()
	w.settled()
	w.want("ana", pipeline, true)
	w.ask("ben-1", "ben", pipeline, "30d")
	w.review("ben-1", "kim", review.Deny, strings.Repeat("because ", 2000))
	w.determine()
	if got := w.outcomes("ben-1"); len(got) != 1 || got[0] != "ben-1 denied" {
		t.Errorf("outcomes %q", got)
	}
	if c := w.custody(); len(c.Findings) != 0 {
		t.Errorf("findings %s", codes(c.Findings))
	}
}

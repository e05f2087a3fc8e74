package report_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func TestMarkdownSaysTheStateFirstThenWhoCanMoveItOn(t *testing.T) {
	got := report.Markdown(review.Facts{}, review.Judgement{
		Outcome: review.Pending, Reason: "waiting for an approval for group finance",
		Determinations: []review.Determination{{
			Request: "ana-orders", Until: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
			Missing: []review.Need{{What: "an approval for group finance", People: []resource.Name{"kim", "raj"}}},
			Reviews: []review.ReviewResult{{Person: "ana", Verdict: review.Approve, Why: "ana is the requester"}},
		}},
	})
	lines := strings.Split(got, "\n")
	if want := "🟡 **pending** · `waiting for an approval for group finance`"; lines[0] != want {
		t.Errorf("first line %q, want %q", lines[0], want)
	}
	for _, want := range []string{"- next: `an approval for group finance` (`kim` or `raj`)", "- until 2027-01-31T00:00:00Z", "- approve by `ana`: does not count: `ana is the requester`"} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in:\n%s", want, got)
		}
	}
}

// Whatever a person wrote, nothing of it stands outside of inline code, so it
// can neither mention, nor link, nor embed, nor start a line of its own.
func TestHostileTextIsInert(t *testing.T) {
	hostile := []string{"@org/team", "[x](http://evil)", "![x](http://evil)", "<img src=x>", "a\n# heading", "`", "``", "`@team", "a``b`c", "<!-- marker -->", "\u2028- x", "", " "}
	check := func(t interface{ Errorf(string, ...any) }, text string) {
		got := report.Escape(text)
		if strings.ContainsAny(got, "\n\r\u2028\u2029") {
			t.Errorf("%q became more than one line: %q", text, got)
		}
		fence := got[:len(got)-len(strings.TrimLeft(got, "`"))]
		if fence == "" || !strings.HasSuffix(got, fence) || strings.Contains(strings.TrimSuffix(strings.TrimPrefix(got, fence), fence), fence) {
			t.Errorf("%q is not one piece of inline code: %q", text, got)
		}
	}
	for _, text := range hostile {
		check(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringOf(rapid.SampledFrom([]rune("`@#\n\r<>[]! ab\u2028"))).Draw(t, "text"))
	})
}

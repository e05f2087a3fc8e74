package review_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func TestParseDirective(t *testing.T) {
	jan := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		body    string
		verdict review.Verdict
		until   time.Time
		reason  string
		err     string
	}{
		{"", approve, time.Time{}, "", ""},
		{"looks right", approve, time.Time{}, "looks right", ""},
		{"/approve", approve, time.Time{}, "", ""},
		{"/approve\n\nfine\nby me", approve, time.Time{}, "fine\nby me", ""},
		{"/approve for 30d", approve, noon.AddDate(0, 0, 30), "", ""},
		{"/approve for 1mo\r\nfor the audit\r\n", approve, noon.AddDate(0, 1, 0), "for the audit", ""},
		{"\n  /approve   until  2027-01-31  \nx", approve, jan, "x", ""},
		{"/approve until 2027-01-31T08:00:00Z", approve, jan.Add(8 * time.Hour), "", ""},
		{"/approve until 2027-01-31T00:00:00.9Z", approve, time.Time{}, "", "want 2027-01-31"},
		{"/approve until 2026-11-24", approve, time.Time{}, "", "has passed"},
		{"/approve until 2026-11-24T12:00:00Z", approve, time.Time{}, "", "has passed"},
		{"/approve until tomorrow", approve, time.Time{}, "", "want 2027-01-31"},
		{"/approve until", approve, time.Time{}, "", "not understood"},
		{"/approve for", approve, time.Time{}, "", "not understood"},
		{"/approve for 0d", approve, time.Time{}, "", "want a whole number"},
		{"/approve for 30 d", approve, time.Time{}, "", "not understood"},
		{"/approve for -1d", approve, time.Time{}, "", "want a whole number"},
		{"/approve for 30d please", approve, time.Time{}, "", "not understood"},
		{"/approve for indefinite", approve, time.Time{}, "", "without an end of its own"},
		{"/approve 30d", approve, time.Time{}, "", "not understood"},
		{"/approve until 2027-02-30", approve, time.Time{}, "", "want 2027-01-31"},
		{"/Approve for 30d", approve, time.Time{}, "", `"/Approve" is none`},
		{"/approved", approve, time.Time{}, "", "is none"},
		{"/lgtm", approve, time.Time{}, "", "is none"},
		{"/", approve, time.Time{}, "", "is none"},
		{"/deny", approve, time.Time{}, "", "request changes instead"},
		{"approve for 30d", approve, time.Time{}, "", "lacks its slash"},
		{"Approved until 2027", approve, time.Time{}, "", "lacks its slash"},
		{"Approved for the finance team", approve, time.Time{}, "Approved for the finance team", ""},
		{"LGTM\n/approve for 7d", approve, time.Time{}, "", "not in the first line"},
		{"LGTM\r/approve for 7d", approve, time.Time{}, "", "not in the first line"},
		{"LGTM\u2028/approve for 7d", approve, time.Time{}, "", "not in the first line"},
		{"/approve\n/approve for 7d", approve, time.Time{}, "", "not in the first line"},
		{"fine\n  /DENY", approve, time.Time{}, "", "not in the first line"},
		{"see docs/approve for 7d", approve, time.Time{}, "see docs/approve for 7d", ""},
		{"", deny, time.Time{}, "", ""},
		{"too broad", deny, time.Time{}, "too broad", ""},
		{"/deny\ntoo broad", deny, time.Time{}, "too broad", ""},
		{"/deny for 30d", deny, time.Time{}, "", "not understood"},
		{"/approve for 30d", deny, time.Time{}, "", "approve instead"},
		{"/approve for 30d", comment, time.Time{}, "/approve for 30d", ""},
		{"x\n/deny", comment, time.Time{}, "x\n/deny", ""},
		{"/whatever", dismissed, time.Time{}, "/whatever", ""},
	} {
		d, err := review.ParseDirective(tc.body, tc.verdict, noon)
		switch {
		case tc.err == "" && err != nil, tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("%q %s: error %v, want %q", tc.body, tc.verdict, err, tc.err)
		case err == nil && (!d.Until.Equal(tc.until) || d.Reason != tc.reason):
			t.Errorf("%q %s: %+v", tc.body, tc.verdict, d)
		case err != nil && !d.Until.IsZero():
			t.Errorf("%q %s: an error with an end: %+v", tc.body, tc.verdict, d)
		}
	}
}

func TestFormatBodyIsWhatParseDirectiveReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom([]review.Verdict{approve, deny, comment}).Draw(t, "verdict")
		d := rapid.SampledFrom([]resource.Duration{"", "30d", "1mo", "indefinite", "x"}).Draw(t, "duration")
		u := rapid.SampledFrom([]resource.Instant{"", "2027-01-31", "soon"}).Draw(t, "until")
		reason := rapid.StringMatching(`[a-z/ \n]{0,20}`).Draw(t, "reason")
		body, err := review.FormatBody(v, d, u, reason)
		if err != nil {
			return
		}
		got, err := review.ParseDirective(body, v, noon)
		if err != nil || got.Reason != strings.TrimSpace(reason) {
			t.Fatalf("%q: %+v, %v", body, got, err)
		}
		if got.Until.IsZero() != (d == "" && u == "") {
			t.Fatalf("%q: until %s", body, got.Until)
		}
	})
}

func TestFormatBody(t *testing.T) {
	for _, tc := range []struct {
		verdict  review.Verdict
		duration resource.Duration
		until    resource.Instant
		reason   string
		want     string // empty for an error
	}{
		{approve, "", "", "", "/approve"},
		{approve, "30d", "", "for the audit", "/approve for 30d\n\nfor the audit"},
		{approve, "", "2027-01-31", "", "/approve until 2027-01-31"},
		{approve, "30d", "2027-01-31", "", ""},
		{approve, "indefinite", "", "", ""},
		{approve, "soon", "", "", ""},
		{approve, "", "", "/approve for 1y", ""},
		{deny, "", "", "no", "/deny\n\nno"},
		{deny, "30d", "", "no", ""},
		{comment, "", "", "why?", "why?"},
		{comment, "", "2027-01-31", "", ""},
	} {
		got, err := review.FormatBody(tc.verdict, tc.duration, tc.until, tc.reason)
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("FormatBody(%s, %q, %q, %q) = %q, %v", tc.verdict, tc.duration, tc.until, tc.reason, got, err)
		}
	}
}

// Whatever a body says, only a first line "/approve for" or "/approve until"
// sets an end, and a body that speaks of one elsewhere is never taken for an
// approval without one.
func FuzzParseDirective(f *testing.F) {
	for _, seed := range []string{"", "/approve", "/approve for 30d\nx", "/approve until 2027-01-31", "LGTM\n/approve for 7d", "/deny", "\x00/approve for 1d", "/approve\u2028/approve for 1d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		d, err := review.ParseDirective(body, approve, noon)
		if err != nil {
			return
		}
		first := strings.TrimSpace(body)
		if i := strings.IndexAny(first, "\n\r\v\f\u0085\u2028\u2029"); i >= 0 {
			first = first[:i]
		}
		words := strings.Fields(first)
		set := len(words) == 3 && words[0] == "/approve"
		if set == d.Until.IsZero() || set && !d.Until.After(noon) {
			t.Errorf("%q: until %s", body, d.Until)
		}
		for line := range strings.Lines(d.Reason) {
			if w := strings.Fields(line); len(w) > 0 && (w[0] == "/approve" || w[0] == "/deny") {
				t.Errorf("%q: a directive in the reason %q", body, d.Reason)
			}
		}
	})
}

package review_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/review"
)

func TestWhatIsSaidIsKeptUpToABound(t *testing.T) {
	for _, body := range []string{"", "fine", strings.Repeat("x", review.MaxSaid)} {
		if got, cut := review.Said(body); got != body || cut != nil {
			t.Errorf("%d bytes are kept as %d, cut %v", len(body), len(got), cut)
		}
	}
	for pad := range 4 {
		body := strings.Repeat("x", pad) + strings.Repeat("𝄞", 20_000)
		got, cut := review.Said(body)
		kept, _, _ := strings.Cut(got, "\n")
		if len(got) > review.MaxSaid || !utf8.ValidString(got) || !strings.HasPrefix(body, kept) || cut == nil || cut.Bytes != len(body)-len(kept) {
			t.Errorf("%d bytes are kept as %d, cut %+v: %.20q", len(body), len(got), cut, got[len(got)-60:])
		}
		facts := review.Facts{Reviews: []review.Review{{Body: body}}}.Bounded()
		if diff := cmp.Diff(facts, facts.Bounded()); diff != "" {
			t.Errorf("cut twice: %s", diff)
		}
	}
	_, a := review.Said(strings.Repeat("x", 5000) + "a")
	if _, b := review.Said(strings.Repeat("x", 5000) + "b"); a.Digest == b.Digest || a.Bytes != b.Bytes {
		t.Errorf("%+v and %+v are of different bodies", a, b)
	}
}

// What is not read whole may hold an end, and approves nothing; a denial stands
// whatever is written with it.
func TestAReviewThatIsTooLongApprovesNothingAndDenies(t *testing.T) {
	long := strings.Repeat("because ", 2000)
	for v, want := range map[review.Verdict]review.Outcome{approve: review.Pending, review.Deny: review.Denied} {
		s := newScene(t, anyFinance, forAnn)
		s.says(bo, v, long)
		s.facts = s.facts.Bounded()
		d := s.judge(t, theRules(t)).Determinations[0]
		if d.Outcome != want || len(d.Reason) > review.MaxSaid+1000 {
			t.Errorf("%s: %s, want %s: %d bytes of reason", v, d.Outcome, want, len(d.Reason))
		}
		if why := d.Reviews[0].Why; v == approve && !strings.Contains(why, "fewer words") {
			t.Errorf("it does not count because %q", why)
		}
	}
	s := newScene(t, anyFinance, forAnn)
	s.says(bo, approve, strings.Repeat("because ", 500))
	s.facts = s.facts.Bounded()
	if d := s.judge(t, theRules(t)).Determinations[0]; !d.Outcome.Grants() {
		t.Errorf("4000 bytes: %s, %s", d.Outcome, d.Reason)
	}
	if _, err := review.FormatBody(approve, "", "", long); err == nil {
		t.Error("it is written all the same")
	}
	if _, err := review.FormatBody(review.Deny, "", "", long); err != nil {
		t.Error(err)
	}
}

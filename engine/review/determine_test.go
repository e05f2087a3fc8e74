package review_test

import (
	"testing"

	"github.com/assent-dev/assent/engine/review"
)

func TestOneOfTheGroupApproves(t *testing.T) {
	s := newScene(t, anyFinance, forAnn)
	d := rules(t, nil)
	if j := s.judge(t, d); j.Outcome != review.Pending {
		t.Fatalf("without a review: %s", show(t, j))
	}
	s.says(bo, review.Approve, "fine")
	j := s.judge(t, d)
	if j.Outcome != review.TemporarilyApproved || !j.Determinations[0].Until.Equal(noon.AddDate(0, 0, 90)) {
		t.Fatalf("with an approval: %s", show(t, j))
	}
	s.says(cy, review.Deny, "no")
	if j := s.judge(t, d); j.Outcome != review.Denied {
		t.Fatalf("with a denial: %s", show(t, j))
	}
	t.Log(show(t, j))
}

package review_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const capRule = `package assent.custom.cap

deny contains sprintf("%s holds %d, %v", [p, a.held.count, a.held.tags]) if {
	some p, a in input.access
	a.held.count > 1
}
`

func TestRulesSeeWhatBeneficiariesHold(t *testing.T) {
	held := func(request resource.Name, tag string, pending bool) review.HeldAccess {
		return review.HeldAccess{Request: request, Target: "DataProduct/" + string(request), Product: request, Tags: []string{tag}, AccessLevel: resource.Read, Pending: pending}
	}
	for _, tc := range []struct {
		name string
		held []review.HeldAccess
		want []string
	}{
		{"nothing", []review.HeldAccess{}, nil},
		{"one", []review.HeldAccess{held("a", "x", false)}, nil},
		{"two", []review.HeldAccess{held("b", "y", false), held("a", "x", false)}, []string{`ann holds 2, ["x", "y"]`}},
		{"one is pending", []review.HeldAccess{held("a", "x", false), held("b", "y", true)}, nil},
		{"one is this request", []review.HeldAccess{held("a", "x", false), held("r1", "y", false)}, nil},
	} {
		s := newScene(t, anyFinance, forAnn)
		s.facts.Held = map[resource.Name][]review.HeldAccess{"ann": tc.held, "di": {held("a", "x", false), held("b", "y", false)}}
		s.says(bo, approve, "")
		j := s.judge(t, rules(t, map[string]string{"policies/cap.rego": capRule}))
		if diff := cmp.Diff(tc.want, j.Determinations[0].Constraints); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

// What was read and is nothing is told from what was not read, in the record too.
func TestNothingHeldIsRecordedAsSuch(t *testing.T) {
	for _, held := range []map[resource.Name][]review.HeldAccess{nil, {}, {"ann": {}}} {
		raw, err := json.Marshal(review.Facts{Held: held})
		if err != nil {
			t.Fatal(err)
		}
		var back review.Facts
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(held, back.Held); diff != "" {
			t.Error(diff)
		}
	}
}

package policies_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/policies"
)

// assignable tries every way to give each source a person of its own.
func assignable(sources [][]string, used []string) bool {
	if len(sources) == 0 {
		return true
	}
	return slices.ContainsFunc(sources[0], func(p string) bool {
		return !slices.Contains(used, p) && assignable(sources[1:], append(slices.Clone(used), p))
	})
}

func TestAStageAgreesExactlyWhenAnAssignmentExists(t *testing.T) {
	engine, err := policy.Compile(t.Context(), policies.Builtin(), nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[bool]int{}
	rapid.Check(t, func(rt *rapid.T) {
		var people []string
		for i := range rapid.IntRange(1, 6).Draw(rt, "people") {
			people = append(people, fmt.Sprintf("p%d", i))
		}
		sources := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.SampledFrom(people), 1, 3, rapid.ID[string]), 1, 5).Draw(rt, "sources")
		var stage, reviews []any
		for i, s := range sources {
			stage = append(stage, map[string]any{"source": fmt.Sprintf("group g%d", i), "people": s})
		}
		for _, p := range people {
			reviews = append(reviews, map[string]any{"id": p, "person": p, "verdict": "approve", "until": "", "reason": "", "valid": true, "why": ""})
		}
		raw, err := engine.Decide(t.Context(), map[string]any{
			"kind": "request", "at": "2026-11-24T12:00:00Z", "notBefore": "", "limit": "", "governance": []any{}, "reviews": reviews,
			"flow":   map[string]any{"mode": "stewards", "justification": "", "duration": ""},
			"stages": []any{map[string]any{"mode": "all", "count": 0, "distinct": true, "sources": stage}},
		}, time.Unix(0, 0))
		if err != nil {
			rt.Fatal(err)
		}
		var d struct{ Outcome string }
		if err := json.Unmarshal(raw, &d); err != nil {
			rt.Fatal(err)
		}
		want := assignable(sources, nil)
		seen[want]++
		if (d.Outcome == "approved") != want {
			rt.Fatalf("%v: %s, want an assignment: %v", sources, raw, want)
		}
	})
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("drew only one kind: %v", seen)
	}
}

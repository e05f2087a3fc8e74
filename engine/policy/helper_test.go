package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/policy"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// quorum is a set of built-in rules whose decision is given in full.
func quorum(body string) map[string]string {
	return map[string]string{"assent/quorum.rego": "package assent.quorum\n\n" + body}
}

// custom is one rule file of an organisation.
func custom(body string) map[string]string {
	return map[string]string{"policies/x.rego": "package assent.custom.x\n\n" + body}
}

func compile(t testing.TB, builtin, custom map[string]string) *policy.Engine {
	t.Helper()
	e, err := policy.Compile(t.Context(), builtin, custom)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// problems compiles what must not compile.
func problems(t testing.TB, builtin, custom map[string]string) policy.Problems {
	t.Helper()
	_, err := policy.Compile(t.Context(), builtin, custom)
	var ps policy.Problems
	if !errors.As(err, &ps) || len(ps) == 0 {
		t.Fatalf("Compile = %v, want problems", err)
	}
	return ps
}

// question is a request that n people of n groups approved.
func question(n int) map[string]any {
	sources, reviews := []any{}, []any{}
	for i := range n {
		person := fmt.Sprintf("p%d", i)
		sources = append(sources, map[string]any{"source": "group g", "people": []any{person, "shared"}})
		reviews = append(reviews, map[string]any{
			"id": fmt.Sprintf("r%d", i), "person": person, "verdict": "approve", "until": "", "reason": "", "valid": true, "why": "",
		})
	}
	return map[string]any{
		"kind": "request", "at": "2026-11-24T12:00:00Z", "notBefore": "", "limit": "2027-01-01T00:00:00Z",
		"flow":       map[string]any{"mode": "stewards", "justification": "", "duration": "", "from": "default"},
		"stages":     []any{map[string]any{"mode": "all", "count": 0, "distinct": true, "sources": sources}},
		"governance": []any{}, "reviews": reviews,
		"request": map[string]any{"tags": []any{"pii"}, "accessLevel": "read"},
	}
}

func outcome(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	var d struct{ Outcome string }
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d.Outcome
}

func decide(t testing.TB, e *policy.Engine, input any) json.RawMessage {
	t.Helper()
	raw, err := e.Decide(t.Context(), input, noon)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

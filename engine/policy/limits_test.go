package policy_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/policies"
)

// doubling is a rule of forty lines, each twice as large as the one before.
func doubling(first, next string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "x0 := %s\n\n", first)
	for i := 1; i <= 40; i++ {
		fmt.Fprintf(&b, "x%d := %s\n\n", i, strings.ReplaceAll(next, "x", fmt.Sprintf("x%d", i-1)))
	}
	return b.String() + "deny contains \"no\" if x40 == input.never\n"
}

func TestRulesThatGrowAreStopped(t *testing.T) {
	for name, body := range map[string]string{
		"a text doubled":                   doubling(`"ab"`, `concat("", [x, x])`),
		"a text doubled by a format":       doubling(`"ab"`, `s0(x)`) + "\n\ns0(t) := sprintf(\"%s%s\", [t, t])\n",
		"a list doubled":                   doubling(`[1]`, `array.concat(x, x)`),
		"a number doubled":                 doubling(`99`, `x * x`),
		"a text quoted again and again":    doubling(`"\""`, `json.marshal(x)`),
		"a list within lists, written out": doubling(`[1]`, `[x, x]`) + "\ndeny contains json.marshal(x40) if true\n",
		"a wide format":                    "deny contains sprintf(\"%999999999d\", [1]) if true\n",
		"a width from an argument":         "deny contains sprintf(\"%*d\", [999999999, 1]) if true\n",
		"an argument again and again":      "deny contains sprintf(\"%[1]s%[1]s\", [input.kind]) if true\n",
		"a wide format that is computed":   "deny contains sprintf(concat(\"\", [\"%\", \"99999\", \"d\"]), [1]) if true\n",
		"many large texts": `big := concat("", [input.text | some _ in input.big; some _ in [1, 2, 3, 4, 5, 6]])

deny contains "no" if count([concat("", [big, a]) | some a in input.big; some _ in input.big]) == 0
`,
		"many slices": "deny contains \"no\" if count([array.slice(input.big, 1, 1000) | some _ in input.big; some _ in input.big]) == 0\n",
		"more steps":  "deny contains \"no\" if { some a in input.big; some b in input.big; some c in input.big; a == b; b == c; c == 7 }\n",
	} {
		e := compile(t, policies.Builtin(), custom(body))
		q := question(1)
		big := make([]any, 1000)
		for i := range big {
			big[i] = fmt.Sprint(i)
		}
		q["big"], q["text"] = big, strings.Repeat("x", 100)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		raw, err := e.Decide(t.Context(), q, noon)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: Decide = %s", name, raw)
		} else if strings.Contains(err.Error(), "bounded.") {
			t.Errorf("%s: %v", name, err)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 2<<30 {
			t.Errorf("%s made %d MiB", name, made>>20)
		}
	}
}

func TestOrdinaryRulesKeepTheirBuiltins(t *testing.T) {
	body := `deny contains sprintf("%d: %s, %v, %v%%", [count(parts), concat("-", sort(parts)), {1} - {2}, 2 * 3.5]) if {
	parts := split(trim_space(upper(" b,a ")), ",")
	array.concat([1], array.slice([2, 3], 0, 1)) == [1, 2]
	product([2, 3]) == 6
	7 - 2 == 5
	{1, 2} & {2, 3} == {2}
	{1} | {2} == {1, 2}
	object.union({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
	json.marshal([1]) == "[1]"
}
`
	raw := decide(t, compile(t, policies.Builtin(), custom(body)), question(1))
	if want := `2: A-B, {1}, 7%`; !strings.Contains(string(raw), want) {
		t.Errorf("want %s in %s", want, raw)
	}
}

func TestInputAndSourceAreBounded(t *testing.T) {
	e := compile(t, policies.Builtin(), nil)
	q := question(1)
	q["big"] = strings.Repeat("x", 20<<20)
	if _, err := e.Decide(t.Context(), q, noon); !errors.Is(err, policy.ErrTooCostly) {
		t.Errorf("Decide = %v", err)
	}
	large := custom("# " + strings.Repeat("x", 1<<20) + "\n")
	if ps := problems(t, policies.Builtin(), large); !strings.Contains(ps[0].Message, "at most") {
		t.Errorf("%v", ps)
	}
}

func TestStepsAreTheSameEveryTime(t *testing.T) {
	e := compile(t, policies.Builtin(), custom("deny contains \"no\" if { some a in input.big; some b in input.big; some c in input.big; a == b; b == c; c == 7 }\n"))
	q := question(1)
	q["big"] = make([]any, 2000)
	for range 3 {
		if _, err := e.Decide(t.Context(), q, noon); !errors.Is(err, policy.ErrTooCostly) || !strings.Contains(err.Error(), "500000 steps") {
			t.Errorf("Decide = %v", err)
		}
	}
}

// A large pull request stays far below the limits.
func TestALargeChangeOfGovernanceIsDecided(t *testing.T) {
	holders := func(people ...any) map[string]any { return map[string]any{"people": people, "at": "x:1:1"} }
	changes, domains := []any{}, map[string]any{}
	for i := range 300 {
		domain := fmt.Sprintf("d%d", i%100)
		changes = append(changes, map[string]any{
			"files": []any{fmt.Sprintf("products/p%d.yaml", i)}, "folder": "products", "kind": "DataProduct", "action": "added", "readable": true,
			"domains": []any{domain}, "reaches": []any{}, "unowned": false, "leaves": []any{}, "concerns": []any{},
			"stewards": holders(), "shared": false, "spec": true, "permissions": false, "guardrail": false, "unlimited": false, "governs": false,
		})
		domains[domain] = map[string]any{"owner": holders("o" + domain), "manageDataProducts": holders("m" + domain), "managePolicies": holders()}
	}
	reviews := []any{}
	for i := range 100 {
		reviews = append(reviews, map[string]any{"id": fmt.Sprintf("r%d", i), "person": fmt.Sprintf("md%d", i), "verdict": "approve", "until": "", "reason": "", "valid": true, "why": ""})
	}
	e := compile(t, policies.Builtin(), nil)
	raw := decide(t, e, map[string]any{
		"kind": "governance", "at": "2026-11-24T12:00:00Z", "notBefore": "", "limit": "", "flow": map[string]any{"mode": "stewards"},
		"stages": []any{}, "governance": []any{"gov"}, "reviews": reviews, "changes": changes, "domains": domains,
		"permissions": map[string]any{"GOVERNANCE": holders("gov"), "USER_ADMIN": holders()},
	})
	if got := outcome(t, raw); got != "approved" {
		t.Errorf("%.400s", raw)
	}
}

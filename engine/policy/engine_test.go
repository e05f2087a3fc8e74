package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/policies"
)

func TestWhatIsNoSingleObjectIsAnError(t *testing.T) {
	for _, tc := range []struct{ name, body string }{
		{"undefined", "decision := {} if false\n"},
		{"another name", "decide := {\"outcome\": \"approved\"}\n"},
		{"true", "decision := true\n"},
		{"false", "decision := false\n"},
		{"null", "decision := null\n"},
		{"number", "decision := 1\n"},
		{"text", "decision := \"approved\"\n"},
		{"list", "decision := [{\"outcome\": \"approved\"}]\n"},
		{"set", "decision := {\"approved\"}\n"},
		{"partial set", "decision contains \"approved\" if true\n"},
		{"bare", "decision if true\n"},
		{"conflict", "decision := {\"outcome\": x} if some x in {\"approved\", \"denied\"}\n"},
		{"two rules in conflict", "decision := {\"outcome\": \"approved\"}\n\ndecision := {\"outcome\": \"denied\"}\n"},
		{"division by zero", "decision := {\"outcome\": \"approved\"} if not 1 / input.zero == 2\n"},
		{"unreadable time", "decision := {\"outcome\": \"approved\"} if not time.parse_rfc3339_ns(input.text) == 1\n"},
		{"unreadable number", "decision := {\"outcome\": \"approved\"} if not to_number(input.text) == 1\n"},
		{"unreadable pattern", "decision := {\"outcome\": \"approved\"} if not regex.match(input.pattern, \"x\")\n"},
	} {
		e := compile(t, quorum(tc.body), nil)
		raw, err := e.Decide(t.Context(), map[string]any{"zero": 0, "text": "soon", "pattern": "("}, noon)
		if err == nil {
			t.Errorf("%s: Decide = %s", tc.name, raw)
		}
	}
	wrong := map[string]string{"assent/quorum.rego": "package assent.qourum\n\ndecision := {\"outcome\": \"approved\"}\n"}
	if raw, err := compile(t, wrong, nil).Decide(t.Context(), nil, noon); !errors.Is(err, policy.ErrNoDecision) {
		t.Errorf("misspelt package: Decide = %s, %v", raw, err)
	}
	if raw, err := compile(t, nil, nil).Decide(t.Context(), nil, noon); !errors.Is(err, policy.ErrNoDecision) {
		t.Errorf("no rules: Decide = %s, %v", raw, err)
	}
}

func TestErrorInACustomRuleIsAnError(t *testing.T) {
	for _, body := range []string{
		"deny contains \"no\" if 1 / count(input.request.nothing) == 1\n\nunused := 1 / 0\n",
		"deny contains \"no\" if not time.parse_rfc3339_ns(input.kind) == 1\n",
		"deny contains \"no\" if to_number(input.kind) == 1\n",
		"x := 1 if input.kind\n\nx := 2 if input.at\n\ndeny contains \"no\" if x == 3\n",
		"f(_) := 1 if input.kind\n\nf(_) := 2 if input.at\n\ndeny contains \"no\" if f(0) == 3\n",
		"deny contains \"no\" if regex.match(input.request.tags[0] \"(\", \"x\")\n",
	} {
		e, err := policy.Compile(t.Context(), policies.Builtin(), custom(body))
		if err != nil {
			continue // refused even earlier
		}
		if raw, err := e.Decide(t.Context(), question(1), noon); err == nil && strings.Contains(body, "not time") {
			t.Errorf("%s: Decide = %s", body, raw)
		}
	}
}

func TestEndlessRulesStopAtTheDeadline(t *testing.T) {
	big := make([]any, 3000)
	for i := range big {
		big[i] = fmt.Sprint("item ", i)
	}
	for _, tc := range []struct{ name, body string }{
		{"product of lists", "deny contains \"no\" if { some a in input.big; some b in input.big; some c in input.big; a == c; b == \"x\" }\n"},
		{"product in a comprehension", "n := count([1 | some a in input.big; some b in input.big; some c in input.big; a == b; b == c])\n\ndeny contains \"no\" if n == 0\n"},
		{"every in every", "deny contains \"no\" if { every a in input.big { every b in input.big { every c in input.big { concat(a, [b, c]) != \"\" } } } }\n"},
		{"walk in walk", "deny contains \"no\" if { walk(input.big, [_, a]); walk(input.big, [_, b]); walk(input.big, [_, c]); a == [b, c] }\n"},
		{"texts", "deny contains \"no\" if { some a in input.big; some b in input.big; some c in input.big; sprintf(\"%s%s%s\", [a, b, c]) == \"x\" }\n"},
	} {
		e := compile(t, policies.Builtin(), custom(tc.body))
		q := question(1)
		q["big"] = big
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		start := time.Now()
		raw, err := e.Decide(ctx, q, noon)
		cancel()
		if err == nil {
			t.Errorf("%s: Decide = %s", tc.name, raw)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s stopped only after %s", tc.name, took)
		}
	}
}

func TestDecideStopsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the deadline of three seconds")
	}
	e := compile(t, quorum("decision := {\"n\": n} if n := count([1 | some a in input; some b in input; some c in input; some d in input; a == d; b == c])\n"), nil)
	big := make([]any, 2000)
	for i := range big {
		big[i] = i
	}
	start := time.Now()
	if raw, err := e.Decide(t.Context(), big, noon); err == nil {
		t.Fatalf("Decide = %s", raw)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("it stopped only after %s", took)
	}
}

func TestTheSameQuestionGetsTheSameBytes(t *testing.T) {
	rules := custom("deny contains {\"msg\": sprintf(\"tag %s\", [tag])} if some tag in input.request.tags\n\ndeny contains sprintf(\"p%d\", [i]) if some i, _ in input.reviews\n")
	a, b := compile(t, policies.Builtin(), rules), compile(t, policies.Builtin(), rules)
	for n := range 8 {
		q := question(n)
		first := string(decide(t, a, q))
		for _, e := range []*policy.Engine{a, b} {
			if again := string(decide(t, e, q)); again != first {
				t.Errorf("question %d:\n%s\n%s", n, first, again)
			}
		}
		// The input as text and back, as the ledger keeps it.
		text, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if again := string(decide(t, a, back)); again != first {
			t.Errorf("question %d from text:\n%s\n%s", n, first, again)
		}
	}
}

func TestDecideIsSafeForConcurrentUse(t *testing.T) {
	e := compile(t, policies.Builtin(), nil)
	want := string(decide(t, e, question(3)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if raw, err := e.Decide(t.Context(), question(3), noon); err != nil || string(raw) != want {
					t.Errorf("Decide = %s, %v", raw, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestDigestsNameTheRules(t *testing.T) {
	digests := func(custom map[string]string) string {
		_, c := compile(t, policies.Builtin(), custom).Digests()
		return c
	}
	one := map[string]string{"policies/a.rego": "package assent.custom.a\n"}
	seen := map[string]string{}
	for name, files := range map[string]map[string]string{
		"none":    nil,
		"one":     one,
		"renamed": {"policies/b.rego": "package assent.custom.a\n"},
		"edited":  {"policies/a.rego": "package assent.custom.a\n\n"},
	} {
		d := digests(files)
		if other, taken := seen[d]; taken || !strings.HasPrefix(d, "sha256:") || len(d) != 71 {
			t.Errorf("%s and %s have digest %s", name, other, d)
		}
		seen[d] = name
	}
	withTest := map[string]string{"policies/a.rego": "package assent.custom.a\n", "policies/a_test.rego": "package assent.custom.a_test\n"}
	if digests(withTest) != digests(one) {
		t.Error("tests change the digest")
	}
	b, _ := compile(t, policies.Builtin(), nil).Digests()
	if b2, _ := compile(t, quorum("x := 1\n"), nil).Digests(); b == b2 {
		t.Error("the digest does not name the built-in rules")
	}
	if !strings.HasPrefix(policy.Version(), "opa 1.") {
		t.Errorf("Version = %s", policy.Version())
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 3, 8} {
		b.Run(fmt.Sprintf("sources=%d", n), func(b *testing.B) {
			e, q := compile(b, policies.Builtin(), nil), question(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Decide(b.Context(), q, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		compile(b, policies.Builtin(), nil)
	}
}

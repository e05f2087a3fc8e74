package policy_test

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/policies"
)

// Every bundle here tries to do more than add a constraint.
func TestCustomRulesMayOnlyAddConstraints(t *testing.T) {
	const p = "package assent.custom.x\n\n"
	for _, tc := range []struct{ name, source, want string }{
		{"the package of the quorum", "package assent.quorum\n\ndecision := {\"outcome\": \"approved\"}\n", "not of the form assent.custom.<name>"},
		{"the package of the stages", "package assent.stages\n\nagreed := true\n", "not of the form"},
		{"a package below the quorum", "package assent.quorum.decision\n\nx := 1\n", "not of the form"},
		{"a package of its own", "package acme\n\ndeny contains \"x\" if true\n", "not of the form"},
		{"no name", "package assent.custom\n\nx.deny contains \"x\" if true\n", "not of the form"},
		{"a deeper name", "package assent.custom.x.y\n\ndeny contains \"x\" if true\n", "not of the form"},
		{"a look-alike", "package assent.customs.x\n\ndeny contains \"x\" if true\n", "not of the form"},
		{"the package system", "package system.log\n\nx := 1\n", "not of the form"},
		{"a decision", p + "decision := {\"outcome\": \"approved\"}\n", "defines decision"},
		{"a decision in parts", p + "decision.outcome := \"approved\"\n", "defines decision"},
		{"an allow", p + "allow if true\n", "defines allow"},
		{"an approval", p + "approve contains \"x\" if true\n", "defines approve"},
		{"deny as a boolean", p + "deny if true\n", "deny is not a set"},
		{"deny as an object", p + "deny := {\"x\": \"y\"}\n", "deny is not a set"},
		{"deny as a list", p + "deny := [\"x\"]\n", "deny is not a set"},
		{"deny as a function", p + "deny(_) := \"x\"\n", "deny is not a set"},
		{"deny by key", p + "deny[\"x\"] := true if true\n", "deny is not a set"},
		{"deny with a default", p + "default deny := false\n", "deny is not a set"},
		{"deny further down", p + "deny.a contains \"x\" if true\n", "deny is not a set"},
		{"a number in deny", p + "deny contains 1 if true\n", "which is no message"},
		{"a boolean in deny", p + "deny contains true if true\n", "which is no message"},
		{"null in deny", p + "deny contains null if true\n", "which is no message"},
		{"mocking input", p + "deny contains \"x\" if { input.a with input as {} }\n", "with is for tests"},
		{"mocking data", p + "deny contains \"x\" if { data.assent.custom.y.z with data.assent.custom.y as {} }\n", "with is for tests"},
		{"mocking a builtin", p + "deny contains \"x\" if { count([]) == 1 with count as 1 }\n", "with is for tests"},
		{"mocking inside a comprehension", p + "deny contains \"x\" if { y := [z | z := input.a with input as {}]; y }\n", "with is for tests"},
		{"reading the quorum", p + "deny contains \"x\" if data.assent.quorum.decision\n", "reads data.assent.quorum"},
		{"reading the stages", p + "import data.assent.stages\n\ndeny contains \"x\" if stages.agreed\n", "data.assent.stages"},
		{"reading other data", p + "deny contains \"x\" if data.users.bo\n", "reads data.users.bo"},
		{"reading all data", p + "deny contains \"x\" if data == {}\n", "reads data"},
		{"reading data by a variable", p + "deny contains x if data[x].y\n", "reads data[x].y"},
		{"reading assent by a variable", p + "deny contains x if data.assent[x].y\n", "reads data.assent[x].y"},
		{"reading custom by a variable", p + "deny contains x if data.assent.custom[x].y\n", "reads data.assent.custom[x]"},
		{"importing all data", p + "import data as d\n\ndeny contains \"x\" if d.users\n", "data"},
		{"naming a rule input", p + "input := {}\n", "input"},
		{"naming a rule data", p + "data := {}\n", "data"},
		{"calling itself", p + "f(x) := f(x)\n\ndeny contains \"x\" if f(1)\n", "recursive"},
		{"version 0", p + "deny[msg] { msg := \"x\" }\n", "is required"},
		{"a later version", "package assent.custom.x\n\nimport rego.v2\n\ndeny contains \"x\" if true\n", "rego.v2"},
		{"a later keyword", "package assent.custom.x\n\nimport future.keywords.or\n\ndeny contains \"x\" if true\n", "or"},
		{"reading data in a head", p + "deny contains data.users.bo if true\n", "reads data.users.bo"},
		{"reading data in an else", p + "x := 1 if input.a else := data.users\n", "reads data.users"},
		{"an unused variable", p + "deny contains \"x\" if { y := 1 }\n", "unused"},
		{"numbers.range", p + "deny contains \"x\" if count(numbers.range(1, 9)) == 9\n", "undefined function numbers.range"},
		{"nothing", "", "empty"},
		{"a comment", "# nothing\n", "empty"},
		{"no package", "deny contains \"x\" if true\n", "package"},
		{"no Rego", "apiVersion: assent.dev/v1\n", "unexpected"},
	} {
		ps := problems(t, policies.Builtin(), map[string]string{"policies/a.rego": tc.source})
		found := false
		for _, p := range ps {
			found = found || strings.Contains(p.Message, tc.want)
			if p.File != "policies/a.rego" {
				t.Errorf("%s: a problem in file %q", tc.name, p.File)
			}
		}
		if !found {
			t.Errorf("%s: want %q, got\n%v", tc.name, tc.want, ps)
		}
	}
}

func TestCustomFileMayNotTakeThePlaceOfABuiltinOne(t *testing.T) {
	ps := problems(t, policies.Builtin(), map[string]string{"assent/quorum.rego": "package assent.custom.x\n"})
	if ps[0].File != "assent/quorum.rego" || ps[0].Hint == "" {
		t.Errorf("problems: %v", ps)
	}
}

func TestProblemsComeAllAtOnceInOrderAndWithAPlace(t *testing.T) {
	ps := problems(t, policies.Builtin(), map[string]string{
		"policies/b.rego": "package acme\n\nallow if true\n",
		"policies/a.rego": "package assent.custom.a\n\ndeny contains 1 if true\n\ndecision := 1\n",
	})
	want := []string{
		"policies/a.rego:3:1: deny holds 1, which is no message",
		"policies/a.rego:5:1: defines decision: decisions are made by the built-in rules alone",
		"policies/b.rego:1:1: package acme is not of the form assent.custom.<name>",
		"policies/b.rego:3:1: defines allow: decisions are made by the built-in rules alone",
	}
	if got := ps.Error(); got != strings.Join(want, "\n") {
		t.Errorf("problems:\n%s", got)
	}
	for _, p := range ps {
		if p.Hint == "" {
			t.Errorf("%v has no hint", p)
		}
	}
}

func TestCustomRulesHoldWhatTheyObjectTo(t *testing.T) {
	for _, tc := range []struct{ name, source, want string }{
		{"nothing", "x := 1\n", "temporarily-approved"},
		{"a condition that does not hold", "deny contains \"no\" if input.request.accessLevel == \"write\"\n", "temporarily-approved"},
		{"a text", "deny contains \"no\" if \"pii\" in input.request.tags\n", "pending"},
		{"an object", "deny contains {\"msg\": \"no\", \"tag\": tag} if some tag in input.request.tags\n", "pending"},
		{"a helper", "secret if \"pii\" in input.request.tags\n\ndeny contains \"no\" if secret\n", "pending"},
		{"a number by way of a variable", "deny contains n if n := count(input.request.tags)\n", "pending"},
		{"a set", "deny contains s if s := {tag | some tag in input.request.tags}\n", "pending"},
	} {
		e := compile(t, policies.Builtin(), custom(tc.source))
		if got := outcome(t, decide(t, e, question(1))); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestCustomPackagesMayUseEachOther(t *testing.T) {
	files := map[string]string{
		"policies/lib.rego": "package assent.custom.lib\n\nsecret(tags) if \"pii\" in tags\n",
		"policies/x.rego":   "package assent.custom.x\n\nimport data.assent.custom.lib\n\ndeny contains \"no\" if lib.secret(input.request.tags)\n",
	}
	if got := outcome(t, decide(t, compile(t, policies.Builtin(), files), question(1))); got != "pending" {
		t.Errorf("outcome %s", got)
	}
}

func TestNothingCustomTurnsPendingIntoApproved(t *testing.T) {
	q := question(2)
	q["reviews"] = []any{}
	for _, source := range []string{
		"x := 1\n",
		"deny contains \"no\" if false\n",
		"agreed := true\n\noutcome := \"approved\"\n\nstages := []\n",
	} {
		if got := outcome(t, decide(t, compile(t, policies.Builtin(), custom(source)), q)); got != "pending" {
			t.Errorf("%s: %s", source, got)
		}
	}
}

func TestTestFilesAreNoRules(t *testing.T) {
	files := map[string]string{"policies/x_test.rego": "package assent.custom.x\n\ndeny contains \"no\" if true\n"}
	if got := outcome(t, decide(t, compile(t, policies.Builtin(), files), question(1))); got != "temporarily-approved" {
		t.Errorf("outcome %s", got)
	}
	if _, err := policy.Test(t.Context(), policies.Builtin(), map[string]string{"policies/q_test.rego": "package assent.quorum\n"}); err == nil {
		t.Error("a test may not live in a built-in package")
	}
}

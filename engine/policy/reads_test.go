package policy_test

import (
	"testing"

	"github.com/assent-dev/assent/policies"
)

func TestReadsTellsWhichFieldsRulesOfTheOrganisationMayRead(t *testing.T) {
	for _, tc := range []struct {
		body string
		want bool
	}{
		{`deny contains "x" if input.access.ana`, true},
		{`deny contains "x" if input["access"]`, true},
		{"deny contains \"x\" if some_held\n\nsome_held if input.access", true},
		{`deny contains "x" if { some k; input[k] == 1 }`, true},
		{`deny contains "x" if { i := input; i.request }`, true},
		{`deny contains "x" if object.get(input, "access", 1) == 1`, true},
		{`deny contains "x" if { walk(input, [p, _]); count(p) == 1 }`, true},
		{`deny contains "x" if input.request.access`, false},
		{`deny contains "access" if input.limit == "access"`, false},
	} {
		if got := compile(t, policies.Builtin(), custom(tc.body+"\n")).Reads("access"); got != tc.want {
			t.Errorf("%s: %v", tc.body, got)
		}
	}
	imported := map[string]string{"policies/x.rego": "package assent.custom.x\n\nimport input.access as held\n\ndeny contains \"x\" if held.ana\n"}
	if !compile(t, policies.Builtin(), imported).Reads("access") {
		t.Error("an import is not seen")
	}
	if compile(t, policies.Builtin(), nil).Reads("access") {
		t.Error("the built-in rules ask for it")
	}
}

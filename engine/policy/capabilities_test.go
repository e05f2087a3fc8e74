package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/policies"
)

// harmless is the allow-list, written again so that widening it takes two hands.
const harmless = ` eq assign equal neq lt lte gt gte internal.member_2 internal.member_3
 plus minus mul div rem abs round ceil floor to_number bits.and
 and or intersection union array.concat array.slice array.reverse
 object.get object.keys object.subset object.union object.filter object.remove json.filter json.remove walk
 count sum product max min sort
 concat contains endswith startswith format_int indexof lower upper split sprintf
 strings.any_prefix_match strings.any_suffix_match strings.count strings.reverse substring
 trim trim_left trim_prefix trim_right trim_space trim_suffix regex.is_valid regex.match glob.match json.marshal
 is_array is_boolean is_null is_number is_object is_set is_string type_name
 time.add_date time.clock time.date time.diff time.parse_duration_ns time.parse_rfc3339_ns time.weekday units.parse `

// call is a rule that calls a builtin with as many arguments as it takes.
func call(b *ast.Builtin) string {
	var args []string
	for i := range b.Decl.FuncArgs().Args {
		args = append(args, fmt.Sprintf("input.a%d", i))
	}
	return fmt.Sprintf("deny contains \"no\" if %s(%s)\n", b.Name, strings.Join(args, ", "))
}

func TestBuiltinsOffTheAllowListDoNotCompile(t *testing.T) {
	allowed := map[string]bool{}
	for name := range strings.FieldsSeq(harmless) {
		allowed[name] = true
	}
	refused := 0
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		_, err := policy.Compile(t.Context(), policies.Builtin(), custom(call(b)))
		switch {
		case allowed[b.Name] && err != nil && strings.Contains(err.Error(), "undefined function"):
			t.Errorf("%s is allowed, but: %v", b.Name, err)
		case !allowed[b.Name] && err == nil:
			t.Errorf("%s compiles", b.Name)
		case !allowed[b.Name]:
			refused++
			if b.Name == "set_diff" || b.Name == "any" || b.Name == "all" {
				continue // deprecated: refused as such
			}
			if !strings.Contains(err.Error(), "undefined function "+b.Name) {
				t.Errorf("%s is refused for another reason: %v", b.Name, err)
			}
		}
		delete(allowed, b.Name)
	}
	if len(allowed) > 0 || refused < 100 {
		t.Errorf("refused %d builtins; unknown to OPA: %v", refused, allowed)
	}
}

func TestBuiltinRulesAreHeldToTheAllowListToo(t *testing.T) {
	for _, name := range []string{`http.send({"method": "get", "url": "https://example.org"})`, `opa.runtime()`, `time.now_ns()`, `rand.intn("x", 2)`} {
		rules := policies.Builtin()
		rules["assent/extra.rego"] = "package assent.extra\n\nx := " + name + "\n"
		problems(t, rules, nil)
	}
}

func TestTestsAreHeldToTheAllowListToo(t *testing.T) {
	files := map[string]string{"policies/x_test.rego": "package assent.custom.x_test\n\ntest_out if http.send({}).status_code == 200\n"}
	if _, err := policy.Test(t.Context(), policies.Builtin(), files); err == nil || !strings.Contains(err.Error(), "undefined function http.send") {
		t.Errorf("Test = %v", err)
	}
}

func TestTemplateStringsAndPrintDoNotCompile(t *testing.T) {
	for _, body := range []string{
		"deny contains $\"hello {input.x}\" if true\n",
		"deny contains \"x\" if print(input)\n",
		"deny contains \"x\" if trace(\"y\")\n",
	} {
		problems(t, policies.Builtin(), custom(body))
	}
}

func TestTheSharedCapabilitiesStayWhole(t *testing.T) {
	before := len(ast.CapabilitiesForThisVersion().Builtins)
	compile(t, policies.Builtin(), nil)
	if after := len(ast.CapabilitiesForThisVersion().Builtins); after != before {
		t.Errorf("%d builtins became %d", before, after)
	}
}

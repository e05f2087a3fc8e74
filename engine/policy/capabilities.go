package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// allowed are the builtins that rules may use. It is a list of what is known to
// be harmless, so that a builtin that a later OPA adds stays out: each one
// depends on its arguments alone, stops when the evaluation is cancelled or is
// bounded by the size of its arguments, and reads nothing from outside.
//
// Left out on purpose: http.send, net.*, opa.runtime (reach outside); rand.*,
// uuid.*, time.now_ns (differ each time); bits.lsh, graph.reachable_paths (ran
// on after their deadline); io.jwt.*, crypto.x509.*, json.match_schema and
// rego.* (large, and no business of a rule); replace and its like (grow a text
// by any factor); print and trace (a decision has no output but itself).
func allowed() []string {
	return []string{
		// comparison, assignment, membership
		"eq", "assign", "equal", "neq", "lt", "lte", "gt", "gte", "internal.member_2", "internal.member_3",
		// numbers
		"plus", "minus", "mul", "div", "rem", "abs", "round", "ceil", "floor", "to_number", "bits.and",
		// sets, arrays, objects
		"and", "or", "intersection", "union", "array.concat", "array.slice", "array.reverse",
		"object.get", "object.keys", "object.subset", "object.union", "object.filter", "object.remove",
		"json.filter", "json.remove", "walk",
		// aggregates
		"count", "sum", "product", "max", "min", "sort",
		// strings
		"concat", "contains", "endswith", "startswith", "format_int", "indexof", "lower", "upper", "split", "sprintf",
		"strings.any_prefix_match", "strings.any_suffix_match", "strings.count", "strings.reverse", "substring",
		"trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix",
		"regex.is_valid", "regex.match", "glob.match", "json.marshal",
		// types
		"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "type_name",
		// time, all of it given
		"time.add_date", "time.clock", "time.date", "time.diff", "time.parse_duration_ns", "time.parse_rfc3339_ns", "time.weekday",
		"units.parse",
	}
}

// builtinOnly are the builtins that only the built-in rules may use, because
// they can fill the memory before a deadline stops them.
func builtinOnly() []string { return []string{"numbers.range"} }

// testOnly are the builtins that the compiler itself puts into tests.
func testOnly() []string { return []string{"internal.test_case"} }

func capabilities(names ...[]string) *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion()
	keep := slices.Concat(names...)
	caps.Builtins = slices.DeleteFunc(caps.Builtins, func(b *ast.Builtin) bool { return !slices.Contains(keep, b.Name) })
	caps.AllowNet = []string{}
	// One language for every rule, whatever a later OPA brings.
	caps.Features = []string{ast.FeatureRegoV1, ast.FeatureKeywordsInRefs}
	caps.FutureKeywords = nil
	return caps
}

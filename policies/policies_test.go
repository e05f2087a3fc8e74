package policies_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/policies"
)

func all() map[string]string {
	out := policies.Builtin()
	maps.Copy(out, policies.Tests())
	return out
}

func TestRulesPassTheirTestsAndEveryLineIsReached(t *testing.T) {
	report, err := policy.Test(t.Context(), all(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if !r.Passed {
			t.Errorf("%s:%d: %s: %s %s %s", r.File, r.Line, r.Name, r.At, r.Failed, r.Error)
		}
	}
	if report.Passed < 80 || report.Skipped > 0 {
		t.Errorf("%d passed, %d skipped", report.Passed, report.Skipped)
	}
	if len(report.Uncovered) > 0 {
		t.Errorf("coverage %.1f %%; no test reaches %s", report.Coverage, strings.Join(report.Uncovered, ", "))
	}
}

func TestRulesAreFormatted(t *testing.T) {
	for file, text := range all() {
		want, err := format.SourceWithOpts(file, []byte(text), format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != text {
			t.Errorf("%s is not as opa fmt writes it", file)
		}
	}
}

func TestEveryFileHasTestsBesideIt(t *testing.T) {
	tests := policies.Tests()
	for file := range policies.Builtin() {
		if want := strings.TrimSuffix(file, ".rego") + "_test.rego"; tests[want] == "" {
			t.Errorf("%s has no %s", file, want)
		}
	}
}

func TestEveryRuleHasMetadataAndNoneIsADefault(t *testing.T) {
	for file, text := range policies.Builtin() {
		m, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		described := map[string]bool{}
		for _, a := range m.Annotations {
			if a.Title == "" || a.Description == "" {
				t.Errorf("%s: METADATA without title or description", a.Location)
			}
			described[a.GetTargetPath().String()] = true
		}
		for _, r := range m.Rules {
			if r.Default {
				t.Errorf("%s: %s has a default", r.Location, r.Head.Name)
			}
			if path := m.Package.Path.Extend(r.Head.Ref().GroundPrefix()).String(); !described[path] {
				t.Errorf("%s: %s has no METADATA", r.Location, path)
			}
		}
		if !described[m.Package.Path.String()] {
			t.Errorf("%s: the package has no METADATA", file)
		}
	}
}

func TestBuiltinAndTestsShareNothing(t *testing.T) {
	tests := policies.Tests()
	for _, file := range slices.Sorted(maps.Keys(policies.Builtin())) {
		if _, both := tests[file]; both || strings.HasSuffix(file, "_test.rego") {
			t.Errorf("%s is a rule and a test", file)
		}
	}
}

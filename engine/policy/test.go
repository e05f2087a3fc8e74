package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
)

// TestResult is the result of one rule whose name starts with test_. Error is
// set where it could not be evaluated.
type TestResult struct {
	Package string        `json:"package"`
	Name    string        `json:"name"`
	File    string        `json:"file"`
	Line    int           `json:"line"`
	Passed  bool          `json:"passed"`
	Skipped bool          `json:"skipped,omitempty"` // todo_test_
	Failed  string        `json:"failed,omitempty"`  // the expression that did not hold
	At      string        `json:"at,omitempty"`      // its file:line:col
	Error   string        `json:"error,omitempty"`
	Took    time.Duration `json:"took"`
}

// TestReport is the result of all tests, ordered by file and line. Coverage is
// the share of rule lines that the tests reached, in percent; Uncovered lists
// the others as file:line, or file:first-last.
type TestReport struct {
	Results   []TestResult `json:"results"`
	Passed    int          `json:"passed"`
	Failed    int          `json:"failed"`
	Skipped   int          `json:"skipped"`
	Coverage  float64      `json:"coverage"`
	Uncovered []string     `json:"uncovered,omitempty"`
}

// Test runs the tests in all files that end in _test.rego, under the same
// capabilities as decisions. Files that do not compile are Problems. A set
// without tests gives an empty report, not an error.
func Test(ctx context.Context, builtin, custom map[string]string) (TestReport, error) {
	compiler, modules, err := compile(builtin, custom, allowed(), builtinOnly(), testOnly())
	if err != nil {
		return TestReport{}, err
	}
	coverage := cover.New()
	results, err := tester.NewRunner().
		SetCompiler(compiler).SetModules(modules).SetDefaultRegoVersion(ast.RegoV1).
		RaiseBuiltinErrors(true).SetTimeout(deadline).SetCoverageQueryTracer(coverage).
		RunTests(ctx, nil)
	if err != nil {
		return TestReport{}, fmt.Errorf("run tests: %w", err)
	}
	var report TestReport
	for r := range results {
		report.add(r)
	}
	slices.SortFunc(report.Results, compareResults)
	report.measure(coverage.Report(rulesOnly(modules)))
	return report, nil
}

func rulesOnly(modules map[string]*ast.Module) map[string]*ast.Module {
	out := maps.Clone(modules)
	maps.DeleteFunc(out, func(file string, _ *ast.Module) bool { return strings.HasSuffix(file, testSuffix) })
	return out
}

func compareResults(a, b TestResult) int {
	if c := strings.Compare(a.File, b.File); c != 0 {
		return c
	}
	return a.Line - b.Line
}

func (r *TestReport) add(t *tester.Result) {
	out := TestResult{Package: t.Package, Name: t.Name, Passed: t.Pass() && !t.Skip, Skipped: t.Skip, Took: t.Duration}
	if t.Location != nil {
		out.File, out.Line = t.Location.File, t.Location.Row
	}
	if t.Error != nil {
		out.Error = t.Error.Error()
	}
	if t.FailedAt != nil {
		out.Failed = t.FailedAt.String()
		if l := t.FailedAt.Location; l != nil {
			out.Failed, out.At = string(l.Text), fmt.Sprintf("%s:%d:%d", l.File, l.Row, l.Col)
		}
	}
	switch {
	case out.Skipped:
		r.Skipped++
	case out.Passed:
		r.Passed++
	default:
		r.Failed++
	}
	r.Results = append(r.Results, out)
}

func (r *TestReport) measure(c cover.Report) {
	r.Coverage = c.Coverage
	for _, file := range slices.Sorted(maps.Keys(c.Files)) {
		for _, gap := range c.Files[file].NotCovered {
			at := fmt.Sprintf("%s:%d", file, gap.Start.Row)
			if gap.End.Row != gap.Start.Row {
				at += fmt.Sprintf("-%d", gap.End.Row)
			}
			r.Uncovered = append(r.Uncovered, at)
		}
	}
}

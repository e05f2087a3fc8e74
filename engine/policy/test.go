package policy

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// testDeadline bounds one test, which may make several decisions, each of them
// traced for the coverage, on a machine that is busy with other checks.
const testDeadline = 10 * deadline

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
// the share of rule lines that the tests reached, in percent: of the
// organisation's rules where there are any, else of the built-in ones. Uncovered
// lists the others as file:line, or file:first-last.
type TestReport struct {
	Results   []TestResult `json:"results"`
	Passed    int          `json:"passed"`
	Failed    int          `json:"failed"`
	Skipped   int          `json:"skipped"`
	Lines     int          `json:"lines"`
	Reached   int          `json:"reached"`
	Coverage  float64      `json:"coverage"`
	Uncovered []string     `json:"uncovered,omitempty"`
}

// Test runs the tests in all files that end in _test.rego, under the same
// capabilities as decisions. Files that do not compile are Problems. A set
// without tests gives an empty report, not an error.
func Test(ctx context.Context, builtin, custom map[string]string) (TestReport, error) {
	return TestAndPlay(ctx, builtin, custom, nil)
}

// TestAndPlay is Test, and then play with an Engine of the same rules: the lines
// that its decisions reach count as reached too.
func TestAndPlay(ctx context.Context, builtin, custom map[string]string, play func(context.Context, *Engine) error) (TestReport, error) {
	compiler, modules, err := compile(builtin, custom, allowed(), builtinOnly(), testOnly())
	if err != nil {
		return TestReport{}, err
	}
	coverage := cover.New()
	results, err := run(ctx, compiler, modules, func(r *tester.Runner) {
		r.SetCoverageRuns(nil).SetCoverageQueryTracer(coverage)
	})
	if err != nil {
		return TestReport{}, err
	}
	var report TestReport
	var failed []string
	for _, r := range results {
		if r.Fail && r.Error == nil {
			failed = append(failed, regexp.QuoteMeta(r.Package+"."+r.Name))
		}
		report.add(r)
	}
	slices.SortFunc(report.Results, compareResults)
	if play != nil {
		engine, err := Compile(ctx, builtin, custom)
		if err != nil {
			return TestReport{}, err
		}
		engine.tracer = coverage
		if err := play(ctx, engine); err != nil {
			return TestReport{}, fmt.Errorf("play scenarios: %w", err)
		}
	}
	report.measure(coverage.Report(rulesOnly(modules, builtin, custom)))
	if len(failed) == 0 {
		return report, nil
	}
	// The runner measures coverage or traces, so what failed runs again.
	traced, err := run(ctx, compiler, modules, func(r *tester.Runner) {
		r.EnableTracing(true).Filter("^(" + strings.Join(failed, "|") + ")$")
	})
	if err != nil {
		return TestReport{}, err
	}
	report.place(traced)
	return report, nil
}

func run(ctx context.Context, compiler *ast.Compiler, modules map[string]*ast.Module, how func(*tester.Runner)) ([]*tester.Result, error) {
	runner := tester.NewRunner().SetCompiler(compiler).SetModules(modules).SetDefaultRegoVersion(ast.RegoV1).
		SetStore(inmem.New()).RaiseBuiltinErrors(true).SetTimeout(testDeadline).AddCustomBuiltins(forTests())
	how(runner)
	results, err := runner.RunTests(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("run tests: %w", err)
	}
	var out []*tester.Result
	for r := range results {
		out = append(out, r)
	}
	return out, nil
}

// place finds where failed tests stopped: the last expression of the test that
// did not hold.
func (r *TestReport) place(traced []*tester.Result) {
	for _, t := range traced {
		last := t.Location.Row + strings.Count(string(t.Location.Text), "\n")
		var found *ast.Location
		for _, e := range t.Trace {
			l := e.Location
			if e.Op != topdown.FailOp || l == nil || l.File != t.Location.File || l.Row < t.Location.Row || l.Row > last {
				continue
			}
			if found == nil || l.Row > found.Row {
				found = l
			}
		}
		i := slices.IndexFunc(r.Results, func(x TestResult) bool { return x.Package == t.Package && x.Name == t.Name })
		if found != nil && i >= 0 {
			r.Results[i].Failed, r.Results[i].At = string(found.Text), fmt.Sprintf("%s:%d:%d", found.File, found.Row, found.Col)
		}
	}
}

// rulesOnly are the rules that are under test: the organisation's, or the
// built-in ones where it has none.
func rulesOnly(modules map[string]*ast.Module, builtin, custom map[string]string) map[string]*ast.Module {
	out := maps.Clone(modules)
	maps.DeleteFunc(out, func(file string, _ *ast.Module) bool {
		_, ours := builtin[file]
		return strings.HasSuffix(file, testSuffix) || ours && len(custom) > 0
	})
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
		out.Error = plainly(t.Error).Error()
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
	r.Reached, r.Lines, r.Coverage = c.CoveredLines, c.CoveredLines+c.NotCoveredLines, c.Coverage
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

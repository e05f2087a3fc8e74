package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/scenario"
	"github.com/assent-dev/assent/policies"
)

func newPolicyCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Work on the rules that judge requests"}
	cmd.AddCommand(&cobra.Command{
		Use:   "test",
		Short: "Run every Rego test and every scenario: the built-in rules' and the repository's own",
		Long:  "Runs the tests in policies/*_test.rego and the built-in ones, then the scenarios in\npolicies/scenarios/*.yaml: a request, its reviews, and how it should stand, judged\non this repository's forms, products and people. Ends with 1 where one fails.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runPolicyTest(cmd.Context(), g) },
	})
	cmd.AddCommand(newPolicyTraceCmd(g), newPolicyImpactCmd(g))
	return cmd
}

// policyTest is the result of policy test.
type policyTest struct {
	policy.TestReport
	Scenarios []scenario.Result `json:"scenarios"`
}

func (r policyTest) failed() bool {
	return r.Failed > 0 || slices.ContainsFunc(r.Scenarios, func(s scenario.Result) bool { return !s.Passed() })
}

func runPolicyTest(ctx context.Context, g *global) error {
	var result policyTest
	snapshot, err := workTree(ctx, g.dir)
	if err == nil {
		result, err = testRepository(ctx, g.dir, snapshot)
	} else {
		result.TestReport, err = policy.Test(ctx, builtinAndTests(), nil)
	}
	if err != nil {
		return &exitError{code: exitFindings, err: fmt.Errorf("test rules: %w", err)}
	}
	if g.output == "json" {
		if err := g.writeJSON(result); err != nil {
			return err
		}
	} else {
		writePolicyReport(g, result)
	}
	if result.failed() {
		return &exitError{code: exitFindings}
	}
	return nil
}

func builtinAndTests() map[string]string {
	all := policies.Builtin()
	maps.Copy(all, policies.Tests())
	return all
}

// testRepository runs the built-in rules' tests without the organisation's rules,
// which may deny what those tests approve, and the organisation's with both.
func testRepository(ctx context.Context, dir string, snapshot *repo.Snapshot) (policyTest, error) {
	var out policyTest
	report, err := policy.Test(ctx, builtinAndTests(), nil)
	if err != nil {
		return out, err
	}
	stories, err := readScenarios(dir, snapshot)
	if err != nil {
		return out, err
	}
	own, err := policy.TestAndPlay(ctx, policies.Builtin(), snapshot.Policies, func(ctx context.Context, e *policy.Engine) error {
		out.Scenarios, err = playScenarios(ctx, e, snapshot, stories)
		return err
	})
	if err != nil {
		return out, err
	}
	out.TestReport = report
	if len(snapshot.Policies) == 0 {
		return out, nil
	}
	out.Results = append(out.Results, own.Results...)
	out.Passed += own.Passed
	out.Failed += own.Failed
	out.Skipped += own.Skipped
	out.Lines += own.Lines
	out.Reached += own.Reached
	out.Uncovered = append(out.Uncovered, own.Uncovered...)
	if out.Lines > 0 {
		out.Coverage = 100 * float64(out.Reached) / float64(out.Lines)
	}
	return out, nil
}

// workTree loads what is on disk, or main of a bare repository.
func workTree(ctx context.Context, dir string) (*repo.Snapshot, error) {
	root, db, err := rootOf(dir)
	if err != nil {
		return nil, err
	}
	if root == "" {
		return loadRev(ctx, db, repo.NewLoader(db), "HEAD")
	}
	return repo.LoadDir(ctx, os.DirFS(root))
}

// rootOf finds the governance files on disk: in dir itself where it has an
// assent.yaml, else at the root of the git repository that dir is in. For a bare
// repository root is empty; db is nil where there is no git repository.
func rootOf(dir string) (root string, db *gitdb.DB, err error) {
	if _, err := os.Stat(dir); err != nil {
		return "", nil, usageErrorf("name a directory with -C DIR", "read %s: no such directory", dir)
	}
	db, err = gitdb.Open(dir)
	_, own := os.Stat(filepath.Join(dir, repo.RepositoryFile))
	switch {
	case err != nil:
		return dir, nil, nil //nolint:nilerr // files outside of git are files too
	case db.Bare():
		return "", db, nil
	case own == nil:
		return dir, db, nil
	default:
		return db.Dir(), db, nil
	}
}

func writePolicyReport(g *global, r policyTest) {
	for _, t := range r.Results {
		switch {
		case t.Error != "":
			fmt.Fprintf(g.stdout, "ERROR  %s.%s  %s:%d: %s\n", t.Package, t.Name, t.File, t.Line, t.Error)
		case !t.Passed && !t.Skipped:
			fmt.Fprintf(g.stdout, "FAIL   %s.%s  %s: does not hold: %s\n", t.Package, t.Name, t.At, t.Failed)
		}
	}
	passed := 0
	for _, s := range r.Scenarios {
		if s.Passed() {
			passed++
		}
		writeScenario(g, s)
	}
	for _, u := range r.Uncovered {
		fmt.Fprintf(g.stdout, "not reached by any test: %s\n", u)
	}
	fmt.Fprintf(g.stdout, "%d passed, %d failed, %d skipped; %.1f %% of the rule lines reached\n", r.Passed, r.Failed, r.Skipped, r.Coverage)
	if len(r.Scenarios) > 0 {
		fmt.Fprintf(g.stdout, "%d scenarios passed, %d failed\n", passed, len(r.Scenarios)-passed)
	}
}

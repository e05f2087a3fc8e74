package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/policies"
)

func newPolicyCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Work on the rules that judge requests"}
	cmd.AddCommand(&cobra.Command{
		Use:   "test",
		Short: "Run every Rego test: the built-in rules' and the repository's own",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runPolicyTest(cmd.Context(), g) },
	})
	return cmd
}

func runPolicyTest(ctx context.Context, g *global) error {
	custom := map[string]string{}
	if snapshot, err := workTree(ctx, g.dir); err == nil {
		custom = snapshot.Policies
	}
	result, err := testRules(ctx, custom)
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
	if result.Failed > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}

// testRules runs the built-in rules' tests without the organisation's rules,
// which may deny what those tests approve, and the organisation's with both.
func testRules(ctx context.Context, custom map[string]string) (policy.TestReport, error) {
	all := policies.Builtin()
	maps.Copy(all, policies.Tests())
	result, err := policy.Test(ctx, all, nil)
	if err != nil || len(custom) == 0 {
		return result, err
	}
	own, err := policy.Test(ctx, policies.Builtin(), custom)
	if err != nil {
		return result, err
	}
	result.Results = append(result.Results, own.Results...)
	result.Passed += own.Passed
	result.Failed += own.Failed
	result.Skipped += own.Skipped
	return result, nil
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

func writePolicyReport(g *global, r policy.TestReport) {
	for _, t := range r.Results {
		switch {
		case t.Error != "":
			fmt.Fprintf(g.stdout, "ERROR  %s.%s  %s:%d: %s\n", t.Package, t.Name, t.File, t.Line, t.Error)
		case !t.Passed && !t.Skipped:
			fmt.Fprintf(g.stdout, "FAIL   %s.%s  %s: does not hold: %s\n", t.Package, t.Name, t.At, t.Failed)
		}
	}
	for _, u := range r.Uncovered {
		fmt.Fprintf(g.stdout, "not reached by any test: %s\n", u)
	}
	fmt.Fprintf(g.stdout, "%d passed, %d failed, %d skipped; %.1f %% of the rule lines reached\n", r.Passed, r.Failed, r.Skipped, r.Coverage)
}

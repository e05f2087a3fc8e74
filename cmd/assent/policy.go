package main

import (
	"context"
	"fmt"
	"maps"
	"os"

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
	builtin := policies.Builtin()
	maps.Copy(builtin, policies.Tests())
	result, err := policy.Test(ctx, builtin, custom)
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

// workTree loads what is on disk, or main of a bare repository.
func workTree(ctx context.Context, dir string) (*repo.Snapshot, error) {
	db, err := gitdb.Open(dir)
	switch {
	case err != nil:
		return repo.LoadDir(ctx, os.DirFS(dir))
	case db.Bare():
		return loadRev(ctx, db, repo.NewLoader(db), "HEAD")
	default:
		return repo.LoadDir(ctx, os.DirFS(db.Dir()))
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

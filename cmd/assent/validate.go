package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/scenario"
	"github.com/assent-dev/assent/engine/validate"
	"github.com/assent-dev/assent/policies"
)

type validateOptions struct {
	rev  string
	base string
}

func newValidateCmd(g *global) *cobra.Command {
	var o validateOptions
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check every file and every rule that spans files",
		Long: "Checks the work tree, or with --rev a revision, of a governance repository, and\n" +
			"prints all mistakes at once. With --base it checks the change from one revision\n" +
			"to the other and reports only what the change brings.",
		Example: "  assent validate\n  assent validate --rev request/ana --base main -o github",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runValidate(cmd.Context(), g, o) },
	}
	cmd.Flags().StringVar(&o.rev, "rev", "", "revision to check; the work tree, or main of a bare repository, unless given")
	cmd.Flags().StringVar(&o.base, "base", "", "revision that the change starts from")
	return cmd
}

func runValidate(ctx context.Context, g *global, o validateOptions) error {
	now, err := g.clock()
	if err != nil {
		return err
	}
	head, base, source, err := loadBoth(ctx, g.dir, o)
	if err != nil {
		return err
	}
	problems := checkSnapshot(ctx, head, base, now().UTC())
	if err := g.writeProblems(problems, source, changedFiles(head, base)); err != nil {
		return err
	}
	if err := writeStepSummary(problems); err != nil {
		return err
	}
	if problems.HasErrors() {
		return &exitError{code: exitFindings}
	}
	return nil
}

// writeStepSummary adds all problems to the page of a GitHub Actions job, for an
// annotation is shown for the first ten only.
func writeStepSummary(problems diag.List) error {
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the job summary: %w", err)
	}
	return errors.Join(report.StepSummary(f, problems), f.Close())
}

func checkSnapshot(ctx context.Context, head, base *repo.Snapshot, now time.Time) diag.List {
	if base != nil {
		return append(determine.NewProblems(base, head, now, platformCapabilities), policyProblems(ctx, head.Policies)...).Sorted()
	}
	rules := validate.Set(head.Set, head.Set, now, platformCapabilities, head.Unread()...)
	return slices.Concat(head.Problems, rules, policyProblems(ctx, head.Policies)).Sorted()
}

// loadBoth loads what is to be checked, its base if any, and a way to read the
// text of a file for snippets.
func loadBoth(ctx context.Context, dir string, o validateOptions) (head, base *repo.Snapshot, source func(string) []byte, err error) {
	root, db, err := rootOf(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	if db == nil && (o.rev != "" || o.base != "") {
		return nil, nil, nil, usageErrorf("--rev and --base need a git repository", "%s is in no git repository", dir)
	}
	if o.rev == "" && root != "" {
		head, err = repo.LoadDir(ctx, os.DirFS(root))
		source = func(file string) []byte {
			data, _ := os.ReadFile(filepath.Join(root, filepath.FromSlash(path.Clean("/"+file)))) // no file, no snippet
			return data
		}
	} else {
		loader := repo.NewLoader(db)
		head, err = loadRev(ctx, db, loader, o.rev)
		source = func(file string) []byte { return blobAt(db, head, file) }
	}
	if err != nil || o.base == "" {
		return head, nil, source, err
	}
	base, err = loadRev(ctx, db, repo.NewLoader(db), o.base)
	return head, base, source, err
}

// changedFiles are the files of a revision that are not the same at its base;
// none without one.
func changedFiles(head, base *repo.Snapshot) map[string]bool {
	if base == nil {
		return nil
	}
	was := make(map[string]gitdb.OID, len(base.Files))
	for _, f := range base.Files {
		was[f.Path] = f.OID
	}
	out := map[string]bool{}
	for _, f := range head.Files {
		if oid, ok := was[f.Path]; !ok || oid != f.OID || f.OID == "" {
			out[f.Path] = true
		}
	}
	return out
}

func loadRev(ctx context.Context, db *gitdb.DB, loader *repo.Loader, rev string) (*repo.Snapshot, error) {
	if rev == "" {
		rev = "HEAD"
	}
	oid, err := db.Resolve(rev)
	if errors.Is(err, gitdb.ErrNotFound) {
		return nil, usageErrorf("name a branch, a tag or a commit", "no revision %q in this repository", rev)
	}
	if err != nil {
		return nil, err
	}
	return loader.At(ctx, oid)
}

func blobAt(db *gitdb.DB, s *repo.Snapshot, file string) []byte {
	e, ok, err := db.Find(s.Tree, file)
	if err != nil || !ok {
		return nil
	}
	data, _ := db.Blob(e.OID, 1<<20) // no file, no snippet
	return data
}

// policyProblems are the mistakes in the organisation's own rules.
func policyProblems(ctx context.Context, custom map[string]string) diag.List {
	rules := map[string]string{}
	for name, text := range custom {
		if !strings.HasSuffix(name, "_test.rego") {
			rules[name] = text
		}
	}
	var out diag.List
	_, err := policy.Compile(ctx, policies.Builtin(), rules)
	var problems policy.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			out.Errorf(diag.Pos{File: p.File, Line: p.Line, Col: p.Col}, codePolicy, "%s", p.Message).WithHint("%s", p.Hint)
		}
	case err != nil:
		out.Errorf(diag.Pos{File: "policies"}, codePolicy, "%v", err)
	}
	return out
}

const codePolicy diag.Code = "POL001"

func explanations() []diag.Explanation {
	own := diag.Explanation{
		Code: codePolicy, Title: "A rule of the organisation does not compile",
		Why: "Rules in policies/*.rego are added to the built-in ones as further constraints. One that does not compile, or reaches for what rules may not use, would leave every request pending.",
		Fix: "Keep the file in a package assent.custom.NAME, write `deny contains msg if { … }`, and use only pure built-in functions. `assent policy test` compiles and runs the tests beside it.",
	}
	return slices.Concat(repo.Explanations(), validate.Explanations(), []diag.Explanation{own}, scenario.Explanations())
}

func (g *global) writeProblems(problems diag.List, source func(string) []byte, changed map[string]bool) error {
	switch g.output {
	case "json":
		return report.JSON(g.stdout, problems)
	case "sarif":
		return report.SARIF(g.stdout, problems, explanations()...)
	case "github":
		return report.GitHub(g.stdout, problems, changed)
	case "text":
		if len(problems) == 0 {
			fmt.Fprintln(g.stdout, "valid: no mistakes found")
			return nil
		}
		return report.Text(g.stdout, problems, report.Options{Color: g.colorful(), Source: source, Max: 50})
	default:
		return usageErrorf("choose text, json, sarif or github", "no output %q", g.output)
	}
}

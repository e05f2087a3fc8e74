package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/review"
)

type impactOptions struct {
	rev   string
	limit int
}

func newPolicyImpactCmd(g *global) *cobra.Command {
	o := impactOptions{}
	cmd := &cobra.Command{
		Use:   "impact",
		Short: "Show which past determinations would come out otherwise under a change",
		Long:  "Judges the recorded facts of past determinations again, with the rules, forms, flows\nand directory of a revision or an open pull request, and lists those that would come\nout otherwise. Without --rev it takes the files on disk. Ends with 0 in any case.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runPolicyImpact(cmd.Context(), g, o) },
	}
	cmd.Flags().StringVar(&o.rev, "rev", "", "a revision or an open pull request (default: the files on disk)")
	cmd.Flags().IntVar(&o.limit, "limit", determine.MaxImpact, "how many of the newest determinations to judge again")
	return cmd
}

func runPolicyImpact(ctx context.Context, g *global, o impactOptions) error {
	if o.limit < 1 {
		return usageErrorf("leave it out for the newest 500", "--limit %d is less than one", o.limit)
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	change, err := w.changeOf(ctx, g, o.rev)
	if err != nil {
		return err
	}
	l, err := w.openLedger()
	if err != nil {
		return err
	}
	past, err := determine.PastOf(ctx, l, o.limit)
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	impact, err := w.rules.Impact(ctx, change, w.snapshot, past)
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	if g.output == "json" {
		return g.writeJSON(impact)
	}
	writeImpact(g.stdout, impact)
	return nil
}

// changeOf is the repository as a change would leave it: the result of merging an
// open pull request, a revision, or the files on disk.
func (w *workspace) changeOf(ctx context.Context, g *global, rev string) (*repo.Snapshot, error) {
	if rev == "" {
		return workTree(ctx, g.dir)
	}
	f, err := w.openForge(ctx)
	if err != nil {
		return nil, err
	}
	prs, err := f.List(ctx, review.StateOpen)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(prs, func(pr forge.PullRequest) bool { return pr.ID == rev })
	if i < 0 {
		return loadRev(ctx, w.db, w.loader, rev)
	}
	facts, err := f.Observe(ctx, rev)
	if err != nil {
		return nil, err
	}
	if facts.ResultTree == "" {
		return w.loader.At(ctx, gitdb.OID(facts.Head))
	}
	return w.loader.AtTree(ctx, gitdb.OID(facts.ResultTree))
}

func writeImpact(out io.Writer, i review.Impact) {
	fmt.Fprintf(out, "%d of %d past determinations of requests would come out otherwise", len(i.Differences), i.Checked)
	if same := len(i.Differences) - len(i.Caused()); same > 0 {
		fmt.Fprintf(out, ", %d of them with main as it is, too", same)
	}
	fmt.Fprintln(out)
	for _, d := range i.Differences {
		mark := ""
		if d.OnMain {
			mark = " (with main as it is, too)"
		}
		fmt.Fprintf(out, "  %s, record %d: %s%s -> %s%s%s\n", d.Request, d.Record, d.Old, endText(d.OldUntil), d.New, endText(d.NewUntil), mark)
		fmt.Fprintf(out, "    was: %s\n    now: %s\n", d.OldReason, d.NewReason)
	}
}

func endText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.UTC().Format(time.RFC3339)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

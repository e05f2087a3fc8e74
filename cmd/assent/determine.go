package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/determine"
)

func newDetermineCmd(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "determine [PULL-REQUEST]",
		Short: "Judge open pull requests, merge what is approved and record it",
		Long:  "Observes every open pull request, or the one named, judges it at the base\ncommit, merges what is approved, judges the merge again, and appends the signed\ndetermination to the ledger. It holds the determining key and no credential of\nany platform.",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runDetermine(cmd.Context(), g, args) },
	}
}

func runDetermine(ctx context.Context, g *global, args []string) error {
	if g.now != "" {
		return usageErrorf("leave it out", "--now is for looking, not for determining")
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	d, err := w.determiner(ctx)
	if err != nil {
		return err
	}
	var results []determine.Result
	if len(args) == 1 {
		var one determine.Result
		if one, err = d.One(ctx, args[0]); err == nil {
			results = []determine.Result{one}
		}
	} else {
		results, err = d.All(ctx)
	}
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	if g.output == "json" {
		if err := g.writeJSON(results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			writeResult(g, r)
		}
		if len(results) == 0 {
			fmt.Fprintln(g.stdout, "no pull request waits for a determination")
		}
	}
	for _, r := range results {
		if r.Err != "" {
			return &exitError{code: exitPartial}
		}
	}
	return nil
}

func writeResult(g *global, r determine.Result) {
	for _, n := range r.Notes {
		fmt.Fprintf(g.stdout, "%s: note: %s\n", r.PullRequest, n)
	}
	switch {
	case r.Err != "":
		fmt.Fprintf(g.stdout, "%s: not determined: %s\n", r.PullRequest, r.Err)
	case r.Merged != "":
		fmt.Fprintf(g.stdout, "%s: %s, merged as %.12s, recorded as %v: %s\n", r.PullRequest, r.Judgement.Outcome, r.Merged, r.Records, r.Judgement.Reason)
	case len(r.Records) > 0:
		fmt.Fprintf(g.stdout, "%s: %s, recorded as %v: %s\n", r.PullRequest, r.Judgement.Outcome, r.Records, r.Judgement.Reason)
	default:
		fmt.Fprintf(g.stdout, "%s: %s: %s\n", r.PullRequest, r.Judgement.Outcome, r.Judgement.Reason)
	}
}

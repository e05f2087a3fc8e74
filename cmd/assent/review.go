package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

type reviewOptions struct {
	key      string
	reason   string
	duration string
	until    string
}

func newReviewCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Answer a request: approve, deny or comment",
		Long:  "A review is your determination, signed with your key and bound to the exact\ncontent of the request. A denial is final.",
	}
	cmd.AddCommand(
		newVerdictCmd(g, review.Approve, "approve REQUEST", "Approve, for as long as was asked or for less"),
		newVerdictCmd(g, review.Deny, "deny REQUEST", "Deny, finally"),
		newVerdictCmd(g, review.Comment, "comment REQUEST", "Ask or remark; decides nothing"),
	)
	return cmd
}

func newVerdictCmd(g *global, v review.Verdict, use, short string) *cobra.Command {
	var o reviewOptions
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runReview(cmd.Context(), g, v, args[0], o) },
	}
	cmd.Flags().StringVar(&o.key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	cmd.Flags().StringVar(&o.reason, "reason", "", "your reason, kept in the ledger")
	if v == review.Approve {
		cmd.Flags().StringVar(&o.duration, "for", "", "approve for this long only, such as 30d")
		cmd.Flags().StringVar(&o.until, "until", "", "approve until this day only, such as 2027-01-31")
	}
	return cmd
}

func runReview(ctx context.Context, g *global, v review.Verdict, id string, o reviewOptions) error {
	if v != review.Approve && o.reason == "" {
		return usageErrorf("add --reason '…'; the requester reads it", "a %s needs a reason", noun(v))
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	f, me, err := w.sit(ctx, o.key)
	if err != nil {
		return err
	}
	body, err := review.FormatBody(v, resource.Duration(o.duration), resource.Instant(o.until), o.reason)
	if err != nil {
		return usageErrorf("durations are written 30d, 3mo or 1y, days 2027-01-31", "%w", err)
	}
	r, err := f.review(ctx, id, v, body)
	if errors.Is(err, forge.ErrGone) {
		return usageErrorf("`assent status` lists what waits for you", "no pull request %q", id)
	}
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	s, err := w.standing(ctx, resource.Name(id))
	if err != nil {
		return err
	}
	if g.output == "json" {
		return g.writeJSON(struct {
			Review   review.Review `json:"review"`
			Standing any           `json:"standing"`
		}{r, s})
	}
	fmt.Fprintf(g.stdout, "recorded the %s of %s on %s\n", noun(v), me.Metadata.Name, id)
	if s.Judgement != nil {
		for _, d := range s.Judgement.Determinations {
			for _, rr := range d.Reviews {
				if rr.ID == r.ID && !rr.Counted && rr.Why != "" && v != review.Comment {
					fmt.Fprintf(g.stdout, "it does not count: %s\n", rr.Why)
				}
			}
		}
		fmt.Fprintf(g.stdout, "now %s: %s\n", s.Judgement.Outcome, s.Judgement.Reason)
	}
	return nil
}

func noun(v review.Verdict) string {
	switch v {
	case review.Approve:
		return "approval"
	case review.Deny:
		return "denial"
	default:
		return "comment"
	}
}

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
)

func newAuditCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Prove what was decided and done, offline"}
	cmd.AddCommand(&cobra.Command{
		Use:   "verify",
		Short: "Verify the whole ledger and make every determination again",
		Long:  "Checks every signature and link of the ledger, every merge against what was\nreviewed, and judges every determination again from the recorded facts. It needs\nthe repository and the pinned root key, and nothing else.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runAuditVerify(cmd.Context(), g) },
	})
	return cmd
}

// verification is the result of audit verify.
type verification struct {
	Main           string          `json:"main"`
	Records        int             `json:"records"`
	Determinations int             `json:"determinations"`
	Approvals      int             `json:"approvals"` // proven
	InForce        int             `json:"inForce"`   // of these, not over yet
	Head           string          `json:"head"`
	Findings       []audit.Finding `json:"findings"`
}

func (w *workspace) verify(ctx context.Context) (verification, error) {
	a, err := w.auditor()
	if err != nil {
		return verification{}, err
	}
	c, err := a.Custody(ctx, w.main)
	if err != nil {
		return verification{}, &exitError{code: exitFindings, err: err, hint: "the ledger does not hold: compare it with another clone before anything else"}
	}
	inForce := 0
	for _, approval := range c.Approvals {
		if approval.Until.IsZero() || w.now().Before(approval.Until) {
			inForce++
		}
	}
	return verification{
		InForce: inForce, Main: string(w.main), Records: c.Records, Determinations: c.Determinations, Approvals: len(c.Approvals),
		Head: fmt.Sprintf("%d %s", c.Head.Seq, c.Head.Digest), Findings: c.Findings,
	}, nil
}

func runAuditVerify(ctx context.Context, g *global) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	v, err := w.verify(ctx)
	if err != nil {
		return err
	}
	if g.output == "json" {
		if err := g.writeJSON(v); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(g.stdout, "ledger holds: %d records, each signed, dense and chained\n", v.Records)
		fmt.Fprintf(g.stdout, "determinations: %d in all; %d approvals made again and proven, %d of them not over yet\n", v.Determinations, v.Approvals, v.InForce)
		for _, f := range v.Findings {
			fmt.Fprintf(g.stdout, "record %d (%s): %s: %s\n", f.Seq, f.Request, f.Code, f.Detail)
		}
	}
	for _, f := range v.Findings {
		if f.Code != audit.CodeOtherRules {
			return &exitError{code: exitFindings}
		}
	}
	return nil
}

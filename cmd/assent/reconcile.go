package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
)

func newPlanCmd(g *global) *cobra.Command {
	var detailed bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a reconcile would change, and the exact statements",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runPlan(cmd.Context(), g, detailed) },
	}
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 3 when there are changes")
	return cmd
}

func runPlan(ctx context.Context, g *global, detailed bool) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	r, err := w.reconciler(ctx, false)
	if err != nil {
		return err
	}
	rep, err := r.Plan(ctx)
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	if g.output == "json" {
		if err := g.writeJSON(rep); err != nil {
			return err
		}
	} else {
		writePlan(g.stdout, rep)
	}
	if detailed && rep.Changes() > 0 {
		return &exitError{code: exitChanges}
	}
	return unreachable(rep)
}

func newReconcileCmd(g *global) *cobra.Command {
	var (
		once bool
		pace reconcile.Pace
	)
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Make the platforms as approved: grant, mask, revoke at expiry, repair",
		Long:  "Makes rounds until it is stopped: at once, at every interval, and at every expiry\nto the second. With --once it makes one round. It holds the reconciling key and\nnever the determining one.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runReconcile(cmd.Context(), g, once, pace) },
	}
	cmd.Flags().BoolVar(&once, "once", false, "make one round and end")
	cmd.Flags().DurationVar(&pace.Interval, "interval", time.Minute, "longest time between rounds")
	cmd.Flags().DurationVar(&pace.Retry, "retry", 5*time.Second, "time until the next round when something was left undone")
	return cmd
}

func runReconcile(ctx context.Context, g *global, once bool, pace reconcile.Pace) error {
	if g.now != "" {
		return usageErrorf("leave it out; `assent plan --now …` shows what a time would bring", "--now is for looking, not for reconciling")
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	w.offline = func(err error) { // an expiry does not wait for a forge
		fmt.Fprintf(g.stderr, "warning: the forge cannot be reached; access that is over still ends, and what was approved since waits: %v\n", err)
	}
	r, err := w.reconciler(ctx, true)
	if err != nil {
		return err
	}
	if once {
		rep, err := r.Once(ctx)
		return g.finishRound(rep, err)
	}
	told := modeTeller{}
	r.OnRound = func(rep reconcile.Report, err error) {
		if err != nil || rep.Changes() > 0 || !rep.Settled() {
			_ = g.finish(rep, err, told.write) // written; the next round tries again
		} else if g.output != "json" {
			for _, c := range rep.Connections {
				told.write(g.stdout, c)
			}
		}
	}
	err = r.Run(ctx, pace)
	if errors.Is(err, context.Canceled) {
		return nil // stopped by a signal, between two rounds or inside one that can be repeated
	}
	return err
}

func (g *global) finishRound(rep reconcile.Report, err error) error {
	return g.finish(rep, err, writeMode)
}

func (g *global) finish(rep reconcile.Report, err error, mode func(io.Writer, reconcile.Connection)) error {
	if g.output == "json" {
		if werr := g.writeJSON(rep); werr != nil {
			return werr
		}
	} else if err == nil || rep.Changes() > 0 {
		writeRound(g.stdout, rep, mode)
	}
	if err != nil {
		return &exitError{code: exitPartial, err: err, hint: "nothing is lost: the next round goes on from what the platforms really hold"}
	}
	if err := unreachable(rep); err != nil {
		return err
	}
	if !rep.Settled() {
		return &exitError{code: exitPartial}
	}
	return nil
}

// unreachable tells of every connection that could not be read or written.
func unreachable(rep reconcile.Report) error {
	var errs []error
	hint := "other connections are not held up; what failed is tried again in the next round"
	for _, c := range rep.Connections {
		if c.Unknown == "" || c.Idle() {
			continue
		}
		errs = append(errs, errors.New(c.Unknown))
		if c.Hint != "" {
			hint = c.Hint + "; " + hint
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &exitError{code: exitUnreachable, err: errors.Join(errs...), hint: hint}
}

func writePlan(out io.Writer, rep reconcile.Report) {
	writeFrozen(out, rep)
	for _, c := range rep.Connections {
		if len(c.Steps) == 0 && c.Held == nil {
			continue
		}
		fmt.Fprintf(out, "%s (%s)\n", c.Name, c.Platform)
		for _, s := range c.Steps {
			fmt.Fprintf(out, "  %s\n", changeText(s.Change))
		}
		writeHeld(out, c.Held)
		if len(c.Statements) > 0 {
			fmt.Fprintln(out, "  statements:")
			for _, s := range c.Statements {
				fmt.Fprintf(out, "%s\n", indent(s.Text, "    "))
			}
		}
	}
	if rep.Changes() == 0 && !anyHeld(rep) {
		fmt.Fprintln(out, "nothing to change")
	}
	writeTail(out, rep, writeMode)
}

func writeRound(out io.Writer, rep reconcile.Report, mode func(io.Writer, reconcile.Connection)) {
	writeFrozen(out, rep)
	for _, c := range rep.Connections {
		for _, s := range c.Steps {
			mark := ""
			if s.Status != platform.Applied {
				mark = fmt.Sprintf(" [%s", s.Status)
				if s.Code != "" {
					mark += " " + string(s.Code)
				}
				mark += "]"
			}
			fmt.Fprintf(out, "%s: %s%s\n", c.Name, changeText(s.Change), mark)
			if s.LateSeconds > 0 && s.Status != platform.Applied && s.Status != platform.Done {
				fmt.Fprintf(out, "    LATE: this access was over %s ago and may still be used\n", time.Duration(s.LateSeconds)*time.Second)
			}
			if s.Detail != "" {
				fmt.Fprintf(out, "    %s\n", s.Detail)
			}
		}
		writeHeld(out, c.Held)
	}
	if rep.Changes() == 0 && !anyHeld(rep) {
		fmt.Fprintln(out, "nothing to change")
	}
	writeTail(out, rep, mode)
}

func writeFrozen(out io.Writer, rep reconcile.Report) {
	if rep.Frozen != "" {
		fmt.Fprintf(out, "FROZEN: only due expiries are carried out: %s\n", rep.Frozen)
	}
	if rep.Stale != "" {
		fmt.Fprintf(out, "STALE: main may have moved on: %s\n", rep.Stale)
	}
	for _, p := range rep.Problems {
		fmt.Fprintf(out, "  %s\n", p)
	}
}

// anyHeld reports whether a brake holds anything back.
func anyHeld(rep reconcile.Report) bool {
	return slices.ContainsFunc(rep.Connections, func(c reconcile.Connection) bool { return c.Held != nil })
}

func writeHeld(out io.Writer, held *plan.LimitError) {
	if held == nil {
		return
	}
	fmt.Fprintf(out, "  HELD: %v\n  next: look at it, then `assent confirm %s --reason …`\n", held, held.Digest)
	for _, c := range held.Held {
		fmt.Fprintf(out, "    %s\n", changeText(c))
	}
}

func writeTail(out io.Writer, rep reconcile.Report, mode func(io.Writer, reconcile.Connection)) {
	for _, c := range rep.Connections {
		mode(out, c)
	}
	for _, c := range rep.Connections {
		fmt.Fprint(out, accountText(c.Name, c.Account))
	}
	for _, p := range rep.Prevented {
		if p.State != grant.StateExpired {
			fmt.Fprintf(out, "approved, but not all of it: %s: %s\n", p.Request, preventedText(p))
		}
	}
	for _, f := range rep.Findings {
		fmt.Fprintf(out, "record %d counts for nothing: %s: %s\n", f.Seq, f.Code, f.Detail)
	}
	if !rep.Next.IsZero() {
		fmt.Fprintf(out, "next expiry or start: %s\n", rep.Next.UTC().Format(time.RFC3339))
	}
}

// changeText says a change in one line: a sign, what, who, until when and why.
func changeText(c plan.Change) string {
	name := c.RoleKey().RoleName()
	switch c.Action {
	case plan.Revoke:
		return fmt.Sprintf("- revoke %s from %s (%s)", name, c.Grant.Principal, c.Reason)
	case plan.Retire:
		return fmt.Sprintf("- retire %s (%s)", name, c.Reason)
	case plan.Extend:
		return fmt.Sprintf("~ extend %s for %s until %s (%s)", name, c.Grant.Principal, untilText(c.Grant.NotAfter), c.Reason)
	case plan.Allow:
		return fmt.Sprintf("+ grant %s to %s until %s (%s)", name, c.Grant.Principal, untilText(c.Grant.NotAfter), c.Reason)
	default:
		sign := "+"
		if c.PriorRole != nil {
			sign = "~"
		}
		return fmt.Sprintf("%s provision %s: %s (%s)", sign, name, objectsText(c), c.Reason)
	}
}

func objectText(o grant.Object) string {
	var masked []string
	for _, c := range o.Columns {
		if c.Mask != nil {
			masked = append(masked, c.Name)
		}
	}
	text := strings.Join(o.Path, ".")
	if len(masked) > 0 {
		text += " (masked: " + strings.Join(masked, ", ") + ")"
	}
	return text
}

func newConfirmCmd(g *global) *cobra.Command {
	var reason, key string
	cmd := &cobra.Command{
		Use:   "confirm BATCH",
		Short: "Confirm a held mass revocation, so that the next reconcile carries it out",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runConfirm(cmd.Context(), g, args[0], reason, key)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why it is right")
	cmd.Flags().StringVar(&key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	return cmd
}

func runConfirm(ctx context.Context, g *global, batch, reason, keyFile string) error {
	if !ledger.Digest(batch).Valid() {
		return usageErrorf("copy it from the HELD line of `assent plan`", "%q is not the digest of a batch", batch)
	}
	if reason == "" {
		return usageErrorf("add --reason '…'", "a confirmation needs a reason")
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	_, me, err := w.whoAmI(keyFile)
	if err != nil {
		return err
	}
	d, err := w.determiner(ctx)
	if err != nil {
		return err
	}
	_, err = d.Ledger.Append(ctx, d.Key, w.now(), ledger.Draft{
		Type: ledger.TypeOverride,
		Body: ledger.OverrideBody{Code: "mass-revocation", Batch: ledger.Digest(batch), By: []string{me.Metadata.Name}, Reason: reason},
	})
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	fmt.Fprintf(g.stdout, "confirmed %s\nnext: `assent reconcile --once` carries it out\n", batch)
	return nil
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
)

type driftOptions struct {
	foreign, all, handover bool
}

func newDriftCmd(g *global) *cobra.Command {
	var o driftOptions
	cmd := &cobra.Command{
		Use:   "drift [CONNECTION…]",
		Short: "Compare what should be with what the platforms hold, both ways",
		Long: "Compares main and the ledger with each platform, in every mode, and changes\n" +
			"nothing: what is missing, what is extra on roles of ours, what was altered, what\n" +
			"others granted on governed objects, and what could not be read, which is never\n" +
			"taken for missing or gone.\n\n" +
			"It ends with 1 where anything is missing, extra or altered; with 5 where nothing\n" +
			"is, but something could not be read; with 0 otherwise, also where others granted\n" +
			"access: that is theirs, and Assent never changes it.",
		Example: "  assent drift\n  assent drift warehouse --foreign\n  assent drift warehouse --handover > handover.sql",
		RunE:    func(cmd *cobra.Command, args []string) error { return runDrift(cmd.Context(), g, args, o) },
	}
	cmd.Flags().BoolVar(&o.foreign, "foreign", false, "list what others granted on governed objects")
	cmd.Flags().BoolVar(&o.all, "all", false, "list it on objects that no source declares too")
	cmd.Flags().BoolVar(&o.handover, "handover", false, "print, for whoever granted it, the statements that take back what Assent covers now")
	return cmd
}

func runDrift(ctx context.Context, g *global, args []string, o driftOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	var names []resource.Name
	for _, a := range args {
		c, err := w.connection(a)
		if err != nil {
			return err
		}
		names = append(names, c.Ref().Name)
	}
	r, err := w.reconciler(ctx, false)
	if err != nil {
		return err
	}
	rep, err := r.Drift(ctx, names...)
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	switch {
	case g.output == "json":
		if err := g.writeJSON(rep); err != nil {
			return err
		}
	case o.handover:
		writeHandover(g.stdout, rep)
		return nil
	default:
		writeDrift(g.stdout, rep, o)
	}
	switch {
	case rep.Drifted():
		return &exitError{code: exitFindings}
	case rep.Partial():
		return &exitError{code: exitUnreachable}
	}
	return nil
}

// connection finds a connection on main by its name.
func (w *workspace) connection(name string) (*resource.Connection, error) {
	c, ok := resource.Get[*resource.Connection](w.snapshot.Set, resource.KindConnection, resource.Name(name))
	if !ok {
		return nil, usageErrorf("connections are the files in connections/", "no connection %q", name)
	}
	return c, nil
}

// maxDriftLines bounds what one connection prints; JSON has all.
const maxDriftLines = 100

func writeDrift(out io.Writer, rep reconcile.DriftReport, o driftOptions) {
	if rep.Frozen != "" {
		fmt.Fprintf(out, "what should be is not known, so no difference is told: %s\n", rep.Frozen)
	}
	for _, p := range rep.Problems {
		fmt.Fprintf(out, "  %s\n", p)
	}
	foreign, covered, unread := 0, 0, 0
	for _, c := range rep.Connections {
		f, v := writeConnectionDrift(out, c, o)
		foreign, covered, unread = foreign+f, covered+v, unread+len(c.Unread)
		if c.Unknown != "" {
			unread++
		}
	}
	fmt.Fprintf(out, "%d missing, %d extra, %d altered, %d foreign, %d unknown\n",
		rep.Count(plan.DriftMissing), rep.Count(plan.DriftExtra), rep.Count(plan.DriftAltered), foreign, unread+rep.Count(plan.DriftUnknown))
	if covered > 0 {
		fmt.Fprintf(out, "next: `assent drift --handover` prints what the grantors run to take back what Assent covers (%d)\n", covered)
	}
}

// writeConnectionDrift writes one connection and counts what of others concerns
// governed objects, and what of that is covered.
func writeConnectionDrift(out io.Writer, c reconcile.ConnectionDrift, o driftOptions) (foreign, covered int) {
	fmt.Fprintf(out, "%s", c.Name)
	if c.Platform != "" {
		fmt.Fprintf(out, " (%s, mode %s)", c.Platform, c.Mode)
	}
	fmt.Fprintln(out)
	if c.Unknown != "" {
		fmt.Fprintf(out, "  unknown  %s\n", c.Unknown)
		if c.Hint != "" {
			fmt.Fprintf(out, "           next: %s\n", c.Hint)
		}
		return 0, 0
	}
	for i, d := range c.Drift {
		if i == maxDriftLines {
			fmt.Fprintf(out, "  … and %d more; -o json has all\n", len(c.Drift)-i)
			break
		}
		fmt.Fprintf(out, "  %-8s %s\n", d.Kind, driftText(d.Drift))
		if i+1 == len(c.Drift) || i+1 == maxDriftLines || c.Drift[i+1].Next != d.Next {
			fmt.Fprintf(out, "           next: %s\n", d.Next)
		}
	}
	for _, path := range c.Unread {
		fmt.Fprintf(out, "  unknown  %s could not be read\n", report.Visible(strings.Join(path, ".")))
	}
	for _, f := range c.Foreign {
		if f.Governed {
			foreign++
			if len(f.Covered) > 0 {
				covered++
			}
		}
		if o.all || o.foreign && f.Governed {
			fmt.Fprintf(out, "  foreign  %s\n           next: %s\n", accessText(f.Foreign), f.Next)
			if f.Undo != "" && len(f.Covered) > 0 {
				fmt.Fprintf(out, "           %s;\n", f.Undo)
			}
		}
	}
	if foreign > 0 && !o.foreign && !o.all {
		fmt.Fprintf(out, "  foreign  %d of others on governed objects, %d of them covered by Assent; `assent drift %s --foreign` lists them\n", foreign, covered, c.Name)
	}
	if len(c.Drift) == 0 && len(c.Unread) == 0 && foreign == 0 {
		fmt.Fprintln(out, "  as it should be")
	}
	return foreign, covered
}

func driftText(d plan.Drift) string {
	text := d.Role.RoleName()
	if d.Principal != "" {
		text += " for " + d.Principal
	}
	if d.Kind == plan.DriftUnknown {
		return text + ": objects of it could not be read"
	}
	why := map[plan.Reason]string{
		plan.ReasonApproved: "approved, and not carried out yet", plan.ReasonDrift: "it was there, and somebody took it away",
		plan.ReasonExpired: "its time is over", plan.ReasonWithdrawn: "no approval wants it any more",
		plan.ReasonMoved: "the account belongs into another role now", plan.ReasonUnexpected: "no approval gave it",
	}[d.Reason]
	var what []string
	for _, w := range d.What {
		what = append(what, w.String())
	}
	switch {
	case len(what) > 0:
		why = strings.Join(what, "; ")
	case d.Principal == "" && d.Kind == plan.DriftMissing:
		why = "the role is not there"
	case d.Principal == "" && d.Kind == plan.DriftExtra:
		why = "nothing wants the role"
	}
	if len(d.Requests) > 0 {
		var names []string
		for _, r := range d.Requests {
			names = append(names, string(r.Name))
		}
		why += " (" + strings.Join(names, ", ") + ")"
	}
	return report.Visible(text + ": " + why)
}

// accessText says an access of others in one line.
func accessText(f platform.Foreign) string {
	text := f.Principal + " has " + f.Privilege
	if len(f.Columns) > 0 {
		text += " (" + strings.Join(f.Columns, ", ") + ")"
	}
	text += " on " + strings.Join(f.Path, ".")
	if f.Grantable {
		text += ", and may pass it on"
	}
	if f.Grantor != "" {
		text += ", granted by " + f.Grantor
	}
	return report.Visible(text)
}

// writeHandover writes the statements that take back what Assent covers, those
// of one grantor together.
func writeHandover(out io.Writer, rep reconcile.DriftReport) {
	for _, c := range rep.Connections {
		if c.Unknown != "" {
			fmt.Fprintf(out, "-- %s could not be read\n", c.Name)
			continue
		}
		var lines []reconcile.ForeignLine
		left := 0
		for _, f := range c.Foreign {
			switch {
			case len(f.Covered) > 0 && f.Undo != "":
				lines = append(lines, f)
			case f.Governed:
				left++
			}
		}
		slices.SortStableFunc(lines, func(a, b reconcile.ForeignLine) int { return cmp.Compare(a.Grantor, b.Grantor) })
		fmt.Fprintf(out, "-- %s: covered by requests now: %d; not covered, and left out: %d, see `assent drift %s --foreign`\n", c.Name, len(lines), left, c.Name)
		for _, f := range lines {
			var names []string
			for _, r := range f.Covered {
				names = append(names, string(r.Name))
			}
			fmt.Fprintf(out, "%s; -- covered by %s\n", f.Undo, strings.Join(names, ", "))
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

func newReleaseCmd(g *global) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "release SOURCE | CONNECTION DATABASE.SCHEMA.TABLE",
		Short: "Let go of a table, so that its owner can alter or drop it",
		Long: "Drops the masked views that stand before a table, because a database refuses to\n" +
			"change the type of a column, or to drop it, while a view reads it. Until the next\n" +
			"round of `assent reconcile`, nobody reads the table through Assent's masks: access\n" +
			"fails closed. That round makes the views and their grants anew.",
		Example: "  assent release warehouse/shop/public/customers\n  assent release warehouse shop.public.customers --dry-run",
		Args:    cobra.RangeArgs(1, 2),
		RunE:    func(cmd *cobra.Command, args []string) error { return runRelease(cmd.Context(), g, args, dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show the statements, and run none of them")
	return cmd
}

// releaseReport is what a release did, or would do.
type releaseReport struct {
	Connection resource.Name        `json:"connection"`
	Path       []string             `json:"path"`
	DryRun     bool                 `json:"dryRun,omitempty"`
	Statements []platform.Statement `json:"statements"`
}

func runRelease(ctx context.Context, g *global, args []string, dryRun bool) error {
	if g.now != "" {
		return usageErrorf("leave it out", "--now is for looking, not for releasing")
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	c, path, err := w.releasable(args)
	if err != nil {
		return err
	}
	p, err := w.openPlatform(ctx, c)
	if err != nil {
		return releaseFailed(err)
	}
	defer func() { _ = p.Close() }()
	releaser, ok := p.(platform.Releaser)
	if !ok {
		return usageErrorf("alter the table; the next round repairs what that breaks", "%s has nothing to release", c.Spec.Platform)
	}
	statements, err := releaser.Release(ctx, path, dryRun)
	if err != nil {
		return releaseFailed(err)
	}
	report := releaseReport{c.Ref().Name, path, dryRun, append([]platform.Statement{}, statements...)}
	if g.output == "json" {
		return g.writeJSON(report)
	}
	return report.text(g.stdout)
}

// releasable reads the arguments: a source by its name, or a connection and a path.
func (w *workspace) releasable(args []string) (*resource.Connection, []string, error) {
	set := w.snapshot.Set
	name, path := resource.Name(args[0]), []string(nil)
	if len(args) == 2 {
		path = strings.Split(args[1], ".")
	} else if d, ok := resource.Get[*resource.DataSource](set, resource.KindDataSource, name); ok {
		name, path = d.Spec.Connection, d.Spec.Path
	} else {
		connection, rest, _ := strings.Cut(args[0], "/")
		name, path = resource.Name(connection), strings.Split(rest, "/")
	}
	c, ok := resource.Get[*resource.Connection](set, resource.KindConnection, name)
	if !ok {
		return nil, nil, usageErrorf("connections are the files in connections/", "no connection %q", name)
	}
	if len(path) != 3 {
		return nil, nil, usageErrorf("write DATABASE.SCHEMA.TABLE as the platform spells them, or name a data source", "%q is not a table", strings.Join(path, "."))
	}
	return c, path, nil
}

func (r releaseReport) text(out io.Writer) error {
	table := strings.Join(r.Path, ".")
	if len(r.Statements) == 0 {
		_, err := fmt.Fprintf(out, "%s: nothing of ours keeps %s from being altered\n", r.Connection, table)
		return err
	}
	for _, s := range r.Statements {
		fmt.Fprintf(out, "  %s\n", s.Text)
	}
	said := "is released; alter it now. The next round of `assent reconcile` opens it again"
	if r.DryRun {
		said = "would be released by these statements; none was run"
	}
	_, err := fmt.Fprintf(out, "%s: %s %s\n", r.Connection, table, said)
	return err
}

// releaseFailed is how the command ends where it could not work with a platform.
func releaseFailed(err error) error {
	var pe *platform.Error
	if errors.As(err, &pe) {
		return &exitError{code: exitUnreachable, err: err, hint: pe.Hint}
	}
	return &exitError{code: exitUnreachable, err: err}
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
)

type discoverOptions struct {
	dryRun, propose, prune, tags bool
	key                          string
}

func newDiscoverCmd(g *global) *cobra.Command {
	var o discoverOptions
	cmd := &cobra.Command{
		Use:   "discover CONNECTION",
		Short: "Read the tables and views of a connection into DataSource files",
		Long: "Reads what a platform holds and writes one DataSource file each into the work\n" +
			"tree, where they are reviewed and committed like everything else. A file that is\n" +
			"there already keeps its descriptions, tags, masks and comments; only columns,\n" +
			"types and the kind follow the platform. Grants are never touched.\n\n" +
			"New sources, and new columns of known ones, are tagged new until somebody removes\n" +
			"the tag, so that a masking policy for that tag can hide them meanwhile. Other tags\n" +
			"of what is new come from comments such as `@tag pii.email`, and from discover.tags\n" +
			"of the connection. What is gone is told; --prune deletes its file.",
		Example: "  assent discover warehouse --dry-run\n  assent discover warehouse --propose",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runDiscover(cmd.Context(), g, args[0], o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be written, and write nothing")
	f.BoolVar(&o.propose, "propose", false, "open a pull request with the changes instead of writing files")
	f.BoolVar(&o.prune, "prune", false, "delete the files of what is gone")
	f.BoolVar(&o.tags, "tags", false, "give known columns the tags that they lack too")
	f.StringVar(&o.key, "key", "", "your private SSH key, for --propose (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "propose")
	return cmd
}

func runDiscover(ctx context.Context, g *global, name string, o discoverOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	if w.db.Bare() && !o.dryRun && !o.propose {
		return usageErrorf("clone it and run the command in the clone, or add --propose", "files are written into a work tree, and this repository has none")
	}
	snapshot := w.snapshot // a pull request is for main
	if !o.propose {
		if snapshot, err = workTree(ctx, g.dir); err != nil {
			return err
		}
	}
	c, ok := resource.Get[*resource.Connection](snapshot.Set, resource.KindConnection, resource.Name(name))
	if !ok {
		return usageErrorf("connections are the files in connections/", "no connection %q", name)
	}
	found, err := w.discover(ctx, c)
	if err != nil {
		var pe *platform.Error
		hint := ""
		if errors.As(err, &pe) {
			hint = pe.Hint
		}
		return &exitError{code: exitUnreachable, err: err, hint: hint}
	}
	d := discover(snapshot.Set, snapshot.Unread(), c, found, o)
	if o.propose {
		if err := w.openDiscovery(ctx, d, o.key); err != nil {
			return err
		}
	} else if !o.dryRun {
		if err := d.write(w.db.Dir()); err != nil {
			return err
		}
	}
	if err := d.report(g, o); err != nil {
		return err
	}
	if len(d.Refused) > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}

// discover lists what the platform holds, narrowed by the connection's globs.
func (w *workspace) discover(ctx context.Context, c *resource.Connection) ([]platform.Source, error) {
	p, err := w.openPlatform(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	if err := fitAccount(ctx, c.Ref().Name, p); err != nil {
		return nil, err
	}
	var out []platform.Source
	for s, err := range p.Discover(ctx) {
		if err != nil {
			return nil, err
		}
		if c.Spec.Discover.Covers(s.Path) {
			out = append(out, s)
		}
	}
	return out, nil
}

// write writes what is new or changed, and deletes what is pruned.
func (d *discovery) write(dir string) error {
	for _, s := range d.Sources {
		path := filepath.Join(dir, filepath.FromSlash(s.File))
		switch {
		case s.raw != nil:
			if err := writeFile(path, s.raw); err != nil {
				return err
			}
		case s.pruned:
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("delete %s: %w", s.File, err)
			}
		}
	}
	return nil
}

// openDiscovery opens a pull request with the changes, where there are any.
func (w *workspace) openDiscovery(ctx context.Context, d *discovery, keyFile string) error {
	change := draft{files: map[string][]byte{}}
	h := sha256.New()
	for _, s := range d.Sources {
		if s.raw != nil || s.pruned {
			change.files[s.File] = s.raw
			fmt.Fprintf(h, "%q %x\n", s.File, sha256.Sum256(s.raw))
		}
	}
	if len(change.files) == 0 {
		return nil
	}
	f, _, err := w.sit(ctx, keyFile)
	if err != nil {
		return err
	}
	change.name = "discover-" + string(d.Connection) + "-" + hex.EncodeToString(h.Sum(nil)[:4])
	change.title = fmt.Sprintf("Discover %s: %d new, %d changed, %d gone", d.Connection, d.count(sourceNew), d.count(sourceChanged), d.count(sourceGone))
	pr, err := f.open(ctx, change)
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	d.PullRequest = pr.ID
	return nil
}

// report says what changed, source by source.
func (d *discovery) report(g *global, o discoverOptions) error {
	if g.output == "json" {
		return g.writeJSON(d)
	}
	for _, s := range d.Sources {
		tail := ""
		if s.Change == sourceGone && !s.pruned {
			tail = " (delete the file when nothing needs it, or add --prune)"
		}
		fmt.Fprintf(g.stdout, "%-8s %s%s\n", s.Change, s.File, tail)
		for _, c := range s.Columns {
			fmt.Fprintf(g.stdout, "         %s\n", report.Visible(c.String()))
		}
	}
	for _, n := range d.Notes {
		fmt.Fprintf(g.stdout, "note     %s\n", report.Visible(n))
	}
	for _, r := range d.Refused {
		fmt.Fprintf(g.stdout, "refused  %s\n", report.Visible(r))
	}
	_, err := fmt.Fprintf(g.stdout, "%s: %d new, %d changed, %d gone, %d in all\n",
		d.Connection, d.count(sourceNew), d.count(sourceChanged), d.count(sourceGone), d.Found)
	if d.PullRequest != "" {
		fmt.Fprintf(g.stdout, "opened %s\nnext: `assent explain %s` says who has to agree\n", d.PullRequest, d.PullRequest)
	}
	if len(d.Notes) > 0 && !o.tags {
		fmt.Fprintln(g.stdout, "next: --tags adds the tags that known columns lack")
	}
	return err
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // files of a repository are for everybody who may read it
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

func newDiscoverCmd(g *global) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "discover CONNECTION",
		Short: "Read the tables and views of a connection into DataSource files",
		Long:  "Reads what a platform holds and writes one DataSource file each into the work\ntree, where they are reviewed and committed like everything else. A file that is\nthere already keeps its descriptions, tags and masks; only columns, types and the\nkind follow the platform. Grants are never touched.",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runDiscover(cmd.Context(), g, args[0], dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be written, and write nothing")
	return cmd
}

func runDiscover(ctx context.Context, g *global, name string, dryRun bool) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	if w.db.Bare() && !dryRun {
		return usageErrorf("clone it and run the command in the clone", "files are written into a work tree, and this repository has none")
	}
	snapshot, err := workTree(ctx, g.dir)
	if err != nil {
		return err
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
	return writeSources(g, w, snapshot.Set, c, found, dryRun)
}

// discover lists what the platform holds, narrowed by the connection's globs.
func (w *workspace) discover(ctx context.Context, c *resource.Connection) ([]platform.Source, error) {
	p, err := w.openPlatform(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	var out []platform.Source
	for s, err := range p.Discover(ctx) {
		if err != nil {
			return nil, err
		}
		if wanted(c.Spec.Discover, s.Path) {
			out = append(out, s)
		}
	}
	return out, nil
}

func wanted(d resource.DiscoverSpec, path []string) bool {
	name := resource.Name(strings.Join(path, "/"))
	matches := func(globs []string) bool {
		return slices.ContainsFunc(globs, func(glob string) bool {
			return resource.PathMatches(strings.ReplaceAll(glob, ".", "/"), name)
		})
	}
	return (len(d.Include) == 0 || matches(d.Include)) && !matches(d.Exclude)
}

// writeSources writes what is new or changed and tells of what is gone.
func writeSources(g *global, w *workspace, set *resource.Set, c *resource.Connection, found []platform.Source, dryRun bool) error {
	seen := map[string]bool{}
	var added, changed int
	for _, s := range found {
		file := repo.SourceFile(c.Ref().Name, s.Path)
		seen[file] = true
		old, had := resource.Get[*resource.DataSource](set, resource.KindDataSource, sourceRef(file))
		made := mergeSource(old, c.Ref().Name, file, s)
		raw, err := repo.Encode(made)
		if err != nil {
			return &exitError{code: exitFindings, err: fmt.Errorf("write %s: %w", file, err)}
		}
		switch {
		case !had:
			added++
			fmt.Fprintf(g.stdout, "new      %s\n", file)
		case bytes.Equal(raw, old.Source.Raw) || sameColumns(old.Spec, made.Spec):
			continue
		default:
			changed++
			fmt.Fprintf(g.stdout, "changed  %s\n", file)
		}
		if dryRun {
			continue
		}
		if err := writeFile(filepath.Join(w.db.Dir(), filepath.FromSlash(file)), raw); err != nil {
			return err
		}
	}
	gone := 0
	for d := range resource.Of[*resource.DataSource](set) {
		if d.Spec.Connection == c.Ref().Name && !seen[d.Source.File] {
			gone++
			fmt.Fprintf(g.stdout, "gone     %s (delete the file when nothing needs it)\n", d.Source.File)
		}
	}
	_, err := fmt.Fprintf(g.stdout, "%s: %d new, %d changed, %d gone, %d in all\n", c.Ref().Name, added, changed, gone, len(found))
	return err
}

func sourceRef(file string) resource.Name {
	return resource.Name(strings.TrimSuffix(strings.TrimPrefix(file, "sources/"), ".yaml"))
}

// mergeSource is a source as the platform has it now, with what people wrote
// about it kept.
func mergeSource(old *resource.DataSource, connection resource.Name, file string, s platform.Source) *resource.DataSource {
	made := &resource.DataSource{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindDataSource}}
	known := map[string]resource.Column{}
	if old != nil {
		copied := *old
		made = &copied
		for _, c := range old.Spec.Columns {
			known[c.Name] = c
		}
	} else {
		base := filepath.Base(file)
		made.Metadata.Name = strings.TrimSuffix(base, ".yaml")
		made.Spec.Description = s.Description
		made.Spec.Tags = s.Tags
	}
	made.Source = resource.Origin{File: file}
	made.Spec.Connection, made.Spec.Path, made.Spec.Kind = connection, s.Path, s.Kind
	made.Spec.Columns = nil
	for _, c := range s.Columns {
		if k, ok := known[c.Name]; ok {
			k.Type, k.Nullable = c.Type, c.Nullable
			c = k
		}
		made.Spec.Columns = append(made.Spec.Columns, c)
	}
	return made
}

func sameColumns(a, b resource.DataSourceSpec) bool {
	return a.Kind == b.Kind && slices.Equal(a.Path, b.Path) && slices.EqualFunc(a.Columns, b.Columns, func(x, y resource.Column) bool {
		return x.Name == y.Name && x.Type == y.Type && (x.Nullable == nil) == (y.Nullable == nil) && (x.Nullable == nil || *x.Nullable == *y.Nullable)
	})
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

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/gitdb"
)

func newProposeCmd(g *global) *cobra.Command {
	var key, name, title string
	cmd := &cobra.Command{
		Use:   "propose",
		Short: "Open a pull request with the changes of the work tree",
		Long: "Takes what differs between the work tree and main, such as a new product or a\n" +
			"changed form, and opens a signed pull request with it. A change outside of\n" +
			"requests/ is governance: `assent explain` says who has to agree to which file.\n" +
			"The work tree stays as it is.",
		Example: "  assent propose --title 'Mask phone numbers'",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPropose(cmd.Context(), g, key, name, title) },
	}
	cmd.Flags().StringVar(&key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	cmd.Flags().StringVar(&name, "name", "", "name of the pull request; made from the title unless given")
	cmd.Flags().StringVar(&title, "title", "", "what the change is for, in one line")
	return cmd
}

func runPropose(ctx context.Context, g *global, keyFile, name, title string) error {
	if title == "" {
		return usageErrorf("add --title '…'; those who have to agree read it first", "a pull request needs a title")
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	if w.db.Bare() {
		return usageErrorf("clone it, change the files there and run the command in the clone", "this repository has no work tree")
	}
	f, _, err := w.sit(ctx, keyFile)
	if err != nil {
		return err
	}
	files, err := w.changedFiles(ctx)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usageErrorf("change, add or delete files first", "the work tree is as main is")
	}
	if name == "" {
		name = w.freeName(title)
	}
	pr, err := f.open(ctx, draft{name, title, files})
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	if g.output == "json" {
		return g.writeJSON(pr)
	}
	fmt.Fprintf(g.stdout, "opened %s: %s\n", pr.ID, title)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		sign := "changes"
		if files[file] == nil {
			sign = "deletes"
		}
		fmt.Fprintf(g.stdout, "  %s %s\n", sign, file)
	}
	fmt.Fprintf(g.stdout, "next: `assent explain %s` says who has to agree\n", pr.ID)
	return nil
}

// changedFiles are the files that differ between the work tree and main, as git
// sees them: ignored files are none of ours. A deleted file is nil.
func (w *workspace) changedFiles(ctx context.Context) (map[string][]byte, error) {
	onMain := map[string]gitdb.OID{}
	for _, e := range w.snapshot.Files {
		onMain[e.Path] = e.OID
	}
	listed, err := exec.CommandContext(ctx, "git", "-C", w.db.Dir(), "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output() //nolint:gosec // fixed words and our own directory
	if err != nil {
		return nil, fmt.Errorf("list the work tree: %w", err)
	}
	out := map[string][]byte{}
	seen := map[string]bool{}
	for file := range strings.SplitSeq(strings.TrimRight(string(listed), "\x00"), "\x00") {
		path := filepath.Join(w.db.Dir(), filepath.FromSlash(file))
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || file == "" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if !info.Mode().IsRegular() {
			return nil, usageErrorf("leave it out of the repository", "%s is no ordinary file", file)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		seen[file] = true
		if oid, ok := onMain[file]; ok {
			old, err := w.db.Blob(oid, max(int64(len(data)), 1<<20))
			if err == nil && bytes.Equal(old, data) {
				continue
			}
		}
		out[file] = data
	}
	for file := range onMain {
		if !seen[file] {
			out[file] = nil
		}
	}
	return out, nil
}

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
)

// git runs the git binary in a work tree, with nobody's configuration but the
// repository's, no hooks, no helpers, no prompts and no replaced objects.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{
		"-C", dir, "--no-replace-objects", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
		"-c", "protocol.allow=never", "-c", "submodule.recurse=false",
	}, args...)...)
	cmd.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1",
	}
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}

// checkouts lists the work trees that have the base branch checked out. A bare
// repository without linked work trees has none, and needs no git binary.
func (l *Local) checkouts(ctx context.Context) ([]string, error) {
	if l.db.Bare() {
		_, err := os.Stat(filepath.Join(l.db.GitDir(), "worktrees"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	out, err := git(ctx, l.db.Dir(), "worktree", "list", "--porcelain")
	if err != nil {
		return nil, fmt.Errorf("list work trees: %w", err)
	}
	var dirs []string
	dir := ""
	for line := range strings.SplitSeq(out, "\n") {
		if at, ok := strings.CutPrefix(line, "worktree "); ok {
			dir = at
		}
		if line != "branch "+l.baseRef {
			continue
		}
		if _, err := os.Stat(dir); err == nil { // a removed one is only listed until pruned
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// prepare refuses a merge that a checked-out work tree could not follow. A
// work tree that a crash left at the commit before base is brought to it first.
func (l *Local) prepare(ctx context.Context, base, tree gitdb.OID) error {
	dirs, err := l.checkouts(ctx)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := l.catchUp(ctx, dir, base); err != nil {
			return err
		}
		if out, err := git(ctx, dir, "status", "--porcelain", "--untracked-files=no"); err != nil || out != "" {
			return errors.Join(fmt.Errorf("%w: %s has changes to tracked files, commit or stash them", ErrDirty, dir), err)
		}
		if _, err := git(ctx, dir, "read-tree", "-n", "-m", "-u", string(base), string(tree)); err != nil {
			return fmt.Errorf("%w: %w", ErrDirty, err)
		}
	}
	return nil
}

// catchUp heals a work tree left behind by a merge whose process died.
func (l *Local) catchUp(ctx context.Context, dir string, tip gitdb.OID) error {
	c, err := l.db.Commit(tip)
	if err != nil || len(c.Parents) != 2 {
		return err
	}
	if key, err := l.signer(tip); err != nil || !l.believes(key) {
		return nil //nolint:nilerr // not our merge, so not ours to heal
	}
	if matches(ctx, dir, tip) || !matches(ctx, dir, c.Parents[0]) {
		return nil
	}
	return advance(ctx, dir, c.Parents[0], tip)
}

// follow brings the work trees from one commit of the base branch to the next.
func (l *Local) follow(ctx context.Context, from, to gitdb.OID) error {
	dirs, err := l.checkouts(ctx)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if indexAt(ctx, dir, to) {
			continue
		}
		if !matches(ctx, dir, from) {
			return fmt.Errorf("%w: the merge is done, but %s has changes of its own; bring it along with `git reset --hard`", ErrDirty, dir)
		}
		if err := advance(ctx, dir, from, to); err != nil {
			return err
		}
		if err := l.after(); err != nil {
			return err
		}
	}
	return nil
}

func advance(ctx context.Context, dir string, from, to gitdb.OID) error {
	if _, err := git(ctx, dir, "read-tree", "-m", "-u", string(from), string(to)); err != nil {
		return fmt.Errorf("%w: %w", ErrDirty, err)
	}
	return nil
}

func indexAt(ctx context.Context, dir string, commit gitdb.OID) bool {
	_, err := git(ctx, dir, "diff-index", "--cached", "--quiet", string(commit))
	return err == nil
}

// matches reports whether index and tracked files are those of a commit.
func matches(ctx context.Context, dir string, commit gitdb.OID) bool {
	if !indexAt(ctx, dir, commit) {
		return false
	}
	_, _ = git(ctx, dir, "update-index", "-q", "--refresh") // tells which files differ by saying so
	_, err := git(ctx, dir, "diff-files", "--quiet")
	return err == nil
}

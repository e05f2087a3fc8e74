package gitdb

import (
	"fmt"

	"github.com/go-git/go-git/v5"
)

// ResetIndex makes the index of the work tree that of HEAD, after HEAD's first
// commit was written without one. No file of the work tree is touched.
func (d *DB) ResetIndex() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	repo, err := git.PlainOpen(d.dir) // ours has the objects only
	if err != nil {
		return fmt.Errorf("reset index: %w", err)
	}
	tree, err := repo.Worktree()
	if err != nil {
		return fmt.Errorf("reset index: %w", err)
	}
	if err := tree.Reset(&git.ResetOptions{Mode: git.MixedReset}); err != nil {
		return fmt.Errorf("reset index: %w", err)
	}
	return nil
}

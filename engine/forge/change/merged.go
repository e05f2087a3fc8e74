package change

import (
	"errors"
	"fmt"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

// ErrNotYet says that what the forge tells of, such as a merge, is not in git yet
// or that its own parts do not agree yet.
var ErrNotYet = errors.New("the forge and git do not agree yet")

// Parent is what a merge was made on: the first parent of the merge commit, and
// of a rebased commit the commit before it. A merge that is not on the branch at
// tip any more is forge.ErrIncomplete, one that git does not have is ErrNotYet.
func Parent(db *gitdb.DB, merge, tip gitdb.OID) (gitdb.OID, error) {
	c, err := db.Commit(merge)
	if err != nil || len(c.Parents) == 0 {
		return "", fmt.Errorf("read merge %s: %w", merge, ErrNotYet)
	}
	on, err := db.IsAncestor(merge, tip)
	if err != nil {
		return "", err
	}
	if !on {
		return "", fmt.Errorf("%w: it was merged as %s, which is not on the base branch any more", forge.ErrIncomplete, merge)
	}
	return c.Parents[0], nil
}

// Merged is a merge commit as git has it, if it holds what merging the head into
// its first parent makes. One that holds something else is forge.ErrMoved.
func Merged(db *gitdb.DB, repo string, merge, head gitdb.OID) (forge.Merged, error) {
	c, err := db.Commit(merge)
	if err != nil {
		return forge.Merged{}, err
	}
	made, err := Read(db, repo, c.Parents[0], head)
	if err != nil {
		return forge.Merged{}, err
	}
	if err := holds(c, made.ResultTree); err != nil {
		return forge.Merged{}, fmt.Errorf("%w: %w", forge.ErrMoved, err)
	}
	return forge.Merged{Commit: string(c.OID), Parent: string(c.Parents[0]), Tree: string(c.Tree)}, nil
}

// Holds checks that a merge commit holds what merging was found to make. One that
// holds something else is forge.ErrIncomplete: nobody reviewed that.
func Holds(db *gitdb.DB, merge, result gitdb.OID) error {
	c, err := db.Commit(merge)
	if err != nil {
		return err
	}
	if err := holds(c, result); err != nil {
		return fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
	}
	return nil
}

func holds(merge gitdb.Commit, result gitdb.OID) error {
	if result == "" || result != merge.Tree {
		return fmt.Errorf("merge commit %s holds something else than the merge of its parent and the head", merge.OID)
	}
	return nil
}

// AsWanted checks right before a merge that base, head and result are still what
// is wanted, else forge.ErrMoved.
func AsWanted(db *gitdb.DB, repo string, base, head gitdb.OID, want forge.Want) error {
	if string(base) != want.Base {
		return fmt.Errorf("%w: base is at %s", forge.ErrMoved, base)
	}
	if string(head) != want.Head {
		return fmt.Errorf("%w: head is at %s", forge.ErrMoved, head)
	}
	c, err := Read(db, repo, base, head)
	if err != nil {
		return err
	}
	if c.ResultTree == "" || string(c.ResultTree) != want.Tree {
		return fmt.Errorf("%w: merging makes tree %q", forge.ErrMoved, c.ResultTree)
	}
	return nil
}

package change

import (
	"context"
	"errors"
	"fmt"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

// Draft is a pull request to be opened. A nil file is deleted.
type Draft struct {
	Branch string
	Title  string
	Body   string
	Files  map[string][]byte
	Author gitdb.Person
}

// Push writes the commit of a draft on top of base and pushes it to a new branch
// of the remote. A branch of that name is forge.ErrMoved.
func (d Draft) Push(ctx context.Context, db *gitdb.DB, to gitdb.Remote, base gitdb.OID) (gitdb.OID, error) {
	head, err := d.Commit(db, base)
	if err != nil {
		return "", err
	}
	err = db.Push(ctx, to, "refs/heads/"+d.Branch, "", head)
	if errors.Is(err, gitdb.ErrMoved) {
		err = fmt.Errorf("%w: there is a branch %s already", forge.ErrMoved, d.Branch)
	}
	return head, err
}

// Commit writes the one commit of a draft on top of base, and no reference.
func (d Draft) Commit(db *gitdb.DB, base gitdb.OID) (gitdb.OID, error) {
	on, err := db.Commit(base)
	if err != nil {
		return "", err
	}
	var edits []gitdb.Edit
	for path, data := range d.Files {
		e := gitdb.Edit{Path: path}
		if data != nil {
			if e.OID, err = db.WriteBlob(data); err != nil {
				return "", err
			}
		}
		edits = append(edits, e)
	}
	tree, err := db.WriteTree(on.Tree, edits)
	if err != nil {
		return "", err
	}
	return db.WriteCommit(gitdb.Commit{
		Tree: tree, Parents: []gitdb.OID{base}, Author: d.Author, Committer: d.Author, Message: forge.OneLine(d.Title) + "\n",
	}, nil)
}

// IsAt fails with forge.ErrForbidden unless a head is what the draft would make on
// some commit of the base branch.
func (d Draft) IsAt(db *gitdb.DB, base, head gitdb.OID) error {
	refused := fmt.Errorf("%w: there is a branch %s that holds something else; delete it and try again", forge.ErrForbidden, d.Branch)
	c, err := db.Commit(head)
	if err != nil {
		return err
	}
	if len(c.Parents) != 1 {
		return refused
	}
	if on, err := db.IsAncestor(c.Parents[0], base); err != nil || !on {
		return errors.Join(err, refused)
	}
	oid, err := d.Commit(db, c.Parents[0])
	if err != nil {
		return err
	}
	want, err := db.Commit(oid)
	if err != nil {
		return err
	}
	if want.Tree != c.Tree {
		return refused
	}
	return nil
}

package githubtest

import (
	"errors"
	"fmt"

	"github.com/assent-dev/assent/engine/gitdb"
)

// mergeTree is the tree of merging a pull request; an error where it conflicts.
func (s *Server) mergeTree(p *pull) (tree, base gitdb.OID, err error) {
	if base, err = s.db.Resolve("refs/heads/" + p.base); err != nil {
		return "", "", err
	}
	tree, err = s.mergeOnto(base, p.head)
	return tree, base, err
}

// mergeOnto is the tree of merging a head into any commit.
func (s *Server) mergeOnto(base, head gitdb.OID) (gitdb.OID, error) {
	mergeBase, err := s.db.MergeBase(base, head)
	if err != nil {
		return "", err
	}
	var trees [3]gitdb.OID
	for i, oid := range []gitdb.OID{mergeBase, base, head} {
		c, err := s.db.Commit(oid)
		if err != nil {
			return "", err
		}
		trees[i] = c.Tree
	}
	tree, conflicts, err := s.db.Merge(trees[0], trees[1], trees[2])
	if err == nil && len(conflicts) > 0 {
		err = errConflict
	}
	return tree, err
}

var errConflict = errors.New("405: the pull request conflicts")

func (s *Server) mergeCommit(p *pull, base, tree gitdb.OID, more map[string]string, two bool) (gitdb.OID, error) {
	var edits []gitdb.Edit
	for path, content := range more {
		oid, err := s.db.WriteBlob([]byte(content))
		if err != nil {
			return "", err
		}
		edits = append(edits, gitdb.Edit{Path: path, OID: oid})
	}
	tree, err := s.db.WriteTree(tree, edits)
	if err != nil {
		return "", err
	}
	parents := []gitdb.OID{base}
	if two {
		parents = append(parents, p.head)
	}
	who := gitdb.Person{Name: "GitHub", Email: "noreply@github.com", When: s.tick()}
	return s.db.WriteCommit(gitdb.Commit{
		Tree: tree, Parents: parents, Author: who, Committer: who, Message: fmt.Sprintf("Merge pull request #%d\n", p.number),
	}, nil)
}

// finish moves the base branch to a merge.
func (s *Server) finish(p *pull, base, oid gitdb.OID, by User) error {
	if err := s.db.MoveRef("refs/heads/"+p.base, base, oid); err != nil {
		return err
	}
	s.merged(p, oid, by)
	return nil
}

// merged shows a pull request as merged.
func (s *Server) merged(p *pull, oid gitdb.OID, by User) {
	p.open, p.merged, p.mergeCommit, p.mergedBy, p.closed = false, true, oid, by, s.tick()
	for _, kind := range []string{"merged", "closed"} {
		p.events = append(p.events, event{ID: s.id(), Event: kind, Actor: by, At: s.tick()})
	}
}

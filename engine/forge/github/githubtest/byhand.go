package githubtest

import "github.com/assent-dev/assent/engine/gitdb"

// SquashByHand merges a pull request as one commit with one parent, as GitHub's
// button does for whoever may write.
func (s *Server) SquashByHand(n int) error {
	return s.byHand(n, nil, false)
}

// byHand has di merge a pull request with more files, as a merge of two parents
// or as a commit of one.
func (s *Server) byHand(n int, more map[string]string, both bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	tree, base, err := s.mergeTree(p)
	if err != nil {
		return err
	}
	oid, err := s.mergeCommit(p, base, tree, more, both)
	if err != nil {
		return err
	}
	return s.finish(p, base, oid, s.users["di"])
}

// RebaseByHand puts each commit of a pull request anew on main, as GitHub's
// button does: none keeps its name, and the last one is shown as the merge.
func (s *Server) RebaseByHand(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	base, err := s.db.Resolve("refs/heads/" + p.base)
	if err != nil {
		return err
	}
	commits, err := s.commitsOf(p, base)
	if err != nil {
		return err
	}
	on := base
	for _, c := range commits {
		tree, err := s.pick(on, c)
		if err != nil {
			return err
		}
		if on, err = s.mergeCommit(p, on, tree, nil, false); err != nil {
			return err
		}
	}
	return s.finish(p, base, on, s.users["di"])
}

// ForwardByHand pushes the head of a pull request to main as it is, which is a
// fast-forward. GitHub shows it as merged.
func (s *Server) ForwardByHand(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	base, err := s.db.Resolve("refs/heads/" + p.base)
	if err != nil {
		return err
	}
	return s.finish(p, base, p.head, s.users["di"])
}

// commitsOf are the commits of a pull request that its base has not, the oldest
// first.
func (s *Server) commitsOf(p *pull, base gitdb.OID) ([]gitdb.Commit, error) {
	mergeBase, err := s.db.MergeBase(base, p.head)
	if err != nil {
		return nil, err
	}
	var out []gitdb.Commit
	for at := p.head; at != mergeBase; {
		c, err := s.db.Commit(at)
		if err != nil {
			return nil, err
		}
		out = append([]gitdb.Commit{c}, out...)
		at = c.Parents[0]
	}
	return out, nil
}

// pick is the tree of a commit's change on another commit.
func (s *Server) pick(on gitdb.OID, c gitdb.Commit) (gitdb.OID, error) {
	var trees [2]gitdb.OID
	for i, oid := range []gitdb.OID{c.Parents[0], on} {
		at, err := s.db.Commit(oid)
		if err != nil {
			return "", err
		}
		trees[i] = at.Tree
	}
	tree, conflicts, err := s.db.Merge(trees[0], trees[1], c.Tree)
	if err == nil && len(conflicts) > 0 {
		err = errConflict
	}
	return tree, err
}

package githubtest

import (
	"errors"

	"github.com/assent-dev/assent/engine/gitdb"
)

// Advance points the branch of a pull request at a commit that descends from its
// head, as a push without force does. GitHub has no event for that.
func (s *Server) Advance(by string, n int, head string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	on, err := s.db.IsAncestor(p.head, gitdb.OID(head))
	if err != nil {
		return err
	}
	if !on {
		return errors.New("the push is no fast-forward")
	}
	return s.moveHead(by, p, gitdb.OID(head), false)
}

// OpenAt opens a pull request for a new branch at a commit.
func (s *Server) OpenAt(by, branch, title, head string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.db.MoveRef("refs/heads/"+branch, "", gitdb.OID(head)); err != nil {
		return 0, err
	}
	return s.opened(by, branch, title, gitdb.OID(head))
}

// Stack puts a commit with files on a commit, on no branch, as git does for
// somebody who prepares a push.
func (s *Server) Stack(on string, files map[string]string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oid, err := s.commit(gitdb.OID(on), files, "prepared\n", "ann")
	return string(oid), err
}

// Move makes the reviews of a pull request name its head, with no push.
func (s *Server) Move(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	for _, r := range p.reviews {
		r.Commit = p.head
	}
}

// EditReview changes what a review says, as its author can, and an administrator
// too. The API shows no trace of it.
func (s *Server) EditReview(n int, review int64, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.pull(n).reviews {
		if r.ID == review {
			r.Body = body
		}
	}
}

// PutRef points a reference at what a file of the content makes: a commit that
// holds it under a path, or its bare bytes without one. Without content it
// deletes the reference.
func (s *Server) PutRef(ref, path, content string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, err := s.db.Refs(ref)
	if err != nil {
		return err
	}
	old, to := gitdb.OID(""), gitdb.OID("")
	if len(was) > 0 {
		old = was[0].OID
	}
	switch {
	case content == "":
	case path == "":
		to, err = s.db.WriteBlob([]byte(content))
	default:
		to, err = s.commit("", map[string]string{path: content}, "put\n", "di")
	}
	if err != nil {
		return err
	}
	return s.db.MoveRef(ref, old, to)
}

// Ref is where a reference points; empty where there is none.
func (s *Server) Ref(ref string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.db.Refs(ref)
	if err != nil || len(at) == 0 {
		return ""
	}
	return string(at[0].OID)
}

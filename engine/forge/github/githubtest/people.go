package githubtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
)

// The methods below are what people do in a browser or with git.

// commitTo puts a commit with files on a reference. The lock is held, or nobody
// else is there yet.
func (s *Server) commitTo(ref string, on gitdb.OID, files map[string]string, message string) error {
	oid, err := s.commit(on, files, message, "ann")
	if err != nil {
		return err
	}
	was, err := s.db.Resolve(ref)
	if errors.Is(err, gitdb.ErrNotFound) {
		was, err = "", nil
	}
	if err != nil {
		return err
	}
	return s.db.MoveRef(ref, was, oid)
}

func (s *Server) commit(on gitdb.OID, files map[string]string, message, author string) (gitdb.OID, error) {
	return s.commitDated(on, files, message, author, s.tick())
}

func (s *Server) commitDated(on gitdb.OID, files map[string]string, message, author string, at time.Time) (gitdb.OID, error) {
	var edits []gitdb.Edit
	for path, content := range files {
		oid, err := s.db.WriteBlob([]byte(content))
		if err != nil {
			return "", err
		}
		edits = append(edits, gitdb.Edit{Path: path, OID: oid})
	}
	var tree gitdb.OID
	var parents []gitdb.OID
	if on != "" {
		c, err := s.db.Commit(on)
		if err != nil {
			return "", err
		}
		tree, parents = c.Tree, []gitdb.OID{on}
	}
	tree, err := s.db.WriteTree(tree, edits)
	if err != nil {
		return "", err
	}
	who := gitdb.Person{Name: author, Email: author + "@example.com", When: at}
	return s.db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: who, Committer: who, Message: message}, nil)
}

// nothing is what a branch was before it was made.
var nothing = gitdb.OID(strings.Repeat("0", 40))

func (s *Server) base() (gitdb.OID, error) { return s.db.Resolve("refs/heads/main") }

// Open pushes a branch with files and opens a pull request.
func (s *Server) Open(by, branch, title string, files map[string]string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	base, err := s.base()
	if err != nil {
		return 0, err
	}
	head, err := s.commit(base, files, title+"\n", by)
	if err != nil {
		return 0, err
	}
	if err := s.db.MoveRef("refs/heads/"+branch, "", head); err != nil {
		return 0, err
	}
	return s.opened(by, branch, title, head)
}

// opened opens a pull request for a branch that is there.
func (s *Server) opened(by, branch, title string, head gitdb.OID) (int, error) {
	p := &pull{
		number: len(s.pulls) + 1, title: title, headRef: branch, base: "main", author: s.users[by], open: true, head: head, created: s.tick(),
	}
	if err := s.db.MoveRef(fmt.Sprintf("refs/pull/%d/head", p.number), "", head); err != nil {
		return 0, err
	}
	s.pulls = append(s.pulls, p)
	s.activity = append(s.activity, activity{
		ID: s.id(), Ref: "refs/heads/" + branch, Actor: p.author, Before: nothing, After: head, Kind: "branch_creation", At: s.tick(),
	})
	return p.number, nil
}

func (s *Server) pull(n int) *pull {
	if n < 1 || n > len(s.pulls) {
		return nil
	}
	return s.pulls[n-1]
}

// Push adds a commit to the branch of a pull request, or with force puts it on
// main's tip in place of what was there. The commit says that ann made it,
// whoever pushes.
func (s *Server) Push(by string, n int, files map[string]string, force bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	on := p.head
	if force {
		var err error
		if on, err = s.base(); err != nil {
			return err
		}
	}
	head, err := s.commit(on, files, "more\n", "ann")
	if err != nil {
		return err
	}
	return s.moveHead(by, p, head, force)
}

// PushDated is Push of a commit that says it was made at another time.
func (s *Server) PushDated(by string, n int, files map[string]string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	head, err := s.commitDated(p.head, files, "more\n", "ann", at)
	if err != nil {
		return err
	}
	return s.moveHead(by, p, head, false)
}

// PutBack points the branch of a pull request at an earlier head, by force.
func (s *Server) PutBack(by string, n int, head string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moveHead(by, s.pull(n), gitdb.OID(head), true)
}

func (s *Server) moveHead(by string, p *pull, head gitdb.OID, force bool) error {
	for _, ref := range []string{"refs/heads/" + p.headRef, fmt.Sprintf("refs/pull/%d/head", p.number)} {
		if err := s.db.MoveRef(ref, p.head, head); err != nil {
			return err
		}
	}
	was := p.head
	p.head, p.was, p.lags = head, was, s.faults.Lag
	kind := "push"
	if force {
		kind = "force_push"
		p.events = append(p.events, event{ID: s.id(), Event: "head_ref_force_pushed", Actor: s.users[by], At: s.tick()})
	}
	s.activity = append(s.activity, activity{
		ID: s.id(), Ref: "refs/heads/" + p.headRef, Actor: s.users[by], Before: was, After: head, Kind: kind, At: s.tick(),
	})
	if s.faults.Reanchor {
		for _, r := range p.reviews {
			r.Commit = head
		}
	}
	return nil
}

// Review submits a review: APPROVE, REQUEST_CHANGES or COMMENT. commit is the
// head where empty.
func (s *Server) Review(by string, n int, what, body, commit string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	if !p.open {
		return 0, errors.New("the pull request is closed")
	}
	if what != "COMMENT" && p.author.Login == by {
		return 0, errors.New("422: nobody reviews their own pull request")
	}
	state, ok := map[string]string{"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}[what]
	if !ok {
		return 0, fmt.Errorf("422: no event %q", what)
	}
	r := &reviewed{ID: s.id(), User: s.users[by], State: state, Body: body, Commit: gitdb.OID(commit), Submitted: s.tick(), lags: s.faults.Lag}
	if commit == "" {
		r.Commit = p.head
	}
	p.reviews = append(p.reviews, r)
	p.asked = slices.DeleteFunc(p.asked, func(u User) bool { return u.Login == by }) // a review answers the request for it
	return r.ID, nil
}

// Dismiss dismisses a review.
func (s *Server) Dismiss(by string, n int, review int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	i := slices.IndexFunc(p.reviews, func(r *reviewed) bool { return r.ID == review })
	if i < 0 {
		return errors.New("404: no such review")
	}
	p.events = append(p.events, event{
		ID: s.id(), Event: "review_dismissed", Actor: s.users[by], At: s.tick(),
		Dismissed: &dismissed{review, strings.ToLower(p.reviews[i].State)},
	})
	p.reviews[i].State = "DISMISSED"
	return nil
}

// Shut closes a pull request, as somebody.
func (s *Server) Shut(by string, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	if p.open {
		p.open, p.closed = false, s.tick()
		p.events = append(p.events, event{ID: s.id(), Event: "closed", Actor: s.users[by], At: s.tick()})
	}
	return nil
}

// Retarget changes the base branch of a pull request, to a new one at main's tip
// where it does not exist.
func (s *Server) Retarget(by string, n int, base string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tip, err := s.base()
	if err != nil {
		return err
	}
	if _, err := s.db.Resolve("refs/heads/" + base); errors.Is(err, gitdb.ErrNotFound) {
		err = s.db.MoveRef("refs/heads/"+base, "", tip)
		if err != nil {
			return err
		}
	}
	p := s.pull(n)
	p.base = base
	p.events = append(p.events, event{ID: s.id(), Event: "base_ref_changed", Actor: s.users[by], At: s.tick()})
	return nil
}

// Commit pushes files straight to main.
func (s *Server) Commit(files map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	base, err := s.base()
	if err != nil {
		return err
	}
	return s.commitTo("refs/heads/main", base, files, "direct\n")
}

// Rewind moves main to a commit, by force.
func (s *Server) Rewind(to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	base, err := s.base()
	if err != nil {
		return err
	}
	return s.db.MoveRef("refs/heads/main", base, gitdb.OID(to))
}

// MergeByHand pushes a merge of a pull request to main that holds more files
// than the pull request. GitHub shows it as merged.
func (s *Server) MergeByHand(n int, more map[string]string) error { return s.byHand(n, more, true) }

// Published is every text of the engine's comment on a pull request.
func (s *Server) Published(n int, login string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.comments {
		if c.Issue == n && c.User.Login == login {
			out = append(out, c.Shown...)
		}
	}
	return out
}

// Base is the tip of main.
func (s *Server) Base() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oid, err := s.base()
	return string(oid), err
}

// File reads a file of main.
func (s *Server) File(path string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	base, err := s.base()
	if err != nil {
		return "", false
	}
	c, err := s.db.Commit(base)
	if err != nil {
		return "", false
	}
	e, ok, err := s.db.Find(c.Tree, path)
	if err != nil || !ok {
		return "", false
	}
	const most = 1 << 20
	data, err := s.db.Blob(e.OID, most)
	return string(data), err == nil
}

// Head is the head of a pull request.
func (s *Server) Head(n int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(n)
	if p == nil {
		return "", errors.New("404: no such pull request")
	}
	return string(p.head), nil
}

// Status puts a status on a commit, as anybody who may write can, with any words.
func (s *Server) Status(by, commit, state, context, words string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses[commit] = append(s.statuses[commit], status{s.id(), state, context, words, s.users[by], s.tick()})
	return nil
}

// Shown is the newest status of a context on a commit.
func (s *Server) Shown(commit, context string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range slices.Backward(s.statuses[commit]) {
		if st.Context == context {
			return st.State
		}
	}
	return ""
}

// Comments counts the comments on a pull request.
func (s *Server) Comments(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for _, c := range s.comments {
		if c.Issue == n {
			count++
		}
	}
	return count
}

package githubtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/assent-dev/assent/engine/gitdb"
)

// entry is a pull request in the merge queue.
type entry struct {
	n            int
	ref          string
	base, commit gitdb.OID
}

// Enqueue puts pull requests into the merge queue, one after the other: each gets
// a branch with a merge of its head into main, or into the one before it. more are
// files that the queue slips into the last one, as GitHub does not.
func (s *Server) Enqueue(more map[string]string, numbers ...int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	on, err := s.base()
	if err != nil {
		return err
	}
	if len(s.queue) > 0 {
		on = s.queue[len(s.queue)-1].commit
	}
	for i, n := range numbers {
		p := s.pull(n)
		if p == nil || !p.open {
			return fmt.Errorf("422: #%d is not open", n)
		}
		tree, err := s.mergeOnto(on, p.head)
		if err != nil {
			return err
		}
		extra := more
		if i < len(numbers)-1 {
			extra = nil
		}
		oid, err := s.mergeCommit(p, on, tree, extra, true)
		if err != nil {
			return err
		}
		e := entry{n, fmt.Sprintf("refs/heads/gh-readonly-queue/%s/pr-%d-%s", p.base, n, on), on, oid}
		if err := s.db.MoveRef(e.ref, "", oid); err != nil {
			return err
		}
		s.queue = append(s.queue, e)
		on = oid
	}
	return nil
}

// Queued are the commits of the queue, in its order.
func (s *Server) Queued() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, e := range s.queue {
		out = append(out, string(e.commit))
	}
	return out
}

// MergeQueue merges the whole queue as one push where each commit of it has a
// success of the context, newest word first; else it says which has not.
func (s *Server) MergeQueue(context string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.queue {
		list := slices.Clone(s.statuses[string(e.commit)])
		slices.Reverse(list)
		i := slices.IndexFunc(list, func(st status) bool { return st.Context == context })
		if i < 0 || list[i].State != "success" {
			return fmt.Errorf("the check of #%d in the queue has not passed", e.n)
		}
	}
	if len(s.queue) == 0 {
		return errors.New("the queue is empty")
	}
	base, err := s.base()
	if err != nil {
		return err
	}
	if s.queue[0].base != base {
		return errors.New("main has moved on")
	}
	if err := s.db.MoveRef("refs/heads/main", base, s.queue[len(s.queue)-1].commit); err != nil {
		return err
	}
	for _, e := range s.queue {
		s.merged(s.pull(e.n), e.commit, User{Login: "github-merge-queue[bot]", ID: 118344674, Type: "Bot"})
	}
	return s.dequeue()
}

// Dequeue sends everything back.
func (s *Server) Dequeue() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dequeue()
}

func (s *Server) dequeue() error {
	for _, e := range s.queue {
		if err := s.db.MoveRef(e.ref, e.commit, ""); err != nil {
			return err
		}
	}
	s.queue = nil
	return nil
}

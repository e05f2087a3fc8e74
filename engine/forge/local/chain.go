package local

import (
	"fmt"
	"slices"

	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// chain is the base branch along first parents, read as far back as needed.
type chain struct {
	db      *gitdb.DB
	next    gitdb.OID // the newest commit not read yet
	on      map[gitdb.OID]bool
	mergeOf map[gitdb.OID][]gitdb.Commit // merges by what they merged, newest first
}

func newChain(db *gitdb.DB, tip gitdb.OID) *chain {
	return &chain{db: db, next: tip, on: map[gitdb.OID]bool{}, mergeOf: map[gitdb.OID][]gitdb.Commit{}}
}

// reach reads back to a commit and reports whether it is on the chain.
func (c *chain) reach(oid gitdb.OID) (bool, error) {
	for !c.on[oid] && c.next != "" {
		commit, err := c.db.Commit(c.next)
		if err != nil {
			return false, incomplete("read base branch: %w", err)
		}
		c.on[commit.OID] = true
		c.next = ""
		if len(commit.Parents) > 0 {
			c.next = commit.Parents[0]
		}
		if len(commit.Parents) == 2 {
			c.mergeOf[commit.Parents[1]] = append(c.mergeOf[commit.Parents[1]], commit)
		}
	}
	return c.on[oid], nil
}

// standing is where a pull request is in its life.
type standing struct {
	state review.State
	head  string       // what is proposed, or what was merged
	merge gitdb.Commit // when merged
}

// standing decides from log and base branch:
//
//	our merge of one of its heads is on the base branch   merged, also when a
//	                                                      crash left out the event
//	a merged event, but its commit is not there           incomplete: base was rewritten
//	a canceled or closed event                            canceled, closed
//	else                                                  open, however its files got to base
func (l *Local) standing(h history, line *chain) (standing, error) {
	merge, ok, err := l.findMerge(h, line)
	if err != nil {
		return standing{}, err
	}
	if ok {
		return standing{review.StateMerged, string(merge.Parents[1]), merge}, nil
	}
	if e, ok := h.last(TypeMerged); ok {
		return standing{}, incomplete("pull request %s was merged as %s, which is not on %s any more", h.id, e.Merge, l.cfg.Branch)
	}
	state := review.StateOpen
	if e, ok := h.last(TypeCanceled, TypeClosed); ok {
		state = review.StateClosed
		if e.Type == TypeCanceled {
			state = review.StateCanceled
		}
	}
	return standing{state: state, head: h.head()}, nil
}

// findMerge looks on the base branch for a merge of the pull request that the
// engine signed. It can be no older than the base it was opened on.
func (l *Local) findMerge(h history, line *chain) (gitdb.Commit, bool, error) {
	if _, err := line.reach(gitdb.OID(h.events[0].Base)); err != nil {
		return gitdb.Commit{}, false, err
	}
	event, named := h.last(TypeMerged)
	for _, e := range h.events {
		if e.Type != TypeOpened && e.Type != TypePushed {
			continue
		}
		for _, c := range line.mergeOf[gitdb.OID(e.Head)] {
			if named && event.Merge != string(c.OID) {
				continue
			}
			if !slices.Equal(change.Trailers(c.Message, "pull-request"), []string{h.id}) {
				continue
			}
			if key, err := l.signer(c.OID); err == nil && l.believes(key) {
				return c, true, nil
			}
		}
	}
	return gitdb.Commit{}, false, nil
}

// tips reads the base tip, and the head tip of an open pull request, which an
// event must name.
func (l *Local) tips(h history) (base gitdb.OID, at standing, err error) {
	if base, err = l.baseTip(); err != nil {
		return "", standing{}, err
	}
	if at, err = l.standing(h, newChain(l.db, base)); err != nil || at.state != review.StateOpen {
		return base, at, err
	}
	head, err := l.db.Resolve(h.events[0].HeadRef)
	if err != nil {
		return "", standing{}, incomplete("head branch of pull request %s: %w", h.id, err)
	}
	if string(head) != at.head {
		return "", standing{}, incomplete("%s is at %s, but the last signed head is %s: whoever pushed runs `assent request push %s`", h.events[0].HeadRef, head, at.head, h.id)
	}
	return base, at, nil
}

func (s standing) open() error {
	if s.state == review.StateOpen {
		return nil
	}
	return fmt.Errorf("the pull request is %s", s.state)
}

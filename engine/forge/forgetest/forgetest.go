// Package forgetest is the contract that every forge keeps, as tests against a
// real one: what is read is complete and bound to what was reviewed, what is
// merged is what was wanted, and a crash after any write is healed by calling
// again. Who may approve is not a forge's business; that what it tells is enough
// to decide by is, so the scenarios with a number are decided by the built-in
// rules on top of it.
package forgetest

import (
	"context"
	"errors"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// Draft is a pull request that somebody opens.
type Draft struct {
	ID    string // a wish; the forge may name it otherwise
	Title string
	Files map[string]string
}

// Harness is one forge with an empty list of pull requests, a base branch that
// holds forms/standard.yaml, and four people: ann, bo, cy and di. Methods
// without an error fail the test themselves.
type Harness interface {
	// Forge is the engine, as a new process that remembers nothing.
	Forge() forge.Forge
	// Crashing is the same, but its process dies after its nth write, from 1:
	// that write happens, and every call ends in an error from then on.
	Crashing(n int) forge.Forge

	// Actor is how the forge names a person.
	Actor(name string) review.Actor
	Open(ctx context.Context, by string, d Draft) (id string, err error)
	Push(ctx context.Context, by, id string, files map[string]string) error
	Review(ctx context.Context, by, id string, verdict review.Verdict, body string) error
	Cancel(ctx context.Context, by, id, reason string) error

	// Published is every text that was shown on a pull request, oldest first.
	Published(id string) []string
	// Base is the tip of the base branch, File a file there, if it exists.
	Base() string
	File(path string) (content string, ok bool)

	// Commit pushes straight to the base branch.
	Commit(files map[string]string)
	// MergeByHand merges a pull request past the engine, with more files
	// slipped into the merge commit.
	MergeByHand(id string, more map[string]string)
	// Rewind moves the base branch back to a commit by force.
	Rewind(to string)

	// Cannot says what cannot happen on this forge, by the name of the interface
	// that would make it happen, and why, in a sentence.
	Cannot() map[string]string
}

// HandMerger is a forge where a merge that somebody else than the engine made
// counts, as long as it holds what merging makes and no more.
type HandMerger interface{ CountsMergesByHand() bool }

// Run holds a forge to the contract. open makes a new one for each scenario;
// scenarios run in parallel. What cannot happen on the forge is listed with why.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			if s.needs != nil && !s.needs.has(h) {
				if why := h.Cannot()[s.needs.name]; why != "" {
					t.Skipf("cannot happen on this forge: %s", why)
				}
				t.Fatalf("the harness has no %s and does not say why", s.needs.name)
			}
			s.play(t, &scene{Harness: h, t: t})
		})
	}
}

// scenario is one test of the contract.
type scenario struct {
	name  string
	play  func(*testing.T, *scene)
	needs *ability // nil where it can happen on every forge
}

// scenarios are the contract. Those with a number are known ways to get access
// that nobody agreed to.
func scenarios() []scenario {
	return []scenario{
		{"open pull request is read whole", readsWhole, nil},
		{"reading twice reads the same", readsSame, nil},
		{"push after approval shows that it is stale", pushAfter, nil},
		{"who pushed to somebody else's branch is a pusher", hijackPush, nil},
		{"reviews keep their order", flip, nil},
		{"denial after fifty-five comments is read", denyPageTwo, nil},
		{"hostile text comes back byte by byte", hostileText, nil},
		{"list is complete", listComplete, nil},
		{"list follows states", listStates, nil},
		{"unknown pull request is gone", gone, nil},
		{"retargeted pull request names its base", retarget, of[Retargeter]()},
		{"merge makes what was wanted", mergeMakes, nil},
		{"merge after head moved changes nothing", mergeRaceHead, nil},
		{"merge after base moved changes nothing", mergeRaceBase, nil},
		{"merge of another tree changes nothing", mergeOtherTree, nil},
		{"merging again answers with the same merge", mergeAgain, nil},
		{"twin pull requests conflict", twins, nil},
		{"pull requests side by side compose", sideBySide, nil},
		{"canceled is final", canceled, nil},
		{"closed is final", closed, nil},
		{"publishing the same again changes nothing", publishAgain, nil},
		{"merge past the engine is not a merge", adminBypass, nil},
		{"direct push is not a merge", directPush, nil},
		{"rewound base is no longer merged", rewind, nil},
		{"crash at any write of a merge is healed", crashMerge, nil},
		{"crash at any write of a publish is healed", crashPublish, nil},
		{"crash at any write of a close is healed", crashClose, nil},
		{"S01 two of two stewards approve", twoOfTwo, nil},
		{"S02 who benefits does not approve", selfProxy, nil},
		{"S03 who pushed does not approve", hijack, nil},
		{"S04 a push after the approval waits for a new one", approvedThenPushed, nil},
		{"S05 an approval that the forge moves does not count", reanchored, of[Reanchorer]()},
		{"S05 a new approval of the head that it moved to counts", reanchoredThenReviewed, of[Reanchorer]()},
		{"S06 a commit dated back is as new as any", backdated, of[Backdater]()},
		{"S07 there and back by a new commit", thereAndBack, nil},
		{"S07 the same content on a newer base", rebased, of[Replacer]()},
		{"S08 a review of an old commit does not count", oldCommit, of[LateReviewer]()},
		{"S09 a denial is final, a comment is nothing", flips, nil},
		{"S10 a dismissal revives nothing", dismissedRevivesNothing, of[Dismisser]()},
		{"S11 who asks dismisses no denial", dismissedByInterest, of[Dismisser]()},
		{"S12 a denial after fifty-five comments denies", deniedOnPageTwo, nil},
		{"S13, S15 stewards and quorum are those of the base", policyMoves, nil},
		{"S14 a request with the rules for it is not approved", policyInPullRequest, nil},
		{"S16 a retargeted pull request is not approved", retargetedIsPending, of[Retargeter]()},
		{"S19 what nobody decided is not approved by a merge", mergedUndecided, nil},
		{"S22 each way of merging gives the same", eachMethod, of[Methodical]()},
		{"S23 a forged status proves nothing", forgedStatus, of[StatusForger]()},
		{"S24 a login that changes hands is not the person", loginChangesHands, of[Renamer]()},
		{"S29 what shows late never approves", lagging, of[Laggard]()},
		{"S30 a throttled forge gives nothing away", throttled, of[Throttler]()},
		{"S33 words changed later stretch nothing", editedLater, of[Editor]()},
		{"A1, A6 neither strangers nor who asks approve", strangersApprove, nil},
	}
}

// scene is a harness whose steps are expected to work.
type scene struct {
	Harness
	t      *testing.T
	engine forge.Forge // the one that stays; nil where each call is a new process
}

// stay makes the engine one process that goes on, with what it remembers.
func (s *scene) stay() { s.engine = s.Harness.Forge() }

// Forge is the engine.
func (s *scene) Forge() forge.Forge {
	if s.engine != nil {
		return s.engine
	}
	return s.Harness.Forge()
}

// file is the request of most scenarios, in the folder of all of them.
const (
	requests = "requests/sales/"
	file     = requests + "one.yaml"
)

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// opened is ann's pull request with one file.
func (s *scene) opened() string {
	s.t.Helper()
	return s.openedWith("one", map[string]string{file: "role: read\n"})
}

func (s *scene) openedWith(id string, files map[string]string) string {
	s.t.Helper()
	id, err := s.Open(s.t.Context(), "ann", Draft{ID: id, Title: "access for ann", Files: files})
	s.must(err)
	return id
}

func (s *scene) push(by, id, content string) {
	s.t.Helper()
	s.must(s.Push(s.t.Context(), by, id, map[string]string{file: content}))
}

func (s *scene) review(by, id string, v review.Verdict, body string) {
	s.t.Helper()
	s.must(s.Review(s.t.Context(), by, id, v, body))
}

func (s *scene) observe(id string) review.Facts {
	s.t.Helper()
	facts, err := s.Forge().Observe(s.t.Context(), id)
	s.must(err)
	return facts
}

func (s *scene) merge(id string) forge.Merged {
	s.t.Helper()
	done, err := s.Forge().Merge(s.t.Context(), id, want(s.observe(id)))
	s.must(err)
	return done
}

func want(f review.Facts) forge.Want {
	return forge.Want{Base: f.Base, Head: f.Head, Tree: f.ResultTree}
}

// stale reports whether a review is visibly not of what the facts say.
func stale(r review.Review, f review.Facts) bool {
	if r.Signed != nil {
		return r.Signed.ChangeDigest != f.ChangeDigest
	}
	return r.FirstCommit != f.Head
}

// refuses checks that a merge fails with the error and moves nothing.
func (s *scene) refuses(id string, w forge.Want, sentinel error) {
	s.t.Helper()
	before := s.Base()
	if _, err := s.Forge().Merge(s.t.Context(), id, w); !errors.Is(err, sentinel) {
		s.t.Errorf("merge: %v, want %v", err, sentinel)
	}
	if s.Base() != before {
		s.t.Error("a refused merge moved the base branch")
	}
}

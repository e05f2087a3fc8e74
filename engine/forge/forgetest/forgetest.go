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
}

// HandMerger is a forge where a merge that somebody else than the engine made
// counts, as long as it holds what merging makes and no more.
type HandMerger interface{ CountsMergesByHand() bool }

// Retargeter is a forge that lets people change the base branch of a pull
// request.
type Retargeter interface {
	// Retarget makes another branch at the base branch's tip, and it the base.
	Retarget(ctx context.Context, by, id string) error
}

// Run holds a forge to the contract. open makes a new one for each scenario;
// scenarios run in parallel.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, s := range []struct {
		name string
		test func(*testing.T, *scene)
	}{
		{"open pull request is read whole", readsWhole},
		{"reading twice reads the same", readsSame},
		{"push after approval shows that it is stale", pushAfter},
		{"who pushed to somebody else's branch is a pusher", hijackPush},
		{"reviews keep their order", flip},
		{"denial after fifty-five comments is read", denyPageTwo},
		{"hostile text comes back byte by byte", hostileText},
		{"list is complete", listComplete},
		{"list follows states", listStates},
		{"unknown pull request is gone", gone},
		{"retargeted pull request names its base", retarget},
		{"merge makes what was wanted", mergeMakes},
		{"merge after head moved changes nothing", mergeRaceHead},
		{"merge after base moved changes nothing", mergeRaceBase},
		{"merge of another tree changes nothing", mergeOtherTree},
		{"merging again answers with the same merge", mergeAgain},
		{"twin pull requests conflict", twins},
		{"pull requests side by side compose", sideBySide},
		{"canceled is final", canceled},
		{"closed is final", closed},
		{"publishing the same again changes nothing", publishAgain},
		{"merge past the engine is not a merge", adminBypass},
		{"direct push is not a merge", directPush},
		{"rewound base is no longer merged", rewind},
		{"crash at any write of a merge is healed", crashMerge},
		{"crash at any write of a publish is healed", crashPublish},
		{"crash at any write of a close is healed", crashClose},
		{"S01 two of two stewards approve", twoOfTwo},
		{"S02 who benefits does not approve", selfProxy},
		{"S03 who pushed does not approve", hijack},
		{"S04 a push after the approval waits for a new one", approvedThenPushed},
		{"S07 there and back by a new commit", thereAndBack},
		{"S09 a denial is final, a comment is nothing", flips},
		{"S12 a denial after fifty-five comments denies", deniedOnPageTwo},
		{"S13, S15 stewards and quorum are those of the base", policyMoves},
		{"S14 a request with the rules for it is not approved", policyInPullRequest},
		{"S16 a retargeted pull request is not approved", retargetedIsPending},
		{"S19 what nobody decided is not approved by a merge", mergedUndecided},
		{"A1, A6 neither strangers nor who asks approve", strangersApprove},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.test(t, &scene{open(t), t})
		})
	}
}

// scene is a harness whose steps are expected to work.
type scene struct {
	Harness
	t *testing.T
}

const file = "requests/sales/one.yaml"

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

package github_test

import (
	"strconv"
	"testing"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
)

// A commit that was the head before, is left by force and comes back as an
// ordinary push: GitHub notes the force push alone, which is older than the
// approval of what was there in between.
func TestAHeadThatCameBackWithoutForceIsReviewedAnew(t *testing.T) {
	t.Parallel()
	for _, blind := range []bool{false, true} { // the activity of a private fork cannot be read
		cameBack(t, blind)
	}
}

func cameBack(t *testing.T, blind bool) {
	t.Helper()
	s := newStage(t)
	s.Misbehave(githubtest.Faults{NoActivity: blind})
	harmless := s.look().Head
	evil, err := s.Stack(harmless, map[string]string{"requests/one.yaml": "role: admin\n"})
	s.must(err)
	s.must(s.Advance("ann", s.n, evil))
	s.look() // the engine has seen it
	s.must(s.PutBack("ann", s.n, harmless))
	s.look()
	s.says("bo", "APPROVE")
	s.Misbehave(githubtest.Faults{Reanchor: true, NoActivity: blind})
	s.must(s.Advance("ann", s.n, evil))
	f := s.look()
	if f.Head != evil || f.Reviews[0].Commit != evil {
		t.Fatal("the attack was not played")
	}
	if counts(f, f.Reviews[0]) {
		t.Errorf("activity hidden %v: an approval of what was there before counts", blind)
	}
	s.says("bo", "APPROVE")
	if f := s.look(); !counts(f, f.Reviews[1]) {
		t.Errorf("a new review does not count: first seen %s, %+v", f.HeadFirstSeen, f.Reviews[1])
	}
}

// A status is of a commit: that it was seen in one pull request says nothing of
// when it came to another.
func TestAHeadThatWasSeenInAnotherPullRequestIsReviewedAnew(t *testing.T) {
	t.Parallel()
	for _, blind := range []bool{false, true} {
		seenElsewhere(t, blind)
	}
}

func seenElsewhere(t *testing.T, blind bool) {
	t.Helper()
	s := newStage(t)
	s.Misbehave(githubtest.Faults{NoActivity: blind})
	evil, err := s.Stack(s.look().Head, map[string]string{"requests/one.yaml": "role: admin\n"})
	s.must(err)
	other, err := s.OpenAt("ann", "other", "another", evil)
	s.must(err)
	here := s.n
	s.n = other
	s.look()
	s.n = here
	s.says("bo", "APPROVE")
	s.Misbehave(githubtest.Faults{Reanchor: true, NoActivity: blind})
	s.must(s.Advance("ann", s.n, evil))
	f := s.look()
	if f.Head != evil || f.Reviews[0].Commit != evil {
		t.Fatal("the attack was not played")
	}
	if counts(f, f.Reviews[0]) {
		t.Errorf("activity hidden %v: an approval of what was there before counts", blind)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

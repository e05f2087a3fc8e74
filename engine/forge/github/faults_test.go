package github_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/review"
)

// The API shows the old head for some reads after a push, while git has the new
// one: facts are of the new head, or there are none.
func TestALaggingHeadIsNeverTakenForTheNewOne(t *testing.T) {
	t.Parallel()
	for _, lag := range []int{1, 3, 9} {
		s := newStage(t)
		s.says("bo", "APPROVE")
		s.Misbehave(githubtest.Faults{Lag: lag})
		s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, false))
		head, err := s.Server.Head(s.n)
		s.must(err)
		tries := 0
		for {
			if tries++; tries > 20 {
				t.Fatalf("lag %d: never read", lag)
			}
			f, err := s.g.Observe(t.Context(), strconv.Itoa(s.n))
			if errors.Is(err, forge.ErrIncomplete) {
				continue
			}
			s.must(err)
			if f.Head != head || counts(f, f.Reviews[0]) {
				t.Errorf("lag %d: facts of %s, and an approval of another head counts: %v", lag, f.Head, counts(f, f.Reviews[0]))
			}
			break
		}
		if lag > 4 && tries == 1 {
			t.Errorf("lag %d: no read was incomplete", lag)
		}
	}
}

// A review that is not shown yet is missing, and counts once it is there.
func TestALaggingReviewIsReadLater(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Misbehave(githubtest.Faults{Lag: 2})
	s.says("bo", "APPROVE")
	for range 2 {
		if f := s.look(); len(f.Reviews) > 0 {
			s.t.Errorf("the fake did not lag: %+v", f.Reviews)
		}
	}
	if f := s.look(); len(f.Reviews) != 1 || !counts(f, f.Reviews[0]) {
		t.Errorf("read %+v", f.Reviews)
	}
}

// A repository that was renamed is read and written by its number.
func TestARenamedRepositoryGoesOn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.says("bo", "APPROVE")
	redirected := 0
	s.Misbehave(githubtest.Faults{Redirect: func(r *http.Request) string {
		to := s.Renamed(r)
		if to != "" {
			redirected++
		}
		return to
	}})
	f := s.look()
	s.must(s.g.Publish(t.Context(), strconv.Itoa(s.n), forge.Report{Head: f.Head, Markdown: "fine\n", Judgement: review.Judgement{Outcome: review.Approved, Reason: "bo agreed"}}))
	if _, err := s.g.Merge(t.Context(), strconv.Itoa(s.n), forge.Want{Base: f.Base, Head: f.Head, Tree: f.ResultTree}); err != nil {
		t.Error(err)
	}
	if redirected == 0 {
		t.Error("nothing was redirected")
	}
	if text, _ := s.File("requests/one.yaml"); text != "role: read\n" {
		t.Errorf("merged %q", text)
	}
}

// A redirect to another host is not followed: the token stays.
func TestARedirectElsewhereIsNotFollowed(t *testing.T) {
	t.Parallel()
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(elsewhere.Close)
	s := newStage(t)
	s.Misbehave(githubtest.Faults{Redirect: func(r *http.Request) string { return elsewhere.URL + r.URL.Path }})
	if _, err := s.g.Observe(t.Context(), strconv.Itoa(s.n)); !errors.Is(err, forge.ErrIncomplete) {
		t.Errorf("%v, want %v", err, forge.ErrIncomplete)
	}
	if asked != 0 {
		t.Errorf("the other host was asked %d times", asked)
	}
}

// A limit is told apart from a refusal, is asked about once, and over when it is.
func TestLimitsAreThrottled(t *testing.T) {
	t.Parallel()
	for what, limit := range map[string]githubtest.Limit{"primary": githubtest.PrimaryLimit, "secondary": githubtest.SecondaryLimit} {
		s := newStage(t)
		s.Misbehave(githubtest.Faults{Limited: limit})
		begin := time.Now()
		if _, err := s.g.Observe(t.Context(), strconv.Itoa(s.n)); !errors.Is(err, forge.ErrThrottled) || errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s: %v, want %v", what, err, forge.ErrThrottled)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: a limit was waited out for %s; others wait too", what, took)
		}
		s.Misbehave(githubtest.Faults{})
		g := s.open(s.config()) // the client of go-github waits by the clock on the wall
		if _, err := g.Observe(t.Context(), strconv.Itoa(s.n)); err != nil {
			t.Errorf("%s: after the limit: %v", what, err)
		}
	}
}

package github_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/review"
)

// counts reports whether a review is proven to be of the head, by the rules that
// package review has for forges without signed reviews.
func counts(f review.Facts, r review.Review) bool {
	return r.Commit == f.Head && r.FirstCommit == r.Commit && !f.HeadFirstSeen.IsZero() && r.SubmittedAt.After(f.HeadFirstSeen)
}

type stage struct {
	*harness
	g *github.GitHub
	n int
}

func newStage(t *testing.T) *stage {
	t.Helper()
	h := newHarness(t)
	n, err := h.Server.Open("ann", "request/one", "access for ann", map[string]string{"requests/one.yaml": "role: read\n"})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{h, h.open(h.config()), n}
	s.look()
	return s
}

func (s *stage) look() review.Facts {
	s.t.Helper()
	f, err := s.g.Observe(s.t.Context(), strconv.Itoa(s.n))
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *stage) says(by, what string) int64 {
	s.t.Helper()
	id, err := s.Server.Review(by, s.n, what, "", "")
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestAReviewOfTheHeadCounts(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.says("bo", "APPROVE")
	if f := s.look(); len(f.Reviews) != 1 || !counts(f, f.Reviews[0]) {
		t.Errorf("it does not count: first seen %s, %+v", f.HeadFirstSeen, f.Reviews)
	}
}

func TestAReviewBeforeTheHeadWasSeenDoesNotCount(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	n, err := h.Server.Open("ann", "request/one", "x", map[string]string{"requests/one.yaml": "role: read\n"})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{h, h.open(h.config()), n}
	s.says("bo", "APPROVE")
	if f := s.look(); counts(f, f.Reviews[0]) {
		t.Error("nobody knows what it is of, and it counts")
	}
}

// Attack 15: GitHub makes an old approval name the new head.
func TestAReviewThatGitHubMovedDoesNotCount(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		s := newStage(t)
		s.says("bo", "APPROVE")
		s.Misbehave(githubtest.Faults{Reanchor: true})
		s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, force))
		f := s.look()
		if f.Reviews[0].Commit != f.Head {
			t.Fatal("the fake did not move it")
		}
		if counts(f, f.Reviews[0]) {
			t.Errorf("force %v: the moved review counts", force)
		}
		s.says("bo", "APPROVE")
		if f := s.look(); !counts(f, f.Reviews[1]) {
			t.Errorf("force %v: a new review of the new head does not count", force)
		}
	}
}

// Attack 14: away from what was approved and back to it.
func TestAHeadThatCameBackIsReviewedAnew(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	was := s.look().Head
	s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, true))
	s.look()
	s.says("bo", "APPROVE")
	s.Misbehave(githubtest.Faults{Reanchor: true})
	s.must(s.PutBack("ann", s.n, was))
	if f := s.look(); f.Head != was || counts(f, f.Reviews[0]) {
		t.Errorf("an approval of another head counts for %s", f.Head)
	}
}

// Attack 16: a review that names an old commit, posted after the new one.
func TestAReviewOfAnOldCommitDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	old := s.look().Head
	s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, false))
	s.look()
	if _, err := s.Server.Review("bo", s.n, "APPROVE", "", old); err != nil {
		t.Fatal(err)
	}
	if f := s.look(); counts(f, f.Reviews[0]) {
		t.Error("a review of the old commit counts")
	}
}

// Attack 18: a dismissal keeps what was said, and who took it away.
func TestADismissedReviewKeepsWhatItSaid(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.says("bo", "APPROVE")
	denial := s.says("bo", "REQUEST_CHANGES")
	s.must(s.Server.Dismiss("ann", s.n, denial))
	f := s.look()
	if r := f.Reviews[1]; r.Verdict != review.Deny || r.DismissedBy == nil || r.DismissedBy.ID != "11" {
		t.Errorf("the denial became %+v", r)
	}
}

// Attack 38: anybody who may write can put our context on a commit.
func TestAForgedStatusProvesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	n, err := h.Server.Open("ann", "request/one", "x", map[string]string{"requests/one.yaml": "role: read\n"})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{h, h.open(h.config()), n}
	head, err := h.Server.Head(n)
	s.must(err)
	s.must(h.Server.Status("di", head, "success", "assent: main", "Assent has seen this commit in #1"))
	s.says("bo", "APPROVE")
	f := s.look()
	if counts(f, f.Reviews[0]) {
		t.Error("somebody else's status proves when the head was seen")
	}
	s.must(s.g.Publish(t.Context(), strconv.Itoa(n), forge.Report{Head: f.Head, Markdown: "waiting\n", Judgement: review.Judgement{Outcome: review.Pending, Reason: "waits"}}))
	if state := h.Server.Shown(head, "assent: main"); state != "pending" {
		t.Errorf("the status shows %q, want pending again", state)
	}
}

// Attack 3: the commit says that ann made it, and bo pushed it.
func TestWhoPushedIsWhatTheServerSaw(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.must(s.Server.Push("bo", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, false))
	var ids []string
	for _, p := range s.look().Pushers {
		ids = append(ids, p.ID)
	}
	if strings.Join(ids, " ") != "11 12" {
		t.Errorf("pushers %v, want ann and bo", ids)
	}
}

// Attack 48: pages that end early and say nothing of it.
func TestAPageThatEndsEarlyLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for range 6 {
		s.says("bo", "COMMENT")
	}
	s.says("cy", "REQUEST_CHANGES")
	s.Misbehave(githubtest.Faults{PageSize: 3})
	if f := s.look(); len(f.Reviews) != 7 || f.Reviews[6].Verdict != review.Deny {
		t.Errorf("read %d reviews of 7", len(f.Reviews))
	}
}

// Attack 53: another repository under the same name.
func TestAnotherRepositoryUnderTheNameIsRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	n, err := h.Server.Open("ann", "request/one", "x", map[string]string{"requests/one.yaml": "role: read\n"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := h.config()
	cfg.ID = 1
	g := h.open(cfg)
	_, observe := g.Observe(t.Context(), strconv.Itoa(n))
	_, list := g.List(t.Context(), "")
	for what, err := range map[string]error{"observe": observe, "list": list} {
		if !errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s: %v, want %v", what, err, forge.ErrForbidden)
		}
	}
}

// Attacks 47 and 49: what cannot be read is incomplete, forbidden or throttled,
// and never left out.
func TestErrorsStayTyped(t *testing.T) {
	t.Parallel()
	for part, wants := range map[string]map[int]error{
		"/reviews": {500: forge.ErrIncomplete, 429: forge.ErrThrottled, 403: forge.ErrForbidden, 404: forge.ErrGone},
		"/events":  {503: forge.ErrIncomplete},
		"activity": {404: forge.ErrGone, 403: forge.ErrForbidden},
		"/commits": {502: forge.ErrIncomplete},
		"statuses": {401: forge.ErrForbidden},
	} {
		for code, want := range wants {
			s := newStage(t)
			s.Misbehave(githubtest.Faults{Fail: func(r *http.Request) int {
				if strings.HasSuffix(r.URL.Path, part) {
					return code
				}
				return 0
			}})
			s.g = s.open(s.config()) // which knows nothing yet
			if _, err := s.g.Observe(t.Context(), strconv.Itoa(s.n)); !errors.Is(err, want) {
				t.Errorf("%s answers %d: %v, want %v", part, code, err, want)
			}
		}
	}
}

// Twenty pushes and their reports make one comment.
func TestOneCommentAfterTwentyPushes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i := range 20 {
		s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: r" + strconv.Itoa(i) + "\n"}, i%3 == 0))
		f := s.look()
		s.must(s.g.Publish(t.Context(), strconv.Itoa(s.n), forge.Report{Head: f.Head, Markdown: "report " + strconv.Itoa(i), Judgement: review.Judgement{Outcome: review.Pending}}))
	}
	if got := s.Comments(s.n); got != 1 {
		t.Errorf("%d comments, want 1", got)
	}
}

// An address or a name that is none is refused before anything is sent.
func TestConfigurationIsCheckedFirst(t *testing.T) {
	t.Parallel()
	good := github.Config{Owner: "acme", Name: "access", ID: 1, Now: time.Now}
	if _, err := github.New(good); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*github.Config){
		"no id":             func(c *github.Config) { c.ID = 0 },
		"http elsewhere":    func(c *github.Config) { c.API = "http://ghe.example.com/api/v3" },
		"no address":        func(c *github.Config) { c.API = "::" },
		"a path for a name": func(c *github.Config) { c.Name = "../other" },
	} {
		cfg := good
		change(&cfg)
		if _, err := github.New(cfg); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

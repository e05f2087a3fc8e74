package github_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/review"
)

// appKey is one for all tests: making it takes longer than most of them.
var appKey = sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

const appID, installation = 7001, 8001

// asApp makes the engine an App.
func (h *harness) asApp() *harness {
	h.t.Helper()
	h.AddApp(githubtest.App{ID: appID, Installation: installation, Slug: "assent", Bot: 9001, Key: &appKey().PublicKey})
	h.app = h.newApp(appKey(), h.Now)
	return h
}

func (h *harness) newApp(key *rsa.PrivateKey, now func() time.Time) *github.App {
	h.t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	app, err := github.NewApp(appID, installation, text, now)
	if err != nil {
		h.t.Fatal(err)
	}
	app.API, app.Repository = h.URL, githubtest.ID
	return app
}

// account is who the engine is.
func (h *harness) account() string {
	if h.app != nil {
		return "assent[bot]"
	}
	return "assent-engine"
}

func appStage(t *testing.T) *stage {
	t.Helper()
	h := newHarness(t).asApp()
	n, err := h.Server.Open("ann", "request/one", "access for ann", map[string]string{"requests/one.yaml": "role: read\n"})
	if err != nil {
		t.Fatal(err)
	}
	return &stage{h, h.open(h.config()), n}
}

// An installation's token is used for 55 minutes of the hour that it lasts.
func TestAnAppsTokenIsMadeAnewBeforeItEnds(t *testing.T) {
	t.Parallel()
	s := appStage(t)
	begin := s.Now()
	s.look()
	s.Wait(begin.Add(50 * time.Minute))
	s.look()
	if n := s.Tokens(); n != 1 {
		t.Errorf("%d tokens in 50 minutes, want 1", n)
	}
	for _, after := range []time.Duration{56 * time.Minute, 3 * time.Hour} {
		s.Wait(begin.Add(after))
		s.look()
	}
	if n := s.Tokens(); n != 3 {
		t.Errorf("%d tokens after three hours, want 3", n)
	}
}

// GitHub takes tokens back when the App's permissions change: that must not stop
// the engine until the token would have ended.
func TestAnAppsTokenThatWasTakenBackIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := appStage(t)
	s.look()
	s.EndTokens()
	if _, err := s.g.Observe(t.Context(), strconv.Itoa(s.n)); err != nil && !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("%v, want %v", err, forge.ErrForbidden)
	}
	s.look()
}

func TestAnAppThatGitHubDoesNotKnowIsForbidden(t *testing.T) {
	t.Parallel()
	s := appStage(t)
	for what, app := range map[string]*github.App{
		"another key":            s.newApp(newKey(), s.Now),
		"a clock an hour behind": s.newApp(appKey(), func() time.Time { return s.Now().Add(-time.Hour) }),
		"a clock an hour ahead":  s.newApp(appKey(), func() time.Time { return s.Now().Add(time.Hour) }),
	} {
		cfg := s.config()
		cfg.Tokens = app
		if _, err := s.open(cfg).Observe(t.Context(), strconv.Itoa(s.n)); !errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s: %v, want %v", what, err, forge.ErrForbidden)
		}
	}
	cfg := s.config()
	cfg.Tokens = s.newApp(appKey(), func() time.Time { return s.Now().Add(-50 * time.Second) })
	if _, err := s.open(cfg).Observe(t.Context(), strconv.Itoa(s.n)); err != nil {
		t.Errorf("a clock that is nearly right: %v", err)
	}
}

// Attack 38 with an App: another App's check of our name proves nothing, and what
// is shown is one check, brought up to date.
func TestAnotherAppsCheckProvesNothing(t *testing.T) {
	t.Parallel()
	s := appStage(t)
	head, err := s.Server.Head(s.n)
	s.must(err)
	cfg := s.config()
	cfg.Look, cfg.Engine = true, 9001
	cfg.Tokens = github.Personal(func() (string, error) { return "token-ann", nil })
	person := &stage{s.harness, s.open(cfg), s.n}
	s.AddApp(githubtest.App{ID: 7002, Installation: 8002, Slug: "other", Bot: 9002, Key: &appKey().PublicKey})
	s.must(s.ForeignCheck(7002, head, "assent: main", "success", "Assent has seen this commit in #"+strconv.Itoa(s.n)))
	s.says("bo", "APPROVE")
	if f := person.look(); !f.HeadFirstSeen.IsZero() {
		t.Errorf("another App's check proves to a person that the head was seen at %s", f.HeadFirstSeen)
	}
	if f := s.look(); counts(f, f.Reviews[0]) {
		t.Error("another App's check proves when the head was seen")
	}
	s.says("cy", "APPROVE")
	if f := s.look(); !counts(f, f.Reviews[1]) {
		t.Error("a review after the engine's own check does not count")
	}
	if f := person.look(); counts(f, f.Reviews[0]) || !counts(f, f.Reviews[1]) {
		t.Errorf("a person sees other reviews count than the engine: %+v", f.Reviews)
	}
	show := func(o review.Outcome, reason string) {
		t.Helper()
		s.must(s.g.Publish(t.Context(), strconv.Itoa(s.n), forge.Report{Head: head, Markdown: "report\n", Judgement: review.Judgement{Outcome: o, Reason: reason}}))
	}
	for _, c := range []struct {
		outcome     review.Outcome
		state, said string
	}{
		{review.Pending, "in_progress", "waits for cy"}, {review.Approved, "success", "cy agreed"}, {review.Pending, "in_progress", "a push"},
	} {
		show(c.outcome, c.said)
		if state, title, _ := s.Check(head, "assent: main"); state != c.state || title != c.said {
			t.Errorf("%s shows as %q: %q", c.outcome, state, title)
		}
	}
	if n := s.Checks(head); n != 2 {
		t.Errorf("%d checks, want the engine's and the other's", n)
	}
}

// Each outcome is shown as GitHub has it, as a status and as a check: waiting is
// no failure.
func TestEveryOutcomeIsShown(t *testing.T) {
	t.Parallel()
	plain, app := newStage(t), appStage(t)
	app.look()
	for _, c := range []struct {
		outcome       review.Outcome
		status, check string
	}{
		{review.Pending, "pending", "in_progress"},
		{review.Approved, "success", "success"},
		{review.TemporarilyApproved, "success", "success"},
		{review.Denied, "failure", "failure"},
		{review.Canceled, "error", "cancelled"},
	} {
		for _, s := range []*stage{plain, app} {
			head, err := s.Server.Head(s.n)
			s.must(err)
			s.must(s.g.Publish(t.Context(), strconv.Itoa(s.n), forge.Report{
				Head: head, Markdown: string(c.outcome) + "\n", Judgement: review.Judgement{Outcome: c.outcome, Reason: "because"},
			}))
			got, want := s.Shown(head, "assent: main"), c.status
			if s == app {
				want = c.check
				got, _, _ = s.Check(head, "assent: main")
			}
			if got != want {
				t.Errorf("%s shows as %q, want %q", c.outcome, got, want)
			}
		}
	}
}

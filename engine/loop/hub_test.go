package loop_test

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// hub is a world whose forge is GitHub, with an engine that comes and goes.
type hub struct {
	*world
	*githubtest.Server
	method github.Method
	said   map[int]int64 // the approval of each pull request
	skew   time.Duration // by which the engine's clock is ahead of GitHub's
}

// hubIDs are the accounts of people on GitHub.
var hubIDs = map[string]int64{"ana": 21, "ben": 22, "kim": 23, "lea": 24, "omar": 25, "raj": 26}

func newHub(t testing.TB) *hub {
	t.Helper()
	w := newWorldAt(t, begin, func(files map[string][]byte) {
		for who, id := range hubIDs {
			name := "directory/users/" + who + ".yaml"
			files[name] = bytes.Replace(files[name], []byte("  forge:\n"), fmt.Appendf(nil, "  forge:\n    github:\n      id: %d\n      login: %s\n", id, who), 1)
		}
		files["assent.yaml"] = bytes.Replace(files["assent.yaml"], []byte("forge: local"), []byte("forge: github\n  github:\n    repository: acme/access\n    id: 4711"), 1)
	})
	s, err := githubtest.Start(judge.Context(t), t.TempDir(), begin, nil)
	must(t, err)
	t.Cleanup(s.Close)
	s.Add(githubtest.User{ID: 99, Login: "assent-engine", Type: "User"}, "engine-token")
	for who, id := range hubIDs {
		s.Add(githubtest.User{ID: id, Login: who, Type: "User"}, "token-"+who)
	}
	h := &hub{world: w, Server: s}
	h.start()
	must(t, w.db.Push(t.Context(), h.adapter().Remote(), mainRef, "", w.tip(mainRef)))
	return h
}

func (h *hub) adapter() *github.GitHub {
	h.t.Helper()
	g, err := github.New(github.Config{
		Repo: repoID, Owner: githubtest.Owner, Name: githubtest.Repository, ID: githubtest.ID, API: h.URL, Git: h.GitURL(),
		Tokens: github.Personal(func() (string, error) { return "engine-token", nil }), DB: h.db, Now: h.engineNow, Method: h.method,
	})
	must(h.t, err)
	return g
}

// start is a new process: what was in memory is gone.
func (h *hub) start() {
	h.det = h.determiner(h.adapter())
	h.det.Now = h.engineNow
}

// engineNow is the engine's.
func (h *hub) engineNow() time.Time { return h.Now().Add(h.skew) }

// asks opens a pull request of ana's for a product.
func (h *hub) asks(name, product, duration string) int {
	h.t.Helper()
	n, err := h.Open("ana", "request/"+name, name, h.files(name, product, duration))
	must(h.t, err)
	return n
}

func (h *hub) files(name, product, duration string) map[string]string {
	return map[string]string{requestFile(name, product): string(h.request(name, "ana", product, duration))}
}

// looks determines one pull request, and fails on what went wrong.
func (h *hub) looks(n int) determine.Result {
	h.t.Helper()
	r, err := h.det.One(h.t.Context(), strconv.Itoa(n))
	must(h.t, err)
	return r
}

// says submits a review of the head.
func (h *hub) says(n int, who, what, body string) int64 {
	h.t.Helper()
	id, err := h.Review(who, n, what, body, "")
	must(h.t, err)
	return id
}

// follow brings main here.
func (h *hub) follow() {
	h.t.Helper()
	_, err := h.db.Follow(h.t.Context(), h.adapter().Remote(), mainRef)
	must(h.t, err)
}

// admitted checks that audit admits what was recorded of requests.
func (h *hub) admitted(names ...string) {
	h.t.Helper()
	h.follow()
	c := h.custody()
	for _, name := range names {
		if _, ok := c.Approvals[resource.Name(name)]; !ok {
			h.t.Errorf("%s is recorded as approved, and audit does not admit it: %s", name, codes(c.Findings))
		}
	}
}

func TestGitHubGrantsWhatWasApproved(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	n := h.asks("one", pipeline, "30d")
	if r := h.looks(n); r.Judgement.Outcome != review.Pending {
		t.Fatalf("%+v", r)
	}
	h.says(n, "kim", "APPROVE", "")
	if r := h.looks(n); !r.Judgement.Outcome.Grants() || r.Merged == "" {
		t.Fatalf("%+v", r.Judgement)
	}
	h.admitted("one")
}

// A server whose clock is off counts an approval at its next look all the same.
func TestASkewedClockHoldsNoApprovalUp(t *testing.T) {
	t.Parallel()
	const skew = 90 * time.Second
	for _, skew := range []time.Duration{-skew, skew} {
		h := newHub(t)
		h.skew = skew
		n := h.asks("one", pipeline, "30d")
		h.says(n, "kim", "APPROVE", "") // of what, nobody knows
		if r := h.looks(n); r.Judgement.Outcome != review.Pending || r.Merged != "" {
			t.Errorf("%s: granted by an approval that is older than what it is of: %+v", skew, r.Judgement)
		}
		h.says(n, "kim", "APPROVE", "")
		if r := h.looks(n); !r.Judgement.Outcome.Grants() || r.Merged == "" {
			t.Errorf("%s: %+v", skew, r.Judgement)
		}
		h.admitted("one")
	}
}

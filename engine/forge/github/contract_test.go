package github_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/forgetest"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

func TestContract(t *testing.T) {
	forgetest.Run(t, func(t *testing.T) forgetest.Harness { return newHarness(t) })
}

// TestContractAsApp is the same with a GitHub App, which proves and shows by
// check runs.
func TestContractAsApp(t *testing.T) {
	forgetest.Run(t, func(t *testing.T) forgetest.Harness { return newHarness(t).asApp() })
}

// harness is the fake GitHub with the people of the contract.
type harness struct {
	*githubtest.Server
	t     *testing.T
	begun bool
	app   *github.App // nil where the engine has a personal token
	// renamed are the logins of those whose account is not called as they are.
	renamed map[string]string
}

const engineToken = "engine-token"

var ids = map[string]int64{"ann": 11, "bo": 12, "cy": 13, "di": 14}

func newHarness(t *testing.T) *harness {
	t.Helper()
	s, err := githubtest.Start(judge.Context(t), t.TempDir(), time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), map[string]string{"forms/standard.yaml": "a: 1\n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for name, id := range ids {
		s.Add(githubtest.User{ID: id, Login: name, Type: "User"}, "token-"+name)
	}
	s.Add(githubtest.User{ID: 99, Login: "assent-engine", Type: "User"}, engineToken)
	return &harness{Server: s, t: t}
}

func (h *harness) config() github.Config {
	db, err := gitdb.Init(h.t.TempDir(), "main", true)
	if err != nil {
		h.t.Fatal(err)
	}
	cfg := github.Config{
		Repo: "r-1", Owner: githubtest.Owner, Name: githubtest.Repository, ID: githubtest.ID, API: h.URL, Git: h.GitURL(),
		Tokens: github.Personal(func() (string, error) { return engineToken, nil }), DB: db, Now: h.Now,
	}
	if h.app != nil {
		cfg.Tokens = h.app
	}
	return cfg
}

func (h *harness) open(cfg github.Config) *github.GitHub {
	h.t.Helper()
	g, err := github.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func (h *harness) Forge() forge.Forge { return h.open(h.config()) }

var errDied = errors.New("process died")

// Crashing is an engine whose process dies when the answer to its nth write is
// on the way.
func (h *harness) Crashing(n int) forge.Forge {
	cfg := h.config()
	cfg.Transport = &mortal{left: n}
	return h.open(cfg)
}

type mortal struct {
	left int
	dead bool
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.dead {
		return nil, errDied
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method != http.MethodGet && resp.StatusCode < http.StatusBadRequest {
		if m.left--; m.left == 0 {
			m.dead = true
			return nil, errors.Join(errDied, resp.Body.Close())
		}
	}
	return resp, err
}

// CountsMergesByHand says that people may merge on GitHub.
func (h *harness) CountsMergesByHand() bool { return true }

func (h *harness) Actor(name string) review.Actor {
	return review.Actor{Forge: github.Name, ID: strconv.FormatInt(ids[name], 10), Login: name}
}

func (h *harness) Open(ctx context.Context, by string, d forgetest.Draft) (string, error) {
	n, err := h.Server.Open(by, "request/"+d.ID, d.Title, d.Files)
	if err == nil && !h.begun { // an engine is there before the first review
		h.begun = true
		_, err = h.Forge().Observe(ctx, strconv.Itoa(n))
	}
	return strconv.Itoa(n), err
}

func (h *harness) number(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *harness) Push(_ context.Context, by, id string, files map[string]string) error {
	return h.Server.Push(by, h.number(id), files, false)
}

func (h *harness) Review(_ context.Context, by, id string, v review.Verdict, body string) error {
	_, err := h.Server.Review(h.login(by), h.number(id), events[v], body, "")
	return err
}

func (h *harness) Cancel(_ context.Context, by, id, _ string) error {
	if by != "ann" {
		return fmt.Errorf("%s may not close it", by)
	}
	return h.Shut(by, h.number(id))
}

func (h *harness) Published(id string) []string {
	var out []string
	for _, body := range h.Server.Published(h.number(id), h.account()) {
		_, text, _ := strings.Cut(body, "-->\n")
		out = append(out, text)
	}
	return out
}

func (h *harness) Base() string {
	h.t.Helper()
	base, err := h.Server.Base()
	if err != nil {
		h.t.Fatal(err)
	}
	return base
}

func (h *harness) Commit(files map[string]string) {
	h.t.Helper()
	if err := h.Server.Commit(files); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) MergeByHand(id string, more map[string]string) {
	h.t.Helper()
	if err := h.Server.MergeByHand(h.number(id), more); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) Rewind(to string) {
	h.t.Helper()
	if err := h.Server.Rewind(to); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) Retarget(_ context.Context, by, id string) error {
	return h.Server.Retarget(by, h.number(id), "playground")
}

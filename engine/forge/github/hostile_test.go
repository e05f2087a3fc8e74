package github_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/forgetest"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/review"
)

func TestContractIsWhole(t *testing.T) { forgetest.Whole(t, (*harness)(nil)) }

// Cannot is empty: all of it happens on GitHub.
func (h *harness) Cannot() map[string]string { return map[string]string{} }

func (h *harness) Replace(_ context.Context, by, id string, files map[string]string) error {
	return h.Server.Push(by, h.number(id), files, true)
}

func (h *harness) PushDated(_ context.Context, by, id string, files map[string]string, at time.Time) error {
	return h.Server.PushDated(by, h.number(id), files, at)
}

func (h *harness) Reanchor(_ context.Context, id string) error {
	h.Move(h.number(id))
	return nil
}

func (h *harness) ReviewOf(_ context.Context, by, id, head string, v review.Verdict, body string) error {
	_, err := h.Server.Review(h.login(by), h.number(id), events[v], body, head)
	return err
}

func (h *harness) Dismiss(_ context.Context, by, id, r string) error {
	return h.Server.Dismiss(by, h.number(id), int64(h.number(r)))
}

func (h *harness) EditReview(_ context.Context, _, id, r, body string) error {
	h.Server.EditReview(h.number(id), int64(h.number(r)), body)
	return nil
}

const (
	statusName = "assent: main"
	otherApp   = 666
)

// ForgeStatus sets a status and, where the engine is an App, a check of another
// App, as whoever may write there can.
func (h *harness) ForgeStatus(_ context.Context, by, id string) error {
	head, err := h.Head(h.number(id))
	if err != nil {
		return err
	}
	words := "Assent has seen this commit in #" + id // as the engine says it
	if h.app != nil {
		h.AddApp(githubtest.App{ID: otherApp, Installation: otherApp, Slug: "other", Bot: otherApp, Key: &appKey().PublicKey})
		if err := h.ForeignCheck(otherApp, head, statusName, "success", words); err != nil {
			return err
		}
	}
	return h.Server.Status(by, head, "success", statusName, words)
}

// Status is the newest status. Of checks, those of each App are shown.
func (h *harness) Status(id string) string {
	h.t.Helper()
	head, err := h.Head(h.number(id))
	if err != nil {
		h.t.Fatal(err)
	}
	if h.app == nil {
		return h.Shown(head, statusName)
	}
	state := h.CheckOf(appID, head, statusName)
	return strings.Replace(state, "in_progress", "pending", 1)
}

// login is the account that somebody has by now.
func (h *harness) login(name string) string {
	if now, ok := h.renamed[name]; ok {
		return now
	}
	return name
}

func (h *harness) GiveAway(_ context.Context, name, stranger string) error {
	h.Rename(name, name+"-2")
	h.Add(githubtest.User{ID: 66, Login: name, Type: "User"}, "token-"+stranger)
	h.renamed = map[string]string{name: name + "-2", stranger: name}
	return nil
}

func (h *harness) Lag(reads int) { h.Misbehave(githubtest.Faults{Lag: reads}) }

func (h *harness) Throttle(on bool) {
	h.Misbehave(githubtest.Faults{Limited: map[bool]githubtest.Limit{true: githubtest.SecondaryLimit}[on]})
}

func (h *harness) Methods() []string {
	return []string{string(github.MergeCommit), string(github.Squash), string(github.Rebase)}
}

func (h *harness) ForgeBy(method string) forge.Forge {
	cfg := h.config()
	cfg.Method = github.Method(method)
	return h.open(cfg)
}

var events = map[review.Verdict]string{review.Approve: "APPROVE", review.Deny: "REQUEST_CHANGES", review.Comment: "COMMENT"}

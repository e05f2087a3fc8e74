package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// The methods below are for a person at a keyboard, with a token of his own.

// Me is whose token it is.
func (g *Gitea) Me(ctx context.Context) (review.Actor, error) {
	var me user
	if err := g.client.get(ctx, "user", &me); err != nil {
		return review.Actor{}, fmt.Errorf("find whose token it is: %w", err)
	}
	return me.actor(), nil
}

// Open pushes a branch with one commit on the base branch, and opens a pull
// request for it. A branch of that name is forge.ErrMoved.
func (g *Gitea) Open(ctx context.Context, d change.Draft) (forge.PullRequest, error) {
	pr, err := g.open(ctx, d)
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("open pull request: %w", err)
	}
	return pr, nil
}

func (g *Gitea) open(ctx context.Context, d change.Draft) (forge.PullRequest, error) {
	at, err := g.refs(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	head, err := d.Push(ctx, g.cfg.DB, g.remote, at[g.baseRef()])
	if err != nil {
		return forge.PullRequest{}, err
	}
	return g.openPushed(ctx, d, head)
}

// openPushed opens the pull request of a draft whose branch is there.
func (g *Gitea) openPushed(ctx context.Context, d change.Draft, head gitdb.OID) (forge.PullRequest, error) {
	var pr pull
	err := g.client.send(ctx, http.MethodPost, g.repo("pulls"), map[string]string{
		"title": forge.OneLine(d.Title), "head": d.Branch, "base": g.cfg.Branch, "body": d.Body,
	}, &pr)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return forge.PullRequest{ID: strconv.Itoa(pr.Number), Title: pr.Title, HeadRef: d.Branch, Head: string(head), State: review.StateOpen}, nil
}

// Review submits a review of the head that the forge shows now.
func (g *Gitea) Review(ctx context.Context, id string, v review.Verdict, body string) (review.Review, error) {
	n, err := forge.Number(id)
	if err != nil {
		return review.Review{}, fmt.Errorf("review: %w", err)
	}
	pr, err := g.pull(ctx, n)
	if err != nil {
		return review.Review{}, fmt.Errorf("review pull request %d: %w", n, err)
	}
	event := ""
	for word, verdict := range verdicts() {
		if verdict == v {
			event = word
		}
	}
	var r pullReview
	err = g.client.send(ctx, http.MethodPost, g.repo("pulls", n, "reviews"), map[string]string{
		"commit_id": pr.Head.SHA, "event": event, "body": body,
	}, &r)
	if refused := (*refusal)(nil); errors.As(err, &refused) && refused.Status == http.StatusUnprocessableEntity {
		return review.Review{}, fmt.Errorf("review pull request %d: %w: %w", n, forge.ErrForbidden, err)
	}
	if err != nil {
		return review.Review{}, fmt.Errorf("review pull request %d: %w", n, err)
	}
	return review.Review{
		ID: strconv.FormatInt(r.ID, 10), Actor: r.User.actor(), Verdict: v, Body: r.Body, Commit: r.Commit, SubmittedAt: r.Begun.UTC(),
	}, nil
}

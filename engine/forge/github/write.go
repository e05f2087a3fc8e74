package github

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// The methods below are for a person at a keyboard, with a token of his own.

// Me is whose token it is.
func (g *GitHub) Me(ctx context.Context) (review.Actor, error) {
	u, _, err := g.client.Users.Get(ctx, "")
	if err != nil {
		return review.Actor{}, apiErr("find whose token it is", err)
	}
	return actor(u), nil
}

// Open pushes a branch with one commit on the base branch, and opens a pull
// request for it. A branch of that name is forge.ErrMoved.
func (g *GitHub) Open(ctx context.Context, d change.Draft) (forge.PullRequest, error) {
	pr, err := g.openPull(ctx, d)
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("open pull request: %w", err)
	}
	return pr, nil
}

func (g *GitHub) openPull(ctx context.Context, d change.Draft) (forge.PullRequest, error) {
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
func (g *GitHub) openPushed(ctx context.Context, d change.Draft, head gitdb.OID) (forge.PullRequest, error) {
	pr, _, err := g.client.PullRequests.Create(ctx, g.cfg.Owner, g.cfg.Name, &gh.NewPullRequest{
		Title: gh.String(forge.OneLine(d.Title)), Head: gh.String(d.Branch), Base: gh.String(g.cfg.Branch), Body: gh.String(d.Body),
	})
	if err != nil {
		return forge.PullRequest{}, apiErr("open", err)
	}
	return forge.PullRequest{
		ID: strconv.Itoa(pr.GetNumber()), Title: pr.GetTitle(), HeadRef: d.Branch, Head: string(head), State: review.StateOpen,
	}, nil
}

// Review submits a review of the head that the forge shows now.
func (g *GitHub) Review(ctx context.Context, id string, v review.Verdict, body string) (review.Review, error) {
	n, err := forge.Number(id)
	if err != nil {
		return review.Review{}, err
	}
	pr, err := g.pull(ctx, n)
	if err != nil {
		return review.Review{}, fmt.Errorf("review pull request %s: %w", id, err)
	}
	event := map[review.Verdict]string{review.Approve: "APPROVE", review.Deny: "REQUEST_CHANGES", review.Comment: "COMMENT"}[v]
	r, resp, err := g.client.PullRequests.CreateReview(ctx, g.cfg.Owner, g.cfg.Name, n, &gh.PullRequestReviewRequest{
		CommitID: gh.String(pr.GetHead().GetSHA()), Event: gh.String(event), Body: gh.String(body),
	})
	if resp != nil && resp.StatusCode == http.StatusUnprocessableEntity {
		return review.Review{}, fmt.Errorf("review pull request %s: %w: GitHub refuses the review: %w", id, forge.ErrForbidden, err)
	}
	if err != nil {
		return review.Review{}, apiErr("review pull request "+id, err)
	}
	return review.Review{
		ID: strconv.FormatInt(r.GetID(), 10), Actor: actor(r.User), Verdict: v, Body: r.GetBody(), Commit: r.GetCommitID(), SubmittedAt: r.GetSubmittedAt().UTC(),
	}, nil
}

// Link is where people see a pull request.
func (g *GitHub) Link(id string) string {
	return strings.TrimSuffix(g.cfg.Git, ".git") + "/pull/" + id
}

package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// List implements forge.Forge.
func (g *GitHub) List(ctx context.Context, state review.State) ([]forge.PullRequest, error) {
	query := "all"
	switch state {
	case review.StateOpen:
		query = "open"
	case review.StateMerged, review.StateClosed, review.StateCanceled:
		query = "closed"
	}
	list, err := all("list pull requests", func(o gh.ListOptions) ([]*gh.PullRequest, *gh.Response, error) {
		return g.client.PullRequests.List(ctx, g.cfg.Owner, g.cfg.Name, &gh.PullRequestListOptions{
			State: query, Base: g.cfg.Branch, Sort: "created", Direction: "asc", ListOptions: o,
		})
	})
	if err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	var open []*gh.PullRequest
	for _, pr := range list {
		if got := pr.GetBase().GetRepo().GetID(); got != g.cfg.ID {
			return nil, fmt.Errorf("list pull requests: %w: the repository is %d now, not %d", forge.ErrForbidden, got, g.cfg.ID)
		}
		one := forge.PullRequest{
			ID: strconv.Itoa(pr.GetNumber()), Title: pr.GetTitle(), HeadRef: pr.GetHead().GetRef(), Head: pr.GetHead().GetSHA(),
		}
		if at := pr.GetUpdatedAt(); !at.IsZero() {
			one.Version = at.UTC().Format(time.RFC3339) + " " + one.Head
		}
		pr.Merged = gh.Bool(pr.MergedAt != nil) // a list leaves the flag out
		if state == review.StateMerged && !pr.GetMerged() {
			continue // who closed it costs a request
		}
		if one.State, err = g.listed(ctx, pr, state); err != nil {
			return nil, err
		}
		if one.State == review.StateOpen {
			open = append(open, pr)
		}
		if state == "" || one.State == state {
			out = append(out, one)
		}
	}
	g.ahead(ctx, open)
	slices.SortFunc(out, func(a, b forge.PullRequest) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b forge.PullRequest) bool { return a.ID == b.ID }), nil
}

// listed is the state of a pull request of a list; who closed it is asked for
// where the list is to tell those apart.
func (g *GitHub) listed(ctx context.Context, pr *gh.PullRequest, want review.State) (review.State, error) {
	if pr.GetState() == "open" || pr.GetMerged() || want == "" {
		return g.state(pr, nil), nil
	}
	events, err := g.events(ctx, pr.GetNumber())
	return g.state(pr, events), err
}

// Merge implements forge.Forge. GitHub guards the head and not the base: where
// another merge came in between, the answer names the parent that it really has,
// and whoever asked judges that.
func (g *GitHub) Merge(ctx context.Context, id string, want forge.Want) (forge.Merged, error) {
	n, err := forge.Number(id)
	if err != nil {
		return forge.Merged{}, err
	}
	done, err := g.merge(ctx, n, want)
	if err != nil {
		return forge.Merged{}, fmt.Errorf("merge pull request %s: %w", id, err)
	}
	return done, nil
}

func (g *GitHub) merge(ctx context.Context, n int, want forge.Want) (forge.Merged, error) {
	pr, err := g.pull(ctx, n)
	if err != nil {
		return forge.Merged{}, err
	}
	if pr.GetMerged() {
		return g.mergedAs(ctx, pr, want)
	}
	if err := g.asWanted(ctx, pr, want); err != nil {
		return forge.Merged{}, err
	}
	method := g.cfg.Method
	if method == MergeQueue {
		return forge.Merged{}, forge.ErrQueued
	}
	if method == Rebase && pr.GetCommits() > 1 {
		method = Squash // each commit of main has to be a merge that was judged
	}
	result, resp, err := g.client.PullRequests.Merge(ctx, g.cfg.Owner, g.cfg.Name, n, "", &gh.PullRequestOptions{
		SHA: want.Head, MergeMethod: string(method), CommitTitle: fmt.Sprintf("Merge pull request #%d: %s", n, forge.OneLine(pr.GetTitle())),
	})
	if resp != nil && (resp.StatusCode == http.StatusMethodNotAllowed || resp.StatusCode == http.StatusUnprocessableEntity) {
		return forge.Merged{}, fmt.Errorf("%w: GitHub does not merge it now: %w", forge.ErrMoved, err)
	}
	if err != nil {
		return forge.Merged{}, apiErr("merge", err)
	}
	if !result.GetMerged() {
		return forge.Merged{}, fmt.Errorf("%w: GitHub did not merge it: %s", forge.ErrMoved, forge.OneLine(result.GetMessage()))
	}
	if pr, err = g.pull(ctx, n); err != nil {
		return forge.Merged{}, err
	}
	return g.mergedAs(ctx, pr, want)
}

// asWanted checks base, head and result right before the merge.
func (g *GitHub) asWanted(ctx context.Context, pr *gh.PullRequest, want forge.Want) error {
	at, err := g.refs(ctx, pr.GetNumber())
	if err != nil {
		return err
	}
	switch {
	case pr.GetState() != "open":
		return fmt.Errorf("%w: it is closed", forge.ErrMoved)
	case pr.GetBase().GetRef() != g.cfg.Branch:
		return fmt.Errorf("%w: its base is %s", forge.ErrMoved, pr.GetBase().GetRef())
	case pr.GetHead().GetSHA() != want.Head:
		return fmt.Errorf("%w: head is at %s", forge.ErrMoved, pr.GetHead().GetSHA())
	}
	return change.AsWanted(g.cfg.DB, g.cfg.Repo, at[g.baseRef()], at[headRef(pr.GetNumber())], want)
}

// mergedAs is the merge that GitHub made, read from git.
func (g *GitHub) mergedAs(ctx context.Context, pr *gh.PullRequest, want forge.Want) (forge.Merged, error) {
	if pr.GetHead().GetSHA() != want.Head {
		return forge.Merged{}, fmt.Errorf("%w: it was merged at %s", forge.ErrMoved, pr.GetHead().GetSHA())
	}
	at, err := g.refs(ctx, pr.GetNumber())
	if err != nil {
		return forge.Merged{}, err
	}
	merge := gitdb.OID(pr.GetMergeCommitSHA())
	if _, err := change.Parent(g.cfg.DB, merge, at[g.baseRef()]); err != nil {
		if errors.Is(err, change.ErrNotYet) {
			err = fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
		}
		return forge.Merged{}, err
	}
	return change.Merged(g.cfg.DB, g.cfg.Repo, merge, gitdb.OID(want.Head))
}

// Close implements forge.Forge. The reason stands in the comment that was
// published before.
func (g *GitHub) Close(ctx context.Context, id, _ string) error {
	n, err := forge.Number(id)
	if err != nil {
		return err
	}
	pr, err := g.pull(ctx, n)
	switch {
	case err != nil:
	case pr.GetMerged():
		err = fmt.Errorf("%w: the pull request is merged", forge.ErrMoved)
	case pr.GetState() == "open":
		_, _, err = g.client.PullRequests.Edit(ctx, g.cfg.Owner, g.cfg.Name, n, &gh.PullRequest{State: gh.String("closed")})
		err = apiErr("close", err)
	}
	if err != nil {
		return fmt.Errorf("close pull request %s: %w", id, err)
	}
	return nil
}

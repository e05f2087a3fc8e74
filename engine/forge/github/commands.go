package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/review"
)

var _ forge.Listener = (*GitHub)(nil)

// Commands implements forge.Listener. What was answered is told by the engine's
// own reaction, so nothing else has to remember it.
func (g *GitHub) Commands(ctx context.Context, id string) ([]forge.Comment, error) {
	n, err := forge.Number(id)
	if err != nil {
		return nil, err
	}
	if s, now := g.seenNow(n); now && s.quiet || g.saysNothing(n) {
		return nil, nil
	}
	me, err := g.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	list, err := g.comments(ctx, n)
	if err != nil {
		return nil, err
	}
	var out []forge.Comment
	looked := 0
	for _, c := range slices.Backward(list) {
		if !strings.HasPrefix(c.GetBody(), "/") || c.GetUser().GetType() != "User" || c.GetUser().GetID() == me.userID {
			continue
		}
		if looked++; looked > forge.MaxCommands {
			break
		}
		if !c.GetUpdatedAt().Equal(c.GetCreatedAt()) {
			continue // nobody knows who wrote it so
		}
		answered, err := g.answered(ctx, me, c)
		if err != nil {
			return nil, err
		}
		if !answered {
			out = append(out, forge.Comment{ID: strconv.FormatInt(c.GetID(), 10), Actor: actor(c.GetUser()), Body: c.GetBody(), At: c.GetCreatedAt().UTC()})
		}
	}
	if len(out) == 0 {
		g.mu.Lock()
		g.silent[n] = true
		g.mu.Unlock()
	}
	slices.Reverse(out)
	return out, nil
}

// saysNothing reports whether no command waited when the comments were read last,
// and nothing has changed since: a new comment is news of its pull request.
func (g *GitHub) saysNothing(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calm[n] && g.silent[n]
}

// answered reports whether the engine reacted to a comment. Anybody else's
// reaction is no answer.
func (g *GitHub) answered(ctx context.Context, me identity, c *gh.IssueComment) (bool, error) {
	if c.Reactions != nil && c.Reactions.GetTotalCount() == 0 {
		return false, nil
	}
	list, err := all("read reactions", func(o gh.ListOptions) ([]*gh.Reaction, *gh.Response, error) {
		return g.client.Reactions.ListIssueCommentReactions(ctx, g.cfg.Owner, g.cfg.Name, c.GetID(), &o)
	})
	return slices.ContainsFunc(list, func(r *gh.Reaction) bool {
		return r.GetUser().GetID() == me.userID && (r.GetContent() == forge.ReactFollowed || r.GetContent() == forge.ReactNotFollowed)
	}), err
}

// Answer implements forge.Listener.
func (g *GitHub) Answer(ctx context.Context, id, comment string, done bool) error {
	n, err := strconv.ParseInt(comment, 10, 64)
	if err != nil {
		return fmt.Errorf("answer comment %q of pull request %s: %w", comment, id, forge.ErrGone)
	}
	content := forge.ReactNotFollowed
	if done {
		content = forge.ReactFollowed
	}
	if _, _, err := g.client.Reactions.CreateIssueCommentReaction(ctx, g.cfg.Owner, g.cfg.Name, n, content); err != nil {
		return apiErr("answer a comment of pull request "+id, err)
	}
	return nil
}

// OpenOnce is Open for a pull request that may be there already, whole or in part:
// then it is the one that is there. A branch that holds something else is
// forge.ErrForbidden, because anybody who may write can have made it.
func (g *GitHub) OpenOnce(ctx context.Context, d change.Draft) (forge.PullRequest, error) {
	me, err := g.whoAmI(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	list, err := all("list pull requests", func(o gh.ListOptions) ([]*gh.PullRequest, *gh.Response, error) {
		return g.client.PullRequests.List(ctx, g.cfg.Owner, g.cfg.Name, &gh.PullRequestListOptions{
			State: "all", Head: g.cfg.Owner + ":" + d.Branch, ListOptions: o,
		})
	})
	if err != nil {
		return forge.PullRequest{}, err
	}
	for _, pr := range list {
		if pr.GetUser().GetID() == me.userID && pr.GetHead().GetRef() == d.Branch {
			return forge.PullRequest{ID: strconv.Itoa(pr.GetNumber()), Title: pr.GetTitle(), HeadRef: d.Branch, Head: pr.GetHead().GetSHA()}, nil
		}
	}
	pr, err := g.openPull(ctx, d)
	if errors.Is(err, forge.ErrMoved) { // an earlier run ended between the branch and the pull request, or somebody made one
		head, err := g.left(ctx, d)
		if err != nil {
			return forge.PullRequest{}, err
		}
		return g.openPushed(ctx, d, head)
	}
	return pr, err
}

// commenter makes whoever wrote /extend the author of the pull request that the
// engine opened for it, and nobody else. It stays the engine's, and so nobody's,
// where anything is not as the engine makes it: the account, the branch, who
// pushed; or where the comment is not as it was first written.
func (g *GitHub) commenter(ctx context.Context, pr *gh.PullRequest, facts *review.Facts) error {
	id, ok := change.ExtensionOf(pr.GetHead().GetRef())
	if !ok || pr.GetHead().GetRepo().GetID() != g.cfg.ID {
		return nil
	}
	me, err := g.whoAmI(ctx)
	if err != nil {
		return err
	}
	if me.userID == 0 || pr.GetUser().GetID() != me.userID {
		return nil // no comment asked for it
	}
	c, _, err := g.client.Issues.GetComment(ctx, g.cfg.Owner, g.cfg.Name, id)
	if isStatus(err, http.StatusNotFound) {
		return nil // nobody can tell any more who asked
	}
	if err != nil {
		return apiErr("read the comment that asked for it", err)
	}
	if !c.GetUpdatedAt().Equal(c.GetCreatedAt()) {
		return nil // nobody knows who wrote it so
	}
	change.Extended(facts, strconv.FormatInt(me.userID, 10), actor(c.GetUser()), c.GetBody())
	return nil
}

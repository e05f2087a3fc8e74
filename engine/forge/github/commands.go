package github

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
)

var _ forge.Listener = (*GitHub)(nil)

// The reactions that say that a command was answered, and how.
const (
	followed    = "rocket"
	notFollowed = "confused"
	// maxCommands is how many of the newest comments are looked at: a flood of
	// them costs nobody but its author.
	maxCommands = 10
)

// Commands implements forge.Listener. What was answered is told by the engine's
// own reaction, so nothing else has to remember it.
func (g *GitHub) Commands(ctx context.Context, id string) ([]forge.Comment, error) {
	n, err := number(id)
	if err != nil {
		return nil, err
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
		if looked++; looked > maxCommands {
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
	slices.Reverse(out)
	return out, nil
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
		return r.GetUser().GetID() == me.userID && (r.GetContent() == followed || r.GetContent() == notFollowed)
	}), err
}

// Answer implements forge.Listener.
func (g *GitHub) Answer(ctx context.Context, id, comment string, done bool) error {
	n, err := strconv.ParseInt(comment, 10, 64)
	if err != nil {
		return fmt.Errorf("answer comment %q of pull request %s: %w", comment, id, forge.ErrGone)
	}
	content := notFollowed
	if done {
		content = followed
	}
	if _, _, err := g.client.Reactions.CreateIssueCommentReaction(ctx, g.cfg.Owner, g.cfg.Name, n, content); err != nil {
		return apiErr("answer a comment of pull request "+id, err)
	}
	return nil
}

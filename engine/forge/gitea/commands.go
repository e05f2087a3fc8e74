package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/review"
)

var _ forge.Listener = (*Gitea)(nil)

// maxFeed is how many pages of what happened in the repository are looked through
// for how a command was first written.
const maxFeed = 10

// Commands implements forge.Listener. What was answered is told by the engine's
// own reaction, so nothing else has to remember it.
//
// Whoever may write can edit anybody's comment, and Gitea's times are whole
// seconds: what was changed at once looks as if it never was. So a command that
// does something in the name of its author counts only if Gitea noted it so when
// it was written.
func (g *Gitea) Commands(ctx context.Context, id string) ([]forge.Comment, error) {
	n, err := forge.Number(id)
	if err != nil {
		return nil, err
	}
	me, err := g.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	comments, err := g.comments(ctx, n)
	if err != nil {
		return nil, err
	}
	var out []forge.Comment
	looked := 0
	for _, c := range slices.Backward(comments) {
		if !strings.HasPrefix(c.Body, "/") || c.User.ID <= 0 || c.User.is(me) {
			continue
		}
		if looked++; looked > forge.MaxCommands {
			break
		}
		if !c.Updated.Equal(c.Created) {
			continue // nobody knows who wrote it so
		}
		answered, err := g.answered(ctx, me, c)
		if err != nil {
			return nil, err
		}
		if answered {
			continue
		}
		if meant, err := g.meant(ctx, n, c); err != nil {
			return nil, err
		} else if meant {
			out = append(out, forge.Comment{ID: strconv.FormatInt(c.ID, 10), Actor: c.User.actor(), Body: c.Body, At: c.Created.UTC()})
		}
	}
	slices.Reverse(out)
	return out, nil
}

// answered reports whether the engine reacted to a comment. Anybody else's
// reaction is no answer.
func (g *Gitea) answered(ctx context.Context, me int64, c comment) (bool, error) {
	var reactions []struct {
		User    user   `json:"user"`
		Content string `json:"content"`
	}
	if err := g.client.get(ctx, g.repo("issues", "comments", c.ID, "reactions"), &reactions); err != nil {
		return false, fmt.Errorf("read reactions: %w", err)
	}
	for _, r := range reactions {
		if r.User.is(me) && (r.Content == forge.ReactFollowed || r.Content == forge.ReactNotFollowed) {
			return true, nil
		}
	}
	return false, nil
}

// meant reports whether a comment's author wrote the command that it holds.
// Commands that anybody may send need no proof.
func (g *Gitea) meant(ctx context.Context, n int, c comment) (bool, error) {
	cmd, found, err := review.ParseCommand(c.Body)
	if err != nil || !found || cmd.Name != review.CommandCancel && cmd.Name != review.CommandExtend {
		return true, nil //nolint:nilerr // it does nothing
	}
	limit, err := g.client.pageSize(ctx)
	if err != nil {
		return false, err
	}
	for page := range maxFeed { // the newest first
		var feed []struct {
			Comment int64  `json:"comment_id"`
			Actor   user   `json:"act_user"`
			Content string `json:"content"` // the number of the pull request and the beginning of the comment
		}
		query := url.Values{"limit": {strconv.Itoa(limit)}, "page": {strconv.Itoa(page + 1)}}
		if _, err := g.client.do(ctx, http.MethodGet, g.repo("activities", "feeds"), query, nil, &feed); err != nil {
			return false, fmt.Errorf("read what happened: %w", err)
		}
		for _, e := range feed {
			text, ours := strings.CutPrefix(e.Content, strconv.Itoa(n)+"|")
			if e.Comment != c.ID || !ours {
				continue
			}
			first, found, err := review.ParseCommand(text)
			return err == nil && found && first == cmd && c.User.is(e.Actor.ID), nil
		}
		if len(feed) == 0 {
			break
		}
	}
	return false, nil
}

// Answer implements forge.Listener.
func (g *Gitea) Answer(ctx context.Context, id, comment string, followed bool) error {
	n, err := strconv.ParseInt(comment, 10, 64)
	if err != nil {
		return fmt.Errorf("answer comment %q of pull request %s: %w", comment, id, forge.ErrGone)
	}
	content := forge.ReactNotFollowed
	if followed {
		content = forge.ReactFollowed
	}
	if err := g.client.send(ctx, http.MethodPost, g.repo("issues", "comments", n, "reactions"), map[string]string{"content": content}, nil); err != nil {
		return fmt.Errorf("answer a comment of pull request %s: %w", id, err)
	}
	return nil
}

// OpenOnce is Open for a pull request that may be there already, whole or in part:
// then it is the one that is there. A branch that holds something else is
// forge.ErrForbidden, because anybody who may write can have made it.
func (g *Gitea) OpenOnce(ctx context.Context, d change.Draft) (forge.PullRequest, error) {
	me, err := g.whoAmI(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	var pr pull
	err = g.client.get(ctx, g.repo("pulls", g.cfg.Branch)+"/"+d.Branch, &pr)
	switch {
	case err == nil && pr.User.is(me) && pr.Head.Ref == d.Branch:
		return forge.PullRequest{ID: strconv.Itoa(pr.Number), Title: pr.Title, HeadRef: d.Branch, Head: pr.Head.SHA}, g.pinned(pr)
	case err != nil && !errors.Is(err, forge.ErrGone):
		return forge.PullRequest{}, fmt.Errorf("find pull request: %w", err)
	}
	made, err := g.open(ctx, d)
	if !errors.Is(err, forge.ErrMoved) {
		return made, err
	}
	// An earlier run ended between the branch and the pull request, or somebody made one.
	ref := "refs/heads/" + d.Branch
	at, err := g.cfg.DB.Fetch(ctx, g.remote, map[string]string{g.baseRef(): "refs/forge/heads/" + g.cfg.Branch, ref: "refs/forge/" + d.Branch})
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
	}
	if err := d.IsAt(g.cfg.DB, at[g.baseRef()], at[ref]); err != nil {
		return forge.PullRequest{}, err
	}
	return g.openPushed(ctx, d, at[ref])
}

// commenter makes whoever wrote /extend the author of the pull request that the
// engine opened for it, and nobody else. It stays the engine's, and so nobody's,
// where anything is not as the engine makes it: the account, the branch, who
// pushed; or where the comment is not as it was first written.
func (g *Gitea) commenter(ctx context.Context, pr pull, facts *review.Facts) error {
	id, ok := change.ExtensionOf(pr.Head.Ref)
	if !ok || pr.Head.RepoID != g.cfg.ID {
		return nil
	}
	me, err := g.whoAmI(ctx)
	if err != nil || !pr.User.is(me) {
		return err // or no comment asked for it
	}
	var c comment
	err = g.client.get(ctx, g.repo("issues", "comments", id), &c)
	if errors.Is(err, forge.ErrGone) {
		return nil // nobody can tell any more who asked
	}
	if err != nil {
		return fmt.Errorf("read the comment that asked for it: %w", err)
	}
	if c.Updated.Equal(c.Created) {
		change.Extended(facts, strconv.FormatInt(me, 10), c.User.actor(), c.Body)
	}
	return nil
}

package gitea

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"github.com/assent-dev/assent/engine/forge"
)

const (
	maxComment = 65_000
	maxLine    = 250 // of a status
)

// Publish implements forge.Forge: one comment, edited in place, and one status on
// the head. Both say the same as before where nothing changed.
func (g *Gitea) Publish(ctx context.Context, id string, report forge.Report) error {
	n, err := forge.Number(id)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := g.publish(ctx, n, report); err != nil {
		return fmt.Errorf("publish on pull request %d: %w", n, err)
	}
	return nil
}

func (g *Gitea) publish(ctx context.Context, n int, report forge.Report) error {
	if g.cfg.Look {
		return fmt.Errorf("%w: it was opened to look only", forge.ErrForbidden)
	}
	pr, err := g.pull(ctx, n)
	if err != nil {
		return err
	}
	if pr.Head.SHA != report.Head {
		return fmt.Errorf("%w: the head is %s now", forge.ErrMoved, pr.Head.SHA)
	}
	me, err := g.whoAmI(ctx)
	if err != nil {
		return err
	}
	memory, err := g.comment(ctx, me, n, report)
	if err != nil {
		return err
	}
	if err := g.status(ctx, me, report); err != nil {
		return err
	}
	return g.around(ctx, me, n, memory, report)
}

// comments are all comments on a pull request, the oldest first.
func (g *Gitea) comments(ctx context.Context, n int) ([]comment, error) {
	return all[comment](ctx, g.client, list{doing: "read comments", path: g.repo("issues", n, "comments")})
}

// ownComment is the one comment of the engine, without an id where there is none
// yet. Others can write the marker too; only what its own account wrote is the
// engine's.
func (g *Gitea) ownComment(ctx context.Context, me int64, n int) (comment, error) {
	comments, err := g.comments(ctx, n)
	for _, c := range comments {
		if c.User.is(me) && forge.IsComment(c.Body) {
			return c, err
		}
	}
	return comment{}, err
}

// comment writes or edits the one comment of the engine.
func (g *Gitea) comment(ctx context.Context, me int64, n int, report forge.Report) (forge.Memory, error) {
	old, err := g.ownComment(ctx, me, n)
	if err != nil {
		return forge.Memory{}, err
	}
	text, memory, changed := forge.Sticky(forge.Recall(old.Body), old.Updated, report, g.cfg.Now(), maxComment)
	switch {
	case old.ID == 0:
		if err := g.client.send(ctx, http.MethodPost, g.repo("issues", n, "comments"), map[string]string{"body": text}, nil); err != nil {
			return memory, fmt.Errorf("write comment: %w", err)
		}
	case changed && old.Body != text:
		return memory, g.editComment(ctx, old.ID, text)
	}
	return memory, nil
}

func (g *Gitea) editComment(ctx context.Context, id int64, text string) error {
	if err := g.client.send(ctx, http.MethodPatch, g.repo("issues", "comments", id), map[string]string{"body": text}, nil); err != nil {
		return fmt.Errorf("edit comment: %w", err)
	}
	return nil
}

func (g *Gitea) status(ctx context.Context, me int64, report forge.Report) error {
	state, line := forge.StatusState(report.Judgement.Outcome), forge.Shorten(forge.OneLine(cmp.Or(report.Line, report.Judgement.Reason)), maxLine)
	every, err := g.everyStatus(ctx, report.Head)
	if err != nil {
		return err
	}
	var newest status
	for _, s := range every {
		if s.ID > newest.ID {
			newest = s
		}
	}
	if newest.Creator.is(me) && newest.State == state && newest.Description == line {
		return nil
	}
	_, err = g.putStatus(ctx, report.Head, state, line) // over somebody else's forgery too
	return err
}

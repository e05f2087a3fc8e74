package gitea

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/assent-dev/assent/engine/forge"
)

const firstWords = "Assent has seen this commit"

// firstSeen is since when this head can have been reviewed for this base branch:
// Gitea's time of the engine's first status on it or, where it is later, of the
// last time that it was put there by force, or the pull request pointed at
// another branch or opened again.
func (g *Gitea) firstSeen(ctx context.Context, pr pull, events []event) (time.Time, error) {
	at, err := g.evidence(ctx, pr)
	if err != nil || at.IsZero() {
		return time.Time{}, err
	}
	for _, e := range events {
		p, pushed := e.push()
		if pushed && p.Force || e.Type == eventRetarget || e.Type == eventReopen {
			at = latest(at, e.Created)
		}
	}
	return at.UTC(), nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// evidence is the time of the engine's first status on the head, zero where there
// is none and none is made: only of what is open and goes to the base branch.
func (g *Gitea) evidence(ctx context.Context, pr pull) (time.Time, error) {
	me, err := g.whoAmI(ctx)
	if err != nil {
		return time.Time{}, err
	}
	statuses, err := g.statuses(ctx, pr.Head.SHA, me)
	if err != nil {
		return time.Time{}, err
	}
	var first time.Time
	for _, s := range statuses {
		if first.IsZero() || s.Created.Before(first) {
			first = s.Created
		}
	}
	if !first.IsZero() || g.cfg.Look || pr.Merged || pr.State != "open" || pr.Base.Ref != g.cfg.Branch {
		return first, nil
	}
	made, err := g.putStatus(ctx, pr.Head.SHA, "pending", firstWords)
	return made.Created, err
}

// statuses are the engine's own on a commit. Anybody who may write can use the
// context; only the creator is proof.
func (g *Gitea) statuses(ctx context.Context, head string, me int64) ([]status, error) {
	every, err := g.everyStatus(ctx, head)
	if err != nil {
		return nil, err
	}
	var own []status
	for _, s := range every {
		if s.Creator.is(me) {
			own = append(own, s)
		}
	}
	return own, nil
}

// everyStatus are all of the engine's context, whoever made them.
func (g *Gitea) everyStatus(ctx context.Context, head string) ([]status, error) {
	every, err := all[status](ctx, g.client, list{doing: "read statuses", path: g.repo("commits", head, "statuses")})
	if err != nil {
		return nil, err
	}
	var out []status
	for _, s := range every {
		if s.Context == forge.StatusContext(g.cfg.Branch) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (g *Gitea) putStatus(ctx context.Context, head, state, line string) (status, error) {
	var made status
	err := g.client.send(ctx, http.MethodPost, g.repo("statuses", head), map[string]string{
		"state": state, "context": forge.StatusContext(g.cfg.Branch), "description": line,
	}, &made)
	if err == nil && made.Created.IsZero() {
		err = fmt.Errorf("%w: Gitea gave no time of it", forge.ErrIncomplete)
	}
	if err != nil {
		return status{}, fmt.Errorf("put a status on the head: %w", err)
	}
	return made, nil
}

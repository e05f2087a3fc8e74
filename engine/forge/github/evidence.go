package github

import (
	"context"
	"fmt"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
)

// checkName is the name of the engine's status and check run. The base branch is
// in it, so that a status for one branch says nothing about another.
func (g *GitHub) checkName() string { return "assent: " + g.cfg.Branch }

// seenIn is what the engine's status says of a head that it sees as the head of a
// pull request. A commit can be the head of several, and a status is of the
// commit, so it names the one.
func seenIn(n int) string { return fmt.Sprintf("Assent has seen this commit in #%d", n) }

// settled is the last time at which the server put another head on a pull
// request by force, or changed what it is compared with. A head that goes and
// comes back passes it once at least, because a branch goes back by force only.
// Nothing that happened after a merge counts.
func settled(pr *gh.PullRequest, events []*gh.IssueEvent) time.Time {
	var at time.Time
	for _, e := range events {
		switch e.GetEvent() {
		case "head_ref_force_pushed", "head_ref_deleted", "head_ref_restored", "base_ref_changed", "automatic_base_change_succeeded", "reopened":
			if when := e.GetCreatedAt().Time; during(pr, when) && when.After(at) {
				at = when
			}
		}
	}
	return at
}

// during reports whether something happened before the pull request was merged.
func during(pr *gh.PullRequest, when time.Time) bool {
	return pr.MergedAt == nil || !when.After(pr.GetMergedAt().Time)
}

// firstSeen is since when the head has been the head of this pull request without
// a break: GitHub's time of the first thing that the engine put on it, as the
// head of this pull request, after the head last changed by force or was pushed.
// It is zero where there is none: then nothing shows what was reviewed.
func (g *GitHub) firstSeen(ctx context.Context, pr *gh.PullRequest, events []*gh.IssueEvent, pushed time.Time) (time.Time, error) {
	me, err := g.whoAmI(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if g.cfg.Look && g.cfg.Engine == 0 {
		return time.Time{}, nil // nobody knows whose word would count
	}
	after := settled(pr, events)
	if pushed.After(after) {
		after = pushed
	}
	var at time.Time
	switch {
	case me.appID != 0:
		at, err = g.checkEvidence(ctx, me, pr, after)
	default:
		at, err = g.statusEvidence(ctx, me, pr, after)
		if err == nil && at.IsZero() && g.cfg.Look {
			at, err = g.checkEvidence(ctx, me, pr, after) // the engine may be an App, which only it knows of itself
		}
	}
	if err != nil || !at.After(after) { // in the same second, nobody knows which was first
		return time.Time{}, err
	}
	return at.UTC(), nil
}

func (g *GitHub) statusEvidence(ctx context.Context, me identity, pr *gh.PullRequest, after time.Time) (time.Time, error) {
	head := pr.GetHead().GetSHA()
	list, err := all("read statuses", func(o gh.ListOptions) ([]*gh.RepoStatus, *gh.Response, error) {
		return g.client.Repositories.ListStatuses(ctx, g.cfg.Owner, g.cfg.Name, head, &o)
	})
	if err != nil {
		return time.Time{}, err
	}
	var first time.Time
	for _, s := range list {
		// Anybody who may write can use the context; only the creator is proof.
		if s.GetContext() == g.checkName() && s.GetCreator().GetID() == me.userID && s.GetDescription() == seenIn(pr.GetNumber()) {
			first = earlier(first, s.GetCreatedAt().Time, after)
		}
	}
	if !first.IsZero() || pr.GetState() != "open" || g.cfg.Look {
		return first, nil
	}
	s, _, err := g.client.Repositories.CreateStatus(ctx, g.cfg.Owner, g.cfg.Name, head, &gh.RepoStatus{
		State: gh.String("pending"), Context: gh.String(g.checkName()), Description: gh.String(seenIn(pr.GetNumber())),
	})
	if err != nil {
		return time.Time{}, apiErr("put a status on the head", err)
	}
	if s.GetCreatedAt().IsZero() {
		return time.Time{}, fmt.Errorf("%w: GitHub gave no time of the status", forge.ErrIncomplete)
	}
	g.sees(pr, sight{head: head})
	return s.GetCreatedAt().Time, nil
}

func (g *GitHub) checkEvidence(ctx context.Context, me identity, pr *gh.PullRequest, after time.Time) (time.Time, error) {
	head := pr.GetHead().GetSHA()
	runs, err := g.checkRuns(ctx, me, head)
	if err != nil {
		return time.Time{}, err
	}
	var first time.Time
	for _, r := range runs {
		if r.GetExternalID() != seenIn(pr.GetNumber()) {
			continue
		}
		if ours, err := g.byEngine(ctx, me, r); err != nil {
			return time.Time{}, err
		} else if ours {
			first = earlier(first, r.GetStartedAt().Time, after)
		}
	}
	if !first.IsZero() || pr.GetState() != "open" || g.cfg.Look {
		return first, nil
	}
	r, _, err := g.client.Checks.CreateCheckRun(ctx, g.cfg.Owner, g.cfg.Name, gh.CreateCheckRunOptions{
		Name: g.checkName(), HeadSHA: head, Status: gh.String("in_progress"), ExternalID: gh.String(seenIn(pr.GetNumber())),
		Output: &gh.CheckRunOutput{Title: gh.String(seenIn(pr.GetNumber())), Summary: gh.String("It reads the change and who reviewed it.")},
	})
	if err != nil {
		return time.Time{}, apiErr("put a check on the head", err)
	}
	if r.GetStartedAt().IsZero() {
		return time.Time{}, fmt.Errorf("%w: GitHub gave no time of the check", forge.ErrIncomplete)
	}
	g.sees(pr, sight{head: head, run: r})
	return r.GetStartedAt().Time, nil
}

// byEngine reports whether a check run is the engine's: of its App, or, for who
// only looks, of an App whose account is the one that assent.yaml names.
func (g *GitHub) byEngine(ctx context.Context, me identity, r *gh.CheckRun) (bool, error) {
	app := r.GetApp()
	if me.appID != 0 || app.GetSlug() == "" {
		return me.appID != 0 && app.GetID() == me.appID, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	account, known := g.bots[app.GetID()]
	if !known {
		user, _, err := g.client.Users.Get(ctx, app.GetSlug()+"[bot]")
		if err != nil {
			return false, apiErr("find the account of the App "+app.GetSlug(), err)
		}
		account = user.GetID()
		g.bots[app.GetID()] = account
	}
	return account != 0 && account == g.cfg.Engine, nil
}

// checkRuns are the check runs of the engine's name on a commit, of its App where
// that is known: as many as GitHub says that there are.
func (g *GitHub) checkRuns(ctx context.Context, me identity, head string) ([]*gh.CheckRun, error) {
	var out []*gh.CheckRun
	var app *int64
	if me.appID != 0 {
		app = &me.appID
	}
	for page := range maxPages {
		got, _, err := g.client.Checks.ListCheckRunsForRef(ctx, g.cfg.Owner, g.cfg.Name, head, &gh.ListCheckRunsOptions{
			CheckName: gh.String(g.checkName()), Filter: gh.String("all"), AppID: app,
			ListOptions: gh.ListOptions{PerPage: perPage, Page: page + 1},
		})
		if err != nil {
			return nil, apiErr("read checks", err)
		}
		out = append(out, got.CheckRuns...)
		if len(out) >= got.GetTotal() {
			return out, nil
		}
		if len(got.CheckRuns) == 0 {
			return nil, fmt.Errorf("read checks: %d of %d: %w", len(out), got.GetTotal(), forge.ErrIncomplete)
		}
	}
	return nil, fmt.Errorf("read checks: more than %d pages: %w", maxPages, forge.ErrIncomplete)
}

// earlier is the earlier of two times, of those that are after a third.
func earlier(a, b, after time.Time) time.Time {
	if !b.After(after) || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

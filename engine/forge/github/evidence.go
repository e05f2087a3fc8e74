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

const firstWords = "Assent has seen this commit"

// evidence is GitHub's time of the engine's first status on the head, zero where
// there is none and none can be made any more.
func (g *GitHub) evidence(ctx context.Context, pr *gh.PullRequest) (time.Time, error) {
	me, err := g.whoAmI(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if g.cfg.Look && g.cfg.Engine == 0 {
		return time.Time{}, nil // nobody knows whose word would count
	}
	if me.appID != 0 {
		return g.checkEvidence(ctx, me, pr)
	}
	return g.statusEvidence(ctx, me, pr)
}

func (g *GitHub) statusEvidence(ctx context.Context, me identity, pr *gh.PullRequest) (time.Time, error) {
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
		if s.GetContext() == g.checkName() && s.GetCreator().GetID() == me.userID {
			first = earlier(first, s.GetCreatedAt().Time)
		}
	}
	if !first.IsZero() || pr.GetState() != "open" || g.cfg.Look {
		return first, nil
	}
	s, _, err := g.client.Repositories.CreateStatus(ctx, g.cfg.Owner, g.cfg.Name, head, &gh.RepoStatus{
		State: gh.String("pending"), Context: gh.String(g.checkName()), Description: gh.String(firstWords),
	})
	if err != nil {
		return time.Time{}, apiErr("put a status on the head", err)
	}
	if s.GetCreatedAt().IsZero() {
		return time.Time{}, fmt.Errorf("%w: GitHub gave no time of the status", forge.ErrIncomplete)
	}
	return s.GetCreatedAt().Time, nil
}

func (g *GitHub) checkEvidence(ctx context.Context, me identity, pr *gh.PullRequest) (time.Time, error) {
	head := pr.GetHead().GetSHA()
	runs, err := g.checkRuns(ctx, me, head)
	if err != nil {
		return time.Time{}, err
	}
	var first time.Time
	for _, r := range runs {
		first = earlier(first, r.GetStartedAt().Time)
	}
	if !first.IsZero() || pr.GetState() != "open" || g.cfg.Look {
		return first, nil
	}
	r, _, err := g.client.Checks.CreateCheckRun(ctx, g.cfg.Owner, g.cfg.Name, gh.CreateCheckRunOptions{
		Name: g.checkName(), HeadSHA: head, Status: gh.String("in_progress"),
		Output: &gh.CheckRunOutput{Title: gh.String(firstWords), Summary: gh.String("It reads the change and who reviewed it.")},
	})
	if err != nil {
		return time.Time{}, apiErr("put a check on the head", err)
	}
	if r.GetStartedAt().IsZero() {
		return time.Time{}, fmt.Errorf("%w: GitHub gave no time of the check", forge.ErrIncomplete)
	}
	return r.GetStartedAt().Time, nil
}

// checkRuns are the engine's own check runs on a commit.
func (g *GitHub) checkRuns(ctx context.Context, me identity, head string) ([]*gh.CheckRun, error) {
	return all("read checks", func(o gh.ListOptions) ([]*gh.CheckRun, *gh.Response, error) {
		got, resp, err := g.client.Checks.ListCheckRunsForRef(ctx, g.cfg.Owner, g.cfg.Name, head, &gh.ListCheckRunsOptions{
			CheckName: gh.String(g.checkName()), Filter: gh.String("all"), AppID: gh.Int64(me.appID), ListOptions: o,
		})
		if err != nil {
			return nil, resp, err
		}
		return got.CheckRuns, resp, nil
	})
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

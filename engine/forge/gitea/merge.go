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
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// List implements forge.Forge.
func (g *Gitea) List(ctx context.Context, want review.State) ([]forge.PullRequest, error) {
	query := "all"
	switch want {
	case review.StateOpen:
		query = "open"
	case review.StateMerged, review.StateClosed, review.StateCanceled:
		query = "closed"
	}
	ctx = forge.Timed(ctx)
	me, err := g.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	// The oldest first, so that what is opened meanwhile moves no page.
	pulls, err := all[listedPull](ctx, g.client, list{
		doing: "list pull requests", path: g.repo("pulls"),
		query: url.Values{"state": {query}, "sort": {"oldest"}, "base_branch": {g.cfg.Branch}},
	})
	if err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	for _, pr := range pulls {
		if err := g.pinned(pr.pull); err != nil {
			return nil, fmt.Errorf("list pull requests: %w", err)
		}
		one := forge.PullRequest{ID: strconv.Itoa(pr.Number), Title: pr.Title, HeadRef: pr.Head.Ref, Head: pr.Head.SHA, Version: pr.version(forge.TimeIn(ctx))}
		var events []event
		if pr.State != "open" && !pr.Merged && want != "" { // who closed it?
			if _, events, err = g.told(ctx, pr.Number); err != nil {
				return nil, err
			}
		}
		one.State = state(pr.pull, events, me)
		if want == "" || one.State == want {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b forge.PullRequest) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// Merge implements forge.Forge. Gitea guards the head and not the base: where
// another merge came in between, the answer names the parent that it really has,
// and whoever asked judges that.
func (g *Gitea) Merge(ctx context.Context, id string, want forge.Want) (forge.Merged, error) {
	n, err := forge.Number(id)
	if err != nil {
		return forge.Merged{}, fmt.Errorf("merge: %w", err)
	}
	done, err := g.merge(ctx, n, want)
	if err != nil {
		return forge.Merged{}, fmt.Errorf("merge pull request %d: %w", n, err)
	}
	return done, nil
}

// merge asks again while Gitea finds out whether it can be merged. It says the
// same of a conflict, so that this ends after a few times.
func (g *Gitea) merge(ctx context.Context, n int, want forge.Want) (forge.Merged, error) {
	const tries = 10
	var last error
	for range tries {
		pr, err := g.pull(ctx, n)
		if err != nil {
			return forge.Merged{}, err
		}
		at, err := g.refs(ctx, n)
		if err != nil {
			return forge.Merged{}, err
		}
		if pr.Merged {
			return g.mergedAs(pr, at[g.baseRef()], want)
		}
		if err := g.asWanted(pr, at, want); err != nil {
			return forge.Merged{}, err
		}
		if last = g.tryMerge(ctx, pr, want); last == nil {
			last = errors.New("it says that it did")
			continue // and read how it was merged
		}
		refused := (*refusal)(nil)
		if !errors.As(last, &refused) || refused.Status != http.StatusMethodNotAllowed {
			return forge.Merged{}, last
		}
		if err := g.pause(ctx); err != nil {
			return forge.Merged{}, err
		}
	}
	return forge.Merged{}, fmt.Errorf("%w: Gitea does not merge it now: %w", forge.ErrMoved, last)
}

func (g *Gitea) tryMerge(ctx context.Context, pr pull, want forge.Want) error {
	method := g.cfg.Method
	if method == Rebase {
		base, head := gitdb.OID(want.Base), gitdb.OID(want.Head)
		from, err := g.cfg.DB.MergeBase(base, head)
		if err != nil {
			return err
		}
		commits, err := change.Commits(g.cfg.DB, base, from, head)
		if err != nil {
			return err
		}
		if len(commits) > 1 {
			method = Squash // each commit of main has to be a merge that was judged
		}
	}
	return g.client.send(ctx, http.MethodPost, g.repo("pulls", pr.Number, "merge"), map[string]any{
		"do": method, "head_commit_id": want.Head,
		"merge_title_field": fmt.Sprintf("Merge pull request #%d: %s", pr.Number, forge.OneLine(pr.Title)),
	}, nil)
}

// asWanted checks base, head and result right before the merge.
func (g *Gitea) asWanted(pr pull, at map[string]gitdb.OID, want forge.Want) error {
	switch {
	case pr.State != "open":
		return fmt.Errorf("%w: it is closed", forge.ErrMoved)
	case pr.Base.Ref != g.cfg.Branch:
		return fmt.Errorf("%w: its base is %s", forge.ErrMoved, pr.Base.Ref)
	case pr.Head.SHA != want.Head:
		return fmt.Errorf("%w: head is at %s", forge.ErrMoved, pr.Head.SHA)
	}
	return change.AsWanted(g.cfg.DB, g.cfg.Repo, at[g.baseRef()], at[headRef(pr.Number)], want)
}

// mergedAs is the merge that Gitea made, read from git.
func (g *Gitea) mergedAs(pr pull, tip gitdb.OID, want forge.Want) (forge.Merged, error) {
	if pr.Head.SHA != want.Head {
		return forge.Merged{}, fmt.Errorf("%w: it was merged at %s", forge.ErrMoved, pr.Head.SHA)
	}
	_, err := change.Parent(g.cfg.DB, gitdb.OID(pr.Merge), tip)
	if errors.Is(err, change.ErrNotYet) {
		err = fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
	}
	if err != nil {
		return forge.Merged{}, err
	}
	return change.Merged(g.cfg.DB, g.cfg.Repo, gitdb.OID(pr.Merge), gitdb.OID(want.Head))
}

// Close implements forge.Forge. The reason stands in the comment that was
// published before.
func (g *Gitea) Close(ctx context.Context, id, _ string) error {
	n, err := forge.Number(id)
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	pr, err := g.pull(ctx, n)
	switch {
	case err != nil:
	case pr.Merged:
		err = fmt.Errorf("%w: the pull request is merged", forge.ErrMoved)
	case pr.State == "open":
		err = g.client.send(ctx, http.MethodPatch, g.repo("pulls", n), map[string]string{"state": "closed"}, nil)
	}
	if err != nil {
		return fmt.Errorf("close pull request %d: %w", n, err)
	}
	return nil
}

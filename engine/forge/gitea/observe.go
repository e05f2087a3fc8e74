package gitea

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// Observe implements forge.Forge. On a head that it sees for the first time it
// puts its own status, which is the one thing it writes. Of a merged pull
// request, Base is what the merge was made on.
func (g *Gitea) Observe(ctx context.Context, id string) (review.Facts, error) {
	n, err := forge.Number(id)
	if err != nil {
		return review.Facts{}, fmt.Errorf("observe: %w", err)
	}
	facts, err := g.observe(forge.Timed(ctx), n)
	if err != nil {
		return review.Facts{}, fmt.Errorf("observe pull request %d: %w", n, err)
	}
	return facts.Bounded(), nil
}

// observe reads until the pull request stood still while it read, and until
// Gitea has taken in the last push, which it does in the background.
func (g *Gitea) observe(ctx context.Context, n int) (review.Facts, error) {
	const tries = 8
	var last error
	for range tries {
		pr, err := g.pull(ctx, n)
		if err != nil {
			return review.Facts{}, err
		}
		facts, err := g.facts(ctx, pr)
		if err == nil {
			var again pull
			if again, err = g.pull(ctx, n); err == nil && again == pr {
				return facts, nil
			} else if err == nil {
				err = fmt.Errorf("it moved while it was read: %w", change.ErrNotYet)
			}
		}
		if !errors.Is(err, change.ErrNotYet) {
			return review.Facts{}, err
		}
		last = err
		if err := g.pause(ctx); err != nil {
			return review.Facts{}, err
		}
	}
	return review.Facts{}, fmt.Errorf("%w: %w", forge.ErrIncomplete, last)
}

// pull reads a pull request of the pinned repository.
func (g *Gitea) pull(ctx context.Context, n int) (pull, error) {
	var pr pull
	if err := g.client.get(ctx, g.repo("pulls", n), &pr); err != nil {
		return pull{}, fmt.Errorf("read pull request: %w", err)
	}
	if err := g.pinned(pr); err != nil {
		return pull{}, err
	}
	if pr.Number != n || pr.Head.SHA == "" {
		return pull{}, fmt.Errorf("read pull request: %w: the answer has no head or is of another one", forge.ErrIncomplete)
	}
	pr.Opened = pr.Opened.UTC() // so that it can be compared, whatever Gitea's time zone is
	return pr, nil
}

func (g *Gitea) pinned(pr pull) error {
	if pr.Base.RepoID != g.cfg.ID {
		return fmt.Errorf("%w: %s/%s is repository %d now, not %d: find out who took the name", forge.ErrForbidden, g.cfg.Owner, g.cfg.Name, pr.Base.RepoID, g.cfg.ID)
	}
	return nil
}

// refs fetches the base branch and the heads of pull requests.
func (g *Gitea) refs(ctx context.Context, numbers ...int) (map[string]gitdb.OID, error) {
	want := map[string]string{g.baseRef(): "refs/forge/heads/" + g.cfg.Branch}
	for _, n := range numbers {
		want[headRef(n)] = fmt.Sprintf("refs/forge/pull/%d", n)
	}
	at, err := g.cfg.DB.Fetch(ctx, g.remote, want)
	switch {
	case errors.Is(err, gitdb.ErrRefused):
		return nil, fmt.Errorf("%w: %w", forge.ErrForbidden, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
	case at[g.baseRef()] == "":
		return nil, fmt.Errorf("%w: there is no branch %s", forge.ErrIncomplete, g.cfg.Branch)
	}
	return at, nil
}

func headRef(n int) string { return fmt.Sprintf("refs/pull/%d/head", n) }

func (g *Gitea) facts(ctx context.Context, pr pull) (review.Facts, error) {
	at, err := g.refs(ctx, pr.Number)
	if err != nil {
		return review.Facts{}, err
	}
	head, base := gitdb.OID(pr.Head.SHA), at[g.baseRef()]
	if at[headRef(pr.Number)] != head {
		return review.Facts{}, fmt.Errorf("git has head %s, the API %s: %w", at[headRef(pr.Number)], head, change.ErrNotYet)
	}
	reviews, events, err := g.told(ctx, pr.Number)
	if err != nil {
		return review.Facts{}, err
	}
	me, err := g.whoAmI(ctx)
	if err != nil {
		return review.Facts{}, err
	}
	facts := review.Facts{
		Repo: g.cfg.Repo, Forge: Name, PullRequest: strconv.Itoa(pr.Number), Title: pr.Title, State: state(pr, events, me),
		BaseRef: "refs/heads/" + pr.Base.Ref, Head: string(head), Author: pr.User.actor(),
		OpenedAt: pr.Opened.UTC(), ObservedAt: g.cfg.Now().UTC(),
	}
	if facts.State == review.StateMerged {
		if base, err = change.Parent(g.cfg.DB, gitdb.OID(pr.Merge), base); err != nil {
			return review.Facts{}, err
		}
	}
	facts.Base = string(base)
	c, err := change.Read(g.cfg.DB, g.cfg.Repo, base, head)
	if err != nil {
		return review.Facts{}, err
	}
	facts.MergeBase, facts.Files, facts.ChangeDigest = string(c.MergeBase), c.Files, c.Digest
	facts.ResultTree, facts.Conflicts = string(c.ResultTree), strings.Join(c.Conflicts, "\n")
	if facts.State == review.StateMerged {
		if err := change.Holds(g.cfg.DB, gitdb.OID(pr.Merge), c.ResultTree); err != nil {
			return review.Facts{}, err
		}
	}
	if err := g.makers(c.MergeBase, base, events, &facts); err != nil {
		return review.Facts{}, err
	}
	if err := g.commenter(ctx, pr, &facts); err != nil {
		return review.Facts{}, err
	}
	if facts.Reviews, err = opinions(reviews, events); err != nil {
		return review.Facts{}, err
	}
	facts.HeadFirstSeen, err = g.firstSeen(ctx, pr, events)
	facts.ForgeTime = forge.TimeIn(ctx)
	return facts, err
}

// told reads reviews and timeline. The timeline leaves out the comments on lines
// of the reviews after it was cut into pages, so that their number says how far
// it goes on at least.
func (g *Gitea) told(ctx context.Context, n int) ([]pullReview, []event, error) {
	reviews, err := all[pullReview](ctx, g.client, list{doing: "read reviews", path: g.repo("pulls", n, "reviews"), partly: true})
	if err != nil {
		return nil, nil, err
	}
	hidden := 0
	for _, r := range reviews {
		hidden += r.Inline
	}
	events, err := all[event](ctx, g.client, list{doing: "read timeline", path: g.repo("issues", n, "timeline"), hidden: hidden, partly: true})
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return reviews, events, err
}

// state says how a pull request stands. Who opened it and closes it withdraws it,
// unless that is the engine's own account.
func state(pr pull, events []event, me int64) review.State {
	switch {
	case pr.Merged:
		return review.StateMerged
	case pr.State == "open":
		return review.StateOpen
	}
	for _, e := range slices.Backward(events) {
		if e.Type == eventClose {
			if e.User.is(pr.User.ID) && !e.User.is(me) {
				return review.StateCanceled
			}
			break
		}
	}
	return review.StateClosed
}

// opinions are all submitted reviews in the order of their submission. A request
// for a review, and one that is not submitted yet, is nobody's opinion.
func opinions(reviews []pullReview, events []event) ([]review.Review, error) {
	submitted, dismissed := map[int64]event{}, map[int64]event{}
	for _, e := range events {
		switch e.Type {
		case eventReview:
			submitted[e.ReviewID] = e // the last one: beginning it by the API makes one too
		case eventDismiss:
			dismissed[e.ReviewID] = e // the last one
		}
	}
	for i, r := range reviews {
		if at, there := submitted[r.ID]; there {
			reviews[i].Begun = at.Created // and now it is when it was submitted
		}
	}
	slices.SortStableFunc(reviews, func(a, b pullReview) int {
		return cmp.Or(a.Begun.Compare(b.Begun), cmp.Compare(submitted[a.ID].ID, submitted[b.ID].ID), cmp.Compare(a.ID, b.ID))
	})
	spoke := map[int64]int64{} // the newest opinion of each account
	for _, r := range reviews {
		if r.State == "APPROVED" || r.State == "REQUEST_CHANGES" {
			spoke[r.User.ID] = r.ID
		}
	}
	var out []review.Review
	for _, r := range reviews {
		if r.State == "PENDING" || r.State == stateAsked {
			continue
		}
		one := review.Review{
			ID: strconv.FormatInt(r.ID, 10), Actor: r.User.actor(), Body: r.Body,
			Commit: r.Commit, FirstCommit: r.Commit, SubmittedAt: r.Begun.UTC(),
		}
		verdict, known := verdicts()[r.State]
		if !known {
			return nil, fmt.Errorf("%w: review %d is %q", forge.ErrIncomplete, r.ID, r.State)
		}
		one.Verdict = verdict
		// The words stand twice: as submitted, and as people see them in the
		// timeline, where anyone who may write can edit or delete them.
		at, there := submitted[r.ID]
		one.Edited = !there || at.Body != r.Body
		// The flag says it, and the state stays what it was. Saying the opposite
		// later sets it too, without a note, and is no dismissal.
		note, noted := dismissed[r.ID]
		if r.Dismissed && (noted || spoke[r.User.ID] == r.ID) {
			by := note.User.actor() // a ghost where the note is gone
			one.DismissedBy = &by
		}
		out = append(out, one)
	}
	return out, nil
}

func verdicts() map[string]review.Verdict {
	return map[string]review.Verdict{"APPROVED": review.Approve, "REQUEST_CHANGES": review.Deny, "COMMENT": review.Comment}
}

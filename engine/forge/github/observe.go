package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// Observe implements forge.Forge. On a head that it sees for the first time it
// puts its own status, and of an approval that it sees for the first time it keeps
// how it is; it writes nothing else. Of a merged pull request, Base is the first parent of the merge.
func (g *GitHub) Observe(ctx context.Context, id string) (review.Facts, error) {
	facts, err := g.observe(forge.Timed(ctx), id)
	if err != nil {
		return review.Facts{}, fmt.Errorf("observe pull request %s: %w", id, err)
	}
	return facts.Bounded(), nil
}

// observe reads until the pull request stood still while it read. Where nothing
// of it has changed since it was read last, what was read then still holds.
func (g *GitHub) observe(ctx context.Context, id string) (review.Facts, error) {
	const tries = 4
	n, err := forge.Number(id)
	if err != nil {
		return review.Facts{}, err
	}
	var last error
	for range tries {
		g.sawBefore(n)
		pr, err := g.pull(ctx, n)
		if err != nil {
			return review.Facts{}, err
		}
		read, known, err := g.known(ctx, pr)
		if err != nil {
			return review.Facts{}, err
		}
		facts, err := g.facts(ctx, pr, &read, known)
		if errors.Is(err, change.ErrNotYet) {
			g.forget(n)
			last = err
			continue
		}
		if err != nil || known {
			return facts, err
		}
		again, resp, err := g.pullResponse(ctx, n)
		if err != nil {
			return review.Facts{}, err
		}
		if stood(pr, again) {
			g.keep(again, pr.GetUpdatedAt().Time, resp, read)
			return facts, nil
		}
		last = change.ErrNotYet
	}
	return review.Facts{}, fmt.Errorf("%w: it kept moving while it was read: %w", forge.ErrIncomplete, last)
}

func stood(a, b *gh.PullRequest) bool {
	return a.GetHead().GetSHA() == b.GetHead().GetSHA() && a.GetBase().GetRef() == b.GetBase().GetRef() &&
		a.GetState() == b.GetState() && a.GetMerged() == b.GetMerged() && a.GetTitle() == b.GetTitle() &&
		a.GetCommits() == b.GetCommits()
}

// pull reads a pull request of the pinned repository.
func (g *GitHub) pull(ctx context.Context, n int) (*gh.PullRequest, error) {
	pr, _, err := g.pullResponse(ctx, n)
	return pr, err
}

func (g *GitHub) pullResponse(ctx context.Context, n int) (*gh.PullRequest, *gh.Response, error) {
	pr, resp, err := g.client.PullRequests.Get(ctx, g.cfg.Owner, g.cfg.Name, n)
	if err != nil {
		return nil, nil, apiErr("read pull request", err)
	}
	if got := pr.GetBase().GetRepo().GetID(); got != g.cfg.ID {
		return nil, nil, fmt.Errorf("%w: %s/%s is repository %d now, not %d: find out who took the name", forge.ErrForbidden, g.cfg.Owner, g.cfg.Name, got, g.cfg.ID)
	}
	if pr.GetNumber() != n || pr.GetHead().GetSHA() == "" {
		return nil, nil, fmt.Errorf("read pull request %d: the answer is of another one: %w", n, forge.ErrIncomplete)
	}
	return pr, resp, nil
}

// refs fetches the base branch and the heads of pull requests.
func (g *GitHub) refs(ctx context.Context, numbers ...int) (map[string]gitdb.OID, error) {
	want := map[string]string{g.baseRef(): "refs/forge/heads/" + g.cfg.Branch, seenRef: "refs/forge/seen"}
	for _, n := range numbers {
		want[headRef(n)] = fmt.Sprintf("refs/forge/pull/%d", n)
	}
	at, err := g.cfg.DB.Fetch(ctx, g.remote, want)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", gitErr(err), err)
	}
	return at, nil
}

func headRef(n int) string { return fmt.Sprintf("refs/pull/%d/head", n) }

// facts puts together what the API says, which it reads unless that is known, and
// what git says.
func (g *GitHub) facts(ctx context.Context, pr *gh.PullRequest, read *reading, known bool) (review.Facts, error) {
	n := pr.GetNumber()
	at, err := g.refs(ctx, n)
	if err != nil {
		return review.Facts{}, err
	}
	head, base := gitdb.OID(pr.GetHead().GetSHA()), at[g.baseRef()]
	if at[headRef(n)] != head {
		return review.Facts{}, fmt.Errorf("git has head %s, the API %s: %w", at[headRef(n)], head, change.ErrNotYet)
	}
	if base == "" {
		return review.Facts{}, fmt.Errorf("%w: there is no branch %s", forge.ErrIncomplete, g.cfg.Branch)
	}
	if !known {
		if *read, err = g.read(ctx, pr); err != nil {
			return review.Facts{}, err
		}
	}
	facts := review.Facts{
		Repo: g.cfg.Repo, Forge: Name, PullRequest: strconv.Itoa(n), Title: pr.GetTitle(), State: g.state(pr, read.events),
		BaseRef: "refs/heads/" + pr.GetBase().GetRef(), Head: string(head), Author: actor(pr.GetUser()),
		OpenedAt: pr.GetCreatedAt().UTC(), ObservedAt: g.cfg.Now().UTC(), ForgeTime: forge.TimeIn(ctx),
	}
	if facts.State == review.StateMerged {
		if base, err = change.Parent(g.cfg.DB, gitdb.OID(pr.GetMergeCommitSHA()), base); err != nil {
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
		if err := change.Holds(g.cfg.DB, gitdb.OID(pr.GetMergeCommitSHA()), c.ResultTree); err != nil {
			return review.Facts{}, err
		}
	}
	if err := g.makers(c.MergeBase, base, *read, &facts); err != nil {
		return review.Facts{}, err
	}
	if err := g.asker(ctx, pr, &facts); err != nil {
		return review.Facts{}, err
	}
	if err := g.commenter(ctx, pr, &facts); err != nil {
		return review.Facts{}, err
	}
	if facts.Reviews, err = g.reviews(ctx, pr, *read, at[seenRef]); err != nil {
		return review.Facts{}, err
	}
	facts.HeadFirstSeen = read.seen
	return facts, nil
}

// state says how a pull request stands. Who opened it and closes it withdraws
// it; a pull request to another branch than the base branch is none of ours.
func (g *GitHub) state(pr *gh.PullRequest, events []*gh.IssueEvent) review.State {
	switch {
	case pr.GetMerged():
		return review.StateMerged
	case pr.GetState() == "open":
		return review.StateOpen
	}
	for _, e := range slices.Backward(events) {
		if e.GetEvent() == "closed" {
			if who := e.GetActor(); who.GetID() == pr.GetUser().GetID() && who.GetID() != 0 && who.GetType() == "User" {
				return review.StateCanceled
			}
			break
		}
	}
	return review.StateClosed
}

// events are the server's own notes of what happened, oldest first.
func (g *GitHub) events(ctx context.Context, n int) ([]*gh.IssueEvent, error) {
	events, err := all("read events", func(o gh.ListOptions) ([]*gh.IssueEvent, *gh.Response, error) {
		return g.client.Issues.ListIssueEvents(ctx, g.cfg.Owner, g.cfg.Name, n, &o)
	})
	slices.SortStableFunc(events, func(a, b *gh.IssueEvent) int {
		return cmp.Or(a.GetCreatedAt().Compare(b.GetCreatedAt().Time), cmp.Compare(a.GetID(), b.GetID()))
	})
	return events, err
}

func actor(u *gh.User) review.Actor {
	if u.GetID() == 0 {
		return review.Actor{Forge: Name, Login: "ghost", Bot: true} // an account that is gone decides nothing
	}
	return review.Actor{Forge: Name, ID: strconv.FormatInt(u.GetID(), 10), Login: u.GetLogin(), Bot: u.GetType() != "User"}
}

// reviews are all reviews in the order in which they were submitted. One that is
// not submitted yet is nobody's opinion. An approval that is seen for the first
// time is remembered as it is now.
func (g *GitHub) reviews(ctx context.Context, pr *gh.PullRequest, read reading, seen gitdb.OID) ([]review.Review, error) {
	dismissals := map[int64]*gh.IssueEvent{}
	for _, e := range read.events {
		if d := e.GetDismissedReview(); d != nil {
			dismissals[d.GetReviewID()] = e
		}
	}
	approvals, err := g.recall(ctx, pr, read.reviews, seen)
	if err != nil {
		return nil, err
	}
	var out []review.Review
	for _, r := range read.reviews {
		if r.GetState() == "PENDING" || r.SubmittedAt == nil {
			continue
		}
		one := review.Review{
			ID: strconv.FormatInt(r.GetID(), 10), Actor: actor(r.User), Body: r.GetBody(),
			Commit: r.GetCommitID(), FirstCommit: r.GetCommitID(), SubmittedAt: r.GetSubmittedAt().UTC(),
		}
		if r.GetState() == "APPROVED" {
			was, known := approvals.first(r)
			one.FirstCommit, one.Edited = was.commit, was.words != words(r.GetBody())
			if !known {
				one.FirstCommit = ""
			}
		}
		if one.Verdict, err = verdict(r, dismissals[r.GetID()], &one); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// verdict reads the state of a review. A dismissed one keeps what it said before,
// which only the server's note of the dismissal still knows, and who dismissed it.
func verdict(r *gh.PullRequestReview, dismissal *gh.IssueEvent, out *review.Review) (review.Verdict, error) {
	state := strings.ToUpper(r.GetState())
	if state == "DISMISSED" {
		if dismissal == nil {
			return "", fmt.Errorf("%w: review %d was dismissed, and nothing says by whom", forge.ErrIncomplete, r.GetID())
		}
		by := actor(dismissal.Actor)
		out.DismissedBy = &by
		state = strings.ToUpper(dismissal.GetDismissedReview().GetState())
	}
	switch state {
	case "APPROVED":
		return review.Approve, nil
	case "CHANGES_REQUESTED":
		return review.Deny, nil
	case "COMMENTED":
		return review.Comment, nil
	}
	return "", fmt.Errorf("%w: review %d is %q", forge.ErrIncomplete, r.GetID(), state)
}

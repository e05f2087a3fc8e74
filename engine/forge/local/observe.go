package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// Observe verifies a pull request's log and reads every fact about it. Of a
// merged one, Base is the first parent of the merge, so that the facts stay
// those that were merged. Whatever does not verify is forge.ErrIncomplete.
func (l *Local) Observe(ctx context.Context, id string) (review.Facts, error) {
	facts, err := l.observe(ctx, id)
	if err != nil {
		return review.Facts{}, fmt.Errorf("observe pull request %s: %w", id, err)
	}
	return facts.Bounded(), nil
}

// observe reads until log, base and head stood still while it read.
func (l *Local) observe(ctx context.Context, id string) (review.Facts, error) {
	const tries = 5
	if err := l.guard(); err != nil {
		return review.Facts{}, err
	}
	for range tries {
		if err := ctx.Err(); err != nil {
			return review.Facts{}, err
		}
		h, err := l.load(id)
		if err != nil {
			return review.Facts{}, err
		}
		tip, at, err := l.tips(h)
		if err != nil {
			return review.Facts{}, err
		}
		facts, err := l.facts(h, tip, at)
		if err != nil {
			return review.Facts{}, err
		}
		still, err := l.still(h, tip, at)
		if still || err != nil {
			return facts, err
		}
	}
	return review.Facts{}, incomplete("it kept moving while it was read")
}

func (l *Local) still(h history, tip gitdb.OID, at standing) (bool, error) {
	want := map[string]gitdb.OID{logPrefix + h.id: h.tip, l.baseRef: tip}
	if at.state == review.StateOpen {
		want[h.events[0].HeadRef] = gitdb.OID(at.head)
	}
	for ref, was := range want {
		now, err := l.db.Resolve(ref)
		if errors.Is(err, gitdb.ErrNotFound) {
			return false, nil
		}
		if err != nil || now != was {
			return false, err
		}
	}
	return true, nil
}

func (l *Local) facts(h history, base gitdb.OID, at standing) (review.Facts, error) {
	if at.state == review.StateMerged {
		base = at.merge.Parents[0]
	}
	c, err := change.Read(l.db, l.cfg.Repo, base, gitdb.OID(at.head))
	if err != nil {
		return review.Facts{}, err
	}
	if at.state == review.StateMerged && c.ResultTree != at.merge.Tree {
		return review.Facts{}, incomplete("merge commit %s holds something else than the merge of its parents", at.merge.OID)
	}
	opened := h.events[0]
	facts := review.Facts{
		Repo: l.cfg.Repo, Forge: Name, PullRequest: h.id, Title: opened.Title, State: at.state,
		BaseRef: l.baseRef, Base: string(base), OpenedBase: l.openedBase(h), Head: at.head, MergeBase: string(c.MergeBase),
		ResultTree: string(c.ResultTree), Conflicts: strings.Join(c.Conflicts, "\n"),
		Author: actor(opened.Actor), Files: c.Files, ChangeDigest: c.Digest,
		OpenedAt: opened.At, ObservedAt: l.now(),
	}
	pushers, err := l.makers(base, c, at.head, &facts)
	if err != nil {
		return review.Facts{}, err
	}
	for _, e := range h.events {
		switch e.Type {
		case TypeOpened, TypePushed:
			pushers = append(pushers, e.Actor)
		case TypeReview:
			facts.Reviews = append(facts.Reviews, e.review())
		}
	}
	slices.Sort(pushers)
	for _, key := range slices.Compact(pushers) {
		facts.Pushers = append(facts.Pushers, actor(key))
	}
	return facts, nil
}

// openedBase is the base at which the engine first published how the pull
// request stands. Where no key of the engine is known, nothing attests it.
func (l *Local) openedBase(h history) string {
	if l.trusted == nil {
		return ""
	}
	for _, e := range h.events {
		if e.Type == TypePublished {
			return e.Base
		}
	}
	return ""
}

// makers finds who made the commits of a change.
func (l *Local) makers(base gitdb.OID, c change.Change, head string, facts *review.Facts) ([]string, error) {
	commits, err := change.Commits(l.db, base, c.MergeBase, gitdb.OID(head))
	if err != nil {
		return nil, err
	}
	signers, coAuthors, err := l.people(commits)
	facts.CoAuthors = coAuthors
	return signers, err
}

// review is a review event as a fact, with what proves it.
func (e Event) review() review.Review {
	return review.Review{
		ID: fmt.Sprintf("%04d", e.Seq), Actor: actor(e.Actor), Verdict: e.Verdict, Body: e.Body,
		Commit: e.Head, FirstCommit: e.Head, SubmittedAt: e.At,
		Signed: &review.Signed{
			Namespace: e.Type.Namespace(), Payload: string(e.Payload), Signature: string(e.Signature),
			ChangeDigest: e.ChangeDigest,
		},
	}
}

package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// Publish appends how a pull request stands, when that has changed since it was
// last published. A report on another head than the current one is ErrMoved.
func (l *Local) Publish(ctx context.Context, id string, report forge.Report) error {
	err := l.mayWrite(l.cfg.Engine, id)
	if err == nil {
		err = l.publish(ctx, id, report)
	}
	if err != nil {
		return fmt.Errorf("publish on pull request %s: %w", id, err)
	}
	return nil
}

func (l *Local) publish(ctx context.Context, id string, report forge.Report) error {
	if err := text("report", report.Markdown, maxEvent/8); err != nil {
		return err
	}
	shown, err := encode([]string{
		report.Head, string(report.Judgement.Class), string(report.Judgement.Outcome), report.Judgement.Reason, report.Markdown,
	})
	if err != nil {
		return err
	}
	sum := digest(shown)
	return l.add(ctx, l.cfg.Engine, id, func(h history) (Event, bool, error) {
		if len(h.events) == 0 {
			return Event{}, false, forge.ErrGone
		}
		base, at, err := l.tips(h)
		if err != nil {
			return Event{}, false, err
		}
		if at.head != report.Head {
			return Event{}, false, fmt.Errorf("%w: the head is %s now", forge.ErrMoved, at.head)
		}
		if last, ok := h.last(TypePublished); ok && last.Report == sum {
			return Event{}, false, nil
		}
		if at.state == review.StateMerged {
			base = at.merge.Parents[0]
		}
		c, err := change.Read(l.db, l.cfg.Repo, base, gitdb.OID(at.head))
		return Event{
			Type: TypePublished, Base: string(base), Head: at.head, ChangeDigest: c.Digest,
			Outcome: report.Judgement.Outcome, Body: report.Markdown, Report: sum,
		}, true, err
	})
}

// Close ends a pull request without a merge. Closing one that is closed or
// canceled already does nothing; one that is merged is ErrMoved.
func (l *Local) Close(ctx context.Context, id, reason string) error {
	err := l.mayWrite(l.cfg.Engine, id)
	if err == nil {
		err = text("reason", reason, maxText)
	}
	if err == nil {
		err = l.end(ctx, l.cfg.Engine, id, TypeClosed, reason)
	}
	if err != nil {
		return fmt.Errorf("close pull request %s: %w", id, err)
	}
	return nil
}

// Merge writes a signed merge commit of want.Head onto want.Base and moves the
// base branch to it, if the base, the head and the resulting tree are still the
// wanted ones; else it is ErrMoved. The order is: commit, base branch, merged
// event, work tree. Calling it again after a crash completes what is missing
// and never merges twice.
//
// Where the base branch is checked out, in this repository or in a linked work
// tree, the merge is refused with ErrDirty while tracked files have changes or
// untracked ones are in the way; afterwards index and files follow the branch.
// A review that lands after the base branch moved comes too late, as on any
// forge.
func (l *Local) Merge(ctx context.Context, id string, want forge.Want) (forge.Merged, error) {
	err := l.mayWrite(l.cfg.Engine, id)
	var done forge.Merged
	if err == nil {
		done, err = l.merge(ctx, id, want)
	}
	if err != nil {
		return forge.Merged{}, fmt.Errorf("merge pull request %s: %w", id, err)
	}
	return done, nil
}

func (l *Local) merge(ctx context.Context, id string, want forge.Want) (forge.Merged, error) {
	h, err := l.load(id)
	if err != nil {
		return forge.Merged{}, err
	}
	base, at, err := l.tips(h)
	if err != nil {
		return forge.Merged{}, err
	}
	if at.state != review.StateMerged {
		if err := l.asWanted(base, at, want); err != nil {
			return forge.Merged{}, err
		}
		if at, err = l.mergeNow(ctx, h, want); err != nil {
			return forge.Merged{}, err
		}
	}
	if at.head != want.Head {
		return forge.Merged{}, fmt.Errorf("%w: it was merged at %s", forge.ErrMoved, at.head)
	}
	if err := l.recordMerge(ctx, id, at); err != nil {
		return forge.Merged{}, err
	}
	done := forge.Merged{Commit: string(at.merge.OID), Parent: string(at.merge.Parents[0]), Tree: string(at.merge.Tree)}
	if now, err := l.baseTip(); err != nil || now != at.merge.OID {
		return done, err // later merges brought the work tree along
	}
	return done, l.follow(ctx, at.merge.Parents[0], at.merge.OID)
}

func (l *Local) asWanted(base gitdb.OID, at standing, want forge.Want) error {
	if err := at.open(); err != nil {
		return fmt.Errorf("%w: %w", forge.ErrMoved, err)
	}
	switch {
	case string(base) != want.Base:
		return fmt.Errorf("%w: base is at %s", forge.ErrMoved, base)
	case at.head != want.Head:
		return fmt.Errorf("%w: head is at %s", forge.ErrMoved, at.head)
	}
	c, err := change.Read(l.db, l.cfg.Repo, base, gitdb.OID(at.head))
	if err != nil {
		return err
	}
	if c.ResultTree == "" || string(c.ResultTree) != want.Tree {
		return fmt.Errorf("%w: merging makes tree %q", forge.ErrMoved, c.ResultTree)
	}
	return nil
}

// mergeNow writes the merge and moves the base branch to it.
func (l *Local) mergeNow(ctx context.Context, h history, want forge.Want) (standing, error) {
	if err := l.prepare(ctx, gitdb.OID(want.Base), gitdb.OID(want.Tree)); err != nil {
		return standing{}, err
	}
	oid, err := l.db.WriteCommit(gitdb.Commit{
		Tree: gitdb.OID(want.Tree), Parents: []gitdb.OID{gitdb.OID(want.Base), gitdb.OID(want.Head)},
		Author: l.clerk(), Committer: l.clerk(), Message: mergeMessage(h.id, h.events[0].Title),
	}, signCommit(l.cfg.Engine))
	if err != nil {
		return standing{}, err
	}
	if err := l.after(); err != nil {
		return standing{}, err
	}
	if now, err := l.db.Resolve(h.events[0].HeadRef); err != nil || string(now) != want.Head {
		return standing{}, errors.Join(fmt.Errorf("%w: head branch", forge.ErrMoved), err)
	}
	if err := l.move(l.baseRef, gitdb.OID(want.Base), oid); err != nil {
		return standing{}, err
	}
	merge, err := l.db.Commit(oid)
	return standing{review.StateMerged, want.Head, merge}, err
}

// recordMerge appends the merged event, unless it is there.
func (l *Local) recordMerge(ctx context.Context, id string, at standing) error {
	c, err := change.Read(l.db, l.cfg.Repo, at.merge.Parents[0], gitdb.OID(at.head))
	if err != nil {
		return err
	}
	return l.add(ctx, l.cfg.Engine, id, func(h history) (Event, bool, error) {
		if _, ok := h.last(TypeMerged); ok {
			return Event{}, false, nil
		}
		return Event{
			Type: TypeMerged, Base: string(at.merge.Parents[0]), Head: at.head,
			ChangeDigest: c.Digest, Merge: string(at.merge.OID),
		}, true, nil
	})
}

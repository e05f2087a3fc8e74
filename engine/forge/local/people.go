package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// Push adds a signed commit to a pull request and says so in its log. Without
// files it only signs for the head that plain git pushed, if any.
func (l *Local) Push(ctx context.Context, by signature.Signer, id string, files map[string][]byte, message string) (forge.PullRequest, error) {
	pr, err := l.push(ctx, by, id, files, message)
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("push to pull request %s: %w", id, err)
	}
	return pr, nil
}

func (l *Local) push(ctx context.Context, by signature.Signer, id string, files map[string][]byte, message string) (forge.PullRequest, error) {
	if err := l.mayWrite(by, id); err != nil {
		return forge.PullRequest{}, err
	}
	h, err := l.load(id)
	if err != nil {
		return forge.PullRequest{}, err
	}
	if err := l.isOpen(h); err != nil {
		return forge.PullRequest{}, err
	}
	headRef := h.events[0].HeadRef
	head, err := l.db.Resolve(headRef)
	if err != nil {
		return forge.PullRequest{}, incomplete("head branch: %w", err)
	}
	if len(files) > 0 {
		next, err := l.commit(by, head, files, strings.ReplaceAll(cmp.Or(message, h.events[0].Title), "\x00", " ")+"\n", gitdb.Person{})
		if err != nil {
			return forge.PullRequest{}, err
		}
		if err := l.move(headRef, head, next); err != nil {
			return forge.PullRequest{}, err
		}
		head = next
	}
	err = l.add(ctx, by, id, func(h history) (Event, bool, error) {
		if err := l.isOpen(h); err != nil || h.head() == string(head) {
			return Event{}, false, err
		}
		e, err := l.proposal(TypePushed, head)
		return e, true, err
	})
	if err != nil {
		return forge.PullRequest{}, err
	}
	return l.get(id)
}

// isOpen refuses what comes after the end of a pull request.
func (l *Local) isOpen(h history) error {
	if len(h.events) == 0 {
		return forge.ErrGone
	}
	base, err := l.baseTip()
	if err != nil {
		return err
	}
	at, err := l.standing(h, newChain(l.db, base))
	if err != nil {
		return err
	}
	if err := at.open(); err != nil {
		return fmt.Errorf("%w: %w", forge.ErrForbidden, err)
	}
	return nil
}

// Review signs a verdict on the current head. Who may review, and whether it
// counts, is not asked here.
func (l *Local) Review(ctx context.Context, by signature.Signer, id string, verdict review.Verdict, body string) (review.Review, error) {
	return l.ReviewHead(ctx, by, id, "", verdict, body)
}

// ReviewHead is Review for the head that the reviewer has looked at; when the
// pull request has another one by now it is forge.ErrMoved.
func (l *Local) ReviewHead(ctx context.Context, by signature.Signer, id, head string, verdict review.Verdict, body string) (review.Review, error) {
	seq, err := l.review(ctx, by, id, head, verdict, body)
	if err != nil {
		return review.Review{}, fmt.Errorf("review pull request %s: %w", id, err)
	}
	h, err := l.load(id)
	if err != nil {
		return review.Review{}, fmt.Errorf("review pull request %s: %w", id, err)
	}
	return h.events[seq-1].review(), nil
}

func (l *Local) review(ctx context.Context, by signature.Signer, id, head string, verdict review.Verdict, body string) (seq int, err error) {
	if err := l.mayWrite(by, id); err != nil {
		return 0, err
	}
	if err := text("body", body, maxText); err != nil {
		return 0, err
	}
	if !known(verdict) {
		return 0, fmt.Errorf("verdict %q is not approve, deny or comment", verdict)
	}
	err = l.add(ctx, by, id, func(h history) (Event, bool, error) {
		if err := l.isOpen(h); err != nil {
			return Event{}, false, err
		}
		base, at, err := l.tips(h)
		if err != nil {
			return Event{}, false, err
		}
		if head = cmp.Or(head, at.head); head != at.head {
			return Event{}, false, fmt.Errorf("%w: it is at %s now", forge.ErrMoved, at.head)
		}
		c, err := change.Read(l.db, l.cfg.Repo, base, gitdb.OID(head))
		seq = len(h.events) + 1
		return Event{
			Type: TypeReview, Base: string(base), Head: head, ChangeDigest: c.Digest,
			Verdict: verdict, Body: body,
		}, true, err
	})
	return seq, err
}

// Cancel withdraws a pull request. Only the key that opened it may.
func (l *Local) Cancel(ctx context.Context, by signature.Signer, id, reason string) error {
	err := l.mayWrite(by, id)
	if err == nil {
		err = text("reason", reason, maxText)
	}
	if err == nil {
		err = l.end(ctx, by, id, TypeCanceled, reason)
	}
	if err != nil {
		return fmt.Errorf("cancel pull request %s: %w", id, err)
	}
	return nil
}

// end appends canceled or closed, once.
func (l *Local) end(ctx context.Context, by signature.Signer, id string, t EventType, reason string) error {
	return l.add(ctx, by, id, func(h history) (Event, bool, error) {
		if len(h.events) == 0 {
			return Event{}, false, forge.ErrGone
		}
		base, err := l.baseTip()
		if err != nil {
			return Event{}, false, err
		}
		at, err := l.standing(h, newChain(l.db, base))
		switch {
		case err != nil:
			return Event{}, false, err
		case at.state == review.StateMerged:
			return Event{}, false, fmt.Errorf("%w: the pull request is merged", forge.ErrMoved)
		case t == TypeCanceled && by.Public().Fingerprint() != h.events[0].Actor:
			return Event{}, false, fmt.Errorf("%w: only who opened it may cancel", forge.ErrForbidden)
		case at.state != review.StateOpen:
			return Event{}, false, nil
		}
		c, err := change.Read(l.db, l.cfg.Repo, base, gitdb.OID(at.head))
		if errors.Is(err, forge.ErrIncomplete) {
			err = nil // an unreadable change can still be ended
		}
		return Event{Type: t, Base: string(base), Head: at.head, ChangeDigest: c.Digest, Body: reason}, true, err
	})
}

// Events returns the verified log of a pull request, oldest first.
func (l *Local) Events(_ context.Context, id string) ([]Event, error) {
	h, err := l.load(id)
	if err != nil {
		return nil, fmt.Errorf("read events of pull request %s: %w", id, err)
	}
	return append([]Event(nil), h.events...), nil
}

func (l *Local) get(id string) (forge.PullRequest, error) {
	tip, err := l.baseTip()
	if err != nil {
		return forge.PullRequest{}, err
	}
	return l.summary(id, newChain(l.db, tip))
}

func (l *Local) mayWrite(by signature.Signer, id string) error {
	if by.IsZero() {
		return fmt.Errorf("no key to sign with: %w", forge.ErrForbidden)
	}
	if err := checkID(id); err != nil {
		return err
	}
	return l.guard()
}

package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// Draft is a pull request to open.
type Draft struct {
	ID     string
	Title  string
	Files  map[string][]byte // nil removes the file
	Branch string            // head branch without refs/heads/; request/<ID> if empty
	Author gitdb.Person      // for git log only; the key's fingerprint if empty
}

// Open writes one signed commit on top of the base branch, points the head
// branch at it and starts the log. Opening the same again after a crash goes on
// where it stopped; ErrExists says that the name is taken by something else.
func (l *Local) Open(ctx context.Context, by signature.Signer, d Draft) (forge.PullRequest, error) {
	pr, err := l.open(ctx, by, d)
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("open pull request %s: %w", d.ID, err)
	}
	return pr, nil
}

func (l *Local) open(ctx context.Context, by signature.Signer, d Draft) (forge.PullRequest, error) {
	if err := l.mayWrite(by, d.ID); err != nil {
		return forge.PullRequest{}, err
	}
	headRef := requestPrefix + d.ID
	if d.Branch != "" {
		headRef = "refs/heads/" + d.Branch
	}
	if err := errors.Join(text("title", d.Title, maxTitle), l.checkHeadRef(headRef)); err != nil {
		return forge.PullRequest{}, err
	}
	base, err := l.baseTip()
	if err != nil {
		return forge.PullRequest{}, err
	}
	tip, err := l.db.Resolve(headRef)
	switch {
	case errors.Is(err, gitdb.ErrNotFound):
		if tip, err = l.commit(by, base, d.Files, forge.OneLine(d.Title)+"\n", d.Author); err != nil {
			return forge.PullRequest{}, err
		}
		if err := l.db.MoveRef(headRef, "", tip); err != nil {
			return forge.PullRequest{}, fmt.Errorf("%w: %w", ErrExists, err)
		}
		if err := l.after(); err != nil {
			return forge.PullRequest{}, err
		}
	case err != nil:
		return forge.PullRequest{}, err
	default: // perhaps a crash left it
		same, err := l.sameDraft(by, tip, d)
		if err != nil {
			return forge.PullRequest{}, err
		}
		if !same {
			return forge.PullRequest{}, fmt.Errorf("branch %s: %w", headRef, ErrExists)
		}
	}
	return l.start(ctx, by, d.ID, d.Title, headRef, tip)
}

// sameDraft reports whether a commit is what Open would write.
func (l *Local) sameDraft(by signature.Signer, tip gitdb.OID, d Draft) (bool, error) {
	c, err := l.db.Commit(tip)
	if err != nil {
		return false, err
	}
	key, err := l.signer(tip)
	if err != nil || key != by.Public().Fingerprint() || len(c.Parents) != 1 {
		return false, nil //nolint:nilerr // unsigned: somebody else's
	}
	parent, err := l.db.Commit(c.Parents[0])
	if err != nil {
		return false, err
	}
	tree, err := l.tree(parent.Tree, d.Files)
	return tree == c.Tree, err
}

// OpenBranch opens a pull request for a branch that plain git made. Its commits
// must be signed with SSH keys.
func (l *Local) OpenBranch(ctx context.Context, by signature.Signer, id, title, branch string) (forge.PullRequest, error) {
	pr, err := l.openBranch(ctx, by, id, title, "refs/heads/"+branch)
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("open pull request %s: %w", id, err)
	}
	return pr, nil
}

func (l *Local) openBranch(ctx context.Context, by signature.Signer, id, title, headRef string) (forge.PullRequest, error) {
	if err := l.mayWrite(by, id); err != nil {
		return forge.PullRequest{}, err
	}
	if err := errors.Join(text("title", title, maxTitle), l.checkHeadRef(headRef)); err != nil {
		return forge.PullRequest{}, err
	}
	tip, err := l.db.Resolve(headRef)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return l.start(ctx, by, id, title, headRef, tip)
}

// start writes the opened event.
func (l *Local) start(ctx context.Context, by signature.Signer, id, title, headRef string, head gitdb.OID) (forge.PullRequest, error) {
	err := l.add(ctx, by, id, func(h history) (Event, bool, error) {
		if len(h.events) > 0 {
			o := h.events[0]
			if o.Actor == by.Public().Fingerprint() && o.Title == title && o.HeadRef == headRef && o.Head == string(head) {
				return Event{}, false, nil
			}
			return Event{}, false, ErrExists
		}
		e, err := l.proposal(TypeOpened, head)
		e.Title, e.HeadRef = title, headRef
		return e, true, err
	})
	if err != nil {
		return forge.PullRequest{}, err
	}
	return l.get(id)
}

// proposal is an event that names a new head, once it is known who made it.
func (l *Local) proposal(t EventType, head gitdb.OID) (Event, error) {
	base, err := l.baseTip()
	if err != nil {
		return Event{}, err
	}
	c, err := change.Read(l.db, l.cfg.Repo, base, head)
	if err != nil {
		return Event{}, err
	}
	if _, err := l.makers(base, c, string(head), &review.Facts{}); err != nil {
		return Event{}, err
	}
	return Event{Type: t, Base: string(base), Head: string(head), ChangeDigest: c.Digest}, nil
}

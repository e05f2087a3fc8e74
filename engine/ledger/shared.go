package ledger

import (
	"context"

	"github.com/assent-dev/assent/engine/gitdb"
)

// Shared is the ledger branch of the repository that all engines share, where
// that is another one than ours. What is not there was not recorded.
type Shared interface {
	// Pull moves our branch forward to the shared one, and fails where the shared
	// one does not descend from it.
	Pull(ctx context.Context) error
	// Push moves the shared branch from a commit, empty for "must not exist", to
	// its descendant, and fails with gitdb.ErrMoved where it is elsewhere.
	Push(ctx context.Context, was, now gitdb.OID) error
}

// Share makes every record count only once the shared branch has it. It is
// called before the ledger is used.
func (l *Ledger) Share(s Shared) { l.shared = s }

func (l *Ledger) pull(ctx context.Context) error {
	if l.shared == nil {
		return nil
	}
	return l.shared.Pull(ctx)
}

// publish shows a commit to the others before our branch moves to it. A death
// in between is healed by the next pull.
func (l *Ledger) publish(ctx context.Context, was, now gitdb.OID) error {
	if l.shared == nil {
		return nil
	}
	return l.shared.Push(ctx, was, now)
}

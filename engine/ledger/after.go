package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/signature"
)

// AppendAfter is Append for records that rest on all that the ledger held up to
// a position. When the ledger ends elsewhere, nothing is appended and the error
// is gitdb.ErrMoved: the caller reads what was added and thinks again.
func (l *Ledger) AppendAfter(ctx context.Context, signer signature.Signer, at time.Time, after Mark, drafts ...Draft) ([]Verified, error) {
	if len(drafts) == 0 {
		return nil, errors.New("append to ledger: no records")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.pull(ctx); err != nil {
		return nil, fmt.Errorf("append to ledger: %w", err)
	}
	if err := l.verifyAll(ctx); err != nil {
		return nil, err
	}
	if head := l.view.head(); head != after {
		return nil, fmt.Errorf("append to ledger: it ends at record %d, not at %d: %w", head.Seq, after.Seq, gitdb.ErrMoved)
	}
	out, err := l.write(ctx, signer, at, drafts)
	if err != nil {
		return nil, fmt.Errorf("append to ledger: %w", err)
	}
	return out, nil
}

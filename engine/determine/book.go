package determine

import (
	"context"
	"fmt"
	"maps"

	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/review"
)

// book is what the ledger says of pull requests, up to a position.
type book struct {
	head       ledger.Mark
	ended      map[string]bool           // pull requests whose end it holds
	outcomes   map[string]review.Outcome // of those, the worst
	distrusted map[string]bool           // pull requests of records that a seal distrusts
	approved   map[string]uint64         // the newest approval of each request file
	pulls      map[string]string         // the pull request of the newest approval of each request
	effects    map[string]effect         // by pull request
	duties     Duties                    // emergency access, and what was said of it
}

// read verifies the ledger and brings the book up to it. A new seal may take
// back the trust in what was read before, so after one everything is read again.
func (d *Determiner) read(ctx context.Context) (book, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	head, err := d.Ledger.Head(ctx)
	if err != nil {
		return book{}, fmt.Errorf("read ledger: %w", err)
	}
	if head == d.book.head {
		return d.book, nil
	}
	next := d.book.extend()
	sealed, err := d.replay(ctx, &next)
	if err == nil && sealed && d.book.head.Seq > 0 {
		next = book{}.extend()
		_, err = d.replay(ctx, &next)
	}
	if err != nil {
		return book{}, err
	}
	next.head = head
	d.book = next
	return next, nil
}

// extend copies a book, so that one that was handed out never changes.
func (b book) extend() book {
	out := book{head: b.head, ended: map[string]bool{}, outcomes: map[string]review.Outcome{}, distrusted: map[string]bool{}, approved: map[string]uint64{}, pulls: map[string]string{}, effects: map[string]effect{}}
	maps.Copy(out.ended, b.ended)
	maps.Copy(out.outcomes, b.outcomes)
	maps.Copy(out.distrusted, b.distrusted)
	maps.Copy(out.approved, b.approved)
	maps.Copy(out.pulls, b.pulls)
	maps.Copy(out.effects, b.effects)
	out.duties = b.duties.clone()
	return out
}

func (d *Determiner) replay(ctx context.Context, b *book) (sealed bool, err error) {
	for v, err := range d.Ledger.Since(ctx, b.head.Seq) {
		if err != nil {
			return false, fmt.Errorf("replay ledger: %w", err)
		}
		if v.Type == ledger.TypeSeal {
			sealed = true
		}
		if v.Type == ledger.TypeApplied || v.Type == ledger.TypeRevoked {
			done, err := v.Effect()
			if err != nil {
				return false, fmt.Errorf("read record %d: %w", v.Seq, err)
			}
			b.effected(v, done)
		}
		if v.Type != ledger.TypeDetermination {
			continue
		}
		body, err := v.Determination()
		if err != nil {
			return false, fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		b.ended[body.Change.PullRequest] = true
		if was, ok := b.outcomes[body.Change.PullRequest]; !ok || was.Grants() {
			b.outcomes[body.Change.PullRequest] = review.Outcome(body.Outcome)
		}
		if review.Outcome(body.Outcome).Grants() && v.Subject.Blob != "" {
			b.approved[v.Subject.Path] = v.Seq
		}
		b.decided(v, body)
		if err := b.duties.Take(v, body); err != nil {
			return false, err
		}
	}
	if !sealed {
		return false, nil
	}
	void, err := d.Ledger.Distrusted(ctx)
	if err != nil {
		return false, fmt.Errorf("read ledger: %w", err)
	}
	for _, v := range void {
		if v.Type != ledger.TypeDetermination {
			continue
		}
		body, err := v.Determination()
		if err != nil {
			return false, fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		b.distrusted[body.Change.PullRequest] = true
	}
	return true, nil
}

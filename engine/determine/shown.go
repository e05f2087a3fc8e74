package determine

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/review"
)

// effect is the newest record of what was done on a platform for a pull request.
type effect struct {
	seq uint64
	at  time.Time
}

// effected notes for which pull requests a record says that access came or went.
func (b *book) effected(v ledger.Verified, body ledger.EffectBody) {
	for _, name := range body.Requests {
		if pr := b.pulls[name]; pr != "" {
			b.effects[pr] = effect{v.Seq, v.RecordedAt}
		}
	}
}

// decided notes which pull request brought a request into force last.
func (b *book) decided(v ledger.Verified, body ledger.DeterminationBody) {
	if review.Outcome(body.Outcome).Grants() && v.Subject.Request != "" && body.Change.PullRequest != "" {
		b.pulls[v.Subject.Request] = body.Change.PullRequest
	}
}

// Effects lists the merged pull requests for which access came or went by a record
// after a position and not before a time, ordered by id, and the position that the
// ledger is at now. What they are shown of may say otherwise; One shows it anew. It
// is empty on a forge where nothing is shown of what is over.
func (d *Determiner) Effects(ctx context.Context, after uint64, since time.Time) ([]string, uint64, error) {
	known, err := d.read(ctx)
	if err != nil {
		return nil, 0, err
	}
	return d.effects(known, after, since), known.head.Seq, nil
}

func (d *Determiner) effects(known book, after uint64, since time.Time) []string {
	if _, ok := d.Forge.(forge.Listener); !ok || d.Render == nil {
		return nil
	}
	var out []string
	for pr, e := range known.effects {
		if e.seq > after && !e.at.Before(since) && !known.distrusted[pr] {
			out = append(out, pr)
		}
	}
	slices.SortFunc(out, byNumber)
	return out
}

// byNumber orders ids as people count.
func byNumber(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	if errX == nil && errY == nil {
		return x - y
	}
	return slices.Compare([]byte(a), []byte(b))
}

package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
)

// budget keeps sweeps within what the forge allows, so that there is always
// something left for what webhooks tell of and for the ledger.
//
//	the forge's primary limit   sweeps stop where a quarter is left, until it is whole again
//	its secondary limit         after a burst, sweeps look at 100 pull requests a minute,
//	                            which is some 800 of GitHub's 900 points
//
// A forge that never speaks of a limit, such as the local one, has none.
type budget struct {
	mu               sync.Mutex
	limit, remaining int
	reset            time.Time
	next             time.Time // when the next look is due after a burst
}

const (
	sweepBurst = 60
	sweepPause = 600 * time.Millisecond
	keepFree   = 4 // a quarter
)

// errReserve says that a sweep leaves the rest of the limit to others.
var errReserve = errors.New("the rest of the forge's limit is kept for webhooks")

// heard takes what an answer said of the limit. Several tokens may have limits of
// their own; the one that is heard of last counts.
func (b *budget) heard(c github.Call) {
	if c.Remaining < 0 || c.Limit <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.remaining, b.reset = c.Limit, c.Remaining, c.Reset
}

// wait lets a look of a sweep through, now or a little later. Where too little is
// left of the limit, it is forge.ErrThrottled.
func (b *budget) wait(ctx context.Context) error {
	pause, err := b.pause(time.Now())
	if err != nil || pause <= 0 {
		return err
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (b *budget) pause(now time.Time) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit == 0 {
		return 0, nil
	}
	if b.remaining < b.limit/keepFree && now.Before(b.reset) {
		return 0, &forge.Throttled{Until: b.reset, Err: errReserve}
	}
	if full := now.Add(-sweepBurst * sweepPause); b.next.Before(full) {
		b.next = full
	}
	b.next = b.next.Add(sweepPause)
	return max(b.next.Sub(now), 0), nil
}

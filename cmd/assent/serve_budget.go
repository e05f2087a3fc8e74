package main

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	edge "github.com/assent-dev/assent/engine/server"
)

// budget keeps sweeps within what the forge allows, so that there is always
// something left for what webhooks tell of and for the ledger.
//
//	GitHub's limit             what webhooks tell of   what a sweep found   whose turn it is
//	requests that it counts    all                     3/4 of them          3/5 of them
//	900 points in a minute     all                     675                  540
//	500 comments in an hour    all                     all                  300
//
// A request that reads is a point, one that writes is five. A forge that never
// speaks of a limit, such as the local one, has none.
type budget struct {
	mu               sync.Mutex
	limit, remaining int
	reset            time.Time
	points           window // of the last minute
	comments         window // of the last hour
	looks            int    // since the cost of one was worked out
	since            cost   // what they cost
	each             cost   // what one costs, about
}

const (
	maxPoints   = 900
	maxComments = 500
	writePoints = 5
)

// share is the part of a limit that is for a look, by what set it off.
func share(by edge.Trigger) float64 {
	switch by {
	case edge.ByTurn:
		return 0.6
	case edge.BySweep:
		return 0.75
	default:
		return 1
	}
}

// cost is what looks take of each limit.
type cost struct{ requests, points, comments float64 }

// firstCost is about what it costs to look at a pull request that was never seen.
func firstCost() cost { return cost{12, 40, 1} }

// errReserve says that a sweep leaves the rest of the limit to others.
var errReserve = errors.New("the rest of the forge's limit is kept for webhooks")

// heard takes what an answer cost and said of the limit. Several tokens may have
// limits of their own; the one that is heard of last counts.
func (b *budget) heard(c github.Call, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	points := 1
	if c.Method != http.MethodGet {
		points = writePoints
	}
	b.points.add(now, points)
	b.since.points += float64(points)
	if c.Status != http.StatusNotModified {
		b.since.requests++
	}
	if c.Method == http.MethodPost && strings.HasSuffix(c.Endpoint, "/comments") {
		b.comments.add(now, 1)
		b.since.comments++
	}
	if c.Remaining >= 0 && c.Limit > 0 {
		b.limit, b.remaining, b.reset = c.Limit, c.Remaining, c.Reset
	}
}

// wait lets a look through, now or a little later. Where too little is left of a
// limit, it is forge.ErrThrottled.
func (b *budget) wait(ctx context.Context, by edge.Trigger) error {
	pause, err := b.pause(time.Now(), by)
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

// pause is how long a look has to wait. One that waits longer than a moment is
// throttled instead: what is more urgent may come meanwhile.
func (b *budget) pause(now time.Time, by edge.Trigger) (time.Duration, error) {
	const moment = 2 * time.Second
	b.mu.Lock()
	defer b.mu.Unlock()
	part := share(by)
	if b.limit > 0 && part < 1 {
		if until := b.free(now, by); until.After(now.Add(moment)) {
			return 0, &forge.Throttled{Until: until, Err: errReserve}
		} else if until.After(now) {
			return until.Sub(now), nil
		}
	}
	b.looks++
	return 0, nil
}

// free is from when there is something left for a look. The lock is held.
func (b *budget) free(now time.Time, by edge.Trigger) time.Time {
	part := share(by)
	at := b.points.below(now, time.Minute, int(part*maxPoints))
	if now.Before(b.reset) && float64(b.remaining) < (1-part)*float64(b.limit)+b.cost().requests && at.Before(b.reset) {
		at = b.reset
	}
	return at
}

// cost is what a look costs at most of late, as far as is known. The lock is held.
func (b *budget) cost() cost {
	if b.each == (cost{}) {
		return firstCost()
	}
	return b.each
}

// learn works out what a look costs, from those since it was worked out last. The
// lock is held.
func (b *budget) learn() {
	const enough = 10
	if b.looks < enough {
		return
	}
	n := float64(b.looks)
	b.each = cost{
		max(b.since.requests/n, 0.1), max(b.since.points/n, 1), b.since.comments / n,
	}
	b.looks, b.since = 0, cost{}
}

// room is how many of those whose turn it is may be looked at until the next sweep.
func (b *budget) room(now time.Time, waiting int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit == 0 {
		return waiting
	}
	b.learn()
	part, each := share(edge.ByTurn), b.cost()
	left := float64(b.remaining)
	if !now.Before(b.reset) {
		left = float64(b.limit)
	}
	n := min(float64(waiting), (left-(1-part)*float64(b.limit))/each.requests, (part*maxPoints-float64(b.points.sum(now, time.Minute)))/each.points)
	if each.comments > 0 {
		n = min(n, (part*maxComments-float64(b.comments.sum(now, time.Hour)))/each.comments)
	}
	return int(max(n, 0))
}

// takes is how long it takes at most until as many had their turn, at the cost that
// looks have now.
func (b *budget) takes(now time.Time, waiting int, interval time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit == 0 || waiting == 0 {
		return 0
	}
	part, each := share(edge.ByTurn), b.cost()
	sweep := max(math.Floor(part*maxPoints/each.points), 1) // looks between two sweeps
	pace := func(looks float64) time.Duration {
		return time.Duration(math.Ceil(looks/sweep)) * max(interval, time.Minute)
	}
	hourly := math.Floor(part * float64(b.limit) / each.requests)
	comments := 0.0
	if each.comments > 0 {
		hourly = min(hourly, math.Floor(part*maxComments/each.comments))
		comments = float64(waiting)*each.comments + float64(b.comments.sum(now, time.Hour))
	}
	left := float64(b.remaining)
	if !now.Before(b.reset) {
		left = float64(b.limit)
	}
	if left-(1-part)*float64(b.limit) >= each.requests*float64(waiting) && comments <= part*maxComments {
		return pace(float64(waiting))
	}
	hourly = max(min(hourly, sweep*float64(time.Hour/max(interval, time.Minute))), 1)
	// The hour that has begun may be used up.
	return time.Duration(math.Ceil(float64(waiting)/hourly))*time.Hour + pace(min(hourly, float64(waiting)))
}

// window sums what happened lately.
type window struct{ list []happened }

type happened struct {
	at time.Time // to the second
	n  int
}

func (w *window) add(now time.Time, n int) {
	now = now.Truncate(time.Second)
	if last := len(w.list) - 1; last >= 0 && w.list[last].at.Equal(now) {
		w.list[last].n += n
		return
	}
	w.list = append(w.list, happened{now, n})
}

// sum is how much happened within a span, and forgets what is older.
func (w *window) sum(now time.Time, span time.Duration) (n int) {
	for len(w.list) > 0 && !w.list[0].at.After(now.Add(-span-time.Second)) {
		w.list = w.list[1:]
	}
	for _, h := range w.list {
		n += h.n
	}
	return n
}

// below is from when less than so much happened within a span.
func (w *window) below(now time.Time, span time.Duration, most int) time.Time {
	left := w.sum(now, span)
	at := now
	for _, h := range w.list {
		if left < most {
			break
		}
		left -= h.n
		at = h.at.Add(span + time.Second)
	}
	return at
}

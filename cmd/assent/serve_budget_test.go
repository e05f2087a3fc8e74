package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	edge "github.com/assent-dev/assent/engine/server"
)

// limited is a GitHub that counts, with a clock of its own: of each pull request
// the first look costs what it costs on GitHub, and any other what is unchanged.
type limited struct {
	t       *testing.T
	b       budget
	now     time.Time
	limit   int
	left    int
	reset   time.Time
	seen    map[string]time.Time
	lowest  int
	points  window
	most    int // points in a minute
	written window
	talk    int // comments in an hour
}

func (l *limited) call(method, endpoint string, status int) {
	if !l.now.Before(l.reset) {
		l.left, l.reset = l.limit, l.now.Add(time.Hour)
	}
	if status != http.StatusNotModified {
		l.left--
	}
	l.lowest = min(l.lowest, l.left)
	points := 1
	if method != http.MethodGet {
		points = writePoints
	}
	l.points.add(l.now, points)
	l.most = max(l.most, l.points.sum(l.now, time.Minute))
	if method == http.MethodPost && endpoint == "/comments" {
		l.written.add(l.now, 1)
		l.talk = max(l.talk, l.written.sum(l.now, time.Hour))
	}
	l.b.heard(github.Call{Method: method, Endpoint: endpoint, Status: status, Remaining: l.left, Limit: l.limit, Reset: l.reset}, l.now)
}

func (l *limited) look(id string) {
	first := l.seen[id].IsZero()
	l.seen[id] = l.now
	for range 3 {
		l.call(http.MethodGet, "/pulls/{n}", http.StatusNotModified)
	}
	if !first {
		return
	}
	for range 6 {
		l.call(http.MethodGet, "/pulls/{n}", http.StatusOK)
	}
	for _, at := range []string{"/statuses", "/comments", "/statuses", "/labels", "/requested_reviewers"} {
		l.call(http.MethodPost, at, http.StatusCreated)
	}
}

// job is a look that waits in the queue.
type job struct {
	id string
	by edge.Trigger
	at time.Time
}

// Two thousand pull requests that were never seen are more than an hour's limit: the
// sweep is spread over hours, keeps what is reserved, reaches each in the time that
// it told, and holds up nothing that happens meanwhile.
func TestASweepOfManyKeepsWithinTheLimit(t *testing.T) {
	for _, limit := range []int{1000, 5000, 15000} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) { spread(t, 2000, limit) })
	}
}

func spread(t *testing.T, n, limit int) {
	begin := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	l := &limited{t: t, now: begin, limit: limit, left: limit, lowest: limit, reset: begin.Add(40 * time.Minute), seen: map[string]time.Time{}}
	listing := edge.Listing{}
	for i := range n {
		listing.Open = append(listing.Open, edge.Open{ID: strconv.Itoa(i), Version: fmt.Sprintf("2026-10-01 %04d", i)})
	}
	var queue []job
	sweeper := &edge.Sweeper{
		Interval: time.Minute, Full: 15 * time.Minute, Now: func() time.Time { return l.now }, Logger: slog.New(slog.DiscardHandler),
		List: func(context.Context, bool) (edge.Listing, error) {
			for range n/100 + 1 {
				l.call(http.MethodGet, "/pulls", http.StatusNotModified)
			}
			return listing, nil
		},
		Room: func(waiting int) int { return l.b.room(l.now, waiting) },
		Look: func(_ context.Context, id string, by edge.Trigger) error {
			if !slices.ContainsFunc(queue, func(j job) bool { return j.id == id }) {
				queue = append(queue, job{id, by, l.now})
			}
			return nil
		},
	}
	var told time.Duration // within which each is reached
	var changed string     // without a webhook, and when
	var since time.Time
	var slowest time.Duration
	for tick := 0; len(l.seen) < n; tick++ {
		at := begin.Add(time.Duration(tick) * time.Minute)
		l.now = at
		sweep := sweeper.Once(t.Context(), false)
		if took := l.b.takes(l.now, sweep.Later, time.Minute); tick == 0 {
			told = took
			t.Logf("told at first: within %s", told)
		}
		slices.SortStableFunc(queue, func(a, b job) int { return int(share(b.by)*100) - int(share(a.by)*100) })
		var later []job
		for _, j := range queue {
			if j.at.After(l.now) {
				later = append(later, j)
				continue
			}
			pause, err := l.b.pause(l.now, j.by)
			if err != nil {
				if !errors.Is(err, forge.ErrThrottled) {
					t.Fatal(err)
				}
				j.at = forge.RetryAt(err)
				later = append(later, j)
				continue
			}
			l.now = l.now.Add(pause + 100*time.Millisecond)
			l.look(j.id)
			if j.id == changed {
				slowest, changed = max(slowest, l.now.Sub(since)), ""
			}
		}
		queue = later
		if changed == "" && tick%7 == 3 { // something happens right after a sweep
			changed, since = strconv.Itoa(tick*37%n), l.now
			i, _ := strconv.Atoi(changed)
			listing.Open[i].Version = fmt.Sprintf("2026-11-01 %04d", tick)
		}
		if at.Sub(begin) > told {
			t.Fatalf("after %s %d of %d are reached, and it was told %s", at.Sub(begin), len(l.seen), n, told)
		}
	}
	t.Logf("%d requests an hour: %d pull requests seen for the first time within %s, told %s; least left %d, most points in a minute %d, most comments in an hour %d, slowest change %s",
		limit, n, l.now.Sub(begin).Round(time.Minute), told, l.lowest, l.most, l.talk, slowest)
	if l.lowest < limit/4 {
		t.Errorf("%d of %d requests are left, want a quarter", l.lowest, limit)
	}
	if l.most > maxPoints || l.talk > maxComments {
		t.Errorf("%d points in a minute, %d comments in an hour", l.most, l.talk)
	}
	if slowest == 0 || slowest > 90*time.Second {
		t.Errorf("what happened without a webhook is looked at after %s, want within 90s", slowest)
	}
	if told > 4*l.now.Sub(begin) {
		t.Errorf("it took %s, and it was told %s", l.now.Sub(begin), told)
	}
}

func TestSweepsKeepWithinTheLimits(t *testing.T) {
	now := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	var b budget
	for range 1000 {
		if pause, err := b.pause(now, edge.ByTurn); pause != 0 || err != nil {
			t.Fatalf("without a limit: %v %v", pause, err)
		}
	}
	if got := b.room(now, 500); got != 500 {
		t.Errorf("without a limit there is room for %d of 500", got)
	}
	say := func(remaining int) {
		b.heard(github.Call{Method: http.MethodGet, Status: http.StatusOK, Remaining: remaining, Limit: 5000, Reset: now.Add(time.Hour)}, now)
	}
	allowed := func(by edge.Trigger) bool {
		_, err := b.pause(now, by)
		if err != nil && (!errors.Is(err, forge.ErrThrottled) || forge.RetryAt(err).IsZero()) {
			t.Errorf("%v until %v", err, forge.RetryAt(err))
		}
		return err == nil
	}
	for remaining, want := range map[int][3]bool{5000: {true, true, true}, 1900: {false, true, true}, 1200: {false, false, true}, 0: {false, false, true}} {
		say(remaining)
		if got := [3]bool{allowed(edge.ByTurn), allowed(edge.BySweep), allowed(edge.ByWebhook)}; got != want {
			t.Errorf("with %d left: turns, findings and webhooks may go on: %v, want %v", remaining, got, want)
		}
	}
	if _, err := b.pause(now.Add(time.Hour), edge.ByTurn); err != nil {
		t.Errorf("when the limit is whole again: %v", err)
	}
	say(5000)
	for range 120 { // 600 points
		b.heard(github.Call{Method: http.MethodPost, Status: http.StatusCreated, Remaining: -1}, now)
	}
	if got := [3]bool{allowed(edge.ByTurn), allowed(edge.BySweep), allowed(edge.ByWebhook)}; got != [3]bool{false, true, true} {
		t.Errorf("after 600 points in a minute: %v", got)
	}
	now = now.Add(62 * time.Second)
	if !allowed(edge.ByTurn) {
		t.Error("a minute later turns wait still")
	}
}

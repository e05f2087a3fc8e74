package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/server"
)

// sweeping is a Sweeper over a list that a test changes.
type sweeping struct {
	*server.Sweeper
	t       *testing.T
	clock   time.Time
	listing server.Listing
	looked  []string
	by      []server.Trigger
	err     error // of looking
	whole   []bool
}

func newSweeping(t *testing.T) *sweeping {
	s := &sweeping{t: t, clock: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
	s.Sweeper = &server.Sweeper{
		Interval: time.Minute, Full: 15 * time.Minute, Now: func() time.Time { return s.clock }, Logger: slog.New(slog.DiscardHandler),
		List: func(_ context.Context, whole bool) (server.Listing, error) {
			s.whole = append(s.whole, whole)
			return s.listing, nil
		},
		Look: func(_ context.Context, id string, by server.Trigger) error {
			if s.err == nil {
				s.looked = append(s.looked, id)
				s.by = append(s.by, by)
			}
			return s.err
		},
	}
	return s
}

func (s *sweeping) put(id, version string) {
	s.listing.Open = slices.DeleteFunc(s.listing.Open, func(o server.Open) bool { return o.ID == id })
	if version != "gone" {
		s.listing.Open = append(s.listing.Open, server.Open{ID: id, Version: version})
	}
}

// sweep makes a sweep after a time and requires what it looked at and found.
func (s *sweeping) sweep(after time.Duration, found int, want ...string) {
	s.t.Helper()
	s.clock = s.clock.Add(after)
	s.looked, s.by = nil, nil
	got := s.Once(s.t.Context(), false)
	if diff := cmp.Diff(want, s.looked); diff != "" || got.Found != found {
		s.t.Errorf("found %d, want %d; looked at (-want +got):\n%s", got.Found, found, diff)
	}
}

func TestSweepLooksAtWhatChanged(t *testing.T) {
	s := newSweeping(t)
	s.put("1", "a")
	s.put("2", "a")
	s.sweep(0, 0, "1", "2") // the first sees everything, and that is no finding
	s.sweep(time.Minute, 0)
	s.put("2", "b")
	s.put("3", "a")
	s.sweep(time.Minute, 2, "2", "3")
	s.put("1", "gone")
	s.sweep(time.Minute, 1, "1") // merged or closed
	s.sweep(time.Minute, 0)
	s.listing.Rules = "other"
	s.sweep(time.Minute, 0, "2", "3")
	s.sweep(time.Minute, 0)
	s.put("2", "c")
	s.Looked("2", nil) // a webhook told of it
	s.sweep(time.Minute, 0, "2")
	s.put("4", "") // of a forge that tells no versions
	s.sweep(time.Minute, 1, "4")
	s.sweep(time.Minute, 0, "4")
	s.sweep(15*time.Minute, 0, "3", "2", "4") // time passes too
	if got := s.whole[len(s.whole)-1]; !got || !s.whole[0] || s.whole[1] {
		t.Errorf("whole sweeps: %v", s.whole)
	}
}

func TestSweepBacksOffFromWhatFails(t *testing.T) {
	s := newSweeping(t)
	s.put("1", "a")
	var at []int
	for minute := range 60 {
		s.looked = nil
		s.Once(t.Context(), false)
		if len(s.looked) > 0 {
			at = append(at, minute)
			s.Looked("1", errors.New("no"))
		}
		s.clock = s.clock.Add(time.Minute)
	}
	if diff := cmp.Diff([]int{0, 1, 3, 7, 15, 30, 45}, at); diff != "" {
		t.Error(diff)
	}
	s.looked = nil
	s.Looked("1", nil)
	s.put("1", "b")
	s.sweep(0, 0, "1")
}

// What could not be queued is looked at in the next sweep.
func TestSweepForgetsWhatWasNotQueued(t *testing.T) {
	s := newSweeping(t)
	s.put("1", "a")
	s.sweep(0, 0, "1")
	s.put("1", "gone")
	s.put("2", "a")
	s.err = errors.New("disk full")
	if got := s.Once(t.Context(), false); got.Err == nil {
		t.Error("no error")
	}
	s.err = nil
	s.sweep(time.Minute, 2, "2", "1")
}

// A sweep of many that nothing happens to looks at none.
func TestSweepOfTwoThousand(t *testing.T) {
	s := newSweeping(t)
	for i := range 2000 {
		s.put(fmt.Sprint(i), "a")
	}
	s.Once(t.Context(), false)
	for range 10 {
		s.sweep(time.Minute, 0)
	}
	s.put("77", "b")
	s.sweep(time.Minute, 1, "77")
}

// With little room, what something happened to goes at once, and the others take
// turns: none is looked at twice before each was.
func TestSweepTakesTurns(t *testing.T) {
	s := newSweeping(t)
	s.Room = func(int) int { return 2 }
	for i, version := range []string{"2026-10-01", "2026-10-05", "2026-10-03", "2026-10-02", "2026-10-04"} {
		s.put(fmt.Sprint(i+1), version)
	}
	s.sweep(0, 0, "2", "5") // the newest first
	s.put("1", "2026-11-01")
	s.sweep(30*time.Second, 1, "1") // no turns before the interval is over
	if diff := cmp.Diff([]server.Trigger{server.BySweep}, s.by); diff != "" {
		t.Error(diff)
	}
	if got := s.Once(t.Context(), false); got.Later != 2 {
		t.Errorf("%d are left for later, want 2", got.Later)
	}
	s.sweep(30*time.Second, 0, "3", "4")
	if diff := cmp.Diff([]server.Trigger{server.ByTurn, server.ByTurn}, s.by); diff != "" {
		t.Error(diff)
	}
	s.sweep(time.Minute, 0)
	s.listing.Rules = "other" // each of them, though it is said once
	s.sweep(time.Minute, 0, "2", "5")
	s.put("4", "2026-11-02")
	s.sweep(time.Minute, 1, "4", "1", "3")
	s.sweep(time.Minute, 0)
	s.sweep(15*time.Minute, 0, "2", "5")
	s.put("2", "gone")
	s.put("5", "gone")
	s.sweep(time.Minute, 2, "2", "5", "3", "1") // beside their turns
	s.sweep(time.Minute, 0, "4")
	s.sweep(time.Minute, 0)
}

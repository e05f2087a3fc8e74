package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Open is a pull request that waits for something.
type Open struct {
	ID string
	// Version changes whenever the forge shows anything new of it; empty where the
	// forge does not tell, and then it is looked at in every sweep.
	Version string
}

// Listing is what a sweep goes by.
type Listing struct {
	Open []Open
	// Rules changes whenever something changes that every pull request is judged
	// by: the files of the base branch that are no requests.
	Rules string
}

// Sweeper looks at every pull request that may wait for something, so that a
// webhook that was lost costs time and nothing else.
//
//	a pull request                       is looked at
//	new, or shown otherwise than before  in the next sweep
//	listed before and not any more       in the next sweep: it was merged or closed
//	the rules changed                    in the next sweep
//	failed when it was last looked at    after a minute, and twice as long each time
//	otherwise                            once in Full, because time passes too
//
// Where the forge's limit does not allow for all of it at once, what something
// happened to goes first, and the rest takes turns over the next sweeps: those that
// were never looked at, the newest first, and then those looked at longest ago.
type Sweeper struct {
	// List lists what waits; whole asks for the merged ones without a record too.
	List func(ctx context.Context, whole bool) (Listing, error)
	// Look looks at one, soon; by says whether something happened to it or it is its
	// turn. It returns once that is queued.
	Look func(ctx context.Context, pullRequest string, by Trigger) error
	// Room is how many of those that wait for their turn may be looked at until the
	// next sweep; nil for all.
	Room func(waiting int) int
	// Interval is the time between two sweeps, and Full between two looks at a
	// pull request that nothing happens to.
	Interval, Full time.Duration
	Now            func() time.Time
	Logger         *slog.Logger
	// OnSweep hears of each sweep; nil for nobody.
	OnSweep func(Sweep)

	mu    sync.Mutex
	heard map[string]bool // looked at since the last sweep, for whatever reason
	known map[string]*lookedAt
	rules string
	whole time.Time // when the last sweep of all was
	short time.Time // when there was not room for all turns, the last time
}

// Sweep is what one sweep found.
type Sweep struct {
	Whole  bool
	Open   int // pull requests that wait
	Found  int // that were looked at because something had happened
	Queued int // looked at in all
	Later  int // that are left for a later sweep, because the forge's limit is kept
	Err    error
}

// DefaultInterval is the time between two sweeps: with every webhook lost a
// decision comes within it and the time that the decision takes.
const (
	DefaultInterval = time.Minute
	DefaultFull     = 15 * time.Minute
)

// lookedAt is how a pull request was when it was last looked at.
type lookedAt struct {
	version string
	at      time.Time
	fails   int
	owed    bool // it waits for its turn
}

// due reports whether something happened to one, or it is to be looked at again.
func (s *Sweeper) due(o Open, now time.Time, all bool) (happened, again bool) {
	last := s.known[o.ID]
	switch {
	case last == nil:
		return true, true
	case last.fails > 0 && !all:
		wait := min(s.Interval<<min(last.fails-1, 10), s.Full)
		return false, !now.Before(last.at.Add(wait))
	case o.Version != last.version:
		return true, true
	case o.Version == "" || all:
		return false, true
	default:
		return false, !last.owed && !now.Before(last.at.Add(s.Full))
	}
}

// Once makes one sweep. Everything is looked at anew where all is asked for. It is
// called by one goroutine.
func (s *Sweeper) Once(ctx context.Context, all bool) Sweep {
	now := s.Now()
	s.mu.Lock()
	sweep := Sweep{Whole: all || s.known == nil || !now.Before(s.whole.Add(s.Full))}
	s.mu.Unlock()
	if sweep.Err = s.sweep(ctx, &sweep, now, all); sweep.Err == nil && sweep.Whole {
		s.mu.Lock()
		s.whole = now
		s.mu.Unlock()
	}
	if s.OnSweep != nil {
		s.OnSweep(sweep)
	}
	return sweep
}

func (s *Sweeper) sweep(ctx context.Context, sweep *Sweep, now time.Time, all bool) error {
	listing, err := s.List(ctx, sweep.Whole)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	sweep.Open = len(listing.Open)
	news, turns, found := s.choose(listing, now, all)
	sweep.Found = found
	turns, sweep.Later = s.take(turns, now)
	look := slices.Concat(news, turns)
	for _, o := range look {
		by := BySweep
		if sweep.Queued >= len(news) {
			by = ByTurn
		}
		if err := s.Look(ctx, o.ID, by); err != nil {
			s.forget(look[sweep.Queued:])
			return fmt.Errorf("sweep: %w", err)
		}
		sweep.Queued++
	}
	return nil
}

// choose picks what something happened to and whose turn it is, and counts that of
// which nobody told.
func (s *Sweeper) choose(listing Listing, now time.Time, all bool) (news, turns []Open, found int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.known == nil
	if first {
		s.known = map[string]*lookedAt{}
	}
	rules := listing.Rules != s.rules && !first
	s.rules = listing.Rules
	listed := map[string]bool{}
	for _, o := range listing.Open {
		listed[o.ID] = true
		last := s.known[o.ID]
		if last == nil && first {
			last = &lookedAt{version: o.Version}
			s.known[o.ID] = last
		}
		happened, again := s.due(o, now, first || rules || all)
		switch {
		case happened && !all && !rules && !s.heard[o.ID]:
			found++
			fallthrough
		case happened, again && last.fails > 0:
			s.looks(o, now)
			news = append(news, o)
			continue
		case again:
			last.owed = true
		}
		if last.owed {
			turns = append(turns, o)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.known)) {
		if !listed[id] { // merged or closed: once more, and then it is forgotten
			delete(s.known, id)
			news = append(news, Open{ID: id})
			if !s.heard[id] {
				found++
			}
		}
	}
	s.heard = map[string]bool{}
	return news, turns, found
}

// looks notes that one is looked at now. The lock is held.
func (s *Sweeper) looks(o Open, now time.Time) {
	as := &lookedAt{version: o.Version, at: now}
	if last := s.known[o.ID]; last != nil {
		as.fails = last.fails
	}
	s.known[o.ID] = as
}

// take takes those whose turn it is as far as there is room, and counts the others.
func (s *Sweeper) take(turns []Open, now time.Time) (took []Open, later int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(turns, func(a, b Open) int {
		x, y := s.known[a.ID].at, s.known[b.ID].at
		if x.IsZero() && y.IsZero() {
			return cmp.Compare(b.Version, a.Version)
		}
		return x.Compare(y)
	})
	room := len(turns)
	if s.Room != nil && room > 0 {
		if !s.short.IsZero() && now.Before(s.short.Add(s.Interval)) {
			room = 0
		} else if room = min(s.Room(room), room); room < len(turns) {
			s.short = now
		}
	}
	for _, o := range turns[:room] {
		s.looks(o, now)
	}
	return turns[:room], len(turns) - room
}

// forget makes what could not be queued new again for the next sweep.
func (s *Sweeper) forget(list []Open) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range list {
		if last := s.known[o.ID]; last != nil {
			last.version, last.fails = "", 0
			last.at = time.Time{}
		} else {
			s.known[o.ID] = &lookedAt{} // it is not listed any more
		}
	}
}

// Looked tells how a look ended, so that one that failed is tried again, and one
// that a webhook set off is no finding. It is confirmed by a sweep all the same:
// what a forge shows right after a webhook may lag.
func (s *Sweeper) Looked(pullRequest string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard != nil {
		s.heard[pullRequest] = true
	}
	last := s.known[pullRequest]
	switch {
	case last == nil:
	case err == nil:
		last.fails = 0
	default:
		last.fails++
		last.at = s.Now()
	}
}

// Run sweeps at once, at every interval, and whenever asked to, until ctx ends:
// true asks for everything to be looked at.
func (s *Sweeper) Run(ctx context.Context, asked <-chan bool) error {
	all := false
	for {
		if sweep := s.Once(ctx, all); sweep.Err != nil && ctx.Err() == nil {
			s.Logger.Warn("a sweep failed; it is made again", "error", sweep.Err, "in", s.Interval.String())
		}
		timer := time.NewTimer(s.Interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
			all = false
		case all = <-asked:
			timer.Stop()
		}
	}
}

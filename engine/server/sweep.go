package server

import (
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
type Sweeper struct {
	// List lists what waits; whole asks for the merged ones without a record too.
	List func(ctx context.Context, whole bool) (Listing, error)
	// Look looks at one, soon. It returns once that is queued.
	Look func(ctx context.Context, pullRequest string) error
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
}

// Sweep is what one sweep found.
type Sweep struct {
	Whole  bool
	Open   int // pull requests that wait
	Found  int // that were looked at because something had happened
	Queued int // looked at in all
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
}

// due reports whether something happened, and else whether it is time.
func (s *Sweeper) due(o Open, now time.Time, rules bool) (found, due bool) {
	last := s.known[o.ID]
	switch {
	case last == nil, rules:
		return true, true
	case last.fails > 0:
		wait := min(s.Interval<<min(last.fails-1, 10), s.Full)
		return false, !now.Before(last.at.Add(wait))
	case o.Version != last.version:
		return true, true
	case o.Version == "":
		return false, true
	default:
		return false, !now.Before(last.at.Add(s.Full))
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
	var look []Open
	look, sweep.Found = s.choose(listing, now, all)
	for _, o := range look {
		if err := s.Look(ctx, o.ID); err != nil {
			s.forget(look[sweep.Queued:])
			return fmt.Errorf("sweep: %w", err)
		}
		sweep.Queued++
	}
	return nil
}

// choose picks what is to be looked at, and counts that of which nobody told.
func (s *Sweeper) choose(listing Listing, now time.Time, all bool) (look []Open, found int) {
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
		news, due := s.due(o, now, rules || all)
		if !due {
			continue
		}
		if news && !first && !all && !rules && !s.heard[o.ID] {
			found++
		}
		now := &lookedAt{version: o.Version, at: now}
		if last := s.known[o.ID]; last != nil {
			now.fails = last.fails
		}
		s.known[o.ID] = now
		look = append(look, o)
	}
	for _, id := range slices.Sorted(maps.Keys(s.known)) {
		if !listed[id] { // merged or closed: once more, and then it is forgotten
			delete(s.known, id)
			look = append(look, Open{ID: id})
			if !s.heard[id] {
				found++
			}
		}
	}
	s.heard = map[string]bool{}
	return look, found
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

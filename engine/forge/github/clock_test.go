package github_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/review"
)

// newSkewed is a stage whose engine has a clock that is ahead of GitHub's, and of
// which nobody knows anything yet.
func newSkewed(t *testing.T, ahead time.Duration, wire http.RoundTripper) *stage {
	t.Helper()
	h := newHarness(t)
	n, err := h.Server.Open("ann", "request/one", "access for ann", map[string]string{"requests/one.yaml": "role: read\n"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := h.config()
	cfg.Now, cfg.Transport = func() time.Time { return h.Now().Add(ahead) }, wire
	return &stage{h, h.open(cfg), n}
}

// past reports whether a review lies before the reading, as package review has it.
func past(f review.Facts, r review.Review) bool {
	if f.ForgeTime.IsZero() {
		return !r.SubmittedAt.After(f.ObservedAt)
	}
	return !r.SubmittedAt.After(f.ForgeTime)
}

var skews = []time.Duration{-90 * time.Second, 0, 90 * time.Second}

func TestAFreshApprovalCountsWhateverTheEnginesClockSays(t *testing.T) {
	t.Parallel()
	for _, skew := range skews {
		s := newSkewed(t, skew, nil)
		s.says("bo", "APPROVE")
		first := s.look()
		if counts(first, first.Reviews[0]) {
			t.Errorf("%s: an approval of nobody knows what counts", skew)
		}
		s.says("bo", "APPROVE")
		f := s.look()
		if !counts(f, f.Reviews[1]) || !past(f, f.Reviews[1]) {
			t.Errorf("%s: it does not count: %s, %s, %+v", skew, f.ForgeTime, f.ObservedAt, f.Reviews[1])
		}
		if got := f.ObservedAt.Sub(s.Now()); got != skew {
			t.Errorf("the engine's own time is %s off, want %s", got, skew)
		}
	}
}

// An approval of an old commit, which GitHub moves where nobody remembers it.
func TestASkewedClockMakesNoMovedApprovalCount(t *testing.T) {
	t.Parallel()
	for _, skew := range skews {
		s := newSkewed(t, skew, nil)
		old := s.look().Head
		s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, false))
		s.look()
		_, err := s.Server.Review("bo", s.n, "APPROVE", "", old)
		s.must(err)
		s.must(s.PutRef(seenRef, "", ""))
		s.Move(s.n)
		if f := s.look(); f.Reviews[0].Commit != f.Head || counts(f, f.Reviews[0]) {
			t.Errorf("%s: it counts: %+v", skew, f.Reviews[0])
		}
	}
}

// redated is GitHub behind something that has its own idea of the time.
type redated struct{ date func(was string) string }

// RoundTrip implements http.RoundTripper.
func (d redated) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		date := d.date(resp.Header.Get("Date"))
		if resp.Header.Del("Date"); date != "" {
			resp.Header.Set("Date", date)
		}
	}
	return resp, err
}

func TestADateThatCannotBeIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, date := range map[string]func(string) string{
		"none": func(string) string { return "" },
		"rot":  func(string) string { return "yesterday" },
		"far":  func(string) string { return "Fri, 01 Jan 2099 00:00:00 GMT" },
		"old":  func(string) string { return "Thu, 01 Jan 1970 00:00:00 GMT" },
	} {
		s := newSkewed(t, 0, redated{date})
		s.look()
		s.says("bo", "APPROVE")
		f := s.look()
		if !f.ForgeTime.IsZero() || f.ObservedAt.IsZero() {
			t.Errorf("%s: the time is %s", name, f.ForgeTime)
		}
		if !counts(f, f.Reviews[0]) || !past(f, f.Reviews[0]) {
			t.Errorf("%s: with the engine's clock it does not count: %+v", name, f.Reviews[0])
		}
	}
}

// The newest answer counts, not the last: one may come from a cache.
func TestTheNewestDateCounts(t *testing.T) {
	t.Parallel()
	calls := 0
	s := newSkewed(t, 0, redated{func(was string) string {
		if calls++; calls > 1 {
			at, _ := http.ParseTime(was)
			return at.Add(-time.Minute).Format(http.TimeFormat)
		}
		return was
	}})
	began := s.Now()
	if f := s.look(); f.ForgeTime.Before(began) {
		t.Errorf("the time goes back to %s from %s", f.ForgeTime, began)
	}
}

// GitHub's clock goes on where nothing happens.
func TestALiveClockGoesOn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	now := h.Now()
	h.Live(func() time.Time { return now }, func(time.Duration) {})
	n, err := h.Server.Open("ann", "request/one", "x", map[string]string{"requests/one.yaml": "role: read\n"})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{h, h.open(h.config()), n}
	s.look()
	now = now.Add(8 * time.Minute)
	if f := s.look(); !f.ForgeTime.Equal(now) {
		t.Errorf("it is %s, want %s", f.ForgeTime, now)
	}
}

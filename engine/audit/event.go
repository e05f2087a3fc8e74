package audit

import (
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/review"
)

// Event is one thing that happened to a request: that it was asked for, a review of
// it, what the ledger holds of its end, and access that came or went.
type Event struct {
	At   time.Time
	What string // opened, the verdict of a review, an outcome, revocation, or the state of a grant
	By   string // who gave the review; of a grant, whose it is and where
	Why  string // of a review that does not count
	// Record is the seq of what the ledger holds of it, zero for what only the facts tell.
	Record uint64
}

// Observed are the events that the facts of a pull request tell of, in order of
// time. results say what became of its reviews.
func Observed(facts review.Facts, results []review.ReviewResult) []Event {
	var out []Event
	if !facts.OpenedAt.IsZero() {
		out = append(out, Event{At: facts.OpenedAt, What: "opened"})
	}
	for _, r := range results {
		i := slices.IndexFunc(facts.Reviews, func(f review.Review) bool { return f.ID == r.ID })
		if i < 0 {
			continue
		}
		e := Event{At: facts.Reviews[i].SubmittedAt, What: string(r.Verdict), By: string(r.Person), Why: r.Why}
		if e.By == "" {
			e.By = r.Actor.ID
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b Event) int { return a.At.Compare(b.At) })
	return out
}

// happened adds events that are not told yet.
func (s *RequestStatus) happened(events ...Event) {
	for _, e := range events {
		if !slices.Contains(s.History, e) {
			s.History = append(s.History, e)
		}
	}
}

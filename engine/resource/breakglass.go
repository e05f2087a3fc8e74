package resource

import (
	"fmt"
	"time"
)

// EmergencyPeople is how many people emergency access takes at the least,
// whatever a file says.
const EmergencyPeople = 2

const emergencyReview Duration = "3d"

// BreakGlassOf is the emergency rule of a Set and the file that holds it; ok is
// false where there is none.
func BreakGlassOf(s *Set) (rule BreakGlass, from *Repository, ok bool) {
	r, found := s.Repository()
	if !found || r.Spec.BreakGlass == nil {
		return BreakGlass{}, nil, false
	}
	return *r.Spec.BreakGlass, r, true
}

// Quorum is how many distinct people must agree: what is stated, and never fewer
// than EmergencyPeople.
func (b BreakGlass) Quorum() int { return max(b.People, EmergencyPeople) }

// End is when emergency access that is decided at start must be over: the
// earlier of MaxDuration and BreakGlassMost. A duration that cannot be read is
// an error, never "no end".
func (b BreakGlass) End(start time.Time) (time.Time, error) {
	var end time.Time
	for _, d := range []Duration{b.MaxDuration, BreakGlassMost} {
		if !d.Stated() {
			continue
		}
		e, bounded, err := d.After(start)
		if err != nil {
			return time.Time{}, fmt.Errorf("bound emergency access: %w", err)
		}
		if bounded {
			end = Earliest(end, e)
		}
	}
	return end, nil
}

// ReviewBy is the instant by which a use that ends at end must have been looked
// back at: ReviewWithin later, or three days where nothing, or no end, is stated.
func (b BreakGlass) ReviewBy(end time.Time) (time.Time, error) {
	within := b.ReviewWithin
	if !within.Stated() || within == Indefinite {
		within = emergencyReview
	}
	by, _, err := within.After(end)
	if err != nil {
		return time.Time{}, fmt.Errorf("bound the review of emergency access: %w", err)
	}
	return by, nil
}

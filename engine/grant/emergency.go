package grant

import (
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// emergencyEnd is the end that counts for emergency access, and the end itself
// for any other request. It repeats a bound that the determination has already:
// whatever a record says, an emergency is over in time.
//
//	type       decidedAt    until                        ends
//	other      any          any                          until
//	emergency  unknown      any                          at once: ok is false
//	emergency  known        by decidedAt + the most      until
//	emergency  known        later, or none               decidedAt + the most
//
// The most is resource.BreakGlassMost. What emergency access shows is the default
// profile: it lifts no mask, and only an approved masking exception does.
func emergencyEnd(t resource.RequestType, decidedAt, until time.Time) (end time.Time, ok bool) {
	if t != resource.EmergencyAccess {
		return until, true
	}
	latest, bounded, err := resource.BreakGlassMost.After(decidedAt)
	if decidedAt.IsZero() || !bounded || err != nil {
		return time.Time{}, false
	}
	return resource.Earliest(until, latest), true
}

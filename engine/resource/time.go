package resource

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Duration is a length of time as people write it: a whole number and one of
// min, h, d, w, mo, y (90d, 3mo), or "indefinite". The empty value means "not
// stated". Months and years are calendar ones, with month ends clamped.
type Duration string

// Indefinite is a duration without an end.
const Indefinite Duration = "indefinite"

var durationPattern = regexp.MustCompile(`^([1-9][0-9]{0,4})(min|h|d|w|mo|y)$`)

// Valid reports whether the duration follows the grammar; empty is not valid.
func (d Duration) Valid() bool { return d == Indefinite || durationPattern.MatchString(string(d)) }

// Stated reports whether anything is written.
func (d Duration) Stated() bool { return d != "" }

// After is the instant at which the duration ends when it starts at t, in UTC
// and whole seconds. bounded is false where there is no end. 31 January plus
// one month is the last day of February.
func (d Duration) After(t time.Time) (end time.Time, bounded bool, err error) {
	if d == Indefinite {
		return time.Time{}, false, nil
	}
	m := durationPattern.FindStringSubmatch(string(d))
	if m == nil {
		return time.Time{}, false, fmt.Errorf("parse duration %q: want a whole number and min, h, d, w, mo or y", string(d))
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return time.Time{}, false, fmt.Errorf("parse duration %q: %w", string(d), err)
	}
	t = t.UTC().Truncate(time.Second)
	switch m[2] {
	case "min":
		return t.Add(time.Duration(n) * time.Minute), true, nil
	case "h":
		return t.Add(time.Duration(n) * time.Hour), true, nil
	case "d":
		return t.AddDate(0, 0, n), true, nil
	case "w":
		return t.AddDate(0, 0, 7*n), true, nil
	case "mo":
		return addMonths(t, n), true, nil
	default:
		return addMonths(t, 12*n), true, nil
	}
}

// Next is the first of start+d, start+2d, start+3d … that is after now. ok is
// false where the duration has no end, or cannot be read.
func (d Duration) Next(start, now time.Time) (next time.Time, ok bool) {
	m := durationPattern.FindStringSubmatch(string(d))
	if m == nil {
		return time.Time{}, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return time.Time{}, false
	}
	start = start.UTC().Truncate(time.Second)
	// The longest that one step can be, so that the first guess is never too late.
	longest := map[string]time.Duration{"min": time.Minute, "h": time.Hour, "d": day, "w": 7 * day, "mo": 31 * day, "y": 366 * day}[m[2]] * time.Duration(n)
	for k := max(1, int(now.Sub(start)/longest)); ; k++ {
		switch m[2] {
		case "mo":
			next = addMonths(start, n*k)
		case "y":
			next = addMonths(start, 12*n*k)
		default:
			next = start.Add(longest * time.Duration(k))
		}
		if next.After(now) {
			return next, true
		}
	}
}

const day = 24 * time.Hour

func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// Instant is a moment as people write it: 2027-01-31 (midnight UTC at its
// start) or 2027-01-31T17:00:00Z. The empty value means "not stated".
type Instant string

// Stated reports whether anything is written.
func (i Instant) Stated() bool { return i != "" }

// Time reads the instant, in UTC and whole seconds.
func (i Instant) Time() (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05Z"} {
		if t, err := time.Parse(layout, string(i)); err == nil && t.Nanosecond() == 0 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("parse instant %q: want 2027-01-31 or 2027-01-31T17:00:00Z", string(i))
}

// Earliest is the first of the given ends; the zero time means "no end".
func Earliest(ends ...time.Time) time.Time {
	var first time.Time
	for _, e := range ends {
		if !e.IsZero() && (first.IsZero() || e.Before(first)) {
			first = e
		}
	}
	return first
}

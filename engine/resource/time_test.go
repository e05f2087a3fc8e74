package resource_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
)

func TestDurationAfter(t *testing.T) {
	for _, tc := range []struct {
		d           resource.Duration
		start, want string // want "": no end; "error"
	}{
		{"15min", "2026-11-24T12:00:00Z", "2026-11-24T12:15:00Z"},
		{"8h", "2026-11-24T20:00:00Z", "2026-11-25T04:00:00Z"},
		{"90d", "2026-11-24T12:00:00Z", "2027-02-22T12:00:00Z"},
		{"2w", "2026-11-24T12:00:00Z", "2026-12-08T12:00:00Z"},
		{"1mo", "2027-01-31T12:00:00Z", "2027-02-28T12:00:00Z"},
		{"1mo", "2028-01-31T12:00:00Z", "2028-02-29T12:00:00Z"},
		{"13mo", "2026-12-31T12:00:00Z", "2028-01-31T12:00:00Z"},
		{"1y", "2028-02-29T12:00:00Z", "2029-02-28T12:00:00Z"},
		{"indefinite", "2026-11-24T12:00:00Z", ""},
		{"", "2026-11-24T12:00:00Z", "error"},
		{"0d", "2026-11-24T12:00:00Z", "error"},
		{"-1d", "2026-11-24T12:00:00Z", "error"},
		{"1.5d", "2026-11-24T12:00:00Z", "error"},
		{"1m", "2026-11-24T12:00:00Z", "error"},
		{"100000d", "2026-11-24T12:00:00Z", "error"},
		{" 1d", "2026-11-24T12:00:00Z", "error"},
	} {
		start, err := time.Parse(time.RFC3339, tc.start)
		if err != nil {
			t.Fatal(err)
		}
		end, bounded, err := tc.d.After(start)
		got := ""
		switch {
		case err != nil:
			got = "error"
		case bounded:
			got = end.Format(time.RFC3339)
		}
		if got != tc.want {
			t.Errorf("%q after %s: %q, want %q", tc.d, tc.start, got, tc.want)
		}
		if (got != "error") != tc.d.Valid() {
			t.Errorf("%q: Valid disagrees with After", tc.d)
		}
	}
}

func TestDurationAfterIsLaterAndKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := resource.Duration(rapid.StringMatching(`[1-9][0-9]{0,2}(min|h|d|w|mo|y)`).Draw(t, "d"))
		a := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "a"), 0)
		b := a.Add(time.Duration(rapid.Int64Range(0, 1e6).Draw(t, "gap")) * time.Second)
		endA, _, errA := d.After(a)
		endB, _, errB := d.After(b)
		if errA != nil || errB != nil || !endA.After(a) || endB.Before(endA) {
			t.Fatalf("%s: %v -> %v, %v -> %v", d, a, endA, b, endB)
		}
	})
}

func TestInstantTime(t *testing.T) {
	for in, want := range map[resource.Instant]string{
		"2027-01-31":                "2027-01-31T00:00:00Z",
		"2027-01-31T17:00:00Z":      "2027-01-31T17:00:00Z",
		"2027-01-31T17:00:00.5Z":    "error",
		"2027-01-31T17:00:00+01:00": "error",
		"2027-02-30":                "error",
		"":                          "error",
	} {
		got := "error"
		if at, err := in.Time(); err == nil {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestEarliestTakesZeroForNoEnd(t *testing.T) {
	a, b := time.Unix(10, 0), time.Unix(20, 0)
	if got := resource.Earliest(time.Time{}, b, a); !got.Equal(a) {
		t.Errorf("Earliest = %v", got)
	}
	if got := resource.Earliest(time.Time{}); !got.IsZero() {
		t.Errorf("Earliest of no end = %v", got)
	}
}

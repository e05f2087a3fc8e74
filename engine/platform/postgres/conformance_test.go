package postgres

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// Every version is held to the whole contract, but for the cases that die at
// each step of a batch: they take long, and no version between the oldest and
// the newest has steps of its own.
func TestConformance(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		n := serverMajor(t, s)
		platformtest.Run(t, func(t *testing.T) platformtest.Harness {
			if n != majors[0] && n != majors[len(majors)-1] && strings.Contains(t.Name(), "dies_at_any_step") {
				t.Skip("run on the oldest and the newest version")
			}
			return newPlaceOn(t, s)
		})
	})
}

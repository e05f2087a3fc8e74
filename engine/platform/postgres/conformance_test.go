package postgres

import (
	"testing"

	"github.com/assent-dev/assent/engine/platform/platformtest"
)

func TestConformance(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		platformtest.Run(t, func(t *testing.T) platformtest.Harness { return newPlaceOn(t, s) })
	})
}

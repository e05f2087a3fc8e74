package mysql

import (
	"testing"

	"github.com/assent-dev/assent/engine/platform/platformtest"
)

func TestConformance(t *testing.T) {
	platformtest.Run(t, func(t *testing.T) platformtest.Harness { return newPlace(t) })
}

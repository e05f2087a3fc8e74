package mysql

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/platform/platformtest"
)

func TestConformance(t *testing.T) {
	p, err := newPlace(t).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Observe(t.Context()); err != nil && strings.Contains(err.Error(), "not implemented yet") {
		t.Skip(err)
	}
	platformtest.Run(t, func(t *testing.T) platformtest.Harness { return newPlace(t) })
}

package sandbox

import (
	"context"

	"github.com/assent-dev/assent/engine/platform"
)

// Survey implements platform.Surveyor. A sandbox has neither roles of others with
// members nor owners that log in, so that there is nothing to tell.
func (s *Sandbox) Survey(context.Context) (platform.Survey, error) {
	return platform.Survey{Members: map[string][]string{}, Standing: []platform.Standing{}}, nil
}

var _ platform.Surveyor = (*Sandbox)(nil)

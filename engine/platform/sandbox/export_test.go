package sandbox

import "errors"

var errDied = errors.New("died")

// DieAt lets the sandbox fail for good at the given statement of Apply, counted
// from 1, and tells whether it came to that.
func (s *Sandbox) DieAt(step int) (died func() bool) {
	n := 0
	s.afterStatement = func(string) error {
		if n++; n >= step {
			return errDied
		}
		return nil
	}
	return func() bool { return n >= step }
}

package reconcile

import (
	"time"

	"github.com/assent-dev/assent/engine/plan"
)

// lateness is how long after its end an access was still there at the time of
// the round, in whole seconds; zero for every change that is no expiry. What
// several ends kept alive was over at the last of them.
func (rd *round) lateness(c plan.Change) int64 {
	if c.Action != plan.Revoke || c.Reason != plan.ReasonExpired {
		return 0
	}
	end := c.Grant.NotAfter
	for _, r := range c.Grant.Requests {
		if until := rd.custody.Approvals[r.Name].Until; until.After(end) && !until.After(rd.report.At) {
			end = until
		}
	}
	if end.IsZero() || !rd.report.At.After(end) {
		return 0
	}
	return int64(rd.report.At.Sub(end) / time.Second)
}

// Late is the longest that an access which is over still stands after this
// round, because its platform could not be made to end it; zero if there is none.
func (r Report) Late() time.Duration {
	var worst int64
	for _, c := range r.Connections {
		for _, s := range c.Steps {
			if !s.ended() {
				worst = max(worst, s.LateSeconds)
			}
		}
	}
	return time.Duration(worst) * time.Second
}

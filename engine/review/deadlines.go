package review

import (
	"fmt"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Deadlines are the times at which something happens to a request that nobody
// decides. A zero time means never.
type Deadlines struct {
	NextReminder time.Time          `json:"nextReminder,omitzero"` // the next one after now; none from the lapse on
	EscalateAt   time.Time          `json:"escalateAt,omitzero"`   // may be in the past: then it is escalated
	EscalateTo   []resource.Subject `json:"escalateTo,omitempty"`
	LapseAt      time.Time          `json:"lapseAt,omitzero"`
	LapseAfter   resource.Duration  `json:"lapseAfter,omitempty"` // as the flow states it
}

// DeadlinesOf computes what the flow of a request that was opened at openedAt
// has in store, seen at now. Reminders come every so often from openedAt on. An
// indefinite length of time, or one that cannot be read, never comes.
func DeadlinesOf(flow resource.ReviewFlow, openedAt, now time.Time) Deadlines {
	var d Deadlines
	if l := flow.Lapse; l != nil {
		if end, bounded, err := l.After.After(openedAt); err == nil && bounded {
			d.LapseAt, d.LapseAfter = end, l.After
		}
	}
	if e := flow.Escalate; e != nil {
		if end, bounded, err := e.After.After(openedAt); err == nil && bounded {
			d.EscalateAt, d.EscalateTo = end, e.To
		}
	}
	if r := flow.Reminders; r != nil {
		if next, ok := r.Every.Next(openedAt, now); ok && (d.LapseAt.IsZero() || next.Before(d.LapseAt)) {
			d.NextReminder = next
		}
	}
	return d
}

// Lapsed reports whether stewards had their time to decide and did not, and says
// so in a sentence. A request that waits for something else, such as rules that
// can be evaluated or a branch without conflicts, does not lapse.
func (j Judgement) Lapsed(now time.Time) (reason string, lapsed bool) {
	if j.Outcome != Pending {
		return "", false
	}
	for _, d := range j.Determinations {
		if d.Outcome == Pending && d.undecided() && !d.Deadlines.LapseAt.IsZero() && !now.Before(d.Deadlines.LapseAt) {
			return fmt.Sprintf("lapsed: nobody decided within %s", d.Deadlines.LapseAfter), true
		}
	}
	return "", false
}

// undecided reports whether the rules were asked and a stage lacks something.
func (d Determination) undecided() bool {
	if d.Deadlines == nil || len(d.Decision) == 0 {
		return false
	}
	for _, s := range d.Stages {
		if s.State != StageApproved {
			return true
		}
	}
	return false
}

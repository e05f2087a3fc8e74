package report

import (
	"slices"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/review"
)

// State is how a request stands, as people read it: the word always stands beside
// the icon.
type State string

// The states that people are shown.
const (
	Waiting   State = "waiting"
	Changes   State = "changes requested"
	Approved  State = "approved"
	Applied   State = "applied"
	Denied    State = "denied"
	Expired   State = "expired"
	Withdrawn State = "withdrawn"
	Revoked   State = "revoked"
	Prevented State = "prevented by guardrail"
)

// Icon is the sign of a state.
func (s State) Icon() string {
	switch s {
	case Changes:
		return "🟠"
	case Approved:
		return "🟢"
	case Applied:
		return "✅"
	case Denied:
		return "🔴"
	case Expired, Withdrawn, Revoked:
		return "⚪"
	case Prevented:
		return "⛔"
	default:
		return "🟡"
	}
}

// StateOf is how a judged pull request stands.
//
//	outcome              what holds it                                 state
//	approved             -                                             approved
//	denied               -                                             denied
//	canceled, skipped    -                                             withdrawn
//	pending              a rule of the organisation                    prevented by guardrail
//	pending              the pull request itself: requests and other   changes requested
//	                     files mixed, a conflict, a mistake; only who
//	                     asked can mend it
//	pending              anything else                                 waiting
func StateOf(j review.Judgement) State {
	switch {
	case j.Outcome.Grants():
		return Approved
	case j.Outcome == review.Denied:
		return Denied
	case j.Outcome != review.Pending:
		return Withdrawn
	case j.Class == review.ClassMixed:
		return Changes
	}
	for _, d := range j.Determinations {
		switch {
		case d.Outcome != review.Pending:
		case len(d.Constraints) > 0:
			return Prevented
		case !d.Parked() && len(d.Decision) > 0 && !waits(d):
			return Changes
		}
	}
	return Waiting
}

// waits reports whether a stage of the determination waits for somebody.
func waits(d review.Determination) bool {
	return slices.ContainsFunc(d.Stages, func(s review.StageResult) bool { return s.State != review.StageApproved })
}

// Standing is how one request stands, decided or not.
func Standing(s audit.RequestStatus) State {
	switch s.State {
	case audit.StateDenied:
		return Denied
	case audit.StateCanceled:
		return Withdrawn
	case audit.StateExpired:
		return Expired
	case audit.StateRevoked:
		return Revoked
	case audit.StateApproved:
		return stateOfApproved(s)
	case audit.StatePending, audit.StateParked:
		if s.Judgement != nil {
			return StateOf(*s.Judgement)
		}
	}
	return Waiting
}

// stateOfApproved tells what was approved from what is there: approved is not
// applied, and a guardrail may leave nothing of it.
func stateOfApproved(s audit.RequestStatus) State {
	kept := slices.ContainsFunc(s.Prevented, func(p grant.Prevented) bool {
		return p.State == grant.StatePrevented
	})
	switch {
	case len(s.Grants) == 0 && kept:
		return Prevented
	case len(s.Grants) == 0 || slices.ContainsFunc(s.Grants, func(g audit.GrantStatus) bool { return g.State == "waiting" || g.State == "failing" }):
		return Approved
	default:
		return Applied
	}
}

package reconcile

import (
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// takeDue takes the grants whose time is over out of what was observed and
// returns their revocations. No limit and no freeze holds them, so they rest on
// positive evidence and not on what is missing:
//
//	wanted now                                        not due
//	the end that the grant itself carries has passed  due
//	the ledger holds, and every request has ended,
//	or a review that it records dropped it            due
//	otherwise                                         not due
//
// The end that a grant carries was put there with it, and is what remains where
// the ledger or main cannot be relied on.
func takeDue(rd *round) []plan.Change {
	wanted := map[grant.Key]bool{}
	for _, g := range rd.wish.All().Grants {
		wanted[g.Key()] = true
	}
	over := ended(rd.custody.Approvals, rd.report.At)
	for name := range rd.custody.Dropped {
		over[name] = true
	}
	var due []plan.Change
	for i := range rd.observed {
		state := &rd.observed[i].State
		var rest []grant.Grant
		for _, g := range state.Grants {
			if !g.NotAfter.IsZero() && g.NotAfter.After(rd.report.At) && (rd.report.Next.IsZero() || g.NotAfter.Before(rd.report.Next)) {
				rd.report.Next = g.NotAfter
			}
			passed := !g.NotAfter.IsZero() && !rd.report.At.Before(g.NotAfter)
			if wanted[g.Key()] || !passed && !(rd.ledgerHolds && allEnded(g, over)) {
				rest = append(rest, g)
				continue
			}
			reason := plan.ReasonExpired
			if slices.ContainsFunc(g.Requests, func(r resource.Ref) bool { _, dropped := rd.custody.Dropped[r.Name]; return dropped }) {
				reason = plan.ReasonWithdrawn
			}
			due = append(due, plan.Change{Action: plan.Revoke, Reason: reason, Grant: &g, PriorGrant: &g})
		}
		state.Grants = rest
	}
	return due
}

func allEnded(g grant.Grant, over map[resource.Name]bool) bool {
	for _, r := range g.Requests {
		if r.Kind != resource.KindAccessRequest || !over[r.Name] {
			return false
		}
	}
	return len(g.Requests) > 0
}

// ended are the approved requests whose end has passed, whether or not their
// files are still there.
func ended(approvals grant.Determinations, now time.Time) map[resource.Name]bool {
	out := map[resource.Name]bool{}
	for name, a := range approvals {
		if !a.Until.IsZero() && !now.Before(a.Until) {
			out[name] = true
		}
	}
	return out
}

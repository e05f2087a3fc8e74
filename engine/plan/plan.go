// Package plan compares what is desired with what was observed and orders the
// difference. A plan is data: it marshals, and applying it makes the next one
// empty. Nothing here touches a platform, reads a clock or logs.
package plan

import (
	"fmt"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// Action is what a change does.
type Action string

// The actions, in the order they are applied: what takes access away comes
// first, and a role has its masks before anybody joins it.
const (
	Revoke    Action = "revoke"    // a principal leaves a role
	Retire    Action = "retire"    // a role goes, with all that it opened
	Provision Action = "provision" // a role comes, or its objects, columns or masks change
	Extend    Action = "extend"    // only the end of a grant, or what justifies it, changes
	Allow     Action = "grant"     // a principal joins a role
)

// Reason says why a change is made, for people and for the limits.
type Reason string

// The reasons.
const (
	ReasonApproved   Reason = "approved"   // a live approval wants it
	ReasonProduct    Reason = "product"    // the product's sources, masks or state changed
	ReasonExpired    Reason = "expired"    // the approval's window is over
	ReasonWithdrawn  Reason = "withdrawn"  // no live approval wants it any more
	ReasonMoved      Reason = "moved"      // the principal changes to another role of the same scope and loses no column
	ReasonDrift      Reason = "drift"      // somebody changed it on the platform
	ReasonUnexpected Reason = "unexpected" // found on a role of ours, with no approval at all
)

// Change is one step. Role is set for retire and provision, Grant for the
// others; the Prior one is what was observed, where there was something.
type Change struct {
	Action     Action       `json:"action"`
	Reason     Reason       `json:"reason"`
	Role       *grant.Role  `json:"role,omitempty"`
	PriorRole  *grant.Role  `json:"priorRole,omitempty"`
	Grant      *grant.Grant `json:"grant,omitempty"`
	PriorGrant *grant.Grant `json:"priorGrant,omitempty"`
}

// RoleKey is the role that the change is about.
func (c Change) RoleKey() grant.RoleKey {
	if c.Grant != nil {
		return c.Grant.RoleKey
	}
	return c.Role.RoleKey
}

// Observed is what one platform was seen to hold. Err means "unknown", never
// "empty": nothing is planned there but due expiries of Known grants.
type Observed struct {
	Connection resource.Name
	State      grant.State
	Err        error
}

// Limits bound what one run may take away from one platform, expiries apart.
type Limits struct {
	Count   int // this many always pass
	Percent int // and this share of the platform's live grants
	// Confirmed are the digests of held batches that people have confirmed.
	Confirmed map[string]bool
}

// DefaultLimits are the limits where the repository states none.
var DefaultLimits = Limits{Count: 10, Percent: 15}

// Plan is the ordered changes for every platform.
type Plan struct {
	Changes []Change `json:"changes"`
	// Untouched are the changes that mode enforce would make, and that the mode of
	// the role leaves to people; see resource.Mode. Ordered as Changes are.
	Untouched []Change        `json:"untouched,omitempty"`
	Unknown   []resource.Name `json:"unknown,omitempty"` // connections that could not be observed
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Changes) == 0 }

// For returns the changes of one connection, in order.
func (p Plan) For(connection resource.Name) []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.RoleKey().Connection == connection {
			out = append(out, c)
		}
	}
	return out
}

// LimitError holds the part of a plan that would take too much away at once.
// The plan returned beside it has everything else.
type LimitError struct {
	Connection resource.Name `json:"connection"`
	Revokes    int           `json:"revokes"` // grants that would be lost, expiries apart
	Live       int           `json:"live"`    // grants now
	Allowed    int           `json:"allowed"`
	Digest     string        `json:"digest"` // quote it to confirm the held changes
	Held       []Change      `json:"held"`   // what was taken out of the plan
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("hold %d revocations on %s: at most %d of %d live grants may go at once; confirm batch %s",
		e.Revokes, e.Connection, e.Allowed, e.Live, e.Digest)
}

package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// StateBirthright is the state of access that a product gives without a request.
const StateBirthright State = "birthright"

// NoticeCertify is the state of a Notice about a recertification; the others are
// those of review.EmergencyUse.
const NoticeCertify = "certify"

// Notice is something about a request that people have to do in time.
type Notice struct {
	State  string          `json:"state"` // certify, in use, review due, review overdue, misuse
	Reason string          `json:"reason"`
	By     time.Time       `json:"by,omitzero"`      // the last moment, exclusive
	People []resource.Name `json:"people,omitempty"` // who can do it; whoever opens the review does not count
}

// Open reports whether somebody still has to look back at the request, although
// it may be over.
func (s RequestStatus) Open() bool {
	return slices.ContainsFunc(s.Notices, func(n Notice) bool { return n.State != NoticeCertify })
}

// notice fills in what people have to do about a request.
func (s *RequestStatus) notice(set *resource.Set, c Custody, now time.Time) {
	for _, u := range c.Emergencies.Uses {
		if u.Request == s.Request {
			s.Notices = append(s.Notices, emergencyNotice(set, u, now))
		}
	}
	a, live := c.Approvals[s.Request]
	req, there := resource.Get[*resource.AccessRequest](set, resource.KindAccessRequest, s.Request)
	if !live || !there || s.State != StateApproved || a.CertifyBy.IsZero() {
		return
	}
	n := Notice{State: NoticeCertify, By: a.CertifyBy, People: review.Certifiers(set, req, now)}
	by := a.CertifyBy.UTC().Format(time.RFC3339)
	switch {
	case a.Lapses:
		n.Reason = "it ends " + by + " unless a steward keeps it in an access review before"
	case now.Before(a.CertifyBy):
		n.Reason = "a steward should say by " + by + " in an access review whether it is still right; it stays until then and after"
	default:
		n.Reason = "since " + by + " a steward should say in an access review whether it is still right; meanwhile it stays"
	}
	s.Notices = append(s.Notices, n)
}

func emergencyNotice(set *resource.Set, u review.EmergencyUse, now time.Time) Notice {
	n := Notice{State: string(u.State(now)), By: u.ReviewBy, People: review.Reviewers(set, u, now)}
	by := u.ReviewBy.UTC().Format(time.RFC3339)
	switch u.State(now) {
	case review.EmergencyInUse:
		n.Reason = "it needs an after-review between its end and " + by
	case review.EmergencyDue:
		n.Reason = "it needs an after-review by " + by + "; later, its people get no further emergency access"
	case review.EmergencyOverdue:
		n.Reason = "it needed an after-review by " + by + "; until there is one, its people get no further emergency access"
	default:
		n.By = time.Time{}
		n.Reason = fmt.Sprintf("access review %s found it to be misuse: its people get no further emergency access until GOVERNANCE says otherwise in an after-review", u.Misuse)
	}
	return n
}

// Birthrights are the accesses that people have without a request, as statuses
// of their own: the product and the entry take the place of the request file.
func Birthrights(set *resource.Set, c Custody, now time.Time) []RequestStatus {
	var out []RequestStatus
	for _, x := range grant.Birthrights(set, now) {
		s := RequestStatus{
			State: StateBirthright, Reason: "everybody in " + x.Entry + " has it without asking",
			At: x.At, Target: "data product " + string(x.Product), For: []string{string(x.Person)}, Level: string(x.Access), Until: x.Until,
		}
		p, ok := resource.Get[*resource.DataProduct](set, resource.KindDataProduct, x.Product)
		if ok {
			s.File = p.Source.File
		}
		if x.State != "" {
			s.Prevented = []grant.Prevented{{State: x.State, Reason: x.Reason}}
		} else {
			s.Grants = []GrantStatus{birthrightGrant(x, c)}
		}
		out = append(out, s)
	}
	return out
}

func birthrightGrant(x grant.Birthright, c Custody) GrantStatus {
	g := GrantStatus{Connection: x.Connection, Role: x.Role, Principal: x.Principal, State: "waiting", Until: x.Until, Detail: "the next reconcile grants it"}
	for key := range c.Applied {
		same := key.Connection == x.Connection && key.Principal == x.Principal && key.Access == x.Access &&
			key.Scope == resource.Ref{Kind: resource.KindDataProduct, Name: x.Product}
		if same && (g.State == "waiting" || key.RoleName() < g.Role) {
			g.State, g.Role, g.Detail = "applied", key.RoleName(), "by reconcile"
		}
	}
	return g
}

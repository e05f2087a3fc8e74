package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// State is where a request is in its life, the way people say it.
type State string

// The states of a request.
const (
	StatePending    State = "pending"
	StateApproved   State = "approved"
	StateDenied     State = "denied"
	StateCanceled   State = "canceled"
	StateExpired    State = "expired"
	StateRevoked    State = "revoked"
	StateUnapproved State = "unapproved" // on main without an admitted determination
	StateParked     State = "parked"     // pending until its target is registered
)

// Ended reports whether the request is over.
func (s State) Ended() bool {
	return s == StateDenied || s == StateCanceled || s == StateExpired || s == StateRevoked
}

// RequestStatus is how one request stands, and what it gives.
type RequestStatus struct {
	Request     resource.Name     `json:"request"`
	State       State             `json:"state"`
	Reason      string            `json:"reason,omitempty"`
	File        string            `json:"file,omitempty"`
	At          string            `json:"at,omitempty"`    // where the file says what is asked for
	Asked       string            `json:"asked,omitempty"` // for how long: "90d", "until 2027-01-31"
	PullRequest string            `json:"pullRequest,omitempty"`
	Target      string            `json:"target,omitempty"`
	For         []string          `json:"for,omitempty"`
	Level       string            `json:"level,omitempty"`
	Renews      resource.Name     `json:"renews,omitempty"`
	Earlier     []Earlier         `json:"earlier,omitempty"` // requests that this one continues, the latest first
	OpenedAt    time.Time         `json:"openedAt,omitzero"`
	DecidedAt   time.Time         `json:"decidedAt,omitzero"`
	DecidedBy   []resource.Name   `json:"decidedBy,omitempty"` // whose reviews counted
	NotBefore   time.Time         `json:"notBefore,omitzero"`
	Until       time.Time         `json:"until,omitzero"`
	Record      uint64            `json:"record,omitempty"` // seq of the determination
	Grants      []GrantStatus     `json:"grants,omitempty"`
	Prevented   []grant.Prevented `json:"prevented,omitempty"`
	Findings    []Finding         `json:"findings,omitempty"`
	Notices     []Notice          `json:"notices,omitempty"`   // what people have to do in time
	Judgement   *review.Judgement `json:"judgement,omitempty"` // of a pending one
	Facts       *review.Facts     `json:"-"`
	History     []Event           `json:"-"` // in the order of the ledger

	failing map[string]string // why a grant could not be carried out, by connection, account and role
}

// GrantStatus is the state of one grant, apart from the request's own: approved
// is not granted, and revoked means that the platform said so on read-back.
type GrantStatus struct {
	Connection resource.Name `json:"connection"`
	Role       string        `json:"role"`
	Principal  string        `json:"principal"`
	State      string        `json:"state"` // waiting, applied, partly applied, residual, revoked; failing, where the platform could not
	Until      time.Time     `json:"until,omitzero"`
	Record     uint64        `json:"record,omitempty"`
	Detail     string        `json:"detail,omitempty"`
}

// Requests tells how every request that main or the ledger knows stands at now,
// ordered by name. Pull requests without a determination are not among them.
func (a *Auditor) Requests(ctx context.Context, set *resource.Set, main gitdb.OID, now time.Time) ([]RequestStatus, error) {
	c, err := a.Custody(ctx, main)
	if err != nil {
		return nil, err
	}
	all, short := map[resource.Name]*RequestStatus{}, shortfalls{}
	for v, err := range a.Ledger.Replay(ctx) {
		if err != nil {
			return nil, fmt.Errorf("replay ledger: %w", err)
		}
		if err := a.takeRecord(all, short, v); err != nil {
			return nil, err
		}
	}
	for req := range resource.Of[*resource.AccessRequest](set) {
		s := statusOf(all, req.Ref().Name)
		s.Describe(req)
		if s.State == "" {
			s.State, s.Reason = StateUnapproved, "on main without a determination: it gives no access"
		}
	}
	wish := grant.Desired(set, c.Approvals, now)
	var out []RequestStatus
	for _, s := range all {
		s.settle(set, c, wish, now)
		s.weaken(short)
		s.notice(set, c, now)
		out = append(out, *s)
	}
	slices.SortFunc(out, func(x, y RequestStatus) int { return strings.Compare(string(x.Request), string(y.Request)) })
	Chain(out)
	return out, nil
}

func statusOf(all map[resource.Name]*RequestStatus, name resource.Name) *RequestStatus {
	if all[name] == nil {
		all[name] = &RequestStatus{Request: name}
	}
	return all[name]
}

// Describe fills in what the request file says.
func (s *RequestStatus) Describe(req *resource.AccessRequest) {
	s.File, s.At = req.Source.File, req.At("spec", "target").String()
	s.Target, s.Asked = TargetText(req.Spec.Target), asked(req.Spec)
	s.Level, s.Renews = string(req.Spec.Level()), req.Spec.Renews
	s.For = nil
	for _, b := range req.Spec.Beneficiaries {
		s.For = append(s.For, SubjectText(b))
	}
}

func asked(s resource.AccessRequestSpec) string {
	if s.Until.Stated() {
		return "until " + string(s.Until)
	}
	return string(s.Duration)
}

// TargetText names a target: "data product x", "data source y" or "everything below z".
func TargetText(t resource.Target) string {
	switch {
	case t.Product != "":
		return "data product " + string(t.Product)
	case t.Source != "":
		return "data source " + string(t.Source)
	default:
		return "everything below " + t.Path
	}
}

// SubjectText names a subject: a person by name, others with their kind.
func SubjectText(s resource.Subject) string {
	switch {
	case s.Group != "":
		return "group " + string(s.Group)
	case s.ServiceAccount != "":
		return "service account " + string(s.ServiceAccount)
	default:
		return string(s.User)
	}
}

// weaken tells of grants whose role opens less than it should.
func (s *RequestStatus) weaken(short shortfalls) {
	for i := range s.Grants {
		g := &s.Grants[i]
		if why, ok := short[string(g.Connection)+" "+g.Role]; ok && g.State == "applied" {
			g.State, g.Detail = "partly applied", why
		}
	}
}

// settle compares what was decided with what is in force now.
func (s *RequestStatus) settle(set *resource.Set, c Custody, wish grant.Wish, now time.Time) {
	for _, f := range c.Findings {
		if f.Request == s.Request {
			s.Findings = append(s.Findings, f)
		}
	}
	for _, p := range wish.Prevented {
		if p.Request == s.Request {
			s.Prevented = append(s.Prevented, p)
		}
	}
	if s.State != StateApproved {
		return
	}
	approval, live := c.Approvals[s.Request]
	if live && !approval.Until.IsZero() {
		s.Until = approval.Until
	}
	d, dropped := c.Dropped[s.Request]
	_, there := resource.Get[*resource.AccessRequest](set, resource.KindAccessRequest, s.Request)
	switch {
	case !s.Until.IsZero() && !now.Before(s.Until):
		s.State = StateExpired
	case !there:
		s.State, s.Reason = StateRevoked, "the request file was deleted"
	case dropped:
		s.State, s.Reason = StateRevoked, fmt.Sprintf("access review %s: %s", d.Review, d.Decision)
		if d.Reason != "" {
			s.Reason += ": " + d.Reason
		}
	case !live:
		s.State, s.Reason = StateUnapproved, "its record does not hold"
	}
	for _, g := range wish.Grants {
		if !slices.Contains(g.Requests, resource.Ref{Kind: resource.KindAccessRequest, Name: s.Request}) {
			continue
		}
		known := slices.ContainsFunc(s.Grants, func(o GrantStatus) bool {
			return o.Connection == g.Connection && o.Role == g.RoleName() && o.Principal == g.Principal && o.State == "applied"
		})
		if !known {
			waiting := GrantStatus{Connection: g.Connection, Role: g.RoleName(), Principal: g.Principal, State: "waiting", Until: g.NotAfter, Detail: "the next reconcile grants it"}
			if why, ok := s.failing[fmt.Sprintf("%s %s in %s", g.Connection, g.Principal, g.RoleName())]; ok {
				waiting.State, waiting.Detail = "failing", why
			}
			s.Grants = append(s.Grants, waiting)
		}
	}
}

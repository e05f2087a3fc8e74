package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Earlier is a request that a later one continues.
type Earlier struct {
	Request   resource.Name   `json:"request"`
	State     State           `json:"state"`
	DecidedAt time.Time       `json:"decidedAt,omitzero"`
	DecidedBy []resource.Name `json:"decidedBy,omitempty"`
	Until     time.Time       `json:"until,omitzero"`
	Record    uint64          `json:"record,omitempty"`
}

// Chain fills in, for each request of a list that renews another, the requests
// that it continues. A request that is not in the list ends the chain.
func Chain(list []RequestStatus) {
	byName := map[resource.Name]*RequestStatus{}
	for i := range list {
		byName[list[i].Request] = &list[i]
	}
	for i := range list {
		list[i].Earlier = nil
		seen := map[resource.Name]bool{list[i].Request: true}
		for name := list[i].Renews; name != "" && !seen[name]; {
			seen[name] = true
			e := byName[name]
			if e == nil {
				break
			}
			list[i].Earlier = append(list[i].Earlier, Earlier{e.Request, e.State, e.DecidedAt, e.DecidedBy, e.Until, e.Record})
			name = e.Renews
		}
	}
}

func (a *Auditor) takeRecord(all map[resource.Name]*RequestStatus, short shortfalls, v ledger.Verified) error {
	switch v.Type {
	case ledger.TypeDetermination:
		body, err := v.Determination()
		if err != nil {
			return fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		if v.Subject.Request == "" || v.Subject.Blob == "" {
			return nil
		}
		return a.takeDetermination(statusOf(all, resource.Name(v.Subject.Request)), v, body)
	case ledger.TypeRevocation:
		s := statusOf(all, resource.Name(v.Subject.Request))
		s.State = StateRevoked
		s.happened(Event{At: v.RecordedAt, What: "revocation", Record: v.Seq})
		if body, err := v.Revocation(); err == nil {
			s.Reason = body.Reason
		}
	case ledger.TypeApplied, ledger.TypeRevoked:
		return takeEffect(all, short, v)
	case ledger.TypeObservation:
		body, err := v.Observation()
		if err != nil {
			return fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		if role, detail, ok := strings.Cut(body.Detail, ": "); ok && v.Subject.Request == "" && v.Subject.PlanDigest != "" && strings.HasPrefix(role, partlyPrefix) {
			short[v.Subject.Connection+" "+strings.TrimPrefix(role, partlyPrefix)] = body.Code + ": " + detail
		}
		if who, detail, ok := strings.Cut(body.Detail, ": "); ok && v.Subject.Request != "" && v.Subject.Connection != "" {
			s := statusOf(all, resource.Name(v.Subject.Request))
			if s.failing == nil {
				s.failing = map[string]string{}
			}
			s.failing[v.Subject.Connection+" "+who] = body.Code + ": " + detail
		}
	}
	return nil
}

// Failing is the text of an observation that a grant could not be carried out:
// who would be let in where, and why not.
func Failing(g grant.Grant, why string) string {
	return g.Principal + " in " + g.RoleName() + ": " + why
}

// shortfalls holds why a role is not carried out in full, by connection and role.
type shortfalls map[string]string

const partlyPrefix = "part of "

// Partly is the text of an observation that a role opens less than it should.
func Partly(role grant.RoleKey, why string) string {
	return partlyPrefix + role.RoleName() + ": " + why
}

// takeDetermination takes what a record says of a request. A change of an
// approved request that was denied or withdrawn leaves the request approved.
func (a *Auditor) takeDetermination(s *RequestStatus, v ledger.Verified, body ledger.DeterminationBody) error {
	state := StateApproved
	switch review.Outcome(body.Outcome) {
	case review.Denied:
		state = StateDenied
	case review.Canceled:
		state = StateCanceled
	}
	var facts review.Facts
	var how struct {
		Reviews []review.ReviewResult `json:"reviews"`
	}
	if err := errors.Join(json.Unmarshal(body.Facts, &facts), json.Unmarshal(body.Stages, &how)); err != nil {
		return fmt.Errorf("read record %d: %w", v.Seq, err)
	}
	s.happened(Observed(facts, how.Reviews)...)
	s.happened(Event{At: body.DecidedAt, What: string(state), Record: v.Seq})
	inForce := s.State == StateApproved && (s.Until.IsZero() || body.DecidedAt.Before(s.Until))
	if inForce && state != StateApproved {
		return nil
	}
	s.State = state
	s.File, s.PullRequest, s.Reason, s.Record = v.Subject.Path, body.Change.PullRequest, body.Reason, v.Seq
	s.DecidedAt, s.NotBefore, s.Until = body.DecidedAt, body.NotBefore, body.Until
	s.OpenedAt, s.DecidedBy = facts.OpenedAt, nil
	for _, r := range how.Reviews {
		if r.Counted && !slices.Contains(s.DecidedBy, r.Person) {
			s.DecidedBy = append(s.DecidedBy, r.Person)
		}
	}
	return a.recall(s, v)
}

// recall describes a request by the file that was determined, which may be on
// no branch any more.
func (a *Auditor) recall(s *RequestStatus, v ledger.Verified) error {
	raw, err := a.DB.Blob(gitdb.OID(v.Subject.Blob), maxRequestBytes)
	if errors.Is(err, gitdb.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read request of record %d: %w", v.Seq, err)
	}
	r, problems, err := repo.Decode(v.Subject.Path, v.Subject.Blob, raw)
	if err != nil {
		return fmt.Errorf("read request of record %d: %w", v.Seq, err)
	}
	if req, ok := r.(*resource.AccessRequest); ok && !problems.HasErrors() {
		s.Describe(req)
	}
	return nil
}

func takeEffect(all map[resource.Name]*RequestStatus, short shortfalls, v ledger.Verified) error {
	body, err := v.Effect()
	if err != nil {
		return fmt.Errorf("read record %d: %w", v.Seq, err)
	}
	if body.Principal == "" {
		delete(short, v.Subject.Connection+" "+body.Role) // the role is as it should be, or gone
		return nil
	}
	g := GrantStatus{
		Connection: resource.Name(v.Subject.Connection), Role: body.Role, Principal: body.Principal,
		State: string(v.Type), Until: body.NotAfter, Record: v.Seq, Detail: body.Detail,
	}
	if body.Status == "residual" {
		g.State = "residual"
	}
	for _, name := range body.Requests {
		s := statusOf(all, resource.Name(name))
		s.happened(Event{At: v.RecordedAt, What: g.State, By: g.Principal + " in " + g.Role + " on " + string(g.Connection), Record: v.Seq})
		i := slices.IndexFunc(s.Grants, func(o GrantStatus) bool {
			return o.Connection == g.Connection && o.Role == g.Role && o.Principal == g.Principal
		})
		if i < 0 {
			s.Grants = append(s.Grants, g)
		} else {
			s.Grants[i] = g
		}
	}
	return nil
}

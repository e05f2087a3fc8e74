package audit

import (
	"encoding/json"
	"time"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Dropped is an approval that an access review ended.
type Dropped struct {
	Review   resource.Name           `json:"review"`
	Decision resource.DecisionChoice `json:"decision"` // drop or misuse
	Reason   string                  `json:"reason,omitempty"`
	At       time.Time               `json:"at"`
	Record   uint64                  `json:"record"`
}

// terms are what an approval was given on.
type terms struct {
	rule  *resource.Recertify
	until time.Time // as determined, or shortened since
}

// begin notes the terms of a new approval and bounds it by them.
func (r replay) begin(a grant.Approval, rule *resource.Recertify) {
	r.terms[a.Request] = terms{rule, a.Until}
	r.Approvals[a.Request] = grant.Certify(a, rule, a.Until, a.DecidedAt)
	delete(r.Dropped, a.Request)
}

// answer applies what an access review said, in the order of its file. What takes
// away counts by the signature of the record alone; what gives must be admitted.
//
//	decision   record admitted   approval in force at the review   effect
//	keep       yes               yes                               certified again from the review on
//	keep       no                any                               none
//	keep       any               no                                none: what has ended is asked for again
//	shorten    yes               yes                               ends then at the latest, certified again
//	shorten    no                yes                               ends then at the latest
//	drop       any               any                               ended at once
//	misuse     any               of a use that it names            ended at once
//	justified  any               any                               none: the duty to review is done
func (r replay) answer(v ledger.Verified, body ledger.DeterminationBody, said []review.Reviewed, admitted bool) {
	for _, one := range said {
		a, ok := r.Approvals[one.Request]
		if !ok || !aboutThis(one, a) {
			continue
		}
		live := a.Until.IsZero() || body.DecidedAt.Before(a.Until)
		t := r.terms[one.Request]
		switch one.Decision {
		case resource.Drop, resource.Misuse:
			delete(r.Approvals, one.Request)
			r.Dropped[one.Request] = Dropped{resource.Name(v.Subject.Review), one.Decision, one.Reason, body.DecidedAt, v.Seq}
			continue
		case resource.Shorten:
			t.until = resource.Earliest(t.until, one.Until)
		case resource.Keep:
		default:
			continue
		}
		at := a.Certified
		if admitted && live {
			at = body.DecidedAt
		}
		r.terms[one.Request] = t
		r.Approvals[one.Request] = grant.Certify(a, t.rule, t.until, at)
	}
}

// aboutThis reports whether a decision is about this approval: a recertification
// always is, an after-review only of the uses that it names.
func aboutThis(said review.Reviewed, a grant.Approval) bool {
	if said.Decision != resource.Misuse {
		return true
	}
	for _, seq := range said.Uses {
		if seq == a.Seq {
			return true
		}
	}
	return false
}

// checkDuties compares what a determination knew of emergency access with what
// the ledger held: exactly, at the position that it names, and once more right
// before the record, so that naming an early position is no way around a duty.
// duties are those of all records before this one.
func checkDuties(duties determine.Duties, v ledger.Verified, body ledger.DeterminationBody, ruling determine.Ruling) *Finding {
	about := ruling.Emergency != nil
	for _, said := range ruling.Reviewed {
		about = about || len(said.Uses) > 0
	}
	if !about {
		return nil
	}
	var facts review.Facts
	if err := json.Unmarshal(body.Facts, &facts); err != nil {
		return finding(CodeFacts, "%v", err)
	}
	if facts.Emergencies == nil || facts.Emergencies.Ledger >= v.Seq {
		return finding(CodeFacts, "the facts do not say which emergency access waited for a review")
	}
	x, errX := ledger.Canonical(duties.At(facts.Emergencies.Ledger))
	y, errY := ledger.Canonical(facts.Emergencies)
	if errX != nil || errY != nil || string(x) != string(y) {
		return finding(CodeFacts, "the ledger held other emergency access at record %d", facts.Emergencies.Ledger)
	}
	if ruling.Emergency == nil {
		return nil
	}
	for _, u := range duties.At(v.Seq-1).BarredBy(ruling.Emergency.People, body.DecidedAt) {
		return finding(CodeFacts, "emergency access %s barred it: %s", u.Request, u.State(body.DecidedAt))
	}
	return nil
}

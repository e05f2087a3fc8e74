package review

import (
	"fmt"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Emergencies is what the ledger says of emergency access, read at one position.
type Emergencies struct {
	// Ledger is the number of the last record that was read.
	Ledger uint64 `json:"ledger,string"`
	// Uses are those that still matter: not looked back at yet, or found to be
	// misuse. Ordered by record.
	Uses []EmergencyUse `json:"uses"`
}

// EmergencyUse is one use of the repository's break-glass rule. It is part of the
// record of the determination that allowed it, and what the duty to look back at
// it rests on: deleting the request file changes nothing.
type EmergencyUse struct {
	Request   resource.Name        `json:"request"`
	Record    uint64               `json:"record,string,omitempty"` // of the determination; 0 in that record itself
	Target    resource.Target      `json:"target"`
	Access    resource.AccessLevel `json:"access"`
	People    []resource.Name      `json:"people"`    // the requester and the beneficiaries, as they were
	Approvers []resource.Name      `json:"approvers"` // who agreed
	Until     time.Time            `json:"until"`     // when access ends
	ReviewBy  time.Time            `json:"reviewBy"`  // when it must have been looked back at
	Misuse    resource.Name        `json:"misuse,omitempty"`
}

// EmergencyState is how a use stands.
type EmergencyState string

// The states of a use. A use that was found justified is in none of them.
const (
	EmergencyInUse   EmergencyState = "in use"
	EmergencyDue     EmergencyState = "review due"
	EmergencyOverdue EmergencyState = "review overdue"
	EmergencyMisuse  EmergencyState = "misuse"
)

// State is how the use stands at now.
//
//	found to be misuse       now                       state
//	yes                      any                       misuse
//	no                       before Until              in use
//	no                       before ReviewBy           review due
//	no                       at ReviewBy or later      review overdue
func (u EmergencyUse) State(now time.Time) EmergencyState {
	switch {
	case u.Misuse != "":
		return EmergencyMisuse
	case now.Before(u.Until):
		return EmergencyInUse
	case now.Before(u.ReviewBy):
		return EmergencyDue
	default:
		return EmergencyOverdue
	}
}

// Bars reports whether the use keeps its people from further emergency access.
func (u EmergencyUse) Bars(now time.Time) bool {
	s := u.State(now)
	return s == EmergencyOverdue || s == EmergencyMisuse
}

// BarredBy are the uses that keep any of the people from emergency access at now.
func (e Emergencies) BarredBy(people []resource.Name, now time.Time) []EmergencyUse {
	var out []EmergencyUse
	for _, u := range e.Uses {
		shared := slices.ContainsFunc(u.People, func(n resource.Name) bool { return slices.Contains(people, n) })
		if shared && u.Bars(now) {
			out = append(out, u)
		}
	}
	return out
}

// EmergencyPeople are the requester of a request and all its beneficiaries at the
// Set, with the owners of service accounts among them, sorted.
func EmergencyPeople(s *resource.Set, req *resource.AccessRequest) []resource.Name {
	people := append(resource.People(s, req.Spec.Beneficiaries), req.Spec.Requester)
	for _, name := range slices.Clone(people) {
		if u, ok := resource.UserOf(s, name); ok && u.IsService() && u.Spec.Owner != "" {
			people = append(people, u.Spec.Owner)
		}
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// inputEmergency is what policies/emergency.rego knows of an emergency request.
type inputEmergency struct {
	Known     bool       `json:"known"` // whether the ledger was asked about earlier uses
	Published bool       `json:"published"`
	Target    string     `json:"target"`
	Barred    []inputBar `json:"barred"`
}

type inputBar struct {
	Request  resource.Name   `json:"request"`
	State    EmergencyState  `json:"state"`
	People   []resource.Name `json:"people"` // of the request that is judged
	ReviewBy string          `json:"reviewBy"`
}

func (c *court) emergencyInput(req *resource.AccessRequest) *inputEmergency {
	if req.Spec.Type != resource.EmergencyAccess {
		return nil
	}
	in := &inputEmergency{Known: c.facts.Emergencies != nil, Published: true, Target: targetText(req.Spec.Target), Barred: []inputBar{}}
	if name := req.Spec.Target.Product; name != "" {
		p, ok := resource.Get[*resource.DataProduct](c.base, resource.KindDataProduct, name)
		in.Published = ok && (p.Spec.State == "" || p.Spec.State == resource.ProductPublished)
	}
	if !in.Known {
		return in
	}
	people := EmergencyPeople(c.base, req)
	for _, u := range c.facts.Emergencies.BarredBy(people, c.now) {
		bar := inputBar{Request: u.Request, State: u.State(c.now), ReviewBy: stamp(u.ReviewBy), People: []resource.Name{}}
		for _, n := range u.People {
			if slices.Contains(people, n) {
				bar.People = append(bar.People, n)
			}
		}
		in.Barred = append(in.Barred, bar)
	}
	return in
}

// breakGlass is the floor below the rules for emergency access, and the mark that
// an approved one leaves. Whatever the rules say, it takes this:
//
//	the repository has a break-glass rule
//	two people of its group, or more where it says so, who are not
//	requester, beneficiary, author, pusher or co-author, and whose reviews count
//	an end, no later than the rule and BreakGlassMost allow
//	an answer of the ledger, and no earlier use that bars one of its people
func (c *court) breakGlass(det *Determination, req *resource.AccessRequest, in interests) {
	if req.Spec.Type != resource.EmergencyAccess {
		return
	}
	if det.Outcome == Pending {
		det.Missing = append(c.emergencyNeeds(req), det.Missing...)
	}
	if !det.Outcome.Grants() {
		return
	}
	rule, _, ok := resource.BreakGlassOf(c.base)
	if !ok {
		det.hold(Pending, "the repository allows no emergency access")
		return
	}
	approvers := c.emergencyApprovers(*det, rule, in)
	latest, err := rule.End(c.now)
	people := EmergencyPeople(c.base, req)
	switch {
	case err != nil:
		det.hold(Pending, "its end cannot be computed: "+err.Error())
	case len(approvers) < rule.Quorum():
		det.hold(Pending, fmt.Sprintf("emergency access takes %d people of group %s, and %d agree", rule.Quorum(), rule.Group, len(approvers)))
	case det.Until.IsZero() || det.Until.After(latest):
		det.hold(Pending, "emergency access must end by "+stamp(latest))
	case c.facts.Emergencies == nil:
		det.hold(Pending, "it is not known which emergency access still waits for its review")
	case len(c.facts.Emergencies.BarredBy(people, c.now)) > 0:
		det.hold(Pending, "an earlier emergency access bars it")
	default:
		by, err := rule.ReviewBy(det.Until)
		if err != nil {
			det.hold(Pending, "the end of its review cannot be computed: "+err.Error())
			return
		}
		det.Emergency = &EmergencyUse{
			Request: req.Ref().Name, Target: req.Spec.Target, Access: req.Spec.Level(),
			People: people, Approvers: approvers, Until: det.Until, ReviewBy: by,
		}
	}
}

// emergencyNeeds are the after-reviews without which no approval helps, and who
// can give them.
func (c *court) emergencyNeeds(req *resource.AccessRequest) []Need {
	if c.facts.Emergencies == nil {
		return nil
	}
	var out []Need
	for _, u := range c.facts.Emergencies.BarredBy(EmergencyPeople(c.base, req), c.now) {
		q := question{}
		d := resource.ReviewDecision{Request: u.Request, Decision: resource.Justified, Reason: "asked"}
		if c.lookBack(&q, d) == "" {
			out = append(out, Need{What: "an after-review of " + string(u.Request) + " that says justified, agreed to by " + q.source, People: q.people})
		}
	}
	return out
}

// emergencyApprovers are the distinct people of the group whose approvals counted.
func (c *court) emergencyApprovers(det Determination, rule resource.BreakGlass, in interests) []resource.Name {
	group := resource.Stewards(c.base, resource.StewardSource{Group: rule.Group}, resource.Target{}, c.now)
	out := []resource.Name{}
	for _, r := range det.Reviews {
		if r.Counted && r.Verdict == Approve && in[r.Person] == "" && slices.Contains(group, r.Person) {
			out = append(out, r.Person)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

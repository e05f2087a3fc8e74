package review

import (
	"slices"

	"github.com/assent-dev/assent/engine/resource"
)

// withdrawal judges the deletion of a request. It takes access away and gives
// none, so one word is enough: of whom it concerns, or of any steward of its
// target.
//
//	opened or approved by                    outcome
//	the requester or a beneficiary           approved, withdrawn
//	a steward of the request                 approved, withdrawn
//	the owner of a service account in it     approved, withdrawn
//	anybody else                             pending
func (c *court) withdrawal(f File, old *resource.AccessRequest) Determination {
	det := c.blank(f.Path)
	if old == nil {
		det.Reason = "the deleted file is no request on " + c.facts.BaseRef
		return det
	}
	det.Request = old.Ref().Name
	in := interestsIn(c.dir, Facts{}, old)
	var stewards []resource.Name
	if chosen, err := resource.Flow(c.base, old, c.now); err == nil {
		det.Flow = flowRef(chosen)
		_, stewards = stagesOf(c.base, deciding(chosen), old.Spec.Target, interests{}, c.now)
	}
	allowed := slices.Clone(stewards)
	for name := range in {
		allowed = append(allowed, name)
	}
	slices.Sort(allowed)
	allowed = slices.Compact(allowed)
	verdicts := panel{dir: c.dir, facts: c.facts, interests: interests{}, stewards: allowed, now: c.now}.judge()
	by, counted := c.withdrawnBy(allowed, verdicts)
	det.Reviews = results(verdicts, counted, "a withdrawal needs one word only")
	if by == "" {
		det.Reason = "only the requester, a beneficiary or a steward can withdraw a request; one of them may approve this"
		det.Missing = []Need{{What: "an approval by somebody who may withdraw the request", People: allowed, At: old.At("spec").String()}}
		return det
	}
	det.Outcome, det.Reason = Approved, "withdrawn by "+string(by)
	return det
}

// withdrawnBy is who withdraws: the one who opened the pull request, else the
// first who approves it.
func (c *court) withdrawnBy(allowed []resource.Name, verdicts []verdict) (by resource.Name, counted []string) {
	author, why := c.dir.person(c.facts.Author)
	u, ok := resource.UserOf(c.base, author)
	if why == "" && ok && !c.facts.Author.Bot && resource.Active(u, c.now) && slices.Contains(allowed, author) {
		return author, nil
	}
	for _, v := range verdicts {
		if v.valid && v.Verdict == Approve {
			return v.Person, []string{v.ID}
		}
	}
	return "", nil
}

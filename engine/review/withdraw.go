package review

import (
	"slices"

	"github.com/assent-dev/assent/engine/resource"
)

// withdrawal judges the deletion of a request. It takes access away and gives
// none, so the word of one person is enough.
//
//	opened or approved by                            outcome
//	the requester                                    approved, withdrawn
//	a beneficiary whom the request names             approved, withdrawn
//	the owner of a service account that it names     approved, withdrawn
//	the manager of a person whom it names            approved, withdrawn
//	a steward of the request                         approved, withdrawn
//	anybody with GOVERNANCE                          approved, withdrawn
//	a member of a group that it names                pending
//	anybody else                                     pending
//
// A member of a group may not end what everybody else in it has: whoever no
// longer wants it leaves the group, or is left out of it.
func (c *court) withdrawal(f File, old *resource.AccessRequest) Determination {
	det := c.blank(f.Path)
	if old == nil {
		det.Reason = "the deleted file is no request on " + c.facts.BaseRef
		return det
	}
	det.Request = old.Ref().Name
	allowed := c.concerned(old)
	if chosen, err := resource.Flow(c.base, old, c.now); err == nil {
		det.Flow = flowRef(chosen)
		_, stewards := stagesOf(c.base, deciding(chosen), old.Spec.Target, interests{}, c.now)
		allowed = append(allowed, stewards...)
	}
	governance := resource.StewardSource{Permission: resource.PermissionGovernance}
	allowed = append(allowed, resource.Stewards(c.base, governance, resource.Target{}, c.now)...)
	slices.Sort(allowed)
	allowed = slices.Compact(allowed)
	verdicts := panel{dir: c.dir, facts: c.facts, interests: interests{}, stewards: allowed, now: c.now}.judge()
	by, counted := c.withdrawnBy(allowed, verdicts)
	det.Reviews = results(verdicts, counted, "a withdrawal needs one word only")
	if by == "" {
		det.Reason = "a request is withdrawn by its requester, a person it names, their manager, a steward or GOVERNANCE; one of them may approve this"
		if c.onlyAMember(old) {
			det.Reason = "a member of a group cannot withdraw the access of the whole group; leave the group, or ask " +
				"the requester or a steward to approve this"
		}
		det.Missing = []Need{{What: "an approval by somebody who may withdraw the request", People: allowed, At: old.At("spec").String()}}
		return det
	}
	det.Outcome, det.Reason = Approved, "withdrawn by "+string(by)
	return det
}

// concerned are the people who may withdraw a request because it is theirs:
// persons that are active, in no order.
func (c *court) concerned(req *resource.AccessRequest) []resource.Name {
	names := []resource.Name{req.Spec.Requester}
	for _, b := range req.Spec.Beneficiaries {
		names = append(names, b.User)
		for _, name := range []resource.Name{b.User, b.ServiceAccount} {
			if u, ok := resource.UserOf(c.base, name); ok {
				names = append(names, u.Spec.Manager, u.Spec.Owner)
			}
		}
	}
	return slices.DeleteFunc(names, func(n resource.Name) bool {
		u, ok := resource.UserOf(c.base, n)
		return !ok || u.IsService() || !resource.Active(u, c.now)
	})
}

// onlyAMember reports whether the author is in a group that the request names.
func (c *court) onlyAMember(req *resource.AccessRequest) bool {
	author, why := c.dir.person(c.facts.Author)
	return why == "" && slices.Contains(resource.People(c.base, req.Spec.Beneficiaries), author)
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

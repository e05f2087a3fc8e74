package review

import (
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// stewardsOfUse are those who may look back at a use: of what was found to be
// misuse, only those with GOVERNANCE.
func (c *court) stewardsOfUse(u EmergencyUse) ([]resource.Name, error) {
	if u.Misuse != "" {
		return c.governors(), nil
	}
	return c.stewardsOf(u.asked())
}

func (c *court) governors() []resource.Name {
	return resource.Stewards(c.base, resource.StewardSource{Permission: resource.PermissionGovernance}, resource.Target{}, c.now)
}

// ofUse adds those who had a use, or agreed to it.
func (in interests) ofUse(u EmergencyUse) {
	for _, n := range u.People {
		in.add(n, "had the emergency access")
	}
	for _, n := range u.Approvers {
		in.add(n, "approved the emergency access")
	}
}

// Reviewers are the people who may look back at a use at now, sorted. Who opens
// the review, or has a hand in it, still does not count.
func Reviewers(s *resource.Set, u EmergencyUse, now time.Time) []resource.Name {
	c := &court{base: s, dir: newDirectory(s), now: now}
	stewards, err := c.stewardsOfUse(u)
	if err != nil {
		return nil
	}
	in := interests{}
	in.ofUse(u)
	return without(stewards, in)
}

// Certifiers are the people who may keep or shorten a request in a review at now,
// sorted. Who opens the review, or has a hand in it, still does not count.
func Certifiers(s *resource.Set, req *resource.AccessRequest, now time.Time) []resource.Name {
	c := &court{base: s, dir: newDirectory(s), now: now}
	stewards, err := c.stewardsOf(req)
	if err != nil {
		return nil
	}
	return without(stewards, interestsIn(c.dir, Facts{}, req))
}

// asked is a data-access request for what the use opened, whose flow says who
// looks back at it. It states no duration, which is longer than any.
func (u EmergencyUse) asked() *resource.AccessRequest {
	return &resource.AccessRequest{
		Header: resource.Header{Kind: resource.KindAccessRequest, Metadata: resource.Metadata{Name: string(u.Request)}},
		Spec:   resource.AccessRequestSpec{Type: resource.DataAccess, Target: u.Target, AccessLevel: u.Access},
	}
}

// stewardsOf is everybody in any stage of a request's flow, sorted.
func (c *court) stewardsOf(req *resource.AccessRequest) ([]resource.Name, error) {
	chosen, err := resource.Flow(c.base, req, c.now)
	if err != nil {
		return nil, err
	}
	_, all := stagesOf(c.base, deciding(chosen), req.Spec.Target, interests{}, c.now)
	return all, nil
}

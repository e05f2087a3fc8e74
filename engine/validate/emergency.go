package validate

import (
	"slices"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// breakGlass: the rule of the repository can work, and ends soon.
func breakGlass(c *check) {
	rule, repo, ok := resource.BreakGlassOf(c.head)
	if !ok {
		return
	}
	if c.exists(resource.Ref{Kind: resource.KindGroup, Name: rule.Group}) {
		people := resource.Stewards(c.head, resource.StewardSource{Group: rule.Group}, resource.Target{}, c.now)
		if need := rule.Quorum() + 1; len(people) < need {
			c.errorf(repo, at("spec", "breakGlass", "group"), GlassPeople, "the group %q has %s, and an emergency takes %d: one who asks and %d who agree",
				string(rule.Group), countedPeople(len(people)), need, rule.Quorum()).
				WithHint("add active people to the group")
		}
	}
	if rule.MaxDuration.Stated() && longer(rule.MaxDuration, resource.BreakGlassMost, c.now) {
		c.errorf(repo, at("spec", "breakGlass", "maxDuration"), GlassTooLong, "emergency access lasts %s at most", resource.BreakGlassMost).
			WithHint("write %s or less; who needs it for longer asks as usual", resource.BreakGlassMost)
	}
	if rule.ReviewWithin == resource.Indefinite {
		c.errorf(repo, at("spec", "breakGlass", "reviewWithin"), GlassReview, "the review of an emergency cannot be put off for ever").
			WithHint("write a length of time, such as 3d")
	}
}

func countedPeople(n int) string {
	if n == 1 {
		return "1 active person"
	}
	return strconv.Itoa(n) + " active people"
}

func longer(d, most resource.Duration, now time.Time) bool {
	end, bounded, err := d.After(now)
	limit, _, limitErr := most.After(now)
	return err == nil && limitErr == nil && (!bounded || end.After(limit))
}

// emergencies: who breaks the glass is one of those who may, for themselves, and
// not for long.
func emergencies(c *check) {
	for req := range c.freshRequests {
		if req.Spec.Type != resource.EmergencyAccess {
			continue
		}
		rule, repo, ok := resource.BreakGlassOf(c.rulings())
		if !ok {
			c.errorf(req, at("spec", "type"), NoGlass, "this repository allows no emergency access").
				WithHint("ask for data-access; breakGlass in assent.yaml allows emergencies")
			continue
		}
		if end, bounded, err := c.end(req); err == nil {
			if limit, err := rule.End(c.now); err == nil && (!bounded || end.After(limit)) {
				c.errorf(req, at("spec", durationKey(req)), EmergencyLength, "emergency access ends by %s", limit.Format(time.RFC3339)).
					WithHint("ask for less, and for data-access meanwhile").
					WithRelated(repo.At("spec", "breakGlass"), "the rule is here")
			}
		}
		for i, b := range req.Spec.Beneficiaries {
			if b.User != req.Spec.Requester {
				c.errorf(req, at("spec", "beneficiaries", i), EmergencyFor, "emergency access is for the one who asks, %q, and nobody else", string(req.Spec.Requester)).
					WithHint("everybody who needs it asks")
			}
		}
		if !slices.Contains(resource.Members(c.rulings(), rule.Group), req.Spec.Requester) {
			c.errorf(req, at("spec", "requester"), EmergencyBy, "%q is not in the group %q", string(req.Spec.Requester), string(rule.Group)).
				WithHint("only its members may break the glass; ask for data-access").
				WithRelated(repo.At("spec", "breakGlass", "group"), "the rule is here")
		}
	}
}

// renewals: what is renewed gave the same, to one of the same people.
func renewals(c *check) {
	for req := range c.freshRequests {
		old, ok := resource.Get[*resource.AccessRequest](c.head, resource.KindAccessRequest, req.Spec.Renews)
		if !ok {
			continue
		}
		var problem string
		switch {
		case old.Ref() == req.Ref():
			problem = "a request cannot renew itself"
		case old.Spec.Type != req.Spec.Type || old.Spec.Target != req.Spec.Target:
			problem = name(old.Ref()) + " asked for something else"
		case !slices.ContainsFunc(old.Spec.Beneficiaries, func(b resource.Subject) bool { return slices.Contains(req.Spec.Beneficiaries, b) }):
			problem = name(old.Ref()) + " was for somebody else"
		default:
			continue
		}
		d := c.errorf(req, at("spec", "renews"), RenewsOther, "%s", problem).
			WithHint("name the request whose access this one continues, or remove renews")
		if old.Ref() != req.Ref() {
			d.WithRelated(old.At("spec", "target"), "what it asked for is here")
		}
	}
}

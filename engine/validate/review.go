package validate

import (
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// choicesOf are the decisions that a type of review takes.
func choicesOf(t resource.AccessReviewType) []resource.DecisionChoice {
	if t == resource.AfterReview {
		return []resource.DecisionChoice{resource.Justified, resource.Misuse}
	}
	return []resource.DecisionChoice{resource.Keep, resource.Shorten, resource.Drop}
}

// accessReviews: a new review says one thing of each request, and what its type
// can say. One that base has took effect when it came.
func accessReviews(c *check) {
	for r := range resource.Of[*resource.AccessReview](c.head) {
		if c.base == c.head || c.keeps(r) {
			continue
		}
		if due, err := r.Spec.Due.Time(); err == nil && !due.After(c.now) {
			if _, edited := c.before(r.Ref()); !edited {
				c.errorf(r, at("spec", "due"), ReviewDue, "this date has passed").
					WithHint("choose a date after %s", c.now.UTC().Format(time.DateOnly))
			}
		}
		first := map[resource.Name]int{}
		for i, d := range r.Spec.Decisions {
			place := at("spec", "decisions", i)
			if j, ok := first[d.Request]; ok {
				c.errorf(r, below(place, "request"), DecidedTwice, "%q is decided twice", string(d.Request)).
					WithHint("keep one of the two").
					WithRelated(r.At("spec", "decisions", j, "request"), "decided here first")
				continue
			}
			first[d.Request] = i
			if !slices.Contains(choicesOf(r.Spec.Type), d.Decision) {
				c.errorf(r, below(place, "decision"), DecisionChoice, "a review of type %s cannot say %s", r.Spec.Type, d.Decision).
					WithHint("it can say %s", choices(texts(choicesOf(r.Spec.Type))))
				continue
			}
			c.reviewed(r, place, d)
		}
	}
}

// reviewed checks one decision against the request that it is about.
func (c *check) reviewed(r *resource.AccessReview, place []any, d resource.ReviewDecision) {
	req, ok := resource.Get[*resource.AccessRequest](c.head, resource.KindAccessRequest, d.Request)
	if !ok {
		return // told with the reference
	}
	emergency := req.Spec.Type == resource.EmergencyAccess
	if emergency != (r.Spec.Type == resource.AfterReview) {
		hint := "an after-review looks back at emergency access"
		if emergency {
			hint = "emergency access is over soon; look back at it with type: after-review"
		}
		c.errorf(r, below(place, "request"), ReviewSubject, "%s asks for %s", name(req.Ref()), req.Spec.Type).
			WithHint("%s", hint).
			WithRelated(req.At("spec", "type"), "it says so here")
		return
	}
	if d.Decision != resource.Shorten {
		if d.Until.Stated() {
			c.errorf(r, below(place, "until"), ShortenUntil, "%s sets no end", d.Decision).
				WithHint("remove until, or write decision: shorten")
		}
		return
	}
	if !d.Until.Stated() {
		c.errorf(r, below(place, "decision"), ShortenUntil, "shorten needs a new end").
			WithHint("add until, such as 2027-01-31")
		return
	}
	until, err := d.Until.Time()
	end, bounded, endErr := c.end(req)
	switch {
	case err != nil: // told where the file is read
	case !until.After(c.now):
		c.errorf(r, below(place, "until"), ShortenUntil, "this date has passed").WithHint("write decision: drop to end it now")
	case endErr == nil && bounded && !until.Before(end):
		c.errorf(r, below(place, "until"), ShortenUntil, "this shortens nothing: the access ends by %s anyway", end.Format(time.DateOnly)).
			WithHint("choose an earlier end, or write decision: keep").
			WithRelated(req.At("spec", durationKey(req)), "how long it was asked for")
	}
}

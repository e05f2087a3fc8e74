package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

const parkedMark = "parked: "

// Parked reports whether the request waits for its target to be registered.
func (d Determination) Parked() bool {
	return d.Outcome == Pending && strings.HasPrefix(d.Reason, parkedMark)
}

// parked keeps a request pending whose target is not registered on the base:
// there is nothing to give yet, and once there is, others may be its stewards. A
// denial stands; and once the target is there, the request goes on by itself,
// judged by the stewards of then.
func (c *court) parked(det Determination, req *resource.AccessRequest) Determination {
	what, missing := unregistered(c.base, req.Spec.Target)
	if !missing || det.Outcome == Denied {
		return det
	}
	admins := slices.Concat(
		resource.Stewards(c.base, resource.StewardSource{Permission: resource.PermissionApplicationAdmin}, resource.Target{}, c.now),
		resource.Stewards(c.base, resource.StewardSource{Permission: resource.PermissionGovernance}, resource.Target{}, c.now),
	)
	slices.Sort(admins)
	det.hold(Pending, fmt.Sprintf("%s%s is not registered", parkedMark, what))
	det.Missing = []Need{{
		What: "registration of " + what + ": `assent discover`, and a pull request for what it finds", People: slices.Compact(admins),
		At: req.At("spec", "target").String(),
	}}
	return det
}

// unregistered names what a target misses. A path needs a source below it.
func unregistered(s *resource.Set, t resource.Target) (what string, missing bool) {
	if ref, ok := t.Ref(); ok {
		_, found := s.Find(ref)
		if ref.Kind == resource.KindDataProduct {
			return "data product " + string(ref.Name), !found
		}
		return "data source " + string(ref.Name), !found
	}
	return "anything below " + t.Path, len(resource.SourcesOfTarget(s, t)) == 0
}

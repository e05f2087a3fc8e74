package review

import (
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Outlook is who would have to agree to a request that nobody filed yet: its
// flow at the base and the stages, each with the people who may answer. The
// requester and those who would gain by it are left out, as they will be then.
func Outlook(base *resource.Set, req *resource.AccessRequest, now time.Time) (FlowRef, []StageResult, error) {
	chosen, err := resource.Flow(base, req, now)
	if err != nil {
		return FlowRef{}, nil, err
	}
	if chosen.Mode == resource.ReviewAutomatic {
		return flowRef(chosen), []StageResult{}, nil
	}
	in := interestsIn(newDirectory(base), Facts{}, req)
	stages, _ := stagesOf(base, chosen, req.Spec.Target, in, now)
	return flowRef(chosen), blankStages(stages), nil
}

package review

import (
	"context"
	"fmt"
	"path"

	"github.com/assent-dev/assent/engine/resource"
)

// file judges one request file of a pull request.
func (c *court) file(ctx context.Context, f File) Determination {
	old := requestAt(c.base, f.Path)
	if f.NewBlob == "" {
		return c.lifecycle(c.withdrawal(f, old))
	}
	req := requestAt(c.head, f.Path)
	det := c.blank(f.Path)
	det.Blob = f.NewBlob
	if req == nil || req.Origin().OID != "" && req.Origin().OID != f.NewBlob {
		det.Reason = "the request file has errors, so it cannot be judged; run assent validate"
		return c.lifecycle(det)
	}
	det.Request, det.ContentDigest = req.Ref().Name, req.Digest()
	det = c.lifecycle(c.parked(c.request(ctx, det, f, old, req), req))
	if det.Outcome != Pending {
		det.Deadlines = nil
	}
	return det
}

func requestAt(s *resource.Set, file string) *resource.AccessRequest {
	name := resource.Name(path.Base(file[:len(file)-len(".yaml")]))
	if r, ok := resource.Get[*resource.AccessRequest](s, resource.KindAccessRequest, name); ok && r.Origin().File == file {
		return r
	}
	return nil // absent, unreadable, or the name of another file's request
}

// request judges an added or changed request by its review flow at the base.
func (c *court) request(ctx context.Context, det Determination, f File, old, req *resource.AccessRequest) Determination {
	versions := []*resource.AccessRequest{req}
	if old != nil {
		versions = append(versions, old)
	}
	in := interestsIn(c.dir, c.facts, versions...)
	since := c.now
	if o := c.facts.OpenedAt; !o.IsZero() && o.Before(since) {
		since = o
	}
	pin := resource.PinOf(c.base, c.opened, c.former(req), req)
	if pin.Form == nil {
		det.Reason, _ = pin.Problem()
		return det
	}
	chosen, err := resource.FlowWith(c.base, pin.Form, req, since)
	if err != nil {
		det.Reason = "there is no review flow to decide by: " + err.Error()
		return det
	}
	det.Flow = flowRef(chosen)
	stages, stewards := stagesOf(c.base, deciding(chosen), req.Spec.Target, in, c.now)
	verdicts := panel{
		dir: c.dir, facts: c.facts, interests: in, stewards: stewards, requireReason: chosen.RequireReason, now: c.now,
	}.judge()
	doc := c.document("request", verdicts)
	doc.Request = inputOf(c.base, req)
	doc.Emergency = c.emergencyInput(req)
	doc.Access = c.access(req)
	doc.Flow = inputFlow{Mode: chosen.Mode, From: det.Flow.From}
	if chosen.Mode == resource.ReviewAutomatic {
		doc.Flow.Justification, doc.Flow.Duration = chosen.Automatic.Justification, chosen.Automatic.Duration
		stages = []inputStage{} // its stewards may deny, and nobody need approve
	}
	doc.Stages = list(stages)
	fault := c.bounds(&det, &doc, chosen, req)
	det = c.decide(ctx, det, doc, stages, verdicts)
	if fault == "" {
		fault = c.fault(f, old, req)
	}
	if det.Outcome.Grants() && fault != "" {
		det.hold(Pending, fault)
	}
	c.breakGlass(&det, req, in)
	if det.Outcome.Grants() {
		det.Recertify = pin.Form.Spec.Recertify
	}
	if why, need := c.barred(req, pin); why != "" && (det.Outcome == Pending || det.Outcome.Grants()) {
		det.hold(Pending, why)
		det.Missing = append([]Need{need}, det.Missing...)
	}
	deadlines := DeadlinesOf(chosen.ReviewFlow, since, c.now)
	det.Deadlines = &deadlines
	return det
}

// deciding is the flow whose stewards are heard: an automatic flow has no
// stages, and is under the eyes of those who decide where nothing is stated.
func deciding(chosen resource.Chosen) resource.Chosen {
	if chosen.Mode == resource.ReviewAutomatic {
		chosen.Stages, chosen.Stated, chosen.Rule = resource.DefaultStages(), resource.Stated{}, -1
	}
	return chosen
}

// bounds fills in when access begins, and by when it must end.
func (c *court) bounds(det *Determination, doc *inputDoc, chosen resource.Chosen, req *resource.AccessRequest) (fault string) {
	if nb := req.Spec.NotBefore; nb.Stated() {
		t, err := nb.Time()
		if err != nil {
			return "its notBefore cannot be read: " + err.Error()
		}
		det.NotBefore = t
		doc.NotBefore = stamp(t)
	}
	end, bounded, err := resource.MaxEndWith(c.base, chosen, req, c.now)
	if err != nil {
		return "its end cannot be computed: " + err.Error()
	}
	if bounded {
		doc.Limit = stamp(end)
	}
	return ""
}

// fault says why a request that people agreed to cannot be merged as it is.
func (c *court) fault(f File, old, req *resource.AccessRequest) string {
	switch {
	case f.Mode != "100644":
		return fmt.Sprintf("%s is no ordinary file (mode %s)", f.Path, f.Mode)
	case (old == nil) != (f.OldBlob == ""), old != nil && old.Origin().OID != "" && old.Origin().OID != f.OldBlob:
		return "the request changed on " + c.facts.BaseRef + " since this branch was made; update the branch"
	}
	for _, pair := range c.head.Twins() {
		if pair[0].Ref() == req.Ref() {
			return fmt.Sprintf("%s and %s have one name; rename one", pair[0].Origin().File, pair[1].Origin().File)
		}
	}
	if taken, ok := c.base.Find(req.Ref()); ok && taken.Origin().File != f.Path && !c.deletes(taken.Origin().File) {
		return fmt.Sprintf("the name is taken by %s", taken.Origin().File)
	}
	return ""
}

func (c *court) deletes(file string) bool {
	for _, f := range c.facts.Files {
		if f.Path == file && f.NewBlob == "" {
			return true
		}
	}
	return false
}

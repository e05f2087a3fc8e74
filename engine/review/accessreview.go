package review

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Reviewed is what an approved access review says of one request.
type Reviewed struct {
	Request  resource.Name           `json:"request"`
	Decision resource.DecisionChoice `json:"decision"`
	Until    time.Time               `json:"until,omitzero"` // shorten: the new end, exclusive
	Reason   string                  `json:"reason,omitempty"`
	// Uses are the records of the emergency uses that an after-review is about.
	Uses []uint64 `json:"uses,omitempty"`
}

const kindReview = "review"

func isReview(file string) bool {
	return strings.HasPrefix(file, "reviews/") && strings.HasSuffix(file, ".yaml") && path.Dir(file) == "reviews"
}

func reviewAt(s *resource.Set, file string) *resource.AccessReview {
	name := resource.Name(strings.TrimSuffix(path.Base(file), ".yaml"))
	if r, ok := resource.Get[*resource.AccessReview](s, resource.KindAccessReview, name); ok && r.Origin().File == file {
		return r
	}
	return nil
}

// question is one decision of a review, and who may agree to it.
type question struct {
	Reviewed
	source string
	people []resource.Name // who may agree, or deny
	byHand resource.Name   // the author, where that is enough: for dropping only
	at     string
}

// accessReview judges a new file in reviews/. Each request in it needs one
// approval by somebody who may speak for it; one person may speak for several.
//
//	decision            who may agree                                 never counts
//	keep, shorten       any steward of the request's own flow         its requester and beneficiaries
//	drop                the same; or, by opening the pull request,
//	                    a steward, the requester or a beneficiary     -
//	justified           any steward of a request for the same target  requester, beneficiaries, who approved the use
//	misuse              the same                                      the same
//	either, of a use    anyone with GOVERNANCE                        the same
//	found to be misuse
//
// The author, pushers and co-authors of the pull request never count, but for
// drop. A use is justified only when it is over. A review that is merged stands:
// its file is neither changed nor deleted, and another review says what is new.
func (c *court) accessReview(ctx context.Context, f File) Determination {
	det := c.blank(f.Path)
	det.Blob, det.Review = f.NewBlob, resource.Name(strings.TrimSuffix(path.Base(f.Path), ".yaml"))
	det.Flow = FlowRef{Mode: resource.ReviewStewards, From: "the review flow of each request"}
	rev := reviewAt(c.head, f.Path)
	switch {
	case f.OldBlob != "":
		det.Reason = "a review that is merged stands; write another one"
	case f.Mode != "100644":
		det.Reason = fmt.Sprintf("%s is no ordinary file (mode %s)", f.Path, f.Mode)
	case rev == nil || rev.Origin().OID != "" && rev.Origin().OID != f.NewBlob:
		det.Reason = "the review file has errors, so it cannot be judged; run assent validate"
	default:
		det.ContentDigest = rev.Digest()
		det = c.answer(ctx, det, rev)
	}
	return c.lifecycle(det)
}

func (c *court) answer(ctx context.Context, det Determination, rev *resource.AccessReview) Determination {
	questions, fault := c.questions(rev)
	if fault != "" {
		det.Reason = fault
		return det
	}
	stage := inputStage{Mode: "all", Sources: []inputSource{}, at: rev.At("spec", "decisions").String()}
	var heard []resource.Name
	for _, q := range questions {
		det.Reviewed = append(det.Reviewed, q.Reviewed)
		if q.byHand == "" {
			stage.Sources = append(stage.Sources, inputSource{Source: q.source, People: q.people, at: q.at})
			heard = append(heard, q.people...)
		}
	}
	slices.Sort(heard)
	heard = slices.Compact(heard)
	verdicts := panel{dir: c.dir, facts: c.facts, interests: interestsIn(c.dir, c.facts), stewards: heard, now: c.now}.judge()
	if len(stage.Sources) == 0 {
		det.Reviews = results(verdicts, nil, "who drops access needs nobody's approval")
		det.Outcome, det.Reason = Approved, "dropped by "+string(questions[0].byHand)
		return det
	}
	doc := c.document(kindReview, verdicts)
	doc.Flow = inputFlow{Mode: resource.ReviewStewards, From: det.Flow.From}
	doc.Stages = []inputStage{stage}
	det = c.decide(ctx, det, doc, doc.Stages, verdicts)
	if det.Outcome.Grants() && !det.Until.IsZero() {
		det.hold(Pending, "a review has no end of its own: approve it without one, and let the file say shorten")
	}
	if !det.Outcome.Grants() {
		det.Reviewed = nil
	}
	return det
}

func (c *court) questions(rev *resource.AccessReview) (out []question, fault string) {
	seen := map[resource.Name]bool{}
	for i, d := range rev.Spec.Decisions {
		q := question{Reviewed: Reviewed{Request: d.Request, Decision: d.Decision, Reason: d.Reason}, at: rev.At("spec", "decisions", i).String()}
		switch {
		case seen[d.Request]:
			fault = "it is named twice"
		case rev.Spec.Type == resource.Recertification:
			fault = c.certify(&q, d)
		case rev.Spec.Type == resource.AfterReview:
			fault = c.lookBack(&q, d)
		default:
			fault = fmt.Sprintf("%q is no type of review", rev.Spec.Type)
		}
		if fault != "" {
			return nil, fmt.Sprintf("request %s: %s", d.Request, fault)
		}
		seen[d.Request] = true
		out = append(out, q)
	}
	if len(out) == 0 {
		return nil, "the review says nothing of any request"
	}
	return out, ""
}

// certify readies keep, shorten or drop.
func (c *court) certify(q *question, d resource.ReviewDecision) (fault string) {
	req, ok := resource.Get[*resource.AccessRequest](c.base, resource.KindAccessRequest, d.Request)
	switch {
	case !ok:
		return "it is not on " + c.facts.BaseRef
	case req.Spec.Type == resource.EmergencyAccess:
		return "emergency access is not recertified; it has an after-review"
	case d.Decision == resource.Shorten:
		until, err := d.Until.Time()
		if err != nil {
			return "its new end cannot be read: " + err.Error()
		}
		if !until.After(c.now) {
			return "its new end has passed; drop it instead"
		}
		q.Until = until
	case d.Decision != resource.Keep && d.Decision != resource.Drop:
		return fmt.Sprintf("a recertification says keep, shorten or drop, not %q", d.Decision)
	case d.Until.Stated():
		return fmt.Sprintf("%s has no end; say shorten", d.Decision)
	}
	stewards, err := c.stewardsOf(req)
	if err != nil {
		return "nobody can speak for it: " + err.Error()
	}
	q.source = "a steward of request " + string(d.Request)
	q.people = without(stewards, interestsIn(c.dir, c.facts, req))
	if d.Decision == resource.Drop {
		mine := interestsIn(c.dir, Facts{}, req)
		author, why := c.dir.person(c.facts.Author)
		u, ok := resource.UserOf(c.base, author)
		if why == "" && ok && !c.facts.Author.Bot && resource.Active(u, c.now) && (slices.Contains(stewards, author) || mine[author] != "") {
			q.byHand = author
		}
	}
	return ""
}

// lookBack readies justified or misuse, of every use of that name that waits.
func (c *court) lookBack(q *question, d resource.ReviewDecision) (fault string) {
	switch {
	case d.Decision != resource.Justified && d.Decision != resource.Misuse:
		return fmt.Sprintf("an after-review says justified or misuse, not %q", d.Decision)
	case strings.TrimSpace(d.Reason) == "":
		return "an after-review gives a reason for each request"
	case c.facts.Emergencies == nil:
		return "it is not known which emergency access still waits for its review"
	}
	in := interestsIn(c.dir, c.facts)
	var stewards []resource.Name
	governed := false
	for _, u := range c.facts.Emergencies.Uses {
		if u.Request != d.Request {
			continue
		}
		if d.Decision == resource.Justified && u.State(c.now) == EmergencyInUse {
			return "it is in use until " + stamp(u.Until) + "; look back at it then"
		}
		of, err := c.stewardsOfUse(u)
		if err != nil {
			return "nobody can speak for it: " + err.Error()
		}
		q.Uses = append(q.Uses, u.Record)
		governed = governed || u.Misuse != ""
		stewards = append(stewards, of...)
		in.ofUse(u)
	}
	if len(q.Uses) == 0 {
		return "no emergency access of that name waits for a review"
	}
	q.source = "a steward of what emergency access " + string(d.Request) + " opened"
	if governed {
		stewards = c.governors()
		q.source = "permission GOVERNANCE, because " + string(d.Request) + " was found to be misuse"
	}
	slices.Sort(stewards)
	q.people = without(slices.Compact(stewards), in)
	return ""
}

// one judges one file of a request pull request.
func (c *court) one(ctx context.Context, f File) Determination {
	judge := c.file
	if isReview(f.Path) {
		judge = c.accessReview
	}
	det := judge(ctx, f)
	if why := c.unlisted(); why != "" && det.Outcome.Grants() {
		det.hold(Pending, why)
	}
	return det
}

// unlisted says why a pull request with a review in it may not touch a request:
// only those that its reviews drop or shorten belong to it.
func (c *court) unlisted() string {
	listed, reviews := map[resource.Name]bool{}, 0
	for _, f := range c.facts.Files {
		if !isReview(f.Path) {
			continue
		}
		reviews++
		if rev := reviewAt(c.head, f.Path); rev != nil {
			for _, d := range rev.Spec.Decisions {
				listed[d.Request] = listed[d.Request] || d.Decision == resource.Drop || d.Decision == resource.Shorten
			}
		}
	}
	for _, f := range sortedFiles(c.facts.Files) {
		name := resource.Name(strings.TrimSuffix(path.Base(f.Path), ".yaml"))
		if reviews > 0 && isRequest(f.Path) && !listed[name] {
			return fmt.Sprintf("the pull request has a review and %s, which it neither drops nor shortens; split it", f.Path)
		}
	}
	return ""
}

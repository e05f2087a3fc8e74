package resource

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/diag"
)

const standardForm = `apiVersion: assent.dev/v1
kind: RequestForm
metadata:
  name: standard
  title: Request access
  description: The form that every repository has. It cannot be edited; a product or the repository can name another.
spec:
  questions:
    - id: purpose
      title: What do you need the data for?
      help: Name the project, and what will be made from the data.
      type: short-answer
    - id: duration
      title: For how long do you need it?
      help: Stewards may agree to less.
      type: access-duration
  onBehalfOf: never
  review:
    mode: delegated
`

// BuiltinForm is the form "standard", which every repository has. Its bytes
// never change, because requests pin them. It delegates the review: the
// product's flow counts.
func BuiltinForm() *RequestForm {
	f := &RequestForm{Spec: RequestFormSpec{
		Questions: []Question{
			{ID: "purpose", Title: "What do you need the data for?", Help: "Name the project, and what will be made from the data.", Type: QuestionShortAnswer},
			{ID: "duration", Title: "For how long do you need it?", Help: "Stewards may agree to less.", Type: QuestionAccessDuration},
		},
		OnBehalfOf: "never",
		Review:     &ReviewFlow{Mode: ReviewDelegated},
	}}
	f.APIVersion, f.Kind = APIVersion, KindRequestForm
	f.Metadata = Metadata{
		Name: string(StandardForm), Title: "Request access",
		Description: "The form that every repository has. It cannot be edited; a product or the repository can name another.",
	}
	f.Source = Origin{File: "builtin:forms/standard.yaml", Raw: []byte(standardForm)}
	return f
}

// FormOf returns a form by name. "standard" is always the built-in one,
// whatever a file says.
func FormOf(s *Set, name Name) (*RequestForm, bool) {
	if name == StandardForm {
		return BuiltinForm(), true
	}
	return Get[*RequestForm](s, KindRequestForm, name)
}

// Chosen is the review flow that counts for a request. In mode stewards, Stages
// is never empty.
type Chosen struct {
	ReviewFlow
	// Stated says where the flow is written.
	Stated
	// Rule is the index of the conditional rule whose stages count, -1 for none.
	Rule int
	// Inactive are the flows that lost to it, nearest first. They are replaced
	// whole, never merged.
	Inactive []Stated
}

// DefaultStages decide where nothing is configured: anyone with GOVERNANCE, or
// with manageDataProducts in the domain of the target.
func DefaultStages() []Stage {
	return []Stage{{Any: []StewardSource{
		{Permission: PermissionGovernance}, {DomainPermission: ManageDataProducts},
	}}}
}

// Flow is the review flow that counts for a request at this Set, with the form of
// FormFor. at is the moment to measure "longer than" from: the one at which the
// request was first seen, so that waiting does not change who decides.
func Flow(s *Set, req *AccessRequest, at time.Time) (Chosen, error) {
	name := FormFor(s, req)
	form, ok := FormOf(s, name)
	if !ok {
		return Chosen{}, fmt.Errorf("choose review flow: form %s does not exist", name)
	}
	return FlowWith(s, form, req, at)
}

// FlowWith is Flow with a form that is given: the one that the request pinned.
//
//	flow of the form         nearest flow of the target       counts
//	stewards or automatic    any                              the form's
//	delegated or absent      stewards or automatic            that one
//	delegated or absent      none, or delegated all the way   DefaultStages
//
// The flows of a target are those of its product; or of its source, then of the
// schema, the database and the connection. Emergency access has the flow of the
// repository's break-glass rule and no other. The winner replaces the losers
// whole. Of its rules, the first whose condition holds replaces the stages, and
// makes an automatic flow one of stewards. An error means that nobody can
// decide: the product does not exist, emergency access is not allowed, or a flow
// of stewards has no stages.
func FlowWith(s *Set, form *RequestForm, req *AccessRequest, at time.Time) (Chosen, error) {
	chosen, err := statedFlow(s, form, req)
	if err != nil {
		return Chosen{}, err
	}
	for i, rule := range chosen.Rules {
		if holds(s, rule.When, req, at) {
			chosen.Rule, chosen.Mode, chosen.Stages, chosen.Automatic = i, ReviewStewards, rule.Stages, nil
			break
		}
	}
	switch {
	case chosen.Mode == ReviewAutomatic && chosen.Automatic != nil:
		return chosen, nil
	case chosen.Mode == ReviewStewards && len(chosen.Stages) > 0:
		return chosen, nil
	default:
		return Chosen{}, fmt.Errorf("choose review flow: %s has no way to decide in mode %q", chosen.Stated, chosen.Mode)
	}
}

func statedFlow(s *Set, form *RequestForm, req *AccessRequest) (Chosen, error) {
	if req.Spec.Type == EmergencyAccess {
		return emergencyFlow(s)
	}
	target := stands(s, req.Spec.Target)
	if p := req.Spec.Target.Product; p != "" && len(target) == 0 {
		return Chosen{}, fmt.Errorf("choose review flow: product %s does not exist", p)
	}
	all := append([]stand{formStand(form)}, target...)
	all = slices.DeleteFunc(all, func(st stand) bool { return !decides(st.review) })
	if len(all) == 0 {
		return Chosen{ReviewFlow: ReviewFlow{Mode: ReviewStewards, Stages: DefaultStages()}, Rule: -1}, nil
	}
	chosen := Chosen{ReviewFlow: *all[0].review, Stated: all[0].stated(), Rule: -1}
	for _, st := range all[1:] {
		chosen.Inactive = append(chosen.Inactive, st.stated())
	}
	return chosen, nil
}

// emergencyFlow asks as many people of the break-glass group as the repository
// says; two where it says nothing, and never fewer.
func emergencyFlow(s *Set) (Chosen, error) {
	r, ok := s.Repository()
	if !ok || r.Spec.BreakGlass == nil {
		return Chosen{}, errors.New("choose review flow: the repository allows no emergency access")
	}
	glass := r.Spec.BreakGlass
	path := []any{"spec", "breakGlass"}
	return Chosen{
		ReviewFlow: ReviewFlow{Mode: ReviewStewards, RequireReason: true, Stages: []Stage{
			{Any: []StewardSource{{Group: glass.Group}}, Count: max(2, glass.People)},
		}},
		Stated: Stated{From: r.Ref(), holder: r, path: path}, Rule: -1,
	}, nil
}

// StagePlace is where a stage is written, or a value in it. Zero for the default.
func (c Chosen) StagePlace(stage int, path ...any) diag.Pos {
	at := []any{"stages", stage}
	if c.Rule >= 0 {
		at = append([]any{"rules", c.Rule}, at...)
	}
	return c.At(append(at, path...)...)
}

// holds: every field that is set must hold; a condition without fields never does.
func holds(s *Set, c FlowCondition, req *AccessRequest, at time.Time) bool {
	stated := false
	check := func(set bool, ok func() bool) bool {
		stated = stated || set
		return !set || ok()
	}
	all := check(c.Type != "", func() bool { return req.Spec.Type == c.Type }) &&
		check(len(c.Tags) > 0, func() bool { return AnyTag(c.Tags, TagsAsked(s, req)) }) &&
		check(c.Domain != "", func() bool {
			d, ok := DomainOfTarget(s, req.Spec.Target)
			return ok && d == c.Domain
		}) &&
		check(c.AccessLevel != "", func() bool { return req.Spec.Level() == c.AccessLevel }) &&
		check(c.LongerThan != "", func() bool { return longerThan(req, c.LongerThan, at) }) &&
		check(c.Attribute != nil, func() bool {
			return slices.ContainsFunc(People(s, req.Spec.Beneficiaries), func(n Name) bool {
				u, ok := UserOf(s, n)
				return ok && HasAttribute(u, *c.Attribute)
			})
		}) &&
		check(len(c.Answers) > 0, func() bool {
			for id, want := range c.Answers {
				if !AnswerIs(req.Spec.Answers[id], want) {
					return false
				}
			}
			return true
		})
	return all && stated
}

// longerThan: what has no end, or cannot be read, is longer than anything.
func longerThan(req *AccessRequest, limit Duration, at time.Time) bool {
	start := at.UTC()
	if nb, err := req.Spec.NotBefore.Time(); err == nil && nb.After(start) {
		start = nb
	}
	end, bounded, err := askedEnd(req, start)
	if err != nil || !bounded {
		return true
	}
	most, bounded, err := limit.After(start)
	return err != nil || bounded && end.After(most)
}

func askedEnd(req *AccessRequest, start time.Time) (end time.Time, bounded bool, err error) {
	if req.Spec.Until.Stated() {
		end, err = req.Spec.Until.Time()
		return end, true, err
	}
	return req.Spec.Duration.After(start)
}

// MaxEnd is the latest end that an approval decided at decidedAt may have: the
// shortest of what is asked, an automatic flow's duration, the product's
// maxDuration (the repository's where the product states none), for emergency
// access that of the break-glass rule, and the ends that stewards or policies
// set. An automatic flow's duration and the asked one are both commands: the
// shorter wins. The zero time among the ends is "no end". Indefinite and
// temporary together are temporary; bounded is false only where nothing sets an
// end. A duration that cannot be read is an error, never "no end".
func MaxEnd(s *Set, req *AccessRequest, decidedAt time.Time, steward ...time.Time) (end time.Time, bounded bool, err error) {
	chosen, err := Flow(s, req, decidedAt)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("bound request %s: %w", req.Ref().Name, err)
	}
	return MaxEndWith(s, chosen, req, decidedAt, steward...)
}

// MaxEndWith is MaxEnd for a flow that was chosen before.
func MaxEndWith(s *Set, chosen Chosen, req *AccessRequest, decidedAt time.Time, steward ...time.Time) (end time.Time, bounded bool, err error) {
	asked, askedBounded, err := askedEnd(req, decidedAt)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("bound request %s: %w", req.Ref().Name, err)
	}
	ends := slices.Clone(steward)
	if askedBounded {
		ends = append(ends, asked)
	}
	most, _ := MaxDurationFor(s, req)
	limits := []Duration{most}
	if chosen.Mode == ReviewAutomatic {
		limits = append(limits, chosen.Automatic.Duration)
	}
	if r, ok := s.Repository(); ok && req.Spec.Type == EmergencyAccess && r.Spec.BreakGlass != nil {
		limits = append(limits, r.Spec.BreakGlass.MaxDuration, BreakGlassMost)
	}
	for _, d := range limits {
		if !d.Stated() {
			continue
		}
		e, b, err := d.After(decidedAt)
		if err != nil {
			return time.Time{}, false, fmt.Errorf("bound request %s: %w", req.Ref().Name, err)
		}
		if b {
			ends = append(ends, e)
		}
	}
	end = Earliest(ends...)
	if !end.IsZero() {
		end = end.UTC().Truncate(time.Second)
	}
	return end, !end.IsZero(), nil
}

// BreakGlassMost is the longest that emergency access may last, whatever a file
// says, and how long it lasts where the repository says nothing.
const BreakGlassMost Duration = "4h"

// MaxDurationFor is the longest duration that a request may have, and the
// resource that says so: the product, or the repository where the product
// states nothing. Empty where neither does.
func MaxDurationFor(s *Set, req *AccessRequest) (most Duration, from Resource) {
	if p, ok := Get[*DataProduct](s, KindDataProduct, req.Spec.Target.Product); ok && p.Spec.MaxDuration.Stated() {
		return p.Spec.MaxDuration, p
	}
	if r, ok := s.Repository(); ok && r.Spec.Defaults.MaxDuration.Stated() {
		return r.Spec.Defaults.MaxDuration, r
	}
	return "", nil
}

// AnswerTexts are the texts of one answer: one for a scalar, one for each
// choice of a list, none for no answer.
func AnswerTexts(answer any) []string {
	switch a := answer.(type) {
	case nil:
		return nil
	case string:
		return []string{a}
	case bool:
		return []string{strconv.FormatBool(a)}
	case time.Time:
		return []string{a.UTC().Format(time.DateOnly)}
	case []any:
		var out []string
		for _, e := range a {
			out = append(out, AnswerTexts(e)...)
		}
		return out
	case []string:
		return slices.Clone(a)
	default:
		return []string{fmt.Sprint(a)}
	}
}

// AnswerIs reports whether an answer is the text, or a list that has it.
func AnswerIs(answer any, want string) bool { return slices.Contains(AnswerTexts(answer), want) }

package validate

import (
	"maps"
	"slices"

	"github.com/assent-dev/assent/engine/resource"
)

// flow is one review flow where it is written, with the forms whose answers
// it may ask for.
type flow struct {
	owner resource.Resource
	path  []any
	*resource.ReviewFlow
	forms []*resource.RequestForm
}

// flows are all that forms and products state.
func (c *check) flows() []flow {
	var out []flow
	for f := range resource.Of[*resource.RequestForm](c.head) {
		if f.Spec.Review != nil {
			out = append(out, flow{f, at("spec", "review"), f.Spec.Review, []*resource.RequestForm{f}})
		}
	}
	for p := range resource.Of[*resource.DataProduct](c.head) {
		if p.Spec.Review != nil {
			out = append(out, flow{p, at("spec", "review"), p.Spec.Review, c.formsOf(p)})
		}
	}
	return out
}

// formsOf are the forms that requests for a product fill in.
func (c *check) formsOf(p *resource.DataProduct) []*resource.RequestForm {
	var out []*resource.RequestForm
	for _, kind := range []resource.RequestType{resource.DataAccess, resource.MaskingException} {
		probe := &resource.AccessRequest{}
		probe.Spec.Type, probe.Spec.Target.Product = kind, p.Ref().Name
		f, ok := resource.FormOf(c.head, resource.FormFor(c.head, probe))
		if ok && !slices.ContainsFunc(out, func(o *resource.RequestForm) bool { return o.Ref() == f.Ref() }) {
			out = append(out, f)
		}
	}
	return out
}

func delegates(f *resource.RequestForm) bool {
	return f.Spec.Review == nil || f.Spec.Review.Mode == resource.ReviewDelegated
}

// stageLists are the stages of the flow and of each of its rules, with their paths.
type stageList struct {
	path   []any
	stages []resource.Stage
}

func (f flow) stageLists() []stageList {
	var out []stageList
	for i, rule := range f.Rules {
		out = append(out, stageList{below(f.path, "rules", i, "stages"), rule.Stages})
	}
	return append(out, stageList{below(f.path, "stages"), f.Stages})
}

// side is one half of a stage.
type side struct {
	key     string
	sources []resource.StewardSource
}

func sides(s resource.Stage) []side { return []side{{"any", s.Any}, {"all", s.All}} }

// flowShapes: the parts of a flow fit its mode.
func flowShapes(c *check) {
	for _, f := range c.flows() {
		if f.Mode == resource.ReviewStewards && len(f.Stages) == 0 {
			c.errorf(f.owner, below(f.path, "mode"), FlowStages, "a flow of stewards needs stages").
				WithHint("add stages, or write delegated")
		}
		if f.Mode != resource.ReviewStewards && len(f.Stages) > 0 {
			c.errorf(f.owner, below(f.path, "stages"), FlowStages, "these stages do nothing in mode %s", f.Mode).
				WithHint("remove them, or write mode: stewards")
		}
		if f.Mode != resource.ReviewAutomatic && f.Automatic != nil {
			c.errorf(f.owner, below(f.path, "automatic"), FlowAutomatic, "this does nothing in mode %s", f.Mode).
				WithHint("remove it, or write mode: automatic")
		}
		if f.Mode == resource.ReviewDelegated && len(f.Rules) > 0 {
			c.errorf(f.owner, below(f.path, "rules"), FlowStages, "these rules do nothing in mode delegated").
				WithHint("move them to the flow of the product")
		}
	}
}

// flowConditions: a rule has to be able to hold, and to lead somewhere.
func flowConditions(c *check) {
	for _, f := range c.flows() {
		for i, rule := range f.Rules {
			path := below(f.path, "rules", i)
			w := rule.When
			if len(w.Tags) == 0 && w.Domain == "" && w.AccessLevel == "" && w.LongerThan == "" && w.Attribute == nil && len(w.Answers) == 0 {
				c.errorf(f.owner, below(path, "when"), FlowWhen, "this condition states nothing, and never holds").
					WithHint("add a condition, or make these the stages of the flow")
			}
			if w.LongerThan == resource.Indefinite {
				c.errorf(f.owner, below(path, "when", "longerThan"), FlowWhen, "nothing is longer than indefinite").
					WithHint("write a length of time, such as 90d")
			}
			c.conditionAnswers(f, path, w.Answers)
		}
	}
}

func (c *check) conditionAnswers(f flow, path []any, answers map[string]string) {
	var ids []string
	for _, form := range f.forms {
		ids = append(ids, questionIDs(form.Spec.Questions)...)
	}
	for _, id := range slices.Sorted(maps.Keys(answers)) {
		if slices.Contains(ids, id) || len(f.forms) == 0 {
			continue
		}
		d := c.errorf(f.owner, below(path, "when", "answers", id), FlowWhen, "no question has the id %q", id).
			WithHint("the questions are %s", choices(ids))
		if f.forms[0].Ref().Name != resource.StandardForm {
			d.WithRelated(f.forms[0].At("spec", "questions"), "the questions are here")
		}
		if guess, ok := c.closest(id, ids); ok {
			d.WithHint("did you mean %q?", guess)
		}
	}
}

// inactiveFlows: a flow that never counts is worse than none, because its
// author believes in it.
func inactiveFlows(c *check) {
	for p := range resource.Of[*resource.DataProduct](c.head) {
		forms := c.formsOf(p)
		if p.Spec.Review == nil || len(forms) == 0 || slices.ContainsFunc(forms, delegates) {
			continue
		}
		c.warnf(p, at("spec", "review"), FlowInactive, "this flow is inactive: the form %q decides", string(forms[0].Ref().Name)).
			WithHint("write mode: delegated in the form, or remove this flow").
			WithRelated(forms[0].At("spec", "review"), "the flow that counts is here")
	}
}

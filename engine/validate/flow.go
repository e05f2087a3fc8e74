package validate

import (
	"maps"
	"slices"

	"github.com/assent-dev/assent/engine/resource"
)

// flow is one review flow where it is written, with what it may decide about
// and the forms whose answers it may ask for.
type flow struct {
	owner resource.Resource
	level string // of a connection
	path  []any
	*resource.ReviewFlow
	targets []resource.Target
	forms   []*resource.RequestForm
}

func (f flow) isLevel() bool { return f.owner.Ref().Kind == resource.KindConnection }

// flows are all that forms, products, sources and levels state.
func (c *check) flows() []flow {
	if c.stated != nil {
		return c.stated
	}
	c.stated = []flow{}
	for f := range resource.Of[*resource.RequestForm](c.head) {
		if f.Spec.Review == nil {
			continue
		}
		out := flow{owner: f, path: at("spec", "review"), ReviewFlow: f.Spec.Review, forms: []*resource.RequestForm{f}}
		for p := range resource.Of[*resource.DataProduct](c.head) {
			t := resource.Target{Product: p.Ref().Name}
			if slices.ContainsFunc(c.formsOf(t), func(o *resource.RequestForm) bool { return o.Ref() == f.Ref() }) {
				out.targets = append(out.targets, t)
			}
		}
		c.stated = append(c.stated, out)
	}
	state := func(owner resource.Resource, level string, path []any, review *resource.ReviewFlow, targets ...resource.Target) {
		if review != nil {
			c.stated = append(c.stated, flow{owner, level, path, review, targets, c.formsOf(targets...)})
		}
	}
	for p := range resource.Of[*resource.DataProduct](c.head) {
		state(p, "", at("spec", "review"), p.Spec.Review, resource.Target{Product: p.Ref().Name})
	}
	for d := range resource.Of[*resource.DataSource](c.head) {
		state(d, "", at("spec", "review"), d.Spec.Review, resource.Target{Source: d.Ref().Name})
	}
	for conn := range resource.Of[*resource.Connection](c.head) {
		first := map[string]bool{} // a second level of one path never counts, which another rule tells
		for i, l := range conn.Spec.Levels {
			if l.Review != nil && !first[l.Path] {
				state(conn, l.Path, at("spec", "levels", i, "review"), l.Review, c.below(conn, l.Path)...)
			}
			first[l.Path] = true
		}
	}
	return c.stated
}

// below are a level itself and the sources in it.
func (c *check) below(conn *resource.Connection, level string) []resource.Target {
	path := string(conn.Ref().Name)
	if level != "" {
		path += "/" + level
	}
	out := []resource.Target{{Path: path}}
	for _, d := range resource.SourcesOfTarget(c.head, out[0]) {
		out = append(out, resource.Target{Source: d.Ref().Name})
	}
	return out
}

// formsOf are the forms that requests for any of the targets fill in.
func (c *check) formsOf(targets ...resource.Target) []*resource.RequestForm {
	var out []*resource.RequestForm
	for _, t := range targets {
		for _, f := range c.formsFor(t) {
			if !slices.ContainsFunc(out, func(o *resource.RequestForm) bool { return o.Ref() == f.Ref() }) {
				out = append(out, f)
			}
		}
	}
	return out
}

func (c *check) formsFor(t resource.Target) []*resource.RequestForm {
	if c.formsAt == nil {
		c.formsAt = map[resource.Target][]*resource.RequestForm{}
	}
	out, ok := c.formsAt[t]
	if ok {
		return out
	}
	for _, kind := range []resource.RequestType{resource.DataAccess, resource.MaskingException} {
		probe := &resource.AccessRequest{}
		probe.Spec.Type, probe.Spec.Target = kind, t
		f, ok := resource.FormOf(c.head, resource.FormFor(c.head, probe))
		if ok && !slices.ContainsFunc(out, func(o *resource.RequestForm) bool { return o.Ref() == f.Ref() }) {
			out = append(out, f)
		}
	}
	c.formsAt[t] = out
	return out
}

// counts reports whether a flow decides about anything. That of a form that
// nothing uses yet is taken to.
func (c *check) counts(f flow) bool {
	if f.owner.Ref().Kind == resource.KindRequestForm {
		return true
	}
	for _, t := range f.targets {
		for _, form := range c.formsFor(t) {
			if st := resource.StatedFor(c.head, form, t); st.From == f.owner.Ref() && st.Level == f.level {
				return true
			}
		}
	}
	return false
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
				WithHint("move them to the flow that is delegated to")
		}
	}
}

// flowConditions: a rule has to be able to hold, and to lead somewhere.
func flowConditions(c *check) {
	for _, f := range c.flows() {
		for i, rule := range f.Rules {
			path := below(f.path, "rules", i)
			w := rule.When
			if w.Type == "" && len(w.Tags) == 0 && w.Domain == "" && w.AccessLevel == "" && w.LongerThan == "" && w.Attribute == nil && len(w.Answers) == 0 {
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
	for _, f := range c.flows() {
		if f.Mode == resource.ReviewDelegated || len(f.forms) == 0 || c.counts(f) {
			continue
		}
		wins := resource.StatedFor(c.head, f.forms[0], f.targets[0])
		d := c.warnf(f.owner, f.path, FlowInactive, "this flow is inactive: the form %q decides", string(f.forms[0].Ref().Name)).
			WithHint("write mode: delegated in the form, or remove this flow")
		if wins.From.Kind != resource.KindRequestForm {
			d.Message = "this flow is inactive: that of " + wins.String() + " is nearer"
			d.WithHint("remove this flow, or the nearer one")
		}
		d.WithRelated(wins.At(), "the flow that counts is here")
	}
}

// flowDeadlines: what a flow has in store comes, and in an order that makes sense.
func flowDeadlines(c *check) {
	for _, f := range c.flows() {
		type length struct {
			key string
			d   resource.Duration
		}
		var all []length
		if f.Reminders != nil {
			all = append(all, length{"reminders", f.Reminders.Every})
		}
		if f.Escalate != nil {
			all = append(all, length{"escalate", f.Escalate.After})
		}
		if f.Lapse != nil {
			all = append(all, length{"lapse", f.Lapse.After})
		}
		for _, l := range all {
			key := "after"
			if l.key == "reminders" {
				key = "every"
			}
			end, bounded, err := l.d.After(c.now)
			if err == nil && !bounded {
				c.errorf(f.owner, below(f.path, l.key, key), FlowDeadline, "indefinite never comes").
					WithHint("write a length of time, such as 3d, or remove %s", l.key)
				continue
			}
			if f.Lapse == nil || l.key == "lapse" || err != nil {
				continue
			}
			if lapse, ends, err := f.Lapse.After.After(c.now); err == nil && ends && !end.Before(lapse) {
				c.errorf(f.owner, below(f.path, l.key, key), FlowDeadline, "this comes when the request has lapsed, after %s", f.Lapse.After).
					WithHint("choose a shorter time, or let the request lapse later").
					WithRelated(f.owner.At(below(f.path, "lapse", "after")...), "it lapses here")
			}
		}
	}
}

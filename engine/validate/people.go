package validate

import (
	"fmt"
	"slices"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// maxContested is how many sources that share people a review can tell apart:
// beyond, nobody could show that each has a person of its own.
const maxContested = 8

// flowPeople: somebody has to be able to complete each flow, for each product
// and source that it decides about; that of a level, for any source below it.
func flowPeople(c *check) {
	for _, f := range c.flows() {
		if !c.counts(f) {
			continue
		}
		for _, list := range f.stageLists() {
			for i, stage := range list.stages {
				c.stagePeople(f, below(list.path, i), stage)
			}
		}
	}
	for p := range resource.Of[*resource.DataProduct](c.head) {
		c.defaultPeople(p)
	}
}

// stagePeople tells the first target for which a stage cannot be completed.
func (c *check) stagePeople(f flow, path []any, stage resource.Stage) {
	if c.brokenStage(stage) {
		return
	}
	byTarget := slices.ContainsFunc(append(slices.Clone(stage.Any), stage.All...), func(s resource.StewardSource) bool {
		return s.DomainPermission != "" || s.SubjectMatterExpert
	})
	if !byTarget {
		if gap := c.gap(stage, resource.Target{}, nil); gap != nil {
			c.tell(f.owner, path, *gap)
			return
		}
		c.contested(f, path, stage)
		return
	}
	var first *gap
	var at resource.Resource
	for _, t := range f.targets {
		ref, ok := t.Ref()
		if !ok {
			continue // the path of a level: the sources below it stand for it
		}
		r, ok := c.head.Find(ref)
		if p, isProduct := r.(*resource.DataProduct); !ok || isProduct && !c.exists(resource.Ref{Kind: resource.KindDomain, Name: p.Spec.Domain}) {
			continue
		}
		gap := c.gap(stage, t, nil)
		if gap == nil && f.isLevel() {
			return
		}
		if gap != nil && first == nil {
			first, at = gap, r
		}
	}
	if first == nil {
		return
	}
	d := c.tell(f.owner, path, *first)
	if f.owner.Ref() != at.Ref() {
		d.WithRelated(at.At("metadata", "name"), "when %s is asked for", name(at.Ref()))
	}
}

// contested warns of a stage that review could not tell to be complete.
func (c *check) contested(f flow, path []any, stage resource.Stage) {
	if len(stage.All) == 0 || stage.Distinct != nil && !*stage.Distinct {
		return
	}
	sources := map[resource.Name]int{}
	var entries [][]resource.Name
	for _, src := range stage.All {
		people := resource.Stewards(c.head, src, resource.Target{}, c.now)
		entries = append(entries, people)
		for _, n := range people {
			sources[n]++
		}
	}
	shared := 0
	for _, people := range entries {
		own := slices.ContainsFunc(people, func(n resource.Name) bool { return sources[n] == 1 })
		if !own && len(people) < len(entries) {
			shared++
		}
	}
	if shared > maxContested {
		c.warnf(f.owner, below(path, "all"), TooContested, "%d entries share their people, and a review can tell apart at most %d", shared, maxContested).
			WithHint("split the stage in two, name other people, or write distinct: false")
	}
}

// brokenStage: another rule has told what is wrong.
func (c *check) brokenStage(s resource.Stage) bool {
	if (len(s.Any) > 0) == (len(s.All) > 0) {
		return true
	}
	return slices.ContainsFunc(append(slices.Clone(s.Any), s.All...), func(src resource.StewardSource) bool {
		if src.Stated() != 1 {
			return true
		}
		if src.User != "" {
			u, ok := resource.UserOf(c.head, src.User)
			return !ok || u.IsService()
		}
		return src.Group != "" && !c.exists(resource.Ref{Kind: resource.KindGroup, Name: src.Group})
	})
}

// gap is why a stage cannot be completed.
type gap struct {
	code    diag.Code
	path    []any
	message string
	hint    string
}

func (c *check) tell(r resource.Resource, path []any, g gap) *diag.Diagnostic {
	return c.errorf(r, below(path, g.path...), g.code, "%s", g.message).WithHint("%s", g.hint)
}

// gap finds why a stage cannot be completed by people who are not left out.
//
//	stage   needs
//	any     one person in any entry
//	all     a person in each entry; by default another one for each
//	count   so many different people among all entries
func (c *check) gap(stage resource.Stage, target resource.Target, leftOut []resource.Name) *gap {
	half := sides(stage)[0]
	if len(stage.All) > 0 {
		half = sides(stage)[1]
	}
	var entries [][]resource.Name
	everybody := map[resource.Name]bool{}
	for _, src := range half.sources {
		people := slices.DeleteFunc(resource.Stewards(c.head, src, target, c.now), func(n resource.Name) bool { return slices.Contains(leftOut, n) })
		entries = append(entries, people)
		for _, n := range people {
			everybody[n] = true
		}
	}
	empty := slices.IndexFunc(entries, func(e []resource.Name) bool { return len(e) == 0 })
	switch {
	case len(everybody) == 0:
		return &gap{NobodyCan, nil, "nobody could approve this stage", "name active people, or a group that has some"}
	case half.key == "all" && empty >= 0:
		return &gap{NobodyCan, at(half.key, empty), "nobody could approve for this entry, and all are needed", "name active people, or a group that has some"}
	case stage.Count > len(everybody):
		return &gap{CountTooHigh, at("count"), fmt.Sprintf("%d people are needed, and there are %d", stage.Count, len(everybody)), "lower count, or name more people"}
	case half.key == "all" && (stage.Distinct == nil || *stage.Distinct) && !assignable(entries):
		return &gap{CountTooHigh, at(half.key), "each entry needs a person of its own, and there are too few", "name more people, or write distinct: false"}
	}
	return nil
}

// assignable reports whether each entry can have a person of its own.
func assignable(entries [][]resource.Name) bool {
	entryOf := map[resource.Name]int{}
	var place func(entry int, tried map[resource.Name]bool) bool
	place = func(entry int, tried map[resource.Name]bool) bool {
		for _, n := range entries[entry] {
			if tried[n] {
				continue
			}
			tried[n] = true
			held, taken := entryOf[n]
			if !taken || place(held, tried) {
				entryOf[n] = entry
				return true
			}
		}
		return false
	}
	for i := range entries {
		if !place(i, map[resource.Name]bool{}) {
			return false
		}
	}
	return true
}

// defaultPeople: a product without a flow is decided by the default one.
func (c *check) defaultPeople(p *resource.DataProduct) {
	own := p.Spec.Review != nil && p.Spec.Review.Mode != resource.ReviewDelegated
	if own || !slices.ContainsFunc(c.formsFor(resource.Target{Product: p.Ref().Name}), delegates) || !c.exists(resource.Ref{Kind: resource.KindDomain, Name: p.Spec.Domain}) {
		return
	}
	for _, stage := range resource.DefaultStages() {
		if c.gap(stage, resource.Target{Product: p.Ref().Name}, nil) != nil {
			c.errorf(p, at("spec", "domain"), NobodyCan, "nobody could approve requests for %s", name(p.Ref())).
				WithHint("give somebody manageDataProducts in the domain or GOVERNANCE, or state a review flow")
		}
	}
}

// deciders: the people who ask never decide, so that somebody else has to be there.
func deciders(c *check) {
	for req, former := range c.freshRequests {
		form := c.pinOf(req, former).Form
		if form == nil || req.Spec.Type == resource.EmergencyAccess { // which has a rule of its own
			continue
		}
		chosen, err := resource.FlowWith(c.head, form, req, c.now)
		if err != nil || chosen.Mode != resource.ReviewStewards {
			continue // what is wrong with the flow is told where it is written
		}
		asking := append(resource.People(c.head, req.Spec.Beneficiaries), req.Spec.Requester)
		for _, stage := range chosen.Stages {
			if c.brokenStage(stage) || req.Spec.Target.Product != "" && c.gap(stage, req.Spec.Target, nil) != nil {
				continue // told where the flow or the product is written
			}
			if c.gap(stage, req.Spec.Target, asking) == nil {
				continue
			}
			d := c.errorf(req, at("spec", "target"), NobodyElse, "nobody could approve this request: requester and beneficiaries never decide").
				WithHint("somebody has to add stewards to the review flow")
			if chosen.At().Line > 0 {
				d.WithRelated(chosen.At(), "the flow that counts is here")
			}
			break
		}
	}
}

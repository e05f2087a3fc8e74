package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

const kindGovernance = "governance"

// governance judges a pull request that touches no request. What each changed
// file is and who holds which permission at the base are facts; who may agree to
// which change is a question for policies/permissions.rego.
func (c *court) governance(ctx context.Context) Determination {
	in := interestsIn(c.dir, c.facts)
	verdicts := panel{dir: c.dir, facts: c.facts, interests: in, stewards: c.officers(), now: c.now}.judge()
	doc := c.document(kindGovernance, verdicts)
	doc.Flow = inputFlow{Mode: resource.ReviewStewards, From: "default"}
	doc.Changes = c.changes(in)
	doc.Domains = c.domainHolders(doc.Changes, in)
	doc.Permissions = c.permissionHolders(in)
	doc.Governance = doc.Permissions[resource.PermissionGovernance].People
	det := c.blank("")
	det.Flow = FlowRef{Mode: resource.ReviewStewards, From: "permissions"}
	det = c.decide(ctx, det, doc, nil, verdicts)
	det.tellUnasked()
	if fault := c.movedBase(); det.Outcome.Grants() && fault != "" {
		det.hold(Pending, fault)
	}
	return c.lifecycle(det)
}

// tellUnasked says of valid reviews that did not count whose they are: people who
// hold something, but nothing that this change needs.
func (d *Determination) tellUnasked() {
	asked := map[resource.Name]bool{}
	for _, stage := range d.Stages {
		for _, source := range stage.Sources {
			for _, p := range source.People {
				asked[p] = true
			}
		}
	}
	for i, r := range d.Reviews {
		if !r.Counted && (r.Verdict == Approve || r.Verdict == Deny) && r.Why == nothingAsked && !asked[r.Person] {
			d.Reviews[i].Why = string(r.Person) + " is not asked about any file of this change"
		}
	}
}

// officers are all whom any rule might ask about a change of governance, before
// those with an interest are left out. Whose word counts, the rules say.
func (c *court) officers() []resource.Name {
	var all []resource.Name
	for _, p := range []resource.Permission{resource.PermissionGovernance, resource.PermissionUserAdmin} {
		all = append(all, resource.Stewards(c.base, resource.StewardSource{Permission: p}, resource.Target{}, c.now)...)
	}
	for d := range resource.Of[*resource.Domain](c.base) {
		all = append(all, d.Spec.Owner)
		all = append(all, resource.Holders(c.base, d.Ref().Name, resource.ManageDataProducts)...)
		all = append(all, resource.Holders(c.base, d.Ref().Name, resource.ManagePolicies)...)
	}
	for f := range resource.Of[*resource.RequestForm](c.base) {
		all = append(all, formStewards(c.base, f, c.now)...)
	}
	all = c.able(all)
	return all
}

// able are those of the names who can decide at all: active persons, sorted.
func (c *court) able(names []resource.Name) []resource.Name {
	out := slices.DeleteFunc(slices.Clone(names), func(n resource.Name) bool {
		u, ok := resource.UserOf(c.base, n)
		return !ok || u.IsService() || !resource.Active(u, c.now)
	})
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *court) domainHolders(changes []inputChange, in interests) map[resource.Name]inputDomain {
	out := map[resource.Name]inputDomain{}
	for _, change := range changes {
		for _, name := range slices.Concat(change.Domains, change.Reaches, change.Leaves) {
			if _, known := out[name]; !known {
				out[name] = c.domainHoldersOf(name, in)
			}
		}
	}
	return out
}

// domainHoldersOf says who holds which right in a domain at the base, and where
// that is written; nobody where the base has no such domain.
func (c *court) domainHoldersOf(name resource.Name, in interests) inputDomain {
	none := inputHolders{People: []resource.Name{}}
	out := inputDomain{Owner: none, ManageDataProducts: none, ManagePolicies: none}
	d, ok := resource.Get[*resource.Domain](c.base, resource.KindDomain, name)
	if !ok {
		return out
	}
	held := func(p resource.DomainPermission) inputHolders {
		return inputHolders{
			People: without(c.able(resource.Holders(c.base, name, p)), in),
			At:     d.At("spec", "permissions", string(p)).String(),
		}
	}
	out.Owner = inputHolders{People: without(c.able([]resource.Name{d.Spec.Owner}), in), At: d.At("spec", "owner").String()}
	out.ManageDataProducts, out.ManagePolicies = held(resource.ManageDataProducts), held(resource.ManagePolicies)
	return out
}

func (c *court) permissionHolders(in interests) map[resource.Permission]inputHolders {
	out := map[resource.Permission]inputHolders{}
	for _, p := range []resource.Permission{resource.PermissionGovernance, resource.PermissionUserAdmin} {
		people := without(resource.Stewards(c.base, resource.StewardSource{Permission: p}, resource.Target{}, c.now), in)
		h := inputHolders{People: people}
		if len(people) > 0 {
			u, _ := resource.UserOf(c.base, people[0])
			h.At = u.At("spec", "permissions").String()
		}
		out[p] = h
	}
	return out
}

// movedBase says which changed file is another one at the base than where the
// branch began: then what the facts say of it is not what a merge would do.
func (c *court) movedBase() string {
	atBase := byFile(c.base, c.facts.Files)
	for _, f := range sortedFiles(c.facts.Files) {
		if r := atBase[f.Path]; r != nil && r.Origin().OID != "" && r.Origin().OID != f.OldBlob {
			return fmt.Sprintf("%s changed on %s since this branch was made; update the branch", f.Path, c.facts.BaseRef)
		}
	}
	return ""
}

// asked are the stages that the rules made of the needs of the changed files.
func (d decision) asked() []inputStage {
	out := make([]inputStage, len(d.Asked))
	for i, a := range d.Asked {
		out[i] = inputStage{Mode: a.Mode, Count: a.Count, Distinct: a.Distinct, Sources: []inputSource{}, files: a.Files}
		for _, s := range a.Sources {
			out[i].Sources = append(out[i].Sources, inputSource{Source: s.Source, People: list(s.People), at: s.At})
		}
		if len(a.Sources) > 0 {
			out[i].at = a.Sources[0].At
		}
	}
	return out
}

// checkAsked is the floor below the rules of governance: every changed file
// needs somebody's agreement, and nobody is asked who is no officer or has a part
// in the change.
func (d decision) checkAsked(in inputDoc) error {
	if in.Kind != kindGovernance {
		if len(d.Asked) > 0 {
			return errors.New("check decision: it asks for stages of its own")
		}
		return nil
	}
	able := in.askable()
	needed := map[string]bool{}
	for _, a := range d.Asked {
		if a.Mode != "any" || a.Count < 1 || len(a.Sources) == 0 {
			return errors.New("check decision: a need that asks nobody")
		}
		for _, s := range a.Sources {
			for _, p := range s.People {
				if !able[p] {
					return fmt.Errorf("check decision: it asks %s, who holds nothing", p)
				}
			}
		}
		for _, f := range a.Files {
			needed[f] = true
		}
	}
	for _, change := range in.Changes {
		for _, file := range change.Files {
			if !needed[file] {
				return fmt.Errorf("check decision: nobody is asked about %s", file)
			}
		}
	}
	return nil
}

// askable are the people whom the facts name as holders of something.
func (in inputDoc) askable() map[resource.Name]bool {
	out := map[resource.Name]bool{}
	add := func(h inputHolders) {
		for _, p := range h.People {
			out[p] = true
		}
	}
	for _, h := range in.Permissions {
		add(h)
	}
	for _, d := range in.Domains {
		add(d.Owner)
		add(d.ManageDataProducts)
		add(d.ManagePolicies)
	}
	for _, c := range in.Changes {
		add(c.Stewards)
	}
	return out
}

// heard reports whether a person's denial ends the change: anybody's who was
// found valid for a request, only that of those asked for a change of governance.
func (in inputDoc) heard(person resource.Name, stages []inputStage) bool {
	return in.Kind != kindGovernance || slices.ContainsFunc(stages, func(s inputStage) bool {
		return slices.ContainsFunc(s.Sources, func(src inputSource) bool { return slices.Contains(src.People, person) })
	})
}

// byFile are the resources of a Set that the files hold.
func byFile(s *resource.Set, files []File) map[string]resource.Resource {
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f.Path] = true
	}
	out := map[string]resource.Resource{}
	for r := range s.All() {
		if file := r.Origin().File; wanted[file] {
			out[file] = r
		}
	}
	return out
}

// formStewards are the people whom a form itself names as stewards: none where
// it delegates, and none who are stewards only through a product or a domain.
func formStewards(s *resource.Set, f *resource.RequestForm, now time.Time) []resource.Name {
	if f.Spec.Review == nil || f.Spec.Review.Mode == resource.ReviewDelegated {
		return nil
	}
	stages := slices.Clone(f.Spec.Review.Stages)
	for _, rule := range f.Spec.Review.Rules {
		stages = append(stages, rule.Stages...)
	}
	found := map[resource.Name]bool{}
	for _, stage := range stages {
		for _, source := range slices.Concat(stage.Any, stage.All) {
			for _, p := range resource.Stewards(s, source, resource.Target{}, now) {
				found[p] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), cmp.Compare[resource.Name])
}

package review

import (
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// HeldAccess is access that a person has by an approval in force, by a birthright
// rule, or, while Pending, asks for in another open pull request. It is read with
// the other facts, so that the organisation's rules can bound what one person
// holds and the same facts give the same answer later.
type HeldAccess struct {
	Request     resource.Name        `json:"request,omitempty"` // none of a birthright
	Target      string               `json:"target"`            // DataProduct/x, DataSource/y or path/z
	Product     resource.Name        `json:"product,omitempty"`
	Domain      resource.Name        `json:"domain,omitempty"`
	Tags        []string             `json:"tags,omitempty"` // of the target's sources and their columns, sorted
	AccessLevel resource.AccessLevel `json:"accessLevel"`
	Until       time.Time            `json:"until,omitzero"` // exclusive; zero means no end, or not decided
	Pending     bool                 `json:"pending,omitempty"`
}

// HeldBy is the access that a request gives or asks for, described at a Set.
func HeldBy(s *resource.Set, req *resource.AccessRequest, until time.Time, pending bool) HeldAccess {
	domain, _ := resource.DomainOfTarget(s, req.Spec.Target)
	return HeldAccess{
		Request: req.Ref().Name, Target: targetText(req.Spec.Target), Product: req.Spec.Target.Product, Domain: domain,
		Tags: resource.TagsOfTarget(s, req.Spec.Target), AccessLevel: req.Spec.Level(), Until: until, Pending: pending,
	}
}

// What rules see of it, as policies/quorum.rego documents it.
type (
	inputAccess struct {
		Held    inputHolding `json:"held"`
		Pending inputHolding `json:"pending"`
	}
	inputHolding struct {
		Count        int                    `json:"count"`
		Products     []resource.Name        `json:"products"`
		Tags         []string               `json:"tags"`
		AccessLevels []resource.AccessLevel `json:"accessLevels"`
		Requests     []inputHeld            `json:"requests"`
	}
	inputHeld struct {
		Request     resource.Name        `json:"request"`
		Target      string               `json:"target"`
		Product     resource.Name        `json:"product"`
		Domain      resource.Name        `json:"domain"`
		Tags        []string             `json:"tags"`
		AccessLevel resource.AccessLevel `json:"accessLevel"`
		Until       string               `json:"until"`
	}
)

// access is what the beneficiaries of a request hold besides it. nil where that
// was not read.
func (c *court) access(req *resource.AccessRequest) map[resource.Name]inputAccess {
	if c.facts.Held == nil {
		return nil
	}
	out := map[resource.Name]inputAccess{}
	for _, person := range resource.People(c.base, req.Spec.Beneficiaries) {
		held, pending := emptyHolding(), emptyHolding()
		for _, h := range c.facts.Held[person] {
			switch {
			case h.Request != "" && h.Request == req.Ref().Name: // itself, or what it changes
			case h.Pending:
				pending.add(h)
			default:
				held.add(h)
			}
		}
		out[person] = inputAccess{Held: held.sorted(), Pending: pending.sorted()}
	}
	return out
}

func emptyHolding() inputHolding {
	return inputHolding{Products: []resource.Name{}, Tags: []string{}, AccessLevels: []resource.AccessLevel{}, Requests: []inputHeld{}}
}

func (h *inputHolding) add(a HeldAccess) {
	h.Count++
	if a.Product != "" {
		h.Products = append(h.Products, a.Product)
	}
	h.Tags = append(h.Tags, a.Tags...)
	h.AccessLevels = append(h.AccessLevels, a.AccessLevel)
	h.Requests = append(h.Requests, inputHeld{
		Request: a.Request, Target: a.Target, Product: a.Product, Domain: a.Domain,
		Tags: list(a.Tags), AccessLevel: a.AccessLevel, Until: stamp(a.Until),
	})
}

func (h inputHolding) sorted() inputHolding {
	slices.Sort(h.Products)
	h.Products = slices.Compact(h.Products)
	slices.Sort(h.Tags)
	h.Tags = slices.Compact(h.Tags)
	slices.Sort(h.AccessLevels)
	h.AccessLevels = slices.Compact(h.AccessLevels)
	return h
}

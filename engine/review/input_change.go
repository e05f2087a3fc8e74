package review

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

// The facts about a governance pull request, as policies/quorum.rego documents
// them. They say what a change is; what it needs, the rules say.
type (
	inputChange struct {
		// Files are those to which all of the rest applies alike, so that a
		// thousand new sources are one fact.
		Files    []string      `json:"files"`
		Folder   string        `json:"folder"`   // the first part of the path; the file itself at the top
		Kind     resource.Kind `json:"kind"`     // empty where the file is no resource, or cannot be read
		Action   string        `json:"action"`   // added, changed, removed
		Readable bool          `json:"readable"` // a resource on each side that has the file
		// Domains are those that the resource belongs to, on either side.
		Domains []resource.Name `json:"domains"`
		// Reaches are the other domains whose sources the change takes in, Unowned
		// says that it takes in sources of no domain.
		Reaches []resource.Name `json:"reaches"`
		Unowned bool            `json:"unowned"`
		// Leaves are the domains that sources leave, or whose sources show more.
		Leaves []resource.Name `json:"leaves"`
		// Concerns are the people to whom the change gives or takes something.
		Concerns []resource.Name `json:"concerns"`
		// Stewards are those named in a form itself.
		Stewards    inputHolders `json:"stewards"`
		Shared      bool         `json:"shared"`      // a form or agreement that more than products use
		Spec        bool         `json:"spec"`        // more than metadata
		Permissions bool         `json:"permissions"` // owner or permissions of a domain
		Guardrail   bool         `json:"guardrail"`   // of a masking policy, on either side
		Unlimited   bool         `json:"unlimited"`   // a masking policy of no one domain, on either side
		Governs     bool         `json:"governs"`     // gives or moves the permission GOVERNANCE
	}
	inputHolders struct {
		People []resource.Name `json:"people"`
		At     string          `json:"at"`
	}
	inputDomain struct {
		Owner              inputHolders `json:"owner"`
		ManageDataProducts inputHolders `json:"manageDataProducts"`
		ManagePolicies     inputHolders `json:"managePolicies"`
	}
)

func (c *court) changes(in interests) []inputChange {
	olds, news := byFile(c.base, c.facts.Files), byFile(c.head, c.facts.Files)
	out := []inputChange{}
	known := map[string]int{}
	for _, f := range sortedFiles(c.facts.Files) {
		ch := c.change(f, olds[f.Path], news[f.Path], in)
		key := fmt.Sprintf("%#v", ch)
		if i, ok := known[key]; ok {
			out[i].Files = append(out[i].Files, f.Path)
			continue
		}
		known[key] = len(out)
		ch.Files = []string{f.Path}
		out = append(out, ch)
	}
	return out
}

func (c *court) change(f File, old, cur resource.Resource, in interests) inputChange {
	folder, _, _ := strings.Cut(f.Path, "/")
	ch := inputChange{
		Folder: folder, Action: string(resource.Changed),
		Domains: []resource.Name{}, Reaches: []resource.Name{}, Leaves: []resource.Name{}, Concerns: []resource.Name{},
		Stewards: inputHolders{People: []resource.Name{}},
	}
	if f.OldBlob == "" {
		ch.Action = string(resource.Added)
	}
	if f.NewBlob == "" {
		ch.Action = string(resource.Removed)
	}
	if cur != nil && (cur.Origin().OID != "" && cur.Origin().OID != f.NewBlob || f.Mode != "100644") {
		cur = nil // other bytes than those that would be merged
	}
	one := cur
	if one == nil {
		one = old
	}
	ch.Readable = (old != nil) == (f.OldBlob != "") && (cur != nil) == (f.NewBlob != "") && one != nil
	if !ch.Readable {
		return ch
	}
	name := one.Ref().Name
	ch.Kind, ch.Spec = one.Ref().Kind, !sameSpec(old, cur)
	switch one.(type) {
	case *resource.DataProduct:
		c.productFacts(&ch, as[*resource.DataProduct](old), as[*resource.DataProduct](cur))
	case *resource.Domain:
		c.domainFacts(&ch, name, as[*resource.Domain](old), as[*resource.Domain](cur))
	case *resource.MaskingPolicy:
		maskFacts(&ch, as[*resource.MaskingPolicy](old), as[*resource.MaskingPolicy](cur))
	case *resource.DataSource:
		c.sourceFacts(&ch, as[*resource.DataSource](old), as[*resource.DataSource](cur))
	case *resource.RequestForm:
		c.formFacts(&ch, name, as[*resource.RequestForm](old), in)
	case *resource.DataUseAgreement:
		ch.Domains, ch.Shared = c.users(func(form resource.Name) bool {
			r, ok := resource.FormOf(c.base, form)
			return ok && r.Spec.Agreement == name
		})
	case *resource.User:
		c.userFacts(&ch, name, as[*resource.User](old), as[*resource.User](cur))
	case *resource.Group:
		c.groupFacts(&ch, name)
	}
	return ch
}

// as is the resource as its type; nil where there is none.
func as[T resource.Resource](r resource.Resource) T {
	t, _ := r.(T)
	return t
}

// sameSpec reports whether two versions say the same but for their metadata.
func sameSpec(old, cur resource.Resource) bool {
	if old == nil || cur == nil {
		return false
	}
	x, y := reflect.ValueOf(old).Elem().FieldByName("Spec"), reflect.ValueOf(cur).Elem().FieldByName("Spec")
	return x.Type() == y.Type() && reflect.DeepEqual(x.Interface(), y.Interface())
}

func sortedSet(set map[resource.Name]bool) []resource.Name {
	return list(slices.Sorted(maps.Keys(set)))
}

func (c *court) productFacts(ch *inputChange, old, cur *resource.DataProduct) {
	domains, had := map[resource.Name]bool{}, map[resource.Name]bool{}
	if old != nil {
		domains[old.Spec.Domain] = true
		for _, d := range resource.SourcesOf(c.base, old) {
			had[d.Ref().Name] = true
		}
	}
	if cur != nil {
		domains[cur.Spec.Domain] = true
		c.reach(ch, resource.SourcesOf(c.head, cur), had, domains)
	}
	ch.Domains = sortedSet(domains)
}

// reach notes whose sources are taken in anew, by the domains of the base.
func (c *court) reach(ch *inputChange, sources []*resource.DataSource, had, own map[resource.Name]bool) {
	reaches := map[resource.Name]bool{}
	for _, d := range sources {
		if had[d.Ref().Name] {
			continue
		}
		of := resource.DomainsOf(c.base, c.before(d))
		ch.Unowned = ch.Unowned || len(of) == 0
		for _, name := range of {
			if !own[name] {
				reaches[name] = true
			}
		}
	}
	ch.Reaches = sortedSet(reaches)
}

// before is a source as the base has it; itself where the base does not.
func (c *court) before(d *resource.DataSource) *resource.DataSource {
	if old, ok := resource.Get[*resource.DataSource](c.base, resource.KindDataSource, d.Ref().Name); ok {
		return old
	}
	return d
}

func (c *court) domainFacts(ch *inputChange, name resource.Name, old, cur *resource.Domain) {
	ch.Domains = []resource.Name{name}
	if old == nil || cur == nil {
		ch.Permissions = true
		return
	}
	ch.Permissions = old.Spec.Owner != cur.Spec.Owner || !reflect.DeepEqual(old.Spec.Permissions, cur.Spec.Permissions)
	if reflect.DeepEqual(old.Spec.Members, cur.Spec.Members) {
		return
	}
	had := map[resource.Name]bool{}
	var now []*resource.DataSource
	for d := range resource.Of[*resource.DataSource](c.base) {
		was, is := resource.InDomain(old, d), resource.InDomain(cur, d)
		had[d.Ref().Name] = was
		if is {
			now = append(now, d)
		}
		if was && !is {
			ch.Leaves = []resource.Name{name}
		}
	}
	c.reach(ch, now, had, map[resource.Name]bool{name: true})
}

func maskFacts(ch *inputChange, versions ...*resource.MaskingPolicy) {
	domains := map[resource.Name]bool{}
	for _, p := range versions {
		if p == nil {
			continue
		}
		ch.Guardrail = ch.Guardrail || p.Spec.Guardrail
		ch.Unlimited = ch.Unlimited || p.Spec.Match.Domain == ""
		if p.Spec.Match.Domain != "" {
			domains[p.Spec.Match.Domain] = true
		}
	}
	ch.Domains = sortedSet(domains)
}

func (c *court) sourceFacts(ch *inputChange, old, cur *resource.DataSource) {
	if old == nil {
		ch.Domains = list(resource.DomainsOf(c.base, cur))
		return
	}
	ch.Domains = list(resource.DomainsOf(c.base, old))
	if cur == nil {
		return
	}
	after := resource.DomainsOf(c.base, cur)
	leaves := map[resource.Name]bool{}
	for _, d := range ch.Domains {
		if !slices.Contains(after, d) {
			leaves[d] = true
		}
	}
	if c.showsMore(old, cur) {
		for _, d := range ch.Domains {
			leaves[d] = true
		}
	}
	ch.Leaves = sortedSet(leaves)
}

// showsMore reports whether a column of the source is hidden less than before,
// by the masking policies of the base.
func (c *court) showsMore(old, cur *resource.DataSource) bool {
	after := map[string]resource.ColumnMask{}
	for _, m := range resource.MasksOf(c.base, cur) {
		after[m.Column] = m
	}
	there := map[string]bool{}
	for _, col := range cur.Spec.Columns {
		there[col.Name] = true
	}
	for _, was := range resource.MasksOf(c.base, old) {
		is, masked := after[was.Column]
		switch {
		case !there[was.Column]: // gone, so hidden
		case !masked, was.Guardrail && !is.Guardrail:
			return true
		case *is.Mask != *was.Mask && resource.MaskStrength(is.Mask.Type) <= resource.MaskStrength(was.Mask.Type):
			return true
		}
	}
	return false
}

func (c *court) formFacts(ch *inputChange, name resource.Name, old *resource.RequestForm, in interests) {
	ch.Domains, ch.Shared = c.users(func(form resource.Name) bool { return form == name })
	if old != nil {
		ch.Stewards = inputHolders{People: without(formStewards(c.base, old, c.now), in), At: old.At("spec", "review").String()}
	}
}

// users are the domains whose products use a form at the base. shared says that
// something else uses it too: the repository's default, a source or a connection.
func (c *court) users(uses func(form resource.Name) bool) (domains []resource.Name, shared bool) {
	stated := func(f resource.ProductForms) bool {
		return f.DataAccess != "" && uses(f.DataAccess) || f.MaskingException != "" && uses(f.MaskingException)
	}
	found := map[resource.Name]bool{}
	for p := range resource.Of[*resource.DataProduct](c.base) {
		if stated(p.Spec.Forms) {
			found[p.Spec.Domain] = true
		}
	}
	if r, ok := c.base.Repository(); ok {
		shared = r.Spec.Defaults.Form != "" && uses(r.Spec.Defaults.Form)
	}
	for d := range resource.Of[*resource.DataSource](c.base) {
		shared = shared || stated(d.Spec.Forms)
	}
	for conn := range resource.Of[*resource.Connection](c.base) {
		for _, l := range conn.Spec.Levels {
			shared = shared || stated(l.Forms)
		}
	}
	return sortedSet(found), shared
}

// userFacts: GOVERNANCE moves where somebody comes to hold it, and where the
// accounts, state or owner of somebody who holds it change.
func (c *court) userFacts(ch *inputChange, name resource.Name, old, cur *resource.User) {
	concerns := map[resource.Name]bool{name: true}
	for _, u := range []*resource.User{old, cur} {
		if u != nil && u.Spec.Owner != "" {
			concerns[u.Spec.Owner] = true
		}
	}
	ch.Concerns = sortedSet(concerns)
	governs := func(u *resource.User) bool {
		return u != nil && resource.Holds(u, resource.PermissionGovernance) && !u.IsService() && resource.Active(u, c.now)
	}
	if !governs(cur) {
		return
	}
	ch.Governs = !governs(old) || old.Spec.ValidUntil != cur.Spec.ValidUntil ||
		!reflect.DeepEqual(old.Spec.Forge, cur.Spec.Forge)
}

// groupFacts: a change of members concerns those who come and those who go.
func (c *court) groupFacts(ch *inputChange, name resource.Name) {
	was, is := resource.Members(c.base, name), resource.Members(c.head, name)
	concerns := map[resource.Name]bool{}
	for _, pair := range [][2][]resource.Name{{was, is}, {is, was}} {
		for _, p := range pair[0] {
			if !slices.Contains(pair[1], p) {
				concerns[p] = true
			}
		}
	}
	ch.Concerns = sortedSet(concerns)
}

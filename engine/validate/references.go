package validate

import (
	"cmp"
	"maps"
	"slices"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// reference is one name in a file. want narrows a User to a person or a service account.
type reference struct {
	to   resource.Ref
	want string
	path []any
}

// refs collects references; an empty name refers to nothing.
type refs struct{ list []reference }

func (l *refs) add(kind resource.Kind, n resource.Name, path ...any) {
	if n != "" {
		l.list = append(l.list, reference{to: resource.Ref{Kind: kind, Name: n}, path: path})
	}
}

func (l *refs) user(n resource.Name, want string, path ...any) {
	if n != "" {
		l.list = append(l.list, reference{resource.Ref{Kind: resource.KindUser, Name: n}, want, path})
	}
}

func (l *refs) subject(s resource.Subject, path []any) {
	l.user(s.User, resource.KindPerson, below(path, "user")...)
	l.add(resource.KindGroup, s.Group, below(path, "group")...)
	l.user(s.ServiceAccount, resource.KindService, below(path, "serviceAccount")...)
}

func (l *refs) subjects(list []resource.Subject, path ...any) {
	for i, s := range list {
		l.subject(s, below(path, i))
	}
}

// referencesOf are the names that a resource refers to, in the order of its file.
func referencesOf(r resource.Resource) []reference {
	l := &refs{}
	switch v := r.(type) {
	case *resource.Repository:
		l.add(resource.KindRequestForm, v.Spec.Defaults.Form, "spec", "defaults", "form")
		if v.Spec.BreakGlass != nil {
			l.add(resource.KindGroup, v.Spec.BreakGlass.Group, "spec", "breakGlass", "group")
		}
	case *resource.User:
		for _, conn := range slices.Sorted(maps.Keys(v.Spec.Accounts)) {
			l.add(resource.KindConnection, conn, "spec", "accounts", string(conn))
		}
		l.user(v.Spec.Manager, resource.KindPerson, "spec", "manager")
		l.user(v.Spec.Owner, resource.KindPerson, "spec", "owner")
	case *resource.Group:
		l.subjects(v.Spec.Members, "spec", "members")
	case *resource.Connection:
		for i, level := range v.Spec.Levels {
			l.forms(level.Forms, at("spec", "levels", i, "forms"))
			l.flow(level.Review, at("spec", "levels", i, "review"))
		}
	case *resource.DataSource:
		l.add(resource.KindConnection, v.Spec.Connection, "spec", "connection")
		l.subjects(v.Spec.SubjectMatterExperts, "spec", "subjectMatterExperts")
		l.forms(v.Spec.Forms, at("spec", "forms"))
		l.flow(v.Spec.Review, at("spec", "review"))
	case *resource.MaskingPolicy:
		l.add(resource.KindDomain, v.Spec.Match.Domain, "spec", "match", "domain")
	case *resource.Domain:
		l.domain(v)
	case *resource.DataProduct:
		l.product(v)
	case *resource.RequestForm:
		l.add(resource.KindDataUseAgreement, v.Spec.Agreement, "spec", "agreement")
		l.flow(v.Spec.Review, at("spec", "review"))
	case *resource.AccessRequest:
		l.request(v)
	case *resource.AccessReview:
		for i, d := range v.Spec.Decisions {
			l.add(resource.KindAccessRequest, d.Request, "spec", "decisions", i, "request")
		}
	case *resource.NotificationRoute:
		for i, n := range v.Spec.Filter.Domains {
			l.add(resource.KindDomain, n, "spec", "filter", "domains", i)
		}
		for i, n := range v.Spec.Filter.Products {
			l.add(resource.KindDataProduct, n, "spec", "filter", "products", i)
		}
	}
	return l.list
}

func (l *refs) domain(d *resource.Domain) {
	l.user(d.Spec.Owner, resource.KindPerson, "spec", "owner")
	for i, n := range d.Spec.Members.Sources {
		l.add(resource.KindDataSource, n, "spec", "members", "sources", i)
	}
	l.subjects(d.Spec.Permissions.ManageDataProducts, "spec", "permissions", "manageDataProducts")
	l.subjects(d.Spec.Permissions.ManagePolicies, "spec", "permissions", "managePolicies")
	l.subjects(d.Spec.Permissions.AuditActivity, "spec", "permissions", "auditActivity")
}

func (l *refs) product(p *resource.DataProduct) {
	l.add(resource.KindDomain, p.Spec.Domain, "spec", "domain")
	for i, s := range p.Spec.Sources {
		l.add(resource.KindDataSource, s.Source, "spec", "sources", i, "source")
	}
	l.subject(p.Spec.SubjectMatterExpert, at("spec", "subjectMatterExpert"))
	l.forms(p.Spec.Forms, at("spec", "forms"))
	l.flow(p.Spec.Review, at("spec", "review"))
	l.subjects(p.Spec.Audience, "spec", "audience")
	for i, b := range p.Spec.Birthright {
		l.add(resource.KindGroup, b.Group, "spec", "birthright", i, "group")
	}
}

func (l *refs) forms(f resource.ProductForms, path []any) {
	l.add(resource.KindRequestForm, f.DataAccess, below(path, "dataAccess")...)
	l.add(resource.KindRequestForm, f.MaskingException, below(path, "maskingException")...)
}

func (l *refs) request(r *resource.AccessRequest) {
	t := r.Spec.Target
	l.add(resource.KindDataProduct, t.Product, "spec", "target", "product")
	l.add(resource.KindDataSource, t.Source, "spec", "target", "source")
	if conn, ok := connectionOf(resource.Name(t.Path)); ok {
		l.add(resource.KindConnection, conn, "spec", "target", "path")
	}
	l.user(r.Spec.Requester, resource.KindPerson, "spec", "requester")
	l.subjects(r.Spec.Beneficiaries, "spec", "beneficiaries")
	l.add(resource.KindRequestForm, r.Spec.Form.Name, "spec", "form", "name")
	if a := r.Spec.Agreement; a != nil {
		l.add(resource.KindDataUseAgreement, a.Name, "spec", "agreement", "name")
	}
	l.add(resource.KindAccessRequest, r.Spec.Renews, "spec", "renews")
}

func (l *refs) flow(f *resource.ReviewFlow, path []any) {
	if f == nil {
		return
	}
	for i, rule := range f.Rules {
		l.add(resource.KindDomain, rule.When.Domain, below(path, "rules", i, "when", "domain")...)
		l.stages(rule.Stages, below(path, "rules", i, "stages"))
	}
	l.stages(f.Stages, below(path, "stages"))
	if f.Escalate != nil {
		l.subjects(f.Escalate.To, below(path, "escalate", "to")...)
	}
}

func (l *refs) stages(list []resource.Stage, path []any) {
	for i, stage := range list {
		for _, side := range sides(stage) {
			for j, src := range side.sources {
				entry := below(path, i, side.key, j)
				l.user(src.User, resource.KindPerson, below(entry, "user")...)
				l.add(resource.KindGroup, src.Group, below(entry, "group")...)
			}
		}
	}
}

// exists reports whether something has the name at head. The built-in form
// always exists.
func (c *check) exists(ref resource.Ref) bool {
	if ref.Kind == resource.KindRequestForm && ref.Name == resource.StandardForm {
		return true
	}
	_, ok := c.head.Find(ref)
	return ok
}

// references: every name has to exist. A name that this very change takes away
// is told once, where it is taken away, with everything that still needs it.
func references(c *check) {
	removed := map[resource.Ref][]diag.Pos{}
	for r := range c.head.All() {
		if req, ok := r.(*resource.AccessRequest); ok && c.over(req) {
			continue
		}
		for _, ref := range referencesOf(r) {
			if !c.exists(ref.to) {
				if slices.Contains(c.unread, ref.to) || c.historical(r, ref.to) {
					continue
				}
				if _, was := c.before(ref.to); was {
					removed[ref.to] = append(removed[ref.to], r.At(ref.path...))
					continue
				}
				if req, ok := r.(*resource.AccessRequest); ok && c.unregistered(req, ref) {
					continue
				}
				c.unknown(r, ref)
				continue
			}
			c.kindOfUser(r, ref)
		}
	}
	for _, ref := range slices.SortedFunc(maps.Keys(removed), func(a, b resource.Ref) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	}) {
		c.stillNeeded(ref, removed[ref])
	}
}

// historical reports whether a reference tells of the past, which needs nothing
// to be there any more.
//
//	from                        to                      historical
//	a request                   its form, agreement     when base has the request, or opened has the form
//	a request                   what it renews          when base has the request
//	an access review            its requests            when base has the review
//	anything else               anything                never
func (c *check) historical(r resource.Resource, to resource.Ref) bool {
	switch v := r.(type) {
	case *resource.AccessRequest:
		if to.Kind == resource.KindAccessRequest {
			return c.keeps(v)
		}
		if to.Kind != resource.KindRequestForm && to.Kind != resource.KindDataUseAgreement {
			return false
		}
		if c.keeps(v) {
			return true
		}
		former, _ := resource.Get[*resource.AccessRequest](c.rulings(), resource.KindAccessRequest, v.Ref().Name)
		return c.opened != nil && c.pinOf(v, former).State == resource.PinOpened
	case *resource.AccessReview: // the ledger remembers an emergency, and what a review drops it may delete
		_, had := c.rulings().Find(to)
		return to.Kind == resource.KindAccessRequest && (had || c.keeps(v) || v.Spec.Type == resource.AfterReview)
	default:
		return false
	}
}

// over reports whether a request ended by itself: nothing has to exist for it any more.
func (c *check) over(req *resource.AccessRequest) bool {
	if !req.Spec.Until.Stated() {
		return false
	}
	end, err := req.Spec.Until.Time()
	return err == nil && !c.now.Before(end) && c.keeps(req)
}

// keeps reports whether base has the same.
func (c *check) keeps(r resource.Resource) bool {
	old, ok := c.before(r.Ref())
	return ok && sameBytes(old, r)
}

func (c *check) unknown(r resource.Resource, ref reference) {
	what := noun(ref.to.Kind)
	if ref.want == resource.KindService {
		what = "service account"
	}
	d := c.errorf(r, ref.path, UnknownReference, "unknown %s %q", what, string(ref.to.Name))
	all := c.names(ref.to.Kind)
	guess, ok := c.closest(string(ref.to.Name), all)
	if !ok {
		d.WithHint("no %s has this name; there is %s", what, choices(all))
		return
	}
	d.WithHint("did you mean %q?", guess)
	if found, ok := c.head.Find(resource.Ref{Kind: ref.to.Kind, Name: resource.Name(guess)}); ok {
		d.WithRelated(found.At("metadata", "name"), "%s is defined here", name(found.Ref()))
	}
}

// unregistered: a source, or something on a connection, may be asked for before
// it is registered; the request then waits for it. A product may not: somebody
// has to offer it.
func (c *check) unregistered(req *resource.AccessRequest, ref reference) bool {
	text := string(req.Spec.Target.Source)
	switch ref.to.Kind {
	case resource.KindDataSource:
	case resource.KindConnection:
		text = req.Spec.Target.Path
	default:
		return false
	}
	d := c.warnf(req, ref.path, PathCoversNone, "%q is not registered yet, so the request will wait", text)
	d.WithHint("check the spelling; the request goes on once `assent discover` has found it and that is merged")
	if guess, ok := c.closest(string(ref.to.Name), c.names(ref.to.Kind)); ok {
		d.WithHint("did you mean %q? otherwise the request goes on once it is registered", guess)
	}
	return true
}

// kindOfUser: a service account cannot decide, own or ask, and a person is
// never counted as one.
func (c *check) kindOfUser(r resource.Resource, ref reference) {
	if ref.want == "" {
		return
	}
	u, ok := resource.UserOf(c.head, ref.to.Name)
	if !ok || u.IsService() == (ref.want == resource.KindService) {
		return
	}
	d := c.errorf(r, ref.path, WrongKindOfUser, "%q is a person, and a service account belongs here", string(ref.to.Name))
	d.WithHint("write user instead of serviceAccount")
	if u.IsService() {
		d.Message = quote(string(ref.to.Name)) + " is a service account, and a person belongs here"
		d.WithHint("name the person who answers for it: %s", cmp.Or(string(u.Spec.Owner), "its owner"))
		if last, _ := ref.path[len(ref.path)-1].(string); last == "user" {
			d.WithHint("write serviceAccount instead of user where service accounts may stand")
		}
	}
	d.WithRelated(u.At("metadata", "name"), "%s is defined here", name(u.Ref()))
}

func (c *check) stillNeeded(ref resource.Ref, by []diag.Pos) {
	const most = 5
	old, _ := c.before(ref)
	d := c.out.Errorf(diag.Pos{File: old.Origin().File}, RemovedInUse, "%s is removed, and still needed in %s", name(ref), counted(len(by), "place"))
	d.WithHint("remove what refers to it first, or keep the file")
	for _, pos := range by[:min(len(by), most)] {
		d.WithRelated(pos, "refers to it")
	}
}

// twins: one name, one file.
func twins(c *check) {
	for _, pair := range c.head.Twins() {
		c.errorf(pair[1], at("metadata", "name"), Twins, "%s is defined twice", name(pair[1].Ref())).
			WithHint("remove one of the two files, or give it a name of its own").
			WithRelated(pair[0].At("metadata", "name"), "defined here first")
	}
}

// repeats: a column is described once, because a second description could mask
// what the first leaves clear.
func repeats(c *check) {
	for d := range resource.Of[*resource.DataSource](c.head) {
		first := map[string]int{}
		for i, col := range d.Spec.Columns {
			if j, ok := first[col.Name]; ok {
				c.errorf(d, at("spec", "columns", i, "name"), Repeated, "column %q is described twice", col.Name).
					WithHint("remove one of the two").
					WithRelated(d.At("spec", "columns", j, "name"), "described here first")
				continue
			}
			first[col.Name] = i
		}
	}
}

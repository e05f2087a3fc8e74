package validate

import (
	"fmt"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// requestPeople: those who ask and those who would receive are here.
func requestPeople(c *check) {
	for req, former := range c.freshRequests {
		if former != nil {
			continue
		}
		if u, ok := resource.UserOf(c.head, req.Spec.Requester); ok && !resource.Active(u, c.now) {
			c.inactive(req, at("spec", "requester"), u)
		}
		for i, b := range req.Spec.Beneficiaries {
			for _, who := range []struct {
				key string
				n   resource.Name
			}{{"user", b.User}, {"serviceAccount", b.ServiceAccount}} {
				if u, ok := resource.UserOf(c.head, who.n); ok && !resource.Active(u, c.now) && who.n != req.Spec.Requester {
					c.inactive(req, at("spec", "beneficiaries", i, who.key), u)
				}
			}
		}
	}
}

func (c *check) inactive(req *resource.AccessRequest, path []any, u *resource.User) {
	where, why := at("spec", "state"), "marked as left here"
	if u.Spec.State != resource.UserLeft {
		where, why = at("spec", "validUntil"), "validity ended here"
	}
	c.errorf(req, path, PersonInactive, "%q is no longer active", string(u.Ref().Name)).
		WithHint("only active people can ask for access or receive it").
		WithRelated(u.At(where...), "%s", why)
}

// onBehalfOf: a form says for whom one may ask.
//
//	onBehalfOf        beneficiary allowed
//	never, unstated   the requester, and service accounts that the requester owns
//	sameGroup         also users of a group that the requester is in, and such groups
//	anyone            everybody
func onBehalfOf(c *check) {
	for req, former := range c.freshRequests {
		form := c.pinOf(req, former).Form
		if form == nil || form.Spec.OnBehalfOf == "anyone" || req.Spec.Type == resource.EmergencyAccess {
			continue // emergency access has a rule of its own
		}
		groups := resource.GroupsOf(c.head, req.Spec.Requester)
		for i, b := range req.Spec.Beneficiaries {
			if !c.exists(subjectRef(b)) || c.mayAskFor(req.Spec.Requester, b, form.Spec.OnBehalfOf == "sameGroup", groups) {
				continue
			}
			d := c.errorf(req, at("spec", "beneficiaries", i), NotOnBehalf, "%q may not ask for %s", string(req.Spec.Requester), name(subjectRef(b)))
			d.WithHint("the form %q allows requests for oneself and one's own service accounts", string(form.Ref().Name))
			if form.Spec.OnBehalfOf == "sameGroup" {
				d.WithHint("the form %q allows requests for people of a group that the requester is in", string(form.Ref().Name))
			}
			if form.Ref().Name != resource.StandardForm {
				d.WithRelated(form.At("spec", "onBehalfOf"), "the form says so here")
			}
		}
	}
}

func subjectRef(s resource.Subject) resource.Ref {
	switch {
	case s.Group != "":
		return resource.Ref{Kind: resource.KindGroup, Name: s.Group}
	case s.ServiceAccount != "":
		return resource.Ref{Kind: resource.KindUser, Name: s.ServiceAccount}
	default:
		return resource.Ref{Kind: resource.KindUser, Name: s.User}
	}
}

func (c *check) mayAskFor(requester resource.Name, b resource.Subject, sameGroup bool, groups []resource.Name) bool {
	switch {
	case b.ServiceAccount != "":
		u, ok := resource.UserOf(c.head, b.ServiceAccount)
		return ok && u.Spec.Owner == requester
	case b.Group != "":
		return sameGroup && slices.Contains(groups, b.Group)
	default:
		return b.User == requester || sameGroup && slices.ContainsFunc(groups, func(g resource.Name) bool {
			return slices.Contains(resource.Members(c.head, g), b.User)
		})
	}
}

// durations: a request asks for no more than is allowed.
func durations(c *check) {
	for req := range c.freshRequests {
		if req.Spec.Type != resource.EmergencyAccess { // which has a limit of its own
			c.tooLong(req)
		}
	}
}

func (c *check) tooLong(req *resource.AccessRequest) {
	most, from := resource.MaxDurationFor(c.head, req)
	if from == nil {
		return
	}
	limit, bounded, err := most.After(c.now)
	if err != nil || !bounded {
		return
	}
	end, bounded, err := c.end(req)
	if err != nil || bounded && !end.After(limit) {
		return
	}
	path := at("spec", "duration")
	if req.Spec.Until.Stated() {
		path = at("spec", "until")
	}
	where := at("spec", "maxDuration")
	if from.Ref().Kind == resource.KindRepository {
		where = at("spec", "defaults", "maxDuration")
	}
	c.errorf(req, path, TooLong, "this asks for longer than %s, the most that is allowed", most).
		WithHint("ask for %s or less, and renew the request before it ends", most).
		WithRelated(from.At(where...), "the limit is here")
}

// end is the end that a request would have if it were approved now.
func (c *check) end(req *resource.AccessRequest) (end time.Time, bounded bool, err error) {
	if req.Spec.Until.Stated() {
		end, err = req.Spec.Until.Time()
		return end, true, err
	}
	return req.Spec.Duration.After(c.now)
}

// dates: what is asked for starts before it ends, and is not over already.
func dates(c *check) {
	for req, former := range c.freshRequests {
		c.dateOrder(req, former == nil)
	}
}

func (c *check) dateOrder(req *resource.AccessRequest, isNew bool) {
	end, bounded, err := c.end(req)
	start, startErr := req.Spec.NotBefore.Time()
	switch {
	case err != nil:
	case isNew && req.Spec.Until.Stated() && !end.After(c.now):
		c.errorf(req, at("spec", "until"), DateOrder, "this would have ended already").
			WithHint("choose a date after %s", c.now.UTC().Format(time.DateOnly))
	case startErr != nil:
	case bounded && !start.Before(end):
		c.errorf(req, at("spec", "notBefore"), DateOrder, "this would start when it is over already").
			WithHint("the clock starts with the approval: it would end on %s at the latest if it were approved now", end.Format(time.DateOnly))
	case isNew && start.Before(c.now.UTC().Truncate(24*time.Hour)):
		c.errorf(req, at("spec", "notBefore"), DateOrder, "this date has passed").
			WithHint("remove notBefore to start with the approval")
	}
}

// columns: the columns exist, and a masking exception lifts a mask that may be lifted.
func columns(c *check) {
	for req := range c.freshRequests {
		exception := req.Spec.Type == resource.MaskingException
		if exception && len(req.Spec.Columns) == 0 {
			c.errorf(req, at("spec", "type"), ColumnUnknown, "a masking exception has to name columns").
				WithHint("add columns with the names of those to see clearly")
			continue
		}
		sources := resource.SourcesOfTarget(c.head, req.Spec.Target)
		if len(sources) == 0 {
			continue
		}
		for i, col := range req.Spec.Columns {
			c.column(req, i, col, sources, exception)
		}
	}
}

func (c *check) column(req *resource.AccessRequest, i int, col string, sources []*resource.DataSource, exception bool) {
	path := at("spec", "columns", i)
	var all []string
	found, masked := false, false
	for _, d := range sources {
		all = append(all, columnNames(d)...)
		if !slices.Contains(columnNames(d), col) {
			continue
		}
		found = true
		for _, m := range resource.MasksOf(c.head, d) {
			if m.Column != col || !exception {
				continue
			}
			masked = true
			if m.Guardrail {
				p, _ := resource.Get[*resource.MaskingPolicy](c.head, resource.KindMaskingPolicy, m.Policy)
				c.errorf(req, path, GuardrailMask, "column %q is behind a guardrail, and no exception lifts it", col).
					WithHint("ask the owners of the masking policy to change it").
					WithRelated(p.At("spec", "guardrail"), "%s says so here", name(p.Ref()))
				return
			}
		}
	}
	switch {
	case !found:
		slices.Sort(all)
		all = slices.Compact(all)
		d := c.errorf(req, path, ColumnUnknown, "no data source of this request has a column %q", col).
			WithHint("there is %s", choices(all))
		if guess, ok := c.closest(col, all); ok {
			d.WithHint("did you mean %q?", guess)
		}
	case exception && !masked:
		c.warnf(req, path, NothingToUnmask, "column %q is not masked", col).
			WithHint("an exception changes nothing; ask for data-access to read it")
	}
}

// targets: what is asked for is on offer, at this level, to these people.
func targets(c *check) {
	for req, former := range c.freshRequests {
		t := req.Spec.Target
		if p, ok := resource.Get[*resource.DataProduct](c.head, resource.KindDataProduct, t.Product); ok {
			if former == nil && p.Spec.State != "" && p.Spec.State != resource.ProductPublished {
				c.errorf(req, at("spec", "target", "product"), NotPublished, "%s is %s", name(p.Ref()), p.Spec.State).
					WithHint("only published products can be asked for").
					WithRelated(p.At("spec", "state"), "it says so here")
			}
			c.audience(req, p)
			c.levelOffered(req, p)
			continue
		}
		if t.Product == "" {
			c.levelPossible(req)
		}
		if conn, ok := connectionOf(resource.Name(t.Path)); ok && c.exists(resource.Ref{Kind: resource.KindConnection, Name: conn}) &&
			len(resource.SourcesOfTarget(c.head, t)) == 0 {
			c.warnf(req, at("spec", "target", "path"), PathCoversNone, "no data source lies below this path yet").
				WithHint("check the spelling; sources that are added later will be covered")
		}
	}
}

func (c *check) audience(req *resource.AccessRequest, p *resource.DataProduct) {
	if len(p.Spec.Audience) == 0 {
		return
	}
	allowed := resource.People(c.head, p.Spec.Audience)
	for i, b := range req.Spec.Beneficiaries {
		for _, n := range resource.People(c.head, []resource.Subject{b}) {
			u, _ := resource.UserOf(c.head, n)
			if slices.Contains(allowed, n) || u.IsService() && slices.Contains(allowed, u.Spec.Owner) {
				continue
			}
			c.errorf(req, at("spec", "beneficiaries", i), NotInAudience, "%s is not for %q", name(p.Ref()), string(n)).
				WithHint("its audience can be widened by its owners").
				WithRelated(p.At("spec", "audience"), "its audience is here")
			break
		}
	}
}

func (c *check) levelOffered(req *resource.AccessRequest, p *resource.DataProduct) {
	offered := p.Spec.AccessLevels
	if len(offered) == 0 {
		offered = []resource.AccessLevel{resource.Read}
	}
	if !slices.Contains(offered, req.Spec.Level()) {
		c.errorf(req, at("spec", "accessLevel"), LevelNotOffered, "%s does not offer the access level %s", name(p.Ref()), req.Spec.Level()).
			WithHint("it offers %s", choices(texts(offered))).
			WithRelated(p.At("spec", "accessLevels"), "what it offers is stated here")
	}
}

func (c *check) levelPossible(req *resource.AccessRequest) {
	for _, d := range resource.SourcesOfTarget(c.head, req.Spec.Target) {
		conn, can, ok := c.platformOf(d)
		if ok && !slices.Contains(can.AccessLevels, req.Spec.Level()) {
			c.errorf(req, at("spec", "accessLevel"), LevelNotOffered, "%s cannot give the access level %s", conn.Spec.Platform, req.Spec.Level()).
				WithHint("it can give %s", choices(texts(can.AccessLevels))).
				WithRelated(conn.At("spec", "platform"), "%s is defined here", name(conn.Ref()))
			return
		}
	}
}

// unmapped: without an account on the platform a grant has to wait.
func unmapped(c *check) {
	for req := range c.freshRequests {
		conns := map[resource.Name]bool{}
		for _, d := range resource.SourcesOfTarget(c.head, req.Spec.Target) {
			conns[d.Spec.Connection] = true
		}
		for i, b := range req.Spec.Beneficiaries {
			var missing []string
			for _, n := range resource.People(c.head, []resource.Subject{b}) {
				u, _ := resource.UserOf(c.head, n)
				for conn := range resource.Of[*resource.Connection](c.head) {
					if _, ok := resource.AccountOf(u, conn); !ok && conns[conn.Ref().Name] {
						missing = append(missing, fmt.Sprintf("%s on %s", n, conn.Ref().Name))
					}
				}
			}
			if len(missing) > 0 {
				c.warnf(req, at("spec", "beneficiaries", i), NoAccount, "no account is known for %s", choices(missing)).
					WithHint("add accounts to the user, or an account template to the connection; until then the grant waits")
			}
		}
	}
}

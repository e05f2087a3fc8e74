package grant

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Wish is what should exist at an instant, and what should not although it was
// approved.
type Wish struct {
	State
	// Prevented are the approved requests that give no access, or not to
	// everyone they name, ordered by request, then state and reason.
	Prevented []Prevented
}

// Ended are the requests whose window is over.
func (w Wish) Ended() map[resource.Name]bool {
	out := map[resource.Name]bool{}
	for _, p := range w.Prevented {
		if p.State == StateExpired {
			out[p.Request] = true
		}
	}
	return out
}

// The states of an approved request that gives no access now.
const (
	StateWaiting   = "waiting"   // notBefore lies ahead
	StateExpired   = "expired"   // the window is over
	StateEdited    = "edited"    // the file asks for more than was approved, or for something else
	StateSuspended = "suspended" // the product is suspended or retired
	StateLeft      = "left"      // a beneficiary, or the owner of one, is not active any more
	StateUnmapped  = "unmapped"  // a beneficiary has no account on the platform
	StateObserved  = "observed"  // the connection is not in mode enforce
	StateMissing   = "missing"   // the target or a beneficiary does not exist
	StatePrevented = "prevented" // a guardrail mask stays
	StateReadOnly  = "read-only" // an object with a mask is read and not written
)

// Desired computes what should exist at now. A request counts when all of this
// holds; the first line that fails names the state it is in instead.
//
//	an approval of this request is in force          (none: pending, not listed)
//	the file asks for something that was approved    edited (see count)
//	notBefore <= now                                 waiting
//	now < until                                      expired
//	the target exists                                missing
//	the product is published                         suspended
//	the beneficiary is active, and so is the owner
//	of a service account                             left
//	the connection is in mode enforce                observed
//	the beneficiary has an account there             unmapped
//
// Every published product also has its roles, with nobody in them, so that its
// masks are in place before anybody joins. Whom a birthright matches is a member
// without an approval: see Birthrights.
func Desired(set *resource.Set, determinations Determinations, now time.Time) Wish {
	b := &builder{
		set: set, now: now.UTC().Truncate(time.Second),
		roles: map[RoleKey]Role{}, members: map[memberKey]*member{}, lifts: map[resource.Name][]lift{},
	}
	b.publishedRoles()
	var access []liveRequest
	for req := range resource.Of[*resource.AccessRequest](set) {
		approval, ok := determinations[req.Ref().Name]
		if !ok {
			continue
		}
		if live, ok := b.live(req, approval); ok {
			if req.Spec.Type == resource.MaskingException {
				b.lift(live)
			} else {
				access = append(access, live)
			}
		}
	}
	for _, live := range access {
		b.join(live)
	}
	b.birthrights()
	return b.wish()
}

// Next is the earliest instant after now at which Desired may give another
// answer: a window opens or closes, or a person's time here ends. ok is false
// when there is none.
func Next(set *resource.Set, determinations Determinations, now time.Time) (at time.Time, ok bool) {
	consider := func(t time.Time) {
		if t.After(now) && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for name, a := range determinations {
		consider(a.NotBefore)
		consider(a.Until)
		if req, ok := resource.Get[*resource.AccessRequest](set, resource.KindAccessRequest, name); ok && a.Approved != nil {
			c := count(set, req, a)
			consider(c.from)
			consider(c.until)
		}
	}
	for u := range resource.Of[*resource.User](set) {
		if t, err := u.Spec.ValidUntil.Time(); err == nil {
			consider(t)
		}
	}
	return at, !at.IsZero()
}

// liveRequest is a request as it counts, in its window.
type liveRequest struct {
	req   *resource.AccessRequest
	until time.Time
}

// lift is one column that one person may see clear.
type lift struct {
	source resource.Name
	column string
	until  time.Time
	req    resource.Ref
}

type builder struct {
	set       *resource.Set
	now       time.Time
	roles     map[RoleKey]Role
	members   map[memberKey]*member
	lifts     map[resource.Name][]lift // by person
	prevented []Prevented
}

func (b *builder) prevent(req *resource.AccessRequest, state, format string, args ...any) {
	b.prevented = append(b.prevented, Prevented{req.Ref().Name, state, fmt.Sprintf(format, args...)})
}

func (b *builder) publishedRoles() {
	for p := range resource.Of[*resource.DataProduct](b.set) {
		if !published(p) {
			continue
		}
		for connection, sources := range b.byConnection(resource.SourcesOf(b.set, p)) {
			for _, level := range levelsOf(p) {
				b.addRole(RoleKey{connection, p.Ref(), level, DefaultProfile}, sources, nil, nil)
			}
		}
	}
}

func published(p *resource.DataProduct) bool {
	return p.Spec.State == "" || p.Spec.State == resource.ProductPublished
}

// byConnection groups the sources whose connection Assent may change.
func (b *builder) byConnection(sources []*resource.DataSource) map[resource.Name][]*resource.DataSource {
	out := map[resource.Name][]*resource.DataSource{}
	for _, d := range sources {
		if b.enforced(d.Spec.Connection) {
			out[d.Spec.Connection] = append(out[d.Spec.Connection], d)
		}
	}
	return out
}

func (b *builder) enforced(name resource.Name) bool {
	c, ok := resource.Get[*resource.Connection](b.set, resource.KindConnection, name)
	return ok && c.Spec.Mode == resource.ModeEnforce
}

func (b *builder) live(req *resource.AccessRequest, a Approval) (liveRequest, bool) {
	c := count(b.set, req, a)
	if c.req == nil || len(c.waits) > 0 {
		b.prevent(req, StateEdited, "%s", c.edited(a))
	}
	until, known := emergencyEnd(req.Spec.Type, a.DecidedAt, c.until)
	c.until = until
	switch {
	case c.req == nil:
	case !known:
		b.prevent(req, StateExpired, "it is not known when this emergency began")
	case !c.from.IsZero() && b.now.Before(c.from):
		b.prevent(req, StateWaiting, "access begins %s", c.from.Format(time.RFC3339))
	case !c.until.IsZero() && !b.now.Before(c.until):
		b.prevent(req, StateExpired, "%s", a.ended(c.until))
	default:
		return liveRequest{c.req, c.until}, true
	}
	return liveRequest{}, false
}

// people are the active beneficiaries.
func (b *builder) people(req *resource.AccessRequest) []*resource.User {
	var out []*resource.User
	for _, name := range resource.People(b.set, req.Spec.Beneficiaries) {
		u, ok := resource.UserOf(b.set, name)
		switch {
		case !ok:
			b.prevent(req, StateMissing, "user %s does not exist", name)
		case !resource.Active(u, b.now):
			b.prevent(req, StateLeft, "user %s is not active", name)
		case ownerless(b.set, u, b.now) != "":
			b.prevent(req, StateLeft, "service account %s gets nothing: %s; name a new owner in %s", name, ownerless(b.set, u, b.now), u.Source.File)
		default:
			out = append(out, u)
		}
	}
	return out
}

func (b *builder) lift(live liveRequest) {
	req := live.req
	people := b.people(req)
	found := false
	for _, d := range resource.SourcesOfTarget(b.set, req.Spec.Target) {
		for _, m := range resource.MasksOf(b.set, d) {
			if !resource.ColumnNamed(req.Spec.Columns, d, m.Column) {
				continue
			}
			found = true
			if m.Guardrail {
				b.prevent(req, StatePrevented, "guardrail %s keeps %s of %s masked", m.Policy, m.Column, d.Ref().Name)
				continue
			}
			for _, u := range people {
				name := u.Ref().Name
				b.lifts[name] = append(b.lifts[name], lift{d.Ref().Name, m.Column, live.until, req.Ref()})
			}
		}
	}
	if !found {
		b.prevent(req, StateMissing, "no masked column of the target has that name")
	}
}

func (b *builder) join(live liveRequest) {
	req := live.req
	scopes := b.scopes(req)
	if len(scopes) == 0 {
		return
	}
	for _, u := range b.people(req) {
		for _, s := range scopes {
			for _, connection := range s.connections {
				b.joinScope(live, s.ref, connection, u)
			}
		}
	}
}

type scope struct {
	ref         resource.Ref
	connections []resource.Name
}

// scopes are what a request opens: its product, or each source that it names.
func (b *builder) scopes(req *resource.AccessRequest) []scope {
	target := req.Spec.Target
	if target.Product != "" {
		p, ok := resource.Get[*resource.DataProduct](b.set, resource.KindDataProduct, target.Product)
		if !ok {
			b.prevent(req, StateMissing, "data product %s does not exist", target.Product)
			return nil
		}
		if !published(p) {
			b.prevent(req, StateSuspended, "data product %s is %s", target.Product, p.Spec.State)
			return nil
		}
		return []scope{{p.Ref(), b.connections(req, resource.SourcesOf(b.set, p))}}
	}
	sources := resource.SourcesOfTarget(b.set, target)
	if len(sources) == 0 {
		b.prevent(req, StateMissing, "no data source is registered for the target")
	}
	var out []scope
	for _, d := range sources {
		out = append(out, scope{d.Ref(), b.connections(req, []*resource.DataSource{d})})
	}
	return out
}

func (b *builder) connections(req *resource.AccessRequest, sources []*resource.DataSource) []resource.Name {
	var out []resource.Name
	for _, d := range sources {
		name := d.Spec.Connection
		switch {
		case slices.Contains(out, name):
		case !b.enforced(name):
			b.prevent(req, StateObserved, "connection %s is not in mode enforce", name)
		default:
			out = append(out, name)
		}
	}
	return out
}

func (b *builder) wish() Wish {
	var w Wish
	for key, m := range b.members {
		w.Grants = append(w.Grants, b.grant(key, m))
	}
	for _, r := range b.roles {
		w.Roles = append(w.Roles, r)
	}
	slices.SortFunc(w.Roles, func(x, y Role) int { return x.RoleKey.Compare(y.RoleKey) })
	w.Grants = mergeAccounts(w.Grants)
	slices.SortFunc(b.prevented, func(x, y Prevented) int {
		return cmp.Or(cmp.Compare(x.Request, y.Request), cmp.Compare(x.State, y.State), cmp.Compare(x.Reason, y.Reason))
	})
	w.Prevented = slices.Compact(b.prevented)
	return w
}

// mergeAccounts joins grants that two people reach through one account, which
// validation refuses but a platform could not tell apart.
func mergeAccounts(grants []Grant) []Grant {
	slices.SortFunc(grants, func(x, y Grant) int {
		return cmp.Or(x.Compare(y), slices.CompareFunc(x.Requests, y.Requests, resource.Ref.Compare))
	})
	var out []Grant
	for _, g := range grants {
		if n := len(out); n > 0 && out[n-1].Key() == g.Key() {
			last := &out[n-1]
			if g.NotAfter.IsZero() || !last.NotAfter.IsZero() && g.NotAfter.After(last.NotAfter) {
				last.NotAfter = g.NotAfter
			}
			last.Requests = sortedRefs(append(last.Requests, g.Requests...))
			continue
		}
		out = append(out, g)
	}
	return out
}

func (b *builder) sourcesOf(ref resource.Ref, connection resource.Name) []*resource.DataSource {
	target := resource.Target{Product: ref.Name}
	if ref.Kind == resource.KindDataSource {
		target = resource.Target{Source: ref.Name}
	}
	return b.byConnection(resource.SourcesOfTarget(b.set, target))[connection]
}

// profile names what sets a member apart from the others of the scope: the
// columns seen clear and the columns seen at all.
func profile(clear map[string]bool, only []string) string {
	if len(clear) == 0 && only == nil {
		return DefaultProfile
	}
	h := sha256.New()
	for _, c := range sortedKeys(clear) {
		fmt.Fprintf(h, "clear %q\n", c)
	}
	for _, c := range only {
		fmt.Fprintf(h, "only %q\n", c)
	}
	return "x" + hex.EncodeToString(h.Sum(nil)[:4])
}

func (b *builder) addRole(key RoleKey, sources []*resource.DataSource, clear map[string]bool, only []string) {
	r := Role{RoleKey: key}
	for _, d := range sources {
		masks := map[string]*resource.Mask{}
		for _, m := range resource.MasksOf(b.set, d) {
			if !clear[string(d.Ref().Name)+"/"+m.Column] {
				masks[m.Column] = m.Mask
			}
		}
		// A mask keeps the whole table from being written, also where the masked
		// column is not asked for: who changes rows changes all of a row.
		o := Object{Path: d.Spec.Path, Kind: d.Spec.Kind, ReadOnly: key.Access == resource.Write && len(masks) > 0}
		for _, c := range d.Spec.Columns {
			if only == nil || resource.ColumnNamed(only, d, c.Name) {
				o.Columns = append(o.Columns, Column{Name: c.Name, Mask: masks[c.Name]})
			}
		}
		if len(o.Columns) > 0 {
			r.Objects = append(r.Objects, o)
		}
	}
	slices.SortFunc(r.Objects, Object.Compare)
	b.roles[key] = r
}

func sortedRefs(refs []resource.Ref) []resource.Ref {
	out := slices.SortedFunc(slices.Values(refs), resource.Ref.Compare)
	return slices.Compact(out)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

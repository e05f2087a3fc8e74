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
	// State is what should exist where approvals are carried out.
	State
	// Watched is what would, where Assent only observes.
	Watched State
	// Prevented are the approved requests that give no access, or not to
	// everyone they name, ordered by request, then state and reason.
	Prevented []Prevented

	modes       map[scoped]resource.Mode
	connections map[resource.Name]*resource.Connection
}

// All is State and Watched together.
func (w Wish) All() State {
	if len(w.Watched.Roles) == 0 {
		return w.State
	}
	out := State{Roles: slices.Concat(w.Roles, w.Watched.Roles), Grants: slices.Concat(w.Grants, w.Watched.Grants)}
	out.sort()
	return out
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
	StateObserved  = "observed"  // the connection, or the level of a source, is in mode observe
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
//	a source is in mode adopt or enforce             observed
//	the beneficiary has an account there             unmapped
//
// Every published product also has its roles, with nobody in them, so that its
// masks are in place before anybody joins. Whom a birthright matches is a member
// without an approval: see Birthrights.
func Desired(set *resource.Set, determinations Determinations, now time.Time) Wish {
	b := &builder{
		set: set, now: now.UTC().Truncate(time.Second),
		roles: map[RoleKey]Role{}, members: map[memberKey]*member{}, lifts: map[resource.Name][]lift{},
		reaches: map[resource.Ref]map[resource.Name]*reach{}, masks: map[resource.Name][]resource.ColumnMask{}, kept: map[RoleKey]string{},
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
	rule   string // what was asked for: a target and columns
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
	reaches   map[resource.Ref]map[resource.Name]*reach
	masks     map[resource.Name][]resource.ColumnMask // by source
	kept      map[RoleKey]string                      // what a writing role only reads, in words
}

// masksOf are the masks of a source; they are worked out once for all scopes.
func (b *builder) masksOf(d *resource.DataSource) []resource.ColumnMask {
	name := d.Ref().Name
	masks, ok := b.masks[name]
	if !ok {
		masks = resource.MasksOf(b.set, d)
		b.masks[name] = masks
	}
	return masks
}

func (b *builder) prevent(req *resource.AccessRequest, state, format string, args ...any) {
	b.prevented = append(b.prevented, Prevented{req.Ref().Name, state, fmt.Sprintf(format, args...)})
}

func (b *builder) publishedRoles() {
	for p := range resource.Of[*resource.DataProduct](b.set) {
		if !published(p) {
			continue
		}
		for connection, r := range b.reachOf(p.Ref()) {
			for _, level := range levelsOf(p) {
				b.addRole(RoleKey{connection, p.Ref(), level, DefaultProfile}, r.sources, nil, nil)
			}
		}
	}
}

func published(p *resource.DataProduct) bool {
	return p.Spec.State == "" || p.Spec.State == resource.ProductPublished
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
	// All that the request lifts follows from this, so that people whose requests
	// say the same share a role.
	rule := fmt.Sprintf("%+v %q", req.Spec.Target, slices.Sorted(slices.Values(req.Spec.Columns)))
	for _, d := range resource.SourcesOfTarget(b.set, req.Spec.Target) {
		for _, m := range b.masksOf(d) {
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
				b.lifts[name] = append(b.lifts[name], lift{d.Ref().Name, m.Column, rule, live.until, req.Ref()})
			}
		}
	}
	if !found {
		b.prevent(req, StateMissing, "no masked column of the target has that name")
	}
}

func (b *builder) join(live liveRequest) {
	req := live.req
	ref, ok := b.scopeOf(req)
	if !ok {
		return
	}
	people := b.people(req)
	reaches := b.reachOf(ref)
	for _, connection := range sortedKeys(reaches) {
		r := reaches[connection]
		c, ok := resource.Get[*resource.Connection](b.set, resource.KindConnection, connection)
		for _, level := range r.observed {
			b.prevent(req, StateObserved, "%s", observedText(c, connection, level))
		}
		for _, u := range people {
			if ok {
				b.joinScope(live, ref, c, r.mode, u)
			}
		}
	}
}

func (b *builder) wish() Wish {
	w := Wish{modes: map[scoped]resource.Mode{}, connections: map[resource.Name]*resource.Connection{}}
	for c := range resource.Of[*resource.Connection](b.set) {
		w.connections[c.Ref().Name] = c
	}
	for key, m := range b.members {
		g := b.grant(key, m)
		into := w.into(b, g.RoleKey)
		into.Grants = append(into.Grants, g)
	}
	for _, r := range b.roles {
		into := w.into(b, r.RoleKey)
		into.Roles = append(into.Roles, r)
	}
	w.sort()
	w.Watched.sort()
	w.Grants, w.Watched.Grants = mergeAccounts(w.Grants), mergeAccounts(w.Watched.Grants)
	slices.SortFunc(b.prevented, func(x, y Prevented) int {
		return cmp.Or(cmp.Compare(x.Request, y.Request), cmp.Compare(x.State, y.State), cmp.Compare(x.Reason, y.Reason))
	})
	w.Prevented = slices.Compact(b.prevented)
	return w
}

// into is the State that a role belongs to, by the mode of its scope.
func (w *Wish) into(b *builder, key RoleKey) *State {
	mode := resource.ModeObserve
	if r := b.reachOf(key.Scope)[key.Connection]; r != nil {
		mode = r.mode
	}
	w.modes[key.scoped()] = mode
	if mode.Acts() {
		return &w.State
	}
	return &w.Watched
}

func (s *State) sort() {
	slices.SortFunc(s.Roles, func(x, y Role) int { return x.RoleKey.Compare(y.RoleKey) })
	slices.SortFunc(s.Grants, Grant.Compare)
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

// profile names what sets a member apart from the others of the scope: the
// columns seen clear and the columns seen at all. For a level the columns seen
// clear are named as they were asked for, so that a table which comes later
// changes the role of its members, and not the members' role.
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
		for _, m := range b.masksOf(d) {
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

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

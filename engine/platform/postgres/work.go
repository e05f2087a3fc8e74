package postgres

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// unit is what is carried out together: several roles, or the people of several roles.
type unit struct {
	action plan.Action
	parts  []part
	// single keeps each object in a statement of its own.
	single bool
}

// part is one role of a unit, and the changes of it by position in the batch.
type part struct {
	key grant.RoleKey
	at  []int
}

// What bounds a unit: a statement of people, the roles whose privileges are
// merged, and the objects of these.
const (
	maxPeople      = 1000
	maxParts       = 500
	maxUnitObjects = 200_000
)

// halves splits a unit: by roles, or by the people of its only role.
func (u unit) halves() (left, right unit, ok bool) {
	left, right = u, u
	if n := len(u.parts); n > 1 {
		left.parts, right.parts = u.parts[:n/2], u.parts[n/2:]
		return left, right, true
	}
	p := u.parts[0]
	n := len(p.at)
	if n < 2 {
		return u, u, false
	}
	left.parts, right.parts = []part{{p.key, p.at[:n/2]}}, []part{{p.key, p.at[n/2:]}}
	return left, right, true
}

// units orders a batch: what takes access away first, then roles, then people,
// and last the revocations that wait for these.
func units(changes []plan.Change) []unit {
	order := make([]int, len(changes))
	for i := range order {
		order[i] = i
	}
	m := movesOf(changes)
	last := func(i int) int {
		if m.waits(changes[i]) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if x, y := &changes[a], &changes[b]; len(m.into) == 0 && x.Action == y.Action {
			return 0
		}
		return cmp.Or(last(a)-last(b), rank(changes[a])-rank(changes[b]))
	})
	var out []unit
	var c collector
	for _, i := range order {
		if n := len(out); n == 0 || !c.takes(&out[n-1], changes[i], i) {
			out = append(out, c.begin(changes[i], i))
		}
	}
	return out
}

// collector fills one unit.
type collector struct {
	roles   map[grant.RoleKey]bool
	people  int
	objects int
}

func (c *collector) begin(change plan.Change, i int) unit {
	*c = collector{roles: map[grant.RoleKey]bool{change.RoleKey(): true}, people: 1, objects: objectsOf(change)}
	return unit{action: change.Action, parts: []part{{change.RoleKey(), []int{i}}}}
}

// takes adds a change to the unit where it fits.
func (c *collector) takes(u *unit, change plan.Change, i int) bool {
	if u.action != change.Action || change.Action == plan.Retire {
		return false
	}
	key := change.RoleKey()
	if last := &u.parts[len(u.parts)-1]; change.Grant != nil && last.key == key && c.people < maxPeople {
		last.at = append(last.at, i)
		c.people++
		return true
	}
	objects := c.objects + objectsOf(change)
	if c.roles[key] || c.people == maxPeople || len(u.parts) == maxParts || objects > maxUnitObjects {
		return false
	}
	c.roles[key], c.objects = true, objects
	c.people++
	u.parts = append(u.parts, part{key, []int{i}})
	return true
}

func objectsOf(c plan.Change) int {
	if c.Role == nil {
		return 0
	}
	return len(c.Role.Objects)
}

func rank(c plan.Change) int {
	return slices.Index([]plan.Action{plan.Revoke, plan.Retire, plan.Provision, plan.Extend, plan.Allow}, c.Action)
}

// takesAway reports whether a change can only narrow access.
func takesAway(c plan.Change) bool { return c.Action == plan.Revoke || c.Action == plan.Retire }

// work is the statements of a unit: transactions, then the sessions of those
// who left, then further transactions.
type work struct {
	first []atom
	end   []string
	rest  [][]atom

	can     map[int]grant.Role // of provisions, by position in the batch: the part that is possible
	faults  map[int]*fault     // by position
	touched map[memberKey]bool
	lost    map[string]*fault      // by role: see builder
	changed map[grant.RoleKey]bool // roles for which there is anything to do
	// bad are the parts that cannot be carried out, and why.
	bad map[int]error
}

func (w work) statements(s *snapshot, endSessions bool) []platform.Statement {
	out := statements(w.first)
	if endSessions && len(w.end) > 0 {
		out = append(out, s.endSessions(w.end))
	}
	for _, rest := range w.rest {
		out = append(out, statements(rest)...)
	}
	return out
}

// build makes the statements of a unit, less those of its bad parts. With a
// bad part the snapshot may hold what will not be done: read again.
func (b *builder) build(u unit, changes []plan.Change) work {
	b.take()
	people := 0
	if u.action != plan.Provision && u.action != plan.Retire {
		for _, p := range u.parts {
			people += len(p.at)
		}
	}
	b.steps = make([]step, 0, people+1)
	b.single, b.touched, b.lost = u.single, make(map[memberKey]bool, people), nil
	w := work{
		can: map[int]grant.Role{}, faults: map[int]*fault{}, changed: map[grant.RoleKey]bool{}, bad: map[int]error{},
	}
	for n, p := range u.parts {
		before := len(b.steps)
		if err := b.buildPart(u.action, p, changes, &w); err != nil {
			b.steps = b.steps[:before]
			w.bad[n] = err
			continue
		}
		if len(b.steps) > before {
			w.changed[p.key] = true
		}
		if u.action == plan.Provision {
			b.cut()
		}
	}
	w.first = b.take()
	if u.action == plan.Revoke || u.action == plan.Retire {
		b.buildRest(u, changes, &w)
	}
	w.touched, w.lost = b.touched, b.lost
	return w
}

func (b *builder) buildPart(action plan.Action, p part, changes []plan.Change, w *work) error {
	switch action {
	case plan.Provision:
		can, lack, err := b.provision(*changes[p.at[0]].Role)
		w.can[p.at[0]] = can
		if lack != nil {
			w.faults[p.at[0]] = lack
		}
		return err
	case plan.Allow, plan.Extend:
		grants := make([]grant.Grant, len(p.at))
		for n, i := range p.at {
			grants[n] = *changes[i].Grant
		}
		faults, err := b.allow(p.key, grants)
		for n, f := range faults {
			w.faults[p.at[n]] = f
		}
		return err
	case plan.Revoke:
		err := b.revoke(p.key, accountsOf(p, changes))
		if err == nil {
			b.move(p, changes)
		}
		return err
	case plan.Retire:
		return b.retireAccess(p.key)
	default:
		return faultf(platform.Unsupported, "no action %q: update the engine", action)
	}
}

// accountsOf are the accounts of a part, in order and each once.
func accountsOf(p part, changes []plan.Change) []string {
	out := make([]string, 0, len(p.at))
	for _, i := range p.at {
		out = append(out, changes[i].Grant.Principal)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// buildRest makes what follows once access is gone: sessions end and are
// forgotten, and of a retired role everything else goes.
func (b *builder) buildRest(u unit, changes []plan.Change, w *work) {
	for n, p := range u.parts {
		if w.bad[n] != nil {
			continue
		}
		var accounts []string
		if u.action == plan.Revoke {
			accounts = accountsOf(p, changes)
		}
		name := b.s.roleName(p.key)
		for _, a := range accounts {
			b.noTimer(memberKey{name, a})
		}
		leaving := b.leavers(name, accounts)
		b.settled(name, leaving)
		w.end = append(w.end, leaving...)
	}
	slices.Sort(w.end)
	w.end = slices.Compact(w.end)
	if rest := b.take(); len(rest) > 0 {
		w.rest = append(w.rest, rest)
	}
	if u.action == plan.Retire && len(w.bad) == 0 {
		b.retireRest(u.parts[0].key)
		if rest := b.take(); len(rest) > 0 {
			w.rest = append(w.rest, rest)
			w.changed[u.parts[0].key] = true
		}
	}
}

// leavers are the accounts of a role whose sessions are still to end: of
// these, or of all where none are named.
func (b *builder) leavers(name string, accounts []string) []string {
	ending := b.s.book.ending[name]
	if accounts == nil {
		return keys(ending)
	}
	var out []string
	for _, a := range accounts {
		if ending[a] {
			out = append(out, a)
		}
	}
	return out
}

// oneLine keeps a text, which may hold the names of others, within a comment.
func oneLine(text string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(text) }

// Preview implements platform.Platform: the statements of Apply in order,
// without transaction control, the lock, and the fence that each transaction
// begins with.
func (p *Postgres) Preview(ctx context.Context, changes []plan.Change) ([]platform.Statement, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.read(ctx, wantedBy(changes))
	if err != nil {
		return nil, err
	}
	b := &builder{s: s}
	if len(changes) > 0 {
		b.bootstrap()
	}
	b.rename()
	out := statements(b.take())
	return append(out, b.show(changes, !p.cfg.NoEndSessions, func(c plan.Change, lack *fault) []platform.Statement {
		return []platform.Statement{platform.Remark(s.roleName(c.RoleKey())+" is not carried out in full: "+lack.Error(), lack.Error())}
	})...), nil
}

// show are the statements of changes in order. lacking says what is missing of a
// change that cannot be carried out in full.
func (b *builder) show(changes []plan.Change, endSessions bool, lacking func(plan.Change, *fault) []platform.Statement) []platform.Statement {
	var out []platform.Statement
	for _, u := range units(changes) {
		w := b.build(u, changes)
		for _, n := range keys(w.bad) {
			out = append(out, platform.Remark(b.s.roleName(u.parts[n].key)+" is left alone", w.bad[n].Error()))
		}
		for _, i := range keys(w.faults) {
			out = append(out, lacking(changes[i], w.faults[i])...)
		}
		out = append(out, w.statements(b.s, endSessions)...)
	}
	return out
}

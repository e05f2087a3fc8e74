package mysql

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// unit is what is carried out together: one role, roles without masks that are
// provisioned side by side, or many people of one role.
type unit struct {
	action plan.Action
	key    grant.RoleKey // of the first change
	at     []int         // positions in the batch
}

// The most people, and the most roles, of one statement.
const (
	maxPeople = 200
	maxRoles  = 20
)

// units orders a batch: what takes access away first, then roles, then people.
func (s *snapshot) units(changes []plan.Change) []unit {
	order := make([]int, len(changes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(changes[a]), rank(changes[b])) })
	var out []unit
	named := map[string]bool{} // the roles of the last unit that takes further ones
	for _, i := range order {
		c := changes[i]
		if s.sideBySide(c) {
			name := c.RoleKey().RoleName()
			if n := len(named); n > 0 && n < maxRoles && !named[name] {
				named[name] = true
				last := &out[len(out)-1]
				last.at = append(last.at, i)
				continue
			}
			named = map[string]bool{name: true}
			out = append(out, unit{c.Action, c.RoleKey(), []int{i}})
			continue
		}
		clear(named)
		if n := len(out); n > 0 && c.Grant != nil {
			last := &out[n-1]
			if last.action == c.Action && last.key == c.RoleKey() && len(last.at) < maxPeople {
				last.at = append(last.at, i)
				continue
			}
		}
		out = append(out, unit{c.Action, c.RoleKey(), []int{i}})
	}
	return out
}

// sideBySide reports whether a role can be provisioned together with others:
// nothing but an answer of the server can then be in its way.
func (s *snapshot) sideBySide(c plan.Change) bool {
	return c.Action == plan.Provision && !slices.ContainsFunc(c.Role.Objects, grant.Object.Masked) && s.mayProvision(*c.Role) == nil
}

func rank(c plan.Change) int {
	return slices.Index([]plan.Action{plan.Revoke, plan.Retire, plan.Provision, plan.Extend, plan.Allow}, c.Action)
}

// takesAway reports whether a change can only narrow access.
func takesAway(c plan.Change) bool { return c.Action == plan.Revoke || c.Action == plan.Retire }

// work is the statements of a unit: what changes access, then the sessions of
// those who left, then what is left to tidy up.
type work struct {
	first []platform.Statement
	end   []account
	rest  []platform.Statement

	can     map[int]grant.Role // of provisions, by position in the batch: the part that is possible
	wrote   map[int]bool       // likewise: whether there is a statement for it
	faults  map[int]*fault     // likewise
	people  map[int][]account  // likewise: who was meant
	touched map[account]bool
	// closings are, by their text, statements whose refusal holds nothing else up.
	closings map[string]closing
}

func (w work) statements(s *snapshot, endSessions bool) []platform.Statement {
	out := w.first
	if endSessions {
		for _, user := range users(w.end) {
			out = append(out, s.endSessions(user))
		}
	}
	return append(out, w.rest...)
}

// users are the user names of accounts, in order.
func users(as []account) []string {
	out := make([]string, len(as))
	for i, a := range as {
		out[i] = a.user
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// build makes the statements of a unit. An error is a fault of the whole unit.
func (b *builder) build(u unit, changes []plan.Change) (work, error) {
	b.take()
	b.touched, b.closings = nil, nil
	w := work{closings: map[string]closing{}, can: map[int]grant.Role{}, wrote: map[int]bool{}, faults: map[int]*fault{}, people: map[int][]account{}}
	var err error
	switch u.action {
	case plan.Provision:
		err = b.buildProvision(u, changes, &w)
	case plan.Allow, plan.Extend:
		err = b.buildAllow(u, changes, &w)
	case plan.Revoke:
		err = b.buildRevoke(u, changes, &w)
	case plan.Retire:
		err = b.retireAccess(u.key)
		w.first = b.take()
		w.end = b.s.left(u.key.RoleName(), nil)
	default:
		err = faultf(platform.Unsupported, "no action %q: update the engine", u.action)
	}
	if err != nil {
		b.take()
		return w, err
	}
	b.forget(u.key.RoleName(), w.end)
	if u.action == plan.Retire {
		b.retireRest(u.key)
		b.takeClosings(&w, u.at[0])
	}
	w.rest = b.take()
	if u.action == plan.Retire {
		w.wrote[u.at[0]] = len(w.first)+len(w.rest) > 0
	}
	w.touched = b.touched
	return w, nil
}

// buildProvision puts the statements of several roles together: first the books
// say that all of them are being changed, then each is narrowed, then they are
// opened with one statement for what they have in common, and last settled.
func (b *builder) buildProvision(u unit, changes []plan.Change, w *work) error {
	var intent, narrow, settle []platform.Statement
	var open shared
	for _, i := range u.at {
		p, err := b.provision(*changes[i].Role)
		if err != nil {
			return err
		}
		b.takeClosings(w, i)
		w.can[i] = p.can
		if p.lack != nil {
			w.faults[i] = p.lack
		}
		w.wrote[i] = len(p.settle) > 0
		intent, narrow, settle = append(intent, p.intent...), append(narrow, p.narrow...), append(settle, p.settle...)
		open.add(p.open, b.s.grantee(b.s.role(p.can.RoleName())))
	}
	w.first = slices.Concat(intent, narrow, open.grants, settle)
	return nil
}

// shared are grants, each to all the roles that are given the same.
type shared struct {
	grants []platform.Statement
	at     map[string]int // by what is granted
}

// add takes the grants to one role.
func (g *shared) add(grants []platform.Statement, role string) {
	if g.at == nil {
		g.at = map[string]int{}
	}
	for _, one := range grants {
		what := strings.TrimSuffix(one.Text, " TO "+role)
		if i, ok := g.at[what]; ok {
			g.grants[i].Text += ", " + role
			continue
		}
		g.at[what] = len(g.grants)
		g.grants = append(g.grants, one)
	}
}

func (b *builder) buildAllow(u unit, changes []plan.Change, w *work) error {
	var grants []grant.Grant
	for _, i := range u.at {
		grants = append(grants, *changes[i].Grant)
	}
	people, faults, err := b.allow(u.key, grants)
	for i, f := range faults {
		w.faults[u.at[i]] = f
	}
	for i, who := range people {
		w.people[u.at[i]] = []account{who}
	}
	w.first = b.take()
	return err
}

func (b *builder) buildRevoke(u unit, changes []plan.Change, w *work) error {
	var principals []string
	for _, i := range u.at {
		principals = append(principals, changes[i].Grant.Principal)
	}
	people, err := b.revoke(u.key, principals)
	w.first = b.take()
	var all []account
	for i, who := range people {
		w.people[u.at[i]] = who
		all = append(all, who...)
	}
	if err == nil {
		w.end = b.s.left(u.key.RoleName(), all)
	}
	return err
}

// left are the accounts that left a role and whose sessions are still to end: of
// these, or all where none are named.
func (s *snapshot) left(name string, of []account) []account {
	var out []account
	for k, m := range s.book.members {
		if k.role == name && m.ending && (of == nil || slices.Contains(of, k.account)) {
			out = append(out, k.account)
		}
	}
	slices.SortFunc(out, account.compare)
	return out
}

// endSessions ends every session of a user name: which of several accounts of
// one name a session belongs to, the server does not tell.
func (s *snapshot) endSessions(user string) platform.Statement {
	text := "KILL USER " + ident(user)
	if s.oracle {
		text = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = " + literal(user) + " /* and KILL each */"
	}
	return platform.Statement{Text: text, Why: "end the sessions of who has left"}
}

// Preview implements platform.Platform: the statements of Apply in order,
// without the lock, the fence and the ledger's mark.
func (m *MySQL) Preview(ctx context.Context, changes []plan.Change) ([]platform.Statement, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.read(ctx, wantedBy(changes))
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		return nil, nil
	}
	b := &builder{s: s}
	if err := b.bootstrap(); err != nil {
		return nil, m.whole("preview", err)
	}
	out := append(b.take(), b.show(changes, !m.cfg.NoEndSessions, func(c plan.Change, lack *fault) []platform.Statement {
		return []platform.Statement{platform.Remark(c.RoleKey().RoleName()+" is not carried out in full: "+lack.Error(), lack.Error())}
	})...)
	return append(out, s.crowds(changes)...), nil
}

// show are the statements of changes in order. lacking says what is missing of a
// change that cannot be carried out in full.
func (b *builder) show(changes []plan.Change, endSessions bool, lacking func(plan.Change, *fault) []platform.Statement) []platform.Statement {
	var out []platform.Statement
	for _, u := range b.s.units(changes) {
		w, err := b.build(u, changes)
		for _, i := range u.at {
			if texts := w.unsure(b.s, i); len(texts) > 0 {
				w.faults[i] = stillOpen(texts, w.faults[i])
			}
		}
		for _, i := range keys(w.faults) {
			out = append(out, lacking(changes[i], w.faults[i])...)
		}
		if err != nil {
			out = append(out, platform.Remark(u.key.RoleName()+" is left alone", err.Error()))
			continue
		}
		out = append(out, w.statements(b.s, endSessions)...)
	}
	return out
}

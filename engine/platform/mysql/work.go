package mysql

import (
	"cmp"
	"context"
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// unit is what is carried out together: one role, or many people of one role.
type unit struct {
	action plan.Action
	key    grant.RoleKey
	at     []int // positions in the batch
}

// maxPeople bounds the people of one statement.
const maxPeople = 200

// units orders a batch: what takes access away first, then roles, then people.
func units(changes []plan.Change) []unit {
	order := make([]int, len(changes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(changes[a]), rank(changes[b])) })
	var out []unit
	for _, i := range order {
		c := changes[i]
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

	can     grant.Role        // of a provision: the part that is possible
	faults  map[int]*fault    // by position in the batch
	people  map[int][]account // likewise: who was meant
	touched map[account]bool
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
	b.touched = nil
	w := work{faults: map[int]*fault{}, people: map[int][]account{}}
	var err error
	switch u.action {
	case plan.Provision:
		var lack *fault
		w.can, lack, err = b.provision(*changes[u.at[0]].Role)
		if lack != nil {
			w.faults[u.at[0]] = lack
		}
		w.first = b.take()
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
	}
	w.rest = b.take()
	w.touched = b.touched
	return w, nil
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
	out := b.take()
	for _, u := range units(changes) {
		w, err := b.build(u, changes)
		if err != nil {
			out = append(out, platform.Statement{Text: "-- " + u.key.RoleName() + " is left alone", Why: err.Error()})
			continue
		}
		out = append(out, w.statements(s, !m.cfg.NoEndSessions)...)
	}
	return out, nil
}

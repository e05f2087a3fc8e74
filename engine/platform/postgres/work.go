package postgres

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
const maxPeople = 500

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

// work is the statements of a unit: one transaction, then the sessions of
// those who left, then further transactions.
type work struct {
	first []platform.Statement
	end   []string
	rest  [][]platform.Statement

	can     grant.Role     // of a provision: the part that is possible
	faults  map[int]*fault // by position in the batch
	touched map[string]bool
}

func (w work) statements(s *snapshot, endSessions bool) []platform.Statement {
	out := w.first
	if endSessions {
		for _, a := range w.end {
			out = append(out, s.endSessions(a))
		}
	}
	return append(out, slices.Concat(w.rest...)...)
}

// build makes the statements of a unit. An error is a fault of the whole unit.
func (b *builder) build(u unit, changes []plan.Change) (work, error) {
	b.take()
	b.touched = nil
	w := work{faults: map[int]*fault{}}
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
		var accounts []string
		for _, i := range u.at {
			accounts = append(accounts, changes[i].Grant.Principal)
		}
		slices.Sort(accounts)
		err = b.revoke(u.key, slices.Compact(accounts))
		w.first = b.take()
		w.end = b.leavers(b.s.roleName(u.key), accounts)
	case plan.Retire:
		_, err = b.retireAccess(u.key)
		w.first = b.take()
		w.end = b.leavers(b.s.roleName(u.key), nil)
	default:
		err = faultf(platform.Unsupported, "no action %q: update the engine", u.action)
	}
	if err != nil {
		b.take()
		return w, err
	}
	b.buildRest(u, &w)
	w.touched = b.touched
	return w, nil
}

func (b *builder) buildRest(u unit, w *work) {
	if len(w.end) > 0 {
		b.settled(b.s.roleName(u.key), w.end)
		w.rest = append(w.rest, b.take())
	}
	if u.action == plan.Retire {
		b.retireRest(u.key)
		if rest := b.take(); len(rest) > 0 {
			w.rest = append(w.rest, rest)
		}
	}
}

func (b *builder) buildAllow(u unit, changes []plan.Change, w *work) error {
	var grants []grant.Grant
	for _, i := range u.at {
		grants = append(grants, *changes[i].Grant)
	}
	faults, err := b.allow(u.key, grants)
	for i, f := range faults {
		w.faults[u.at[i]] = f
	}
	w.first = b.take()
	return err
}

// leavers are the accounts of a role whose sessions are still to end: of
// these, or of all where none are named.
func (b *builder) leavers(name string, accounts []string) []string {
	var out []string
	for k, m := range b.s.book.members {
		if k.role == name && m.ending && (accounts == nil || slices.Contains(accounts, k.account)) {
			out = append(out, k.account)
		}
	}
	slices.Sort(out)
	return out
}

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
	out := b.take()
	for _, u := range units(changes) {
		w, err := b.build(u, changes)
		if err != nil {
			out = append(out, platform.Statement{Text: "-- " + s.roleName(u.key) + " is left alone", Why: err.Error()})
			continue
		}
		out = append(out, w.statements(s, !p.cfg.NoEndSessions)...)
	}
	return out, nil
}

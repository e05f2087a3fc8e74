package postgres

import (
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// moves are the people of a batch who enter a role, by person, scope and level:
// one of them who leaves another role of the same scope and level moves, such
// as at either end of a masking exception, and must not be left without access.
type moves struct {
	into        map[mover]*grant.Grant
	provisioned map[grant.RoleKey]bool // roles that change in the batch, and are not to be entered before
}

type mover struct {
	account string
	scope   resource.Ref
	access  resource.AccessLevel
}

func movesOf(changes []plan.Change) moves {
	m := moves{map[mover]*grant.Grant{}, map[grant.RoleKey]bool{}}
	for _, c := range changes {
		switch c.Action {
		case plan.Allow:
			m.into[mover{c.Grant.Principal, c.Grant.Scope, c.Grant.Access}] = c.Grant
		case plan.Provision:
			m.provisioned[c.Role.RoleKey] = true
		}
	}
	return m
}

// target is where somebody who leaves a role goes; nil where nowhere.
func (m moves) target(c plan.Change) *grant.Grant {
	if c.Action != plan.Revoke || len(m.into) == 0 {
		return nil
	}
	return m.into[mover{c.Grant.Principal, c.Grant.Scope, c.Grant.Access}]
}

// waits reports whether a revocation comes after the grants of the batch: it
// takes nothing from the person, and the other role is not ready before.
func (m moves) waits(c plan.Change) bool {
	to := m.target(c)
	return to != nil && c.Reason == plan.ReasonMoved && m.provisioned[to.RoleKey]
}

// move lets people who leave a role into the other one in the same
// transaction, where that role is there already and stays as it is. What keeps
// somebody out is told when the batch comes to the grant itself.
func (b *builder) move(p part, changes []plan.Change) {
	if b.moves == nil {
		m := movesOf(changes)
		b.moves = &m
	}
	m := *b.moves
	for _, i := range p.at {
		if to := m.target(changes[i]); to != nil && !m.provisioned[to.RoleKey] && b.s.roles[b.s.roleName(to.RoleKey)] != nil {
			_, _ = b.allow(to.RoleKey, []grant.Grant{*to})
		}
	}
}

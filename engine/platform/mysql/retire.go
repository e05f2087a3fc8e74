package mysql

import (
	"github.com/assent-dev/assent/engine/grant"
)

// retireAccess builds the first half of a retirement: the role goes, and with it
// everybody's membership and all that it opens, in one statement. The books
// know it until the end.
func (b *builder) retireAccess(key grant.RoleKey) error {
	if err := b.s.mine(key); err != nil {
		return err
	}
	name := key.RoleName()
	ways := b.s.ways(name)
	gone := accounts(ways)
	b.ending(name, gone)
	if have, ok := b.s.book.roles[name]; ok && have.settled {
		b.keep("the role is being retired", "UPDATE assent.roles SET settled = FALSE WHERE name = "+literal(name))
		have.settled = false
		b.s.book.roles[name] = have
	}
	if b.s.hasRole(name) {
		for _, who := range gone {
			b.touch(who)
		}
		b.add("the role goes, with everybody in it and all that it opens", "DROP ROLE "+ident(name))
		b.s.dropped(name)
	}
	return nil
}

// retireRest builds the second half: what the role was made of goes, its row in
// the books last.
func (b *builder) retireRest(key grant.RoleKey) {
	name := key.RoleName()
	for _, at := range relNames(b.s.book.views) {
		if b.s.book.views[at].role == name {
			b.dropView(at)
		}
	}
	b.ownerRest(grant.Role{RoleKey: key})
	b.dropHome(key.SchemaName(), name)
	var rest []account
	for k := range b.s.book.members {
		if k.role == name {
			rest = append(rest, k.account)
		}
	}
	b.forget(name, sorted(rest))
	if _, ok := b.s.book.roles[name]; ok {
		b.keep("forget the role", "DELETE FROM assent.roles WHERE name = "+literal(name))
		delete(b.s.book.roles, name)
	}
}

package postgres

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// allow builds what makes accounts members of a role, many in one statement,
// and keeps until when and why. The faults are those of single grants, by
// position.
func (b *builder) allow(key grant.RoleKey, grants []grant.Grant) (map[int]*fault, error) {
	if err := b.s.mine(key); err != nil {
		return nil, err
	}
	name := b.s.roleName(key)
	r := b.s.roles[name]
	if r == nil {
		return nil, faultf(platform.NoObject, "role %s does not exist yet: provision it first", name)
	}
	faults := map[int]*fault{}
	var join, rows []string
	for i, g := range grants {
		if f := b.s.account(g.Principal); f != nil {
			faults[i] = f
			continue
		}
		if !r.has(g.Principal, b.s.version) {
			b.touch(g.Principal)
			join = append(join, g.Principal)
			r.members = append(r.members, membership{account: g.Principal, inherit: true, privileged: true})
		}
		if row := b.memberRow(name, g); row != "" {
			rows = append(rows, row)
		}
	}
	b.members(name)
	if len(join) > 0 {
		options := ""
		if b.s.version >= 160000 {
			options = " WITH INHERIT TRUE, SET FALSE"
		}
		b.add("let people in", "GRANT "+ident(name)+" TO "+idents(join)+options)
	}
	if len(rows) > 0 {
		b.add("keep until when and why", "INSERT INTO assent.member (role, account, not_after, requests) VALUES "+strings.Join(rows, ", ")+
			" ON CONFLICT (role, account) DO UPDATE SET not_after = EXCLUDED.not_after, requests = EXCLUDED.requests, ending = false")
	}
	return faults, nil
}

// account says why an account cannot be let into a role.
func (s *snapshot) account(name string) *fault {
	r := s.roles[name]
	switch {
	case !nameable(name) || r == nil:
		return faultf(platform.NoAccount, "account %q does not exist: create it on the server, or correct the user's file", name)
	case r.predefined || name == s.engine || name == viewsRole:
		return faultf(platform.Unsupported, "%s is no account of a person or service: correct the user's file", name)
	}
	if _, ours := s.owned(name); ours {
		return faultf(platform.Unsupported, "%s is a role of ours, not an account: correct the user's file", name)
	}
	return nil
}

// has reports whether an account is a member by our own hand, so that it
// inherits what the role holds.
func (r *role) has(account string, version int) bool {
	return slices.ContainsFunc(r.members, func(m membership) bool {
		return m.account == account && m.privileged && (version < 160000 || m.inherit)
	})
}

// memberRow is the row of a grant, empty where the books have it already.
func (b *builder) memberRow(name string, g grant.Grant) string {
	k := memberKey{name, g.Principal}
	have, ok := b.s.book.members[k]
	if ok && !have.ending && have.notAfter.Equal(g.NotAfter) && toJSON(have.requests) == toJSON(g.Requests) {
		return ""
	}
	b.touch(g.Principal)
	b.s.book.members[k] = bookMember{notAfter: g.NotAfter, requests: g.Requests}
	return "(" + literal(name) + ", " + literal(g.Principal) + ", " + instant(g.NotAfter) + ", " + literal(toJSON(g.Requests)) + ")"
}

// revoke builds what takes accounts out of a role. The books keep them as
// ending until their sessions were seen to.
func (b *builder) revoke(key grant.RoleKey, accounts []string) error {
	if err := b.s.mine(key); err != nil {
		return err
	}
	name := b.s.roleName(key)
	var gone []string
	if r := b.s.roles[name]; r != nil {
		gone = b.leave(r, accounts)
	}
	b.ending(name, accounts, gone)
	return nil
}

// leave takes accounts out of a role, whoever let them in, as far as the
// engine may.
func (b *builder) leave(r *role, accounts []string) []string {
	byGrantor := map[string][]string{}
	var gone []string
	r.members = slices.DeleteFunc(r.members, func(m membership) bool {
		if !slices.Contains(accounts, m.account) || m.account == b.s.engine {
			return false
		}
		by := ""
		if b.s.version >= 160000 {
			if !m.privileged && !m.grantorOK {
				return false // another grantor's: the read-back will say so
			}
			by = " GRANTED BY " + ident(m.grantor)
		}
		byGrantor[by] = append(byGrantor[by], m.account)
		b.touch(m.account)
		gone = append(gone, m.account)
		return true
	})
	for _, by := range keys(byGrantor) {
		b.add("let people out", "REVOKE "+ident(r.name)+" FROM "+idents(byGrantor[by])+by+" CASCADE")
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}

// ending keeps who has just left, and forgets who had left already.
func (b *builder) ending(name string, accounts, gone []string) {
	var rows, forget []string
	for _, a := range accounts {
		k := memberKey{name, a}
		have, ok := b.s.book.members[k]
		switch {
		case slices.Contains(gone, a):
			rows = append(rows, "("+literal(name)+", "+literal(a)+", NULL, 'null', true)")
			b.s.book.members[k] = bookMember{ending: true}
		case ok && !have.ending:
			forget = append(forget, literal(a))
			delete(b.s.book.members, k)
		}
	}
	if len(rows) > 0 {
		b.add("keep whose sessions are still to end", "INSERT INTO assent.member (role, account, not_after, requests, ending) VALUES "+
			strings.Join(rows, ", ")+" ON CONFLICT (role, account) DO UPDATE SET not_after = NULL, requests = 'null', ending = true")
	}
	if len(forget) > 0 {
		b.add("forget who is no member", "DELETE FROM assent.member WHERE role = "+literal(name)+" AND account IN ("+strings.Join(forget, ", ")+")")
	}
}

// endSessions is the statement that ends the sessions of an account that can
// hold on to a role it has left: on PostgreSQL 15 any (SET ROLE), later those
// inside a transaction (an open cursor), or whose state the engine may not see.
func (s *snapshot) endSessions(account string) platform.Statement {
	text := "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE usename = " + literal(account) +
		" AND datname = current_database() AND pid <> pg_backend_pid()"
	if s.version >= 160000 {
		text += " AND (xact_start IS NOT NULL OR state IS NULL)"
	}
	return platform.Statement{Text: text, Why: "end sessions that could hold on to the role"}
}

// settled forgets the accounts whose sessions were seen to.
func (b *builder) settled(name string, accounts []string) {
	quoted := make([]string, len(accounts))
	for i, a := range accounts {
		quoted[i] = literal(a)
		delete(b.s.book.members, memberKey{name, a})
	}
	b.add("forget who has left", "DELETE FROM assent.member WHERE ending AND role = "+literal(name)+
		" AND account IN ("+strings.Join(quoted, ", ")+")")
}

// retireAccess builds the first half of a retirement: nobody is a member any
// more, and the role opens nothing.
func (b *builder) retireAccess(key grant.RoleKey) ([]string, error) {
	if err := b.s.mine(key); err != nil {
		return nil, err
	}
	name := b.s.roleName(key)
	var gone []string
	if r := b.s.roles[name]; r != nil {
		var all []string
		for _, m := range r.members {
			all = append(all, m.account)
		}
		gone = b.leave(r, all)
	}
	b.ending(name, gone, gone)
	for _, at := range b.s.heldBy(name) {
		b.keepOnly("the role is retired", name, b.s.rels[at], newHeld())
	}
	b.unuse(name, nil)
	return gone, nil
}

// retireRest builds the second half: what the role was made of goes, its own
// marks last.
func (b *builder) retireRest(key grant.RoleKey) {
	name := b.s.roleName(key)
	for _, at := range relNames(b.s.book.views) {
		if b.s.book.views[at].role == name {
			b.dropView(at)
		}
	}
	b.ownerRest(grant.Role{RoleKey: key})
	if b.hasNoOtherViews(key) {
		b.dropSchema(key.SchemaName())
	}
	if b.s.roles[name] != nil {
		b.add("the role itself goes", "DROP ROLE "+ident(name))
		delete(b.s.roles, name)
	}
	if _, ok := b.s.book.roles[name]; ok {
		b.add("forget the role", "DELETE FROM assent.role WHERE name = "+literal(name))
		delete(b.s.book.roles, name)
	}
	for k := range b.s.book.members {
		if k.role == name && !b.s.book.members[k].ending {
			b.add("forget who is no member", "DELETE FROM assent.member WHERE NOT ending AND role = "+literal(name))
			break
		}
	}
}

func (b *builder) hasNoOtherViews(key grant.RoleKey) bool {
	for at, v := range b.s.book.views {
		if at.schema == key.SchemaName() && v.role != b.s.roleName(key) {
			return false
		}
	}
	return true
}

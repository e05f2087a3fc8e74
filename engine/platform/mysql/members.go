package mysql

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// joining is one account that is to be in a role.
type joining struct {
	who account
	g   grant.Grant
}

// allow builds what makes accounts members of a role, many in one statement
// where the grammar can, and keeps until when and why. The books come first, then
// the event that will end the access, then what gives it. The faults are those of
// single grants, by position; people are who was meant.
func (b *builder) allow(key grant.RoleKey, grants []grant.Grant) (people map[int]account, faults map[int]*fault, err error) {
	if err := b.s.mine(key); err != nil {
		return nil, nil, err
	}
	name := key.RoleName()
	if !b.s.hasRole(name) {
		return nil, nil, faultf(platform.NoObject, "role %s does not exist yet: provision it first", name)
	}
	people, faults = map[int]account{}, map[int]*fault{}
	var all []joining
	for i, g := range grants {
		who, f := b.s.admit(name, g)
		if f != nil {
			faults[i] = f
			continue
		}
		people[i] = who
		all = append(all, joining{who, g})
	}
	b.memberRows(name, all)
	for _, j := range all {
		b.fuse(name, j.who, j.g.NotAfter)
	}
	for _, j := range all {
		b.openUmbrella(j.who)
	}
	b.straighten(name, all)
	var join []string
	for _, j := range all {
		holder := b.s.holder(j.who)
		if !b.s.isMember(name, holder) {
			b.touch(j.who)
			join = append(join, b.s.grantee(holder))
			b.s.join(name, holder, false)
		}
	}
	if len(join) > 0 {
		b.add("let people in", "GRANT "+ident(name)+" TO "+strings.Join(join, ", "))
	}
	if b.s.oracle {
		b.defaults(name, all)
	}
	return people, faults, nil
}

// admit is the account of a grant, or why it cannot be let in.
func (s *snapshot) admit(name string, g grant.Grant) (account, *fault) {
	var who account
	for _, a := range s.booked(name, g.Principal) {
		if s.logins[a] != nil && !s.book.members[memberKey{name, a}].ending {
			who = a // whatever other accounts of that name came since
		}
	}
	if who == (account{}) {
		var f *fault
		if who, f = s.resolve(g.Principal); f != nil {
			return who, f
		}
	}
	if f := s.person(who); f != nil {
		return who, f
	}
	if m, ok := s.book.members[memberKey{name, who}]; ok && !m.ending && m.principal != g.Principal {
		return who, faultf(platform.Ambiguous, "%s is in %s as %q already: write it in one way in all users' files", who, name, m.principal)
	}
	if !g.NotAfter.IsZero() && !g.NotAfter.After(s.now) {
		return who, faultf(platform.NotReadBack, "by the server's clock the access of %s has ended at %s: check that clock", who, g.NotAfter.Format("2006-01-02 15:04:05Z"))
	}
	return who, nil
}

// memberRows keeps until when and why, where the books do not say so already.
func (b *builder) memberRows(name string, all []joining) {
	var rows []string
	for _, j := range all {
		k := memberKey{name, j.who}
		have, ok := b.s.book.members[k]
		if ok && !have.ending && have.notAfter.Equal(j.g.NotAfter) && toJSON(have.requests) == toJSON(j.g.Requests) {
			continue
		}
		b.touch(j.who)
		b.s.book.members[k] = bookMember{principal: j.g.Principal, notAfter: j.g.NotAfter, requests: j.g.Requests}
		rows = append(rows, "("+literals([]string{name, j.who.user, j.who.host, j.g.Principal})+", "+instant(j.g.NotAfter)+", "+
			literal(toJSON(j.g.Requests))+", FALSE)")
	}
	b.upsertMembers("keep until when and why", rows)
}

func (b *builder) upsertMembers(why string, rows []string) {
	if len(rows) > 0 {
		b.keep(why, "INSERT INTO assent.members (role, user, host, principal, not_after, requests, ending) VALUES "+strings.Join(rows, ", ")+
			" ON DUPLICATE KEY UPDATE principal = VALUES(principal), not_after = VALUES(not_after), requests = VALUES(requests), ending = VALUES(ending)")
	}
}

// openUmbrella makes the one role of an account that is active in its sessions.
func (b *builder) openUmbrella(who account) {
	if b.s.oracle {
		return
	}
	name := b.s.umbrella(who)
	if b.s.book.umbrellas[who] == "" {
		b.keep("the account's own role is ours", "INSERT INTO assent.umbrellas (user, host, name) VALUES ("+literals([]string{who.user, who.host, name})+")")
		b.s.book.umbrellas[who] = name
	}
	if !b.s.hasRole(name) {
		b.touch(who)
	}
	b.createRole("make the account's own role: only one is active in a session", name)
	if !b.s.isMember(name, who) {
		b.touch(who)
		b.add("give the account its own role", "GRANT "+ident(name)+" TO "+who.quoted())
		b.s.join(name, who, false)
	}
	if l := b.s.logins[who]; !slices.Equal(l.defaults, []string{name}) {
		b.touch(who)
		b.add("make it active in every session", setDefault(who, name))
		l.defaults = []string{name}
	}
}

// setDefault asks the procedure that the setup statements leave: on MariaDB only
// whoever may write the privilege tables gives others a default role.
func setDefault(who account, role string) string {
	return "CALL assent.default_role(" + literals([]string{who.user, who.host, role}) + ")"
}

// defaults makes a role of MySQL active beside those that are so already.
func (b *builder) defaults(name string, all []joining) {
	for _, j := range all {
		l := b.s.logins[j.who]
		if !slices.Contains(l.defaults, name) {
			b.touch(j.who)
			l.defaults = append(l.defaults, name)
			b.add("make it active in every session", "SET DEFAULT ROLE "+idents(l.defaults)+" TO "+j.who.quoted())
		}
	}
}

// straighten takes back what a member could pass on, and ways into the role
// that the event which ends the access would not end.
func (b *builder) straighten(name string, all []joining) {
	ways := b.s.ways(name)
	for _, j := range all {
		holder := b.s.holder(j.who)
		for _, way := range ways[j.who] {
			if way != "" && way != holder.user || way == "" && holder != j.who {
				b.cut(name, j.who, way)
			}
		}
		switch {
		case !b.s.members[name][holder]:
		case b.s.oracle: // it joins again, without the option
			b.cut(name, j.who, "")
		default:
			b.touch(j.who)
			b.add("members must not pass the role on", "REVOKE ADMIN OPTION FOR "+ident(name)+" FROM "+b.s.grantee(holder))
			b.s.join(name, holder, false)
		}
		if !b.s.oracle && b.s.members[holder.user][j.who] {
			b.touch(j.who)
			b.add("members must not pass the role on", "REVOKE ADMIN OPTION FOR "+ident(holder.user)+" FROM "+j.who.quoted())
			b.s.join(holder.user, j.who, false)
		}
	}
}

// cut takes one way into a role from an account.
func (b *builder) cut(role string, who account, way string) {
	b.touch(who)
	of, from := role, who
	switch {
	case way == "":
	case b.s.book.umbrellas[who] == way:
		from = b.s.role(way)
	default:
		of = way // somebody else's umbrella
	}
	if b.s.isMember(of, from) {
		b.add("let people out", "REVOKE "+ident(of)+" FROM "+b.s.grantee(from))
		b.s.leave(of, from)
	}
}

// revoke builds what takes accounts out of a role. The books keep them as
// ending until their sessions were seen to.
func (b *builder) revoke(key grant.RoleKey, principals []string) (people map[int][]account, err error) {
	if err := b.s.mine(key); err != nil {
		return nil, err
	}
	name := key.RoleName()
	ways := b.s.ways(name)
	people = map[int][]account{}
	var gone, absent []account
	for i, p := range principals {
		for _, who := range b.s.leavers(name, p, ways) {
			people[i] = append(people[i], who)
			// Whom the event took out, or somebody else, may have a statement running.
			if _, booked := b.s.book.members[memberKey{name, who}]; booked || len(ways[who]) > 0 {
				gone = append(gone, who)
			} else {
				absent = append(absent, who)
			}
		}
	}
	b.ending(name, gone)
	b.leave(name, gone, ways)
	b.forget(name, absent)
	return people, nil
}

// leave takes accounts out of a role by every way, the usual one in one statement.
func (b *builder) leave(name string, gone []account, ways map[account][]string) {
	var from []string
	for _, who := range gone {
		holder := b.s.holder(who)
		for _, way := range ways[who] {
			usual := b.s.oracle && way == "" || !b.s.oracle && way == holder.user && b.s.book.umbrellas[who] == way
			switch {
			case !usual:
				b.cut(name, who, way)
			case b.s.isMember(name, holder):
				b.touch(who)
				from = append(from, b.s.grantee(holder))
				b.s.leave(name, holder)
			}
		}
	}
	if len(from) > 0 {
		b.add("let people out", "REVOKE "+ident(name)+" FROM "+strings.Join(from, ", "))
	}
}

// ending keeps who is about to leave.
func (b *builder) ending(name string, gone []account) {
	var rows []string
	for _, who := range gone {
		k := memberKey{name, who}
		have, ok := b.s.book.members[k]
		if !ok {
			have.principal = b.s.spell(who)
		}
		if have.ending {
			continue
		}
		rows = append(rows, "("+literals([]string{name, who.user, who.host, have.principal})+", NULL, 'null', TRUE)")
		b.s.book.members[k] = bookMember{principal: have.principal, ending: true}
	}
	b.upsertMembers("keep whose sessions are still to end", rows)
}

// forget removes what the books have of accounts in a role, the event that would
// have ended their access, and an account's own role that opens nothing more.
func (b *builder) forget(name string, people []account) {
	for _, who := range people {
		b.dropFuse(name, who)
	}
	for _, who := range people {
		b.foldUmbrella(who)
	}
	var rows []string
	for _, who := range people {
		k := memberKey{name, who}
		if _, ok := b.s.book.members[k]; ok {
			rows = append(rows, "("+literals([]string{who.user, who.host})+")")
			delete(b.s.book.members, k)
		}
	}
	if len(rows) > 0 {
		b.keep("forget who has left", "DELETE FROM assent.members WHERE role = "+literal(name)+" AND (user, host) IN ("+strings.Join(rows, ", ")+")")
	}
}

// foldUmbrella removes the role of an account that is in no role of ours any
// more, unless others put something into it.
func (b *builder) foldUmbrella(who account) {
	name := b.s.book.umbrellas[who]
	self := b.s.role(name)
	if name == "" || len(b.s.joined[self]) > 0 || len(b.s.wide[self]) > 0 || len(b.s.direct[self]) > 0 {
		return
	}
	if l := b.s.logins[who]; l != nil && slices.Contains(l.defaults, name) {
		b.add("the account's own role opens nothing any more", setDefault(who, "NONE"))
		l.defaults = nil
	}
	if b.s.hasRole(name) {
		b.add("the account's own role goes", "DROP ROLE "+ident(name))
		b.s.dropped(name)
	}
	b.keep("forget the account's own role", "DELETE FROM assent.umbrellas WHERE name = "+literal(name))
	delete(b.s.book.umbrellas, who)
}

// dropped forgets a role, with everybody in it and all that it holds.
func (s *snapshot) dropped(name string) {
	self := s.role(name)
	for _, who := range accounts(s.members[name]) {
		s.leave(name, who)
	}
	for _, of := range keys(s.joined[self]) {
		s.leave(of, self)
	}
	delete(s.logins, self)
	delete(s.direct, self)
	delete(s.wide, self)
}

package postgres

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
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
	join := make([]string, 0, len(grants))
	for i, g := range grants {
		if f := b.s.account(g.Principal); f != nil {
			faults[i] = f
			continue
		}
		if !r.has(g.Principal, b.s.version) {
			b.touch(name, g.Principal)
			join = append(join, g.Principal)
			r.members = append(r.members, membership{account: g.Principal, inherit: true, privileged: true})
			r.member[g.Principal] = true
		}
		b.memberRow(name, g)
	}
	b.members(name)
	if len(join) > 0 {
		options := ""
		if b.s.version >= 160000 {
			options = " WITH INHERIT TRUE, SET FALSE"
		}
		b.add("let people in", "GRANT "+ident(name)+" TO "+idents(join)+options)
	}
	return faults, nil
}

var memberRows = &rows{
	why:    "keep until when and why",
	before: "INSERT INTO assent.member (role, account, not_after, requests) SELECT * FROM ",
	types:  []string{"text", "text", "timestamptz", "text"},
	after:  " ON CONFLICT (role, account) DO UPDATE SET not_after = EXCLUDED.not_after, requests = EXCLUDED.requests, ending = false",
	own:    true,
}

// newMemberRows are those of people whom the books do not know, which only the
// holder of the lock writes. Looking for a conflict takes half as long again; one
// that there is fails the transaction, and the books are read again.
var newMemberRows = &rows{why: memberRows.why, before: memberRows.before, types: memberRows.types}

// account says why an account cannot be let into a role.
func (s *snapshot) account(name string) *fault {
	r := s.roles[name]
	switch {
	case !nameable(name):
		return badName("account", name)
	case r == nil:
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
	if r.member == nil {
		r.member = make(map[string]bool, len(r.members))
		for _, m := range r.members {
			if m.privileged && (version < 160000 || m.inherit) {
				r.member[m.account] = true
			}
		}
	}
	return r.member[account]
}

// holds reports whether an account is a member, whoever let it in.
func (r *role) holds(account string) bool {
	if r.anybody == nil {
		r.anybody = make(map[string]bool, len(r.members))
		for _, m := range r.members {
			r.anybody[m.account] = true
		}
	}
	return r.anybody[account]
}

// memberRow keeps the row of a grant, unless the books have it already.
func (b *builder) memberRow(name string, g grant.Grant) {
	k := memberKey{name, g.Principal}
	if b.timer(k, g.NotAfter) {
		b.touch(name, g.Principal)
	}
	have, ok := b.s.book.members[k]
	if ok && !have.ending && have.notAfter.Equal(g.NotAfter) && sameRefs(have.requests, g.Requests) {
		return
	}
	b.touch(name, g.Principal)
	b.s.book.setMember(k, bookMember{notAfter: g.NotAfter, requests: g.Requests})
	into := newMemberRows
	if ok {
		into = memberRows
	}
	b.cells(into, name, g.Principal, instant(g.NotAfter), b.requestsOf(g))
}

// requestsOf are the requests of a grant as an element of an array. It remembers
// the last: many people come by one request.
func (b *builder) requestsOf(g grant.Grant) string {
	if b.requests.text == "" || !sameRefs(b.requests.refs, g.Requests) {
		b.requests.refs, b.requests.text = g.Requests, element(toJSON(g.Requests))
	}
	return b.requests.text
}

// sameRefs also tells no list from an empty one: the books keep which it was.
func sameRefs(a, b []resource.Ref) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

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
	leaving := make(map[string]bool, len(accounts))
	for _, a := range accounts {
		leaving[a] = true
	}
	r.member = nil
	r.members = slices.DeleteFunc(r.members, func(m membership) bool {
		if !leaving[m.account] || m.account == b.s.engine {
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
		b.touch(r.name, m.account)
		gone = append(gone, m.account)
		return true
	})
	for _, by := range keys(byGrantor) {
		b.add("let people out", "REVOKE "+ident(r.name)+" FROM "+idents(byGrantor[by])+by+" CASCADE")
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}

var (
	roleAndAccount = []string{"text", "text"}

	endingRows = &rows{
		why:    "keep whose sessions are still to end",
		before: "UPDATE assent.member m SET not_after = NULL, requests = 'null', ending = true FROM ",
		types:  roleAndAccount,
		after:  " AS v (role, account) WHERE m.role = v.role AND m.account = v.account",
		own:    true,
	}
	// endingStrangers are members that the books do not know.
	endingStrangers = &rows{
		why:    "keep whose sessions are still to end",
		before: "INSERT INTO assent.member (role, account, not_after, requests, ending) SELECT role, account, NULL, 'null', true FROM ",
		types:  roleAndAccount,
		after:  " AS v (role, account) ON CONFLICT (role, account) DO UPDATE SET not_after = NULL, requests = 'null', ending = true",
		own:    true,
	}
	strangerRows = &rows{
		why:    "forget who is no member",
		before: "DELETE FROM assent.member m USING ",
		types:  roleAndAccount,
		after:  " AS v (role, account) WHERE NOT m.ending AND m.role = v.role AND m.account = v.account",
		own:    true,
	}
	settledRows = &rows{
		why:    "forget who has left",
		before: "DELETE FROM assent.member m USING ",
		types:  roleAndAccount,
		after:  " AS v (role, account) WHERE m.ending AND m.role = v.role AND m.account = v.account",
		own:    true,
	}
)

// ending keeps who has just left, and forgets who had left already.
func (b *builder) ending(name string, accounts, gone []string) {
	for _, a := range accounts {
		k := memberKey{name, a}
		have, ok := b.s.book.members[k]
		_, left := slices.BinarySearch(gone, a)
		switch {
		case left:
			into := endingRows
			if !ok {
				into = endingStrangers
			}
			b.cells(into, name, a)
			b.s.book.setMember(k, bookMember{ending: true})
		case ok && !have.ending:
			b.cells(strangerRows, name, a)
			b.s.book.dropMember(k)
		}
	}
}

// endSessions is the statement that ends the sessions of accounts that can
// hold on to a role they have left: on PostgreSQL 15 any (SET ROLE), later those
// inside a transaction (an open cursor), or whose state the engine may not see.
func (s *snapshot) endSessions(accounts []string) platform.Statement {
	elements := make([]string, len(accounts))
	for i, a := range accounts {
		elements[i] = element(a)
	}
	text := "SELECT usename::text, count(*) FILTER (WHERE pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE usename = ANY (" +
		literal("{"+strings.Join(elements, ",")+"}") + "::name[]) AND datname = current_database() AND pid <> pg_backend_pid()"
	if s.version >= 160000 {
		text += " AND (xact_start IS NOT NULL OR state IS NULL)"
	}
	return platform.Statement{Text: text + " GROUP BY usename", Why: "end sessions that could hold on to the role"}
}

// settled forgets the accounts whose sessions were seen to, and their jobs: in a
// transaction after that which took the access away.
func (b *builder) settled(name string, accounts []string) {
	for _, a := range accounts {
		b.cells(settledRows, name, a)
		b.s.book.dropMember(memberKey{name, a})
		b.noTimer(memberKey{name, a})
	}
}

// retireAccess builds the first half of a retirement: nobody is a member any
// more, and the role opens nothing.
func (b *builder) retireAccess(key grant.RoleKey) error {
	if err := b.s.mine(key); err != nil {
		return err
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
	for _, r := range b.s.heldBy(name) {
		b.keepOnly("the role is retired", name, r, newHeld())
	}
	b.aids(grant.Role{RoleKey: key})
	b.unuse(name, nil)
	return nil
}

// retireRest builds the second half: what the role was made of goes, its own
// marks last.
func (b *builder) retireRest(key grant.RoleKey) {
	name := b.s.roleName(key)
	for _, at := range relNames(b.s.book.viewsOf[name]) {
		b.dropView(at)
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
		b.keep("forget the role", "DELETE FROM assent.role WHERE name = "+literal(name))
		delete(b.s.book.roles, name)
	}
	for k, m := range b.s.book.members {
		if k.role == name && !m.ending {
			b.keep("forget who is no member", "DELETE FROM assent.member WHERE NOT ending AND role = "+literal(name))
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

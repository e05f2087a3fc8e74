package postgres

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// Observe implements platform.Platform. A role is seen as it was carried out
// only where every privilege, view and mark is as it should be; whatever
// deviates shows as other columns, a further object, or one of kind
// "altered-role", so that the role differs from any desired one.
func (p *Postgres) Observe(ctx context.Context) (platform.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.read(ctx, wantedBy(nil))
	if err != nil {
		return platform.State{}, err
	}
	return s.state(), nil
}

func (s *snapshot) state() platform.State {
	st := platform.State{ServerID: s.serverID, Foreign: s.foreign()}
	if s.book != nil {
		st.Mark = platform.Mark{Seq: s.book.seq, Digest: s.book.digest}
	}
	for _, name := range keys(s.roles) {
		key, ok := s.owned(name)
		if !ok {
			continue
		}
		st.Ours.Roles = append(st.Ours.Roles, s.seenRole(key))
		st.Ours.Grants = append(st.Ours.Grants, s.seenGrants(key)...)
	}
	slices.SortFunc(st.Ours.Roles, func(a, b grant.Role) int { return a.RoleKey.Compare(b.RoleKey) })
	slices.SortFunc(st.Ours.Grants, grant.Grant.Compare)
	return st
}

// seenGrants are the memberships of a role that really exist. Times and
// requests come from the books; a stranger has neither.
func (s *snapshot) seenGrants(key grant.RoleKey) []grant.Grant {
	name := key.RoleName()
	var out []grant.Grant
	last := ""
	for _, m := range s.roles[name].members {
		if m.account == s.engine || m.account == last {
			continue
		}
		last = m.account
		g := grant.Grant{RoleKey: key, Principal: m.account}
		if s.book != nil {
			if b, ok := s.book.members[memberKey{name, m.account}]; ok && !b.ending {
				g.NotAfter, g.Requests = b.notAfter, b.requests
			}
		}
		out = append(out, g)
	}
	return out
}

// seenRole is a role as the catalogs have it.
func (s *snapshot) seenRole(key grant.RoleKey) grant.Role {
	name := key.RoleName()
	out := grant.Role{RoleKey: key, Objects: []grant.Object{}}
	var body grant.Role
	booked := false
	if s.book != nil {
		var b bookRole
		b, booked = s.book.roles[name]
		body = b.body
		booked = booked && b.oid == s.roles[name].oid
	}
	accounted := map[relName]bool{}
	wanted := s.wanted(body)
	for _, o := range body.Objects {
		if seen, ok := s.seenObject(body, o, wanted, accounted); ok {
			out.Objects = append(out.Objects, seen)
		}
	}
	for _, at := range s.heldBy(name) {
		if !accounted[at] {
			out.Objects = append(out.Objects, s.extraObject(at, name))
		}
	}
	if s.altered(key, booked, wanted) {
		out.Objects = append(out.Objects, grant.Object{Path: []string{s.database, "", name}, Kind: "altered-role"})
	}
	slices.SortStableFunc(out.Objects, grant.Object.Compare)
	return out
}

// seenObject is one object of the books, as it really is: the same where
// nothing deviates, with the columns that are really open where something
// does, and absent where nothing is open.
func (s *snapshot) seenObject(body grant.Role, o grant.Object, wanted map[relName]*held, accounted map[relName]bool) (grant.Object, bool) {
	name := body.RoleName()
	at := relName{o.Path[1], o.Path[2]}
	base := s.rels[at]
	if o.Masked() {
		v := relName{body.SchemaName(), viewName(o.Path)}
		accounted[v] = true
		if s.maskedRight(body, o, wanted[v]) {
			return o, true
		}
		return grant.Object{Path: o.Path, Kind: o.Kind}, s.rels[v] != nil
	}
	accounted[at] = true
	if base == nil || base.direct[name].empty() {
		return grant.Object{}, false
	}
	if base.direct[name].equal(wanted[at]) && s.usable(name, at.schema) {
		return o, true
	}
	seen := grant.Object{Path: o.Path, Kind: o.Kind, Columns: base.open(name)}
	if slices.EqualFunc(seen.Columns, o.Columns, func(a, b grant.Column) bool { return a.Name == b.Name }) {
		seen.Columns = nil // the columns agree, something else does not
	}
	return seen, true
}

func (s *snapshot) usable(role, schemaName string) bool {
	n := s.schemas[schemaName]
	return n != nil && (n.public || n.usage[role])
}

// maskedRight reports whether a masked object is exactly as it should be.
func (s *snapshot) maskedRight(body grant.Role, o grant.Object, want *held) bool {
	name, schemaName := body.RoleName(), body.SchemaName()
	base := s.rels[relName{o.Path[1], o.Path[2]}]
	v := s.rels[relName{schemaName, viewName(o.Path)}]
	if base == nil || v == nil || s.schemaMine(schemaName) != nil || !s.usable(name, schemaName) {
		return false
	}
	for _, c := range o.Columns {
		if _, ok := base.column(c.Name); !ok {
			return false
		}
	}
	text, reads, salted, err := definition(schemaName, o, base)
	if err != nil || !s.intact(v, name, digest(text)) || !v.held(name).equal(want) || salted && !s.salted {
		return false
	}
	h := base.held(viewsRole)
	for _, c := range reads {
		if !h.columns["SELECT"][c] {
			return false
		}
	}
	return true
}

// extraObject is a relation that a role of ours can reach by our own hand
// though the books do not say so.
func (s *snapshot) extraObject(at relName, role string) grant.Object {
	r := s.rels[at]
	return grant.Object{Path: []string{s.database, at.schema, at.name}, Kind: kindName(r.kind), Columns: r.open(role)}
}

// open are the columns that a role can select by our own hand, in table order.
func (r *relation) open(role string) []grant.Column {
	h := r.held(role)
	var out []grant.Column
	for _, c := range r.columns {
		if h.table["SELECT"] || h.columns["SELECT"][c.name] {
			out = append(out, grant.Column{Name: c.name})
		}
	}
	return out
}

// equal reports whether a role holds exactly what it should.
func (h *held) equal(want *held) bool {
	return want != nil && maps.Equal(h.table, want.table) && maps.EqualFunc(h.columns, want.columns, maps.Equal[map[string]bool, map[string]bool])
}

// altered reports what has no place among objects: lost marks and books,
// attributes, uses of schemas and options of memberships that are not ours.
func (s *snapshot) altered(key grant.RoleKey, booked bool, wanted map[relName]*held) bool {
	name := key.RoleName()
	r := s.roles[name]
	if !booked || r.nowCalled != "" || len(r.altered) > 0 || r.comment != s.roleMark(key) {
		return true
	}
	for _, m := range r.members {
		if m.account != s.engine && m.privileged && (m.admin || s.version >= 160000 && (m.set || !m.inherit)) {
			return true
		}
	}
	used := map[string]bool{}
	for at := range wanted {
		used[at.schema] = true
	}
	for _, n := range s.schemas {
		if n.granted[name] && !used[n.name] {
			return true
		}
	}
	for at, v := range s.book.views {
		if v.role == name && wanted[at] == nil {
			return true
		}
	}
	return false
}

// foreign is every privilege on a table that the engine did not give, and
// every way into the owner of the views, but for what owners hold anyway.
func (s *snapshot) foreign() []platform.Foreign {
	var out []platform.Foreign
	for _, at := range relNames(s.rels) {
		for _, a := range s.rels[at].acl {
			if a.ours && s.ourGrantee(a.grantee) {
				continue
			}
			priv := a.priv
			if a.columns != nil {
				priv += " (" + strings.Join(a.columns, ", ") + ")"
			}
			out = append(out, platform.Foreign{
				Principal: a.grantee, Path: []string{s.database, at.schema, at.name}, Privilege: priv, Grantor: a.grantor,
			})
		}
	}
	for _, name := range keys(s.roles) {
		_, ours := s.owned(name)
		if !ours && name != viewsRole {
			continue
		}
		for _, m := range s.roles[name].members {
			if ours && !m.privileged && !m.grantorOK && m.account != s.engine {
				out = append(out, platform.Foreign{
					Principal: m.account, Path: []string{s.database}, Privilege: "MEMBER OF " + name, Grantor: m.grantor,
				})
			}
		}
		for _, of := range s.roles[name].joined {
			out = append(out, platform.Foreign{Principal: name, Path: []string{s.database}, Privilege: "MEMBER OF " + of})
		}
	}
	if v := s.roles[viewsRole]; v != nil {
		for _, m := range v.members {
			if m.account != s.engine {
				out = append(out, platform.Foreign{
					Principal: m.account, Path: []string{s.database}, Privilege: "MEMBER OF " + viewsRole, Grantor: m.grantor,
				})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b platform.Foreign) int {
		return cmp.Or(slices.Compare(a.Path, b.Path), cmp.Compare(a.Principal, b.Principal),
			cmp.Compare(a.Privilege, b.Privilege), cmp.Compare(a.Grantor, b.Grantor))
	})
	return out
}

func (s *snapshot) ourGrantee(name string) bool {
	_, ok := s.owned(name)
	return ok || name == viewsRole
}

// kindName is the kind of a relation as data sources spell it.
func kindName(relkind byte) string {
	switch relkind {
	case 'p':
		return "partitioned-table"
	case 'v':
		return "view"
	case 'm':
		return "materialized-view"
	case 'f':
		return "foreign-table"
	default:
		return "table"
	}
}

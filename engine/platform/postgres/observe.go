package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// Observe implements platform.Platform. A role is seen as it was carried out
// only where every privilege, view and mark is as it should be; whatever
// deviates shows as other columns, a further object, or one of kind
// grant.AlteredRole, so that the role differs from any desired one. A masked
// object whose table or view somebody holds locked cannot be read: it is unknown,
// and counts as it was carried out.
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
		role, altered := s.seenRole(key)
		st.Ours.Roles = append(st.Ours.Roles, role)
		st.Altered = append(st.Altered, altered...)
		st.Ours.Grants = append(st.Ours.Grants, s.seenGrants(key)...)
	}
	for at := range s.unread {
		if s.book != nil && s.book.views[at].path != nil {
			st.Unknown = append(st.Unknown, s.book.views[at].path)
		}
	}
	slices.SortFunc(st.Unknown, slices.Compare[[]string])
	st.Unknown = slices.CompactFunc(st.Unknown, slices.Equal[[]string])
	slices.SortFunc(st.Ours.Roles, func(a, b grant.Role) int { return a.RoleKey.Compare(b.RoleKey) })
	slices.SortFunc(st.Ours.Grants, grant.Grant.Compare)
	slices.SortFunc(st.Altered, platform.Alteration.Compare)
	return st
}

// seenGrants are the memberships of a role that really exist. Times and
// requests come from the books; a stranger has neither.
func (s *snapshot) seenGrants(key grant.RoleKey) []grant.Grant {
	name := s.roleName(key)
	out := make([]grant.Grant, 0, len(s.roles[name].members))
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

// seenRole is a role as the catalogs have it, with what somebody altered about it.
func (s *snapshot) seenRole(key grant.RoleKey) (grant.Role, []platform.Alteration) {
	name := s.roleName(key)
	out := grant.Role{RoleKey: key, Objects: []grant.Object{}}
	var body grant.Role
	booked := false
	if s.book != nil {
		var b bookRole
		b, booked = s.book.roles[name]
		body = b.body
		booked = booked && b.oid == s.roles[name].oid
	}
	aims := s.aims(body)
	use := uses{s: s, role: name}
	var altered []platform.Alteration
	tell := func(path []string, what string) {
		altered = append(altered, platform.Alteration{Role: key, Path: path, What: what})
	}
	whole := true // so far all is as the books say, and nothing was copied
	for i := range body.Objects {
		o := &body.Objects[i]
		seen, what := s.seenObject(&use, body, o, &aims[i])
		if seen != o && whole {
			whole, out.Objects = false, slices.Clone(body.Objects[:i])
		}
		if seen != nil && !whole {
			out.Objects = append(out.Objects, *seen)
		}
		if what != "" {
			tell(o.Path, what)
		}
	}
	if whole && len(body.Objects) > 0 {
		out.Objects = slices.Clip(body.Objects)
	}
	for _, r := range s.heldBy(name) {
		if s.aimed(r) == nil {
			out.Objects = append(out.Objects, s.extraObject(r, name))
		}
	}
	if what := s.altered(key, body, booked, aims); len(what) > 0 {
		out.Objects = append(out.Objects, grant.Object{Path: []string{s.database, "", name}, Kind: grant.AlteredRole})
		for _, w := range what {
			tell(nil, w)
		}
	}
	if !slices.IsSortedFunc(out.Objects, grant.Object.Compare) {
		out.Objects = slices.Clone(out.Objects)
		slices.SortStableFunc(out.Objects, grant.Object.Compare)
	}
	return out, altered
}

// seenObject is one object of the books, as it really is: the same where
// nothing deviates, with the columns that are really open and what deviates
// where something does, and nil where nothing is open.
func (s *snapshot) seenObject(use *uses, body grant.Role, o *grant.Object, a *aim) (seen *grant.Object, what string) {
	name, base := use.role, a.rel
	if o.Masked() {
		if s.unread[a.relName] {
			return o, "" // neither missing nor gone: see State.Unknown
		}
		if what := s.maskedWrong(body, *o, a); what != "" && a.rel == nil {
			return nil, what
		} else if what != "" {
			return &grant.Object{Path: o.Path, Kind: o.Kind}, what
		}
		return o, ""
	}
	if base == nil {
		return nil, "the table is gone"
	}
	if len(base.acl) > 0 {
		if l := s.lostObject(name, body, base, *o); len(l.statements) > 0 && use.usable(base.schema) {
			if seen = &l.object; sameRole(grant.Role{Objects: []grant.Object{*o}}, grant.Role{Objects: []grant.Object{*seen}}) {
				seen.Columns = nil // the columns agree, whose grant it is does not
			}
			return seen, "the engine's account can no longer close it: what the engine granted is " + strings.Fields(l.statements[0])[0] + "'s now"
		}
	}
	h := base.direct[name]
	if h.empty() {
		return nil, "the role's privileges on it were taken away"
	}
	if !use.usable(base.schema) {
		return &grant.Object{Path: o.Path, Kind: o.Kind}, "the role may not use schema " + base.schema
	}
	if s.same(h, a.want) {
		return o, ""
	}
	seen = &grant.Object{Path: o.Path, Kind: o.Kind, Columns: base.open(name)}
	if slices.EqualFunc(seen.Columns, o.Columns, func(a, b grant.Column) bool { return a.Name == b.Name }) {
		seen.Columns = nil // the columns agree, something else does not
	}
	return seen, "the role holds other privileges on it than it should"
}

func (s *snapshot) usable(role, schemaName string) bool {
	n := s.schemas[schemaName]
	return n != nil && (n.public || n.usage[role])
}

// maskedWrong says what deviates on a masked object; nothing where it is exactly
// as it should be.
func (s *snapshot) maskedWrong(body grant.Role, o grant.Object, a *aim) string {
	name, schemaName := s.roleName(body.RoleKey), body.SchemaName()
	base, at, v := s.table(&o), a.relName, a.rel
	view := "view " + at.schema + "." + at.name
	switch {
	case base == nil:
		return "the table is gone"
	case v == nil:
		return view + ", which hides its masked columns, is gone"
	case s.schemaMine(schemaName) != nil:
		return "schema " + schemaName + " has lost our mark"
	case !s.usable(name, schemaName):
		return "the role may not use schema " + schemaName
	}
	for _, c := range o.Columns {
		if _, ok := base.column(c.Name); !ok {
			return "column " + c.Name + " is gone"
		}
	}
	text, reads, salted, err := definition(schemaName, o, base)
	switch {
	case err != nil || !s.intact(v, name, digest(text)):
		return view + " is not as we made it"
	case !s.same(v.held(name), a.want):
		return "the role holds other privileges on " + view + " than it should"
	case salted && !s.salted:
		return "the owner of the views may not read the salt of its hashes"
	}
	h := base.held(viewsRole)
	for _, c := range reads {
		if !h.columns["SELECT"][c] {
			return "the owner of the views may not read column " + c
		}
	}
	return ""
}

// extraObject is a relation that a role of ours can reach by our own hand
// though the books do not say so.
func (s *snapshot) extraObject(r *relation, role string) grant.Object {
	return grant.Object{Path: []string{s.database, r.schema, r.name}, Kind: kindName(r.kind), Columns: r.open(role)}
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

// altered says what has no place among objects: lost marks and books,
// attributes, uses of schemas and options of memberships that are not ours.
func (s *snapshot) altered(key grant.RoleKey, body grant.Role, booked bool, aims []aim) []string {
	name := s.roleName(key)
	r := s.roles[name]
	var out []string
	if !booked {
		out = append(out, "our books do not know it")
	}
	if r.nowCalled != "" {
		out = append(out, "it was renamed to "+r.nowCalled)
	}
	for _, off := range r.altered {
		out = append(out, "it has the attribute "+strings.TrimPrefix(off, "NO"))
	}
	if r.comment != s.roleMark(key) {
		out = append(out, "its mark, a comment, is lost")
	}
	for _, m := range r.members {
		if m.account != s.engine && m.privileged && (m.admin || s.version >= 160000 && (m.set || !m.inherit)) {
			out = append(out, m.account+" is a member with other options than ours")
		}
	}
	used, last := map[string]bool{}, ""
	for i := range aims {
		if schemaName := aims[i].schema; schemaName != last {
			used[schemaName], last = true, schemaName
		}
	}
	for _, n := range s.usesOf(name) {
		if n.granted[name] && !used[n.name] {
			out = append(out, "it may use schema "+n.name)
		}
	}
	out = append(out, s.alteredAids(name, body)...)
	if s.book == nil {
		return out
	}
	for _, at := range relNames(s.book.viewsOf[name]) {
		if !aimsAt(aims, at) {
			out = append(out, "view "+at.schema+"."+at.name+" is left over")
		}
	}
	return out
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

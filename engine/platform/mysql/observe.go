package mysql

import (
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
// grant.AlteredRole, so that the role differs from any desired one. A member who
// is in a role in any other way than ours, or without the event that will end
// it, is seen without an end and without requests.
func (m *MySQL) Observe(ctx context.Context) (platform.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.read(ctx, wantedBy(nil))
	if err != nil {
		return platform.State{}, err
	}
	return s.state(), nil
}

func (s *snapshot) state() platform.State {
	st := platform.State{ServerID: s.serverID, Foreign: s.foreign()}
	if s.book == nil {
		return st
	}
	st.Unknown = s.unknown()
	st.Mark = platform.Mark{Seq: s.book.seq, Digest: s.book.digest}
	for _, name := range keys(s.book.roles) {
		key := s.book.roles[name].body.RoleKey
		role, altered := s.seenRole(key)
		st.Ours.Roles = append(st.Ours.Roles, role)
		st.Altered = append(st.Altered, altered...)
		st.Ours.Grants = append(st.Ours.Grants, s.seenGrants(key)...)
	}
	slices.SortFunc(st.Ours.Roles, func(a, b grant.Role) int { return a.RoleKey.Compare(b.RoleKey) })
	slices.SortFunc(st.Ours.Grants, grant.Grant.Compare)
	slices.SortFunc(st.Altered, platform.Alteration.Compare)
	return st
}

// seenGrants are the memberships of a role that really exist, or that ended by
// themselves and still have to be seen to.
func (s *snapshot) seenGrants(key grant.RoleKey) []grant.Grant {
	name := key.RoleName()
	ways := s.ways(name)
	var out []grant.Grant
	for _, who := range accounts(ways) {
		g := grant.Grant{RoleKey: key, Principal: s.spell(who)}
		if m, ok := s.book.members[memberKey{name, who}]; ok && !m.ending {
			g.Principal = m.principal
			if s.memberRight(name, who, m, ways[who]) {
				g.NotAfter, g.Requests = m.notAfter, m.requests
			}
		}
		out = append(out, g)
	}
	return append(out, s.burnt(key, ways)...)
}

// burnt are the memberships of a role that their event has ended: they are seen
// until the engine has ended the sessions that may hold on, and knows of it.
func (s *snapshot) burnt(key grant.RoleKey, ways map[account][]string) []grant.Grant {
	name := key.RoleName()
	var out []grant.Grant
	for k, m := range s.book.members {
		over := !m.notAfter.IsZero() && !m.notAfter.After(s.now)
		if k.role == name && len(ways[k.account]) == 0 && !m.ending && over {
			out = append(out, grant.Grant{RoleKey: key, Principal: m.principal, NotAfter: m.notAfter, Requests: m.requests})
		}
	}
	return out
}

// memberRight reports whether a membership is exactly as we make it: by the
// account's own role, which is its default, and with an event to end it.
func (s *snapshot) memberRight(role string, who account, m bookMember, ways []string) bool {
	l, holder := s.logins[who], s.holder(who)
	if l == nil || len(ways) != 1 || s.members[role][holder] {
		return false
	}
	if s.oracle {
		return slices.Contains(l.defaults, role) && s.fuseRight(role, who, m)
	}
	return ways[0] == holder.user && s.book.umbrellas[who] == holder.user && !s.members[holder.user][who] &&
		slices.Equal(l.defaults, []string{holder.user}) && s.fuseRight(role, who, m)
}

// fuseRight reports whether the event is there, or none is needed.
func (s *snapshot) fuseRight(role string, who account, m bookMember) bool {
	if m.notAfter.IsZero() || m.notAfter.After(lastFuse) {
		_, there := s.events[s.fuseName(role, who)]
		return !there
	}
	return !m.notAfter.After(s.now) || s.fused(role, who, m.notAfter)
}

// seenRole is a role as the catalogs have it, with what somebody altered about it.
func (s *snapshot) seenRole(key grant.RoleKey) (grant.Role, []platform.Alteration) {
	name := key.RoleName()
	out := grant.Role{RoleKey: key, Objects: []grant.Object{}}
	booked := s.book.roles[name]
	who := s.role(name)
	wanted := wantedOf(booked.body)
	accounted := map[relName]bool{}
	var altered []platform.Alteration
	tell := func(path []string, what string) {
		altered = append(altered, platform.Alteration{Role: key, Path: path, What: what})
	}
	for _, o := range booked.body.Objects {
		seen, what := s.seenObject(booked, o, wanted, accounted)
		if seen != nil {
			out.Objects = append(out.Objects, *seen)
		}
		if what != "" {
			tell(o.Path, what)
		}
	}
	for _, at := range relNames(s.direct[who]) {
		if !accounted[at] {
			out.Objects = append(out.Objects, s.extraObject(at, who))
		}
	}
	if what := s.altered(booked, wanted); len(what) > 0 {
		out.Objects = append(out.Objects, grant.Object{Path: []string{"", name}, Kind: grant.AlteredRole})
		for _, w := range what {
			tell(nil, w)
		}
	}
	slices.SortStableFunc(out.Objects, grant.Object.Compare)
	return out, altered
}

// seenObject is one object of the books, as it really is: the same where
// nothing deviates, with the columns that are really open and what deviates
// where something does, and nil where nothing is open.
func (s *snapshot) seenObject(b bookRole, o grant.Object, wanted map[relName]*held, accounted map[relName]bool) (seen *grant.Object, what string) {
	who := s.role(b.body.RoleName())
	at := relName{o.Path[0], o.Path[1]}
	base := s.rels[at]
	altered := &grant.Object{Path: o.Path, Kind: o.Kind}
	another := base != nil && b.born[dotted(o.Path)].another(base.born)
	if s.unread(at) != "" && s.opens(b.body.RoleKey, o) {
		accounted[at], accounted[relName{b.body.SchemaName(), viewName(o.Path)}] = !o.Masked(), o.Masked()
		return &o, ""
	}
	if o.Masked() {
		v := relName{b.body.SchemaName(), viewName(o.Path)}
		accounted[v] = true
		what := s.maskedWrong(b.body, o, wanted[v])
		switch {
		case what != "" && s.rels[v] == nil:
			return nil, what
		case what != "":
			return altered, what
		case another:
			return altered, rebuilt
		}
		return &o, ""
	}
	accounted[at] = true
	h := s.held(who, at)
	switch {
	case base == nil:
		return nil, "the table is gone"
	case h.empty():
		return nil, "the role's privileges on it were taken away"
	case h.equal(wanted[at]) && another:
		return altered, rebuilt
	case h.equal(wanted[at]) && !s.hasColumns(base, o):
		altered.Columns = s.open(base, h)
		return altered, "some of its columns are gone"
	case h.equal(wanted[at]):
		return &o, ""
	}
	altered.Columns = s.open(base, h)
	if slices.EqualFunc(altered.Columns, o.Columns, func(a, b grant.Column) bool { return a.Name == b.Name }) {
		altered.Columns = nil // the columns agree, something else does not
	}
	return altered, "the role holds other privileges on it than it should"
}

const rebuilt = "the table was altered or made anew under its name, and privileges go by name here"

func (s *snapshot) hasColumns(r *relation, o grant.Object) bool {
	for _, c := range o.Columns {
		if _, ok := r.column(c.Name); !ok {
			return false
		}
	}
	return true
}

// maskedWrong says what deviates on a masked object; nothing where it is exactly
// as it should be.
func (s *snapshot) maskedWrong(body grant.Role, o grant.Object, want *held) string {
	name, home := body.RoleName(), body.SchemaName()
	baseAt, at := relName{o.Path[0], o.Path[1]}, relName{home, viewName(o.Path)}
	base, v := s.rels[baseAt], s.rels[at]
	view := "view " + at.database + "." + at.name
	switch {
	case base == nil:
		return "the table is gone"
	case v == nil:
		return view + ", which hides its masked columns, is gone"
	case s.homeMine(home, name) != nil:
		return "database " + home + " has lost our mark"
	case !s.hasColumns(base, o):
		return "some of its columns are gone"
	}
	text, err := s.definition(home, o, base)
	switch {
	case err != nil || !s.intact(v, name, digest(text)):
		return view + " is not as we made it"
	case !s.held(s.role(name), at).equal(want):
		return "the role holds other privileges on " + view + " than it should"
	}
	if lacks := s.ownerLacks(o); lacks != "" {
		return "the owner of the views may not read " + lacks
	}
	return ""
}

// extraObject is a relation that a role of ours can reach though the books do
// not say so.
func (s *snapshot) extraObject(at relName, who account) grant.Object {
	out := grant.Object{Path: at.path(), Kind: "table"}
	if r := s.rels[at]; r != nil {
		out.Kind, out.Columns = r.kindName(), s.open(r, s.held(who, at))
		return out
	}
	for _, c := range keys(s.held(who, at).columns["SELECT"]) {
		out.Columns = append(out.Columns, grant.Column{Name: c})
	}
	return out
}

// open are the columns that can be selected, in table order.
func (s *snapshot) open(r *relation, h *held) []grant.Column {
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

// altered says what has no place among objects.
func (s *snapshot) altered(b bookRole, wanted map[relName]*held) []string {
	name := b.body.RoleName()
	who := s.role(name)
	var out []string
	switch {
	case !s.hasRole(name):
		out = append(out, "it is gone")
	case !s.oracle && !s.made(name): // on MySQL a right on all roles takes its place
		out = append(out, "the engine may no longer pass it on")
	case !s.members[name][fuseOwner]:
		out = append(out, "the events that end grants may no longer take people out")
	}
	if !b.settled {
		out = append(out, "an engine died while changing it")
	}
	for _, raw := range keys(s.wide[who]) {
		place := "everything"
		if raw != "" {
			place = unescape(raw)
		}
		out = append(out, "it holds "+strings.Join(keys(s.wide[who][raw]), ", ")+" on "+place)
	}
	for _, of := range keys(s.joined[who]) {
		out = append(out, "it was put into role "+of)
	}
	for _, at := range relNames(s.book.views) {
		if s.book.views[at].role == name && wanted[at] == nil {
			out = append(out, "view "+at.database+"."+at.name+" is left over")
		}
	}
	return out
}

// kindName is the kind of a relation as data sources spell it.
func (r *relation) kindName() string {
	if strings.HasSuffix(r.kind, "VIEW") {
		return "view"
	}
	return "table"
}

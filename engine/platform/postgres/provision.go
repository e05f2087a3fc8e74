package postgres

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// provision builds what makes a role as wanted. It gives back the role as far
// as the database can serve it, and a fault for the part that it cannot: that
// part is closed, never left as it was.
func (b *builder) provision(want grant.Role) (grant.Role, *fault, error) {
	if err := b.s.mine(want.RoleKey); err != nil {
		return want, nil, err
	}
	if want.Access != resource.Read && want.Access != resource.Write {
		return want, nil, faultf(platform.Unsupported, "access level %q is not read or write: correct the request", want.Access)
	}
	can, lack := b.s.serve(want)
	body, open := b.s.keepLost(want, can, lack)
	name := b.s.roleName(want.RoleKey)
	b.group(want.RoleKey)
	b.members(name)
	b.closeRest(can)
	if err := b.views(can); err != nil {
		return can, lack, err
	}
	b.clear(can)
	b.aids(can)
	b.ownerRest(can)
	b.unuse(name, schemasOf(can))
	b.recordRole(body)
	if open != nil || len(body.Objects) > len(can.Objects) {
		if b.lost == nil {
			b.lost = map[string]*fault{}
		}
		b.lost[name] = open
	}
	if open != nil {
		lack = open
	}
	return can, lack, nil
}

// serve keeps of a role what exists and can be done. The fault is the most
// serious reason for what is left out.
func (s *snapshot) serve(want grant.Role) (grant.Role, *fault) {
	can := grant.Role{RoleKey: want.RoleKey, Objects: []grant.Object{}}
	var worst *fault
	note := func(f *fault) {
		if f != nil && (worst == nil || gravity(f) > gravity(worst)) {
			worst = f
		}
	}
	seen, w := map[relName]bool{}, s.withholding()
	for _, o := range want.Objects {
		kept, f := s.serveObject(o)
		note(f)
		if f != nil && len(kept.Columns) == 0 {
			continue
		}
		at := relName{o.Path[1], o.Path[2]}
		if seen[at] {
			note(faultf(platform.Unsupported, "%s is listed twice: list it once", dotted(o.Path)))
			continue
		}
		seen[at] = true
		if w.may(want, kept) {
			can.Objects = append(can.Objects, kept)
		}
	}
	note(w.fault())
	return can, worst
}

// gravity orders faults: what somebody has to correct, then a right that is
// missing, then what may come by itself.
func gravity(f *fault) int {
	switch f.code {
	case platform.Unsupported, platform.BadName:
		return 2
	case platform.NoRight:
		return 1
	default:
		return 0
	}
}

func (s *snapshot) serveObject(o grant.Object) (grant.Object, *fault) {
	if len(o.Path) != 3 {
		return grant.Object{}, faultf(platform.Unsupported, "path %s is not database, schema and table: correct the data source", dotted(o.Path))
	}
	if o.Path[0] != s.database {
		return grant.Object{}, faultf(platform.NoObject, "%s is not in database %s, which the connection reaches", dotted(o.Path), s.database)
	}
	for i, kind := range []string{"schema", "table"} {
		if name := o.Path[i+1]; !nameable(name) {
			return grant.Object{}, badName(kind, name)
		}
	}
	r := s.rels[relName{o.Path[1], o.Path[2]}]
	if r == nil {
		return grant.Object{}, faultf(platform.NoObject, "%s does not exist: create it, or remove the data source", dotted(o.Path))
	}
	if r.owner == viewsRole {
		return grant.Object{}, faultf(platform.Unsupported, "%s is a masked view of ours: name the table", dotted(o.Path))
	}
	if !o.Masked() && r.hasColumns(o) {
		return o, nil
	}
	kept := grant.Object{Path: o.Path, Kind: o.Kind, ReadOnly: o.ReadOnly}
	var lack *fault
	for _, c := range o.Columns {
		have, ok := r.column(c.Name)
		if !ok && !nameable(c.Name) {
			lack = badName("column", c.Name)
			continue
		}
		if !ok {
			lack = faultf(platform.NoColumn, "%s has no column %s: add it, or correct the data source", dotted(o.Path), c.Name)
			continue
		}
		if _, _, err := expression(have, c.Mask); err != nil {
			return grant.Object{}, faultf(platform.Unsupported, "%s: %v", dotted(o.Path), err)
		}
		kept.Columns = append(kept.Columns, c)
	}
	return s.keepMasked(o, kept), lack
}

// keepMasked closes an object whose every masked column is missing: what is
// left would have to be opened at the table itself, another address.
func (s *snapshot) keepMasked(o, kept grant.Object) grant.Object {
	if o.Masked() && !kept.Masked() {
		kept.Columns = nil
	}
	return kept
}

func dotted(path []string) string { return strings.Join(path, ".") }

func schemasOf(r grant.Role) map[string]bool {
	out := map[string]bool{}
	for _, o := range r.Objects {
		if o.Masked() {
			out[r.SchemaName()] = true
		} else {
			out[o.Path[1]] = true
		}
	}
	return out
}

// wanted is what a role holds on each relation when all is as it should be.
func (s *snapshot) wanted(r grant.Role) map[relName]*held {
	out := make(map[relName]*held, len(r.Objects))
	for _, o := range r.Objects {
		if o.Masked() {
			out[relName{r.SchemaName(), viewName(o.Path)}] = s.wants.with(nothing, access{priv: "SELECT"})
			continue
		}
		h, names := nothing, s.wants.listOf(o).names
		for _, priv := range columnPrivileges(r.Writes(o)) {
			h = s.wants.with(h, access{priv: priv, columns: names})
		}
		if r.Writes(o) {
			h = s.wants.with(h, access{priv: "DELETE"})
		}
		out[relName{o.Path[1], o.Path[2]}] = h
	}
	return out
}

func columnPrivileges(writes bool) []string {
	if writes {
		return []string{"INSERT", "SELECT", "UPDATE"}
	}
	return []string{"SELECT"}
}

func columnNames(o grant.Object) []string {
	names := make([]string, len(o.Columns))
	for i, c := range o.Columns {
		names[i] = c.Name
	}
	return names
}

// closeRest takes away every privilege of the role beyond what it should hold,
// and drops views that it no longer has.
func (b *builder) closeRest(can grant.Role) {
	name := b.s.roleName(can.RoleKey)
	want := b.s.wanted(can)
	for _, at := range b.s.heldBy(name) {
		h := want[at]
		if h == nil {
			h = newHeld()
		}
		b.keepOnly("the role must not hold this", name, b.s.rels[at], h)
	}
	for _, at := range relNames(b.s.book.viewsOf[name]) {
		if want[at] == nil {
			b.dropView(at)
		}
	}
}

// clear opens the objects without masks, column by column.
func (b *builder) clear(can grant.Role) {
	name := b.s.roleName(can.RoleKey)
	b.steps = slices.Grow(b.steps, len(can.Objects))
	for _, o := range can.Objects {
		if o.Masked() {
			continue
		}
		b.use(name, o.Path[1])
		r := b.s.rels[relName{o.Path[1], o.Path[2]}]
		for _, priv := range columnPrivileges(can.Writes(o)) {
			b.grantColumns("open the listed columns", name, r, priv, b.s.wants.listOf(o).names)
		}
		if can.Writes(o) {
			b.grantTable("let members delete rows", name, r, "DELETE")
		}
	}
}

// members takes back options of memberships that let a member pass the role
// on or act as it.
func (b *builder) members(name string) {
	r := b.s.roles[name]
	for i, m := range r.members {
		if m.account == b.s.engine || !m.privileged {
			continue
		}
		if m.admin {
			b.add("members must not pass the role on", "REVOKE ADMIN OPTION FOR "+ident(name)+" FROM "+ident(m.account))
			r.members[i].admin = false
		}
		if b.s.version >= 160000 && (m.set || !m.inherit) {
			b.add("members must not act as the role", "GRANT "+ident(name)+" TO "+ident(m.account)+" WITH INHERIT TRUE, SET FALSE")
			r.members[i].set, r.members[i].inherit = false, true
		}
	}
}

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
	aims := b.s.aims(can)
	b.closeRest(name, aims)
	if err := b.views(can); err != nil {
		return can, lack, err
	}
	b.clear(can, aims)
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
	w := s.withholding(s.roleName(want.RoleKey))
	var seen map[relName]bool // nil where nothing is listed twice
	if !ascending(want) {
		seen = map[relName]bool{}
	}
	whole := true // so far all can be done, and nothing was copied
	leave := func(i int) {
		if whole {
			whole, can.Objects = false, slices.Clone(want.Objects[:i])
		}
	}
	for i := range want.Objects {
		o := &want.Objects[i]
		kept, r, f := s.serveObject(o)
		note(f)
		if f != nil && len(kept.Columns) == 0 {
			leave(i)
			continue
		}
		if seen[relName{o.Path[1], o.Path[2]}] {
			note(faultf(platform.Unsupported, "%s is listed twice: list it once", dotted(o.Path)))
			leave(i)
			continue
		}
		if seen != nil {
			seen[relName{o.Path[1], o.Path[2]}] = true
		}
		may := w.may(want, kept, r)
		if !may || f != nil {
			leave(i)
		}
		if may && !whole {
			can.Objects = append(can.Objects, *kept)
		}
	}
	if whole {
		can.Objects = slices.Clip(want.Objects)
	}
	note(w.fault())
	return can, worst
}

// ascending reports whether the objects of a role are in order and no path
// comes twice.
func ascending(r grant.Role) bool {
	for i := 1; i < len(r.Objects); i++ {
		if slices.Compare(r.Objects[i-1].Path, r.Objects[i].Path) >= 0 {
			return false
		}
	}
	return true
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

// serveObject keeps of an object what its table has: all of it where there is
// no fault.
func (s *snapshot) serveObject(o *grant.Object) (*grant.Object, *relation, *fault) {
	if len(o.Path) != 3 {
		return &grant.Object{}, nil, faultf(platform.Unsupported, "path %s is not database, schema and table: correct the data source", dotted(o.Path))
	}
	if o.Path[0] != s.database {
		return &grant.Object{}, nil, faultf(platform.NoObject, "%s is not in database %s, which the connection reaches", dotted(o.Path), s.database)
	}
	r := s.table(o)
	if r == nil {
		for i, kind := range []string{"schema", "table"} {
			if name := o.Path[i+1]; !nameable(name) {
				return &grant.Object{}, nil, badName(kind, name)
			}
		}
		return &grant.Object{}, nil, faultf(platform.NoObject, "%s does not exist: create it, or remove the data source", dotted(o.Path))
	}
	if r.owner == viewsRole {
		return &grant.Object{}, r, faultf(platform.Unsupported, "%s is a masked view of ours: name the table", dotted(o.Path))
	}
	masked := o.Masked()
	if !masked && r.hasColumns(o) {
		return o, r, nil
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
			return &grant.Object{}, r, faultf(platform.Unsupported, "%s: %v", dotted(o.Path), err)
		}
		kept.Columns = append(kept.Columns, c)
	}
	if masked && !kept.Masked() {
		// Every masked column is missing: what is left would have to be opened at
		// the table itself, another address.
		kept.Columns = nil
	}
	return &kept, r, lack
}

func dotted(path []string) string { return strings.Join(path, ".") }

func schemasOf(r grant.Role) map[string]bool {
	out := map[string]bool{}
	last := ""
	for i := range r.Objects {
		name := r.Objects[i].Path[1]
		if r.Objects[i].Masked() {
			name = r.SchemaName()
		}
		if name != last {
			out[name], last = true, name
		}
	}
	return out
}

// What members of a role may do with the listed columns of a table.
var (
	readPrivileges  = []string{"SELECT"}
	writePrivileges = []string{"INSERT", "SELECT", "UPDATE"}
)

func columnPrivileges(writes bool) []string {
	if writes {
		return writePrivileges
	}
	return readPrivileges
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
func (b *builder) closeRest(name string, aims []aim) {
	for _, r := range b.s.heldBy(name) {
		h := b.s.aimed(r)
		if h == nil {
			h = newHeld()
		}
		b.keepOnly("the role must not hold this", name, r, h)
	}
	for _, at := range relNames(b.s.book.viewsOf[name]) {
		if !aimsAt(aims, at) {
			b.dropView(at)
		}
	}
}

// clear opens the objects without masks, column by column.
func (b *builder) clear(can grant.Role, aims []aim) {
	name := b.s.roleName(can.RoleKey)
	schemaName := ""
	for i := range can.Objects {
		o, a := &can.Objects[i], &aims[i]
		if o.Masked() {
			continue
		}
		if o.Path[1] != schemaName {
			schemaName = o.Path[1]
			b.use(name, schemaName)
		}
		if b.s.same(a.rel.direct[name], a.want) {
			continue
		}
		for _, priv := range columnPrivileges(can.Writes(*o)) {
			b.grantColumns("open the listed columns", name, a.rel, priv, b.s.wants.listOf(*o).names)
		}
		if can.Writes(*o) {
			b.grantTable("let members delete rows", name, a.rel, "DELETE")
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

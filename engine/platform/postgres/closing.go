package postgres

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// lost is an object that a role of ours opened by our hand, and still opens by
// what is the owner's grant now: the table changed its owner, with whom the grants
// of the old one go, or the engine left the role that owns it. Only the owner can
// close it. What others granted beside us is foreign, as everywhere.
type lost struct {
	object     grant.Object // with the columns that are still open
	statements []string     // for the owner to run
}

// lostOf are the lost objects of a role, by the books, which keep them until
// they are closed. What another grantor opened beside us is not among them.
func (s *snapshot) lostOf(body grant.Role) []lost {
	name := s.roleName(body.RoleKey)
	var out []lost
	for i := range body.Objects {
		o := &body.Objects[i]
		if r := s.table(o); r != nil && len(r.acl) > 0 && !o.Masked() && s.usable(name, r.schema) {
			if l := s.lostObject(name, body, r, *o); len(l.statements) > 0 {
				out = append(out, l)
			}
		}
	}
	return out
}

func (s *snapshot) lostObject(name string, body grant.Role, r *relation, o grant.Object) lost {
	if !slices.ContainsFunc(r.acl, func(a access) bool { return a.grantee == name }) {
		return lost{}
	}
	h, open, privs := r.held(name), map[string]bool{}, columnPrivileges(body.Writes(o))
	if body.Writes(o) {
		privs = append(privs, "DELETE")
	}
	out := lost{object: grant.Object{Path: o.Path, Kind: o.Kind, ReadOnly: o.ReadOnly}}
	for _, a := range r.acl {
		if a.grantee != name || a.ours || a.grantor != r.owner || h.table[a.priv] || !slices.Contains(privs, a.priv) {
			continue
		}
		columns := a.columns
		if columns == nil {
			columns = columnNames(o)
		}
		columns = slices.DeleteFunc(slices.Clone(columns), func(c string) bool {
			_, there := r.column(c)
			return h.columns[a.priv][c] || !there || !slices.Contains(columnNames(o), c)
		})
		if len(columns) == 0 {
			continue
		}
		priv := a.priv
		if a.columns != nil {
			priv += " (" + idents(columns) + ")"
		}
		if text := a.grantor + " run REVOKE " + priv + " ON " + r.quoted() + " FROM " + ident(name) + ";"; !slices.Contains(out.statements, text) {
			out.statements = append(out.statements, text)
		}
		for _, c := range columns {
			open[c] = true
		}
	}
	for _, c := range o.Columns {
		if open[c.Name] || h.columns["SELECT"][c.Name] {
			out.object.Columns = append(out.object.Columns, c)
		}
	}
	return out
}

// keepLost gives what the books keep of a role that is made as it can be, and
// the fault of what it opens beyond what it should: nil where it opens no more.
func (s *snapshot) keepLost(want, can grant.Role, lack *fault) (grant.Role, *fault) {
	body := can
	var texts []string
	name := s.roleName(want.RoleKey)
	booked := s.book.roles[name]
	if r := s.roles[name]; r == nil || booked.oid != r.oid {
		return can, nil
	}
	for _, l := range s.lostOf(booked.body) {
		same := func(o grant.Object) bool { return slices.Equal(o.Path, l.object.Path) }
		if i := slices.IndexFunc(want.Objects, same); i < 0 || want.Objects[i].Masked() || slices.ContainsFunc(l.object.Columns, func(c grant.Column) bool {
			return !slices.Contains(columnNames(want.Objects[i]), c.Name)
		}) {
			texts = append(texts, l.statements...)
		}
		if !slices.ContainsFunc(can.Objects, same) {
			body.Objects = append(slices.Clone(body.Objects), l.object)
		}
	}
	if len(texts) == 0 {
		return body, nil
	}
	body.Objects = slices.Clone(body.Objects)
	slices.SortStableFunc(body.Objects, grant.Object.Compare)
	more := ""
	if n := len(texts); n > maxListed {
		texts, more = texts[:maxListed], " and more of the kind;"
	}
	detail := "the engine's account may no longer close what the role must not open: let " + strings.Join(texts, " let ") + more + " until then nobody joins the role"
	if lack != nil {
		detail += "; besides, " + lack.detail
	}
	return body, &fault{platform.NoRight, detail}
}

package mysql

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
)

// Some relations cannot be read while privileges on them can: those that the
// server shows nobody without a privilege, views whose tables, columns or definer
// are gone, and tables whose files are damaged. What is open there stays open,
// and what is closed stays closed, until they can be read again.

// unread is why a relation cannot be read, and what to do about it; empty where
// it can, or is known to be gone.
func (s *snapshot) unread(at relName) string {
	if r := s.rels[at]; r != nil {
		return r.unread
	}
	if h, _ := s.holding(at); !h.empty() {
		return ""
	}
	return "the server does not show it to the engine's account, if it is there: run the setup statements for its database"
}

// readDefiners finds the views that work with the rights of an account that is
// gone, and what the server could not open.
func (s *snapshot) readDefiners(r *reader) {
	views := map[relName]bool{}
	for at, rel := range s.rels {
		switch {
		case len(rel.columns) == 0 && rel.engine == "":
			rel.unread = "the server cannot open it: let its owner repair or drop it"
		case rel.kind == "VIEW":
			views[at] = true
		}
	}
	s.union(r, "SELECT TABLE_SCHEMA, TABLE_NAME, DEFINER, SECURITY_TYPE FROM information_schema.VIEWS", s.places(views), func(row []string) error {
		rel, i := s.rels[relName{row[0], row[1]}], strings.LastIndex(row[2], "@")
		if rel != nil && i >= 0 && row[3] == "DEFINER" && s.logins[account{row[2][:i], row[2][i+1:]}] == nil {
			rel.unread = "it works with the rights of " + row[2] + ", which does not exist: let its owner make it anew"
		}
		return nil
	})
}

// opens reports whether a role opens an object exactly as it should, as far as
// that can be told without the relation itself: by the privileges on it, and by
// the view that was made of it.
func (s *snapshot) opens(key grant.RoleKey, o grant.Object) bool {
	if s.book == nil {
		return false
	}
	role := grant.Role{RoleKey: key, Objects: []grant.Object{o}}
	name, at, want := role.RoleName(), relName{o.Path[0], o.Path[1]}, wantedOf(role)
	if !o.Masked() {
		return s.held(s.role(name), at).equal(want[at])
	}
	booked := slices.ContainsFunc(s.book.roles[name].body.Objects, func(b grant.Object) bool { return toJSON(b) == toJSON(o) })
	v := relName{key.SchemaName(), viewName(o.Path)}
	view := s.rels[v]
	return booked && view != nil && s.homeMine(v.database, name) == nil && s.intact(view, name, s.book.views[v].text) &&
		s.held(s.role(name), v).equal(want[v]) && s.ownerLacks(o) == ""
}

// ownerLacks is what the owner of the views may not read of what it has to.
func (s *snapshot) ownerLacks(o grant.Object) string {
	if !s.held(viewsOwner, relName{bookDatabase, "salt"}).table["SELECT"] {
		return "the salt of its hashes"
	}
	h := s.held(viewsOwner, relName{o.Path[0], o.Path[1]})
	for _, c := range reads(o) {
		if !h.columns["SELECT"][c] {
			return "column " + c
		}
	}
	return ""
}

// unknown are the objects in the books that cannot be read, in order.
func (s *snapshot) unknown() [][]string {
	found := map[relName]bool{}
	for _, r := range s.book.roles {
		for _, o := range r.body.Objects {
			if at := (relName{o.Path[0], o.Path[1]}); s.unread(at) != "" {
				found[at] = true
			}
		}
	}
	var out [][]string
	for _, at := range relNames(found) {
		out = append(out, at.path())
	}
	return out
}

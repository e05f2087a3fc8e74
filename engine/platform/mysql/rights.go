package mysql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// withheld gathers the objects of one role that the engine's account may not
// open to others, and the statements by which an administrator lets it.
type withheld struct {
	s          *snapshot
	objects    []string
	statements []string
}

// ownRights are what the engine's account holds by itself, by the roles that
// are active in its sessions, and by PUBLIC. Roles that it only made count for
// nothing.
type ownRights struct {
	wide []access // on databases and on the server
	at   map[relName][]access
}

func (s *snapshot) sortOwnRights() {
	var active []string
	if l := s.logins[s.engine]; l != nil {
		active = l.defaults
	}
	s.own.at = map[relName][]access{}
	acts := s.counts(s.engine, active)
	for _, a := range s.rights {
		switch {
		case !acts(a.grantee):
		case a.at.name == "":
			s.own.wide = append(s.own.wide, a)
		default:
			s.own.at[a.at] = append(s.own.at[a.at], a)
		}
	}
}

// holding is what the engine holds on a relation, and whether it may pass that on.
func (s *snapshot) holding(at relName) (h *held, passes bool) {
	h, passes = newHeld(), s.passes
	add := func(a access) {
		h.add(a.priv, a.columns)
		passes = passes || a.pass
	}
	for _, a := range s.own.wide {
		if a.raw == "" || covers(a.raw, at.database) {
			add(a)
		}
	}
	for _, a := range s.own.at[at] {
		add(a)
	}
	return h, passes
}

// may reports whether the engine may open an object to a role, all of it, or has. An
// object that it may not open is noted. Of several privileges on databases the
// server looks at one alone, which is not told here: where that is the wrong
// one, the grant itself fails, and the object is left out then.
func (w *withheld) may(want grant.Role, o grant.Object) bool {
	if w.s.opens(want.RoleKey, o) {
		return true // nothing is to be granted
	}
	at := relName{o.Path[0], o.Path[1]}
	if w.s.refused[refusal{want.RoleName(), at}] {
		w.note(o, privilegesFor(want, o))
		return false
	}
	h, passes := w.s.holding(at)
	var lack []string
	for _, priv := range privilegesFor(want, o) {
		has := h.table[priv]
		if !has && priv != "DELETE" {
			columns := columnNames(o)
			if o.Masked() {
				columns = reads(o)
			}
			has = !slices.ContainsFunc(columns, func(c string) bool { return !h.columns[priv][c] })
		}
		if !has || !passes {
			lack = append(lack, priv)
		}
	}
	if len(lack) > 0 {
		w.note(o, lack)
	}
	return len(lack) == 0
}

// privilegesFor are the privileges that opening an object takes.
func privilegesFor(want grant.Role, o grant.Object) []string {
	privs := columnPrivileges(want.Writes(o))
	switch {
	case o.Masked():
		return []string{"SELECT"}
	case want.Writes(o):
		privs = append(privs, "DELETE")
	}
	return privs
}

func (w *withheld) note(o grant.Object, privs []string) {
	w.objects = append(w.objects, dotted(o.Path))
	w.statements = append(w.statements, w.s.letting(relName{o.Path[0], o.Path[1]}, privs))
}

// letting is the statement that lets the engine open a relation to others.
func (s *snapshot) letting(at relName, privs []string) string {
	return "GRANT " + strings.Join(privs, ", ") + " ON " + ident(at.database, at.name) + " TO " + s.engine.quoted() + " WITH GRANT OPTION;"
}

// unseen is for what seems to be missing: the server shows nothing of a relation
// or column on which the engine's account holds no privilege.
func (s *snapshot) unseen(key grant.RoleKey, o grant.Object) string {
	at := relName{o.Path[0], o.Path[1]}
	if h, _ := s.holding(at); len(h.table) > 0 {
		return ""
	}
	return "; where it is there and not shown to the engine's account, let an administrator run " + s.letting(at, privilegesFor(grant.Role{RoleKey: key}, o))
}

// What a fault lists at most: the rest is the same again.
const maxListed = 10

// fault says what was left out and what lets the engine open it; nil where
// nothing was.
func (w *withheld) fault() *fault {
	n := len(w.objects)
	if n == 0 {
		return nil
	}
	what, texts, more := w.objects[0], w.statements, ""
	if n > 1 {
		what = fmt.Sprintf("%s and %d more", what, n-1)
	}
	if n > maxListed {
		texts, more = texts[:maxListed], fmt.Sprintf(" and %d more of the kind", n-maxListed)
	}
	return faultf(platform.NoRight, "the engine's account may not open %s to others: run the setup statements for the whole database, or let an administrator run %s%s", what, strings.Join(texts, " "), more)
}

// gravity orders faults: what somebody has to correct, then a right that is
// missing, then what may come by itself.
func gravity(f *fault) int {
	switch f.code {
	case platform.Unsupported, platform.BadName, platform.NotOurs:
		return 2
	case platform.NoRight:
		return 1
	default:
		return 0
	}
}

// refusal is a relation that the server would not let us open to a role, though
// nothing that we read speaks against it.
type refusal struct {
	role string
	at   relName
}

// refusedBy is the relation of a role that a statement of ours, which the server
// refused, was about; none where it was about something else.
func (s *snapshot) refusedBy(want grant.Role, statement string) (refusal, bool) {
	for _, o := range want.Objects {
		if len(o.Path) != 2 {
			continue
		}
		at := relName{o.Path[0], o.Path[1]}
		grants := strings.HasPrefix(statement, "GRANT ") && strings.Contains(statement, " ON TABLE "+ident(at.database, at.name)+" TO ")
		view := o.Masked() && s.viewStatement(want, o) == statement
		if one := (refusal{want.RoleName(), at}); (grants || view) && !s.refused[one] {
			return one, true
		}
	}
	return refusal{}, false
}

func (s *snapshot) viewStatement(want grant.Role, o grant.Object) string {
	if base := s.rels[relName{o.Path[0], o.Path[1]}]; base != nil {
		if text, err := s.definition(want.SchemaName(), o, base); err == nil {
			return text
		}
	}
	return ""
}

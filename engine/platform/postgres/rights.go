package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// withheld gathers the objects of one role that the engine's account may not
// open to others, and the statements by which their owners let it.
type withheld struct {
	s          *snapshot
	role       string
	objects    []string
	owners     map[string]bool
	statements []string
	// aids are those that the engine may not pass on.
	aids []*aid
	in   *schema // of the last object
}

func (s *snapshot) withholding(role string) *withheld {
	w := &withheld{s: s, role: role, owners: map[string]bool{}}
	for _, a := range s.aids {
		if !a.public && !a.grantable {
			w.aids = append(w.aids, a)
		}
	}
	return w
}

// may reports whether the engine may open an object to a role, all of it. An
// object that it may not open is noted.
func (w *withheld) may(want grant.Role, o *grant.Object, r *relation) bool {
	s, name := w.s, w.role
	var lack []string
	note := func(owner, text string) {
		w.owners[owner] = true
		lack = append(lack, text+" TO "+ident(s.engine)+" WITH GRANT OPTION;")
	}
	if w.in == nil || w.in.name != r.schema {
		w.in = s.schemas[r.schema]
	}
	n := w.in
	if !n.usable || !n.grantable && !n.public && !n.usage[name] && !o.Masked() {
		note(s.name(n.ownerID), "GRANT USAGE ON SCHEMA "+ident(n.name))
	}
	if privs := s.lacking(want, o, r); len(privs) > 0 {
		note(r.owner, "GRANT "+strings.Join(privs, ", ")+" ON "+r.quoted())
	}
	for _, a := range w.aids {
		if a.tables[r.oid] && !a.held[name] && want.Writes(*o) {
			note(a.owner, "GRANT "+a.priv()+" ON "+a.kind+" "+a.sql)
		}
	}
	if len(lack) == 0 {
		return true
	}
	w.objects = append(w.objects, dotted(o.Path))
	for _, text := range lack {
		if !slices.Contains(w.statements, text) {
			w.statements = append(w.statements, text)
		}
	}
	return false
}

// lacking are the privileges, as GRANT spells them, that opening an object
// needs and that the engine may not pass on.
func (s *snapshot) lacking(want grant.Role, o *grant.Object, r *relation) []string {
	if s.acts[r.ownerID] {
		return nil
	}
	privs := [...]string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	n := len(privs)
	if !want.Writes(*o) {
		n = 1
	}
	var out []string
	for _, priv := range privs[:n] {
		if s.passesOn(r.access.table, priv) {
			continue
		}
		if priv == "DELETE" {
			out = append(out, priv)
			continue
		}
		columns := columnNames(*o)
		if o.Masked() {
			_, columns, _, _ = definition(want.SchemaName(), *o, r) //nolint:dogsled // what the view reads; its masks were tried before
		}
		some := false // the owner grants by column
		missing := slices.DeleteFunc(columnNames(*o), func(c string) bool {
			has := s.passesOnColumn(r, priv, c)
			some = some || has
			return has || !slices.Contains(columns, c)
		})
		switch {
		case len(missing) == 0:
		case some:
			out = append(out, priv+" ("+idents(missing)+")")
		default:
			out = append(out, priv)
		}
	}
	return out
}

// passesOn reports whether the engine, or a role whose rights it has, was
// granted a privilege with grant option.
func (s *snapshot) passesOn(list *accessList, priv string) bool {
	return list != nil && slices.ContainsFunc(list.items, func(i grantItem) bool {
		return i.grantable && i.priv == priv && s.acts[i.grantee]
	})
}

func (s *snapshot) passesOnColumn(r *relation, priv, name string) bool {
	c, _ := r.column(name)
	return slices.ContainsFunc(r.access.columns, func(a columnAccess) bool { return a.num == c.num && s.passesOn(a.list, priv) })
}

// What a fault lists at most: the rest is the same again.
const maxListed = 10

// fault says what was left out and what its owners run; nil where nothing was.
func (w *withheld) fault() *fault {
	if len(w.objects) == 0 {
		return nil
	}
	what, whose, more := w.objects[0], "its owner", ""
	if n := len(w.objects); n > 1 {
		what = fmt.Sprintf("%s and %d more", what, n-1)
	}
	if len(w.owners) > 1 {
		whose = "their owners"
	}
	texts := w.statements
	if n := len(texts); n > maxListed {
		texts, more = texts[:maxListed], fmt.Sprintf(" and %d more of the kind", n-maxListed)
	}
	return faultf(platform.NoRight, "the engine's account may not open %s to others: let %s (%s) run %s%s",
		what, whose, strings.Join(keys(w.owners), ", "), strings.Join(texts, " "), more)
}

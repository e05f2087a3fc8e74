package mysql

import (
	"strings"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// roleWork is what makes one role as wanted. GRANT commits by itself, so the
// books say first that the role is being changed, and last that it is settled.
type roleWork struct {
	can  grant.Role // the role as far as the server can serve it
	lack *fault     // for the part that it cannot: that part is closed, never left as it was

	// In the order in which they run. Those of open are grants to the role alone.
	intent, narrow, open, settle []platform.Statement
}

// mayProvision is the reason not to touch a role at all, nil where there is none.
func (s *snapshot) mayProvision(want grant.Role) error {
	if err := s.mine(want.RoleKey); err != nil {
		return err
	}
	if want.Access != resource.Read && want.Access != resource.Write {
		return faultf(platform.Unsupported, "access level %q is not read or write: correct the request", want.Access)
	}
	return nil
}

// provision builds what makes a role as wanted.
func (b *builder) provision(want grant.Role) (roleWork, error) {
	if err := b.s.mayProvision(want); err != nil {
		return roleWork{}, err
	}
	var p roleWork
	p.can, p.lack = b.s.serve(want)
	name := want.RoleName()
	b.createRole("make the role", name)
	b.letFusesOut(name)
	b.keepNarrow(name)
	b.closeRest(p.can)
	if err := b.views(p.can); err != nil {
		return p, err
	}
	b.ownerRest(p.can)
	p.narrow = b.take()
	b.clear(p.can)
	p.open = b.take()
	b.record(&p)
	return p, nil
}

// record puts the books around what was built, where anything was or the books
// say something else.
func (b *builder) record(p *roleWork) {
	name := p.can.RoleName()
	have, booked := b.s.book.roles[name]
	born := b.s.births(p.can)
	works := len(p.narrow)+len(p.open) > 0
	if !works && booked && have.settled && sameRole(have.body, p.can) && toJSON(have.born) == toJSON(b.s.kept(have.born, born)) {
		return
	}
	row := func(why, settled string) []platform.Statement {
		b.keep(why, "INSERT INTO assent.roles (name, settled, body, born) VALUES ("+literal(name)+", "+settled+", "+literal(toJSON(p.can))+", "+
			literal(toJSON(born))+") ON DUPLICATE KEY UPDATE settled = VALUES(settled), body = VALUES(body), born = VALUES(born)")
		return b.take()
	}
	if works {
		p.intent = row("keep what the role will open", "FALSE")
		b.keep("the role opens that", "UPDATE assent.roles SET settled = TRUE WHERE name = "+literal(name))
		p.settle = b.take()
	} else {
		p.settle = row("keep what the role opens", "TRUE")
	}
	b.s.book.roles[name] = bookRole{settled: true, body: p.can, born: born}
}

// births are the present ones of the tables of a role.
func (s *snapshot) births(r grant.Role) map[string]birth {
	out := map[string]birth{}
	for _, o := range r.Objects {
		at := relName{o.Path[0], o.Path[1]}
		was, known := s.book.roles[r.RoleName()].born[dotted(o.Path)]
		rel := s.rels[at]
		switch {
		case known && s.unread(at) != "":
			out[dotted(o.Path)] = was
		case rel != nil:
			out[dotted(o.Path)] = rel.born
		}
	}
	return out
}

// kept is what the books should hold: where a table is still the one that was
// recorded, as it was recorded.
func (s *snapshot) kept(have, now map[string]birth) map[string]birth {
	out := map[string]birth{}
	for path, b := range now {
		if was, ok := have[path]; ok && !was.another(b) {
			b = was
		}
		out[path] = b
	}
	return out
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
	masked := map[relName]bool{}
	for _, o := range want.Objects {
		if len(o.Path) == 2 && o.Masked() {
			masked[relName{o.Path[0], o.Path[1]}] = true
		}
	}
	seen, w := map[relName]bool{}, &withheld{s: s}
	for _, o := range want.Objects {
		kept, f := s.serveObject(want.RoleKey, o)
		note(f)
		if f != nil && len(kept.Columns) == 0 {
			continue
		}
		at := relName{o.Path[0], o.Path[1]}
		if seen[at] || masked[at] && !o.Masked() {
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

func tooLong(name string) bool { return utf8.RuneCountInString(name) > maxIdent }

func badName(name string) *fault {
	return faultf(platform.BadName, "%q has %d characters, and a name here at most %d: correct the data source", name, utf8.RuneCountInString(name), maxIdent)
}

func (s *snapshot) serveObject(key grant.RoleKey, o grant.Object) (grant.Object, *fault) {
	if len(o.Path) != 2 {
		return grant.Object{}, faultf(platform.Unsupported, "path %s is not database and table: correct the data source", dotted(o.Path))
	}
	for _, name := range o.Path {
		if tooLong(name) {
			return grant.Object{}, badName(name)
		}
	}
	at := relName{o.Path[0], o.Path[1]}
	if s.systemDatabase(at.database) || s.book != nil && s.book.homes[at.database] != "" {
		return grant.Object{}, faultf(platform.Unsupported, "%s is in a database of the server's or of ours: name a table of your own", dotted(o.Path))
	}
	if why := s.unread(at); why != "" && s.opens(key, o) {
		return o, faultf(platform.NoObject, "%s stays open as it is and cannot be read: %s", dotted(o.Path), why)
	}
	if _, ok := s.databases[at.database]; !ok {
		return grant.Object{}, faultf(platform.NoObject, "database %s does not exist, or the engine may not see it: create it, or run the setup statements for it", at.database)
	}
	r := s.rels[at]
	if r == nil {
		return grant.Object{}, faultf(platform.NoObject, "%s does not exist: create it, or remove the data source%s", dotted(o.Path), s.unseen(key, o))
	}
	if r.unread != "" {
		return grant.Object{}, faultf(platform.NoObject, "%s cannot be opened: %s", dotted(o.Path), r.unread)
	}
	if o.Masked() {
		if f := s.viewMine(key, o); f != nil {
			return grant.Object{}, f
		}
	}
	kept := grant.Object{Path: o.Path, Kind: o.Kind, ReadOnly: o.ReadOnly}
	var lack *fault
	listed := map[string]bool{}
	for _, c := range o.Columns {
		have, ok := r.column(c.Name)
		if !ok {
			lack = faultf(platform.NoColumn, "%s has no column %s: add it, or correct the data source%s", dotted(o.Path), c.Name, s.unseen(key, o))
			if tooLong(c.Name) {
				lack = badName(c.Name)
			}
			continue
		}
		if listed[c.Name] {
			return grant.Object{}, faultf(platform.Unsupported, "%s lists column %s twice: list it once", dotted(o.Path), c.Name)
		}
		listed[c.Name] = true
		if _, err := (masker{s.oracle}).expression(have, c.Mask); err != nil {
			return grant.Object{}, faultf(platform.Unsupported, "%s: %v", dotted(o.Path), err)
		}
		kept.Columns = append(kept.Columns, c)
	}
	if o.Masked() && !kept.Masked() {
		// What is left would have to be opened at the table itself, another address.
		kept.Columns = nil
	}
	return kept, lack
}

func dotted(path []string) string { return strings.Join(path, ".") }

// wantedOf is what a role holds on each relation when all is as it should be.
func wantedOf(r grant.Role) map[relName]*held {
	out := map[relName]*held{}
	for _, o := range r.Objects {
		if o.Masked() {
			out[relName{r.SchemaName(), viewName(o.Path)}] = reading(nil)
			continue
		}
		h := newHeld()
		for _, priv := range columnPrivileges(r.Writes(o)) {
			h.add(priv, columnNames(o))
		}
		if r.Writes(o) {
			h.add("DELETE", nil)
		}
		out[relName{o.Path[0], o.Path[1]}] = h
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
	who := b.s.role(can.RoleName())
	want := wantedOf(can)
	for _, at := range relNames(b.s.direct[who]) {
		h := want[at]
		if h == nil {
			h = newHeld()
		}
		b.keepOnly("the role must not hold this", who, at, h)
	}
	for _, at := range relNames(b.s.book.views) {
		if b.s.book.views[at].role == can.RoleName() && want[at] == nil {
			b.dropView(at)
		}
	}
}

// clear opens the objects without masks, column by column.
func (b *builder) clear(can grant.Role) {
	who, want := b.s.role(can.RoleName()), wantedOf(can)
	for _, o := range can.Objects {
		if !o.Masked() {
			at := relName{o.Path[0], o.Path[1]}
			b.give("open the listed columns", who, at, want[at])
		}
	}
}

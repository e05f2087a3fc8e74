package mysql

import (
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// definition is the statement that makes the view of a masked object.
func (s *snapshot) definition(home string, o grant.Object, r *relation) (string, error) {
	k := masker{s.oracle}
	var list []string
	salted := false
	for _, c := range o.Columns {
		have, _ := r.column(c.Name)
		sql, err := k.expression(have, c.Mask)
		if err != nil {
			return "", err
		}
		list = append(list, sql+" AS "+ident(c.Name))
		salted = salted || c.Mask != nil && c.Mask.Type == resource.MaskHash
	}
	return k.definition(home, r.relName, list, salted), nil
}

// reads are the columns that the owner of a masked object's view has to read.
func reads(o grant.Object) []string {
	var out []string
	for _, c := range o.Columns {
		if usesColumn(c.Mask) {
			out = append(out, c.Name)
		}
	}
	if len(out) == 0 {
		// To count rows, too, the server wants the owner to read some column.
		out = append(out, o.Columns[0].Name)
	}
	return out
}

func homeMark(s *snapshot) string {
	return "assent masked views of connection " + string(s.connection)
}

// views makes the database and the views of the masked objects.
func (b *builder) views(can grant.Role) error {
	home := can.SchemaName()
	kept := false
	for _, o := range can.Objects {
		if !o.Masked() {
			continue
		}
		b.home(home, can.RoleName())
		if err := b.view(can.RoleName(), home, o); err != nil {
			return err
		}
		kept = true
	}
	if !kept {
		b.dropHome(home, can.RoleName())
	}
	return nil
}

// homeMine fails where the database of a role's views is somebody else's.
func (s *snapshot) homeMine(home, role string) *fault {
	comment, there := s.databases[home]
	if !there || s.book != nil && s.book.homes[home] == role && (s.oracle || comment == homeMark(s)) {
		return nil
	}
	return faultf(platform.NotOurs, "database %s exists and is not ours: rename it", home)
}

// viewMine fails where something that is no view has the name of a masked
// object's view. Any view of that name in a database of ours is ours to replace.
func (s *snapshot) viewMine(key grant.RoleKey, o grant.Object) *fault {
	at := relName{key.SchemaName(), viewName(o.Path)}
	if f := s.homeMine(at.database, key.RoleName()); f != nil {
		return f
	}
	if r := s.rels[at]; r != nil && r.kind != "VIEW" {
		return faultf(platform.NotOurs, "%s.%s exists and is not ours: drop it", at.database, at.name)
	}
	return nil
}

func (b *builder) home(home, role string) {
	if b.s.book.homes[home] != role {
		b.keep("the database of the masked views is ours", "INSERT INTO assent.homes (name, role) VALUES ("+literal(home)+", "+literal(role)+")")
		b.s.book.homes[home] = role
	}
	if _, ok := b.s.databases[home]; !ok {
		comment := " COMMENT = " + literal(homeMark(b.s))
		if b.s.oracle {
			comment = ""
		}
		b.add("make the database of the masked views", "CREATE DATABASE "+ident(home)+" CHARACTER SET utf8mb4"+comment)
		b.s.databases[home] = homeMark(b.s)
	}
}

// view makes one view, or makes it anew where its definition or the server's
// own idea of it changed.
func (b *builder) view(role, home string, o grant.Object) error {
	at := relName{home, viewName(o.Path)}
	if b.s.unread(relName{o.Path[0], o.Path[1]}) != "" {
		return nil // it is as it should be, and stays
	}
	base := b.s.rels[relName{o.Path[0], o.Path[1]}]
	text, err := b.s.definition(home, o, base)
	if err != nil {
		return faultf(platform.Unsupported, "%s: %v", dotted(o.Path), err)
	}
	b.give("the view shows or masks these columns", viewsOwner, base.relName, reading(reads(o)))
	have := b.s.rels[at]
	if have == nil || !b.s.intact(have, role, digest(text)) {
		b.checkPatterns(o)
		b.add("mask "+dotted(o.Path), text)
		b.keep("keep what the server made of the view",
			"INSERT INTO assent.views (home, name, role, text, def) SELECT TABLE_SCHEMA, TABLE_NAME, "+literal(role)+", "+literal(digest(text))+", "+
				viewDigest+" FROM information_schema.VIEWS WHERE TABLE_SCHEMA = "+literal(home)+" AND TABLE_NAME = "+literal(at.name)+" AND BINARY TABLE_NAME = "+literal(at.name)+
				" ON DUPLICATE KEY UPDATE role = VALUES(role), text = VALUES(text), def = VALUES(def)")
		b.s.rels[at] = &relation{relName: at, kind: "VIEW", definer: viewsOwner.String(), def: "planned"}
		b.s.book.views[at] = bookView{role: role, text: digest(text), def: "planned"}
	}
	b.give("open the masked view", b.s.role(role), at, reading(nil))
	return nil
}

// checkPatterns makes the server refuse a bad pattern now, not when somebody
// reads the view.
func (b *builder) checkPatterns(o grant.Object) {
	for _, c := range o.Columns {
		if c.Mask != nil && c.Mask.Type == resource.MaskRegex {
			if sql, err := b.masker().regex("_utf8mb4''", *c.Mask); err == nil { // otherwise the view is not made at all
				b.keep("check the pattern of "+c.Name, "SELECT "+sql)
			}
		}
	}
}

// intact reports whether a view still is what we made.
func (s *snapshot) intact(r *relation, role, text string) bool {
	b, ok := s.book.views[r.relName]
	return ok && r.kind == "VIEW" && b.role == role && b.text == text && b.def == r.def && r.definer == viewsOwner.String()
}

func (b *builder) dropView(at relName) {
	if b.s.homeMine(at.database, b.s.book.views[at].role) != nil {
		return // it shows as left over
	}
	if r := b.s.rels[at]; r != nil && r.kind == "VIEW" {
		b.add("the view is no longer right", "DROP VIEW "+ident(at.database, at.name))
		delete(b.s.rels, at)
	}
	if _, ok := b.s.book.views[at]; ok {
		b.keep("forget the view", "DELETE FROM assent.views WHERE home = "+literal(at.database)+" AND name = "+literal(at.name))
		delete(b.s.book.views, at)
	}
}

// dropHome drops a database of ours once no view is left in it.
func (b *builder) dropHome(home, role string) {
	if b.s.book.homes[home] != role || b.s.homeMine(home, role) != nil {
		return
	}
	for at := range b.s.rels {
		if at.database == home {
			return
		}
	}
	if _, ok := b.s.databases[home]; ok {
		b.add("no masked view is left in it", "DROP DATABASE "+ident(home))
		delete(b.s.databases, home)
	}
	b.keep("forget the database", "DELETE FROM assent.homes WHERE name = "+literal(home))
	delete(b.s.book.homes, home)
}

// ownerRest takes from the owner of the views the columns that no view reads
// any more, this role being as given.
func (b *builder) ownerRest(can grant.Role) {
	need := map[relName]*held{{bookDatabase, "salt"}: reading(nil)}
	count := func(r grant.Role) {
		for _, o := range r.Objects {
			if o.Masked() {
				at := relName{o.Path[0], o.Path[1]}
				if need[at] == nil {
					need[at] = newHeld()
				}
				need[at].add("SELECT", reads(o))
			}
		}
	}
	for name, r := range b.s.book.roles {
		if name != can.RoleName() {
			count(r.body)
		}
	}
	count(can)
	for _, at := range relNames(b.s.direct[viewsOwner]) {
		want := need[at]
		if want == nil {
			want = newHeld()
		}
		b.keepOnly("no view reads this any more", viewsOwner, at, want)
	}
}

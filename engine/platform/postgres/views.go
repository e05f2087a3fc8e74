package postgres

import (
	"maps"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// definition is the statement that makes the view of a masked object, the
// columns of the table that it reads, and whether it needs the salt.
func definition(schemaName string, o grant.Object, r *relation) (text string, reads []string, salted bool, err error) {
	var list []string
	for _, c := range o.Columns {
		have, _ := r.column(c.Name)
		sql, uses, err := expression(have, c.Mask)
		if err != nil {
			return "", nil, false, err
		}
		list = append(list, sql+" AS "+ident(c.Name))
		if uses {
			reads = append(reads, c.Name)
		}
		salted = salted || c.Mask != nil && c.Mask.Type == resource.MaskHash
	}
	if len(reads) == 0 {
		// To count rows, too, the server wants the owner to read some column.
		reads = append(reads, o.Columns[0].Name)
	}
	text = "CREATE VIEW " + ident(schemaName, viewName(o.Path)) + " AS SELECT " + strings.Join(list, ", ") +
		" FROM " + ident(r.schema, r.name) + " AS t"
	return text, reads, salted, nil
}

// views makes the schema and the views of the masked objects.
func (b *builder) views(can grant.Role) error {
	schemaName, name := can.SchemaName(), b.s.roleName(can.RoleKey)
	kept := false
	for _, o := range can.Objects {
		if !o.Masked() {
			continue
		}
		if !kept {
			if err := b.viewSchema(schemaName); err != nil {
				return err
			}
			b.use(name, schemaName)
			kept = true
		}
		if err := b.view(name, schemaName, o); err != nil {
			return err
		}
	}
	if !kept {
		b.dropSchema(schemaName)
	}
	return nil
}

func (b *builder) viewSchema(name string) error {
	if err := b.owner(); err != nil {
		return err
	}
	if err := b.s.schemaMine(name); err != nil {
		return err
	}
	if b.s.schemas[name] != nil {
		return nil
	}
	b.add("make the schema of the masked views", "CREATE SCHEMA "+ident(name)+" AUTHORIZATION "+viewsRole)
	b.keep("mark the schema as ours", "COMMENT ON SCHEMA "+ident(name)+" IS "+literal(b.s.schemaMark()))
	b.s.schemas[name] = &schema{
		name: name, comment: b.s.schemaMark(), planned: true,
		usage: map[string]bool{}, granted: map[string]bool{},
	}
	return nil
}

// view makes one view, or makes it anew where its definition or the server's
// own idea of it changed.
func (b *builder) view(name, schemaName string, o grant.Object) error {
	at := relName{schemaName, viewName(o.Path)}
	base := b.s.rels[relName{o.Path[1], o.Path[2]}]
	text, reads, salted, err := definition(schemaName, o, base)
	if err != nil {
		return faultf(platform.Unsupported, "%s: %v", dotted(o.Path), err)
	}
	b.grantColumns("the view shows or masks these columns", viewsRole, base, "SELECT", reads)
	if salted {
		b.salted()
	}
	have := b.s.rels[at]
	if have != nil && b.s.intact(have, name, digest(text)) {
		b.grantTable("open the masked view", name, have, "SELECT")
		return nil
	}
	if have != nil {
		if _, booked := b.s.book.views[at]; !booked && !strings.HasPrefix(have.comment, markPrefix) {
			return faultf(notOurs, "%s.%s exists and is not ours: drop it", at.schema, at.name)
		}
		b.dropView(at)
	}
	b.change(at)
	b.checkPatterns(o)
	b.add("mask "+dotted(o.Path), text)
	v := ident(at.schema, at.name)
	b.add("the owner alone reads the table", "ALTER VIEW "+v+" OWNER TO "+viewsRole)
	b.keep("keep the view's digest with it", "COMMENT ON VIEW "+v+" IS "+literal(viewMark(digest(text))))
	b.s.rels[at] = &relation{relName: at, kind: 'v', owner: viewsRole, comment: viewMark(digest(text)), direct: map[string]*held{}}
	b.grantTable("open the masked view", name, b.s.rels[at], "SELECT")
	b.keep("keep what the server made of the view",
		"INSERT INTO assent.view (schema, name, role, path, text, def) SELECT "+literal(at.schema)+", "+literal(at.name)+", "+literal(name)+", "+
			array(o.Path)+", "+literal(digest(text))+", encode(sha256(convert_to(pg_get_viewdef(c.oid) || coalesce(c.reloptions::text, ''), 'UTF8')), 'hex')"+
			" FROM pg_class c WHERE c.oid = "+literal(v)+"::regclass"+
			" ON CONFLICT (schema, name) DO UPDATE SET role = EXCLUDED.role, path = EXCLUDED.path, text = EXCLUDED.text, def = EXCLUDED.def")
	b.s.book.setView(at, bookView{role: name, path: o.Path, text: digest(text)})
	return nil
}

// salted lets the owner of the views read the salt, where it does not yet.
func (b *builder) salted() {
	if !b.s.salted {
		b.salt()
		b.s.salted = true
	}
}

// checkPatterns makes the server refuse a bad pattern now, not when somebody
// reads the view.
func (b *builder) checkPatterns(o grant.Object) {
	for _, c := range o.Columns {
		if c.Mask != nil && c.Mask.Type == resource.MaskRegex {
			if sql, err := regexMask("''::pg_catalog.text", *c.Mask); err == nil { // otherwise the view is not made at all
				b.keep("check the pattern of "+c.Name, "SELECT "+sql)
			}
		}
	}
}

// intact reports whether a view still is what we made.
func (s *snapshot) intact(r *relation, role, text string) bool {
	b, ok := s.book.views[r.relName]
	return ok && r.kind == 'v' && b.role == role && b.text == text && b.def == r.def &&
		r.owner == viewsRole && r.comment == viewMark(text)
}

func (b *builder) dropView(at relName) {
	b.change(at)
	if r := b.s.rels[at]; r != nil && r.kind == 'v' {
		b.add("the view is no longer right", "DROP VIEW "+ident(at.schema, at.name))
		delete(b.s.rels, at)
		r.gone = true
	}
	if _, ok := b.s.book.views[at]; ok {
		b.keep("forget the view", "DELETE FROM assent.view WHERE schema = "+literal(at.schema)+" AND name = "+literal(at.name))
		b.s.book.dropView(at)
	}
}

// dropSchema drops a schema of ours once no view is left in it.
func (b *builder) dropSchema(name string) {
	n := b.s.schemas[name]
	if n == nil || b.s.schemaMine(name) != nil {
		return
	}
	for at := range b.s.rels {
		if at.schema == name {
			return
		}
	}
	b.add("no masked view is left in it", "DROP SCHEMA "+ident(name))
	delete(b.s.schemas, name)
}

// ownerRest takes from the owner of the views the columns that no view of the
// role's present or former tables reads any more.
func (b *builder) ownerRest(can grant.Role) {
	name := b.s.roleName(can.RoleKey)
	if len(b.s.heldBy(viewsRole)) == 0 {
		return
	}
	touched := map[relName]bool{}
	touch := func(r grant.Role) {
		for i := range r.Objects {
			if base := b.s.table(&r.Objects[i]); base != nil && !base.held(viewsRole).empty() {
				touched[base.relName] = true
			}
		}
	}
	touch(b.s.book.roles[name].body)
	touch(can)
	need := map[relName]*held{}
	others := map[string]bool{}
	for at := range touched {
		need[at] = newHeld()
		maps.Copy(others, b.s.book.maskers[at])
	}
	count := func(r grant.Role) {
		for _, o := range r.Objects {
			at := relName{o.Path[1], o.Path[2]}
			if !touched[at] || !o.Masked() {
				continue
			}
			if _, reads, _, err := definition(r.SchemaName(), o, b.s.rels[at]); err == nil {
				need[at].add(access{priv: "SELECT", columns: reads})
			}
		}
	}
	for other := range others {
		if other != name {
			count(b.s.book.roles[other].body)
		}
	}
	count(can)
	for _, at := range relNames(need) {
		b.keepOnly("no view reads this any more", viewsRole, b.s.rels[at], need[at])
	}
}

func array(parts []string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = literal(p)
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]"
}

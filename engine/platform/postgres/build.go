package postgres

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// builder turns changes into statements, for Preview and Apply alike. It reads
// a snapshot and writes into it what the statements will do.
type builder struct {
	s   *snapshot
	out []platform.Statement
	// touched are the accounts whose membership or row the statements change.
	touched map[string]bool
}

func (b *builder) touch(account string) {
	if b.touched == nil {
		b.touched = map[string]bool{}
	}
	b.touched[account] = true
}

func (b *builder) add(why, text string) {
	b.out = append(b.out, platform.Statement{Text: text, Why: why})
}

// take gives the statements so far and starts anew.
func (b *builder) take() []platform.Statement {
	out := b.out
	b.out = nil
	return out
}

// bootstrap makes the bookkeeping where there is none.
func (b *builder) bootstrap() {
	if b.s.book != nil {
		return
	}
	const why = "keep our own books in this database"
	conn := literal(string(b.s.connection))
	for _, text := range []string{
		`CREATE SCHEMA assent`,
		`COMMENT ON SCHEMA assent IS ` + literal(bookMark),
		`REVOKE ALL ON SCHEMA assent FROM PUBLIC`,
		`CREATE TABLE assent.meta (one bool PRIMARY KEY DEFAULT true CHECK (one), connection text NOT NULL,` +
			` epoch int8 NOT NULL, mark_seq int8 NOT NULL, mark_digest text NOT NULL)`,
		`INSERT INTO assent.meta (connection, epoch, mark_seq, mark_digest) VALUES (` + conn + `, 0, 0, '')`,
		`CREATE TABLE assent.salt (one bool PRIMARY KEY DEFAULT true CHECK (one), salt bytea NOT NULL)`,
		`REVOKE ALL ON assent.salt FROM PUBLIC`,
		`INSERT INTO assent.salt (salt) VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')))`,
		`CREATE TABLE assent.role (name text PRIMARY KEY, oid oid NOT NULL, body text NOT NULL)`,
		`CREATE TABLE assent.view (schema text, name text, role text NOT NULL, path text[] NOT NULL,` +
			` text text NOT NULL, def text NOT NULL, PRIMARY KEY (schema, name))`,
		`CREATE TABLE assent.member (role text, account text, not_after timestamptz, requests text NOT NULL,` +
			` ending bool NOT NULL DEFAULT false, PRIMARY KEY (role, account))`,
	} {
		b.add(why, text)
	}
	b.s.book = &book{
		connection: string(b.s.connection),
		roles:      map[string]bookRole{}, views: map[relName]bookView{}, members: map[memberKey]bookMember{},
	}
}

// mark records the ledger position of a batch.
func (b *builder) mark(m platform.Mark) {
	if b.s.book.seq == m.Seq && b.s.book.digest == m.Digest {
		return
	}
	b.add("record the ledger position", `UPDATE assent.meta SET mark_seq = `+number(m.Seq)+`, mark_digest = `+literal(m.Digest))
	b.s.book.seq, b.s.book.digest = m.Seq, m.Digest
}

// rename gives every role of ours the name back that somebody changed.
func (b *builder) rename() {
	for _, now := range keys(b.s.renamed) {
		b.add("somebody renamed the role", "ALTER ROLE "+ident(now)+" RENAME TO "+ident(b.s.renamed[now]))
		b.s.roles[b.s.renamed[now]].nowCalled = ""
	}
	b.s.renamed = nil
}

// group makes the role, or gives it back the attributes and the mark it had.
func (b *builder) group(key grant.RoleKey) {
	name := b.s.roleName(key)
	r := b.s.roles[name]
	if r == nil {
		b.add("make the role", "CREATE ROLE "+ident(name)+" NOLOGIN NOINHERIT")
		r = &role{name: name, planned: true}
		b.s.roles[name] = r
	}
	if len(r.altered) > 0 {
		b.add("take back attributes that the role must not have", "ALTER ROLE "+ident(name)+" "+strings.Join(r.altered, " "))
		r.altered = nil
	}
	if mark := b.s.roleMark(key); r.comment != mark {
		b.add("mark the role as ours", "COMMENT ON ROLE "+ident(name)+" IS "+literal(mark))
		r.comment = mark
	}
}

// owner makes the role that owns masked views.
func (b *builder) owner() error {
	r := b.s.roles[viewsRole]
	if r == nil {
		b.add("make the owner of masked views", "CREATE ROLE "+viewsRole+" NOLOGIN NOINHERIT")
		b.add("mark the role as ours", "COMMENT ON ROLE "+viewsRole+" IS "+literal(viewsMark))
		r = &role{name: viewsRole, comment: viewsMark, planned: true}
		b.s.roles[viewsRole] = r
	}
	if r.comment != viewsMark {
		return faultf(notOurs, "role %s exists and is not ours: rename or drop it", viewsRole)
	}
	if len(r.altered) > 0 {
		b.add("take back attributes that the role must not have", "ALTER ROLE "+viewsRole+" "+strings.Join(r.altered, " "))
		r.altered = nil
	}
	member := slices.ContainsFunc(r.members, func(m membership) bool { return m.account == b.s.engine && m.inherit && m.set })
	if !member && !b.s.engineSuper {
		options := ""
		if b.s.version >= 160000 {
			options = " WITH INHERIT TRUE, SET TRUE"
		}
		b.add("let the engine act as the owner of masked views", "GRANT "+viewsRole+" TO "+ident(b.s.engine)+options)
		r.members = append(r.members, membership{account: b.s.engine, inherit: true, set: true})
	}
	return nil
}

// salt lets the owner of masked views read the salt.
func (b *builder) salt() {
	b.add("let hash masks use the salt", "GRANT SELECT ON TABLE assent.salt TO "+viewsRole)
}

// grantColumns gives a role a privilege on the columns that it lacks.
func (b *builder) grantColumns(why, to string, r *relation, priv string, columns []string) {
	h := r.held(to)
	var missing []string
	for _, c := range columns {
		if !h.columns[priv][c] {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return
	}
	b.add(why, "GRANT "+priv+" ("+idents(missing)+") ON TABLE "+ident(r.schema, r.name)+" TO "+ident(to))
	b.s.holds(to, r, access{priv: priv, columns: missing})
}

func (b *builder) grantTable(why, to string, r *relation, priv string) {
	h := r.held(to)
	if h.table[priv] {
		return
	}
	b.add(why, "GRANT "+priv+" ON TABLE "+ident(r.schema, r.name)+" TO "+ident(to))
	b.s.holds(to, r, access{priv: priv})
}

// keepOnly takes from a role what it holds on a relation beyond want.
func (b *builder) keepOnly(why, from string, r *relation, want *held) {
	h := r.direct[from]
	if h.empty() {
		return
	}
	on := " ON TABLE " + ident(r.schema, r.name) + " FROM " + ident(from)
	for _, priv := range keys(h.table) {
		if !want.table[priv] {
			// This also takes the privilege on every column; what is wanted of it is granted after.
			b.add(why, "REVOKE "+priv+on)
			delete(h.table, priv)
			delete(h.columns, priv)
		}
	}
	for _, priv := range keys(h.columns) {
		var extra []string
		for _, c := range keys(h.columns[priv]) {
			if !want.columns[priv][c] {
				extra = append(extra, c)
				delete(h.columns[priv], c)
			}
		}
		if len(extra) > 0 {
			b.add(why, "REVOKE "+priv+" ("+idents(extra)+")"+on)
		}
		if len(h.columns[priv]) == 0 {
			delete(h.columns, priv)
		}
	}
}

// use lets a role name the objects of a schema.
func (b *builder) use(to, schemaName string) {
	n := b.s.schemas[schemaName]
	if n.public || n.usage[to] {
		return
	}
	b.add("let members name the objects of the schema", "GRANT USAGE ON SCHEMA "+ident(schemaName)+" TO "+ident(to))
	n.usage[to], n.granted[to] = true, true
}

// unuse takes the use of every schema that the role no longer needs.
func (b *builder) unuse(from string, needed map[string]bool) {
	for _, name := range keys(b.s.schemas) {
		n := b.s.schemas[name]
		if n.granted[from] && !needed[name] {
			b.add("the role opens nothing there", "REVOKE USAGE ON SCHEMA "+ident(name)+" FROM "+ident(from))
			delete(n.granted, from)
			delete(n.usage, from)
		}
	}
}

// recordRole keeps what a role opens, where that changed.
func (b *builder) recordRole(body grant.Role) {
	name := b.s.roleName(body.RoleKey)
	have, ok := b.s.book.roles[name]
	if ok && have.oid == b.s.roles[name].oid && sameRole(have.body, body) {
		return
	}
	b.add("keep what the role opens", "INSERT INTO assent.role (name, oid, body) VALUES ("+literal(name)+", "+
		literal(name)+"::regrole, "+literal(toJSON(body))+") ON CONFLICT (name) DO UPDATE SET oid = EXCLUDED.oid, body = EXCLUDED.body")
	b.s.book.roles[name] = bookRole{oid: b.s.roles[name].oid, body: body}
}

func sameRole(a, b grant.Role) bool { return toJSON(a) == toJSON(b) }

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data always marshals
	}
	return string(text)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "NULL"
	}
	return literal(t.UTC().Format(time.RFC3339)) + "::timestamptz"
}

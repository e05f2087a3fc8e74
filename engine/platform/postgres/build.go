package postgres

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// builder turns changes into statements, for Preview and Apply alike. It reads
// a snapshot and writes into it what the statements will do.
type builder struct {
	s     *snapshot
	steps []step
	// single keeps every privilege in a statement of its own object, to find
	// the one that fails.
	single bool
	// touched are the memberships that the statements change, or the rows of them.
	touched map[memberKey]bool
	// changed, where set, gets the relations that the statements change.
	changed map[relName]bool
	// moves are those of the batch, once asked for.
	moves *moves
	// lost are the roles that hold what another grantor has to close, with the
	// fault where they should not: see keepLost.
	lost map[string]*fault
	// requests are those that requestsOf wrote last.
	requests struct {
		refs []resource.Ref
		text string
	}
}

func (b *builder) touch(role, account string) {
	if b.touched == nil {
		b.touched = map[memberKey]bool{}
	}
	b.touched[memberKey{role, account}] = true
}

// change notes that a statement changes a relation, or what may be done with it.
func (b *builder) change(at relName) {
	if b.changed != nil {
		b.changed[at] = true
	}
}

func (b *builder) add(why, text string) { b.steps = append(b.steps, step{why: why, text: text}) }

// keep adds a statement that keeps our own books, or makes what they need.
func (b *builder) keep(why, text string) {
	b.steps = append(b.steps, step{why: why, text: text, own: true})
}

// row adds a row to a statement that takes many.
func (b *builder) row(into *rows, key, text string) {
	b.steps = append(b.steps, step{into: into, key: key, text: text})
}

// cells adds a row to a statement that takes many as arrays: a role and an
// account, which a statement holds each once, and further elements.
func (b *builder) cells(into *rows, role, account string, more ...string) {
	b.steps = append(b.steps, step{into: into, role: role, key: account, cells: more})
}

// cut ends what belongs together: the next statement may come in another
// transaction.
func (b *builder) cut() { b.steps = append(b.steps, step{cut: true}) }

func (b *builder) privilege(v verb, what privilege, on, role string) {
	b.steps = append(b.steps, step{verb: v, what: what, on: on, role: role})
}

// take gives the statements so far and starts anew.
func (b *builder) take() []atom {
	objects := maxObjects
	if b.single {
		objects = 1
	}
	out := merge(b.steps, objects)
	b.steps = nil
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
			` ending bool NOT NULL DEFAULT false, PRIMARY KEY (role, account))` +
			` WITH (fillfactor = 50)`, // a row is written anew as its person leaves, then on the same page
	} {
		b.keep(why, text)
	}
	b.s.book = newBook()
	b.s.book.connection = string(b.s.connection)
}

// mark records the ledger position of a batch.
func (b *builder) mark(m platform.Mark) {
	if b.s.book.seq == m.Seq && b.s.book.digest == m.Digest {
		return
	}
	b.keep("record the ledger position", `UPDATE assent.meta SET mark_seq = `+number(m.Seq)+`, mark_digest = `+literal(m.Digest))
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
		b.keep("mark the role as ours", "COMMENT ON ROLE "+ident(name)+" IS "+literal(mark))
		r.comment = mark
	}
}

// owner makes the role that owns masked views.
func (b *builder) owner() error {
	r := b.s.roles[viewsRole]
	if r == nil {
		b.keep("make the owner of masked views", "CREATE ROLE "+viewsRole+" NOLOGIN NOINHERIT")
		b.keep("mark the role as ours", "COMMENT ON ROLE "+viewsRole+" IS "+literal(viewsMark))
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
		b.keep("let the engine act as the owner of masked views", "GRANT "+viewsRole+" TO "+ident(b.s.engine)+options)
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
	have := r.held(to).columns[priv]
	missing := columns
	if len(have) > 0 {
		missing = nil
		for _, c := range columns {
			if !have[c] {
				missing = append(missing, c)
			}
		}
	}
	if len(missing) == 0 {
		return
	}
	b.change(r.relName)
	b.privilege(grantVerb, privilege{why, priv, b.s.wants.list(missing), "TABLE"}, r.quoted(), to)
	b.s.holds(to, r, access{priv: priv, columns: missing})
}

func (b *builder) grantTable(why, to string, r *relation, priv string) {
	if r.held(to).table[priv] {
		return
	}
	b.change(r.relName)
	b.privilege(grantVerb, privilege{why, priv, nil, "TABLE"}, r.quoted(), to)
	b.s.holds(to, r, access{priv: priv})
}

// keepOnly takes from a role what it holds on a relation beyond want.
func (b *builder) keepOnly(why, from string, r *relation, want *held) {
	if r.direct[from].empty() || b.s.same(r.direct[from], want) {
		return
	}
	b.change(r.relName)
	h := r.direct[from].clone()
	for _, priv := range keys(h.table) {
		if !want.table[priv] {
			// This also takes the privilege on every column; what is wanted of it is granted after.
			b.privilege(revokeVerb, privilege{why, priv, nil, "TABLE"}, r.quoted(), from)
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
			b.privilege(revokeVerb, privilege{why, priv, b.s.wants.list(extra), "TABLE"}, r.quoted(), from)
		}
		if len(h.columns[priv]) == 0 {
			delete(h.columns, priv)
		}
	}
	r.sets(from, h)
}

// use lets a role name the objects of a schema.
func (b *builder) use(to, schemaName string) {
	n := b.s.schemas[schemaName]
	if n.public || n.usage[to] {
		return
	}
	b.privilege(grantVerb, privilege{"let members name the objects of the schema", "USAGE", nil, "SCHEMA"}, ident(schemaName), to)
	n.usage[to], n.granted[to] = true, true
	b.s.uses[to] = append(b.s.uses[to], n)
}

// unuse takes the use of every schema that the role no longer needs.
func (b *builder) unuse(from string, needed map[string]bool) {
	for _, n := range b.s.usesOf(from) {
		if b.s.schemas[n.name] == n && n.granted[from] && !needed[n.name] {
			b.privilege(revokeVerb, privilege{"the role opens nothing there", "USAGE", nil, "SCHEMA"}, ident(n.name), from)
			delete(n.granted, from)
			delete(n.usage, from)
		}
	}
}

var roleRows = &rows{
	why:    "keep what the role opens",
	before: "INSERT INTO assent.role (name, oid, body) VALUES ",
	after:  " ON CONFLICT (name) DO UPDATE SET oid = EXCLUDED.oid, body = EXCLUDED.body",
	late:   true,
	own:    true,
}

// recordRole keeps what a role opens, where that changed.
func (b *builder) recordRole(body grant.Role) {
	name := b.s.roleName(body.RoleKey)
	have, ok := b.s.book.roles[name]
	if ok && have.oid == b.s.roles[name].oid && sameRole(have.body, body) {
		return
	}
	b.row(roleRows, name, "("+literal(name)+", "+literal(name)+"::regrole, "+literal(encodeRole(body))+")")
	b.s.book.setRole(name, bookRole{oid: b.s.roles[name].oid, body: body})
}

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data always marshals
	}
	return string(text)
}

// instant is a time as an element of an array.
func instant(t time.Time) string {
	if t.IsZero() {
		return "NULL"
	}
	return element(t.UTC().Format(time.RFC3339))
}

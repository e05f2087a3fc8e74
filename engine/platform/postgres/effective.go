package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform"
)

// Effective implements platform.Inspector. It lists privileges on tables and on
// views over them, everything of owners and superusers, and what the
// predefined roles pg_read_all_data and pg_write_all_data open, for every role
// that can log in, is not the engine itself, may connect to the database and
// may use the schema. A membership that does not inherit counts too: its member
// has only to SET ROLE. What a function that runs with its owner's rights gives
// away cannot be told from the catalogs and is not in it.
func (p *Postgres) Effective(ctx context.Context, q platform.Question) (platform.Effective, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.read(ctx, wantedBy(nil))
	if err != nil {
		return platform.Effective{}, err
	}
	tx, err := p.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return platform.Effective{}, p.whole("read access", err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	e := &effective{s: s, q: q}
	for _, step := range []func(context.Context, pgx.Tx) error{e.readPeople, e.readEdges, e.readTables, e.readViews, e.readItems, e.readUse} {
		if err := step(ctx, tx); err != nil {
			return platform.Effective{}, p.whole("read access", err)
		}
	}
	return e.answer(), nil
}

// effective is one answer in the making. Object ids stand for roles and
// relations until it is written.
type effective struct {
	s *snapshot
	q platform.Question

	names  map[uint32]string
	supers map[uint32]bool
	people []uint32              // the roles that can log in
	into   map[uint32][]edge     // member → the roles that it is in
	tables map[uint32]*reachable // what was asked for, by relation
	shown  map[uint32][]showing  // relation → what it shows of a table
	items  map[uint32][]item     // by relation
	use    map[[2]uint32]bool    // role and relation: USAGE of its schema
	users  map[uint32][]uint32   // the same by relation
	actors map[uint32][]actor    // who acts as a role
	acting map[[2]uint32]bool    // the same by principal and role

	readAll, writeAll uint32 // the predefined roles
}

// edge is a membership. Where it does not inherit, its member has to SET ROLE.
type edge struct {
	role     uint32
	inherits bool
}

// reachable is a relation.
type reachable struct {
	oid, schema, owner uint32
	path               []string
}

// showing says that whoever may read a relation sees a table through it.
type showing struct {
	table *reachable
	view  string // empty where the relation is the table itself
	ours  bool   // a masked view of ours
	cols  []string
	mask  []string
}

// item is one privilege on a relation.
type item struct {
	grantee, grantor uint32
	priv             string
	columns          []string
}

func (e *effective) readPeople(ctx context.Context, tx pgx.Tx) error {
	e.names, e.supers = map[uint32]string{0: everybody}, map[uint32]bool{}
	var oid uint32
	var name string
	var super, login bool
	return each(ctx, tx, `SELECT oid, rolname, rolsuper, rolcanlogin AND has_database_privilege(oid, current_database(), 'CONNECT') FROM pg_roles ORDER BY rolname`, nil,
		[]any{&oid, &name, &super, &login}, func() error {
			e.names[oid] = name
			if super {
				e.supers[oid] = true
			}
			switch name {
			case "pg_read_all_data":
				e.readAll = oid
			case "pg_write_all_data":
				e.writeAll = oid
			}
			if login && name != e.s.engine && e.q.About(name) {
				e.people = append(e.people, oid)
			}
			return nil
		})
}

func (e *effective) readEdges(ctx context.Context, tx pgx.Tx) error {
	e.into = map[uint32][]edge{}
	options := "a.rolinherit"
	where := ""
	if e.s.version >= 160000 {
		options, where = "m.inherit_option", " WHERE m.inherit_option OR m.set_option"
	}
	var member uint32
	var to edge
	return each(ctx, tx, `SELECT m.member, m.roleid, bool_or(`+options+`)
		FROM pg_auth_members m JOIN pg_roles a ON a.oid = m.member JOIN pg_roles r ON r.oid = m.roleid`+where+`
		GROUP BY m.member, m.roleid, r.rolname ORDER BY m.member, r.rolname`, nil, []any{&member, &to.role, &to.inherits}, func() error {
		e.into[member] = append(e.into[member], to)
		return nil
	})
}

// readTables reads the relations that were asked for, but for our masked views.
func (e *effective) readTables(ctx context.Context, tx pgx.Tx) error {
	e.tables, e.shown = map[uint32]*reachable{}, map[uint32][]showing{}
	var oid, schemaID, owner uint32
	var schemaName, name string
	err := each(ctx, tx, `
		SELECT c.oid, n.oid, c.relowner, n.nspname, c.relname
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', $1)`, []any{bookSchema},
		[]any{&oid, &schemaID, &owner, &schemaName, &name}, func() error {
			t := &reachable{oid: oid, schema: schemaID, owner: owner, path: []string{e.s.database, schemaName, name}}
			if !e.q.Below(t.path) || e.s.masks(relName{schemaName, name}) {
				return nil
			}
			e.tables[oid] = t
			e.shown[oid] = append(e.shown[oid], showing{table: t})
			return nil
		})
	if err != nil {
		return err
	}
	e.showMasked()
	return nil
}

// masks reports whether a relation is a view that we made.
func (s *snapshot) masks(at relName) bool {
	if s.book == nil {
		return false
	}
	_, ok := s.book.views[at]
	return ok && s.rels[at] != nil && s.rels[at].owner == viewsRole
}

// showMasked adds what our own views show. One that somebody altered is added as
// a view of a stranger by readViews.
func (e *effective) showMasked() {
	if e.s.book == nil {
		return
	}
	for at, v := range e.s.book.views {
		view, body := e.s.rels[at], e.s.book.roles[v.role].body
		if view == nil || !e.s.intact(view, v.role, v.text) {
			continue
		}
		for _, o := range body.Objects {
			base := e.s.rels[relName{o.Path[1], o.Path[2]}]
			if base == nil || e.tables[base.oid] == nil || !slices.Equal(o.Path, v.path) {
				continue
			}
			sh := showing{table: e.tables[base.oid], ours: true, cols: columnNames(o)}
			for _, c := range o.Columns {
				if c.Mask != nil {
					sh.mask = append(sh.mask, c.Name)
				}
			}
			e.shown[view.oid] = append(e.shown[view.oid], sh)
		}
	}
}

// readViews adds the views over the tables that were asked for, of any depth:
// they read with the rights of their owner, and so do those who may read them.
func (e *effective) readViews(ctx context.Context, tx pgx.Tx) error {
	var oids []uint32
	for oid := range e.tables {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	var table, view uint32
	var schemaName, name string
	return each(ctx, tx, `
		WITH RECURSIVE dep AS (
			SELECT DISTINCT r.ev_class AS view, d.refobjid AS base
			FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
			WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> d.refobjid
		), over AS (
			SELECT base AS tab, view FROM dep WHERE base = ANY ($1::oid[])
			UNION
			SELECT o.tab, d.view FROM over o JOIN dep d ON d.base = o.view
		)
		SELECT o.tab, o.view, n.nspname, c.relname
		FROM over o JOIN pg_class c ON c.oid = o.view JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('v', 'm') AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)
		  AND n.nspname NOT IN ('information_schema', $2) AND n.nspname !~ '^pg_'
		ORDER BY 1, 3, 4`, []any{oids, bookSchema}, []any{&table, &view, &schemaName, &name}, func() error {
		if slices.ContainsFunc(e.shown[view], func(sh showing) bool { return sh.ours && sh.table.oid == table }) {
			return nil
		}
		e.shown[view] = append(e.shown[view], showing{table: e.tables[table], view: schemaName + "." + name})
		return nil
	})
}

// readItems reads who holds what on everything that shows a table.
func (e *effective) readItems(ctx context.Context, tx pgx.Tx) error {
	e.items = map[uint32][]item{}
	var oids []uint32
	for oid := range e.shown {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	var rel uint32
	var i item
	return each(ctx, tx, `
		SELECT c.oid, a.grantee, a.grantor, a.privilege_type, NULL::text[]
		FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = ANY ($1::oid[]) AND a.grantee <> c.relowner
		UNION ALL
		SELECT c.oid, a.grantee, a.grantor, a.privilege_type, array_agg(t.attname::text ORDER BY t.attnum)
		FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attacl IS NOT NULL AND NOT t.attisdropped, aclexplode(t.attacl) a
		WHERE c.oid = ANY ($1::oid[]) AND a.grantee <> c.relowner
		GROUP BY 1, 2, 3, 4`, []any{oids}, []any{&rel, &i.grantee, &i.grantor, &i.priv, &i.columns}, func() error {
		e.items[rel] = append(e.items[rel], i)
		i.columns = nil
		return nil
	})
}

// readUse reads who may use the schemas of everything that shows a table.
func (e *effective) readUse(ctx context.Context, tx pgx.Tx) error {
	e.use, e.users = map[[2]uint32]bool{}, map[uint32][]uint32{}
	var oids []uint32
	for oid := range e.shown {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	var role, rel uint32
	return each(ctx, tx, `
		WITH n AS MATERIALIZED (SELECT c.oid AS rel, s.oid, s.nspacl, s.nspowner FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[]))
		SELECT DISTINCT a.grantee, n.rel FROM n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE a.privilege_type = 'USAGE'
		UNION SELECT nspowner, rel FROM n`, []any{oids}, []any{&role, &rel}, func() error {
		e.use[[2]uint32{role, rel}] = true
		e.users[rel] = append(e.users[rel], role)
		return nil
	})
}

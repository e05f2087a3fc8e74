package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
)

// read takes a snapshot in one REPEATABLE READ, READ ONLY transaction.
func (p *Postgres) read(ctx context.Context, w wanted) (*snapshot, error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, p.whole("read", err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	s := &snapshot{connection: p.cfg.Connection}
	w.known, w.bodies = p.bodies, map[string]grant.Role{}
	steps := []func(context.Context, pgx.Tx, *wanted) error{
		s.readServer, s.readBook, s.readRoles, s.readMembers, s.readSchemas, s.readRelations, s.readViews, s.readAccess, s.readNames, s.readColumns, s.readAids, s.readTimers,
	}
	for _, step := range steps {
		if err := step(ctx, tx, &w); err != nil {
			return nil, p.whole("read", err)
		}
	}
	p.timers, p.bodies = s.timers.usable, w.bodies
	return s, p.whole("read", tx.Commit(ctx))
}

func (s *snapshot) readServer(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	var system string
	err := tx.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int, (SELECT system_identifier::text FROM pg_control_system()),
		       current_database(), r.rolname, r.oid, r.rolsuper
		FROM pg_roles r WHERE r.rolname = current_user`,
	).Scan(&s.version, &system, &s.database, &s.engine, &s.engineID, &s.engineSuper)
	s.serverID = system + "/" + s.database
	return err
}

func (s *snapshot) readBook(ctx context.Context, tx pgx.Tx, w *wanted) error {
	var mark *string
	err := tx.QueryRow(ctx, `
		SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace n
		WHERE n.nspname = $1 AND pg_has_role(n.nspowner, 'USAGE')`, bookSchema).Scan(&mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return s.bookTaken(ctx, tx)
	}
	if err != nil {
		return err
	}
	if mark == nil || *mark != bookMark {
		return faultf(notOurs, "schema %s exists and is not ours: rename it", bookSchema)
	}
	b := newBook()
	err = tx.QueryRow(ctx, `SELECT connection, epoch, mark_seq::text::numeric::int8, mark_digest FROM assent.meta`).
		Scan(&b.connection, &b.epoch, &b.seq, &b.digest)
	if err != nil {
		return err
	}
	if b.connection != string(s.connection) {
		return faultf(notOurs, "the database is governed as connection %q: use that name", b.connection)
	}
	s.book = b
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
		WHERE c.oid = 'assent.salt'::regclass AND a.privilege_type = 'SELECT' AND r.rolname = $1)`, viewsRole).Scan(&s.salted)
	if err != nil {
		return err
	}
	return s.readBookRows(ctx, tx, w)
}

func (s *snapshot) bookTaken(ctx context.Context, tx pgx.Tx) error {
	var taken bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`, bookSchema).Scan(&taken)
	if err == nil && taken {
		return faultf(notOurs, "schema %s exists and belongs to somebody else: rename it", bookSchema)
	}
	return err
}

func (s *snapshot) readBookRows(ctx context.Context, tx pgx.Tx, w *wanted) error {
	b := s.book
	var name, body, schemaName string
	var oid uint32
	err := each(ctx, tx, `SELECT name, oid, body FROM assent.role`, nil, []any{&name, &oid, &body}, func() error {
		role, known := w.known[body]
		var err error
		if !known {
			role, err = decodeRole(body)
		}
		if err != nil || role.Connection != s.connection || name != role.RoleName() && name != s.apart(role.RoleKey) {
			return nil //nolint:nilerr // edited by hand: the role's own mark says what it is, and the row is written anew
		}
		w.bodies[body] = role
		b.setRole(name, bookRole{oid: oid, body: role})
		return nil
	})
	if err != nil {
		return err
	}
	var v bookView
	err = each(ctx, tx, `SELECT role, schema, name, path, text, def FROM assent.view`, nil,
		[]any{&v.role, &schemaName, &name, &v.path, &v.text, &v.def}, func() error {
			b.setView(relName{schemaName, name}, v)
			v.path = nil
			return nil
		})
	if err != nil {
		return err
	}
	if w.again != nil {
		return nil
	}
	return s.readBookMembers(ctx, tx)
}

const (
	bootstrapOID = 10    // the superuser that the cluster was made with
	firstOID     = 16384 // of what people made
)

// readRoles reads all roles as one row, since they may be many thousands.
func (s *snapshot) readRoles(ctx context.Context, tx pgx.Tx, w *wanted) error {
	var oids []uint32
	var names, comments []string
	var attributes []int16
	err := tx.QueryRow(ctx, `
		SELECT coalesce(array_agg(r.oid), '{}'), coalesce(array_agg(r.rolname::text), '{}'),
		       coalesce(array_agg(CASE WHEN starts_with(r.rolname, 'assent_') OR r.oid = ANY ($2::oid[])
		         THEN coalesce(shobj_description(r.oid, 'pg_authid'), '') ELSE '' END), '{}'),
		       coalesce(array_agg((r.rolcanlogin::int + 2 * r.rolinherit::int + 4 * r.rolcreatedb::int + 8 * r.rolcreaterole::int
		         + 16 * r.rolreplication::int + 32 * r.rolbypassrls::int + 64 * r.rolsuper::int)::int2), '{}')
		FROM pg_roles r
		WHERE starts_with(r.rolname, 'assent_') OR r.rolname = ANY ($1) OR r.oid = ANY ($2::oid[])`, w.accounts, s.bookOIDs(),
	).Scan(&oids, &names, &comments, &attributes)
	s.roles = make(map[string]*role, len(oids))
	all := make([]role, len(oids))
	alike := map[int16][]string{} // thousands of people have the same attributes
	for i := range all {
		r := &all[i]
		*r = role{oid: oids[i], name: names[i], comment: comments[i], predefined: oids[i] < firstOID && oids[i] != bootstrapOID}
		r.inherits, r.super = attributes[i]&2 != 0, attributes[i]&64 != 0
		altered, known := alike[attributes[i]]
		if !known {
			for bit, off := range roleAttributes {
				if attributes[i]&(1<<bit) != 0 {
					altered = append(altered, off)
				}
			}
			alike[attributes[i]] = altered
		}
		r.altered = slices.Clip(altered)
		s.roles[r.name] = r
	}
	if err != nil || s.book == nil {
		return err
	}
	s.findRenamed()
	return nil
}

// bookOIDs are the object ids of the roles that the books know.
func (s *snapshot) bookOIDs() []uint32 {
	var oids []uint32
	if s.book != nil {
		for _, r := range s.book.roles {
			oids = append(oids, r.oid)
		}
	}
	slices.Sort(oids)
	return oids
}

// findRenamed knows a role of ours under the name that it had, so that its
// members do not keep their access for ever because somebody renamed it. The
// builder renames it back before anything else. Where the name was taken in
// the meantime, the role stays under its new name and shows as foreign.
func (s *snapshot) findRenamed() {
	s.renamed = map[string]string{}
	byOID := map[uint32]string{}
	for _, oid := range s.bookOIDs() {
		byOID[oid] = ""
	}
	for name, r := range s.roles {
		if _, booked := byOID[r.oid]; booked {
			byOID[r.oid] = name
		}
	}
	for _, booked := range keys(s.book.roles) {
		now := byOID[s.book.roles[booked].oid]
		if now == "" || now == booked || s.roles[booked] != nil {
			continue
		}
		r := s.roles[now]
		delete(s.roles, now)
		r.name, r.nowCalled = booked, now
		s.roles[booked] = r
		s.renamed[now] = booked
	}
}

func (s *snapshot) booked(name string) string {
	if b, ok := s.renamed[name]; ok {
		return b
	}
	return name
}

func (s *snapshot) readSchemas(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	s.schemas, s.uses = map[string]*schema{}, map[string][]*schema{}
	var n schema
	var grantors, grantees []uint32
	var privs []string
	var grantable []bool
	return each(ctx, tx, `
		SELECT n.oid, n.nspname, n.nspowner, coalesce(d.description, ''),
		       has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION'), x.grantors, x.grantees, x.privs, x.grantable
		FROM pg_namespace n
		LEFT JOIN pg_description d ON d.objoid = n.oid AND d.classoid = 'pg_namespace'::regclass AND d.objsubid = 0
		CROSS JOIN LATERAL (
			SELECT array_agg(a.grantor) AS grantors, array_agg(a.grantee) AS grantees,
			       array_agg(a.privilege_type) AS privs, array_agg(a.is_grantable) AS grantable
			FROM aclexplode(n.nspacl) a
		) x
		WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`, nil,
		[]any{&n.oid, &n.name, &n.ownerID, &n.comment, &n.usable, &n.grantable, &grantors, &grantees, &privs, &grantable}, func() error {
			c := n
			c.usage, c.granted = map[string]bool{}, map[string]bool{}
			c.access = itemsOf(grantors, grantees, privs, grantable)
			s.schemas[c.name] = &c
			return nil
		})
}

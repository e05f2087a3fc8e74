package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
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
	steps := []func(context.Context, pgx.Tx, *wanted) error{
		s.readServer, s.readBook, s.readRoles, s.readMembers, s.readSchemas, s.readRelations, s.readAccess, s.readNames, s.readColumns, s.readAids, s.readTimers,
	}
	for _, step := range steps {
		if err := step(ctx, tx, &w); err != nil {
			return nil, p.whole("read", err)
		}
	}
	p.timers = s.timers.usable
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
	var name, account, body, schemaName string
	var oid uint32
	err := each(ctx, tx, `SELECT name, oid, body FROM assent.role`, nil, []any{&name, &oid, &body}, func() error {
		role, err := decodeRole(body)
		if err != nil || role.Connection != s.connection || name != role.RoleName() && name != s.apart(role.RoleKey) {
			return nil //nolint:nilerr // edited by hand: the role's own mark says what it is, and the row is written anew
		}
		for _, o := range role.Objects {
			w.paths[relName{o.Path[1], o.Path[2]}] = true
		}
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
	var until *time.Time
	var m bookMember
	return each(ctx, tx, `SELECT role, account, not_after, requests, ending FROM assent.member`, nil,
		[]any{&name, &account, &until, &body, &m.ending}, func() error {
			n := bookMember{ending: m.ending}
			if until != nil {
				n.notAfter = until.UTC()
			}
			if json.Unmarshal([]byte(body), &n.requests) != nil {
				n.requests = nil // edited by hand: it differs from what is wanted, and is written anew
			}
			b.setMember(memberKey{name, account}, n)
			return nil
		})
}

func (s *snapshot) readRoles(ctx context.Context, tx pgx.Tx, w *wanted) error {
	s.roles = map[string]*role{}
	var r role
	var login, inherit, createdb, createrole, replication, bypass bool
	err := each(ctx, tx, `
		SELECT r.oid, r.rolname, coalesce(d.description, ''), r.rolsuper, r.oid < 16384 AND r.oid <> 10,
		       r.rolcanlogin, r.rolinherit, r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolbypassrls
		FROM pg_roles r
		LEFT JOIN pg_shdescription d ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
		WHERE starts_with(r.rolname, 'assent_') OR r.rolname = ANY ($1) OR r.oid = ANY ($2::oid[])`, []any{w.accounts, s.bookOIDs()},
		[]any{&r.oid, &r.name, &r.comment, &r.super, &r.predefined, &login, &inherit, &createdb, &createrole, &replication, &bypass},
		func() error {
			n := r
			n.inherits = inherit
			for _, a := range []struct {
				set bool
				off string
			}{
				{login, "NOLOGIN"}, {inherit, "NOINHERIT"}, {createdb, "NOCREATEDB"}, {createrole, "NOCREATEROLE"},
				{replication, "NOREPLICATION"}, {bypass, "NOBYPASSRLS"}, {r.super, "NOSUPERUSER"},
			} {
				if a.set {
					n.altered = append(n.altered, a.off)
				}
			}
			s.roles[n.name] = &n
			return nil
		})
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
	for name, r := range s.roles {
		byOID[r.oid] = name
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

func (s *snapshot) readMembers(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	options := "true, true, $1::oid IS NOT NULL AND $2::bool IS NOT NULL" // before 16 the grantor means nothing
	if s.version >= 160000 {
		options = "m.inherit_option, m.set_option, m.grantor = $1::oid OR $2::bool AND m.grantor = 10"
	}
	var of, account string
	var m membership
	return each(ctx, tx, `
		SELECT r.rolname, a.rolname, m.grantor, m.admin_option, `+options+`
		FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles a ON a.oid = m.member
		WHERE starts_with(r.rolname, 'assent_') OR starts_with(a.rolname, 'assent_') OR r.oid = ANY ($3::oid[])
		ORDER BY r.rolname, a.rolname, m.grantor`, []any{s.engineID, s.engineSuper, s.bookOIDs()},
		[]any{&of, &account, &m.grantorID, &m.admin, &m.inherit, &m.set, &m.privileged}, func() error {
			m.account = account
			if r := s.roles[s.booked(of)]; r != nil {
				r.members = append(r.members, m)
			}
			if r := s.roles[s.booked(account)]; r != nil {
				r.joined = append(r.joined, of)
			}
			return nil
		})
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

package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// snapshot is everything that the engine needs to know of a database, read in
// one consistent transaction. The builder of statements adds to it what it has
// planned, so that later changes of a batch build on earlier ones.
type snapshot struct {
	connection  resource.Name
	version     int // server_version_num
	serverID    string
	database    string
	engine      string
	engineID    uint32
	engineSuper bool

	roles   map[string]*role  // those of our namespace, and the accounts of the batch
	renamed map[string]string // what a role of ours is called now → what the books call it
	schemas map[string]*schema
	rels    map[relName]*relation
	byOID   map[uint32]*relation
	holders map[string]map[relName]bool // where a role may hold something by our hand
	book    *book                       // nil before the first Apply
	salted  bool                        // the owner of the views may read the salt
}

type role struct {
	oid        uint32
	name       string
	comment    string
	super      bool
	predefined bool
	// altered lists the attributes that a group role of ours must not have.
	altered []string
	members []membership
	// joined are the roles that this one was put into.
	joined    []string
	nowCalled string // where somebody renamed it
	planned   bool
}

// membership is one row of pg_auth_members, seen from the role.
type membership struct {
	account    string
	grantor    string
	grantorOK  bool // the engine may revoke what this grantor granted
	admin      bool
	inherit    bool
	set        bool
	privileged bool // granted by the engine, or by any grantor before PostgreSQL 16
}

type schema struct {
	oid     uint32
	name    string
	comment string
	public  bool // PUBLIC may use it
	usage   map[string]bool
	granted map[string]bool // usage granted by us
	planned bool
}

type relName struct{ schema, name string }

type relation struct {
	relName
	oid     uint32
	kind    byte // pg_class.relkind
	owner   string
	comment string
	columns []column
	acl     []access
	// def is the digest of a view's definition and options, for views in our schemas.
	def string
	// direct are the privileges that a role of ours holds by our own hand.
	direct map[string]*held
}

// access is a privilege that somebody other than the owner holds.
type access struct {
	grantee string // PUBLIC for everybody
	grantor string
	priv    string
	columns []string // nil for the table as a whole
	ours    bool     // granted by the engine, or by the owner where the engine acts as one
}

// held is what one role holds on one relation by our own hand.
type held struct {
	table   map[string]bool
	columns map[string]map[string]bool // privilege → column
}

func newHeld() *held {
	return &held{table: map[string]bool{}, columns: map[string]map[string]bool{}}
}

func (h *held) add(a access) {
	if a.columns == nil {
		h.table[a.priv] = true
		return
	}
	if h.columns[a.priv] == nil {
		h.columns[a.priv] = map[string]bool{}
	}
	for _, c := range a.columns {
		h.columns[a.priv][c] = true
	}
}

func (h *held) empty() bool { return h == nil || len(h.table) == 0 && len(h.columns) == 0 }

func (r *relation) held(role string) *held {
	if h := r.direct[role]; h != nil {
		return h
	}
	return newHeld()
}

// heldBy are the relations on which a role holds anything by our hand, in order.
func (s *snapshot) heldBy(role string) []relName {
	found := map[relName]bool{}
	for at := range s.holders[role] {
		if r := s.rels[at]; r != nil && !r.direct[role].empty() {
			found[at] = true
		}
	}
	return relNames(found)
}

// holds notes that a role holds something on a relation by our hand.
func (s *snapshot) holds(role string, r *relation, a access) {
	if r.direct[role] == nil {
		r.direct[role] = newHeld()
	}
	r.direct[role].add(a)
	if s.holders[role] == nil {
		s.holders[role] = map[relName]bool{}
	}
	s.holders[role][r.relName] = true
}

func (r *relation) column(name string) (column, bool) {
	i := slices.IndexFunc(r.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return r.columns[i], true
}

// book is the engine's own bookkeeping in the database.
type book struct {
	connection string
	epoch      int64
	seq        uint64
	digest     string
	roles      map[string]bookRole
	views      map[relName]bookView
	members    map[memberKey]bookMember
}

type bookRole struct {
	oid  uint32
	body grant.Role // what was carried out, less what was missing then
}

type bookView struct {
	role string
	path []string
	text string // digest of the statement that made it
	def  string // digest of what the server made of it
}

type memberKey struct{ role, account string }

type bookMember struct {
	notAfter time.Time
	requests []resource.Ref
	ending   bool // the membership is gone, sessions may hold on
}

// wanted are the names that a snapshot must cover beside our own.
type wanted struct {
	accounts []string
	paths    map[relName]bool
}

func wantedBy(changes []plan.Change) wanted {
	w := wanted{paths: map[relName]bool{}}
	for _, c := range changes {
		if c.Grant != nil && nameable(c.Grant.Principal) {
			w.accounts = append(w.accounts, c.Grant.Principal)
		}
		for _, r := range []*grant.Role{c.Role, c.PriorRole} {
			if r == nil {
				continue
			}
			for _, o := range r.Objects {
				if len(o.Path) == 3 {
					w.paths[relName{o.Path[1], o.Path[2]}] = true
				}
			}
		}
	}
	slices.Sort(w.accounts)
	w.accounts = slices.Compact(w.accounts)
	return w
}

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
		s.readServer, s.readBook, s.readRoles, s.readMembers, s.readSchemas, s.readRelations, s.readAccess, s.readColumns,
	}
	for _, step := range steps {
		if err := step(ctx, tx, &w); err != nil {
			return nil, p.whole("read", err)
		}
	}
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
	if err == pgx.ErrNoRows {
		return s.bookTaken(ctx, tx)
	}
	if err != nil {
		return err
	}
	if mark == nil || *mark != bookMark {
		return faultf(notOurs, "schema %s exists and is not ours: rename it", bookSchema)
	}
	b := &book{roles: map[string]bookRole{}, views: map[relName]bookView{}, members: map[memberKey]bookMember{}}
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
		r := bookRole{oid: oid}
		if err := json.Unmarshal([]byte(body), &r.body); err != nil {
			return err
		}
		for _, o := range r.body.Objects {
			w.paths[relName{o.Path[1], o.Path[2]}] = true
		}
		b.roles[name] = r
		return nil
	})
	if err != nil {
		return err
	}
	var v bookView
	err = each(ctx, tx, `SELECT role, schema, name, path, text, def FROM assent.view`, nil,
		[]any{&v.role, &schemaName, &name, &v.path, &v.text, &v.def}, func() error {
			b.views[relName{schemaName, name}] = v
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
			if err := json.Unmarshal([]byte(body), &n.requests); err != nil {
				return err
			}
			b.members[memberKey{name, account}] = n
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
	var of, account, grantor string
	var m membership
	return each(ctx, tx, `
		SELECT r.rolname, a.rolname, pg_get_userbyid(m.grantor), m.admin_option, `+options+`,
		       coalesce((SELECT pg_has_role(g.oid, 'USAGE') FROM pg_roles g WHERE g.oid = m.grantor), false)
		FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles a ON a.oid = m.member
		WHERE starts_with(r.rolname, 'assent_') OR starts_with(a.rolname, 'assent_') OR r.oid = ANY ($3::oid[])
		ORDER BY r.rolname, a.rolname, m.grantor`, []any{s.engineID, s.engineSuper, s.bookOIDs()},
		[]any{&of, &account, &grantor, &m.admin, &m.inherit, &m.set, &m.privileged, &m.grantorOK}, func() error {
			m.account, m.grantor = account, grantor
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
	s.schemas = map[string]*schema{}
	var n schema
	var grantee string
	var isGranted, ours bool
	return each(ctx, tx, `
		SELECT n.oid, n.nspname, coalesce(obj_description(n.oid, 'pg_namespace'), ''), a.grantee IS NOT NULL,
		       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE coalesce(pg_get_userbyid(a.grantee), '') END,
		       coalesce(CASE WHEN pg_has_role(n.nspowner, 'USAGE') THEN a.grantor = n.nspowner
		                     ELSE pg_has_role(g.oid, 'USAGE') END, false)
		FROM pg_namespace n
		LEFT JOIN LATERAL aclexplode(n.nspacl) a ON a.privilege_type = 'USAGE'
		LEFT JOIN pg_roles g ON g.oid = a.grantor
		WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`, nil,
		[]any{&n.oid, &n.name, &n.comment, &isGranted, &grantee, &ours}, func() error {
			at := s.schemas[n.name]
			if at == nil {
				c := n
				c.usage, c.granted = map[string]bool{}, map[string]bool{}
				at = &c
				s.schemas[n.name] = at
			}
			if isGranted {
				grantee = s.booked(grantee)
				at.usage[grantee] = true
				at.public = at.public || grantee == everybody
				if ours {
					at.granted[grantee] = true
				}
			}
			return nil
		})
}

func (s *snapshot) readRelations(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	s.rels, s.byOID, s.holders = map[relName]*relation{}, map[uint32]*relation{}, map[string]map[relName]bool{}
	var r relation
	return each(ctx, tx, `
		SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_get_userbyid(c.relowner),
		       CASE WHEN starts_with(n.nspname, 'assent_') THEN coalesce(obj_description(c.oid, 'pg_class'), '') ELSE '' END,
		       CASE WHEN starts_with(n.nspname, 'assent_') AND c.relkind = 'v' THEN
		         encode(sha256(convert_to(pg_get_viewdef(c.oid) || coalesce(c.reloptions::text, ''), 'UTF8')), 'hex') ELSE '' END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
		  AND n.nspname NOT IN ('information_schema', $1)`, []any{bookSchema},
		[]any{&r.oid, &r.schema, &r.name, (*kindByte)(&r.kind), &r.owner, &r.comment, &r.def}, func() error {
			n := r
			n.direct = map[string]*held{}
			s.rels[n.relName], s.byOID[n.oid] = &n, &n
			return nil
		})
}

func (s *snapshot) readAccess(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	var oid uint32
	var a access
	err := each(ctx, tx, `
		WITH rel AS MATERIALIZED (
			SELECT c.oid, c.relowner, c.relacl, pg_has_role(c.relowner, 'USAGE') AS acts
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
			  AND n.nspname NOT IN ('information_schema', $1)
		), item AS (
			SELECT r.oid, r.relowner, r.acts, a.grantor, a.grantee, a.privilege_type, NULL::text[] AS columns
			FROM rel r, aclexplode(r.relacl) a
			UNION ALL
			SELECT r.oid, r.relowner, r.acts, a.grantor, a.grantee, a.privilege_type, array_agg(t.attname::text ORDER BY t.attnum)
			FROM rel r JOIN pg_attribute t ON t.attrelid = r.oid AND t.attacl IS NOT NULL AND NOT t.attisdropped,
			     aclexplode(t.attacl) a
			GROUP BY 1, 2, 3, 4, 5, 6
		)
		SELECT i.oid, CASE i.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(i.grantee) END, pg_get_userbyid(i.grantor),
		       i.privilege_type, i.columns,
		       CASE WHEN i.acts THEN i.grantor = i.relowner ELSE coalesce(pg_has_role(g.oid, 'USAGE'), false) END
		FROM item i LEFT JOIN pg_roles g ON g.oid = i.grantor
		WHERE i.grantee <> i.relowner AND i.grantee <> $2::oid`, []any{bookSchema, s.engineID},
		[]any{&oid, &a.grantee, &a.grantor, &a.priv, &a.columns, &a.ours}, func() error {
			r := s.byOID[oid]
			if r == nil {
				return nil
			}
			a.grantee = s.booked(a.grantee)
			r.acl = append(r.acl, a)
			if a.ours && s.roles[a.grantee] != nil {
				s.holds(a.grantee, r, a)
			}
			a.columns = nil
			return nil
		})
	for _, r := range s.rels {
		slices.SortFunc(r.acl, func(x, y access) int {
			return cmp.Or(cmp.Compare(x.grantee, y.grantee), cmp.Compare(x.priv, y.priv), cmp.Compare(x.grantor, y.grantor),
				slices.Compare(x.columns, y.columns))
		})
	}
	return err
}

// readColumns reads the columns of the relations that matter here.
func (s *snapshot) readColumns(ctx context.Context, tx pgx.Tx, w *wanted) error {
	var oids []uint32
	for n, r := range s.rels {
		if w.paths[n] || len(r.direct) > 0 {
			oids = append(oids, r.oid)
		}
	}
	slices.Sort(oids)
	return s.columnsOf(ctx, tx, oids)
}

func (s *snapshot) columnsOf(ctx context.Context, tx pgx.Tx, oids []uint32) error {
	var oid uint32
	var c column
	return each(ctx, tx, `
		WITH RECURSIVE base AS (
			SELECT t.oid AS id, t.oid AS top, -1 AS mod FROM pg_type t WHERE t.typtype = 'd'
			UNION ALL
			SELECT t.typbasetype, b.top, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.id WHERE t.typtype = 'd'
		), plain AS (
			SELECT b.top, b.id, b.mod FROM base b JOIN pg_type t ON t.oid = b.id WHERE t.typtype <> 'd'
		)
		SELECT a.attrelid, a.attname, format_type(t.oid, CASE WHEN p.id IS NULL THEN a.atttypmod ELSE p.mod END),
		       t.typname, t.typcategory::text, t.typnamespace = 'pg_catalog'::regnamespace,
		       format_type(a.atttypid, a.atttypmod), a.attnotnull, coalesce(col_description(a.attrelid, a.attnum), '')
		FROM pg_attribute a
		LEFT JOIN plain p ON p.top = a.atttypid
		JOIN pg_type t ON t.oid = coalesce(p.id, a.atttypid)
		WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attrelid, a.attnum`, []any{oids},
		[]any{&oid, &c.name, &c.typ, &c.base, &c.category, &c.system, &c.declared, &c.notNull, &c.comment}, func() error {
			r := s.byOID[oid]
			r.columns = append(r.columns, c)
			return nil
		})
}

// each runs a query and calls row after scanning every row into dest.
func each(ctx context.Context, tx pgx.Tx, sql string, args, dest []any, row func() error) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, dest, row)
	return err
}

// kindByte scans pg_class.relkind.
type kindByte byte

// Scan implements sql.Scanner.
func (k *kindByte) Scan(src any) error {
	if v, ok := src.(string); ok && len(v) == 1 {
		*k = kindByte(v[0])
	}
	return nil
}

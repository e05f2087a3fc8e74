package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// aid is a sequence or a function that inserting into a table needs beside the
// table: what the default of a column, a generated column, a check, an index or
// a partition key calls runs with the rights of whoever inserts. The sequence of
// an identity column and a trigger's function need no right.
type aid struct {
	kind   string // SEQUENCE or FUNCTION, as GRANT spells it
	sql    string // its name, ready to stand in a statement
	shown  string // its name for people
	owner  string
	public bool // everybody may use it
	// grantable says that the engine may let others use it.
	grantable bool
	// tables need it.
	tables map[uint32]bool
	// held are the roles that may use it by our hand.
	held map[string]bool
}

func (a *aid) priv() string {
	if a.kind == "SEQUENCE" {
		return "USAGE"
	}
	return "EXECUTE"
}

// writesAny reports whether a snapshot has to know what writing needs.
func (s *snapshot) writesAny(w *wanted) bool {
	if w.writes || s.book == nil {
		return w.writes
	}
	for _, r := range s.book.roles {
		if writing(r.body) {
			return true
		}
	}
	return false
}

func writing(r grant.Role) bool {
	return r.Access == resource.Write && slices.ContainsFunc(r.Objects, r.Writes)
}

// readAids reads what writing needs, and what of it our roles may use.
func (s *snapshot) readAids(ctx context.Context, tx pgx.Tx, w *wanted) error {
	byOID := map[[2]uint32]*aid{}
	find := func(class, oid uint32) *aid {
		k := [2]uint32{class, oid}
		if byOID[k] == nil {
			byOID[k] = &aid{tables: map[uint32]bool{}, held: map[string]bool{}}
		}
		return byOID[k]
	}
	var class, oid, table uint32
	if s.writesAny(w) {
		err := each(ctx, tx, `
			WITH user_of (class, object, rel) AS (
				SELECT 'pg_attrdef'::regclass::oid, oid, adrelid FROM pg_attrdef
				UNION ALL SELECT 'pg_constraint'::regclass, oid, conrelid FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0
				UNION ALL SELECT 'pg_class'::regclass, indexrelid, indrelid FROM pg_index
				UNION ALL SELECT 'pg_class'::regclass, oid, oid FROM pg_class WHERE relkind = 'p')
			SELECT DISTINCT d.refclassid, d.refobjid, u.rel FROM user_of u
			JOIN pg_depend d ON d.classid = u.class AND d.objid = u.object
			LEFT JOIN pg_class q ON d.refclassid = 'pg_class'::regclass AND q.oid = d.refobjid
			WHERE d.refclassid = 'pg_proc'::regclass OR q.relkind = 'S'`, nil, []any{&class, &oid, &table}, func() error {
			find(class, oid).tables[table] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	// An owner's items count as ours where the engine acts as the owner.
	const ours = `CASE WHEN pg_has_role(o.owner, 'USAGE') THEN a.grantor = o.owner ELSE pg_has_role(a.grantor, 'USAGE') END`
	var role string
	err := each(ctx, tx, `
		SELECT o.class, o.oid, g.rolname FROM (
			SELECT 'pg_class'::regclass::oid AS class, oid, relowner AS owner, relacl AS acl FROM pg_class WHERE relkind = 'S' AND relacl IS NOT NULL
			UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, proacl FROM pg_proc WHERE proacl IS NOT NULL) o,
			LATERAL aclexplode(o.acl) a JOIN pg_roles g ON g.oid = a.grantee
		WHERE a.privilege_type IN ('USAGE', 'EXECUTE') AND a.grantee = ANY ($1::oid[]) AND `+ours, []any{s.roleOIDs()},
		[]any{&class, &oid, &role}, func() error {
			find(class, oid).held[s.booked(role)] = true
			return nil
		})
	if err != nil || len(byOID) == 0 {
		return err
	}
	return s.nameAids(ctx, tx, byOID)
}

// roleOIDs are the object ids of the roles in our namespace.
func (s *snapshot) roleOIDs() []uint32 {
	var oids []uint32
	for name, r := range s.roles {
		if strings.HasPrefix(name, "assent_") {
			oids = append(oids, r.oid)
		}
	}
	slices.Sort(oids)
	return oids
}

func (s *snapshot) nameAids(ctx context.Context, tx pgx.Tx, byOID map[[2]uint32]*aid) error {
	var oids []uint32
	for k := range byOID {
		oids = append(oids, k[1])
	}
	slices.Sort(oids)
	var class, oid uint32
	var n aid
	err := each(ctx, tx, `
		SELECT 'pg_class'::regclass::oid, c.oid, 'SEQUENCE', quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname || '.' || c.relname,
		       EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0 AND a.privilege_type IN ('USAGE', 'UPDATE')),
		       has_sequence_privilege(c.oid, 'USAGE WITH GRANT OPTION') AND has_schema_privilege(n.oid, 'USAGE'), pg_get_userbyid(c.relowner)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[]) AND c.relkind = 'S'
		UNION ALL
		SELECT 'pg_proc'::regclass, p.oid, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
		       quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
		       n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
		       EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0),
		       has_function_privilege(p.oid, 'EXECUTE WITH GRANT OPTION') AND has_schema_privilege(n.oid, 'USAGE'), pg_get_userbyid(p.proowner)
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = ANY ($1::oid[])
		ORDER BY 3, 4`, []any{oids}, []any{&class, &oid, &n.kind, &n.sql, &n.shown, &n.public, &n.grantable, &n.owner}, func() error {
		if a := byOID[[2]uint32{class, oid}]; a != nil {
			a.kind, a.sql, a.shown, a.owner, a.public, a.grantable = n.kind, n.sql, n.shown, n.owner, n.public, n.grantable
			s.aids = append(s.aids, a)
		}
		return nil
	})
	return err
}

// needsAid reports whether the members of a role need an aid and would not have
// it otherwise.
func (s *snapshot) needsAid(r grant.Role, a *aid) bool {
	return !a.public && slices.ContainsFunc(r.Objects, func(o grant.Object) bool {
		if !r.Writes(o) || len(o.Path) != 3 {
			return false
		}
		rel := s.rels[relName{o.Path[1], o.Path[2]}]
		return rel != nil && a.tables[rel.oid]
	})
}

// aids gives a role what writing its objects needs, and takes the rest.
func (b *builder) aids(can grant.Role) {
	name := b.s.roleName(can.RoleKey)
	for _, a := range b.s.aids {
		switch need := b.s.needsAid(can, a); {
		case need && !a.held[name]:
			b.privilege(grantVerb, privilege{"inserting into the role's tables needs it", a.priv(), nil, a.kind}, a.sql, name)
			a.held[name] = true
		case !need && a.held[name]:
			b.privilege(revokeVerb, privilege{"nothing that the role writes needs it", a.priv(), nil, a.kind}, a.sql, name)
			delete(a.held, name)
		}
	}
}

// alteredAids says what of the aids of a role is not as it should be.
func (s *snapshot) alteredAids(name string, body grant.Role) []string {
	var out []string
	for _, a := range s.aids {
		switch need := s.needsAid(body, a); {
		case need && !a.held[name]:
			out = append(out, "it may not use "+a.shown+", which writing needs")
		case !need && a.held[name]:
			out = append(out, "it may use "+a.shown)
		}
	}
	return out
}

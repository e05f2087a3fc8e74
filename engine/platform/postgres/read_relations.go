package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

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
			SELECT r.oid, r.relowner, r.acts, a.grantor, a.grantee, a.privilege_type, a.is_grantable, NULL::text[] AS columns
			FROM rel r, aclexplode(r.relacl) a
			UNION ALL
			SELECT r.oid, r.relowner, r.acts, a.grantor, a.grantee, a.privilege_type, a.is_grantable, array_agg(t.attname::text ORDER BY t.attnum)
			FROM rel r JOIN pg_attribute t ON t.attrelid = r.oid AND t.attacl IS NOT NULL AND NOT t.attisdropped,
			     aclexplode(t.attacl) a
			GROUP BY 1, 2, 3, 4, 5, 6, 7
		)
		SELECT i.oid, CASE i.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(i.grantee) END, pg_get_userbyid(i.grantor),
		       i.privilege_type, i.is_grantable, i.columns,
		       CASE WHEN i.acts THEN i.grantor = i.relowner ELSE coalesce(pg_has_role(g.oid, 'USAGE'), false) END
		FROM item i LEFT JOIN pg_roles g ON g.oid = i.grantor
		WHERE i.grantee <> i.relowner AND i.grantee <> $2::oid`, []any{bookSchema, s.engineID},
		[]any{&oid, &a.grantee, &a.grantor, &a.priv, &a.grantable, &a.columns, &a.ours}, func() error {
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

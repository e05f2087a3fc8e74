package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
)

// readColumns reads the columns of the relations that matter here, and then
// says in names who holds what.
func (s *snapshot) readColumns(ctx context.Context, tx pgx.Tx, w *wanted) error {
	var oids []uint32
	if w.again == nil {
		s.nameTables(w)
	}
	for _, r := range s.ordered {
		if w.again != nil || r.named || r.access.columns != nil || r.access.table != nil && s.mentionsUs(r) {
			oids = append(oids, r.oid)
		}
	}
	slices.Sort(oids)
	if err := s.columnsOf(ctx, tx, oids); err != nil {
		return err
	}
	s.spread()
	return nil
}

// nameTables notes which relations a role of the books or of the changes names.
func (s *snapshot) nameTables(w *wanted) {
	of := func(r *grant.Role) {
		for i := range r.Objects {
			if o := &r.Objects[i]; len(o.Path) == 3 {
				if table := s.table(o); table != nil {
					table.named = true
				}
			}
		}
	}
	for _, r := range w.roles {
		of(r)
	}
	if s.book != nil {
		for _, r := range s.book.roles {
			of(&r.body)
		}
	}
}

// columnsOf reads the columns of relations, one row for each, and apart from
// them the types that they have.
func (s *snapshot) columnsOf(ctx context.Context, tx pgx.Tx, oids []uint32) error {
	if len(oids) == 0 {
		return nil
	}
	types := map[columnType]column{}
	byRel := map[uint32][]columnType{}
	var oid uint32
	var names []string
	var nums []int16
	var ids []uint32
	var mods []int32
	var notNull []bool
	err := each(ctx, tx, `
		SELECT attrelid, array_agg(attname), array_agg(attnum), array_agg(atttypid), array_agg(atttypmod), array_agg(attnotnull)
		FROM (SELECT attrelid, attname::text, attnum, atttypid, atttypmod, attnotnull FROM pg_attribute
			WHERE attrelid = ANY ($1::oid[]) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum) a
		GROUP BY attrelid`, []any{oids}, []any{&oid, &names, &nums, &ids, &mods, &notNull}, func() error {
		r := s.byOID[oid]
		r.columns = make([]column, len(names))
		of := make([]columnType, len(names))
		for i, name := range names {
			of[i] = columnType{ids[i], mods[i]}
			types[of[i]] = column{}
			r.columns[i] = column{name: name, num: nums[i], notNull: notNull[i]}
		}
		byRel[oid] = of
		return nil
	})
	if err != nil {
		return err
	}
	if err := readTypes(ctx, tx, types); err != nil {
		return err
	}
	for oid, of := range byRel {
		columns := s.byOID[oid].columns
		for i, t := range of {
			c, full := &columns[i], types[t]
			c.typ, c.base, c.category, c.system, c.declared = full.typ, full.base, full.category, full.system, full.declared
		}
	}
	return nil
}

// columnType is pg_attribute.atttypid and atttypmod.
type columnType struct {
	id  uint32
	mod int32
}

func readTypes(ctx context.Context, tx pgx.Tx, types map[columnType]column) error {
	var ids []uint32
	var mods []int32
	for t := range types {
		ids, mods = append(ids, t.id), append(mods, t.mod)
	}
	var t columnType
	var c column
	return each(ctx, tx, `
		WITH RECURSIVE base AS (
			SELECT t.oid AS id, t.oid AS top, -1 AS mod FROM pg_type t WHERE t.typtype = 'd'
			UNION ALL
			SELECT t.typbasetype, b.top, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.id WHERE t.typtype = 'd'
		), plain AS (
			SELECT b.top, b.id, b.mod FROM base b JOIN pg_type t ON t.oid = b.id WHERE t.typtype <> 'd'
		)
		SELECT a.id, a.mod, format_type(t.oid, CASE WHEN p.id IS NULL THEN a.mod ELSE p.mod END),
		       t.typname, t.typcategory::text, t.typnamespace = 'pg_catalog'::regnamespace, format_type(a.id, a.mod)
		FROM unnest($1::oid[], $2::int4[]) a (id, mod)
		LEFT JOIN plain p ON p.top = a.id
		JOIN pg_type t ON t.oid = coalesce(p.id, a.id)`, []any{ids, mods},
		[]any{&t.id, &t.mod, &c.typ, &c.base, &c.category, &c.system, &c.declared}, func() error {
			types[t] = c
			return nil
		})
}

// commentColumns adds the comments of all columns, which only discovery wants.
func (s *snapshot) commentColumns(ctx context.Context, tx pgx.Tx) error {
	var oid uint32
	var num int32
	var text string
	return each(ctx, tx, `SELECT objoid, objsubid, description FROM pg_description WHERE classoid = 'pg_class'::regclass AND objsubid > 0`,
		nil, []any{&oid, &num, &text}, func() error {
			r := s.byOID[oid]
			if r == nil {
				return nil
			}
			for i := range r.columns {
				if r.columns[i].num == int16(num) {
					r.columns[i].comment = text
				}
			}
			return nil
		})
}

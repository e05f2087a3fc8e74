package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// grantItem is one entry of an access list, by object ids.
type grantItem struct {
	grantor, grantee uint32
	priv             string
	grantable        bool
}

// relAccess is who was granted what on a relation, as the catalogs have it.
// Equal access lists are read once, whatever the number of relations.
type relAccess struct {
	table   *accessList
	columns []columnAccess
}

type columnAccess struct {
	num  int16 // pg_attribute.attnum
	list *accessList
}

type accessList struct {
	id    int
	items []grantItem
}

// readRelations reads the relations: all, or those that are wanted again, and
// then takes the others over from the snapshot before.
func (s *snapshot) readRelations(ctx context.Context, tx pgx.Tx, w *wanted) error {
	s.rels, s.byOID, s.holders = map[relName]*relation{}, map[uint32]*relation{}, map[string]*relations{}
	schemas, ours := map[uint32]string{}, []uint32{}
	for _, n := range s.schemas {
		if n.name != bookSchema {
			schemas[n.oid] = n.name
		}
		if strings.HasPrefix(n.name, "assent_") {
			ours = append(ours, n.oid)
		}
	}
	from, args := "pg_class c WHERE c.relnamespace = ANY ($2::oid[])", []any{ours, keys(schemas)}
	had := map[relName]*relation{}
	if w.again != nil {
		from, args = s.narrow(w, ours, had)
	}
	var r relation
	var in uint32
	err := each(ctx, tx, `
		SELECT c.oid, c.relnamespace, c.relname, c.relkind::text, c.relowner,
		       CASE WHEN c.relnamespace = ANY ($1::oid[]) THEN coalesce(obj_description(c.oid, 'pg_class'), '') ELSE '' END
		FROM `+from+` AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`, args,
		[]any{&r.oid, &in, &r.name, (*kindByte)(&r.kind), &r.ownerID, &r.comment}, func() error {
			r.schema = schemas[in]
			n := had[r.relName]
			if n == nil {
				n = &relation{}
			}
			*n = relation{relName: r.relName, oid: r.oid, kind: r.kind, ownerID: r.ownerID, comment: r.comment, nth: n.nth, listed: n.direct}
			s.rels[n.relName], s.byOID[n.oid] = n, n
			s.ordered = append(s.ordered, n)
			return nil
		})
	slices.SortFunc(s.ordered, func(a, b *relation) int { return a.compare(b.relName) })
	if w.again == nil {
		s.all = s.ordered
		for i, r := range s.all {
			r.nth = i + 1
		}
	}
	for at, r := range had {
		r.gone = s.rels[at] != r
	}
	return err
}

// narrow takes over the relations of the snapshot before, but for those that are
// wanted again: it puts them apart, and says how to read them.
func (s *snapshot) narrow(w *wanted, ours []uint32, had map[relName]*relation) (from string, args []any) {
	s.rels, s.holders, s.wants, s.matches, s.all, s.aiming = w.before.rels, w.before.holders, w.before.wants, w.before.matches, w.before.all, w.before.aiming
	var schemas []uint32
	var names []string
	for at := range w.again {
		if r := s.rels[at]; r != nil {
			had[at] = r
			delete(s.rels, at)
		}
		if n := s.schemas[at.schema]; n != nil {
			schemas, names = append(schemas, n.oid), append(names, at.name)
		}
	}
	return "unnest($2::oid[], $3::name[]) w (schema, name) JOIN pg_class c ON c.relname = w.name AND c.relnamespace = w.schema WHERE true",
		[]any{ours, schemas, names}
}

// readAccess reads every access list of relations and columns: one row for
// each list that differs, with all that have it.
func (s *snapshot) readAccess(ctx context.Context, tx pgx.Tx, w *wanted) error {
	of, args := func(string) string { return "" }, []any(nil)
	if w.again != nil {
		of, args = func(oid string) string { return " AND " + oid + " = ANY ($1::oid[])" }, []any{keys(s.byOID)}
	}
	const exploded = `
		SELECT x.grantors, x.grantees, x.privs, x.grantable, g.rels, g.nums
		FROM g CROSS JOIN LATERAL (
			SELECT array_agg(a.grantor) AS grantors, array_agg(a.grantee) AS grantees,
			       array_agg(a.privilege_type) AS privs, array_agg(a.is_grantable) AS grantable
			FROM aclexplode(g.acl) a
		) x WHERE x.grantors IS NOT NULL`
	var grantors, grantees, rels []uint32
	var privs []string
	var grantable []bool
	var nums []int16
	ids := 0
	read := func(sql string, use func(r *relation, i int, list *accessList)) error {
		return each(ctx, tx, sql, args, []any{&grantors, &grantees, &privs, &grantable, &rels, &nums}, func() error {
			ids++
			list := &accessList{id: ids, items: itemsOf(grantors, grantees, privs, grantable)}
			for i, oid := range rels {
				if r := s.byOID[oid]; r != nil {
					use(r, i, list)
				}
			}
			return nil
		})
	}
	err := read(`
		WITH g AS (SELECT relacl AS acl, array_agg(oid) AS rels, NULL::int2[] AS nums FROM pg_class WHERE relacl IS NOT NULL`+of("oid")+` GROUP BY relacl)`+exploded,
		func(r *relation, _ int, list *accessList) { r.access.table = list })
	if err != nil {
		return err
	}
	return read(`
		WITH g AS (SELECT attacl AS acl, array_agg(attrelid) AS rels, array_agg(attnum) AS nums
			FROM pg_attribute WHERE attacl IS NOT NULL AND NOT attisdropped`+of("attrelid")+` GROUP BY attacl)`+exploded,
		func(r *relation, i int, list *accessList) {
			r.access.columns = append(r.access.columns, columnAccess{nums[i], list})
		})
}

func itemsOf(grantors, grantees []uint32, privs []string, grantable []bool) []grantItem {
	out := make([]grantItem, len(grantors))
	for i := range out {
		out[i] = grantItem{grantors[i], grantees[i], privs[i], grantable[i]}
	}
	return out
}

// readNames reads what the roles are called that the access lists, the
// memberships and the owners mention, and which of them the engine acts as.
func (s *snapshot) readNames(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	all, actors := map[uint32]bool{}, map[uint32]bool{}
	note := func(list []grantItem) {
		for _, i := range list {
			all[i.grantee], all[i.grantor], actors[i.grantor] = true, true, true
			if i.grantable {
				actors[i.grantee] = true
			}
		}
	}
	seen := map[*accessList]bool{}
	for _, r := range s.ordered {
		all[r.ownerID], actors[r.ownerID] = true, true
		if t := r.access.table; t != nil && !seen[t] {
			seen[t] = true
			note(t.items)
		}
		for _, c := range r.access.columns {
			if !seen[c.list] {
				seen[c.list] = true
				note(c.list.items)
			}
		}
	}
	for _, n := range s.schemas {
		note(n.access)
		all[n.ownerID], actors[n.ownerID] = true, true
	}
	for _, r := range s.roles {
		for _, m := range r.members {
			all[m.grantorID], actors[m.grantorID] = true, true
		}
	}
	s.names, s.acts = map[uint32]string{0: everybody}, map[uint32]bool{}
	var oid uint32
	var name string
	var acts bool
	err := each(ctx, tx, `SELECT oid, rolname, oid = ANY ($2::oid[]) AND pg_has_role(oid, 'USAGE') FROM pg_roles WHERE oid = ANY ($1::oid[])`,
		[]any{keys(all), keys(actors)}, []any{&oid, &name, &acts}, func() error {
			s.names[oid], s.acts[oid] = s.booked(name), acts
			return nil
		})
	if err != nil {
		return err
	}
	s.resolve()
	return nil
}

// name is what a role is called, as the server calls one that is gone.
func (s *snapshot) name(oid uint32) string {
	if n, ok := s.names[oid]; ok {
		return n
	}
	return "unknown (OID=" + strconv.FormatUint(uint64(oid), 10) + ")"
}

// resolve puts names to the object ids that were read.
func (s *snapshot) resolve() {
	for _, n := range s.schemas {
		for _, i := range n.access {
			s.resolveUse(n, i)
		}
	}
	for _, r := range s.roles {
		for i := range r.members {
			m := &r.members[i]
			m.grantor, m.grantorOK = s.name(m.grantorID), s.acts[m.grantorID]
		}
	}
	for _, r := range s.ordered {
		r.owner = s.name(r.ownerID)
	}
}

func (s *snapshot) resolveUse(n *schema, i grantItem) {
	if i.priv != "USAGE" {
		return
	}
	grantee := s.name(i.grantee)
	n.usage[grantee] = true
	n.public = n.public || i.grantee == 0
	if s.byUs(n.ownerID, i.grantor) && !n.granted[grantee] {
		n.granted[grantee] = true
		s.uses[grantee] = append(s.uses[grantee], n)
	}
}

// byUs reports whether an item is the engine's own, or the owner's where the
// engine acts as the owner.
func (s *snapshot) byUs(owner, grantor uint32) bool {
	if s.acts[owner] {
		return grantor == owner
	}
	return s.acts[grantor]
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

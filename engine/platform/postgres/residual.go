package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform"
)

// verifyGone looks for other ways in which accounts that left roles still read
// what these open.
func (r *run) verifyGone(ctx context.Context, at []int) error {
	at, err := r.entangled(ctx, at)
	if err != nil {
		return err
	}
	if at, err = r.verifyThrough(ctx, at); err != nil {
		return err
	}
	byRole := map[string][]int{}
	for _, i := range at {
		name := r.s.roleName(r.out[i].Change.Grant.RoleKey)
		byRole[name] = append(byRole[name], i)
	}
	for _, name := range keys(byRole) {
		if err := r.verifyResidual(ctx, byRole[name], r.had[name]); err != nil {
			return err
		}
	}
	return nil
}

// entangled keeps those that can have another way at all: superusers, members
// of a role that is not ours, whom others granted something or who own it, and
// everybody where something is open to everybody. Most people are none of these.
func (r *run) entangled(ctx context.Context, at []int) ([]int, error) {
	accounts, plain := []uint32{}, []uint32{}
	for _, i := range at {
		if a := r.s.roles[r.out[i].Change.Grant.Principal]; a != nil {
			accounts = append(accounts, a.oid)
		}
	}
	if len(accounts) == 0 {
		return nil, nil
	}
	for name, role := range r.s.roles {
		if _, ours := r.s.owned(name); ours && len(role.joined) == 0 {
			plain = append(plain, role.oid)
		}
	}
	rows, err := r.p.conn.Query(ctx, `
		SELECT DISTINCT member FROM pg_auth_members WHERE member = ANY ($1::oid[]) AND roleid <> ALL ($2::oid[])`, accounts, plain)
	if err != nil {
		return nil, err
	}
	members, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return nil, err
	}
	elsewhere := map[uint32]bool{}
	for _, m := range members {
		elsewhere[m] = true
	}
	strangers := map[string]map[string]bool{} // by role
	return slices.DeleteFunc(at, func(i int) bool {
		g := r.out[i].Change.Grant
		name := r.s.roleName(g.RoleKey)
		if strangers[name] == nil {
			strangers[name] = r.s.strangers(r.had[name])
		}
		a, s := r.s.roles[g.Principal], strangers[name]
		return a == nil || !a.super && !elsewhere[a.oid] && !s[g.Principal] && !s[everybody]
	}), nil
}

// strangers are the owners of relations, and whom others granted something on them.
func (s *snapshot) strangers(rels []relName) map[string]bool {
	out := map[string]bool{}
	for _, at := range rels {
		if r := s.rels[at]; r != nil {
			out[r.owner] = true
			for _, a := range r.acl {
				out[a.grantee] = true
			}
		}
	}
	return out
}

// verifyThrough finds who has the rights of the role by a chain of
// memberships, and returns the others.
func (r *run) verifyThrough(ctx context.Context, at []int) ([]int, error) {
	var asked []int
	var accounts, roles []uint32
	for _, i := range at {
		g := r.out[i].Change.Grant
		a, role := r.s.roles[g.Principal], r.s.roles[r.s.roleName(g.RoleKey)]
		if !a.super && role != nil {
			asked, accounts, roles = append(asked, i), append(accounts, a.oid), append(roles, role.oid)
		}
	}
	if len(asked) == 0 {
		return at, nil
	}
	rows, err := r.p.conn.Query(ctx, `
		SELECT n::int FROM unnest($1::oid[], $2::oid[]) WITH ORDINALITY AS x (account, role, n)
		WHERE pg_has_role(account, role, 'MEMBER')`, accounts, roles)
	if err != nil {
		return nil, err
	}
	through, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, err
	}
	found := map[int]bool{}
	for _, n := range through {
		i := asked[n-1]
		found[i] = true
		g := r.out[i].Change.Grant
		r.out[i].Status, r.out[i].Code = platform.Residual, platform.StillReadable
		r.out[i].Detail = g.Principal + " left " + r.s.roleName(g.RoleKey) +
			" but has its rights through another role that is a member: take it out of that role"
	}
	return slices.DeleteFunc(at, func(i int) bool { return found[i] }), nil
}

// verifyResidual asks for the first of the relations that each account can
// still read in another way than through a role of ours.
func (r *run) verifyResidual(ctx context.Context, at []int, rels []relName) error {
	var ours []string
	for name := range r.s.roles {
		if r.s.ourGrantee(name) {
			ours = append(ours, name)
		}
	}
	slices.Sort(ours)
	var oids, accounts []uint32
	for _, n := range rels {
		if rel := r.s.rels[n]; rel != nil {
			oids = append(oids, rel.oid)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	for _, i := range at {
		accounts = append(accounts, r.s.roles[r.out[i].Change.Grant.Principal].oid)
	}
	rows, err := r.p.conn.Query(ctx, residualSQL, accounts, oids, ours)
	if err != nil {
		return err
	}
	var n int
	var path string
	_, err = pgx.ForEachRow(rows, []any{&n, &path}, func() error {
		o := &r.out[at[n-1]]
		o.Status, o.Code = platform.Residual, platform.StillReadable
		o.Detail = o.Change.Grant.Principal + " still reads " + path +
			" by a right that Assent did not give: see the foreign access of the connection"
		return nil
	})
	return err
}

const residualSQL = `
	SELECT w.n::int, x.path
	FROM unnest($1::oid[]) WITH ORDINALITY AS w (id, n) JOIN pg_roles who ON who.oid = w.id CROSS JOIN LATERAL (
		SELECT n.nspname || '.' || c.relname AS path
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = ANY ($2::oid[])
		  AND has_schema_privilege(who.oid, n.oid, 'USAGE') AND has_any_column_privilege(who.oid, c.oid, 'SELECT')
		  AND (who.rolsuper OR pg_has_role(who.oid, c.relowner, 'USAGE') OR pg_has_role(who.oid, 'pg_read_all_data', 'USAGE')
		    OR EXISTS (
		      SELECT FROM (
		        SELECT a.grantee, a.privilege_type FROM aclexplode(c.relacl) a
		        UNION ALL
		        SELECT a.grantee, a.privilege_type FROM pg_attribute t, aclexplode(t.attacl) a
		        WHERE t.attrelid = c.oid AND NOT t.attisdropped
		      ) a LEFT JOIN pg_roles g ON g.oid = a.grantee
		      WHERE a.privilege_type = 'SELECT' AND coalesce(g.rolname <> ALL ($3::text[]), true)
		        AND (a.grantee = 0 OR pg_has_role(who.oid, g.oid, 'USAGE'))))
		ORDER BY 1 LIMIT 1) x`

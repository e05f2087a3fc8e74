package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// reached are the relations that a role opens: by the books, and in fact.
func (s *snapshot) reached(name string) []relName {
	found := map[relName]bool{}
	if s.book != nil {
		for _, o := range s.book.roles[name].body.Objects {
			found[relName{o.Path[1], o.Path[2]}] = true
		}
		for at := range s.book.viewsOf[name] {
			found[at] = true
		}
	}
	for _, at := range s.heldBy(name) {
		found[at] = true
	}
	return relNames(found)
}

// verify reads everything back and lets only what is seen stand.
func (r *run) verify(ctx context.Context) error {
	if len(r.seen) == 0 {
		return nil
	}
	if err := r.reread(ctx); err != nil {
		return err
	}
	var joined []int
	for _, i := range keys(r.seen) {
		var err error
		switch r.out[i].Change.Action {
		case plan.Provision:
			r.verifyRole(i)
		case plan.Retire:
			r.verifyRetired(i)
		case plan.Allow, plan.Extend:
			if r.verifyMember(i) {
				joined = append(joined, i)
			}
		case plan.Revoke:
			err = r.verifyGone(ctx, i)
		}
		if err != nil {
			return err
		}
		if f := r.seen[i].faults[i]; f != nil && (r.out[i].Status == platform.Applied || r.out[i].Status == platform.Done) {
			r.set(i, f)
		}
	}
	return r.verifyInherits(ctx, joined)
}

func (r *run) verifyRole(i int) {
	can := r.seen[i].can[i]
	seen, _ := r.s.seenRole(can.RoleKey)
	if _, ok := r.s.owned(r.s.roleName(can.RoleKey)); !ok || !sameRole(seen, can) {
		r.set(i, faultf(platform.NotReadBack, "role %s is not as it was made: somebody else changes it at the same time", r.s.roleName(can.RoleKey)))
	}
}

func (r *run) verifyRetired(i int) {
	name := r.s.roleName(r.out[i].Change.RoleKey())
	if r.s.roles[name] != nil {
		r.set(i, faultf(platform.NotReadBack, "role %s is still there: somebody else made it again", name))
	}
}

// verifyMember reports whether the account is a member by our hand.
func (r *run) verifyMember(i int) bool {
	if r.seen[i].faults[i] != nil {
		return false
	}
	g := r.out[i].Change.Grant
	name := r.s.roleName(g.RoleKey)
	role := r.s.roles[name]
	if role == nil || !role.has(g.Principal, r.s.version) {
		r.set(i, faultf(platform.NotReadBack, "%s is no member of %s: somebody else changes it at the same time", g.Principal, name))
		return false
	}
	return true
}

// verifyInherits asks the server itself whether the accounts have what their
// roles have, all in one query.
func (r *run) verifyInherits(ctx context.Context, at []int) error {
	var accounts, roles []uint32
	for _, i := range at {
		g := r.out[i].Change.Grant
		accounts = append(accounts, r.s.roles[g.Principal].oid)
		roles = append(roles, r.s.roles[r.s.roleName(g.RoleKey)].oid)
	}
	rows, err := r.p.conn.Query(ctx, `
		SELECT n::int FROM unnest($1::oid[], $2::oid[]) WITH ORDINALITY AS x (account, role, n)
		WHERE NOT pg_has_role(account, role, 'USAGE')`, accounts, roles)
	if err != nil {
		return err
	}
	lacking, err := pgx.CollectRows(rows, pgx.RowTo[int])
	for _, n := range lacking {
		i := at[n-1]
		r.set(i, faultf(platform.NotReadBack, "%s does not inherit from its roles: ALTER ROLE … INHERIT on the account",
			r.out[i].Change.Grant.Principal))
	}
	return err
}

// verifyGone makes sure that the account has left the role, and looks for
// other ways in which it still reads what the role opens.
func (r *run) verifyGone(ctx context.Context, i int) error {
	g := r.out[i].Change.Grant
	name := r.s.roleName(g.RoleKey)
	if role := r.s.roles[name]; role != nil {
		if slices.ContainsFunc(role.members, func(m membership) bool { return m.account == g.Principal }) && g.Principal != r.s.engine {
			r.set(i, faultf(platform.NoRight, "%s is still a member of %s, let in by somebody else: that grantor has to revoke", g.Principal, name))
			return nil
		}
	}
	through, err := r.stillIn(ctx, g.Principal, name)
	if err != nil {
		return err
	}
	if through {
		r.out[i].Status, r.out[i].Code = platform.Residual, platform.StillReadable
		r.out[i].Detail = g.Principal + " left " + name + " but has its rights through another role that is a member: take it out of that role"
		return nil
	}
	path, err := r.residual(ctx, g.Principal, r.had[name])
	if err != nil || path == "" {
		return err
	}
	r.out[i].Status, r.out[i].Code = platform.Residual, platform.StillReadable
	r.out[i].Detail = g.Principal + " still reads " + path + " by a right that Assent did not give: see the foreign access of the connection"
	return nil
}

// stillIn reports whether the account has the rights of a role by a chain of
// memberships.
func (r *run) stillIn(ctx context.Context, account, name string) (bool, error) {
	if a := r.s.roles[account]; a == nil || a.super || r.s.roles[name] == nil {
		return false, nil
	}
	var still bool
	err := r.p.conn.QueryRow(ctx, `SELECT pg_has_role($1::name, $2::name, 'MEMBER')`, account, name).Scan(&still)
	return still, err
}

// residual is the first of the relations that the account can still read in
// another way than through a role of ours, empty if there is none.
func (r *run) residual(ctx context.Context, account string, rels []relName) (string, error) {
	var ours []string
	for name := range r.s.roles {
		if r.s.ourGrantee(name) {
			ours = append(ours, name)
		}
	}
	slices.Sort(ours)
	var oids []uint32
	for _, at := range rels {
		if rel := r.s.rels[at]; rel != nil {
			oids = append(oids, rel.oid)
		}
	}
	if r.s.roles[account] == nil || len(oids) == 0 {
		return "", nil
	}
	var path string
	err := r.p.conn.QueryRow(ctx, `
		WITH who AS (SELECT oid, rolsuper FROM pg_roles WHERE rolname = $1)
		SELECT coalesce((
			SELECT n.nspname || '.' || c.relname
			FROM who, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
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
			ORDER BY 1 LIMIT 1), '')`, account, oids, ours).Scan(&path)
	return path, err
}

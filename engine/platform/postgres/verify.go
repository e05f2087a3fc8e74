package postgres

import (
	"context"
	"maps"
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
	for _, r := range s.heldBy(name) {
		found[r.relName] = true
	}
	return relNames(found)
}

// verify reads everything back and lets only what is seen stand.
func (r *run) verify(ctx context.Context) error {
	if !slices.ContainsFunc(r.seen, func(w *work) bool { return w != nil }) {
		return nil
	}
	if err := r.readBack(ctx); err != nil {
		return err
	}
	var joined, left []int
	for i, w := range r.seen {
		if w == nil {
			continue
		}
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
			if r.verifyLeft(i) {
				left = append(left, i)
			}
		}
		if f := w.faults[i]; f != nil && (r.out[i].Status == platform.Applied || r.out[i].Status == platform.Done) {
			r.set(i, f)
		}
	}
	if err := r.verifyInherits(ctx, joined); err != nil {
		return err
	}
	return r.verifyGone(ctx, left)
}

// readBack reads again whatever an outcome is about. Of the relations these are
// those that statements were made for, those behind masks, and those of roles
// that people left; what this Apply had no need to touch stands as it was read at
// the start. Where that would be most of them, or roles write, it reads all.
func (r *run) readBack(ctx context.Context) error {
	w := r.want
	again, left := maps.Clone(r.changed), map[string]bool{}
	w.accounts = nil
	for i, carried := range r.seen {
		if carried == nil {
			continue
		}
		if g := r.out[i].Change.Grant; g != nil {
			revoked := r.out[i].Change.Action == plan.Revoke
			if revoked {
				left[r.s.roleName(g.RoleKey)] = true
			}
			if nameable(g.Principal) && (revoked || r.s.version < 160000) { // see verifyInherits
				w.accounts = append(w.accounts, g.Principal)
			}
			continue
		}
		can := carried.can[i]
		for _, o := range can.Objects {
			if o.Masked() {
				again[relName{o.Path[1], o.Path[2]}] = true
				again[relName{can.SchemaName(), viewName(o.Path)}] = true
			}
		}
	}
	for name := range left {
		for _, at := range r.had[name] {
			again[at] = true
		}
	}
	if !r.s.writesAny(&w) && len(again) <= len(r.s.rels)/2 {
		w.again, w.before = again, r.s
	}
	s, err := r.p.read(ctx, w)
	if err != nil {
		return err
	}
	r.s, r.b = s, &builder{s: s}
	return nil
}

func (r *run) verifyRole(i int) {
	can := r.seen[i].can[i]
	if unread := r.s.unreadOf(r.s.roleName(can.RoleKey)); len(unread) > 0 {
		r.set(i, faultf(platform.Busy, "%s could not be read back, somebody holds it locked: it is tried again in the next round", dotted(unread[0])))
		return
	}
	if _, lost := r.seen[i].lost[r.s.roleName(can.RoleKey)]; lost {
		return // it is known not to be as it should, and a fault says so
	}
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

// verifyInherits asks the server itself whether accounts have what their roles
// have, all in one query. Where the account inherits, or from PostgreSQL 16 on
// the membership that was just read, there is nothing to ask.
func (r *run) verifyInherits(ctx context.Context, at []int) error {
	at = slices.DeleteFunc(at, func(i int) bool { return r.s.version >= 160000 || r.s.roles[r.out[i].Change.Grant.Principal].inherits })
	if len(at) == 0 {
		return nil
	}
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

// verifyLeft reports whether the account is out of the role.
func (r *run) verifyLeft(i int) bool {
	g := r.out[i].Change.Grant
	name := r.s.roleName(g.RoleKey)
	if role := r.s.roles[name]; role != nil && role.holds(g.Principal) && g.Principal != r.s.engine {
		r.set(i, faultf(platform.NoRight, "%s is still a member of %s, let in by somebody else: that grantor has to revoke", g.Principal, name))
		return false
	}
	return true
}

package mysql

import (
	"context"
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// reached are the relations that a role opens: by the books, and in fact.
func (s *snapshot) reached(name string) []relName {
	found := map[relName]bool{}
	for _, o := range s.book.roles[name].body.Objects {
		found[relName{o.Path[0], o.Path[1]}] = true
	}
	for at, v := range s.book.views {
		if v.role == name {
			found[at] = true
		}
	}
	for at := range s.direct[s.role(name)] {
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
	for _, i := range keys(r.seen) {
		switch r.out[i].Change.Action {
		case plan.Provision:
			if r.shut[r.out[i].Change.RoleKey().RoleName()] == nil { // it is known not to be as it should
				r.verifyRole(i)
			}
		case plan.Retire:
			r.verifyRetired(i)
		case plan.Allow, plan.Extend:
			r.verifyMember(i)
		case plan.Revoke:
			r.verifyGone(i)
		}
		if f := r.seen[i].faults[i]; f != nil && (r.out[i].Status == platform.Applied || r.out[i].Status == platform.Done) {
			r.set(i, f)
		}
	}
	return nil
}

func (r *run) verifyRole(i int) {
	can := r.seen[i].can[i]
	seen, _ := r.s.seenRole(can.RoleKey)
	if r.seen[i].faults[i] != nil { // said anyway: what counts is what is open
		seen.Objects = slices.DeleteFunc(seen.Objects, func(o grant.Object) bool { return o.Kind == grant.AlteredRole })
	}
	if !sameRole(seen, can) {
		r.set(i, faultf(platform.NotReadBack, "role %s is not as it was made: somebody else changes it at the same time", can.RoleName()))
	}
}

func (r *run) verifyRetired(i int) {
	name := r.out[i].Change.RoleKey().RoleName()
	if r.s.hasRole(name) {
		r.set(i, faultf(platform.NotReadBack, "role %s is still there: somebody else made it again", name))
	}
}

// verifyMember makes sure that the account is in the role as it should be.
func (r *run) verifyMember(i int) {
	if r.seen[i].faults[i] != nil {
		return
	}
	g := r.out[i].Change.Grant
	name := g.RoleName()
	ways := r.s.ways(name)
	for _, who := range r.seen[i].people[i] {
		m, ok := r.s.book.members[memberKey{name, who}]
		if !ok || m.ending || !r.s.memberRight(name, who, m, ways[who]) {
			r.set(i, faultf(platform.NotReadBack, "%s is not in %s as it should be: somebody else changes it at the same time", who, name))
		}
	}
}

// verifyGone makes sure that the account has left the role, and looks for
// other ways in which it still reads what the role opens.
func (r *run) verifyGone(i int) {
	g := r.out[i].Change.Grant
	name := g.RoleName()
	ways := r.s.ways(name)
	for _, who := range r.seen[i].people[i] {
		if len(ways[who]) > 0 {
			r.set(i, faultf(platform.NoRight, "%s is still in %s, let in by somebody else: let the server's administrator take it out", who, name))
			return
		}
		if r.s.logins[who] == nil {
			continue
		}
		if r.s.reach(who)(r.s.role(name)) {
			r.out[i].Status, r.out[i].Code = platform.Residual, platform.StillReadable
			r.out[i].Detail = who.String() + " left " + name + " but has its rights through another role that is in it: take that role out"
			return
		}
		if path := r.s.residual(who, r.had[name]); path != "" {
			r.out[i].Status, r.out[i].Code = platform.Residual, platform.StillReadable
			r.out[i].Detail = who.String() + " still reads " + path + " by a right that Assent did not give: see the foreign access of the connection"
			return
		}
	}
}

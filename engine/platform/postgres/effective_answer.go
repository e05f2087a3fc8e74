package postgres

import (
	"cmp"
	"slices"

	"github.com/assent-dev/assent/engine/platform"
)

// bySetRole marks the step of a chain that a member has to take himself.
const bySetRole = " (by SET ROLE)"

// actor is a principal that acts as a role, and the chain that leads there.
type actor struct {
	principal uint32
	via       []string
}

func (e *effective) answer() platform.Effective {
	e.readActors()
	var out platform.Effective
	for rel, shown := range e.shown {
		for _, sh := range shown {
			if sh.view == "" && !sh.ours {
				out.Access = append(out.Access, e.standing(sh)...)
			}
			for _, i := range e.items[rel] {
				out.Access = append(out.Access, e.given(rel, sh, i)...)
			}
		}
	}
	out.Sort()
	return out
}

func (e *effective) readActors() {
	e.actors, e.acting = map[uint32][]actor{}, map[[2]uint32]bool{}
	for _, p := range e.people {
		for role, via := range e.ways(p) {
			e.actors[role] = append(e.actors[role], actor{p, via})
			e.acting[[2]uint32{p, role}] = true
		}
	}
}

// given is what one privilege opens. What everybody has is told once, of PUBLIC,
// or of the one principal that the question is about.
func (e *effective) given(rel uint32, sh showing, i item) []platform.Access {
	var out []platform.Access
	if i.grantee == 0 {
		if e.q.Principal == "" || e.q.Principal == everybody {
			if e.use[[2]uint32{0, rel}] {
				out = append(out, e.access(everybody, sh, platform.ByPublic, nil, i))
			}
			return out
		}
		for _, p := range e.people {
			if !e.supers[p] && e.uses(p, rel) {
				out = append(out, e.access(e.names[p], sh, platform.ByPublic, nil, i))
			}
		}
		return out
	}
	_, ours := e.s.owned(e.s.booked(e.names[i.grantee]))
	for _, a := range e.actors[i.grantee] {
		if e.supers[a.principal] || !e.uses(a.principal, rel) {
			continue
		}
		origin := platform.ByOthers
		if ours && len(a.via) > 0 {
			origin = platform.ByUs
		}
		out = append(out, e.access(e.names[a.principal], sh, origin, a.via, i))
	}
	return out
}

// standing is what principals have on a table by who they are.
func (e *effective) standing(sh showing) []platform.Access {
	var out []platform.Access
	add := func(role uint32, origin platform.Origin, privs ...string) {
		for _, a := range e.actors[role] {
			if e.supers[a.principal] && (origin != platform.BySuper || a.principal != role) {
				continue // a superuser is told once
			}
			out = append(out, platform.Access{Principal: e.names[a.principal], Path: sh.table.path, Privileges: privs, Origin: origin, Via: a.via})
		}
	}
	add(sh.table.owner, platform.ByOwner, "ALL")
	for oid := range e.supers {
		add(oid, platform.BySuper, "ALL")
	}
	add(e.readAll, platform.ByBuiltIn, "SELECT")
	add(e.writeAll, platform.ByBuiltIn, "DELETE", "INSERT", "UPDATE")
	return out
}

func (e *effective) access(name string, sh showing, origin platform.Origin, via []string, i item) platform.Access {
	a := platform.Access{
		Principal: name, Path: sh.table.path, Privileges: []string{i.priv}, Columns: i.columns,
		Origin: origin, Via: via, Grantor: e.names[i.grantor],
	}
	if sh.ours {
		a.Columns, a.Masked = sh.cols, sh.mask
	}
	if sh.view != "" {
		a.Columns = nil // a view's columns need not be the table's
		a.Via = append(slices.Clone(via), "view "+sh.view)
	}
	return a
}

// uses reports whether a principal may use the schema of a relation, itself or
// as a role that it can act as.
func (e *effective) uses(principal, rel uint32) bool {
	return e.acts(principal, e.readAll) || e.acts(principal, e.writeAll) || e.use[[2]uint32{0, rel}] || e.usesBy(principal, rel)
}

func (e *effective) usesBy(principal, rel uint32) bool {
	for _, role := range e.users[rel] {
		if e.acts(principal, role) {
			return true
		}
	}
	return false
}

func (e *effective) acts(principal, role uint32) bool {
	return e.acting[[2]uint32{principal, role}]
}

// ways are the roles that a principal acts as, itself among them, each with the
// shortest chain, one that inherits before one that does not.
func (e *effective) ways(oid uint32) map[uint32][]string {
	out := map[uint32][]string{oid: nil}
	for _, inheritsOnly := range []bool{true, false} {
		queue := []uint32{oid}
		for role := range out {
			if role != oid {
				queue = append(queue, role)
			}
		}
		slices.SortFunc(queue, func(a, b uint32) int { return cmp.Or(len(out[a])-len(out[b]), cmp.Compare(e.names[a], e.names[b])) })
		for len(queue) > 0 {
			at := queue[0]
			queue = queue[1:]
			for _, to := range e.into[at] {
				if _, had := out[to.role]; had || inheritsOnly && !to.inherits {
					continue
				}
				step := e.names[to.role]
				if !to.inherits {
					step += bySetRole
				}
				out[to.role] = append(slices.Clone(out[at]), step)
				queue = append(queue, to.role)
			}
		}
	}
	return out
}

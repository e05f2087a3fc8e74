package postgres

import (
	"slices"

	"github.com/assent-dev/assent/engine/platform"
)

// bySetRole marks the step of a chain that a member has to take himself.
const bySetRole = " (by SET ROLE)"

func (e *effective) answer() platform.Effective {
	var out platform.Effective
	for rel, shown := range e.shown {
		for _, sh := range shown {
			if e.q.About(everybody) {
				out.Access = append(out.Access, e.public(rel, sh)...)
			}
			for _, p := range e.people {
				out.Access = append(out.Access, e.ofPrincipal(p, rel, sh)...)
			}
		}
	}
	out.Sort()
	return out
}

// public is what everybody has. It is told once, of PUBLIC, and of a principal
// where the question is about one.
func (e *effective) public(rel uint32, sh showing) []platform.Access {
	var out []platform.Access
	for _, i := range e.items[rel] {
		if i.grantee == 0 && e.use[[2]uint32{0, rel}] {
			out = append(out, e.access(everybody, sh, platform.ByPublic, nil, i))
		}
	}
	return out
}

func (e *effective) ofPrincipal(p uint32, rel uint32, sh showing) []platform.Access {
	name := e.names[p]
	if e.supers[p] {
		if sh.view != "" || sh.ours {
			return nil // told of the table already
		}
		return []platform.Access{{Principal: name, Path: sh.table.path, Privileges: []string{"ALL"}, Origin: platform.BySuper}}
	}
	ways := e.waysOf(p)
	var out []platform.Access
	if sh.view == "" && !sh.ours {
		out = append(out, e.standing(name, ways, sh)...)
	}
	if !e.uses(ways, rel) {
		return out
	}
	for _, i := range e.items[rel] {
		w, ok := ways[i.grantee]
		switch {
		case i.grantee == 0 && e.q.Principal != "":
			out = append(out, e.access(name, sh, platform.ByPublic, nil, i))
		case ok:
			origin := platform.ByOthers
			if last := len(w.via); last > 0 {
				if _, ours := e.s.owned(e.s.booked(e.names[i.grantee])); ours {
					origin = platform.ByUs
				}
			}
			out = append(out, e.access(name, sh, origin, w.via, i))
		}
	}
	return out
}

// standing is what a principal has on a table by who it is.
func (e *effective) standing(name string, ways map[uint32]way, sh showing) []platform.Access {
	var out []platform.Access
	add := func(role uint32, origin platform.Origin, privs ...string) {
		if w, ok := ways[role]; ok {
			out = append(out, platform.Access{Principal: name, Path: sh.table.path, Privileges: privs, Origin: origin, Via: w.via})
		}
	}
	add(sh.table.owner, platform.ByOwner, "ALL")
	for oid, w := range ways {
		switch e.names[oid] {
		case "pg_read_all_data":
			add(oid, platform.ByBuiltIn, "SELECT")
		case "pg_write_all_data":
			add(oid, platform.ByBuiltIn, "DELETE", "INSERT", "UPDATE")
		}
		if len(w.via) > 0 && e.supers[oid] {
			add(oid, platform.BySuper, "ALL")
		}
	}
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
func (e *effective) uses(ways map[uint32]way, rel uint32) bool {
	if e.use[[2]uint32{0, rel}] {
		return true
	}
	for oid := range ways {
		if e.use[[2]uint32{oid, rel}] || e.names[oid] == "pg_read_all_data" || e.names[oid] == "pg_write_all_data" {
			return true
		}
	}
	return false
}

// waysOf are the roles that a principal acts as, itself among them, each with
// the shortest chain, one that inherits before one that does not.
func (e *effective) waysOf(oid uint32) map[uint32]way {
	if w, ok := e.ways[oid]; ok {
		return w
	}
	out := map[uint32]way{oid: {}}
	for _, inheritsOnly := range []bool{true, false} {
		queue := []uint32{oid}
		for role := range out {
			if role != oid {
				queue = append(queue, role)
			}
		}
		slices.SortFunc(queue, func(a, b uint32) int { return len(out[a].via) - len(out[b].via) })
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
				out[to.role] = way{append(slices.Clone(out[at].via), step)}
				queue = append(queue, to.role)
			}
		}
	}
	if e.ways == nil {
		e.ways = map[uint32]map[uint32]way{}
	}
	e.ways[oid] = out
	return out
}

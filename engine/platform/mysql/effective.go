package mysql

import (
	"context"
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

var _ platform.Inspector = (*MySQL)(nil)

// Effective implements platform.Inspector. It lists what accounts hold on tables,
// by themselves, by every role that they can take on and by PUBLIC. A privilege on
// a database, or on all of them, is told of each table that the question names,
// that a role of ours opens or that somebody holds something on; where there is
// none, of the database. Views and procedures that others made and that run with
// their definer's rights are another way, and are not followed.
func (m *MySQL) Effective(ctx context.Context, q platform.Question) (platform.Effective, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.read(ctx, wantedBy(nil))
	if err != nil {
		return platform.Effective{}, err
	}
	e := &effective{s: s, q: q, tables: map[relName]bool{}, views: map[relName]showing{}}
	e.know()
	var out platform.Effective
	for _, who := range accounts(s.logins) {
		if l := s.logins[who]; l.role || s.oursToHold(who) || s.builtIn(access{grantee: who}) || !q.About(s.spell(who)) {
			continue
		}
		out.Access = append(out.Access, e.of(s.spell(who), who, e.chains(who))...)
	}
	if q.About(publicRole) {
		out.Access = append(out.Access, e.of(publicRole, account{}, map[string][]string{publicRole: nil})...)
	}
	out.Sort()
	return out, nil
}

// effective is one answer in the making.
type effective struct {
	s      *snapshot
	q      platform.Question
	tables map[relName]bool    // that are known by name
	views  map[relName]showing // masked views of ours
}

// showing is what a masked view of ours shows of a table.
type showing struct {
	path            []string
	columns, masked []string
}

func (e *effective) know() {
	if len(e.q.Path) == 2 {
		e.tables[relName{e.q.Path[0], e.q.Path[1]}] = true
	}
	if e.s.book != nil {
		for _, r := range e.s.book.roles {
			for _, o := range r.body.Objects {
				e.tables[relName{o.Path[0], o.Path[1]}] = true
				if o.Masked() {
					e.views[relName{r.body.SchemaName(), viewName(o.Path)}] = shows(o)
				}
			}
		}
	}
	for _, a := range e.s.rights {
		if a.at.name != "" && !e.s.builtIn(a) {
			if _, ours := e.views[a.at]; !ours {
				e.tables[a.at] = true
			}
		}
	}
}

func shows(o grant.Object) showing {
	out := showing{path: o.Path}
	for _, c := range o.Columns {
		out.columns = append(out.columns, c.Name)
		if c.Mask != nil {
			out.masked = append(out.masked, c.Name)
		}
	}
	return out
}

// chains are the roles that an account can take on, each with the shortest way to it.
func (e *effective) chains(who account) map[string][]string {
	out := map[string][]string{}
	queue := []account{who}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, of := range keys(e.s.joined[at]) {
			if _, had := out[of]; !had {
				out[of] = append(slices.Clone(out[at.user]), of)
				if at == who {
					out[of] = []string{of}
				}
				queue = append(queue, e.s.role(of))
			}
		}
	}
	return out
}

// of is what one principal has, by itself and by its roles.
func (e *effective) of(principal string, who account, chains map[string][]string) []platform.Access {
	own := func(account) bool { return false }
	if who != (account{}) {
		own = e.s.reach(who)
	}
	var out []platform.Access
	for _, a := range e.s.rights {
		if e.s.builtIn(a) {
			continue
		}
		via, byRole := chains[a.grantee.user]
		byRole = byRole && a.grantee == e.s.role(a.grantee.user)
		if !byRole && (a.grantee.user == publicRole || !own(a.grantee)) {
			continue
		}
		one := platform.Access{Principal: principal, Privileges: []string{a.priv}, Origin: e.origin(a, byRole, principal), Via: via, Grantor: a.grantor}
		out = append(out, e.places(one, a)...)
	}
	return out
}

func (e *effective) origin(a access, byRole bool, principal string) platform.Origin {
	switch {
	case byRole && e.s.oursToHold(a.grantee):
		return platform.ByUs
	case principal == publicRole:
		return platform.ByPublic
	case a.at.name == "":
		return platform.ByDatabase
	}
	return platform.ByOthers
}

// places tells a privilege of each table that it is about and that was asked for.
func (e *effective) places(one platform.Access, a access) []platform.Access {
	if a.at.name != "" {
		one.Path, one.Columns = a.at.path(), a.columns
		if v, ours := e.views[a.at]; ours {
			one.Path, one.Columns, one.Masked = v.path, v.columns, v.masked
		}
		return e.asked(one)
	}
	if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, a.priv) {
		return nil
	}
	var out []platform.Access
	for _, at := range relNames(e.tables) {
		if a.raw == "" || covers(a.raw, at.database) {
			one.Path = at.path()
			out = append(out, e.asked(one)...)
		}
	}
	if len(out) == 0 {
		one.Path = []string{"*"}
		if a.raw != "" {
			one.Path = []string{a.at.database}
		}
		out = e.asked(one)
	}
	return out
}

func (e *effective) asked(one platform.Access) []platform.Access {
	if !e.q.Below(one.Path) {
		return nil
	}
	return []platform.Access{one}
}

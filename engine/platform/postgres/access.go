package postgres

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

func (s *snapshot) mentionsUs(r *relation) bool {
	return slices.ContainsFunc(r.access.table.items, func(i grantItem) bool { return s.roles[s.names[i.grantee]] != nil })
}

// spread gives every relation its foreign items and what roles of ours hold.
// Relations with the same owner, lists and names of columns share the result.
func (s *snapshot) spread() {
	type result struct {
		acl    []access
		direct map[string]*held
		roles  []string
	}
	known := map[string]*result{}
	var sign []byte
	for _, r := range s.ordered {
		if r.access.table == nil && r.access.columns == nil {
			continue
		}
		slices.SortFunc(r.access.columns, func(a, b columnAccess) int { return cmp.Compare(a.num, b.num) })
		sign = s.sign(sign[:0], r)
		res := known[string(sign)]
		if res == nil {
			res = &result{}
			res.acl, res.direct = s.accessOf(r)
			known[string(sign)] = res
			res.roles = keys(res.direct)
		}
		r.acl, r.direct, r.shared = res.acl, res.direct, true
		for _, role := range res.roles {
			if r.listed[role] == nil {
				l := s.holder(role)
				l.list = append(l.list, r)
			}
		}
	}
}

// sign is equal for relations whose access means the same.
func (s *snapshot) sign(b []byte, r *relation) []byte {
	b = strconv.AppendUint(b, uint64(r.ownerID), 10)
	if r.access.table != nil {
		b = strconv.AppendInt(append(b, ' '), int64(r.access.table.id), 10)
	}
	for _, c := range r.access.columns {
		b = strconv.AppendInt(append(b, ','), int64(c.list.id), 10)
		b = append(append(b, ' '), r.columnName(c.num)...)
	}
	return b
}

func (r *relation) columnName(num int16) string {
	i, ok := slices.BinarySearchFunc(r.columns, num, func(c column, num int16) int { return cmp.Compare(c.num, num) })
	if !ok {
		return ""
	}
	return r.columns[i].name
}

// accessOf sorts the items of a relation into ours and others'.
func (s *snapshot) accessOf(r *relation) ([]access, map[string]*held) {
	var acl []access
	direct := map[string]*held{}
	take := func(i grantItem, columns []string) {
		if i.grantee == r.ownerID || i.grantee == s.engineID {
			return
		}
		a := access{
			grantee: s.name(i.grantee), grantor: s.name(i.grantor), priv: i.priv, columns: columns,
			grantable: i.grantable, ours: s.byUs(r.ownerID, i.grantor),
		}
		if a.ours && s.roles[a.grantee] != nil {
			h := direct[a.grantee]
			if h == nil {
				h = nothing
			}
			direct[a.grantee] = s.wants.with(h, a)
		}
		if !a.ours || !s.ourGrantee(a.grantee) {
			acl = append(acl, a)
		}
	}
	if r.access.table != nil {
		for _, i := range r.access.table.items {
			take(i, nil)
		}
	}
	s.columnItems(r, take)
	slices.SortFunc(acl, func(x, y access) int {
		return cmp.Or(strings.Compare(x.grantee, y.grantee), strings.Compare(x.priv, y.priv), strings.Compare(x.grantor, y.grantor),
			slices.Compare(x.columns, y.columns))
	})
	return acl, direct
}

// columnItems yields the items on columns, each once with all its columns.
func (s *snapshot) columnItems(r *relation, take func(grantItem, []string)) {
	columns := map[grantItem][]string{}
	var order []grantItem
	done := map[*accessList]bool{}
	for n, c := range r.access.columns {
		if done[c.list] {
			continue
		}
		done[c.list] = true
		var names []string
		for _, o := range r.access.columns[n:] {
			if o.list == c.list {
				names = append(names, r.columnName(o.num))
			}
		}
		for _, i := range c.list.items {
			have, ok := columns[i]
			if !ok {
				order = append(order, i)
				columns[i] = names
				continue
			}
			columns[i] = r.inOrder(append(slices.Clip(have), names...))
		}
	}
	for _, i := range order {
		take(i, columns[i])
	}
}

// inOrder puts names of columns into the order of the table.
func (r *relation) inOrder(names []string) []string {
	out := make([]string, 0, len(names))
	for _, c := range r.columns {
		if slices.Contains(names, c.name) {
			out = append(out, c.name)
		}
	}
	return out
}

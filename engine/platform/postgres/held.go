package postgres

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
)

// held is what one role holds on one relation by our own hand. It never
// changes once made, so that many roles and relations share one: see wants.
type held struct {
	table   map[string]bool
	columns map[string]map[string]bool // privilege → column
}

var nothing = &held{}

func newHeld() *held {
	return &held{table: map[string]bool{}, columns: map[string]map[string]bool{}}
}

func (h *held) clone() *held {
	out := &held{table: map[string]bool{}, columns: map[string]map[string]bool{}}
	maps.Copy(out.table, h.table)
	for priv, columns := range h.columns {
		out.columns[priv] = maps.Clone(columns)
	}
	return out
}

func (h *held) add(a access) {
	if a.columns == nil {
		h.table[a.priv] = true
		return
	}
	if h.columns[a.priv] == nil {
		h.columns[a.priv] = map[string]bool{}
	}
	for _, c := range a.columns {
		h.columns[a.priv][c] = true
	}
}

func (h *held) empty() bool { return h == nil || len(h.table) == 0 && len(h.columns) == 0 }

func (h *held) equal(want *held) bool {
	return want != nil && maps.Equal(h.table, want.table) && maps.EqualFunc(h.columns, want.columns, maps.Equal[map[string]bool, map[string]bool])
}

// same is equal, asked once for each pair.
func (s *snapshot) same(h, want *held) bool {
	if h == want {
		return true
	}
	if h == nil || want == nil {
		return false
	}
	k := [2]*held{h, want}
	is, known := s.matches[k]
	if !known {
		if s.matches == nil {
			s.matches = map[[2]*held]bool{}
		}
		is = h.equal(want)
		s.matches[k] = is
	}
	return is
}

// wants makes each list of columns, and each held, once.
type wants struct {
	seed  maphash.Seed
	lists map[uint64][]*columnList
	byPtr map[*string]*columnList
	next  map[wantKey]*held
}

type columnList struct {
	names  []string
	quoted string // ready to stand in a statement, in parentheses
}

type wantKey struct {
	h    *held
	priv string
	list *columnList // nil for the table as a whole
}

// list is the one list of these names.
func (w *wants) list(names []string) *columnList {
	if len(names) == 0 {
		return &columnList{}
	}
	if l := w.byPtr[&names[0]]; l != nil && len(l.names) == len(names) {
		return l
	}
	l := w.find(len(names), func(i int) string { return names[i] })
	w.byPtr[&names[0]] = l
	return l
}

// listOf is the one list of the names of an object's columns.
func (w *wants) listOf(o grant.Object) *columnList {
	return w.find(len(o.Columns), func(i int) string { return o.Columns[i].Name })
}

func (w *wants) find(n int, name func(int) string) *columnList {
	if w.lists == nil {
		w.seed = maphash.MakeSeed()
		w.lists, w.byPtr, w.next = map[uint64][]*columnList{}, map[*string]*columnList{}, map[wantKey]*held{}
	}
	var h maphash.Hash
	h.SetSeed(w.seed)
	for i := range n {
		_, _ = h.WriteString(name(i))
		_ = h.WriteByte(0)
	}
	sum := h.Sum64()
	for _, l := range w.lists[sum] {
		if len(l.names) == n && l.is(name) {
			return l
		}
	}
	l := &columnList{names: make([]string, n)}
	for i := range n {
		l.names[i] = name(i)
	}
	l.quoted = " (" + idents(l.names) + ")"
	w.lists[sum] = append(w.lists[sum], l)
	return l
}

func (l *columnList) is(name func(int) string) bool {
	for i, have := range l.names {
		if have != name(i) {
			return false
		}
	}
	return true
}

// columns is what a role holds that was granted privileges on listed columns alone.
func (w *wants) columns(privs []string, list *columnList) *held {
	h := nothing
	for _, priv := range privs {
		h = w.with(h, access{priv: priv, columns: list.names})
	}
	return h
}

// with is what a role holds once it is granted something more.
func (w *wants) with(h *held, a access) *held {
	k := wantKey{h: h, priv: a.priv}
	if a.columns != nil {
		k.list = w.list(a.columns)
	}
	if out := w.next[k]; out != nil {
		return out
	}
	out := h.clone()
	out.add(a)
	if w.next == nil {
		w.find(0, nil)
	}
	w.next[k] = out
	return out
}

func (r *relation) held(role string) *held {
	if h := r.direct[role]; h != nil {
		return h
	}
	return nothing
}

// sets replaces what a role holds on a relation.
func (r *relation) sets(role string, h *held) {
	if r.shared || r.direct == nil {
		direct := make(map[string]*held, len(r.direct)+1)
		maps.Copy(direct, r.direct)
		r.direct, r.shared = direct, false
	}
	r.direct[role] = h
}

// heldBy are the relations on which a role holds anything by our hand, in order.
func (s *snapshot) heldBy(role string) []*relation {
	holders := s.holders[role]
	if holders == nil {
		return nil
	}
	out := make([]*relation, 0, len(holders.list))
	for _, r := range holders.list {
		if !r.gone && !r.direct[role].empty() {
			out = append(out, r)
		}
	}
	inOrder := func(a, b *relation) int {
		if a.nth > 0 && b.nth > 0 {
			return a.nth - b.nth
		}
		return a.compare(b.relName)
	}
	if !slices.IsSortedFunc(out, inOrder) {
		slices.SortFunc(out, inOrder)
	}
	return slices.Compact(out)
}

// holds notes that a role holds something on a relation by our hand.
func (s *snapshot) holds(role string, r *relation, a access) {
	if r.direct[role] == nil {
		l := s.holder(role)
		l.list = append(l.list, r)
	}
	r.sets(role, s.wants.with(r.held(role), a))
}

func (s *snapshot) holder(role string) *relations {
	if s.holders[role] == nil {
		s.holders[role] = &relations{}
	}
	return s.holders[role]
}

func (n relName) compare(o relName) int {
	if c := strings.Compare(n.schema, o.schema); c != 0 {
		return c
	}
	return strings.Compare(n.name, o.name)
}

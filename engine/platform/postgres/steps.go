package postgres

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
)

// step is one thing that the builder wants done. Privileges and rows are kept
// apart, so that those which agree become one statement; everything else is a
// statement already.
type step struct {
	why string
	// text is a whole statement or, where into is set, one row of it.
	text string
	own  bool // see platform.Statement
	into *rows
	// cells are the row instead of text, where into has types, less the role and
	// the account that it begins with: see element.
	cells []string
	key   string // of the row, with role: a statement holds each once
	// verb is set for a privilege on an object.
	verb verb
	what privilege
	on   string // the object, quoted
	role string
	cut  bool // the end of what must not be torn apart
}

type verb int

const (
	statement verb = iota
	grantVerb
	revokeVerb
)

// privilege is what a statement gives or takes, the same for all its objects
// and roles.
type privilege struct {
	why  string
	priv string
	list *columnList // nil for the object as a whole
	kind string      // TABLE, SCHEMA, SEQUENCE …
}

// rows is a statement that takes many rows at a time.
type rows struct {
	why, before, after string
	// types are those of the columns where the rows go as one array a column: a
	// server takes a third of the time of VALUES to read and plan that.
	types []string
	// late rows come after all privileges, and may be torn apart.
	late bool
	own  bool // see platform.Statement
}

// What bounds a statement, and a transaction. A weight is about one row of a
// catalog that is written; a thousand take some ten milliseconds.
const (
	maxObjects  = 100
	maxGrantees = 100
	maxRows     = 1000
	maxBytes    = 1 << 20
	maxWeight   = 1500
)

// atom is what has to happen in one transaction.
type atom struct {
	stmts  []platform.Statement
	weight int
}

func statements(atoms []atom) []platform.Statement {
	var out []platform.Statement
	for _, a := range atoms {
		out = append(out, a.stmts...)
	}
	return out
}

// transactions packs atoms, in order, into transactions of bounded size.
func transactions(atoms []atom, weight int) [][]platform.Statement {
	var out [][]platform.Statement
	room := 0
	for _, a := range atoms {
		if n := len(out); n > 0 && a.weight <= room {
			out[n-1] = append(out[n-1], a.stmts...)
			room -= a.weight
			continue
		}
		out = append(out, slices.Clone(a.stmts))
		room = weight - a.weight
	}
	return out
}

// merge turns steps into atoms: revocations first, then what cannot be merged,
// then grants, then rows that say what was done. Where a step would take back
// what an earlier one grants, it starts anew after it.
type merger struct {
	objects         int // of one statement
	out             []atom
	revokes, grants pool
	plain           []atom
	open            bool // the last of plain goes on
	rows            map[*rows]*rowPool
	order           []*rows
}

func merge(steps []step, objects int) []atom {
	m := &merger{objects: objects}
	m.clear()
	for _, s := range steps {
		m.add(s)
	}
	m.flush()
	return m.out
}

func (m *merger) clear() {
	m.revokes, m.grants = newPool(), newPool()
	m.plain, m.open, m.rows, m.order = nil, false, map[*rows]*rowPool{}, nil
}

func (m *merger) add(s step) {
	switch {
	case s.cut:
		m.open = false
	case s.verb == grantVerb:
		m.grants.add(s)
	case s.verb == revokeVerb:
		if m.grants.has(s) {
			m.flush()
		}
		m.revokes.add(s)
	case s.into != nil:
		m.addRow(s)
	default:
		m.plainly(platform.Statement{Text: s.text, Why: s.why, Own: s.own}, 5)
	}
}

func (m *merger) plainly(s platform.Statement, weight int) {
	if !m.open {
		m.plain, m.open = append(m.plain, atom{}), true
	}
	last := &m.plain[len(m.plain)-1]
	last.stmts = append(last.stmts, s)
	last.weight += weight
}

type rowPool struct {
	keys  map[memberKey]bool
	text  []string
	cells [][]string // by column
	bytes int
	role  [2]string // the last one, and as an element
}

// values are the rows as they stand in the statement.
func (p *rowPool) values(types []string) string {
	if types == nil {
		return strings.Join(p.text, ", ")
	}
	arrays := make([]string, len(types))
	for i, t := range types {
		arrays[i] = literal("{"+strings.Join(p.cells[i], ",")+"}") + "::" + t + "[]"
	}
	return "unnest(" + strings.Join(arrays, ", ") + ")"
}

func (m *merger) addRow(s step) {
	p := m.rows[s.into]
	if p == nil {
		p = &rowPool{keys: map[memberKey]bool{}}
		m.rows[s.into] = p
		m.order = append(m.order, s.into)
	}
	key := memberKey{s.role, s.key}
	if len(p.keys) == maxRows || p.bytes > maxBytes || p.keys[key] {
		m.emit(s.into, p)
	}
	p.keys[key] = true
	p.bytes += len(s.text)
	if s.into.types == nil {
		p.text = append(p.text, s.text)
		return
	}
	if p.cells == nil {
		p.cells = make([][]string, len(s.into.types))
	}
	if p.role[0] != s.role || p.role[1] == "" {
		p.role = [2]string{s.role, element(s.role)}
	}
	p.cell(0, p.role[1])
	p.cell(1, element(s.key))
	for i, c := range s.cells {
		p.cell(i+2, c)
	}
}

func (p *rowPool) cell(column int, text string) {
	p.cells[column] = append(p.cells[column], text)
	p.bytes += len(text)
}

func (m *merger) emit(into *rows, p *rowPool) {
	s := platform.Statement{Text: into.before + p.values(into.types) + into.after, Why: into.why, Own: into.own}
	if into.late {
		m.plain = append(m.plain, atom{[]platform.Statement{s}, len(p.keys) + p.bytes/4096})
	} else {
		m.plainly(s, len(p.keys))
	}
	*p = rowPool{keys: map[memberKey]bool{}}
}

func (m *merger) flush() {
	for _, into := range m.order {
		if !into.late {
			m.emit(into, m.rows[into])
		}
	}
	m.out = append(m.out, m.revokes.atoms(m.objects)...)
	m.out = append(m.out, m.plain...)
	m.out = append(m.out, m.grants.atoms(m.objects)...)
	m.plain = nil
	for _, into := range m.order {
		if into.late {
			m.emit(into, m.rows[into])
		}
	}
	m.out = append(m.out, m.plain...)
	m.clear()
}

// pool gathers the privileges of one verb.
type pool struct {
	by    map[privilege]*targets
	order []privilege
	// pairs are of object and role, and fresh those that are not among them yet:
	// most batches only give, and never ask.
	pairs map[[2]string]bool
	fresh [][2]string
}

type targets struct {
	verb  verb
	roles map[string][]string // by object
	order []string
}

func newPool() pool { return pool{by: map[privilege]*targets{}} }

// has reports whether the pool holds anything for a step's object and role.
func (p *pool) has(s step) bool {
	if p.pairs == nil && len(p.fresh) > 0 {
		p.pairs = make(map[[2]string]bool, len(p.fresh))
	}
	for _, pair := range p.fresh {
		p.pairs[pair] = true
	}
	p.fresh = p.fresh[:0]
	return p.pairs[[2]string{s.on, s.role}]
}

func (p *pool) add(s step) {
	p.fresh = append(p.fresh, [2]string{s.on, s.role})
	t := p.by[s.what]
	if t == nil {
		t = &targets{verb: s.verb, roles: map[string][]string{}}
		p.by[s.what] = t
		p.order = append(p.order, s.what)
	}
	if _, ok := t.roles[s.on]; !ok {
		t.order = append(t.order, s.on)
	}
	t.roles[s.on] = append(t.roles[s.on], s.role)
}

func (p *pool) atoms(objects int) []atom {
	var out []atom
	for _, what := range p.order {
		t := p.by[what]
		alike := map[string][]string{}
		var order []string
		for _, on := range t.order {
			roles := strings.Join(t.roles[on], "\x00")
			if alike[roles] == nil {
				order = append(order, roles)
			}
			alike[roles] = append(alike[roles], on)
		}
		for _, roles := range order {
			out = append(out, t.split(what, alike[roles], strings.Split(roles, "\x00"), objects)...)
		}
	}
	return out
}

// split makes the statements for objects and roles that all go together.
func (t *targets) split(what privilege, on, roles []string, objects int) []atom {
	var out []atom
	for some := range slices.Chunk(roles, maxGrantees) {
		for part := range slices.Chunk(on, objects) {
			out = append(out, atom{[]platform.Statement{{Text: what.text(t.verb, part, some), Why: what.why}}, len(part) * (1 + what.width())})
		}
	}
	return out
}

func (w privilege) width() int {
	if w.list == nil {
		return 0
	}
	return len(w.list.names)
}

func (w privilege) text(v verb, on, roles []string) string {
	columns := ""
	if w.list != nil {
		columns = w.list.quoted
	}
	objects := " ON " + w.kind + " " + strings.Join(on, ", ")
	if v == revokeVerb {
		return "REVOKE " + w.priv + columns + objects + " FROM " + idents(roles)
	}
	return "GRANT " + w.priv + columns + objects + " TO " + idents(roles)
}

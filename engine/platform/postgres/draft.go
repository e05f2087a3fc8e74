package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

var _ platform.Drafter = (*Postgres)(nil)

// What a draft cannot know of a server, and says instead.
const (
	draftVersion = 160000
	draftEngine  = "the engine's account"
)

// Draft implements platform.Drafter: the statements of Preview on a database that
// holds nothing of ours, made by the same builder. It takes the server for one of
// version 16 or newer.
func (p *Postgres) Draft(_ context.Context, d platform.Draft) ([]platform.Statement, error) {
	return draft(d, draftVersion, draftEngine), nil
}

func draft(d platform.Draft, version int, engine string) []platform.Statement {
	s := drafted(d, version, engine)
	b := &builder{s: s}
	held := d.Held()
	if len(held) > 0 { // an Apply before made the books
		b.bootstrap()
	}
	for _, u := range units(held) {
		b.build(u, held)
		s.settle()
	}
	b.take()
	b.bootstrap()
	out := append(remarks(d, s), statements(b.take())...)
	return append(out, b.show(d.Changes, true, s.notWorded)...)
}

// settle makes what statements have planned a fact, so that later ones find it.
func (s *snapshot) settle() {
	for _, r := range s.roles {
		for i := range r.members {
			r.members[i].grantor = s.engine
		}
	}
}

// drafted is a database with the tables and accounts that a draft is about, and
// nothing else, as far as the files describe them.
func drafted(d platform.Draft, version int, engine string) *snapshot {
	s := &snapshot{
		connection: d.Connection, version: version, engine: engine,
		roles: map[string]*role{}, schemas: map[string]*schema{}, uses: map[string][]*schema{},
		rels: map[relName]*relation{}, holders: map[string]*relations{}, acts: map[uint32]bool{0: true},
	}
	for i, src := range d.Sources {
		if len(src.Path) != 3 {
			continue
		}
		s.database = src.Path[0]
		r := &relation{relName: relName{src.Path[1], src.Path[2]}, oid: uint32(i + 1), kind: 'r'}
		for n, c := range src.Columns {
			col := declaredColumn(c.Type)
			col.name, col.num = c.Name, int16(n+1)
			r.columns = append(r.columns, col)
		}
		s.rels[r.relName] = r
		if s.schemas[r.schema] == nil {
			s.schemas[r.schema] = &schema{name: r.schema, usable: true, grantable: true, usage: map[string]bool{}, granted: map[string]bool{}}
		}
	}
	for _, name := range d.Principals() {
		s.roles[name] = &role{name: name}
	}
	return s
}

// remarks are what a draft for PostgreSQL cannot know.
func remarks(d platform.Draft, s *snapshot) []platform.Statement {
	var out []platform.Statement
	add := func(text, why string) { out = append(out, platform.Remark(text, why)) }
	if s.engine == draftEngine && s.version == draftVersion {
		add("as on PostgreSQL 16 and newer; 15 knows neither WITH INHERIT … SET nor GRANTED BY", "the files do not say which version the server has")
	}
	writes := false
	var last time.Time
	for _, c := range d.Changes {
		writes = writes || c.Role != nil && c.Action == plan.Provision && writing(*c.Role)
		if c.Grant != nil && !takesAway(c) && c.Grant.NotAfter.After(last) {
			last = c.Grant.NotAfter
		}
	}
	if !last.IsZero() {
		add("ends "+last.UTC().Format(time.RFC3339)+": where pg_cron is there, a job of it takes the membership away, elsewhere the engine does", "the files do not say whether the server has pg_cron")
	}
	if writes {
		add("writing also gets the sequences and functions that inserting into these tables calls", "the files do not name them")
	}
	return out
}

// notWorded names what of a change has no statement here.
func (s *snapshot) notWorded(c plan.Change, lack *fault) []platform.Statement {
	return platform.NotWorded(c, lack.detail, func(o grant.Object) string {
		if _, _, f := s.serveObject(&o); f != nil {
			return f.detail
		}
		return ""
	})
}

// declaredColumn is a column of the type that a file says. The types of the
// platform itself are known by the names that discovery writes, and by those that
// people write for them; any other may be a domain or an enumeration.
func declaredColumn(declared string) column {
	name, args := strings.ToLower(strings.TrimSpace(declared)), ""
	if i, end := strings.IndexByte(name, '('), strings.IndexByte(name, ')'); i >= 0 && end > i {
		args, name = name[i:end+1], strings.TrimSpace(name[:i])+name[end+1:]
	}
	for _, t := range declaredTypes() {
		if name != t.name && !slices.Contains(t.also, name) {
			continue
		}
		if t.base == "bpchar" && args == "" {
			args = "(1)"
		}
		first, rest, zoned := strings.Cut(t.name, " with") // the precision of a time stands within its name
		typ := t.name + args
		if zoned {
			typ = first + args + " with" + rest
		}
		return column{typ: typ, base: t.base, category: t.category, system: true, declared: typ}
	}
	return column{declared: declared, undeclared: true}
}

type declaredType struct {
	name     string // as format_type has it
	base     string // pg_type.typname
	category string // pg_type.typcategory
	also     []string
}

// declaredTypes are those of pg_catalog that a file may say.
func declaredTypes() []declaredType {
	return []declaredType{
		{"smallint", "int2", "N", []string{"int2"}},
		{"integer", "int4", "N", []string{"int", "int4"}},
		{"bigint", "int8", "N", []string{"int8"}},
		{"numeric", "numeric", "N", []string{"decimal"}},
		{"real", "float4", "N", []string{"float4"}},
		{"double precision", "float8", "N", []string{"float8"}},
		{"money", "money", "N", nil},
		{"text", "text", "S", nil},
		{"character varying", "varchar", "S", []string{"varchar"}},
		{"character", "bpchar", "S", []string{"char"}},
		{"boolean", "bool", "B", []string{"bool"}},
		{"date", "date", "D", nil},
		{"timestamp without time zone", "timestamp", "D", []string{"timestamp"}},
		{"timestamp with time zone", "timestamptz", "D", []string{"timestamptz"}},
		{"time without time zone", "time", "D", []string{"time"}},
		{"time with time zone", "timetz", "D", []string{"timetz"}},
		{"interval", "interval", "T", nil},
		{"uuid", "uuid", "U", nil},
		{"json", "json", "U", nil},
		{"jsonb", "jsonb", "U", nil},
		{"bytea", "bytea", "U", nil},
		{"inet", "inet", "I", nil},
		{"cidr", "cidr", "I", nil},
	}
}

// typed reports whether a mask cannot be worded without the column's type.
func typed(m *resource.Mask) bool {
	if m == nil {
		return false
	}
	switch m.Type {
	case resource.MaskNull, resource.MaskConstant, resource.MaskRound, resource.MaskTruncate:
		return true
	default:
		return false
	}
}

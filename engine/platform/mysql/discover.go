package mysql

import (
	"context"
	"iter"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Discover implements platform.Platform. It yields the tables and views outside
// the server's databases and ours, as far as the engine's account may see them. A
// comment on a table or column becomes its description and tags.
func (m *MySQL) Discover(ctx context.Context) iter.Seq2[platform.Source, error] {
	return func(yield func(platform.Source, error) bool) {
		sources, err := m.discover(ctx)
		if err != nil {
			yield(platform.Source{}, err)
			return
		}
		for _, s := range sources {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (m *MySQL) discover(ctx context.Context) ([]platform.Source, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	conn, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, conn: conn}
	s := &snapshot{connection: m.cfg.Connection, rels: map[relName]*relation{}}
	w := wantedBy(nil)
	for _, step := range []func(*reader, *wanted){s.readServer, s.readDatabases, s.readBook} {
		step(r, &w)
	}
	var where []string
	for _, name := range keys(s.databases) {
		if !s.systemDatabase(name) && (s.book == nil || s.book.homes[name] == "") {
			where = append(where, "TABLE_SCHEMA = "+literal(name))
		}
	}
	s.tables(r, where, func(relName) bool { return true })
	s.columns(r, where)
	if r.err != nil {
		return nil, m.whole("discover", r.err)
	}
	var out []platform.Source
	for _, at := range relNames(s.rels) {
		out = append(out, source(s.rels[at]))
	}
	return out, nil
}

func source(r *relation) platform.Source {
	out := platform.Source{Path: r.path(), Kind: r.kindName(), Columns: []resource.Column{}}
	if r.kindName() == "table" { // of a view the server says "VIEW"
		out.Description, out.Tags = platform.SplitComment(r.comment)
	}
	for _, c := range r.columns {
		nullable := c.nullable
		col := resource.Column{Name: c.name, Type: c.declared, Nullable: &nullable}
		col.Description, col.Tags = platform.SplitComment(c.comment)
		out.Columns = append(out.Columns, col)
	}
	return out
}

package postgres

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Discover implements platform.Platform. It yields the tables, partitioned
// tables, views, materialized views and foreign tables outside the system's
// schemas and ours. A comment on a table or column becomes its description;
// words of the form "@tag pii.email" in it become tags, and are left out of
// the description.
func (p *Postgres) Discover(ctx context.Context) iter.Seq2[platform.Source, error] {
	return func(yield func(platform.Source, error) bool) {
		sources, err := p.discover(ctx)
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

func (p *Postgres) discover(ctx context.Context) ([]platform.Source, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, p.whole("discover", err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	s := &snapshot{connection: p.cfg.Connection}
	w := wantedBy(nil)
	for _, step := range []func(context.Context, pgx.Tx, *wanted) error{s.readServer, s.readRoles, s.readSchemas, s.readRelations} {
		if err := step(ctx, tx, &w); err != nil {
			return nil, p.whole("discover", err)
		}
	}
	if err := s.columnsOf(ctx, tx, s.allOIDs()); err != nil {
		return nil, p.whole("discover", err)
	}
	if err := s.commentColumns(ctx, tx); err != nil {
		return nil, p.whole("discover", err)
	}
	comments, err := relationComments(ctx, tx)
	if err != nil {
		return nil, p.whole("discover", err)
	}
	var out []platform.Source
	for _, at := range relNames(s.rels) {
		if n := s.schemas[at.schema]; n != nil && n.comment == s.schemaMark() {
			continue
		}
		out = append(out, s.source(s.rels[at], comments))
	}
	return out, nil
}

func (s *snapshot) allOIDs() []uint32 {
	oids := keys(s.byOID)
	return oids
}

func relationComments(ctx context.Context, tx pgx.Tx) (map[uint32]string, error) {
	out := map[uint32]string{}
	var oid uint32
	var text string
	err := each(ctx, tx, `SELECT objoid, description FROM pg_description WHERE classoid = 'pg_class'::regclass AND objsubid = 0`,
		nil, []any{&oid, &text}, func() error {
			out[oid] = text
			return nil
		})
	return out, err
}

func (s *snapshot) source(r *relation, comments map[uint32]string) platform.Source {
	out := platform.Source{Path: []string{s.database, r.schema, r.name}, Kind: kindName(r.kind), Columns: []resource.Column{}}
	out.Description, out.Tags = platform.SplitComment(comments[r.oid])
	for _, c := range r.columns {
		nullable := !c.notNull
		col := resource.Column{Name: c.name, Type: c.declared, Nullable: &nullable}
		col.Description, col.Tags = platform.SplitComment(c.comment)
		out.Columns = append(out.Columns, col)
	}
	return out
}

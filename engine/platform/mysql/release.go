package mysql

import (
	"context"
	"slices"

	"github.com/assent-dev/assent/engine/platform"
)

var _ platform.Releaser = (*MySQL)(nil)

// Release implements platform.Releaser: it drops the masked views of a table.
// They keep its owner from nothing here, but they would show a column under its
// name whatever he makes of it. Columns that were opened at the table itself stay
// open.
func (m *MySQL) Release(ctx context.Context, path []string, dry bool) ([]platform.Statement, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &run{m: m, want: wantedBy(nil), seen: map[int]work{}, shut: map[string]*fault{}, had: map[string][]relName{}}
	if dry {
		if err := r.reread(ctx); err != nil {
			return nil, err
		}
		return r.b.release(path), nil
	}
	doing := "release " + dotted(path)
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, m.whole(doing, err)
	}
	defer unlock()
	if err := r.start(ctx); err != nil {
		return nil, m.whole(doing, err)
	}
	out := r.b.release(path)
	if err := r.all(ctx, out); err != nil {
		return nil, m.whole(doing, err)
	}
	return out, nil
}

// release drops the masked views that read a table.
func (b *builder) release(path []string) []platform.Statement {
	if b.s.book == nil {
		return nil
	}
	for _, name := range keys(b.s.book.roles) {
		body := b.s.book.roles[name].body
		for _, o := range body.Objects {
			if o.Masked() && slices.Equal(o.Path, path) {
				b.dropView(relName{body.SchemaName(), viewName(o.Path)})
			}
		}
	}
	return b.take()
}

package postgres

import (
	"context"
	"slices"

	"github.com/assent-dev/assent/engine/platform"
)

var _ platform.Releaser = (*Postgres)(nil)

// Release implements platform.Releaser: it drops the masked views of a table,
// because their owner may then change types and drop columns again. Columns
// that were opened at the table itself are no hindrance and stay open.
func (p *Postgres) Release(ctx context.Context, path []string, dry bool) ([]platform.Statement, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &run{p: p, want: wantedBy(nil), shut: map[string]*fault{}, had: map[string][]relName{}}
	if dry {
		if err := r.reread(ctx); err != nil {
			return nil, err
		}
		return r.b.release(path), nil
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return nil, p.whole("release "+dotted(path), err)
	}
	defer unlock()
	if err := r.start(ctx); err != nil {
		return nil, p.whole("release "+dotted(path), err)
	}
	out := r.b.release(path)
	if err := r.tx(ctx, out, true); err != nil {
		return nil, p.whole("release "+dotted(path), err)
	}
	return out, nil
}

// release drops the masked views that read a table.
func (b *builder) release(path []string) []platform.Statement {
	if b.s.book == nil {
		return nil
	}
	for _, at := range relNames(b.s.book.views) {
		if slices.Equal(b.s.book.views[at].path, path) {
			b.dropView(at)
		}
	}
	return statements(b.take())
}

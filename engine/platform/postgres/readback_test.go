package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// between runs something once an Apply has committed its last transaction and
// before it reads back, and keeps how many relations each read took in.
type between struct {
	f    *fixture
	then string // of the engine's account, in another session
	read []string
	done bool
}

func (b *between) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(d.SQL, "begin") && b.f.p.conn != nil && b.done && b.then != "" {
		then := b.then
		b.then = ""
		b.f.asEngine(then)
	}
	if strings.Contains(d.SQL, "SELECT c.oid, c.relnamespace, c.relname") && strings.Contains(d.SQL, "c.relkind IN") {
		b.read = append(b.read, map[bool]string{true: "some", false: "all"}[strings.Contains(d.SQL, "unnest")])
	}
	return ctx
}

func (*between) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// watch puts the tracer on a new connection. The transaction after which it acts
// is that of the statement.
func (f *fixture) watch(statement, then string) *between {
	f.t.Helper()
	if err := f.p.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.reopen()
	b := &between{f: f, then: then}
	f.p.pgx.Tracer = b
	f.p.before = func(_ context.Context, sql string) error {
		b.done = b.done || strings.Contains(sql, statement)
		return nil
	}
	return b
}

// What an Apply touched is read back before anybody hears of it; what it had no
// need to touch is read in the next round.
func TestReadBackOfWhatWasTouched(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	wide := f.role("wide")
	for i := range 10 {
		name := fmt.Sprintf("t%d", i)
		if err := f.CreateTable(t.Context(), platformtest.Table{Name: name, Columns: []string{"id", "name"}}); err != nil {
			t.Fatal(err)
		}
		wide.Objects = append(wide.Objects, f.object(name, seen("id"), seen("name")))
	}
	masked := f.maskedRole()
	f.ok(provision(wide), provision(masked), allow(wide, "ann"))
	view := masked.SchemaName() + "." + viewName(masked.Objects[0].Path)
	const lose = "REVOKE SELECT (id) ON shop.t3 FROM assent_wide_read"
	for _, tt := range []struct {
		name, then string
		want       []string // of the wide role and the masked one
		later      bool     // something is left for the next round
	}{
		{"nothing happens", "", []string{"applied", "done"}, false},
		{"what was given is taken again", lose, []string{"failed/not-read-back", "done"}, true},
		{"a masked view is dropped", "DROP VIEW " + view, []string{"applied", "failed/not-read-back"}, true},
		{"a masked view shows more", "CREATE OR REPLACE VIEW " + view + " AS SELECT id, name, iban FROM shop.people", []string{"applied", "failed/not-read-back"}, true},
		{"the owner of the views loses a column", "REVOKE SELECT (name) ON shop.people FROM assent_views", []string{"applied", "failed/not-read-back"}, true},
		{"the role is gone from the books", "DELETE FROM assent.role WHERE name = 'assent_wide_read'", []string{"failed/not-read-back", "done"}, true},
		{"another table changes", "REVOKE SELECT (id) ON shop.t7 FROM assent_wide_read", []string{"applied", "done"}, true},
	} {
		f.asEngine(lose)
		b := f.watch("GRANT SELECT", tt.then)
		out := f.apply(provision(wide), provision(masked))
		if got := statuses(out); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, not %v", tt.name, got, tt.want)
		}
		if b.then != "" || !slices.Equal(b.read, []string{"all", "some"}) {
			t.Errorf("%s: it read %v; left to do: %q", tt.name, b.read, b.then)
		}
		if got := f.diff([]*grant.Role{masked, wide}, []*grant.Grant{member(wide, "ann")}); (got != "") != tt.later {
			t.Errorf("%s: then:\n%s", tt.name, got)
		}
		f.ok(provision(masked), provision(wide))
	}
}

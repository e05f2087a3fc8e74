package mysql

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// What the server itself cannot open, or lets nobody read, is unknown: it is
// neither believed to be closed nor opened anew, and the rest of its role goes on.
func TestRelationsThatCannotBeRead(t *testing.T) {
	for _, tt := range []struct{ name, make, harm, mend, says string }{
		{
			"a view of a table that is gone", "CREATE TABLE shop.base (id INT); CREATE VIEW shop.odd AS SELECT id FROM shop.base",
			"DROP TABLE shop.base", "CREATE TABLE shop.base (id INT)", "cannot open it",
		}, {
			"a view of a column that is gone", "CREATE TABLE shop.base (id INT, x INT); CREATE VIEW shop.odd AS SELECT x AS id FROM shop.base",
			"ALTER TABLE shop.base DROP COLUMN x", "ALTER TABLE shop.base ADD COLUMN x INT", "cannot open it",
		}, {
			"a view of an account that is gone", "CREATE USER maker; CREATE TABLE shop.base (id INT); GRANT SELECT ON shop.base TO maker; CREATE DEFINER = maker VIEW shop.odd AS SELECT id FROM shop.base",
			"DROP USER maker", "CREATE USER maker; GRANT SELECT ON shop.base TO maker", "rights of maker@%, which does not exist",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann")
			f.must(tt.make)
			r := f.role("odd", f.object("odd", seen("id")), f.object("people", seen("id")))
			late := f.role("late", r.Objects...)
			f.ok(provision(r), allow(r, "ann"))
			f.must(tt.harm)
			f.unknown(r, []string{"shop", "odd"})
			out := f.apply(provision(r), provision(late))
			f.want(out, "pending/no-such-object", "pending/no-such-object")
			for i, says := range []string{"stays open as it is", "cannot be opened"} {
				if !strings.Contains(out[i].Detail, says) || !strings.Contains(out[i].Detail, tt.says) {
					t.Error(out[i].Detail)
				}
			}
			f.must(tt.mend)
			f.unknown(r)
			f.ok(provision(r), provision(late))
			if _, err := f.Select(t.Context(), "ann", "shop.odd", "id"); err != nil {
				t.Error(err)
			}
		})
	}
}

// unknown requires that these paths are unknown, and that nothing is due about the role.
func (f *fixture) unknown(r *grant.Role, paths ...[]string) {
	f.t.Helper()
	st := f.observe()
	if d := cmp.Diff(paths, st.Unknown); d != "" {
		f.t.Errorf("unknown (-want +got):\n%s", d)
	}
	if i := slices.IndexFunc(st.Ours.Roles, func(o grant.Role) bool { return o.RoleKey == r.RoleKey }); i < 0 || !sameRole(st.Ours.Roles[i], *r) {
		f.t.Errorf("the role is seen as %+v", st.Ours.Roles)
	}
}

// A table whose file is damaged is unknown; what is taken away is taken all the same.
func TestDamagedTableIsUnknown(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.must("CREATE TABLE shop.odd (id INT) ENGINE = MyISAM")
	r := f.role("odd", f.object("odd", seen("id")), f.object("people", seen("id")))
	f.ok(provision(r), allow(r, "ann"))
	file := filepath.Join(f.ask("SELECT @@datadir")[0][0], "shop", "odd.frm")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f.must("FLUSH TABLES")
	if err := os.WriteFile(file, []byte("no table"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.unknown(r, []string{"shop", "odd"})
	out := f.apply(revoke(r, "ann"), provision(f.role("odd", r.Objects[1])))
	if out[0].Status != platform.Applied || out[1].Status != platform.Applied {
		t.Errorf("%v: %s, %s", statuses(out), out[0].Detail, out[1].Detail)
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	f.must("FLUSH TABLES")
	f.refused("ann", "shop.odd", "id")
	f.ok(provision(r))
	f.unknown(r)
}

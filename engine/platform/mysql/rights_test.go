package mysql

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/resource"
)

// vaults makes two tables, with the engine's rights as given on the second, and
// a role of both.
func (f *fixture) vaults(rights string, iban grant.Column, level resource.AccessLevel) *grant.Role {
	f.t.Helper()
	f.people()
	err := f.CreateTable(f.t.Context(), platformtest.Table{Name: "vault", Columns: []string{"id", "iban"}, Rows: [][]string{{"1", "NO93"}}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.must("REVOKE SELECT, INSERT, UPDATE, DELETE, SHOW VIEW, GRANT OPTION ON shop.* FROM engine;" +
		"GRANT SELECT, INSERT, UPDATE, DELETE ON shop.people TO engine WITH GRANT OPTION;" + rights)
	r := f.role("safe", f.object("people", seen("id"), seen("name")), f.object("vault", seen("id"), iban))
	r.Access = level
	return r
}

// What the engine may not pass on is left out, with the exact statement for an
// administrator to run; the statement is enough.
func TestObjectsThatTheEngineMayNotOpen(t *testing.T) {
	const option = " ON `shop`.`vault` TO `engine`@`%` WITH GRANT OPTION;"
	hidden := hiddenAs("iban", resource.Mask{Type: resource.MaskNull})
	for _, tt := range []struct {
		name, rights string
		iban         grant.Column
		level        resource.AccessLevel
		code         platform.Code
		says         string
	}{
		{"no right to pass it on", "GRANT SELECT ON shop.vault TO engine", seen("iban"), resource.Read, platform.NoRight, "GRANT SELECT" + option},
		{"behind a mask", "GRANT SELECT ON shop.vault TO engine", hidden, resource.Read, platform.NoRight, "GRANT SELECT" + option},
		{"no right to write", "GRANT SELECT, INSERT ON shop.vault TO engine WITH GRANT OPTION", seen("iban"), resource.Write, platform.NoRight, "GRANT UPDATE, DELETE" + option},
		{"no column that the view reads", "GRANT SELECT (iban), INSERT (id) ON shop.vault TO engine WITH GRANT OPTION", hidden, resource.Read, platform.NoRight, "GRANT SELECT" + option},
		{"a column that is not shown", "GRANT SELECT (id) ON shop.vault TO engine WITH GRANT OPTION", seen("iban"), resource.Read, platform.NoColumn, "GRANT SELECT" + option},
		{"a table that is not shown", "DO 0", seen("iban"), resource.Read, platform.NoObject, "GRANT SELECT" + option},
		{"a role that it only made", "CREATE ROLE other; GRANT SELECT ON shop.vault TO other WITH GRANT OPTION; GRANT other TO engine", seen("iban"), resource.Read, platform.NoObject, "GRANT SELECT" + option},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.accounts("ann")
			r := f.vaults(tt.rights, tt.iban, tt.level)
			a := allow(r, "ann")
			for range 2 { // it is said in every round
				shown, err := f.p.Preview(t.Context(), []plan.Change{provision(r), a})
				if err != nil || !slices.ContainsFunc(shown, func(s platform.Statement) bool {
					return strings.HasPrefix(s.Text, "-- ") && strings.Contains(s.Text, tt.says)
				}) {
					t.Errorf("the plan does not say it: %v, %v", shown, err)
				}
				out := f.apply(provision(r), a)
				if out[0].Code != tt.code || !strings.Contains(out[0].Detail, tt.says) || out[1].Status != platform.Applied && out[1].Status != platform.Done {
					t.Errorf("%v: %s", statuses(out), out[0].Detail)
				}
				f.reads("ann", r, "id", "name") // its first object is people
				f.refused("ann", f.p.Address(r.RoleKey, r.Objects[1]), "iban")
				if d := f.diff([]*grant.Role{r}, []*grant.Grant{member(r, "ann")}); d == "" {
					t.Error("the table is believed to be open")
				}
			}
			f.must(tt.says)
			f.ok(provision(r), a)
			if rows, err := f.Select(t.Context(), "ann", f.p.Address(r.RoleKey, r.Objects[1]), "id", "iban"); err != nil || len(rows) != 1 {
				t.Errorf("after the statement: %v, %v", rows, err)
			}
		})
	}
}

// A level holds many tables: all that an administrator has to run is said at
// once, up to a bound.
func TestManyObjectsThatTheEngineMayNotOpen(t *testing.T) {
	f := newFixture(t)
	f.accounts("ann")
	r := f.vaults("DO 0", seen("iban"), resource.Read)
	r.Objects = r.Objects[:1]
	for i := range maxListed + 2 {
		name := "v" + string(rune('a'+i))
		f.must("CREATE TABLE shop." + name + " (id int); GRANT SELECT ON shop." + name + " TO engine")
		r.Objects = append(r.Objects, f.object(name, seen("id")))
	}
	out := f.apply(provision(r), allow(r, "ann"))
	f.want(out, "failed/no-right", "applied")
	if d := out[0].Detail; strings.Count(d, "WITH GRANT OPTION;") != maxListed || !strings.Contains(d, "and 11 more to others") || !strings.HasSuffix(d, " and 2 more of the kind") {
		t.Error(d)
	}
	f.reads("ann", r, "id")
}

// A right that the engine has by a role that is active in its sessions, it passes on.
func TestRightsThroughAnActiveRole(t *testing.T) {
	f := newFixture(t)
	f.accounts("ann")
	r := f.vaults("CREATE ROLE stewards; GRANT SELECT ON shop.vault TO stewards WITH GRANT OPTION; GRANT stewards TO engine; SET DEFAULT ROLE stewards FOR engine",
		seen("iban"), resource.Read)
	f.ok(provision(r), allow(r, "ann"))
	if _, err := f.Select(t.Context(), "ann", "shop.vault", "iban"); err != nil {
		t.Error(err)
	}
}

// What the server refuses though nothing that was read speaks against it, and
// what goes between the reading and the grant, is left out; the rest opens.
func TestWhatTheServerRefusesIsLeftOut(t *testing.T) {
	hidden := hiddenAs("iban", resource.Mask{Type: resource.MaskNull})
	for _, tt := range []struct {
		name, harm string
		iban       grant.Column
		want       string
	}{
		{"the right is taken", "REVOKE SELECT ON shop.vault FROM engine", seen("iban"), "pending/no-such-column"},
		{"the option is taken", "REVOKE GRANT OPTION ON shop.vault FROM engine", seen("iban"), "failed/no-right"},
		{"the option is taken before the view", "REVOKE GRANT OPTION ON shop.vault FROM engine", hidden, "failed/no-right"},
		{"the table is dropped", "DROP TABLE shop.vault", seen("iban"), "pending/no-such-object"},
		{"the column is dropped", "ALTER TABLE shop.vault DROP COLUMN iban", seen("iban"), "pending/no-such-column"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.accounts("ann")
			r := f.vaults("GRANT SELECT ON shop.vault TO engine WITH GRANT OPTION", tt.iban, resource.Read)
			done := false
			f.p.before = func(_ context.Context, sql string) error {
				if !done && strings.HasPrefix(sql, "GRANT SELECT") && strings.Contains(sql, "`vault`") {
					done = true
					f.must(tt.harm)
				}
				return nil
			}
			f.want(f.apply(provision(r), allow(r, "ann")), tt.want, "applied")
			f.reads("ann", r, "id", "name")
			f.refused("ann", f.p.Address(r.RoleKey, r.Objects[1]), "iban")
		})
	}
	// Of two privileges on databases that fit, the server takes the one of the
	// more exact name: here the one that cannot be passed on.
	t.Run("the server takes the other privilege", func(t *testing.T) {
		f := newFixture(t)
		f.accounts("ann")
		r := f.vaults("GRANT SELECT ON shop.* TO engine; GRANT SELECT ON `sho%`.* TO engine WITH GRANT OPTION", seen("iban"), resource.Read)
		f.want(f.apply(provision(r), allow(r, "ann")), "failed/no-right", "applied")
		f.reads("ann", r, "id", "name")
		f.refused("ann", "shop.vault", "iban")
	})
}

package postgres

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform"
)

// A released table can be altered by its owner, who could not before; until
// the next round nobody reads it through a mask.
func TestReleaseLetsTheOwnerAlter(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	masked, clear := f.maskedRole(), f.clearRole()
	f.ok(provision(masked), provision(clear), allow(masked, "ann"), allow(clear, "bob"))
	path := masked.Objects[0].Path
	alter := []string{`ALTER TABLE shop.people ALTER COLUMN id TYPE int USING id::int`, `ALTER TABLE shop.people DROP COLUMN name`}
	for _, sql := range alter {
		if _, err := f.owner.Exec(t.Context(), sql); err == nil {
			t.Fatalf("%s succeeds; nothing was to be released", sql)
		}
	}
	before := f.observe()
	shown, err := f.p.Release(t.Context(), path, true)
	if err != nil || len(shown) == 0 {
		t.Fatalf("%v, %v", shown, err)
	}
	if d := cmp.Diff(before, f.observe()); d != "" {
		t.Errorf("what was only shown was done:\n%s", d)
	}
	done, err := f.p.Release(t.Context(), path, false)
	if d := cmp.Diff(shown, done); err != nil || d != "" {
		t.Errorf("done is not what was shown: %v\n%s", err, d)
	}
	f.refused("ann", f.p.Address(masked.RoleKey, masked.Objects[0]), "id")
	f.refused("ann", "shop.people", "id")
	mustExec(t, f.owner, alter...)
	f.want(f.apply(provision(masked)), "pending/no-such-column") // the source still lists it
	less := f.role("masked", f.object("people", masked.Objects[0].Columns[0], masked.Objects[0].Columns[2]))
	f.ok(provision(less))
	f.want(f.apply(provision(clear)), "pending/no-such-column")
	if rows := f.reads("ann", less, "id", "iban"); len(rows) != 2 || rows[0][1] != "***" {
		t.Errorf("ann reads %v", rows)
	}
	if rows := f.reads("bob", clear, "id"); len(rows) != 2 {
		t.Errorf("bob reads %v", rows)
	}
}

// What somebody built on a masked view is not dropped with it: the release
// fails as a whole, and says what depends on the view.
func TestReleaseLeavesWhatOthersBuilt(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	masked := f.maskedRole()
	f.ok(provision(masked), allow(masked, "ann"))
	mustExec(t, f.admin, `CREATE SCHEMA home AUTHORIZATION ann`)
	if err := f.as(t.Context(), "ann", func(c *pgx.Conn) error {
		_, err := c.Exec(t.Context(), `CREATE VIEW home.mine AS SELECT id FROM assent_masked.shop__people`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_, err := f.p.Release(t.Context(), masked.Objects[0].Path, false)
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Hint == "" {
		t.Fatalf("%v", err)
	}
	if rows := f.reads("ann", masked, "id"); len(rows) != 2 {
		t.Errorf("ann reads %v", rows)
	}
}

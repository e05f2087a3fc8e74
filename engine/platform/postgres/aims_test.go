package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// What cannot be done of a role leaves the rest of it as it is.
func TestObjectsLeftOut(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c"} {
		if err := f.CreateTable(t.Context(), platformtest.Table{Name: name, Columns: []string{"id", "name"}}); err != nil {
			t.Fatal(err)
		}
	}
	r := f.role("any", f.object("a", seen("name")), f.object("b", seen("id"), seen("lost")), f.object("c", seen("id")), f.object("gone", seen("id")))
	f.want(f.apply(provision(r)), "pending/no-such-column")
	r = f.role("any", f.object("a", seen("name")), f.object("a", seen("id")), f.object("b", seen("id")), f.object("c", seen("id")))
	f.want(f.apply(provision(r)), "failed/unsupported") // a is listed twice, and the first counts
	open := func(columns map[string]string) {
		t.Helper()
		for _, table := range []string{"a", "b", "c"} {
			for _, c := range []string{"id", "name"} {
				var open bool
				err := f.admin.QueryRow(t.Context(), `SELECT has_column_privilege('assent_any_read', 'shop.`+table+`', $1, 'SELECT')`, c).Scan(&open)
				if err != nil || open != (columns[table] == c) {
					t.Errorf("%s.%s is open: %t, %v", table, c, open, err)
				}
			}
		}
	}
	open(map[string]string{"a": "name", "b": "id", "c": "id"})
	want := f.role("any", f.object("a", seen("name")), f.object("c", seen("id")))
	f.ok(provision(want))
	open(map[string]string{"a": "name", "c": "id"})
	if d := f.diff([]*grant.Role{want}, nil); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A row of the books that appears after they were read, and which only an edit by
// hand can make, holds nobody up.
func TestMemberRowThatAppears(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	r := f.clearRole()
	f.ok(provision(r))
	tries := 0
	f.p.before = func(_ context.Context, sql string) error {
		if strings.HasPrefix(sql, "INSERT INTO assent.member") {
			if tries++; tries == 1 {
				f.asEngine("INSERT INTO assent.member VALUES ('assent_clear_read', 'ann', NULL, 'null', false)")
			}
		}
		return nil
	}
	f.want(f.apply(allow(r, "ann")), "applied")
	if tries != 2 {
		t.Errorf("the row was written %d times", tries)
	}
	if d := f.diff([]*grant.Role{r}, []*grant.Grant{member(r, "ann")}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

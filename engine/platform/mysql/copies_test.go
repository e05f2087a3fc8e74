package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/plan"
)

// A role of many tables and many people is warned of before it is made, and by
// the self-audit while it is there.
func TestCrowdedRolesAreWarnedOf(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	const tables, people = 251, 200
	var statements []string
	r := f.clearRole()
	r.Objects = nil
	batch := []plan.Change{provision(r)}
	for i := range tables {
		name := fmt.Sprintf("t%03d", i)
		statements = append(statements, "CREATE TABLE shop."+name+" (id INT)")
		r.Objects = append(r.Objects, f.object(name, seen("id")))
	}
	for i := range people {
		name := fmt.Sprintf("p%03d", i)
		statements = append(statements, "CREATE USER "+name)
		batch = append(batch, allow(r, name))
	}
	f.must(strings.Join(statements, ";"))
	f.ok(provision(f.role("other", r.Objects...))) // the books are there
	for n, want := range map[int]bool{people: true, people - 1: false} {
		shown, err := f.p.Preview(t.Context(), batch[:n+1])
		if err != nil {
			t.Fatal(err)
		}
		last := shown[len(shown)-1]
		if warned := strings.HasPrefix(last.Text, "-- role assent_clear_read opens 251 tables to 200 accounts"); warned != want {
			t.Errorf("%d people: %s", n, last.Text)
		}
	}
	// As if they had come: the rows alone, which the server does not look at.
	f.must(fmt.Sprintf("INSERT INTO assent.members (role, user, host, principal, requests, ending) SELECT 'assent_other_read', seq, '%%', seq, '[]', FALSE FROM shop.seq_1_to_%d", people))
	if got, refused := f.findings(); len(got) != 1 || got[0] != "crowded-role" || refused {
		t.Errorf("found %q, refused %v", got, refused)
	}
	f.must("DELETE FROM assent.members WHERE user = '1'")
	if got, _ := f.findings(); len(got) != 0 {
		t.Errorf("found %q", got)
	}
}

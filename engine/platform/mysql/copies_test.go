package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// A role of many tables and many people is warned of before it is made, and by
// the self-audit while it is there.
func TestCrowdedRolesAreWarnedOf(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	const tables, people = 126, 200 // 200 people, for each of whom 25,200 copies are looked at
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
		if warned := strings.HasPrefix(last.Text, "-- role assent_clear_read opens 126 tables to 200 accounts"); warned != want {
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

// What a change costs goes by the copies of all roles, so that many small
// products of many people are a crowd, too, and few people are none.
func TestCrowdsAreOfTheWholeServer(t *testing.T) {
	all := []crowd{{"few", 5000, 9}}
	for i := range 9 {
		all = append(all, crowd{fmt.Sprint("small", i), 20, 100})
	}
	if got := crowded(all); len(got) != 9 || got["few"] != "" || !strings.Contains(got["small0"], "about 2 s") {
		t.Errorf("warned of %v", got)
	}
	if got := crowded(all[1:]); len(got) != 0 {
		t.Errorf("warned of %v", got)
	}
}

// A table that a role may write is opened with one statement: the server goes
// through everybody's copies with each.
func TestATableToWriteIsOneStatement(t *testing.T) {
	f := newFixture(t)
	f.people()
	r := f.clearRole()
	r.Access = resource.Write
	shown, err := f.p.Preview(t.Context(), []plan.Change{provision(r)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range shown {
		if strings.Contains(s.Text, "`shop`") {
			got = append(got, s.Text)
		}
	}
	want := []string{"GRANT INSERT (`id`, `name`), SELECT (`id`, `name`), UPDATE (`id`, `name`), DELETE ON TABLE `shop`.`people` TO `assent_clear_write`"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("statements (-want +got):\n%s", d)
	}
	f.ok(provision(r))
	if d := f.diff([]*grant.Role{r}, nil); d != "" {
		t.Error(d)
	}
}

package grant_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// vast is the small world with n tables more, all of one product, and ana's
// approved request for their schema.
func vast(t testing.TB, n int) (*resource.Set, grant.Determinations) {
	t.Helper()
	files := world()
	name, text := ask{"all", "{path: warehouse/shop/public}", "[{user: ana}]", ""}.file()
	files[name] = text
	files["products/orders.yaml"] = head + "kind: DataProduct\nmetadata: {name: orders}\nspec:\n  domain: sales\n  sources: [{match: {paths: [\"warehouse/shop/public/*\"]}}]\n"
	set := load(t, files)
	var more []resource.Resource
	for i := range n {
		table := fmt.Sprintf("t%05d", i)
		d := &resource.DataSource{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindDataSource}}
		d.Metadata.Name, d.Source.File = table, "sources/warehouse/shop/public/"+table+".yaml"
		d.Spec = resource.DataSourceSpec{Connection: "warehouse", Path: []string{"shop", "public", table}, Kind: "table", Columns: []resource.Column{
			{Name: "id"}, {Name: "name"}, {Name: "mail", Tags: []string{"pii.mail"}}, {Name: "total"},
		}}
		more = append(more, d)
	}
	set = set.With(more...)
	return set, approve(set)
}

// A schema of 10,000 tables is one role and one membership, worked out and
// compared in a second: much less here, so that a slow machine passes too.
func TestASchemaOfTenThousandTablesIsOneRoleAndOneMembership(t *testing.T) {
	set, d := vast(t, 10_000)
	began := time.Now()
	w := grant.Desired(set, d, now)
	there := grant.State{}
	p, _ := plan.Compute(plan.Desired{State: w.All(), Mode: w.ModeOf}, []plan.Observed{{Connection: "warehouse", State: there}}, plan.DefaultLimits)
	less := w.All()
	less.Roles = slices.Clone(less.Roles)
	for i := range less.Roles {
		less.Roles[i].Objects = less.Roles[i].Objects[1:]
	}
	again, _ := plan.Compute(plan.Desired{State: w.All(), Mode: w.ModeOf}, []plan.Observed{{Connection: "warehouse", State: less}}, plan.DefaultLimits)
	took := time.Since(began)
	levels := 0
	for _, r := range w.Roles {
		if r.Scope.Kind == resource.KindLevel {
			levels++
			if len(r.Objects) != 10_002 {
				t.Errorf("%d objects", len(r.Objects))
			}
		}
		if r.Scope.Kind == resource.KindDataSource {
			t.Fatalf("a role for %s alone", r.Scope)
		}
	}
	if levels != 1 || len(w.Grants) != 1 || len(p.Changes) != 3 || len(again.Changes) == 0 {
		t.Errorf("%d roles of levels, %d grants, %d and %d changes", levels, len(w.Grants), len(p.Changes), len(again.Changes))
	}
	if most := 5 * time.Second; took > most {
		t.Errorf("it took %s, more than %s", took, most)
	}
	t.Logf("desired and compared twice in %s", took)
}

// An exception for a level names its profile by what was asked, so that a table
// which appears later leaves its members in their role.
func TestAnExceptionForALevelKeepsItsRoleWhenTablesCome(t *testing.T) {
	files := world()
	for _, a := range []ask{{"a", "{path: warehouse}", "[{user: ana}]", ""}, {"m", "{path: warehouse}", "[{user: ana}]", "unmask   columns: [mail]\n"}} {
		name, text := a.file()
		files[name] = text
	}
	set := load(t, files)
	before := grant.Desired(set, approve(set), now)
	d := &resource.DataSource{Header: resource.Header{Kind: resource.KindDataSource}, Undeclared: true}
	d.Source.File = "sources/warehouse/shop/hr/staff.yaml"
	d.Spec = resource.DataSourceSpec{Connection: "warehouse", Path: []string{"shop", "hr", "staff"}, Columns: []resource.Column{{Name: "mail", Tags: []string{"pii.mail"}}, {Name: "tax", Tags: []string{"pii.tax"}}}}
	set = set.With(d)
	after := grant.Desired(set, approve(set), now)
	if len(before.Grants) != 1 || len(after.Grants) != 1 || before.Grants[0].RoleKey != after.Grants[0].RoleKey {
		t.Fatalf("before %v, after %v", before.Grants, after.Grants)
	}
	if got := masks(after, after.Grants[0].RoleKey); got != "mail tax=hash" {
		t.Errorf("staff shows %q", got)
	}
}

// Two requests for the same column, one of them of one table alone, are two profiles.
func TestExceptionsForALevelThatSayOtherThingsShareNoRole(t *testing.T) {
	files := world()
	for _, a := range []ask{
		{"a", "{path: warehouse}", "[{group: team}]", ""}, {"m", "{path: warehouse}", "[{user: ana}]", "unmask   columns: [mail]\n"},
		{"n", "{path: warehouse}", "[{user: ben}]", "unmask   columns: [customers.mail]\n"},
	} {
		name, text := a.file()
		files[name] = text
	}
	set := load(t, files)
	w := grant.Desired(set, approve(set), now)
	if len(w.Grants) != 2 || w.Grants[0].RoleKey == w.Grants[1].RoleKey {
		t.Errorf("%v", w.Grants)
	}
}

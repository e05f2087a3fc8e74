package resource_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
)

// tree is a connection with a form and a flow at every level that levels lists.
func tree(levels string) string {
	return people + sources + `
-- connections/dw.yaml --
kind: Connection
metadata: {name: dw}
spec:
  platform: sandbox
  levels:
` + levels + `
-- forms/own.yaml --
kind: RequestForm
metadata: {name: own}
spec: {questions: [], review: {mode: stewards, stages: [{any: [{user: cy}]}]}}
-- forms/passes.yaml --
kind: RequestForm
metadata: {name: passes}
spec: {questions: [], review: {mode: delegated}}
-- forms/schema.yaml --
kind: RequestForm
metadata: {name: schema}
spec: {questions: []}
-- sources/dw/shop/public/stated.yaml --
kind: DataSource
metadata: {name: stated}
spec: {connection: dw, path: [shop, public, stated], kind: table, columns: [{name: id}], forms: {dataAccess: passes}, review: {mode: stewards, stages: [{any: [{user: ana}]}]}}
`
}

const (
	ofConnection = "    - {forms: {dataAccess: passes, maskingException: own}, review: {mode: stewards, stages: [{any: [{user: bob}]}]}}\n"
	ofDatabase   = "    - {path: shop, review: {mode: stewards, stages: [{any: [{group: outer}]}]}}\n"
	ofSchema     = "    - {path: shop/public, forms: {dataAccess: schema}, review: {mode: delegated}}\n"
)

func TestTheNearestAncestorStatesFormAndFlow(t *testing.T) {
	all := setOf(t, tree(ofConnection+ofDatabase+ofSchema))
	high := setOf(t, tree(ofConnection))
	for _, tc := range []struct {
		name, spec string
		set        *resource.Set
		form       resource.Name
		flow       string // from and mode and steward, inactive ones behind it
	}{
		{"the source itself", "{target: {source: dw/shop/public/stated}, duration: 1d}", all, "passes", "DataSource/dw/shop/public/stated, not Connection/dw level shop, not Connection/dw"},
		{"a masking exception for it passes by its data-access form", "{type: masking-exception, target: {source: dw/shop/public/stated}, duration: 1d}", all, "own", "RequestForm/own, not DataSource/dw/shop/public/stated, not Connection/dw level shop, not Connection/dw"},
		{"form of the schema, flow of the database", "{target: {source: dw/shop/public/orders}, duration: 1d}", all, "schema", "Connection/dw level shop, not Connection/dw"},
		{"another schema has the database's", "{target: {source: dw/shop/secret/pay}, duration: 1d}", all, "passes", "Connection/dw level shop, not Connection/dw"},
		{"a database whose name begins alike has the connection's", "{target: {source: dw/shopping/public/list}, duration: 1d}", all, "passes", "Connection/dw"},
		{"a path has its own level", "{target: {path: dw/shop/public}, duration: 1d}", all, "schema", "Connection/dw level shop, not Connection/dw"},
		{"a path with a slash", "{target: {path: dw/shop/}, duration: 1d}", all, "passes", "Connection/dw level shop, not Connection/dw"},
		{"the whole connection", "{target: {path: dw}, duration: 1d}", all, "passes", "Connection/dw"},
		{"a table that is not registered yet", "{target: {source: dw/shop/public/later}, duration: 1d}", all, "schema", "Connection/dw level shop, not Connection/dw"},
		{"only the connection says something", "{target: {source: dw/shop/public/orders}, duration: 1d}", high, "passes", "Connection/dw"},
		{"another connection", "{target: {path: elsewhere/shop}, duration: 1d}", all, "standard", "default"},
		{"a product is no child of a connection", "{target: {product: orders}, duration: 1d}", all, "standard", "default"},
	} {
		req := request(t, tc.spec)
		if got := resource.FormFor(tc.set, req); got != tc.form {
			t.Errorf("%s: form %s, want %s", tc.name, got, tc.form)
		}
		chosen, err := resource.Flow(tc.set, req, noon)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got := []string{chosen.Stated.String()}
		for _, lost := range chosen.Inactive {
			got = append(got, "not "+lost.String())
		}
		if text := strings.Join(got, ", "); text != tc.flow {
			t.Errorf("%s: flow %s, want %s", tc.name, text, tc.flow)
		}
	}
}

func TestAFlowTellsWhereItAndItsStagesAreWritten(t *testing.T) {
	s := setOf(t, tree(ofConnection+ofDatabase))
	chosen, err := resource.Flow(s, request(t, "{target: {source: dw/shop/secret/pay}, duration: 1d}"), noon)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{chosen.At().String(), chosen.StagePlace(0, "any", 0).String(), chosen.Inactive[0].At().String()}
	want := []string{"connections/dw.yaml:7:20", "connections/dw.yaml:7:61", "connections/dw.yaml:6:60"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if at := resource.FormChosenAt(s, request(t, "{target: {source: dw/shop/secret/pay}}")); at.String() != "connections/dw.yaml:6:28" {
		t.Errorf("form chosen at %s", at)
	}
}

func TestEmergencyAccessHasTheFlowOfTheBreakGlassRuleAlone(t *testing.T) {
	const repository = "-- assent.yaml --\nkind: Repository\nmetadata: {name: r}\nspec: {id: x, forge: local, defaults: {form: strict}"
	spec := "{type: emergency-access, target: {product: p}, duration: 1h}"
	without := setOf(t, flows+product("p", ", forms: {dataAccess: lax}")+repository+"}\n")
	if _, err := resource.Flow(without, request(t, spec), noon); err == nil {
		t.Error("without a rule there is a flow")
	}
	for glass, want := range map[string]int{"{group: outer}": 2, "{group: outer, people: 1}": 2, "{group: outer, people: 3}": 3} {
		s := setOf(t, flows+product("p", ", forms: {dataAccess: lax}, maxDuration: 1y")+repository+", breakGlass: "+glass+"}\n")
		chosen, err := resource.Flow(s, request(t, spec), noon)
		if err != nil {
			t.Fatal(err)
		}
		if chosen.Mode != resource.ReviewStewards || len(chosen.Stages) != 1 || chosen.Stages[0].Count != want || !chosen.RequireReason {
			t.Errorf("%s: %+v", glass, chosen.ReviewFlow)
		}
		end, bounded, err := resource.MaxEnd(s, request(t, strings.Replace(spec, "1h", "indefinite", 1)), noon)
		if err != nil || !bounded || !end.Equal(noon.Add(4*time.Hour)) {
			t.Errorf("%s: ends %v, %v, %v", glass, end, bounded, err)
		}
		if form := resource.FormFor(s, request(t, spec)); form != resource.StandardForm {
			t.Errorf("%s: form %s", glass, form)
		}
	}
}

func TestARuleMayAskForTheTypeOfRequest(t *testing.T) {
	s := setOf(t, flows+product("p", ", review: {mode: stewards, stages: [{any: [{user: ana}]}], rules: [{when: {type: masking-exception}, stages: [{any: [{user: bob}]}]}]}"))
	for kind, want := range map[string]string{"data-access": "DataProduct/p stewards user:ana -1", "masking-exception": "DataProduct/p stewards user:bob 0"} {
		if got := flowText(s, request(t, "{type: "+kind+", target: {product: p}, duration: 5d}")); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

func TestNextIsTheFirstMultipleAfterNow(t *testing.T) {
	start := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		d    resource.Duration
		now  time.Time
		want string // empty: never
	}{
		{"1d", start, "2026-02-01T12:00:00Z"},
		{"1d", start.Add(24*time.Hour - time.Second), "2026-02-01T12:00:00Z"},
		{"1d", start.Add(24 * time.Hour), "2026-02-02T12:00:00Z"},
		{"1d", start.Add(-time.Hour), "2026-02-01T12:00:00Z"},
		{"2h", start.Add(100*time.Hour + time.Minute), "2026-02-04T18:00:00Z"},
		{"1mo", start.AddDate(0, 0, 1), "2026-02-28T12:00:00Z"},
		{"1mo", start.AddDate(0, 0, 40), "2026-03-31T12:00:00Z"},
		{"1y", start.AddDate(3, 0, 0), "2030-01-31T12:00:00Z"},
		{"indefinite", start, ""},
		{"soon", start, ""},
		{"", start, ""},
	} {
		next, ok := tc.d.Next(start, tc.now)
		got := ""
		if ok {
			got = next.Format(time.RFC3339)
		}
		if got != tc.want {
			t.Errorf("%s after %s: %q, want %q", tc.d, tc.now, got, tc.want)
		}
	}
}

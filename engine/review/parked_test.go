package review_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
)

const warehouse = `
-- connections/dw.yaml --
kind: Connection
metadata: {name: dw}
spec: {platform: sandbox, mode: enforce}
`

const notes = `
-- sources/dw/shop/public/notes.yaml --
kind: DataSource
metadata: {name: notes}
spec: {connection: dw, path: [shop, public, notes], kind: table, columns: [{name: id}]}
`

// askFor is a request by ann by the standard form, which has no digest to know by heart.
func askFor(t testing.TB, target string) string {
	form, ok := resource.FormOf(setOf(t, people), resource.StandardForm)
	if !ok {
		t.Fatal("no standard form")
	}
	return strings.NewReplacer("{product: orders}", target, "name: ask, digest: \"DIGEST(ask)\"", "name: standard, digest: \""+form.Digest()+"\"").Replace(request(forAnn))
}

// A request for what nobody registered waits, whoever agreed, and says for whom;
// once it is registered, the same reviews decide.
func TestParkedUntilTheTargetIsRegistered(t *testing.T) {
	for _, tc := range []struct{ name, target, what string }{
		{"source", "{source: dw/shop/public/notes}", "data source dw/shop/public/notes"},
		{"path", "{path: dw/shop}", "anything below dw/shop"},
		{"connection", "{path: dw}", "anything below dw"},
		{"product", "{product: notes}", "data product notes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := askFor(t, tc.target)
			s := newScene(t, anyFinance, forAnn)
			admin := strings.Replace(people, "spec: {forge: {github: {id: 7, login: di}}}", "spec: {forge: {github: {id: 7, login: di}}, permissions: [APPLICATION_ADMIN]}", 1)
			base := []string{admin, warehouse, product(anyFinance)}
			s.base, s.head = setOf(t, base...), setOf(t, append(base, asked)...)
			r1, _ := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
			s.facts.Files[0].NewBlob = r1.Origin().OID
			s.says(gov, approve, "")
			j := s.judge(t, theRules(t))
			d := j.Determinations[0]
			if !d.Parked() || j.Outcome != pending || d.Reason != "parked: "+tc.what+" is not registered" {
				t.Fatalf("not parked: %s", show(t, j))
			}
			if want := []resource.Name{"di", "gov"}; len(d.Missing) != 1 || !cmp.Equal(want, d.Missing[0].People) {
				t.Errorf("waits for %v, want %v", d.Missing, want)
			}
			s.says(gov, deny, "no")
			if j := s.judge(t, theRules(t)); tc.name != "product" && j.Outcome != denied {
				t.Errorf("a denial does not stand: %s", show(t, j))
			}
		})
	}
}

func TestParkedRequestGoesOnByItself(t *testing.T) {
	asked := askFor(t, "{path: dw/shop}")
	s := newScene(t, anyFinance, forAnn)
	s.base, s.head = setOf(t, people, warehouse, notes), setOf(t, people, warehouse, notes, asked)
	r1, _ := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
	s.facts.Files[0].NewBlob = r1.Origin().OID
	s.says(gov, approve, "")
	if j := s.judge(t, theRules(t)); j.Outcome != temporary {
		t.Errorf("still parked: %s", show(t, j))
	}
}

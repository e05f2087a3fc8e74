package sandbox

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// What is drafted from the files is what Apply runs on an empty sandbox, and after it
// what follows: who joins the role that is there, and who leaves it.
func TestDraftIsWhatApplyRuns(t *testing.T) {
	s, err := Open(t.Context(), Config{Connection: "box", Path: filepath.Join(t.TempDir(), "box.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	columns := []resource.Column{{Name: "id"}, {Name: "iban"}, {Name: "mail"}, {Name: "born"}, {Name: "price"}, {Name: "gone"}, {Name: "code"}, {Name: "name"}}
	path := []string{"box", "shop", "people"}
	if err := s.CreateTable(t.Context(), path, columns, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "bob"} {
		if err := s.CreateAccount(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	masks := map[string]*resource.Mask{
		"iban": {Type: resource.MaskHash}, "mail": {Type: resource.MaskRegex, Pattern: "a", Replacement: "b"},
		"born": {Type: resource.MaskTruncate, Unit: resource.UnitYear}, "price": {Type: resource.MaskRound}, "gone": {Type: resource.MaskNull},
		"code": {Type: resource.MaskConstant, Value: "it's"}, "name": {Type: resource.MaskPartial, KeepFirst: 1},
	}
	role := func(product resource.Name, masked bool) *grant.Role {
		o := grant.Object{Path: path, Kind: "table"}
		for _, c := range columns {
			col := grant.Column{Name: c.Name}
			if masked {
				col.Mask = masks[c.Name]
			}
			o.Columns = append(o.Columns, col)
		}
		return &grant.Role{RoleKey: grant.RoleKey{
			Connection: "box", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: product}, Access: resource.Read, Profile: grant.DefaultProfile,
		}, Objects: []grant.Object{o}}
	}
	masked, clear := role("masked", true), role("clear", false)
	in := func(r *grant.Role, who string) *grant.Grant {
		return &grant.Grant{RoleKey: r.RoleKey, Principal: who, NotAfter: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Requests: []resource.Ref{{Kind: resource.KindAccessRequest, Name: "r"}}}
	}
	for name, changes := range map[string][]plan.Change{
		"1 new":    {{Action: plan.Provision, Role: masked}, {Action: plan.Provision, Role: clear}, {Action: plan.Allow, Grant: in(masked, "ann")}, {Action: plan.Allow, Grant: in(clear, "ann")}},
		"2 joins":  {{Action: plan.Allow, Grant: in(clear, "bob")}},
		"3 leaves": {{Action: plan.Revoke, Grant: in(masked, "ann"), PriorGrant: in(masked, "ann")}, {Action: plan.Retire, Role: masked, PriorRole: masked}},
	} {
		drafted, err := (&Sandbox{}).Draft(t.Context(), platform.Draft{
			Connection: "box", Changes: changes, Sources: []platform.Source{{Path: path, Columns: columns}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var want, ran []string
		for _, st := range drafted {
			want = append(want, st.Text)
		}
		s.afterStatement = func(text string) error {
			ran = append(ran, text)
			return nil
		}
		if name[0] != '1' { // it rests on the first
			first := []plan.Change{{Action: plan.Provision, Role: masked}, {Action: plan.Provision, Role: clear}, {Action: plan.Allow, Grant: in(masked, "ann")}}
			if _, err := s.Apply(t.Context(), platform.Batch{Changes: first}); err != nil {
				t.Fatal(err)
			}
			ran = nil
		}
		if _, err := s.Apply(t.Context(), platform.Batch{Changes: changes}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ran, want); diff != "" || len(ran) == 0 {
			t.Errorf("%s: apply and draft differ (-apply +draft):\n%s", name, diff)
		}
		if name[0] == '1' && !strings.Contains(strings.Join(want, "\n"), "CREATE VIEW") {
			t.Errorf("no view in %q", want)
		}
		all := []plan.Change{{Action: plan.Retire, Role: masked}, {Action: plan.Retire, Role: clear}}
		if _, err := s.Apply(t.Context(), platform.Batch{Changes: all}); err != nil {
			t.Fatal(err)
		}
	}
}

package postgres

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

func TestAddress(t *testing.T) {
	p := &Postgres{}
	key := grant.RoleKey{Scope: resource.Ref{Kind: resource.KindDataProduct, Name: "sales"}, Access: resource.Read, Profile: grant.DefaultProfile}
	clear := func(s, n string) grant.Object { return grant.Object{Path: []string{"db", s, n}} }
	masked := func(s, n string) grant.Object {
		o := clear(s, n)
		o.Columns = []grant.Column{starred("x")}
		return o
	}
	cases := []struct {
		object grant.Object
		want   string
	}{
		{clear("shop", "people"), `shop.people`},
		{clear("Shop", "select"), `"Shop"."select"`},
		{clear("shop", `a"b`), `shop."a""b"`},
		{clear("shop", "1st"), `shop."1st"`},
		{masked("public", "people"), `assent_sales.people`},
		{masked("shop", "people"), `assent_sales.shop__people`},
		{masked("shop", "People"), `assent_sales."shop__People"`},
		{grant.Object{Path: []string{"people"}}, ``},
	}
	for _, c := range cases {
		if got := p.Address(key, c.object); got != c.want {
			t.Errorf("%v: %s, want %s", c.object.Path, got, c.want)
		}
	}
}

// Different tables have different views, and every name fits.
func TestViewNamesDiffer(t *testing.T) {
	part := rapid.StringMatching(`[a_é]{1,40}|public`)
	rapid.Check(t, func(t *rapid.T) {
		a := []string{"db", part.Draw(t, "schema a"), part.Draw(t, "table a")}
		b := []string{"db", part.Draw(t, "schema b"), part.Draw(t, "table b")}
		va, vb := viewName(a), viewName(b)
		if !nameable(va) || va != viewName(a) {
			t.Fatalf("%q is no name", va)
		}
		if (a[1] == b[1] && a[2] == b[2]) != (va == vb) {
			t.Fatalf("%q and %q for %v and %v", va, vb, a, b)
		}
	})
	fixed := [][2][]string{
		{{"db", "a__b", "c"}, {"db", "a", "b__c"}}, {{"db", "public", "a__b"}, {"db", "a", "b"}},
		{{"db", "a_", "b"}, {"db", "a", "_b"}}, {{"db", "public", "x"}, {"db", "x", "public"}},
	}
	for _, f := range fixed {
		if viewName(f[0]) == viewName(f[1]) {
			t.Errorf("%v and %v share %s", f[0], f[1], viewName(f[0]))
		}
	}
}

// The server reads every quoted string back as it was.
func TestLiteralsAndNamesReadBack(t *testing.T) {
	h := newPlace(t)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune(`'"\$%E;-/*ab é🙂`+"\n\t\x00")), 0, 30, -1).Draw(t, "s")
		if err := checkText(s); err != nil {
			if !containsNUL(s) {
				t.Fatalf("%q is refused", s)
			}
			return
		}
		var got string
		if err := h.admin.QueryRow(h.t.Context(), "SELECT "+literal(s)).Scan(&got); err != nil || got != s {
			t.Fatalf("%q reads back as %q, %v", s, got, err)
		}
		if nameable(s) {
			rows, err := h.admin.Query(h.t.Context(), "SELECT 1 AS "+ident(s))
			if err != nil {
				t.Fatal(err)
			}
			name := rows.FieldDescriptions()[0].Name
			rows.Close()
			if name != s {
				t.Fatalf("name %q reads back as %q", s, name)
			}
		}
	})
}

func containsNUL(s string) bool {
	for _, r := range s {
		if r == 0 {
			return true
		}
	}
	return false
}

package platformtest

import (
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// nameCases: whatever the platform can call a thing, Assent can open.
func nameCases() []testCase {
	hostile := []struct{ what, name string }{
		{"double quote", `a"b`},
		{"single quote", `a'b`},
		{"space", "a b c"},
		{"unicode", "måned_ж日本"},
		{"semicolon", `x; DROP TABLE people; --`},
		{"dot", "a.b"},
		{"sixty bytes", strings.Repeat("n", 60)},
		{"sixty-three bytes", strings.Repeat("é", 31) + "n"},
		{"upper case", "SELECT"},
		{"backslash and percent", `a\b%s_`},
		{"question mark and dollar", "a?$1:x@y"},
		{"brackets and backtick", "a[b]`c"},
		{"a mark of ours", "assent_x"},
		{"a role of ours", "assent_old_read"},
		{"a reserved word", "select"},
		{"line break and tab", "a\n\tb"},
		{"comment openers", "a/*b*/--#c"},
		{"dollar quotes", "$$a$b$"},
		{"wildcards", "%_*?"},
		{"emoji", "👩🏽‍💻🔐"},
		{"spaces at both ends", " a "},
		{"a number", "42"},
		{"right to left", "\u202eabc"},
	}
	var out []testCase
	for _, h := range hostile {
		out = append(out, testCase{h.what, func(e *env) { hostileName(e, h.name) }})
	}
	return append(out, testCase{"values that look like statements are only values", func(e *env) {
		e.people("people")
		e.accounts("ann")
		r := role(e.key("sales"), masked(e.wholePeople("people"), "iban",
			resource.Mask{Type: resource.MaskConstant, Value: `'); DROP TABLE people; --`}))
		e.ok(provision(r), allow(member(r.RoleKey, "ann")))
		e.readsCities("ann", e.address(r, 0))
		e.roundTrip(desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))})
	}})
}

func (e *env) canName(kind string, names ...string) {
	e.Helper()
	n, ok := offered[Namer](e)
	if !ok {
		return
	}
	for _, name := range names {
		if !n.CanName(kind, name) {
			e.Skipf("the platform has no %s named %q", kind, name)
		}
	}
}

func hostileName(e *env, name string) {
	e.canName("table", name)
	e.canName("column", name)
	e.canName("account", name)
	e.people("people")
	e.accounts("ann", name)
	e.table(Table{Name: name, Columns: []string{"id", name, "iban"}, Rows: [][]string{{"1", "Oslo", "NO1"}, {"2", "Rome", "IT1"}}})
	obj := e.object(name, "id", name, "iban")
	clear := role(e.key("sales"), obj)
	hide := role(e.key("audit"), masked(obj, name, hidden()))
	gc, gh := member(clear.RoleKey, name), member(hide.RoleKey, "ann")
	d := desired{roles: roles(clear, hide), grants: grants(gc, gh)}
	e.converge(d)
	e.reads(name, e.address(clear, 0), []string{"id", name}, [][]string{{"1", "Oslo"}, {"2", "Rome"}})
	e.reads("ann", e.address(hide, 0), []string{"id", name, "iban"}, [][]string{{"1", "hidden", "NO1"}, {"2", "hidden", "IT1"}})
	e.refused("ann", e.h.BaseAddress(name), name)
	e.refused(name, e.h.BaseAddress("people"), "id")
	e.must("grant by hand", e.h.GrantByHand(e.ctx, "ann", name))
	e.foreign("ann", name, true)
	_, err := e.p.Preview(e.ctx, []plan.Change{revoke(gc), retire(clear)})
	e.must("preview", err)
	e.ok(revoke(gc), retire(clear))
	e.refused(name, e.h.BaseAddress(name), "id")
	e.roundTrip(desired{roles: []grant.Role{*hide}, grants: grants(gh)})
}

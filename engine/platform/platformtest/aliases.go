package platformtest

import (
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// alias is a second spelling that people, or other programs, take for the first.
type alias struct{ what, name, other string }

func aliases() []alias {
	return []alias{
		{"case", "ann", "ANN"},
		{"a space at the end", "ann", "ann "},
		{"the Unicode normal form", "\u00e5sa", "a\u030asa"},
		{"quotes", "ann", `"ann"`},
		{"a letter of another script", "ann", "\u0430nn"},
		{"a character of no width", "ann", "an\u200bn"},
	}
}

// aliasCases: two spellings are two things, and where the platform takes them
// for one, what one of them hides stays hidden.
func aliasCases() []testCase {
	var out []testCase
	for _, a := range aliases() {
		out = append(out, testCase{"accounts that differ in " + a.what + " are two", func(e *env) { twoAccounts(e, a) }},
			testCase{"tables that differ in " + a.what + " are two", func(e *env) { twoTables(e, a) }})
	}
	return append(out, []testCase{
		{"an account spelled otherwise is missing and nobody else gets in", func(e *env) {
			e.tellsApart("account", "ann", "Ann")
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.statuses([]plan.Change{provision(r), allow(member(r.RoleKey, "Ann"))}, "applied", "pending/no-such-account")
			e.refused("ann", e.address(r, 0), "id")
			e.roundTrip(desired{roles: roles(r)})
		}},
		{"a column spelled otherwise is never clear", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), masked(e.object("people", "id", "IBAN"), "IBAN", hidden()))
			e.apply(provision(r), allow(member(r.RoleKey, "ann")))
			e.neverClear("ann", e.address(r, 0), "iban")
			e.neverClear("ann", e.h.BaseAddress("people"), "iban")
		}},
		{"two spellings of a column, one masked, are never clear", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), masked(e.object("people", "id", "iban", "IBAN"), "iban", hidden()))
			e.apply(provision(r), allow(member(r.RoleKey, "ann")))
			for _, c := range []string{"iban", "IBAN"} {
				e.neverClear("ann", e.address(r, 0), c)
				e.neverClear("ann", e.h.BaseAddress("people"), c)
			}
		}},
		{"a column listed twice, once masked, is never clear", func(e *env) {
			e.people("people")
			e.accounts("ann")
			o := e.object("people", "id", "iban", "iban")
			m := hidden()
			o.Columns[1].Mask = &m
			r := role(e.key("sales"), o)
			e.apply(provision(r), allow(member(r.RoleKey, "ann")))
			e.neverClear("ann", e.address(r, 0), "iban")
			e.neverClear("ann", e.h.BaseAddress("people"), "iban")
		}},
		{"a table listed twice, once masked, is never clear", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.maskedPeople("people"), e.wholePeople("people"))
			e.apply(provision(r), allow(member(r.RoleKey, "ann")))
			for i := range r.Objects {
				e.neverClear("ann", e.address(r, i), "iban")
			}
		}},
		{"a path with a part too many or too few opens nothing", func(e *env) {
			e.people("people")
			e.accounts("ann")
			long, short := e.wholePeople("people"), e.wholePeople("people")
			long.Path = append(slices.Clone(long.Path), "people")
			short.Path = []string{"people"}
			for _, o := range []grant.Object{long, short, {Kind: "table", Columns: short.Columns}} {
				r := role(e.key("sales"), o)
				out := e.apply(provision(r), allow(member(r.RoleKey, "ann")))
				e.want(out[0].Status == platform.Failed || out[0].Status == platform.Pending, "path %q ended %s", o.Path, out[0].Status)
				e.refused("ann", e.h.BaseAddress("people"), "id")
			}
		}},
		{"nobody, everybody, a pattern and a role are no accounts", noAccounts},
	}...)
}

// noAccounts: what could stand for more than one person is never let in.
func noAccounts(e *env) {
	e.people("people")
	e.accounts("ann", "bob")
	other := role(e.key("audit"), e.wholePeople("people"))
	e.ok(provision(other), allow(member(other.RoleKey, "bob")))
	r := role(e.key("sales"), e.object("people", "id", "iban"))
	batch := []plan.Change{provision(r)}
	for _, who := range []string{"", "public", "PUBLIC", "%", "*", "a%", "_nn", "ann,bob", "ann@%", "current_user", other.RoleName()} {
		if d, ok := offered[Distinguisher](e); ok && !d.TellsApart("account", "ann", who) {
			continue // it is another way to write that one account
		}
		batch = append(batch, allow(member(r.RoleKey, who)))
	}
	out := e.apply(batch...)
	for _, o := range out[1:] {
		e.want(o.Status == platform.Pending || o.Status == platform.Failed, "%q is let in: %s", o.Change.Grant.Principal, o.Status)
	}
	e.refused("ann", e.address(r, 0), "id")
	e.ok(revoke(member(other.RoleKey, "bob")))
	e.refused("bob", e.address(r, 0), "id")
	seen := e.observe().Ours.Grants
	e.want(len(seen) == 0, "somebody is in: %+v", seen)
}

// neverClear asserts that nothing the account reads is a clear value of the
// usual table: it may be refused, or see a mask.
func (e *env) neverClear(account, address, column string) {
	e.Helper()
	rows, err := e.h.Select(e.ctx, account, address, column)
	if err != nil {
		return
	}
	for _, row := range rows {
		for _, clear := range clearPeople() {
			if slices.Contains(row, clear[2]) {
				e.Fatalf("%s reads %q in %s of %s", account, clear[2], column, address)
			}
		}
	}
}

// tellsApart skips the case where the platform takes two spellings for one thing.
func (e *env) tellsApart(kind, a, b string) {
	e.Helper()
	if d, ok := offered[Distinguisher](e); ok && !d.TellsApart(kind, a, b) {
		e.Skipf("the platform takes the %ss %q and %q for one", kind, a, b)
	}
}

func twoAccounts(e *env, a alias) {
	e.canName("account", a.name, a.other)
	e.tellsApart("account", a.name, a.other)
	e.people("people")
	e.accounts(a.name, a.other)
	r := role(e.key("sales"), e.wholePeople("people"))
	g := member(r.RoleKey, a.other)
	e.ok(provision(r), allow(g))
	e.readsCities(a.other, e.address(r, 0))
	e.refused(a.name, e.address(r, 0), "id")
	e.roundTrip(desired{roles: roles(r), grants: grants(g)})
	first := member(r.RoleKey, a.name)
	e.ok(allow(first), revoke(g))
	e.readsCities(a.name, e.address(r, 0))
	e.refused(a.other, e.address(r, 0), "id")
	e.roundTrip(desired{roles: roles(r), grants: grants(first)})
}

func twoTables(e *env, a alias) {
	e.canName("table", a.name, a.other)
	e.tellsApart("table", a.name, a.other)
	e.people(a.name)
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople(a.other))
	g := member(r.RoleKey, "ann")
	e.statuses([]plan.Change{provision(r), allow(g)}, "pending/no-such-object", "applied")
	e.refused("ann", e.h.BaseAddress(a.name), "id")
	e.people(a.other)
	hide := role(e.key("audit"), e.maskedPeople(a.name), e.maskedPeople(a.other))
	d := desired{roles: roles(r, hide), grants: grants(g)}
	e.converge(d)
	e.readsCities("ann", e.address(r, 0))
	e.refused("ann", e.h.BaseAddress(a.name), "id")
	e.want(e.address(hide, 0) != e.address(hide, 1), "two tables share the address %s", e.address(hide, 0))
}

package platformtest

import (
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// missingCases: what is not there yet, or no more, holds up nothing else.
func missingCases() []testCase {
	return []testCase{
		{"a missing account is pending and the others go on", func(e *env) {
			e.people("people")
			e.accounts("ann", "bob")
			r := role(e.key("sales"), e.wholePeople("people"))
			ga, gn, gb := member(r.RoleKey, "ann"), member(r.RoleKey, "nobody"), member(r.RoleKey, "bob")
			e.statuses([]plan.Change{provision(r), allow(ga), allow(gn), allow(gb)},
				"applied", "applied", "pending/no-such-account", "applied")
			e.readsCities("ann", e.address(r, 0))
			e.readsCities("bob", e.address(r, 0))
			e.roundTrip(desired{roles: roles(r), grants: grants(ga, gb)})
			e.accounts("nobody")
			e.refused("nobody", e.address(r, 0), "id")
			e.converge(desired{roles: roles(r), grants: grants(ga, gb, gn)})
			e.readsCities("nobody", e.address(r, 0))
		}},
		{"revoking from an account that is not there is done", func(e *env) {
			e.people("people")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.ok(provision(r))
			e.statuses([]plan.Change{revoke(member(r.RoleKey, "nobody"))}, "done")
		}},
		{"a missing table is pending, the others open, and it opens when it comes", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
			g := member(r.RoleKey, "ann")
			e.statuses([]plan.Change{provision(r), allow(g)}, "pending/no-such-object", "applied")
			e.readsCities("ann", e.address(r, 0))
			e.roundTrip(desired{roles: roles(role(r.RoleKey, r.Objects[0])), grants: grants(g)})
			e.people("wages")
			e.refused("ann", e.h.BaseAddress("wages"), "iban")
			e.converge(desired{roles: roles(r), grants: grants(g)})
			e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
		}},
		{"a role whose only table is missing opens nothing", func(e *env) {
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"))
			g := member(r.RoleKey, "ann")
			out := e.apply(provision(r), allow(g))
			e.want(out[0].Status == platform.Pending && out[0].Code == platform.NoObject, "the role ended %s/%s", out[0].Status, out[0].Code)
			e.people("people")
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.converge(desired{roles: roles(r), grants: grants(g)})
			e.readsCities("ann", e.address(r, 0))
		}},
		{"a missing column is pending and nothing else opens in its place", missingColumn},
		{"a failing role keeps no other role from its change", func(e *env) {
			e.people("people")
			e.accounts("ann", "bob")
			bad := role(e.key("aaa"), e.wholePeople("nowhere"))
			good := role(e.key("sales"), e.wholePeople("people"))
			old := member(good.RoleKey, "bob")
			e.ok(provision(good), allow(old))
			e.statuses([]plan.Change{revoke(old), provision(bad), provision(good), allow(member(good.RoleKey, "ann"))},
				"applied", "pending/no-such-object", "done", "applied")
			e.refused("bob", e.address(good, 0), "id")
			e.readsCities("ann", e.address(good, 0))
		}},
		{"a table dropped and made anew is not open, seen as missing, and repaired", recreated},
		{"a dropped column is seen as missing and opens nothing else", func(e *env) {
			dropper := optional[ColumnDropper](e)
			e.people("people")
			e.people("wages")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
			d := desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))}
			e.converge(d)
			e.must("drop column", dropper.DropColumn(e.ctx, "people", "city"))
			e.must("drop column", dropper.DropColumn(e.ctx, "wages", "city"))
			left := difference(d, e.observe().Ours)
			e.want(len(left) == 1 && left[0].Action == plan.Provision, "%d changes are seen to be due, want one provision", len(left))
			e.statuses([]plan.Change{provision(r)}, "pending/no-such-column")
			e.refused("ann", e.h.BaseAddress("wages"), "iban")
			less := role(r.RoleKey, e.object("people", "id", "iban"), masked(e.object("wages", "id", "iban"), "iban", hidden()))
			d.roles = roles(less)
			e.converge(d)
			e.reads("ann", e.address(less, 1), []string{"id", "iban"}, [][]string{{"1", "hidden"}, {"2", "hidden"}, {"3", "hidden"}})
		}},
		{"a dropped table does not keep anybody from leaving", func(e *env) {
			r, g := e.reader("ann")
			e.must("drop table", e.h.DropTable(e.ctx, "people"))
			e.statuses([]plan.Change{revoke(g), provision(r)}, "applied", "pending/no-such-object")
			e.people("people")
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.ok(provision(r))
			e.refused("ann", e.address(r, 0), "id")
		}},
		{"a role of a dropped table can be retired", func(e *env) {
			r := e.maskedReader("ann")
			e.must("drop table", e.h.DropTable(e.ctx, "people"))
			e.statuses([]plan.Change{retire(r)}, "applied")
			e.roundTrip(desired{})
			e.people("people")
			e.refused("ann", e.h.BaseAddress("people"), "id")
		}},
	}
}

func missingColumn(e *env) {
	e.people("people")
	e.people("wages")
	e.accounts("ann")
	r := role(e.key("sales"), e.object("people", "id", "phone"), e.maskedPeople("wages"))
	g := member(r.RoleKey, "ann")
	out := e.apply(provision(r), allow(g))
	e.want(out[0].Status == platform.Pending && out[0].Code == platform.NoColumn, "the role ended %s/%s", out[0].Status, out[0].Code)
	e.cannotRead("ann", e.address(r, 0), "iban")
	e.refused("ann", e.h.BaseAddress("people"), "iban")
	e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
	seen := e.observe().Ours
	e.want(!slices.ContainsFunc(difference(desired{roles: roles(r)}, seen), func(c plan.Change) bool { return c.Action == plan.Retire }),
		"the role is gone")
	e.want(slices.ContainsFunc(difference(desired{roles: roles(r), grants: grants(g)}, seen), func(c plan.Change) bool { return c.Action == plan.Provision }),
		"the missing column is believed to be open")
	e.must("drop table", e.h.DropTable(e.ctx, "people"))
	e.table(Table{Name: "people", Columns: []string{"id", "phone", "iban"}, Rows: [][]string{{"1", "555", "NO1"}}})
	e.converge(desired{roles: roles(r), grants: grants(g)})
	e.reads("ann", e.address(r, 0), []string{"id", "phone"}, [][]string{{"1", "555"}})
	e.cannotRead("ann", e.address(r, 0), "iban")
}

func recreated(e *env) {
	e.people("people")
	e.people("wages")
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	d := desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))}
	e.converge(d)
	for _, name := range []string{"people", "wages"} {
		e.must("drop table", e.h.DropTable(e.ctx, name))
	}
	left := difference(d, e.observe().Ours)
	e.want(len(left) == 1 && left[0].Action == plan.Provision, "after the drop %d changes are seen to be due, want one provision", len(left))
	e.people("people")
	e.people("wages")
	e.refused("ann", e.h.BaseAddress("wages"), "id")
	if n, ok := offered[NameBound](e); !ok || !n.PrivilegesFollowNames() {
		e.refused("ann", e.h.BaseAddress("people"), "id")
		e.cannotRead("ann", e.address(r, 1), "id")
	}
	left = difference(d, e.observe().Ours)
	e.want(len(left) == 1 && left[0].Action == plan.Provision, "after the rebuild %d changes are seen to be due, want one provision", len(left))
	e.converge(d)
	e.reads("ann", e.address(r, 0), peopleColumns(), clearPeople())
	e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
}

// foreignCases: what others gave is shown and left alone.
func foreignCases() []testCase {
	return []testCase{
		{"a grant by hand is shown as foreign, not as ours", func(e *env) {
			e.people("people")
			e.accounts("ann", "bob")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")))
			e.must("grant by hand", e.h.GrantByHand(e.ctx, "bob", "people"))
			e.reads("bob", e.h.BaseAddress("people"), peopleColumns(), clearPeople())
			e.roundTrip(desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))})
			e.foreign("bob", "people", true)
			e.foreign("ann", "people", false)
		}},
		{"a grant by hand outlives everything that is ours", func(e *env) {
			r, g := e.reader("ann")
			e.must("grant by hand", e.h.GrantByHand(e.ctx, "ann", "people"))
			e.ok(provision(role(r.RoleKey, e.maskedPeople("people"))))
			out := e.apply(revoke(g), retire(r))
			e.want(out[1].Status == platform.Applied || out[1].Status == platform.Residual, "the retirement ended %s", out[1].Status)
			e.reads("ann", e.h.BaseAddress("people"), peopleColumns(), clearPeople())
			e.foreign("ann", "people", true)
			e.roundTrip(desired{})
		}},
		{"revoking from one who reads another way is residual", func(e *env) {
			r, g := e.reader("ann")
			e.must("grant by hand", e.h.GrantByHand(e.ctx, "ann", "people"))
			e.statuses([]plan.Change{revoke(g)}, "residual/still-readable")
			e.readsCities("ann", e.h.BaseAddress("people"))
			e.roundTrip(desired{roles: roles(r)})
			out := e.apply(revoke(g))
			e.want(out[0].Status == platform.Done || out[0].Status == platform.Residual, "the second revocation ended %s", out[0].Status)
		}},
		{"a name taken by a stranger is not ours", notOurs},
	}
}

func (e *env) foreign(principal, table string, want bool) {
	e.Helper()
	got := slices.ContainsFunc(e.observe().Foreign, func(f platform.Foreign) bool {
		return f.Principal == principal && slices.Equal(f.Path, e.path(table)) && f.Privilege != ""
	})
	e.want(got == want, "foreign access of %s to %s: seen %v, want %v", principal, table, got, want)
}

func notOurs(e *env) {
	taker := optional[RoleTaker](e)
	e.people("people")
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople("people"))
	good := role(e.key("audit"), e.maskedPeople("people"))
	e.must("take the name", taker.TakeRoleName(e.ctx, r.RoleName()))
	seen := e.observe().Ours
	e.want(!slices.ContainsFunc(seen.Roles, func(o grant.Role) bool { return o.RoleKey == r.RoleKey }), "a stranger's role is taken for ours")
	out := e.apply(provision(good), provision(r), allow(member(r.RoleKey, "ann")), allow(member(good.RoleKey, "ann")))
	e.want(out[1].Status == platform.Failed && out[1].Code == platform.NotOurs, "the role ended %s/%s", out[1].Status, out[1].Code)
	e.want(out[2].Status == platform.Failed && out[2].Code == platform.NotOurs, "the grant ended %s/%s", out[2].Status, out[2].Code)
	e.refused("ann", e.h.BaseAddress("people"), "id")
	e.reads("ann", e.address(good, 0), peopleColumns(), hiddenPeople())
	o := e.apply(retire(r))[0]
	e.want(o.Status == platform.Failed && o.Code == platform.NotOurs || o.Status == platform.Done, "retiring a stranger's role ended %s/%s", o.Status, o.Code)
	o = e.apply(provision(r))[0]
	e.want(o.Code == platform.NotOurs, "a stranger's role was dropped: %s/%s", o.Status, o.Code)
}

package platformtest

import (
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// lifecycleCases: access comes, changes and goes.
func lifecycleCases() []testCase {
	return []testCase{
		{"a revoked account is denied at once", func(e *env) {
			r, g := e.reader("ann")
			e.readsCities("ann", e.address(r, 0))
			e.statuses([]plan.Change{revoke(g)}, "applied")
			e.refused("ann", e.address(r, 0), "id")
			e.roundTrip(desired{roles: roles(r)})
		}},
		{"a revoked account can come back", func(e *env) {
			r, g := e.reader("ann")
			e.ok(revoke(g))
			e.refused("ann", e.address(r, 0), "id")
			e.statuses([]plan.Change{allow(g)}, "applied")
			e.readsCities("ann", e.address(r, 0))
		}},
		{"revoking one product keeps the other", func(e *env) {
			r, g := e.reader("ann")
			other := role(e.key("audit"), e.wholePeople("people"))
			og := member(other.RoleKey, "ann")
			e.ok(provision(other), allow(og))
			e.statuses([]plan.Change{revoke(g)}, "applied")
			e.reads("ann", e.address(other, 0), peopleColumns(), clearPeople())
			e.statuses([]plan.Change{revoke(og)}, "applied")
			e.refused("ann", e.address(other, 0), "id")
			e.refused("ann", e.address(r, 0), "id")
		}},
		{"retiring one product keeps the other", func(e *env) {
			r, _ := e.reader("ann")
			other := role(e.key("audit"), e.maskedPeople("people"))
			og := member(other.RoleKey, "ann")
			e.ok(provision(other), allow(og))
			e.ok(retire(r))
			e.reads("ann", e.address(other, 0), peopleColumns(), hiddenPeople())
			e.refused("ann", e.h.BaseAddress("people"), "iban")
			e.roundTrip(desired{roles: roles(other), grants: grants(og)})
		}},
		{"a retired role is gone with its members", func(e *env) {
			r, g := e.reader("ann")
			e.statuses([]plan.Change{retire(r)}, "applied")
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.roundTrip(desired{})
			e.ok(provision(r))
			e.refused("ann", e.address(r, 0), "id")
			e.roundTrip(desired{roles: roles(r)})
			e.ok(allow(g))
			e.readsCities("ann", e.address(r, 0))
		}},
		{"a retired masked role is gone with its views", func(e *env) {
			r := e.maskedReader("ann")
			e.ok(retire(r))
			e.cannotRead("ann", e.address(r, 0), "id")
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.roundTrip(desired{})
		}},
		{"one level of a product outlives the other", levels},
		{"an added object opens for members", func(e *env) {
			r, _ := e.reader("ann")
			e.people("wages")
			e.refused("ann", e.h.BaseAddress("wages"), "id")
			more := role(r.RoleKey, e.wholePeople("people"), e.maskedPeople("wages"))
			e.ok(replace(r, more))
			e.readsCities("ann", e.address(more, 0))
			e.reads("ann", e.address(more, 1), peopleColumns(), hiddenPeople())
		}},
		{"a dropped object closes for members", func(e *env) {
			e.people("people")
			e.people("wages")
			e.people("trips")
			e.accounts("ann")
			all := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("trips"), e.wholePeople("wages"))
			g := member(all.RoleKey, "ann")
			e.ok(provision(all), allow(g))
			less := role(all.RoleKey, e.wholePeople("people"))
			e.ok(replace(all, less))
			e.readsCities("ann", e.address(less, 0))
			e.cannotRead("ann", e.address(all, 1), "id")
			e.refused("ann", e.h.BaseAddress("trips"), "id")
			e.refused("ann", e.address(all, 2), "id")
			e.roundTrip(desired{roles: roles(less), grants: grants(g)})
		}},
		{"fewer columns close for members, more open", func(e *env) {
			r, g := e.reader("ann")
			less := role(r.RoleKey, e.object("people", "id", "city"))
			e.ok(replace(r, less))
			e.readsCities("ann", e.address(less, 0))
			e.cannotRead("ann", e.address(less, 0), "iban")
			e.roundTrip(desired{roles: roles(less), grants: grants(g)})
			e.ok(replace(less, r))
			e.reads("ann", e.address(r, 0), peopleColumns(), clearPeople())
		}},
		{"columns in another order are the order observed", func(e *env) {
			r, g := e.reader("ann")
			turned := role(r.RoleKey, e.object("people", "iban", "id", "city"))
			e.ok(replace(r, turned))
			e.roundTrip(desired{roles: roles(turned), grants: grants(g)})
		}},
		{"an extended grant has its new end", func(e *env) {
			r, g := e.reader("ann")
			longer := *g
			longer.NotAfter = g.NotAfter.Add(-30 * 24 * time.Hour)
			longer.Requests = append([]resource.Ref{{Kind: resource.KindAccessRequest, Name: "a-second-one"}}, g.Requests...)
			e.statuses([]plan.Change{extend(&longer)}, "applied")
			e.readsCities("ann", e.address(r, 0))
			e.roundTrip(desired{roles: roles(r), grants: grants(&longer)})
			endless := longer
			endless.NotAfter = time.Time{}
			e.statuses([]plan.Change{extend(&endless)}, "applied")
			e.roundTrip(desired{roles: roles(r), grants: grants(&endless)})
		}},
		{"a grant ends by itself where that is claimed", nativeExpiry},
		{"products that slug alike are two roles", slugs},
	}
}

// reader makes the usual table, clear, with one reader.
func (e *env) reader(account string) (*grant.Role, *grant.Grant) {
	e.Helper()
	e.people("people")
	e.accounts(account)
	r := role(e.key("sales"), e.wholePeople("people"))
	g := member(r.RoleKey, account)
	e.ok(provision(r), allow(g))
	return r, g
}

func levels(e *env) {
	e.canWrite()
	e.people("people")
	e.people("wages")
	e.accounts("ann", "bob")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	w := role(withLevel(e.key("sales"), resource.Write), e.wholePeople("people"))
	e.ok(provision(r), provision(w), allow(member(r.RoleKey, "ann")), allow(member(w.RoleKey, "bob")))
	e.ok(retire(w))
	e.notInserted("bob", e.h.BaseAddress("people"))
	e.readsCities("ann", e.address(r, 0))
	e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
	e.ok(provision(w), allow(member(w.RoleKey, "bob")), retire(r))
	e.must("insert", e.h.Insert(e.ctx, "bob", e.address(w, 0), peopleColumns(), []string{"9", "Bonn", "DE1"}))
	e.refused("ann", e.h.BaseAddress("people"), "id")
	e.cannotRead("ann", e.address(r, 1), "id")
}

func nativeExpiry(e *env) {
	if !e.p.Capabilities().NativeExpiry {
		e.Skipf("the platform does not claim native expiry")
	}
	e.people("people")
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople("people"))
	g := member(r.RoleKey, "ann")
	g.NotAfter = time.Now().UTC().Truncate(time.Second).Add(4 * time.Second)
	e.ok(provision(r), allow(g))
	e.readsCities("ann", e.address(r, 0))
	for deadline := g.NotAfter.Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if _, err := e.h.Select(e.ctx, "ann", e.address(r, 0), "id"); err != nil {
			break
		}
		if time.Now().After(deadline) {
			e.Fatalf("the grant has not ended by itself")
		}
	}
	out := e.apply(revoke(g))
	e.want(out[0].Status == platform.Applied || out[0].Status == platform.Done, "revoking an ended grant ended %s", out[0].Status)
}

// slugs holds the platform to RoleName: different keys are different roles.
func slugs(e *env) {
	e.people("people")
	e.people("wages")
	e.accounts("ann", "bob")
	a := role(e.key("sales-eu"), e.maskedPeople("people"))
	b := role(e.key("sales_eu"), e.maskedPeople("wages"))
	c := role(e.key("Sales-EU"), e.maskedPeople("people"))
	c.Scope.Kind = resource.KindDataSource
	ga, gb, gc := member(a.RoleKey, "ann"), member(b.RoleKey, "bob"), member(c.RoleKey, "ann")
	e.ok(provision(a), provision(b), provision(c), allow(ga), allow(gb), allow(gc))
	e.roundTrip(desired{roles: roles(a, b, c), grants: grants(ga, gb, gc)})
	e.cannotRead("ann", e.address(b, 0), "id")
	e.cannotRead("bob", e.address(a, 0), "id")
	e.ok(retire(a))
	e.reads("bob", e.address(b, 0), peopleColumns(), hiddenPeople())
	e.reads("ann", e.address(c, 0), peopleColumns(), hiddenPeople())
	e.cannotRead("ann", e.address(a, 0), "id")
}

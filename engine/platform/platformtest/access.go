package platformtest

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// accessCases: who reads and who writes, seen from their own sessions.
func accessCases() []testCase {
	return []testCase{
		{"a provisioned role lets nobody read", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.ok(provision(r))
			e.refused("ann", e.address(r, 0), "id")
			e.refused("ann", e.h.BaseAddress("people"), "id")
		}},
		{"a grant reads every listed column", func(e *env) {
			e.people("people")
			e.accounts("ann", "bob")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")))
			e.reads("ann", e.address(r, 0), peopleColumns(), clearPeople())
			e.refused("bob", e.address(r, 0), "id")
		}},
		{"a column that is not listed is denied", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.object("people", "id", "city"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")))
			e.readsCities("ann", e.address(r, 0))
			e.cannotRead("ann", e.address(r, 0), "id", "iban")
			e.refused("ann", e.h.BaseAddress("people"), "iban")
		}},
		{"a table that is not listed is denied", func(e *env) {
			e.people("people")
			e.people("wages")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")))
			e.readsCities("ann", e.address(r, 0))
			e.refused("ann", e.h.BaseAddress("wages"), "id")
		}},
		{"a new column stays hidden until it is listed", newColumn},
		{"read level does not insert", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")))
			e.notInserted("ann", e.address(r, 0))
			e.notInserted("ann", e.h.BaseAddress("people"))
		}},
		{"write level inserts and reads", writes},
		{"write level does not write hidden columns", writesHidden},
		{"write level changes rows, read level does not", changes},
		{"write level behind a mask reads and does not write", writeMasked},
		{"write level leaves a read-only object as it is", readOnlyObject},
		{"both levels of a masked product", bothLevels},
		{"two members of one role both read", func(e *env) {
			e.people("people")
			e.accounts("ann", "bob")
			r := role(e.key("sales"), e.wholePeople("people"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")), allow(member(r.RoleKey, "bob")))
			e.readsCities("ann", e.address(r, 0))
			e.readsCities("bob", e.address(r, 0))
			e.ok(revoke(member(r.RoleKey, "ann")))
			e.refused("ann", e.address(r, 0), "id")
			e.readsCities("bob", e.address(r, 0))
		}},
		{"a role of several tables opens all of them", func(e *env) {
			e.people("people")
			e.people("wages")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")))
			e.reads("ann", e.address(r, 0), peopleColumns(), clearPeople())
			e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
		}},
		{"a source can be a scope of its own", func(e *env) {
			e.people("people")
			e.accounts("ann")
			k := e.key("x")
			k.Scope = resource.Ref{
				Kind: resource.KindDataSource,
				Name: resource.Name(string(e.h.Connection()) + "/" + strings.Join(e.path("people"), "/")),
			}
			r := role(k, e.maskedPeople("people"))
			e.ok(provision(r), allow(member(k, "ann")))
			e.reads("ann", e.address(r, 0), peopleColumns(), hiddenPeople())
			e.roundTrip(desired{roles: roles(r), grants: grants(member(k, "ann"))})
		}},
		{"a grant without a role opens nothing", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"))
			o := e.apply(allow(member(r.RoleKey, "ann")))[0]
			e.want(o.Status == platform.Failed || o.Status == platform.Pending, "a grant without a role ended %s", o.Status)
			e.refused("ann", e.h.BaseAddress("people"), "id")
		}},
		{"a role without objects opens nothing", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"))
			e.ok(provision(r), allow(member(r.RoleKey, "ann")))
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.roundTrip(desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))})
		}},
		{"a level that is not claimed is unsupported", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(withLevel(e.key("sales"), "own"), e.wholePeople("people"))
			e.statuses([]plan.Change{provision(r)}, "failed/unsupported")
			e.refused("ann", e.h.BaseAddress("people"), "id")
		}},
	}
}

func newColumn(e *env) {
	adder := optional[ColumnAdder](e)
	e.people("people")
	e.people("wages")
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	e.ok(provision(r), allow(member(r.RoleKey, "ann")))
	e.must("add column", adder.AddColumn(e.ctx, "people", "salary", "9000"))
	e.must("add column", adder.AddColumn(e.ctx, "wages", "salary", "9000"))
	for i := range r.Objects {
		e.readsCities("ann", e.address(r, i))
		e.cannotRead("ann", e.address(r, i), "id", "salary")
	}
	e.ok(provision(r))
	e.cannotRead("ann", e.address(r, 0), "id", "salary")
	r.Objects[0] = e.object("people", "id", "city", "iban", "salary")
	e.ok(provision(r))
	e.reads("ann", e.address(r, 0), []string{"id", "salary"}, [][]string{{"1", "9000"}, {"2", "9000"}, {"3", "9000"}})
	e.cannotRead("ann", e.address(r, 1), "id", "salary")
}

// canWrite skips the case where the platform only reads.
func (e *env) canWrite() {
	e.Helper()
	if !slices.Contains(e.p.Capabilities().AccessLevels, resource.Write) {
		e.Skipf("the platform does not claim the write level")
	}
}

func (e *env) notInserted(account, address string) {
	e.Helper()
	err := e.h.Insert(e.ctx, account, address, peopleColumns(), []string{"9", "Bonn", "DE1"})
	if err == nil {
		e.Fatalf("%s inserts into %s and must not", account, address)
	}
	if !e.h.Denied(err) {
		e.Fatalf("%s is kept from inserting into %s by something else than a missing right: %v", account, address, err)
	}
}

func writes(e *env) {
	e.canWrite()
	e.people("people")
	e.accounts("ann", "bob")
	w := role(withLevel(e.key("sales"), resource.Write), e.wholePeople("people"))
	r := role(e.key("sales"), e.wholePeople("people"))
	e.ok(provision(r), provision(w), allow(member(w.RoleKey, "ann")), allow(member(r.RoleKey, "bob")))
	e.must("insert", e.h.Insert(e.ctx, "ann", e.address(w, 0), peopleColumns(), []string{"9", "Bonn", "DE1"}))
	want := append(clearPeople(), []string{"9", "Bonn", "DE1"})
	e.reads("ann", e.address(w, 0), peopleColumns(), want)
	e.reads("bob", e.address(r, 0), peopleColumns(), want)
	e.notInserted("bob", e.address(r, 0))
	e.ok(revoke(member(w.RoleKey, "ann")))
	e.notInserted("ann", e.address(w, 0))
}

func writesHidden(e *env) {
	e.canWrite()
	e.people("people")
	e.accounts("ann")
	w := role(withLevel(e.key("sales"), resource.Write), e.object("people", "id", "city"))
	e.ok(provision(w), allow(member(w.RoleKey, "ann")))
	e.must("insert", e.h.Insert(e.ctx, "ann", e.address(w, 0), []string{"id", "city"}, []string{"9", "Bonn"}))
	e.notInserted("ann", e.address(w, 0))
}

func changes(e *env) {
	e.canWrite()
	c := optional[Changer](e)
	e.people("people")
	e.accounts("ann", "bob")
	e.people("wages")
	w := role(withLevel(e.key("sales"), resource.Write), e.wholePeople("people"), e.object("wages", "id", "city"))
	r := role(e.key("sales"), e.wholePeople("people"))
	e.ok(provision(r), provision(w), allow(member(w.RoleKey, "ann")), allow(member(r.RoleKey, "bob")))
	err := c.Update(e.ctx, "bob", e.address(r, 0), "id", "1", "city", "Bern")
	e.want(err != nil && e.h.Denied(err), "read level updates: %v", err)
	err = c.Delete(e.ctx, "bob", e.address(r, 0), "id", "1")
	e.want(err != nil && e.h.Denied(err), "read level deletes: %v", err)
	e.must("update", c.Update(e.ctx, "ann", e.address(w, 0), "id", "1", "city", "Bern"))
	e.must("delete", c.Delete(e.ctx, "ann", e.address(w, 0), "id", "2"))
	e.reads("bob", e.address(r, 0), []string{"id", "city"}, [][]string{{"1", "Bern"}, {"3", "Lima"}})
	e.want(c.Update(e.ctx, "ann", e.address(w, 1), "id", "1", "iban", "stolen") != nil, "a hidden column is updated")
	e.want(c.Update(e.ctx, "ann", e.address(w, 1), "iban", "NO9386011117947", "city", "found") != nil, "rows are found by a hidden column")
	e.want(c.Delete(e.ctx, "ann", e.address(w, 1), "iban", "NO9386011117947") != nil, "rows are deleted by a hidden column")
}

func writeMasked(e *env) {
	e.canWrite()
	e.people("people")
	e.accounts("ann")
	w := role(withLevel(e.key("sales"), resource.Write), e.maskedPeople("people"))
	e.ok(provision(w), allow(member(w.RoleKey, "ann")))
	e.reads("ann", e.address(w, 0), peopleColumns(), hiddenPeople())
	e.refused("ann", e.h.BaseAddress("people"), "iban")
	for _, at := range []string{e.address(w, 0), e.h.BaseAddress("people")} {
		err := e.h.Insert(e.ctx, "ann", at, []string{"id", "city"}, []string{"9", "Bonn"})
		e.want(err != nil && e.h.Denied(err), "inserts into %s: %v", at, err)
	}
	e.unchanged("ann", e.address(w, 0))
}

// readOnlyObject: in a writing role, an object that is opened for reading only
// is read, and what is clear beside it is written; and either can become the other.
func readOnlyObject(e *env) {
	e.canWrite()
	e.people("people")
	e.people("wages")
	e.accounts("ann")
	closed := e.object("people", "id", "city")
	closed.ReadOnly = true
	w := role(withLevel(e.key("sales"), resource.Write), closed, e.wholePeople("wages"))
	e.ok(provision(w), allow(member(w.RoleKey, "ann")))
	e.readsCities("ann", e.address(w, 0))
	e.unchanged("ann", e.address(w, 0))
	e.must("insert", e.h.Insert(e.ctx, "ann", e.address(w, 1), peopleColumns(), []string{"9", "Bonn", "DE1"}))
	seen := e.observe().Ours.Roles
	e.want(len(seen) == 1 && len(seen[0].Objects) == 2 && seen[0].Objects[0].ReadOnly && !seen[0].Objects[1].ReadOnly,
		"observed as %+v", seen)

	open := role(w.RoleKey, e.object("people", "id", "city"), e.wholePeople("wages"))
	e.ok(provision(open))
	e.must("insert", e.h.Insert(e.ctx, "ann", e.address(open, 0), []string{"id", "city"}, []string{"9", "Bonn"}))
	e.ok(provision(w))
	err := e.h.Insert(e.ctx, "ann", e.address(w, 0), []string{"id", "city"}, []string{"10", "Bern"})
	e.want(err != nil && e.h.Denied(err), "still inserts: %v", err)
	e.unchanged("ann", e.address(w, 0))
}

// bothLevels: the reading and the writing role of one masked product stand side
// by side, and one person may be in both.
func bothLevels(e *env) {
	e.canWrite()
	e.people("people")
	e.accounts("ann", "bob")
	r := role(e.key("sales"), e.maskedPeople("people"))
	w := role(withLevel(e.key("sales"), resource.Write), e.maskedPeople("people"))
	e.ok(provision(r), provision(w), allow(member(r.RoleKey, "ann")), allow(member(w.RoleKey, "ann")), allow(member(r.RoleKey, "bob")))
	e.statuses([]plan.Change{provision(r), provision(w)}, "done", "done")
	for _, at := range []string{e.address(r, 0), e.address(w, 0)} {
		e.reads("ann", at, peopleColumns(), hiddenPeople())
	}
	e.ok(revoke(member(w.RoleKey, "ann")), retire(w))
	e.reads("ann", e.address(r, 0), peopleColumns(), hiddenPeople())
	e.reads("bob", e.address(r, 0), peopleColumns(), hiddenPeople())
}

// unchanged asserts, where the harness can try, that the account changes no row.
func (e *env) unchanged(account, address string) {
	e.Helper()
	c, ok := offered[Changer](e)
	if !ok {
		return
	}
	err := c.Update(e.ctx, account, address, "id", "1", "city", "Bern")
	e.want(err != nil && e.h.Denied(err), "%s updates %s: %v", account, address, err)
	err = c.Delete(e.ctx, account, address, "id", "1")
	e.want(err != nil && e.h.Denied(err), "%s deletes from %s: %v", account, address, err)
}

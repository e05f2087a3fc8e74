package platformtest

import (
	"slices"
	"strings"
	"sync"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// ownerCases: the owners of data and of accounts go on with their work.
func ownerCases() []testCase {
	return []testCase{
		{"an account dropped and made anew is in no role", func(e *env) {
			dropper := optional[AccountDropper](e)
			r, g := e.reader("ann")
			e.must("drop account", dropper.DropAccount(e.ctx, "ann"))
			e.roundTrip(desired{roles: roles(r)})
			e.accounts("ann")
			e.refused("ann", e.address(r, 0), "id")
			e.roundTrip(desired{roles: roles(r)})
			e.converge(desired{roles: roles(r), grants: grants(g)})
			e.readsCities("ann", e.address(r, 0))
		}},
		{"an account dropped meanwhile keeps nobody else from leaving or coming", func(e *env) {
			dropper := optional[AccountDropper](e)
			r, g := e.reader("ann")
			e.accounts("bob", "cyd")
			gb, gc := member(r.RoleKey, "bob"), member(r.RoleKey, "cyd")
			e.ok(allow(gb))
			e.must("drop account", dropper.DropAccount(e.ctx, "ann"))
			e.statuses([]plan.Change{revoke(g), revoke(gb), allow(gc)}, "done", "applied", "applied")
			e.refused("bob", e.address(r, 0), "id")
			e.readsCities("cyd", e.address(r, 0))
			e.statuses([]plan.Change{extend(g)}, "pending/no-such-account")
			e.roundTrip(desired{roles: roles(r), grants: grants(gc)})
		}},
		{"a table renamed away is closed, and its namesake opens", renamed},
		{"two tables that change names do not change masks", swapped},
		{"a table that the engine may not open is left out, and the others of its role open", withheld},
		{"tables that come and go during batches lose nothing and leave nothing open", ddlRace},
		{"columns that come during batches stay hidden", columnRace},
	}
}

func withheld(e *env) {
	w := optional[Withholder](e)
	e.people("people")
	e.people("wages")
	e.accounts("ann")
	e.must("withhold table", w.CreateWithheld(e.ctx, peopleTable("vault")))
	r := role(e.key("sales"), e.wholePeople("people"), e.wholePeople("vault"), e.maskedPeople("wages"))
	hide := role(e.key("audit"), e.maskedPeople("people"), e.maskedPeople("vault"))
	batch := []plan.Change{provision(r), provision(hide), allow(member(r.RoleKey, "ann")), allow(member(hide.RoleKey, "ann"))}
	for range 2 { // it is said in every round
		out := e.apply(batch...)
		for _, o := range out[:2] {
			e.want(o.Status == platform.Failed && o.Code == platform.NoRight && strings.Contains(o.Detail, "vault"),
				"%s ended %s/%s (%s)", describe(o.Change), o.Status, o.Code, o.Detail)
		}
		for _, o := range out[2:] {
			e.want(o.Status == platform.Applied || o.Status == platform.Done, "%s ended %s/%s (%s)", describe(o.Change), o.Status, o.Code, o.Detail)
		}
		e.readsCities("ann", e.address(r, 0))
		e.reads("ann", e.address(r, 2), peopleColumns(), hiddenPeople())
		e.reads("ann", e.address(hide, 0), peopleColumns(), hiddenPeople())
		e.refused("ann", e.h.BaseAddress("vault"), "id")
		e.cannotRead("ann", e.address(hide, 1), "id")
	}
	left := difference(desired{roles: roles(r, hide), grants: grants(member(r.RoleKey, "ann"), member(hide.RoleKey, "ann"))}, e.observe().Ours)
	e.want(len(left) == 2 && left[0].Action == plan.Provision && left[1].Action == plan.Provision, "the table is believed to be open: %+v", left)
}

func renamed(e *env) {
	renamer := optional[TableRenamer](e)
	e.people("people")
	e.people("wages")
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	g := member(r.RoleKey, "ann")
	e.converge(desired{roles: roles(r), grants: grants(g)})
	for _, name := range []string{"people", "wages"} {
		e.must("rename table", renamer.RenameTable(e.ctx, name, name+"_old"))
	}
	out := e.apply(difference(desired{roles: roles(r), grants: grants(g)}, e.observe().Ours)...)
	e.want(len(out) == 1 && out[0].Status == platform.Pending && out[0].Code == platform.NoObject, "a role of renamed tables ended %+v", out)
	for _, name := range []string{"people", "wages"} {
		e.refused("ann", e.h.BaseAddress(name+"_old"), "iban")
	}
	e.cannotRead("ann", e.address(r, 1), "iban")
	e.people("people")
	e.people("wages")
	e.converge(desired{roles: roles(r), grants: grants(g)})
	e.reads("ann", e.address(r, 0), peopleColumns(), clearPeople())
	e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
	e.refused("ann", e.h.BaseAddress("people_old"), "id")
}

func swapped(e *env) {
	renamer := optional[TableRenamer](e)
	e.people("people")
	e.table(Table{Name: "wages", Columns: peopleColumns(), Rows: [][]string{{"7", "Kyiv", "UA1"}}})
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	d := desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))}
	e.converge(d)
	for _, n := range [][2]string{{"people", "x"}, {"wages", "people"}, {"x", "wages"}} {
		e.must("rename table", renamer.RenameTable(e.ctx, n[0], n[1]))
	}
	e.converge(d)
	e.reads("ann", e.address(r, 0), peopleColumns(), [][]string{{"7", "Kyiv", "UA1"}})
	e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
	e.refused("ann", e.h.BaseAddress("wages"), "iban")
}

// during runs batches while the owner works, and gives the outcomes.
func (e *env) during(owner func() error, batch ...plan.Change) {
	e.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 6 {
			if err := owner(); err != nil {
				e.Errorf("the owner is kept from working: %v", err)
				return
			}
		}
	})
	for range 6 {
		e.seq++
		out, _ := e.p.Apply(e.ctx, platform.Batch{Changes: batch, Mark: e.mark()})
		e.inOrder(batch, out)
	}
	wg.Wait()
	e.restart()
}

func ddlRace(e *env) {
	e.people("people")
	e.people("wages")
	e.accounts("ann", "bob")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	g := member(r.RoleKey, "ann")
	e.during(func() error {
		if err := e.h.DropTable(e.ctx, "wages"); err != nil {
			return err
		}
		return e.h.CreateTable(e.ctx, peopleTable("wages"))
	}, provision(r), allow(g))
	e.cannotRead("ann", e.h.BaseAddress("wages"), "iban")
	e.converge(desired{roles: roles(r), grants: grants(g)})
	e.reads("ann", e.address(r, 0), peopleColumns(), clearPeople())
	e.reads("ann", e.address(r, 1), peopleColumns(), hiddenPeople())
	e.refused("bob", e.h.BaseAddress("wages"), "id")
}

func columnRace(e *env) {
	adder := optional[ColumnAdder](e)
	e.people("people")
	e.people("wages")
	e.accounts("ann")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	g := member(r.RoleKey, "ann")
	names := []string{"a", "b", "c", "d", "e", "f"}
	n := 0
	e.during(func() error {
		n++
		if err := adder.AddColumn(e.ctx, "people", "new_"+names[n-1], "9000"); err != nil {
			return err
		}
		return adder.AddColumn(e.ctx, "wages", "new_"+names[n-1], "9000")
	}, provision(r), allow(g), revoke(g))
	e.converge(desired{roles: roles(r), grants: grants(g)})
	e.readsCities("ann", e.address(r, 0))
	for i := range r.Objects {
		e.cannotRead("ann", e.address(r, i), "new_a")
		e.cannotRead("ann", e.address(r, i), "new_f")
	}
}

// withdrawn is the desired state without its grants.
func withdrawn(d desired) desired {
	return desired{roles: slices.Clone(d.roles), grants: []grant.Grant{}}
}

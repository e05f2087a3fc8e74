package platformtest

import (
	"fmt"
	"sync"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// writers is how many engines write to one place at once.
const writers = 4

// engineCases: several engines at once, and engines that die.
func engineCases() []testCase {
	return []testCase{
		{"two engines at once lose nothing", twoEngines},
		{"four engines that let in: what one of them calls applied is there", fourAllow},
		{"four engines that take away: the account is out, and nobody calls it failed for good", fourRevoke},
		{"four engines that change one mask agree in the end", fourMasks},
		{"the latest of four positions in the ledger is the one kept", fourMarks},
		{"an engine that dies at any step leaves what the next can finish, and shows nobody what a mask hides", func(e *env) {
			e.dying(func(d desired, out []platform.Outcome) {
				seen := e.observe().Ours
				for _, o := range out {
					if o.Status == platform.Applied && o.Change.Action == plan.Allow {
						e.want(holds(seen, o.Change.Grant.Key()), "%s is called applied and is not there", describe(o.Change))
					}
				}
				e.neverClear("bob", e.h.BaseAddress("people"), "iban")
				e.neverClear("bob", e.p.Address(d.roles[1].RoleKey, d.roles[1].Objects[0]), "iban")
				e.neverClear("ann", e.h.BaseAddress("wages"), "iban")
			})
		}},
	}
}

func holds(s grant.State, k grant.Key) bool {
	for _, g := range s.Grants {
		if g.Key() == k {
			return true
		}
	}
	return false
}

// engines opens as many platforms as there are writers.
func (e *env) engines() []platform.Platform {
	e.Helper()
	var out []platform.Platform
	for range writers {
		p, err := e.h.Platform(e.ctx)
		e.must("open platform", err)
		e.Cleanup(func() { _ = p.Close() })
		out = append(out, p)
	}
	return out
}

// atOnce lets every engine apply the batch that is made for it, all with the
// same mark, and gives their outcomes.
func (e *env) atOnce(batch func(i int) []plan.Change) [][]platform.Outcome {
	e.Helper()
	e.seq++
	mark := e.mark()
	out := make([][]platform.Outcome, writers)
	var wg sync.WaitGroup
	for i, p := range e.engines() {
		wg.Go(func() {
			out[i], _ = p.Apply(e.ctx, platform.Batch{Changes: batch(i), Mark: mark})
		})
	}
	wg.Wait()
	for i := range out {
		e.inOrder(batch(i), out[i])
		for _, o := range out[i] {
			ended := o.Status == platform.Applied || o.Status == platform.Done || o.Status == platform.Pending
			e.want(ended || o.Status == platform.Failed && o.Code != "" && o.Detail != "", "engine %d: %s ended %s without a reason", i, describe(o.Change), o.Status)
		}
	}
	return out
}

func fourAllow(e *env) {
	e.people("people")
	e.people("wages")
	r := role(e.key("sales"), e.wholePeople("people"), e.maskedPeople("wages"))
	d := desired{roles: roles(r)}
	for i := range writers {
		name := fmt.Sprintf("user%02d", i)
		e.accounts(name)
		d.grants = append(d.grants, *member(r.RoleKey, name))
	}
	out := e.atOnce(func(i int) []plan.Change { return []plan.Change{provision(r), allow(&d.grants[i])} })
	seen := e.observe().Ours
	won := 0
	for i := range out {
		if s := out[i][1].Status; s == platform.Applied || s == platform.Done {
			won++
			e.want(holds(seen, d.grants[i].Key()), "engine %d calls its grant %s and it is not there", i, s)
		}
	}
	e.want(won > 0, "no engine came through: %+v", out)
	e.converge(d)
	e.readsCities("user00", e.address(r, 0))
	e.reads("user03", e.address(r, 1), peopleColumns(), hiddenPeople())
}

func fourRevoke(e *env) {
	r, d := e.crowd(writers)
	out := e.atOnce(func(int) []plan.Change {
		var all []plan.Change
		for i := range d.grants {
			all = append(all, revoke(&d.grants[i]))
		}
		return append(all, retire(r))
	})
	for i := range d.grants {
		won := 0
		for _, o := range out {
			if o[i].Status == platform.Applied || o[i].Status == platform.Done {
				won++
			}
		}
		if won > 0 {
			e.cannotRead(d.grants[i].Principal, e.address(r, 0), "id")
		}
	}
	e.converge(desired{})
	for _, g := range d.grants {
		e.refused(g.Principal, e.h.BaseAddress("people"), "id")
	}
}

func fourMasks(e *env) {
	r := e.maskedReader("ann")
	d := desired{grants: grants(member(r.RoleKey, "ann"))}
	columns := []string{"iban", "city", "iban", "city"}
	e.atOnce(func(i int) []plan.Change {
		return []plan.Change{provision(role(r.RoleKey, masked(e.wholePeople("people"), columns[i], hidden())))}
	})
	e.refused("ann", e.h.BaseAddress("people"), "iban")
	d.roles = roles(r)
	e.converge(d)
	e.reads("ann", e.address(r, 0), peopleColumns(), hiddenPeople())
}

func fourMarks(e *env) {
	r, g := e.reader("ann")
	var wg sync.WaitGroup
	first := e.seq
	for i, p := range e.engines() {
		mark := platform.Mark{Seq: first + uint64(i) + 1, Digest: fmt.Sprintf("sha256:%064x", first+uint64(i)+1)}
		wg.Go(func() {
			for range 20 { // the others may be busy
				if _, err := p.Apply(e.ctx, platform.Batch{Changes: []plan.Change{revoke(member(r.RoleKey, "nobody"))}, Mark: mark}); err == nil {
					return
				}
			}
			e.Errorf("engine %d never came through", i)
		})
	}
	wg.Wait()
	e.seq += writers
	e.want(e.observe().Mark == e.mark(), "the mark is %+v, want %+v", e.observe().Mark, e.mark())
	e.roundTrip(desired{roles: roles(r), grants: grants(g)})
}

// dying lets an engine die at its first step, its second and so on, until one
// comes through; after each death, look sees what is there, and a new engine
// must bring the place to what is desired, from the same beginnings.
func (e *env) dying(look func(d desired, out []platform.Outcome)) {
	mortal := optional[Mortal](e)
	e.people("people")
	e.people("wages")
	e.accounts("ann", "bob")
	clear := role(e.key("sales"), e.wholePeople("people"))
	old := role(e.key("old"), e.wholePeople("wages"))
	begin := desired{roles: roles(clear, old), grants: grants(member(clear.RoleKey, "ann"), member(old.RoleKey, "bob"))}
	hide := role(clear.RoleKey, e.maskedPeople("people"))
	audit := role(e.key("audit"), e.maskedPeople("people"), e.maskedPeople("wages"))
	end := desired{roles: roles(hide, audit), grants: grants(member(clear.RoleKey, "ann"), member(audit.RoleKey, "bob"))}
	for step := 1; ; step++ {
		e.converge(begin)
		batch := difference(end, e.observe().Ours)
		p, died, err := mortal.Dying(e.ctx, step)
		e.must("open platform", err)
		e.seq++
		out, err := p.Apply(e.ctx, platform.Batch{Changes: batch, Mark: e.mark()})
		_ = p.Close()
		e.inOrder(batch, out)
		dead := died()
		e.want(dead || err == nil, "nobody died and there is an error: %v", err)
		e.restart()
		look(end, out)
		e.converge(end)
		e.reads("ann", e.address(hide, 0), peopleColumns(), hiddenPeople())
		e.refused("ann", e.h.BaseAddress("people"), "iban")
		e.refused("bob", e.h.BaseAddress("wages"), "iban")
		if !dead {
			e.want(step > 1, "the engine never dies: the harness is broken")
			return
		}
		e.converge(withdrawn(begin))
	}
}

// twoEngines lets two engines write at once: each may be told that the other
// was busy, neither may undo the other.
func twoEngines(e *env) {
	e.people("people")
	e.accounts("ann", "bob")
	second, err := e.h.Platform(e.ctx)
	e.must("open platform", err)
	defer func() { _ = second.Close() }()
	ra, rb := role(e.key("sales"), e.wholePeople("people")), role(e.key("audit"), e.maskedPeople("people"))
	ga, gb := member(ra.RoleKey, "ann"), member(rb.RoleKey, "bob")
	e.seq++
	mark := e.mark()
	work := []struct {
		p platform.Platform
		r *grant.Role
		g *grant.Grant
	}{{e.p, ra, ga}, {second, rb, gb}}
	var wg sync.WaitGroup
	for _, w := range work {
		wg.Go(func() {
			for range 4 {
				_, _ = w.p.Apply(e.ctx, platform.Batch{Changes: []plan.Change{provision(w.r), allow(w.g)}, Mark: mark})
				_, _ = w.p.Apply(e.ctx, platform.Batch{Changes: []plan.Change{revoke(w.g)}, Mark: mark})
			}
		})
	}
	wg.Wait()
	e.ok(provision(ra), allow(ga), provision(rb), allow(gb))
	e.roundTrip(desired{roles: roles(ra, rb), grants: grants(ga, gb)})
	e.reads("ann", e.address(ra, 0), peopleColumns(), clearPeople())
	e.reads("bob", e.address(rb, 0), peopleColumns(), hiddenPeople())
}

package loop_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// wish is a request as the model knows it.
type wish struct {
	who, product, days string
	said               review.Verdict // by stewards, while it is open
	state              string         // open, canceled, over, approved, withdrawing
	until              time.Time
	there              bool // its file is on main
	dead               bool // and was removed since it was approved
	elsewhere          bool // its file was edited to be for somebody else
}

// model is who may read what, in a page of code.
type model struct {
	w         *world
	rt        *rapid.T
	wishes    map[string]*wish
	suspended map[string]bool
	left      map[string]bool
	down      bool
	n         int
}

var (
	people   = []string{"ana", "ben"}
	products = []string{pipeline, orders}
)

func (m *model) reads(who, product string) bool {
	for _, r := range m.wishes {
		if r.who == who && r.product == product && (r.state == "approved" || r.state == "withdrawing") &&
			r.there && !r.dead && !r.elsewhere && m.w.clock.Before(r.until) && !m.suspended[product] && !m.left[who] {
			return true
		}
	}
	return false
}

// pick chooses a request in a state, if there is one.
func (m *model) pick(ok func(*wish) bool) (string, *wish) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.wishes)) {
		if ok(m.wishes[name]) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	name := rapid.SampledFrom(names).Draw(m.rt, "request")
	return name, m.wishes[name]
}

func open(r *wish) bool     { return r.state == "open" }
func approved(r *wish) bool { return r.state == "approved" }

// busy reports whether an open request waits for a person or product.
func (m *model) busy(what string) bool {
	for _, r := range m.wishes {
		if r.state == "open" && (r.who == what || r.product == what) {
			return true
		}
	}
	return false
}

func (m *model) ask() {
	who, product := rapid.SampledFrom(people).Draw(m.rt, "who"), rapid.SampledFrom(products).Draw(m.rt, "product")
	if m.suspended[product] || m.left[who] {
		return
	}
	m.n++
	name := fmt.Sprintf("%s-%d", who, m.n)
	days := rapid.SampledFrom([]string{"10d", "40d"}).Draw(m.rt, "days")
	m.w.ask(name, who, product, days)
	m.wishes[name] = &wish{who: who, product: product, days: days, state: "open"}
}

func (m *model) answer(v review.Verdict) {
	name, r := m.pick(func(r *wish) bool { return r.state == "open" && r.said == "" })
	if r == nil {
		return
	}
	r.said = v
	m.w.review(name, "kim", v, "so be it")
	if v == review.Approve && r.product == orders {
		m.w.approve(name, "lea")
	}
}

func (m *model) cancel() {
	if name, r := m.pick(open); r != nil {
		must(m.w.t, m.w.forge.Cancel(m.w.t.Context(), m.w.keys[r.who], name, "never mind"))
		r.state = "canceled"
	}
}

func (m *model) withdraw() {
	name, r := m.pick(func(r *wish) bool { return approved(r) && r.there && !r.elsewhere && !m.left[r.who] })
	if r == nil {
		return
	}
	m.w.propose("bye-"+name, r.who, map[string][]byte{requestFile(name, r.product): nil})
	r.state = "withdrawing"
}

func (m *model) determine() {
	m.w.determine()
	for _, r := range m.wishes {
		switch {
		case r.state == "open" && r.said == review.Approve:
			days := 10
			if r.days == "40d" {
				days = 40
			}
			r.state, r.there, r.until = "approved", true, m.w.clock.AddDate(0, 0, days)
		case r.state == "open" && r.said == review.Deny, r.state == "withdrawing":
			r.state, r.there = "over", false
		}
	}
}

func (m *model) remove() {
	if name, r := m.pick(func(r *wish) bool { return approved(r) && r.there }); r != nil {
		m.w.byHand(map[string][]byte{requestFile(name, r.product): nil})
		r.there, r.dead = false, true
	}
}

func (m *model) putBack() {
	if name, r := m.pick(func(r *wish) bool { return approved(r) && !r.there }); r != nil {
		m.w.byHand(map[string][]byte{requestFile(name, r.product): m.w.request(name, r.who, r.product, r.days)})
		r.there, r.elsewhere = true, false
	}
}

func (m *model) edit() {
	name, r := m.pick(func(r *wish) bool { return approved(r) && r.there })
	if r == nil {
		return
	}
	to := rapid.SampledFrom([]string{"longer", "somebody else", "as approved"}).Draw(m.rt, "edit")
	days := r.days
	if to == "longer" {
		days = "100d"
	}
	raw := m.w.request(name, r.who, r.product, days, func(q *resource.AccessRequest) {
		if to == "somebody else" {
			q.Spec.Beneficiaries = []resource.Subject{{User: "raj"}}
		}
	})
	if string(raw) != string(m.w.file(requestFile(name, r.product))) {
		m.w.byHand(map[string][]byte{requestFile(name, r.product): raw})
	}
	r.elsewhere = to == "somebody else"
}

func (m *model) suspend() {
	product := rapid.SampledFrom(products).Draw(m.rt, "product")
	if m.busy(product) {
		return
	}
	was, is := "accessLevels: [read]", "accessLevels: [read]\n  state: suspended"
	if m.suspended[product] {
		was, is = is, was
	}
	m.w.byHand(map[string][]byte{"products/" + product + ".yaml": m.w.replaced("products/"+product+".yaml", was, is)})
	m.suspended[product] = !m.suspended[product]
}

func (m *model) leave() {
	who := rapid.SampledFrom(people).Draw(m.rt, "who")
	for _, r := range m.wishes {
		if r.who == who && (r.state == "open" || r.state == "withdrawing") {
			return
		}
	}
	was, is := "spec:\n", "spec:\n  state: left\n"
	if m.left[who] {
		was, is = is, was
	}
	m.w.byHand(map[string][]byte{"directory/users/" + who + ".yaml": m.w.replaced("directory/users/"+who+".yaml", was, is)})
	m.left[who] = !m.left[who]
}

func (m *model) meddle() {
	who, product := rapid.SampledFrom(people).Draw(m.rt, "who"), rapid.SampledFrom(products).Draw(m.rt, "product")
	if rapid.Bool().Draw(m.rt, "add") {
		err := m.w.boxes["warehouse"].AddByHand(m.w.t.Context(), who, roleOf(product))
		if err != nil && !strings.Contains(err.Error(), "does not exist") {
			m.w.t.Fatal(err)
		}
		return
	}
	must(m.w.t, m.w.boxes["warehouse"].RevokeByHand(m.w.t.Context(), who, roleOf(product)))
}

func (m *model) reconcile() {
	rep := m.w.reconcile()
	if m.down {
		if rep.Settled() {
			m.rt.Fatalf("settled with the platform down")
		}
		return
	}
	if !rep.Settled() {
		m.rt.Fatalf("not settled: frozen %q, %+v", rep.Frozen, rep.Connections)
	}
	for _, who := range []string{"ana", "ben", "raj"} {
		for _, product := range products {
			if got, want := m.w.reads(who, product), m.reads(who, product); got != want {
				m.rt.Fatalf("%s reads %s: %v, want %v at %s\nfindings %s, prevented %+v", who, product, got, want, m.w.clock, codes(rep.Findings), rep.Prevented)
			}
		}
	}
	m.w.truth()
	m.w.quiet()
	if m.w.t.Failed() {
		m.rt.FailNow()
	}
}

// Whatever people, operators and time do in whatever order: after every round
// that left nothing undone, everybody reads exactly what the model says.
func TestEverybodyReadsWhatTheModelSays(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		must(t, flag.Set("rapid.checks", "3")) // each is a world of its own
		defer func() { must(t, flag.Set("rapid.checks", f.DefValue)) }()
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, func(files map[string][]byte) {
			files["assent.yaml"] = []byte(strings.Replace(string(files["assent.yaml"]), "count: 10", "count: 1000", 1))
		})
		m := &model{w: w, rt: rt, wishes: map[string]*wish{}, suspended: map[string]bool{}, left: map[string]bool{}}
		w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
			if m.down {
				return nil, errDown
			}
			return w.openBox(ctx, c)
		}
		steps := map[string]func(){
			"ask": m.ask, "approve": func() { m.answer(review.Approve) }, "approve more": func() { m.answer(review.Approve) }, "deny": func() { m.answer(review.Deny) },
			"cancel": m.cancel, "withdraw": m.withdraw, "determine": m.determine, "determine more": m.determine,
			"remove": m.remove, "put back": m.putBack, "edit": m.edit, "suspend": m.suspend, "leave": m.leave, "meddle": m.meddle,
			"reconcile": m.reconcile, "reconcile more": m.reconcile,
			"platform down or up": func() { m.down = !m.down },
			"time passes": func() {
				w.clock = w.clock.Add(time.Duration(rapid.IntRange(1, 12*24).Draw(rt, "hours")) * time.Hour)
			},
			"restart": func() {
				open := w.open
				w.connect()
				w.open = open
			},
		}
		names := slices.Sorted(maps.Keys(steps))
		for range 60 {
			steps[rapid.SampledFrom(names).Draw(rt, "step")]()
		}
		m.down = false
		m.determine()
		m.reconcile()
	})
}

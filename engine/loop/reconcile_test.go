package loop_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

// tight lets one grant go at once, so that two are a mass revocation.
func tight(files map[string][]byte) {
	files["assent.yaml"] = []byte(strings.NewReplacer("count: 10", "count: 1", "percent: 15", "percent: 0").Replace(string(files["assent.yaml"])))
}

func (w *world) observations() []string {
	w.t.Helper()
	var out []string
	for _, v := range w.records(ledger.TypeObservation) {
		body, err := v.Observation()
		must(w.t, err)
		out = append(out, body.Code)
	}
	return out
}

// effects are what the ledger says was done to grants, in order.
func (w *world) effects() []string {
	w.t.Helper()
	var out []string
	for _, v := range w.records(ledger.TypeApplied, ledger.TypeRevoked) {
		body, err := v.Effect()
		must(w.t, err)
		if body.Principal != "" {
			out = append(out, fmt.Sprintf("%s %s %s", v.Type, body.Principal, body.Reason))
		}
	}
	return out
}

// truth requires that the ledger's applied grants are those that stand.
func (w *world) truth() {
	w.t.Helper()
	stands, said := map[string]int{}, map[string]int{}
	for _, g := range w.observed() {
		stands[fmt.Sprint(g.RoleName(), " ", g.Principal, " ", g.NotAfter)]++
	}
	for _, g := range w.custody().Applied {
		said[fmt.Sprint(g.RoleName(), " ", g.Principal, " ", g.NotAfter)]++
	}
	if diff := cmp.Diff(stands, said); diff != "" {
		w.t.Errorf("grants (-platform +ledger):\n%s", diff)
	}
}

// quiet requires that one more round changes nothing and writes nothing.
func (w *world) quiet() {
	w.t.Helper()
	before := w.tip(bookRef)
	rep := w.settled()
	if rep.Changes() != 0 || rep.Records != 0 || w.tip(bookRef) != before {
		w.t.Errorf("a second run made %d changes and %d records: %+v %v", rep.Changes(), rep.Records, rep.Connections, w.observations())
	}
	plan, err := w.rec.Plan(w.t.Context())
	must(w.t, err)
	for _, c := range plan.Connections {
		if len(c.Statements) != 0 || len(c.Steps) != 0 {
			w.t.Errorf("a second run would make %d statements: %v", len(c.Statements), c.Statements)
		}
	}
}

func TestASecondRunDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.settled()
	w.quiet()
	w.granted("ana-1", "ana", orders, "30d")
	w.settled()
	w.want("ana", orders, true)
	w.want("ana", pipeline, false)
	w.quiet()
	w.truth()
	w.connect()
	w.quiet()
}

// R1, R21: the end is exclusive, to the second.
func TestAccessEndsToTheSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	rep := w.settled()
	end := begin.AddDate(0, 0, 30)
	if !rep.Next.Equal(end) {
		t.Errorf("the next round is due %s, want %s", rep.Next, end)
	}
	w.clock = end.Add(-time.Nanosecond)
	w.settled()
	w.want("ana", pipeline, true)
	w.clock = end
	rep = w.settled()
	w.want("ana", pipeline, false)
	if !rep.Next.IsZero() {
		t.Errorf("after the last end, a round is due %s", rep.Next)
	}
	w.truth()
	w.quiet()
}

// R8: a mass revocation is held and told of once; a confirmation lets exactly
// that batch pass, and only once. What ends is never held.
func TestTheBrakeHoldsUntilPeopleConfirm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tight)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.granted("ben-1", "ben", pipeline, "60d")
	w.settled()
	suspend := func(on bool) {
		old, new := "accessLevels: [read]", "accessLevels: [read]\n  state: suspended"
		if !on {
			old, new = new, old
		}
		w.byHand(map[string][]byte{"products/sales-pipeline.yaml": w.replaced("products/sales-pipeline.yaml", old, new)})
	}
	confirm := func(code, batch string) {
		w.append("determining", ledger.Draft{Type: ledger.TypeOverride, Body: ledger.OverrideBody{Code: code, Batch: ledger.Digest(batch), By: []string{"omar"}, Reason: "planned"}})
	}
	suspend(true)
	for range 2 {
		rep := w.reconcile()
		if rep.Connections[0].Held == nil || rep.Settled() {
			t.Fatalf("not held: %+v", rep)
		}
		w.want("ana", pipeline, true)
		w.want("ben", pipeline, true)
	}
	held := func() int { return strings.Count(strings.Join(w.observations(), " "), "mass-revocation-held") }
	if n := held(); n != 1 {
		t.Errorf("%d observations of the brake, want 1", n)
	}
	confirm("mass-revocation", string(ledger.DigestOf([]byte("another batch"))))
	confirm("something else", w.reconcile().Connections[0].Held.Digest)
	w.reconcile()
	w.want("ana", pipeline, true)

	confirm("mass-revocation", w.reconcile().Connections[0].Held.Digest)
	w.settled()
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, false)
	w.truth()

	// The same people, the same batch, another day: it is held again.
	suspend(false)
	w.settled()
	w.want("ana", pipeline, true)
	suspend(true)
	if rep := w.reconcile(); rep.Connections[0].Held == nil {
		t.Fatal("a confirmation let a batch pass twice")
	}
	w.want("ana", pipeline, true)
	if n := held(); n != 2 {
		t.Errorf("%d observations of the brake, want 2", n)
	}
	w.clock = begin.AddDate(0, 0, 30) // ana's end passes while the batch is held
	w.reconcile()
	w.want("ana", pipeline, false)
}

// A request that was revoked while the brake holds still ends at its end.
func TestTheBrakeNeverHoldsAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tight)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.granted("ben-1", "ben", pipeline, "30d")
	w.settled()
	w.byHand(map[string][]byte{requestFile("ana-1", pipeline): nil, requestFile("ben-1", pipeline): nil})
	if rep := w.reconcile(); rep.Connections[0].Held == nil {
		t.Fatal("not held")
	}
	w.clock = begin.AddDate(0, 0, 30)
	w.settled()
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, false)
	w.truth()
}

// R9, R11: whatever happens to main or the ledger, nothing is granted and
// nothing revoked, but what ends; then what was broken is mended.
func TestBrokenGroundFreezesEverythingButEnds(t *testing.T) {
	t.Parallel()
	var undo func(w *world)
	restore := func(w *world, ref string) {
		was := w.tip(ref)
		undo = func(w *world) {
			must(w.t, w.db.MoveRef(ref, w.tip(ref), was))
		}
	}
	cases := []struct {
		name string
		harm func(w *world)
		mend func(w *world) // restores references where nil
	}{
		{"assent.yaml missing", func(w *world) { w.byHand(map[string][]byte{"assent.yaml": nil}) },
			func(w *world) { w.byHand(map[string][]byte{"assent.yaml": w.quickFile("assent.yaml")}) }},
		{"assent.yaml unreadable", func(w *world) { w.byHand(map[string][]byte{"assent.yaml": []byte("kind: [")}) },
			func(w *world) { w.byHand(map[string][]byte{"assent.yaml": w.quickFile("assent.yaml")}) }},
		{"a request unreadable", func(w *world) { w.byHand(map[string][]byte{requestFile("ben-1", pipeline): []byte("kind: [")}) },
			func(w *world) {
				w.byHand(map[string][]byte{requestFile("ben-1", pipeline): w.request("ben-1", "ben", pipeline, "60d")})
			}},
		{"a product unreadable", func(w *world) { w.byHand(map[string][]byte{"products/sales-pipeline.yaml": []byte("kind: [")}) },
			func(w *world) {
				w.byHand(map[string][]byte{"products/sales-pipeline.yaml": w.quickFile("products/sales-pipeline.yaml")})
			}},
		{"the connection unreadable", func(w *world) { w.byHand(map[string][]byte{"connections/warehouse.yaml": []byte("kind: [")}) },
			func(w *world) {
				w.byHand(map[string][]byte{"connections/warehouse.yaml": w.quickFile("connections/warehouse.yaml")})
			}},
		{"empty tree on main", func(w *world) {
			restore(w, mainRef)
			tip := w.tip(mainRef)
			who := gitdb.Person{Name: "x", Email: "x@example.com", When: w.clock}
			oid, err := w.db.WriteCommit(gitdb.Commit{Tree: gitdb.EmptyTree, Parents: []gitdb.OID{tip}, Author: who, Committer: who, Message: "gone\n"}, nil)
			must(w.t, err)
			must(w.t, w.db.MoveRef(mainRef, tip, oid))
		}, nil},
		{"main rewritten", func(w *world) {
			restore(w, mainRef)
			tip := w.tip(mainRef)
			other := w.commit(w.before(tip, 3), map[string][]byte{"docs.txt": []byte("x\n")})
			must(w.t, w.db.MoveRef(mainRef, tip, other))
		}, nil},
		{"main rolled back", func(w *world) {
			restore(w, mainRef)
			tip := w.tip(mainRef)
			must(w.t, w.db.MoveRef(mainRef, tip, w.before(tip, 2)))
		}, nil},
		{"main gone", func(w *world) { restore(w, mainRef); must(w.t, w.db.MoveRef(mainRef, w.tip(mainRef), "")) },
			func(w *world) { must(w.t, w.db.MoveRef(mainRef, "", w.gone)) }},
		{"ledger rolled back", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			must(w.t, w.db.MoveRef(bookRef, tip, w.before(tip, 2)))
		}, nil},
		{"ledger rolled back, and the high-water mark lost", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			must(w.t, w.db.MoveRef(bookRef, tip, w.before(tip, 3))) // to before what the platform has seen
			must(w.t, os.Remove(w.path("high-water.json")))
		}, nil},
		{"ledger rolled back and grown again to its length, and the high-water mark lost", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			was := len(w.all())
			must(w.t, w.db.MoveRef(bookRef, tip, w.before(tip, 3))) // to before what the platform has seen
			w.connect()
			for len(w.all()) < was+3 {
				w.append("reconciling", ledger.Draft{Type: ledger.TypeObservation, Body: ledger.ObservationBody{Code: "pad", Detail: fmt.Sprint(len(w.all()))}})
			}
			must(w.t, os.Remove(w.path("high-water.json")))
		}, nil},
		{"ledger gone", func(w *world) { restore(w, bookRef); must(w.t, w.db.MoveRef(bookRef, w.tip(bookRef), "")) },
			func(w *world) { must(w.t, w.db.MoveRef(bookRef, "", w.gone)) }},
		{"ledger with a stray file", func(w *world) {
			restore(w, bookRef)
			tip := w.tip(bookRef)
			must(w.t, w.db.MoveRef(bookRef, tip, w.commit(tip, map[string][]byte{"records/note.txt": []byte("x\n")})))
		}, nil},
		{"high-water mark damaged", func(w *world) { must(w.t, os.WriteFile(w.path("high-water.json"), []byte("{"), 0o600)) },
			func(w *world) { must(w.t, os.Remove(w.path("high-water.json"))) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			undo = nil
			w := newWorld(t, nil)
			w.settled()
			w.granted("ana-1", "ana", pipeline, "30d")
			w.settled()
			w.granted("ben-1", "ben", pipeline, "60d")
			w.settled()
			w.ask("kim-1", "kim", pipeline, "60d")
			w.approve("kim-1", "raj")
			w.determine() // approved, and not granted yet
			w.gone = w.tip(mainRef)
			if strings.HasPrefix(c.name, "ledger") {
				w.gone = w.tip(bookRef)
			}
			c.harm(w)
			for _, fresh := range []bool{false, true} {
				if fresh {
					w.connect()
				}
				rep, err := w.rec.Once(t.Context())
				if err != nil || rep.Frozen == "" || rep.Settled() {
					t.Fatalf("not frozen: %q %v", rep.Frozen, err)
				}
				w.want("ana", pipeline, true)
				w.want("ben", pipeline, true)
				w.want("kim", pipeline, false)
			}
			w.clock = begin.AddDate(0, 0, 30)
			rep, err := w.rec.Once(t.Context())
			if err != nil || rep.Frozen == "" {
				t.Fatalf("not frozen: %q %v", rep.Frozen, err)
			}
			w.want("ana", pipeline, false)
			w.want("ben", pipeline, true)
			w.want("kim", pipeline, false)
			if c.mend != nil {
				c.mend(w)
			} else {
				undo(w)
			}
			w.connect()
			w.settled()
			w.want("ana", pipeline, false)
			w.want("ben", pipeline, true)
			w.want("kim", pipeline, true)
			w.truth()
			w.quiet()
		})
	}
}

// before is the nth first parent of a commit.
func (w *world) before(oid gitdb.OID, n int) gitdb.OID {
	w.t.Helper()
	for range n {
		oid = parentOf(w.t, w.db, oid)
	}
	return oid
}

func (w *world) all() []ledger.Verified {
	w.t.Helper()
	return w.records(ledger.TypeSeal, ledger.TypeDetermination, ledger.TypeRevocation, ledger.TypeApplied, ledger.TypeRevoked, ledger.TypeObservation, ledger.TypeOverride, ledger.TypeCheckpoint)
}

// Without a high-water mark and without settings on main nothing is known, not
// even a connection: that is an error, and nothing happens.
func TestAFirstRoundOnAnEmptyMainIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	must(t, os.Remove(w.path("high-water.json")))
	w.byHand(map[string][]byte{"assent.yaml": nil})
	w.connect()
	if _, err := w.rec.Once(t.Context()); err == nil {
		t.Error("no error")
	}
	w.want("ana", pipeline, true)
}

// A freeze is told of once in a ledger that holds, and a ledger that does not
// hold is left as it is.
func TestAFreezeIsRecordedOnceWhereTheLedgerHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.settled()
	w.byHand(map[string][]byte{"requests/sales-pipeline/x.yaml": []byte("kind: [")})
	w.reconcile()
	w.reconcile()
	if got := strings.Join(w.observations(), " "); got != "frozen" {
		t.Errorf("observations %q, want one freeze", got)
	}
	w.byHand(map[string][]byte{"requests/sales-pipeline/x.yaml": nil})
	w.settled()
	tip := w.tip(bookRef)
	back := parentOf(t, w.db, tip)
	must(t, w.db.MoveRef(bookRef, tip, back))
	w.connect()
	w.reconcile()
	if got := w.tip(bookRef); got != back {
		t.Errorf("a rolled-back ledger grew from %s to %s", back, got)
	}
}

// boxes opens the sandbox as a platform that may fail.
type flaky struct {
	platform.Platform
	observe func() error
	apply   func(platform.Batch) (platform.Batch, error) // what is carried out, and how it ends
	server  string
}

func (f flaky) Observe(ctx context.Context) (platform.State, error) {
	if f.observe != nil {
		if err := f.observe(); err != nil {
			return platform.State{}, err
		}
	}
	st, err := f.Platform.Observe(ctx)
	if f.server != "" {
		st.ServerID = f.server
	}
	return st, err
}

func (f flaky) Apply(ctx context.Context, b platform.Batch) ([]platform.Outcome, error) {
	if f.apply == nil {
		return f.Platform.Apply(ctx, b)
	}
	some, fail := f.apply(b)
	out, err := f.Platform.Apply(ctx, some)
	if fail == nil {
		return out, err
	}
	return nil, fail // the process died: nobody hears of the outcomes
}

var errDown = errors.New("connection refused")

// two has a second connection, lake, with a data source and product of its own.
func two(files map[string][]byte) {
	swap := strings.NewReplacer("name: warehouse", "name: lake", "connection: warehouse", "connection: lake", "warehouse/shop/public/opportunities", "lake/shop/public/opportunities",
		"name: sales-pipeline", "name: lake-pipeline", "title: Sales pipeline", "title: Lake pipeline")
	files["connections/lake.yaml"] = []byte(swap.Replace(string(files["connections/warehouse.yaml"])))
	files["sources/lake/shop/public/opportunities.yaml"] = []byte(swap.Replace(string(files["sources/warehouse/shop/public/opportunities.yaml"])))
	files["products/lake-pipeline.yaml"] = []byte(swap.Replace(string(files["products/sales-pipeline.yaml"])))
}

// R4: a platform that is down holds up no other, loses no end, and catches up.
func TestAPlatformThatIsDownHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld2(t)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.granted("ana-2", "ana", "lake-pipeline", "30d")
	w.settled()
	w.granted("ben-1", "ben", pipeline, "60d")
	w.granted("ben-2", "ben", "lake-pipeline", "60d")
	for _, opened := range []bool{false, true} { // refused at once, or while it is read
		w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
			if c.Ref().Name != "lake" {
				return w.openBox(ctx, c)
			}
			if !opened {
				return (*sandbox.Sandbox)(nil), errDown
			}
			p, err := w.openBox(ctx, c)
			return flaky{Platform: p, observe: func() error { return errDown }, apply: func(platform.Batch) (platform.Batch, error) { return platform.Batch{}, errDown }}, err
		}
		rep := w.reconcile()
		if rep.Settled() {
			t.Error("settled with a platform down")
		}
		w.want("ben", pipeline, true)
		if w.readsLake("ben") || !w.readsLake("ana") {
			t.Error("a platform that is down was changed")
		}
	}
	w.clock = begin.AddDate(0, 0, 31)
	rep := w.reconcile()
	w.want("ana", pipeline, false)
	if !w.readsLake("ana") {
		t.Error("a platform that is down was changed")
	}
	if n := len(rep.Connections); n != 2 || rep.Connections[0].Name != "lake" || rep.Connections[0].Unknown == "" || len(rep.Connections[0].Steps) != 1 || rep.Connections[0].Steps[0].Status != platform.Failed {
		t.Errorf("the end that is due is not told of: %+v", rep.Connections)
	}
	for _, e := range w.effects() {
		if strings.HasPrefix(e, "revoked") && strings.Count(strings.Join(w.effects(), "\n"), "revoked") != 1 {
			t.Errorf("a revocation was recorded that nobody saw: %v", w.effects())
		}
	}
	w.open = w.openBox
	w.settled()
	if w.readsLake("ana") || !w.readsLake("ben") {
		t.Error("the platform did not catch up")
	}
	w.quiet()
}

func newWorld2(t *testing.T) *world { return newWorld2At(t, begin) }

func newWorld2At(t *testing.T, at time.Time) *world {
	t.Helper()
	w := newWorldAt(t, at, two)
	w.sandbox("lake")
	w.where = w.addresses()
	return w
}

func (w *world) readsLake(who string) bool {
	w.t.Helper()
	res, err := w.boxes["lake"].Query(w.t.Context(), who, "SELECT * FROM "+w.where["lake-pipeline"])
	return err == nil && len(res.Rows) > 0
}

// A platform that cannot be observed but changed gets its due ends.
func TestAPlatformThatCannotBeReadGetsItsDueEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.granted("ben-1", "ben", pipeline, "60d")
	w.settled()
	w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
		p, err := w.openBox(ctx, c)
		return flaky{Platform: p, observe: func() error { return errDown }}, err
	}
	w.byHand(map[string][]byte{requestFile("ben-1", pipeline): nil})
	w.clock = begin.AddDate(0, 0, 30)
	w.reconcile()
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, true) // withdrawn, which an unknown platform does not get
	w.open = w.openBox
	w.settled()
	w.want("ben", pipeline, false)
	w.truth()
	if got := w.custody().Servers["warehouse"]; got == "" {
		t.Error("the server is not known any more")
	}
}

// L15, R25: another server behind the connection gets nothing at all, and does
// not become the known one.
func TestAnotherServerGetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	known := w.custody().Servers["warehouse"]
	w.granted("ben-1", "ben", pipeline, "60d")
	w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
		p, err := w.openBox(ctx, c)
		return flaky{Platform: p, server: "another"}, err
	}
	for _, at := range []time.Time{begin, begin.AddDate(0, 0, 31), begin.AddDate(0, 0, 31)} {
		w.clock = at
		rep := w.reconcile()
		if rep.Connections[0].Code != platform.NotOurs {
			t.Fatalf("%+v", rep.Connections[0])
		}
		w.want("ana", pipeline, true) // as far as it can be told, this is another server's copy
		w.want("ben", pipeline, false)
	}
	c := w.custody()
	if c.Servers["warehouse"] != known || len(c.Applied) != 1 {
		t.Errorf("server %s, want %s; %d grants applied, want 1", c.Servers["warehouse"], known, len(c.Applied))
	}
	w.open = w.openBox
	w.settled()
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, true)
	w.truth()
}

// A connection that main gave up while grants stand there is told of, in every
// round, until it is back and they have ended.
func TestAGivenUpConnectionWithGrantsIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	w.byHand(map[string][]byte{"connections/warehouse.yaml": w.replaced("connections/warehouse.yaml", "mode: enforce", "mode: observe")})
	for range 2 {
		rep := w.reconcile()
		if rep.Settled() || len(rep.Connections) != 1 || rep.Connections[0].Code != reconcile.CodeAbandoned {
			t.Errorf("%+v", rep.Connections)
		}
	}
	if n := strings.Count(strings.Join(w.observations(), " "), string(reconcile.CodeAbandoned)); n != 1 {
		t.Errorf("%d observations, want 1", n)
	}
	w.byHand(map[string][]byte{"connections/warehouse.yaml": w.replaced("connections/warehouse.yaml", "mode: observe", "mode: enforce")})
	w.clock = begin.AddDate(0, 0, 30)
	w.settled()
	w.want("ana", pipeline, false)
}

// What somebody changes on the platform by hand is put right, and what is not
// ours is left alone.
func TestDriftIsRepairedAndForeignGrantsAreLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, nil)
	box := w.boxes["warehouse"]
	w.granted("ana-1", "ana", orders, "30d")
	w.settled()

	must(t, box.RevokeByHand(ctx, "ana", roleOf(orders)))
	w.want("ana", orders, false)
	w.settled()
	w.want("ana", orders, true)

	must(t, box.AddByHand(ctx, "ben", roleOf(orders)))
	w.want("ben", orders, true)
	w.settled()
	w.want("ben", orders, false)

	salaries := []string{"shop", "people", "salaries"}
	must(t, box.GrantByHand(ctx, "raj", salaries))
	rep := w.settled()
	if len(rep.Connections[0].Foreign) != 1 {
		t.Errorf("foreign grants: %+v", rep.Connections[0].Foreign)
	}
	if _, err := box.Query(ctx, "raj", "SELECT * FROM "+foreignAddress(t, w)); err != nil {
		t.Errorf("the foreign grant is gone: %v", err)
	}
	w.truth()
	want := []string{"applied ana approved", "applied ana drift", "revoked ben unexpected"}
	if diff := cmp.Diff(want, w.effects()); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	w.quiet()
}

func foreignAddress(t *testing.T, w *world) string {
	t.Helper()
	return w.boxes["warehouse"].Address(grant.RoleKey{}, grant.Object{Path: []string{"shop", "people", "salaries"}})
}

// A member who was taken out by hand after their request ended is on the record.
func TestAGrantThatIsGoneByItselfIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	w.clock = begin.AddDate(0, 0, 30)
	must(t, w.boxes["warehouse"].RevokeByHand(t.Context(), "ana", roleOf(pipeline)))
	w.settled()
	if diff := cmp.Diff([]string{"applied ana approved", "revoked ana expired"}, w.effects()); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	w.quiet()
}

// R13: the process dies after k changes, for every k, or before it records.
// The next run completes what is missing, and the ledger tells the truth.
func TestACrashAfterAnyChangeIsCompleted(t *testing.T) {
	t.Parallel()
	for k := range 9 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.granted("ana-1", "ana", pipeline, "30d")
			w.granted("ben-1", "ben", pipeline, "30d")
			w.settled()
			// one end, one withdrawal, two new grants, and a product that changes
			w.clock = begin.AddDate(0, 0, 10)
			w.granted("lea-1", "lea", pipeline, "30d")
			w.granted("ana-2", "ana", orders, "60d")
			w.propose("bye", "ben", map[string][]byte{requestFile("ben-1", pipeline): nil})
			w.determine()
			w.byHand(map[string][]byte{"masking/contact-data.yaml": w.replaced("masking/contact-data.yaml", "keepFirst: 2", "keepFirst: 1")})
			w.clock = begin.AddDate(0, 0, 30)
			died := false
			w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
				p, err := w.openBox(ctx, c)
				return flaky{Platform: p, apply: func(b platform.Batch) (platform.Batch, error) {
					if len(b.Changes) <= k {
						return b, nil
					}
					died = true
					b.Changes = b.Changes[:k]
					return b, errDown
				}}, err
			}
			_, err := w.rec.Once(t.Context())
			must(t, err)
			if died != (k < 5) {
				t.Fatalf("died: %v", died)
			}
			w.connect()
			w.settled()
			w.want("ana", pipeline, false)
			w.want("ben", pipeline, false)
			w.want("lea", pipeline, true)
			w.want("ana", orders, true)
			w.truth()
			w.quiet()
			if n := len(w.observed()); n != 2 {
				t.Errorf("%d grants stand, want 2", n)
			}
		})
	}
}

// Everything was done, and the ledger could not be written: a key that no seal
// names. What was done is recorded later, and ends did end.
func TestWhatCouldNotBeRecordedIsRecordedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.granted("ben-1", "ben", pipeline, "60d")
	w.rec.Key = newKey(t)
	rep, err := w.rec.Once(t.Context())
	if !errors.Is(err, ledger.ErrKey) || rep.Changes() == 0 {
		t.Fatalf("got %v after %d changes", err, rep.Changes())
	}
	w.want("ana", pipeline, true)
	w.clock = begin.AddDate(0, 0, 30)
	if _, err := w.rec.Once(t.Context()); !errors.Is(err, ledger.ErrKey) {
		t.Fatal(err)
	}
	w.want("ana", pipeline, false)
	w.connect()
	w.settled()
	w.truth()
	if diff := cmp.Diff([]string{"applied ben approved"}, w.effects()); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	w.quiet()
}

// An extension that was applied and not recorded is recorded as it stands.
func TestAnExtensionThatWasNotRecordedIsRecordedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	w.granted("ana-2", "ana", pipeline, "60d")
	key := w.rec.Key
	w.rec.Key = newKey(t)
	if _, err := w.rec.Once(t.Context()); !errors.Is(err, ledger.ErrKey) {
		t.Fatal(err)
	}
	w.rec.Key = key
	w.settled()
	w.truth()
	w.quiet()
}

// Who left loses everything, approved or not.
func TestWhoLeavesLosesEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	left := w.replaced("directory/users/ana.yaml", "spec:\n", "spec:\n  state: left\n")
	w.byHand(map[string][]byte{"directory/users/ana.yaml": left})
	w.settled()
	w.want("ana", pipeline, false)
	w.truth()
}

// The batch that the plan shows is the one that is applied, revocations first.
func TestRevocationsComeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	w.clock = begin.AddDate(0, 0, 30)
	w.granted("ben-1", "ben", pipeline, "30d")
	rep := w.settled()
	var got []plan.Action
	for _, s := range rep.Connections[0].Steps {
		got = append(got, s.Action)
	}
	if diff := cmp.Diff([]plan.Action{plan.Revoke, plan.Allow}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

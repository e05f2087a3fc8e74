package loop_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

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
	if rep.Late() != 24*time.Hour {
		t.Errorf("the end is late by %s, want a day", rep.Late())
	}
	for _, e := range w.effects() {
		if strings.HasPrefix(e, "revoked") && strings.Count(strings.Join(w.effects(), "\n"), "revoked") != 1 {
			t.Errorf("a revocation was recorded that nobody saw: %v", w.effects())
		}
	}
	w.open = w.openBox
	if rep := w.settled(); rep.Late() != 0 || rep.Connections[0].Steps[0].LateSeconds != 24*60*60 {
		t.Errorf("the revocation was late by a day, and is not late any more: %+v", rep.Connections[0].Steps)
	}
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
	if got := w.custody().Servers["warehouse"]; got == "" {
		t.Error("the server is not known any more")
	}
	w.open = w.openBox
	w.settled()
	w.want("ben", pipeline, false)
	w.truth()
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
	file := w.file("connections/warehouse.yaml")
	w.byHand(map[string][]byte{"connections/warehouse.yaml": nil})
	for range 2 {
		rep := w.reconcile()
		if rep.Settled() || len(rep.Connections) != 1 || rep.Connections[0].Code != reconcile.CodeAbandoned {
			t.Errorf("%+v", rep.Connections)
		}
	}
	if n := strings.Count(strings.Join(w.observations(), " "), string(reconcile.CodeAbandoned)); n != 1 {
		t.Errorf("%d observations, want 1", n)
	}
	w.byHand(map[string][]byte{"connections/warehouse.yaml": file})
	w.clock = begin.AddDate(0, 0, 30)
	w.settled()
	w.want("ana", pipeline, false)
}

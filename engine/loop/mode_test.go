package loop_test

import (
	"context"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

const warehouse = "connections/warehouse.yaml"

// readOnly counts the batches that would write.
type readOnly struct {
	platform.Platform
	writes *int
}

func (r readOnly) Apply(ctx context.Context, b platform.Batch) ([]platform.Outcome, error) {
	*r.writes++
	return r.Platform.Apply(ctx, b)
}

// counted opens the sandbox and counts what is written to it.
func (w *world) counted() *int {
	writes := 0
	w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
		p, err := w.openBox(ctx, c)
		return readOnly{p, &writes}, err
	}
	return &writes
}

func only(t *testing.T, rep reconcile.Report) reconcile.Connection {
	t.Helper()
	if len(rep.Connections) != 1 {
		t.Fatalf("%d connections", len(rep.Connections))
	}
	return rep.Connections[0]
}

func actions(changes []plan.Change) map[plan.Action]int {
	out := map[plan.Action]int{}
	for _, c := range changes {
		out[c.Action]++
	}
	return out
}

// A connection in observe is read, and never written while nothing of ours ends
// there; what enforce would do is told.
func TestObserveReadsAndNeverWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.byHand(map[string][]byte{warehouse: w.replaced(warehouse, "mode: enforce", "mode: observe")})
	writes := w.counted()
	w.granted("ana-1", "ana", pipeline, "30d")
	must(t, w.boxes["warehouse"].GrantByHand(t.Context(), "ben", []string{"shop", "public", "opportunities"}))
	c := only(t, w.settled())
	if len(c.Steps) > 0 || c.Mode != resource.ModeObserve || len(c.Foreign) != 1 || *writes != 0 {
		t.Errorf("%d writes, %+v", *writes, c)
	}
	if n := actions(c.Untouched); n[plan.Allow] != 1 || n[plan.Provision] == 0 {
		t.Errorf("left to people: %v", n)
	}
	w.want("ana", pipeline, false)
}

// From enforce to observe: what stands keeps standing until its own end, or until
// its approval is gone; nobody new gets in, and nothing is forgotten.
func TestFromEnforceToObserveGrantsStillEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.granted("ben-1", "ben", pipeline, "90d")
	w.granted("raj-1", "raj", pipeline, "90d")
	w.settled()
	w.byHand(map[string][]byte{warehouse: w.replaced(warehouse, "mode: enforce", "mode: observe")})
	writes := w.counted()
	c := only(t, w.settled())
	if c.Standing != 3 || *writes != 0 || len(c.Untouched) != 0 {
		t.Errorf("%d writes, %+v", *writes, c)
	}
	w.want("ana", pipeline, true)
	w.byHand(map[string][]byte{requestFile("raj-1", pipeline): nil})
	w.settled()
	w.want("raj", pipeline, false)
	w.want("ben", pipeline, true)
	w.clock = begin.AddDate(0, 0, 31)
	c = only(t, w.settled())
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, true)
	if c.Standing != 1 {
		t.Errorf("%d stand", c.Standing)
	}
	w.truth()
	w.byHand(map[string][]byte{warehouse: w.replaced(warehouse, "mode: observe", "mode: enforce")})
	w.clock = begin.AddDate(0, 0, 91)
	w.settled()
	w.want("ben", pipeline, false)
	w.truth()
}

// Adopt does for approvals what enforce does, and takes nothing that Assent did
// not give: a member that somebody let in stays, is told of, and goes in enforce.
func TestAdoptTakesNothingThatOthersGave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.settled()
	w.byHand(map[string][]byte{warehouse: w.replaced(warehouse, "mode: enforce", "mode: adopt")})
	w.granted("ana-1", "ana", pipeline, "30d")
	c := only(t, w.settled())
	w.want("ana", pipeline, true)
	if len(c.Untouched) > 0 {
		t.Errorf("left to people: %v", actions(c.Untouched))
	}
	must(t, w.boxes["warehouse"].AddByHand(t.Context(), "omar", roleOf(pipeline)))
	c = only(t, w.settled())
	if len(c.Untouched) != 1 || c.Untouched[0].Reason != plan.ReasonUnexpected || c.Untouched[0].Grant.Principal != "omar" {
		t.Errorf("left to people: %+v", c.Untouched)
	}
	w.clock = begin.AddDate(0, 0, 31)
	w.settled()
	w.want("ana", pipeline, false)
	w.want("omar", pipeline, true)
	w.byHand(map[string][]byte{warehouse: w.replaced(warehouse, "mode: adopt", "mode: enforce")})
	w.settled()
	w.want("omar", pipeline, false)
	w.truth()
}

// A level in observe keeps its sources out of roles, and the request says so.
func TestALevelInObserveKeepsItsSourcesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	w.want("ana", pipeline, true)
	w.byHand(map[string][]byte{warehouse: w.replaced(warehouse, "mode: enforce", "mode: enforce\n  levels: [{path: shop/public, mode: observe}]")})
	rep := w.settled()
	found := false
	for _, p := range rep.Prevented {
		found = found || p.State == grant.StateObserved && p.Reason == "level shop/public of connection warehouse is in mode observe"
	}
	if !found {
		t.Errorf("prevented: %+v", rep.Prevented)
	}
	w.want("ana", pipeline, true) // all of the role is observed: it stands until its end
	w.granted("ben-1", "ben", pipeline, "30d")
	w.settled()
	w.want("ben", pipeline, false)
	w.clock = begin.AddDate(0, 0, 31)
	w.settled()
	w.want("ana", pipeline, false)
}

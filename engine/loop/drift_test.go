package loop_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

func (w *world) drift(names ...resource.Name) reconcile.DriftReport {
	w.t.Helper()
	rep, err := w.rec.Drift(w.t.Context(), names...)
	must(w.t, err)
	return rep
}

// driftLines are the differences of the warehouse in a few words each.
func driftLines(rep reconcile.DriftReport) []string {
	var out []string
	for _, d := range rep.Connections[0].Drift {
		text := string(d.Kind) + " " + string(d.Role.Scope.Name) + " " + d.Principal + " " + string(d.Reason)
		for _, x := range d.What {
			text += "; " + x.String()
		}
		out = append(out, strings.Join(strings.Fields(text), " "))
	}
	return out
}

func (w *world) drifts(want ...string) reconcile.DriftReport {
	w.t.Helper()
	rep := w.drift()
	if diff := cmp.Diff(want, driftLines(rep)); diff != "" {
		w.t.Errorf("drift (-want +got):\n%s", diff)
	}
	return rep
}

// Drift tells what differs both ways and changes nothing, in every mode.
func TestDriftIsToldAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, nil)
	box := w.boxes["warehouse"]
	w.granted("ana-1", "ana", orders, "30d")
	if rep := w.drift(); rep.Count(plan.DriftMissing) == 0 || rep.Count(plan.DriftExtra) > 0 {
		t.Errorf("before the first round: %v", driftLines(rep))
	}
	w.settled()
	w.drifts()

	must(t, box.RevokeByHand(ctx, "ana", roleOf(orders)))
	must(t, box.AddByHand(ctx, "ben", roleOf(orders)))
	must(t, box.DropColumn(ctx, []string{"shop", "public", "customers"}, "country"))
	want := []string{"missing customer-orders ana drift", "extra customer-orders ben unexpected", "altered customer-orders drift; shop.public.customers is not open"}
	rep := w.drifts(want...)
	if !rep.Drifted() || rep.Partial() {
		t.Errorf("drifted %v, partial %v", rep.Drifted(), rep.Partial())
	}
	for _, d := range rep.Connections[0].Drift {
		if !strings.Contains(d.Next, "reconcile") {
			t.Errorf("no next step for %v", d)
		}
	}
	w.want("ben", orders, false) // the table lost a column that the role declares, so it is shut
	w.drifts(want...)            // asking changed nothing

	w.byHand(map[string][]byte{"connections/warehouse.yaml": w.replaced("connections/warehouse.yaml", "mode: enforce", "mode: observe")})
	rep = w.drifts(want...)
	if c := rep.Connections[0]; c.Mode != resource.ModeObserve || !strings.Contains(c.Drift[0].Next, "mode observe") {
		t.Errorf("in mode observe: %+v", c)
	}
}

// What others granted is told as theirs; what the same person has from us too is
// told as covered, and by which request.
func TestDriftTellsWhatOthersGrantedAndWhatIsCovered(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, nil)
	box := w.boxes["warehouse"]
	w.granted("ana-1", "ana", orders, "30d")
	w.settled()
	customers, secret := []string{"shop", "public", "customers"}, []string{"shop", "private", "notes"}
	must(t, box.CreateTable(ctx, secret, []resource.Column{{Name: "text"}}, nil))
	must(t, box.GrantByHand(ctx, "ana", customers))
	must(t, box.GrantByHand(ctx, "ben", customers))
	must(t, box.GrantByHand(ctx, "ben", secret))
	rep := w.drifts()
	if rep.Drifted() || rep.Partial() {
		t.Error("what others granted is drift")
	}
	var got []string
	for _, f := range rep.Connections[0].Foreign {
		text := f.Principal + " " + strings.Join(f.Path, ".")
		if f.Governed {
			text += " governed"
		}
		for _, r := range f.Covered {
			text += " covered by " + string(r.Name)
		}
		got = append(got, text)
	}
	if diff := cmp.Diff([]string{
		"ana shop.public.customers governed covered by ana-1", "ben shop.public.customers governed", "ben shop.private.notes",
	}, got); diff != "" {
		t.Errorf("foreign (-want +got):\n%s", diff)
	}
	w.quiet() // a round would change nothing of it
}

// A platform that cannot be read, and a main that cannot be relied on, make
// everything unknown and nothing missing or gone.
func TestWhatCannotBeReadIsNoDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", orders, "30d")
	w.settled()
	open := w.open
	w.open = func(context.Context, *resource.Connection) (platform.Platform, error) {
		return nil, &platform.Error{Connection: "warehouse", Code: platform.Unreachable, Hint: "start it", Err: errors.New("down")}
	}
	rep := w.drift("warehouse")
	if c := rep.Connections[0]; rep.Drifted() || !rep.Partial() || c.Code != platform.Unreachable || c.Hint == "" {
		t.Errorf("unreachable: %+v", rep)
	}
	w.open = open

	// A connection that main has forgotten still holds grants.
	w.byHand(map[string][]byte{"connections/warehouse.yaml": nil})
	rep = w.drift()
	last := rep.Connections[len(rep.Connections)-1]
	if last.Name != "warehouse" || last.Code != reconcile.CodeAbandoned || !rep.Partial() || rep.Drifted() {
		t.Errorf("a connection that is gone: %+v", rep)
	}

	// A rewritten main says nothing about what should be, so that nothing is missing.
	must(t, w.boxes["warehouse"].RevokeByHand(t.Context(), "ana", roleOf(orders)))
	first := w.tip(mainRef)
	must(t, w.db.MoveRef(mainRef, first, w.commit("", map[string][]byte{"assent.yaml": w.file("assent.yaml")})))
	rep = w.drift()
	if rep.Frozen == "" || rep.Drifted() || !rep.Partial() {
		t.Errorf("rewritten main: %+v", rep)
	}
}

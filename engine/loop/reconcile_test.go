package loop_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
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
		was, is := "accessLevels: [read]", "accessLevels: [read]\n  state: suspended"
		if !on {
			was, is = is, was
		}
		w.byHand(map[string][]byte{"products/sales-pipeline.yaml": w.replaced("products/sales-pipeline.yaml", was, is)})
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

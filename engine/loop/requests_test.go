package loop_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// selects reports whether an account reads a table or view by its name.
func (w *world) selects(who, from string) bool {
	w.t.Helper()
	res, err := w.boxes["warehouse"].Query(w.t.Context(), who, "SELECT * FROM "+from)
	if err != nil && !errors.Is(err, sandbox.ErrDenied) {
		w.t.Fatal(err)
	}
	return err == nil && len(res.Rows) > 0
}

// both proposes two requests in one pull request.
func (w *world) both(id string) {
	w.t.Helper()
	w.propose(id, "ana", map[string][]byte{
		requestFile("one", pipeline): w.request("one", "ana", pipeline, "30d"),
		requestFile("two", orders):   w.request("two", "ana", orders, "30d"),
	})
}

func TestRequestsOfOnePullRequestAreApprovedTogetherAndRecordedEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.both("pair")
	w.approve("pair", "kim")
	w.determine()
	w.pending("pair", "request two: ")
	w.settled()
	w.want("ana", pipeline, false)
	w.approve("pair", "lea")
	w.determine()
	if diff := cmp.Diff([]string{"two temporarily-approved", "one temporarily-approved"}, w.outcomes("pair")); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
	w.settled()
	w.want("ana", pipeline, true)
	w.want("ana", orders, true)
	w.proven()
}

// What one steward denies ends the others of the pull request with it; they can
// be asked for again.
func TestADenialOfOneRequestDeniesThePullRequestAndNamesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.both("pair")
	w.approve("pair", "kim")
	w.review("pair", "lea", review.Deny, "not customers, please")
	results := w.determine()
	if len(results) != 1 || results[0].Judgement.Outcome != review.Denied || !strings.HasPrefix(results[0].Judgement.Reason, "request two: ") {
		t.Fatalf("judged %+v", results)
	}
	if diff := cmp.Diff([]string{"two denied", "one canceled"}, w.outcomes("pair")); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	w.settled()
	w.want("ana", pipeline, false)
	w.want("ana", orders, false)
	w.proven()
}

// A request for a path waits until something lies below it, and then covers
// every table that is registered later, to the end of the approval.
func TestAPathIsParkedUntilItHoldsSomethingAndCoversWhatComesLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx := t.Context()
	box := w.boxes["warehouse"]
	source := func(table string) []byte {
		return []byte("apiVersion: assent.dev/v1\nkind: DataSource\nmetadata:\n  name: " + table +
			"\nspec:\n  connection: warehouse\n  path: [shop, plans, " + table + "]\n  kind: table\n  columns:\n    - name: id\n      type: integer\n")
	}
	for _, table := range []string{"spring", "autumn"} {
		must(t, box.CreateTable(ctx, []string{"shop", "plans", table}, []resource.Column{{Name: "id", Type: "integer"}}, [][]string{{"1"}}))
	}
	file := "requests/warehouse.shop.plans/early.yaml"
	w.propose("early", "ana", map[string][]byte{file: w.request("early", "ana", pipeline, "30d", func(r *resource.AccessRequest) {
		r.Spec.Target = resource.Target{Path: "warehouse/shop/plans"}
	})})
	w.approve("early", "kim")
	w.determine()
	j := w.pending("early", "parked: anything below warehouse/shop/plans is not registered")
	if need := j.Determinations[0].Missing; len(need) != 1 || !slices.Equal(need[0].People, []resource.Name{"omar"}) {
		t.Errorf("waits for %+v", need)
	}
	w.byHand(map[string][]byte{"sources/warehouse/shop/plans/spring.yaml": source("spring")})
	w.passes("early")
	w.determine()
	w.settled()
	if !w.selects("ana", `"plans.spring"`) || w.selects("ana", `"plans.autumn"`) {
		t.Fatal("ana does not read exactly what is registered")
	}
	w.byHand(map[string][]byte{"sources/warehouse/shop/plans/autumn.yaml": source("autumn")})
	w.settled()
	if !w.selects("ana", `"plans.autumn"`) {
		t.Error("a table that came later is not covered")
	}
	w.clock = w.clock.AddDate(0, 0, 30)
	w.settled()
	if w.selects("ana", `"plans.spring"`) || w.selects("ana", `"plans.autumn"`) {
		t.Error("ana reads after the end")
	}
	w.proven()
}

// One approval runs out and its renewal goes on: the grant is extended, and is
// one grant throughout.
func TestARenewalExtendsTheGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("first", "ana", pipeline, "30d")
	w.settled()
	w.clock = w.clock.AddDate(0, 0, 20)
	w.propose("second", "ana", map[string][]byte{requestFile("second", pipeline): w.request("second", "ana", pipeline, "30d", func(r *resource.AccessRequest) { r.Spec.Renews = "first" })})
	w.approve("second", "kim")
	w.determine()
	w.settled()
	if got := w.observed(); len(got) != 1 || !got[0].NotAfter.Equal(w.clock.AddDate(0, 0, 30)) {
		t.Errorf("one grant with the later end expected, got %v", got)
	}
	applied := len(w.records(ledger.TypeRevoked))
	w.clock = w.clock.AddDate(0, 0, 10) // the first one is over
	w.settled()
	w.want("ana", pipeline, true)
	if got := len(w.records(ledger.TypeRevoked)); got != applied {
		t.Errorf("%d revocations when the first approval ended", got-applied)
	}
	w.clock = w.clock.AddDate(0, 0, 20)
	w.settled()
	w.want("ana", pipeline, false)
	list, err := w.auditor().Requests(t.Context(), w.set(), w.tip(mainRef), w.clock)
	must(t, err)
	i := slices.IndexFunc(list, func(s audit.RequestStatus) bool { return s.Request == "second" })
	if i < 0 || len(list[i].Earlier) != 1 || list[i].Earlier[0].Request != "first" || !slices.Equal(list[i].Earlier[0].DecidedBy, []resource.Name{"kim"}) {
		t.Errorf("history: %+v", list)
	}
}

// A change of an approved request that is denied leaves the request as it is.
func TestADeniedChangeLeavesTheRequestApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("first", "ana", pipeline, "30d")
	w.settled()
	w.propose("more", "ana", map[string][]byte{requestFile("first", pipeline): w.request("first", "ana", pipeline, "90d")})
	w.review("more", "kim", review.Deny, "a month is enough")
	w.determine()
	w.settled()
	w.want("ana", pipeline, true)
	list, err := w.auditor().Requests(t.Context(), w.set(), w.tip(mainRef), w.clock)
	must(t, err)
	if len(list) != 1 || list[0].State != "approved" || list[0].Until.IsZero() {
		t.Errorf("stands %+v", list)
	}
}

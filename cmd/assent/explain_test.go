package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
)

// same compares what `assent explain` says with the comment, apart from the
// comment's marker, and wants parts of it.
func (s *onHub) same(stage string, n int, name resource.Name, wants ...string) {
	s.t.Helper()
	said := s.said(n, wants...)
	_, comment, _ := strings.Cut(said, "\n")
	w, err := s.fresh(s.t.Context())
	s.must(err)
	for _, asked := range []resource.Name{name, resource.Name(strconv.Itoa(n))} {
		st, err := w.standing(s.t.Context(), asked)
		s.must(err)
		text, err := w.explainText(s.t.Context(), st)
		s.must(err)
		if diff := cmp.Diff(comment, text); diff != "" {
			s.t.Errorf("%s, explain %s (-comment +explain):\n%s", stage, asked, diff)
		}
	}
}

// `assent explain` gives the text of the comment, at every stage of a request's life.
func TestExplainIsTheComment(t *testing.T) {
	s := newOnHub(t)
	const name = "ana-customer-orders"
	live := s.now
	stand := func() { // the engine's clock, until the next stage: what would end when moves with it
		at := live()
		s.now = func() time.Time { return at }
	}
	round := func() {
		t.Helper()
		d, err := s.determiner(t.Context())
		s.must(err)
		_, err = d.All(t.Context())
		s.must(err)
		s.must(s.reload(t.Context()))
	}
	stand()
	s.one(1)
	s.same("opened", 1, name, "waiting for a steward", "Earlier results (1)", "· opened", "Exact SQL",
		`GRANT ROLE "assent_customer_orders_read" TO "ana" UNTIL`, `CREATE VIEW "assent_customer_orders`)
	s.approve(1, "kim")
	stand()
	s.one(1)
	s.same("one approval", 1, name, "waiting for a steward", "approve by `kim`", "Earlier results (2)", "Exact SQL")
	s.approve(1, "lea")
	stand()
	s.one(1)
	s.same("approved", 1, name, "approved, about to be applied", "🟢 approved (record 5)", "Earlier results (4)")
	stand()
	s.must(s.applied(t.Context()))
	round()
	s.same("applied", 1, name, "✅ **applied**", "Earlier results (5)", "✅ applied: `ana in assent_customer_orders_read on warehouse`")
	const days = 90
	s.clock = live().AddDate(0, 0, days)
	s.hub.Wait(s.clock)
	stand()
	_, _, err := s.round(t.Context())
	s.must(err)
	round()
	s.same("expired", 1, name, "⚪ **expired**", "Earlier results (7)", "⚪ revoked: `ana in assent_customer_orders_read on warehouse`", "⚪ expired")

	n, denied := s.asked("ben")
	stand()
	s.one(n)
	_, err = s.hub.Review("kim", n, "REQUEST_CHANGES", "not for this", "")
	s.must(err)
	stand()
	s.one(n)
	s.same("denied", n, denied, "🔴 **denied**", "🔴 denied (record", "deny by `kim`")
}

// asked opens a request of somebody for the demo's product.
func (s *onHub) asked(who string) (n int, name resource.Name) {
	s.t.Helper()
	me, ok := resource.UserOf(s.snapshot.Set, resource.Name(who))
	if !ok {
		s.t.Fatalf("no %s", who)
	}
	made, problems, err := s.fileRequest(s.t.Context(), me, requestOptions{
		product: "customer-orders", duration: "90d", accept: true, answers: []string{"purpose=Quarterly report", "project=quarterly-report"},
	})
	if err != nil || problems.HasErrors() {
		s.t.Fatal(err, problems)
	}
	f, err := s.deskOf(s.t.Context(), who)
	s.must(err)
	pr, err := f.open(s.t.Context(), draft{made.name, made.title, map[string][]byte{made.file: made.raw}})
	s.must(err)
	n, err = strconv.Atoi(pr.ID)
	s.must(err)
	return n, resource.Name(made.name)
}

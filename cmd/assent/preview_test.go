package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// played is the demo's world with ana's request approved and granted.
func played(t *testing.T) *demoScript {
	t.Helper()
	ctx := context.Background()
	w, err := newDemoWorld(ctx, t.TempDir(), demoOptions{platform: "sandbox"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.people.close() })
	s := &demoScript{g: &global{stdout: &bytes.Buffer{}, color: "never"}, demoWorld: w}
	for _, scene := range []func(context.Context) error{s.provision, s.asks, s.stewards, s.merge, s.applied} {
		if err := scene(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *demoScript) propose(t *testing.T, id string, files map[string][]byte) string {
	t.Helper()
	f, err := s.openLocal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pr, err := f.Open(t.Context(), s.keys["omar"], local.Draft{ID: id, Title: id, Files: files, Author: gitdb.Person{Name: "omar", Email: "omar@example.com", When: s.clock}})
	if err != nil {
		t.Fatal(err)
	}
	return pr.ID
}

func (s *demoScript) fileOf(t *testing.T, r resource.Ref) (string, string) {
	t.Helper()
	found, ok := s.snapshot.Set.Find(r)
	if !ok {
		t.Fatalf("no %s", r)
	}
	return found.Origin().File, string(found.Origin().Raw)
}

// Whoever reviews a change of governance sees who would lose and who would gain
// by it, before it is merged: in the command and in the comment alike.
func TestPreviewOfAGovernanceChangeTellsWhoLosesAndGains(t *testing.T) {
	s := played(t)
	product, text := s.fileOf(t, resource.Ref{Kind: resource.KindDataProduct, Name: "customer-orders"})
	smaller := strings.Replace(text, "    - source: warehouse/shop/public/orders\n", "", 1)
	table, columns := s.fileOf(t, resource.Ref{Kind: resource.KindDataSource, Name: "warehouse/shop/public/customers"})
	open := strings.Replace(columns, "pii.contact", "mail", 1)
	if smaller == text || open == columns {
		t.Fatal("the example has changed: nothing is edited")
	}
	id := s.propose(t, "narrow", map[string][]byte{product: []byte(smaller), table: []byte(open)})
	st, err := s.standing(t.Context(), resource.Name(id))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.present(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.futureOf(t.Context(), p, *st.Facts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&global{stdout: &out, output: "text"}).writeFuture(f); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ana would gain of warehouse/shop/public/customers",
		"after  read; clear id, name, email, country; masked phone",
		"ana would lose of warehouse/shop/public/orders",
		"after  no access",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	comment := s.render()(t.Context(), *st.Facts, *st.Judgement).Markdown
	for _, want := range []string{"who would lose or gain access", "| `ana` | `warehouse/shop/public/orders` |"} {
		if !strings.Contains(comment, want) {
			t.Errorf("%q is missing in:\n%s", want, comment)
		}
	}
	same := s.propose(t, "words", map[string][]byte{product: []byte(strings.Replace(text, "Who bought what", "Who has bought what", 1))})
	if st, err = s.standing(t.Context(), resource.Name(same)); err != nil {
		t.Fatal(err)
	}
	if comment := s.render()(t.Context(), *st.Facts, *st.Judgement).Markdown; !strings.Contains(comment, "nobody would lose or gain access") {
		t.Errorf("a change of words says:\n%s", comment)
	}
}

// A request's comment says what it would give.
func TestCommentOnARequestShowsWhatItWouldGive(t *testing.T) {
	s := played(t)
	me, err := s.person(s.keys["ben"])
	if err != nil {
		t.Fatal(err)
	}
	made, problems, err := s.fileRequest(t.Context(), me, requestOptions{
		product: "customer-orders", duration: "90d", accept: true, name: "more", answers: []string{"purpose=The same", "project=churn-model"},
	})
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems)
	}
	s.keys["omar"] = s.keys["ben"] // who proposes
	s.propose(t, "more", map[string][]byte{made.file: made.raw})
	st, err := s.standing(t.Context(), "more")
	if err != nil {
		t.Fatal(err)
	}
	comment := s.render()(t.Context(), *st.Facts, *st.Judgement).Markdown
	want := "+ read  shop.public.customers  ben  clear id, name, country; masked email, phone"
	if !strings.Contains(comment, want) {
		t.Errorf("%q is missing in:\n%s", want, comment)
	}
}

func TestPreviewIsData(t *testing.T) {
	s := played(t)
	var out bytes.Buffer
	g := &global{dir: s.repoDir, state: s.state, stdout: &out, output: "json", now: s.clock.Format(time.RFC3339)}
	if err := runPreviewAsked(t.Context(), g, requestOptions{product: "customer-orders", people: []string{"ben"}, unmask: []string{"email"}}); err != nil {
		t.Fatal(err)
	}
	var got []outlook
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got[0].Rows) != 2 || got[0].Rows[0].Columns[2].Then != grant.Hidden || len(got[0].Stages) != 2 || got[0].Usually.Of != 1 {
		t.Errorf("preview %+v", got)
	}
}

func TestPaceIsTheMedianOfTheSameTarget(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	req := &resource.AccessRequest{Spec: resource.AccessRequestSpec{Target: resource.Target{Product: "orders"}}}
	req.Metadata.Name = "new"
	past := func(name, target string, state audit.State, took time.Duration) audit.RequestStatus {
		return audit.RequestStatus{Request: resource.Name(name), Target: "data product " + target, State: state, OpenedAt: at, DecidedAt: at.Add(took)}
	}
	list := []audit.RequestStatus{
		past("a", "orders", audit.StateApproved, 50*time.Hour), past("b", "orders", audit.StateDenied, time.Hour), past("c", "orders", audit.StateExpired, 90*time.Minute),
		past("d", "other", audit.StateApproved, time.Second), past("e", "orders", audit.StateCanceled, time.Second), past("new", "orders", audit.StateApproved, time.Second),
		{Request: "f", Target: "data product orders", State: audit.StateApproved},
	}
	if got := paceOf(list, req); got.Of != 3 || got.Text != "1 h 30 min" {
		t.Errorf("pace %+v", got)
	}
	if got := paceOf(nil, req); got.Of != 0 || got.Text != "" {
		t.Errorf("pace of nothing %+v", got)
	}
	for d, want := range map[time.Duration]string{0: "less than a minute", 51 * time.Hour: "2 d 3 h", 24 * time.Hour: "1 d"} {
		if got := durationText(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

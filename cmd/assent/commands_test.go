package main

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// onHub is the demo on its GitHub, with ana's request as its pull request 1.
type onHub struct {
	*demoScript
	t *testing.T
}

func newOnHub(t *testing.T) *onHub {
	t.Helper()
	w, err := newDemoWorld(t.Context(), t.TempDir(), demoOptions{platform: "sandbox", forge: forgeGitHubFake})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.people.close() })
	s := &onHub{&demoScript{g: &global{stdout: &bytes.Buffer{}, color: "never"}, demoWorld: w}, t}
	s.must(s.provision(t.Context()))
	s.must(s.asks(t.Context()))
	return s
}

func (s *onHub) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// one determines one pull request, in a process of its own.
func (s *onHub) one(n int) determine.Result {
	s.t.Helper()
	d, err := s.determiner(s.t.Context())
	s.must(err)
	r, err := d.One(s.t.Context(), strconv.Itoa(n))
	s.must(err)
	if len(r.Notes) > 0 {
		s.t.Errorf("notes %v", r.Notes)
	}
	s.must(s.reload(s.t.Context()))
	return r
}

func (s *onHub) comment(by string, n int, body string) int64 {
	s.t.Helper()
	id, err := s.hub.Comment(by, n, body)
	s.must(err)
	return id
}

// said is the engine's comment on a pull request, and wants parts of it.
func (s *onHub) said(n int, wants ...string) string {
	s.t.Helper()
	shown := s.hub.Published(n, "assent-engine")
	if len(shown) == 0 {
		s.t.Fatalf("nothing is said on #%d", n)
	}
	text := shown[len(shown)-1]
	for _, w := range wants {
		if !strings.Contains(text, w) {
			s.t.Errorf("%q is missing in:\n%s", w, text)
		}
	}
	return text
}

// Nobody asks, and the comment says what became of it: access that came, and that
// it is over.
func TestCommentsSayWhatBecameOfIt(t *testing.T) {
	s := newOnHub(t)
	all := func() {
		t.Helper()
		d, err := s.determiner(t.Context())
		s.must(err)
		list, err := d.All(t.Context())
		s.must(err)
		s.must(s.reload(t.Context()))
		for _, r := range list {
			if r.Err != "" || len(r.Notes) > 0 {
				t.Fatalf("%+v", r)
			}
		}
	}
	s.one(1)
	s.approve(1, "kim", "lea")
	all()
	s.said(1, "🟢 **approved, about to be applied**")
	s.must(s.applied(t.Context()))
	all()
	s.said(1, "✅ **applied**")
	edits := len(s.hub.Published(1, "assent-engine"))
	all()
	if now := len(s.hub.Published(1, "assent-engine")); now != edits {
		t.Errorf("%d edits with nothing new", now-edits)
	}
	const days = 90
	s.clock = s.now().AddDate(0, 0, days)
	s.hub.Wait(s.clock)
	_, _, err := s.round(t.Context())
	s.must(err)
	all()
	s.said(1, "⚪ **expired**")
}

func (s *onHub) answered(id int64, want string) {
	s.t.Helper()
	if got := s.hub.Reactions("assent-engine", id); !slices.Equal(got, []string{want}) {
		s.t.Errorf("comment %d has reactions %v, want %s", id, got, want)
	}
}

func (s *onHub) approve(n int, who ...string) {
	s.t.Helper()
	for _, w := range who {
		_, err := s.hub.Review(w, n, "APPROVE", "fine", "")
		s.must(err)
	}
}

// A request's life by comments: nobody but who may is obeyed, each is answered
// once, and none approves.
func TestCommandsOfPeople(t *testing.T) {
	s := newOnHub(t)
	s.hub.Add(githubtest.User{ID: 5000, Login: "stranger", Type: "User"}, "")
	s.one(1)
	if got := s.hub.Asked(1); !slices.Equal(got, []string{"kim", "raj"}) {
		t.Errorf("asked for a review: %v", got)
	}
	if got := s.hub.Labels(1); !slices.Equal(got, []string{"assent: waiting"}) {
		t.Errorf("labels %v", got)
	}
	s.hub.Unask("ana", 1, "raj")
	wrong := []int64{
		s.comment("stranger", 1, "/recheck"), s.comment("ben", 1, "/cancel"), s.comment("kim", 1, "/approve"),
	}
	right := []int64{s.comment("ben", 1, "/recheck"), s.comment("ana", 1, "/explain"), s.comment("ana", 1, "/remind\nplease")}
	if r := s.one(1); r.Judgement.Outcome != review.Pending {
		t.Fatalf("a command made it %s", r.Judgement.Outcome)
	}
	for _, id := range wrong {
		s.answered(id, "confused")
	}
	for _, id := range right {
		s.answered(id, "rocket")
	}
	s.said(1, "> `a command was not followed: read command: a comment decides nothing", "ben may not withdraw this", "ana asked to remind those whose review is missing")
	if got := s.hub.Asked(1); !slices.Equal(got, []string{"kim", "raj"}) {
		t.Errorf("reminded: %v", got)
	}
	before := len(s.hub.Published(1, "assent-engine"))
	s.one(1)
	if after := len(s.hub.Published(1, "assent-engine")); after != before {
		t.Errorf("%d edits with nothing new", after-before)
	}
	early := s.comment("ana", 1, "/extend 10d")
	s.one(1)
	s.answered(early, "confused")
	s.approve(1, "kim", "lea")
	if r := s.one(1); !r.Judgement.Outcome.Grants() || len(r.Records) != 1 {
		t.Fatalf("%+v", r)
	}
	s.said(1, "🟢 **approved, about to be applied**", "Earlier results (")
	s.must(s.applied(t.Context()))
	again := s.comment("ana", 1, "/explain")
	s.one(1)
	s.answered(again, "rocket")
	s.said(1, "✅ **applied**", "grant applied: `ana`")
	if got := s.hub.Labels(1); !slices.Equal(got, []string{"assent: applied"}) {
		t.Errorf("labels %v", got)
	}
	if got := s.hub.Comments(1); got != 9 {
		t.Errorf("%d comments, of which one is the engine's", got)
	}
	s.extended()
	s.withdrawn()
	v, err := s.verify(t.Context())
	s.must(err)
	if len(v.Findings) != 0 {
		t.Errorf("findings %+v", v.Findings)
	}
	if file := os.Getenv("ASSENT_TEST_COMMENT"); file != "" {
		s.must(os.WriteFile(file, []byte(s.said(1)), 0o600))
	}
}

// extended: who asked asks again by a comment; others do not.
func (s *onHub) extended() {
	not, yes := s.comment("ben", 1, "/extend 20d"), s.comment("ana", 1, "/extend 20d")
	s.one(1)
	s.answered(not, "confused")
	s.answered(yes, "rocket")
	s.said(1, "ana asks for 20d more in pull request #2", "only ana, who asked, can ask for it again")
	if r := s.one(2); r.Judgement.Outcome != review.Pending || !strings.Contains(r.Judgement.Reason, "finance-stewards") {
		s.t.Fatalf("the renewal is %s: %s", r.Judgement.Outcome, r.Judgement.Reason)
	}
	s.said(2, "waiting for a steward", "renews `ana-customer-orders`", "`ana` (is the requester)")
	s.approve(2, "kim", "lea")
	if r := s.one(2); !r.Judgement.Outcome.Grants() {
		s.t.Errorf("the renewal is %s: %s", r.Judgement.Outcome, r.Judgement.Reason)
	}
	req, ok := resource.Get[*resource.AccessRequest](s.snapshot.Set, resource.KindAccessRequest, resource.Name("ana-customer-orders-extend-"+strconv.FormatInt(yes, 10)))
	if !ok || req.Spec.Requester != "ana" || req.Spec.Renews != "ana-customer-orders" || req.Spec.Duration != "20d" {
		s.t.Errorf("renewal %+v", req)
	}
}

// withdrawn: who asked takes it back, although it was agreed to.
func (s *onHub) withdrawn() {
	n, _ := s.asked("ben")
	s.one(n)
	s.approve(n, "kim", "lea")
	id := s.comment("ben", n, "/cancel")
	r := s.one(n)
	s.answered(id, "rocket")
	if r.Judgement.Outcome != review.Canceled || r.Judgement.Reason != "withdrawn by ben" || len(r.Records) != 1 {
		s.t.Errorf("%+v", r)
	}
	s.said(n, "⚪ **withdrawn**", "`withdrawn by ben`")
	f, err := s.deskOf(s.t.Context(), "ben")
	s.must(err)
	facts, err := f.Observe(s.t.Context(), strconv.Itoa(n))
	s.must(err)
	if facts.State == review.StateOpen {
		s.t.Error("it is still open")
	}
}

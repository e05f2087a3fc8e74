package loop_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const day = 24 * time.Hour

// withGlass gives the quickstart a break-glass rule for everybody but raj.
func withGlass(files map[string][]byte) {
	files["assent.yaml"] = append(files["assent.yaml"], "  breakGlass: {group: oncall, maxDuration: 3h, reviewWithin: 2d}\n"...)
	files["directory/groups/oncall.yaml"] = []byte("apiVersion: assent.dev/v1\nkind: Group\nmetadata: {name: oncall}\nspec: {members: [{group: analysts}, {user: kim}, {user: lea}, {user: omar}]}\n")
}

func emergency(req *resource.AccessRequest) {
	req.Spec.Type, req.Spec.Agreement = resource.EmergencyAccess, nil
	req.Spec.Form = resource.PinnedForm{Name: resource.StandardForm, Digest: resource.BuiltinForm().Digest()}
	req.Spec.Answers = map[string]any{"purpose": "Orders are lost, incident 4711", "duration": string(req.Spec.Duration)}
}

func (w *world) emergency(name, who string, approvers ...string) {
	w.t.Helper()
	w.propose(name, who, map[string][]byte{requestFile(name, pipeline): w.request(name, who, pipeline, "2h", emergency)})
	w.approve(name, approvers...)
}

// look opens a review of requests; decisions are "request decision[ until]".
func (w *world) look(id, who string, kind resource.AccessReviewType, decisions ...string) {
	w.t.Helper()
	rev := &resource.AccessReview{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindAccessReview}}
	rev.Metadata.Name, rev.Spec.Type = id, kind
	for _, d := range decisions {
		f := strings.Fields(d)
		one := resource.ReviewDecision{Request: resource.Name(f[0]), Decision: resource.DecisionChoice(f[1]), Reason: "We looked at it together"}
		if len(f) > 2 {
			one.Until = resource.Instant(f[2])
		}
		rev.Spec.Decisions = append(rev.Spec.Decisions, one)
	}
	raw, err := repo.Encode(rev)
	must(w.t, err)
	w.propose(id, who, map[string][]byte{"reviews/" + id + ".yaml": raw})
}

// stands is how a pull request stands after a run of the determiner.
func (w *world) stands(id string) review.Judgement {
	w.t.Helper()
	for _, r := range w.determine() {
		if r.PullRequest == id {
			return r.Judgement
		}
	}
	w.t.Fatalf("%s was not determined", id)
	return review.Judgement{}
}

func (w *world) pending(id, why string) review.Judgement {
	w.t.Helper()
	j := w.stands(id)
	if j.Outcome != review.Pending || !strings.Contains(j.Reason, why) {
		w.t.Errorf("%s is %s: %s; want pending: %s", id, j.Outcome, j.Reason, why)
	}
	return j
}

func (w *world) passes(id string) {
	w.t.Helper()
	if j := w.stands(id); !j.Outcome.Grants() {
		w.t.Fatalf("%s is %s: %s", id, j.Outcome, j.Reason)
	}
}

// proven fails when an auditor that starts afresh finds anything that does not hold.
func (w *world) proven() audit.Custody {
	w.t.Helper()
	c := w.custody()
	if len(c.Findings) > 0 {
		w.t.Fatalf("audit finds %+v", c.Findings)
	}
	return c
}

func (w *world) uses() string {
	var out []string
	for _, u := range w.proven().Emergencies.Uses {
		out = append(out, fmt.Sprintf("%s %s", u.Request, u.State(w.clock)))
	}
	return strings.Join(out, ", ")
}

func TestEmergencyAccessEndsAndHasToBeReviewed(t *testing.T) {
	w := newWorld(t, withGlass)
	w.emergency("e1", "ana", "lea")
	w.pending("e1", "approvals by 2 distinct people, of which 1 are there")
	w.approve("e1", "omar")
	w.passes("e1")
	w.settled()
	w.want("ana", pipeline, true)
	if got := w.uses(); got != "e1 in use" {
		t.Errorf("uses: %q", got)
	}

	w.look("early", "raj", resource.AfterReview, "e1 justified")
	w.approve("early", "kim")
	w.pending("early", "it is in use until 2026-10-01T10:00:00Z")
	must(t, w.forge.Cancel(t.Context(), w.keys["raj"], "early", "later"))

	w.clock = begin.Add(2 * time.Hour)
	w.settled()
	w.want("ana", pipeline, false)
	if got := w.uses(); got != "e1 review due" {
		t.Errorf("uses: %q", got)
	}

	// Deleting the request file does not forget the duty.
	w.propose("gone", "ana", map[string][]byte{requestFile("e1", pipeline): nil})
	w.passes("gone")

	w.clock = begin.Add(2*time.Hour + 2*day - time.Second)
	if got := w.uses(); got != "e1 review due" {
		t.Errorf("uses: %q", got)
	}
	w.clock = w.clock.Add(time.Second)
	if got := w.uses(); got != "e1 review overdue" {
		t.Errorf("uses: %q", got)
	}
	w.emergency("e2", "ana", "lea", "omar")
	j := w.pending("e2", "emergency access e1 of ana should have been reviewed by 2026-10-03T10:00:00Z")
	if need := j.Determinations[0].Missing; len(need) == 0 || !strings.Contains(need[0].What, "an after-review of e1") || fmt.Sprint(need[0].People) != "[kim raj]" {
		t.Errorf("it does not say who can look back: %+v", need)
	}
	// Somebody else is free to ask.
	w.emergency("e3", "ben", "lea", "omar")
	w.passes("e3")

	// A steward looks back who neither asked nor agreed: then ana may ask again,
	// though the request that the review is about is on main no more.
	w.look("back", "lea", resource.AfterReview, "e1 justified")
	w.approve("back", "omar")
	w.pending("back", "waiting for an approval")
	w.approve("back", "kim")
	w.passes("back") // and e2, which comes after it in the same run
	w.settled()
	w.want("ana", pipeline, true)
	if got := w.uses(); got != "e3 in use, e2 in use" {
		t.Errorf("uses: %q", got)
	}
}

func TestEmergencyAccessIsHeldByItsRule(t *testing.T) {
	tests := []struct {
		name    string
		edit    func(map[string][]byte)
		request func(*resource.AccessRequest)
		by      []string
		want    string
	}{
		{name: "two of the group", edit: withGlass, by: []string{"kim", "lea"}},
		{name: "one twice", edit: withGlass, by: []string{"kim", "kim"}, want: "of which 1 are there"},
		{name: "one of the group and a steward", edit: withGlass, by: []string{"kim", "raj"}, want: "of which 1 are there"},
		{name: "no rule", by: []string{"kim", "lea"}, want: "allows no emergency access"},
		{name: "the one who asks and another", edit: withGlass, by: []string{"ana", "lea"}, want: "of which 1 are there"},
		{
			name: "one of the group is a beneficiary", edit: withGlass, by: []string{"kim", "lea"},
			request: func(r *resource.AccessRequest) {
				r.Spec.Beneficiaries = []resource.Subject{{User: "ana"}, {User: "lea"}}
			}, want: "of which 1 are there",
		},
		{
			name: "for longer than the rule", edit: withGlass, by: []string{"kim", "lea"},
			request: func(r *resource.AccessRequest) { r.Spec.Duration, r.Spec.Answers["duration"] = "4h", "4h" }, want: "emergency access ends by",
		},
		{
			name: "what is closed stays closed", edit: func(f map[string][]byte) {
				withGlass(f)
				f["products/sales-pipeline.yaml"] = append(f["products/sales-pipeline.yaml"], "  state: suspended\n"...)
			}, by: []string{"kim", "lea"}, want: "not published",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.edit)
			edits := []func(*resource.AccessRequest){emergency}
			if tt.request != nil {
				edits = append(edits, tt.request)
			}
			w.propose("e1", "ana", map[string][]byte{requestFile("e1", pipeline): w.request("e1", "ana", pipeline, "2h", edits...)})
			w.approve("e1", tt.by...)
			if tt.want == "" {
				w.passes("e1")
				return
			}
			if j := w.stands("e1"); j.Outcome != review.Pending || !strings.Contains(show(j), tt.want) {
				t.Errorf("%s: %s", j.Outcome, show(j))
			}
		})
	}
}

func show(j review.Judgement) string {
	var out []string
	for _, d := range j.Determinations {
		out = append(out, d.Reason)
	}
	return j.Reason + " / " + strings.Join(out, "; ")
}

func TestEmergencyAccessMayBeShorterThanAsked(t *testing.T) {
	w := newWorld(t, withGlass)
	w.emergency("e1", "ana", "kim")
	w.review("e1", "lea", review.Approve, "/approve for 30min\n\nThat is enough to look.")
	w.passes("e1")
	if a := w.proven().Approvals["e1"]; !a.Until.Equal(begin.Add(30 * time.Minute)) {
		t.Errorf("it ends %s", a.Until)
	}
}

func TestMisuseEndsAccessAtOnceAndOnlyGovernanceForgives(t *testing.T) {
	w := newWorld(t, withGlass)
	w.emergency("e1", "ana", "kim", "lea")
	w.passes("e1")
	w.settled()
	w.want("ana", pipeline, true)

	w.look("bad", "lea", resource.AfterReview, "e1 misuse")
	w.approve("bad", "kim") // agreed to the use
	w.pending("bad", "waiting for an approval for a steward of what emergency access e1 opened")
	w.approve("bad", "raj")
	w.passes("bad")
	w.settled()
	w.want("ana", pipeline, false)
	if d := w.proven().Dropped["e1"]; d.Decision != resource.Misuse || d.Review != "bad" {
		t.Errorf("dropped: %+v", d)
	}

	w.clock = begin.Add(400 * day)
	w.emergency("e2", "ana", "kim", "lea")
	w.pending("e2", "e1 was found to be misuse, so ana may not break the glass again")

	w.look("mild", "lea", resource.AfterReview, "e1 justified")
	w.approve("mild", "raj")
	w.pending("mild", "permission GOVERNANCE, because e1 was found to be misuse")
	w.approve("mild", "omar")
	w.passes("mild")
	w.passes("e2")
	if got := w.uses(); got != "e2 in use" {
		t.Errorf("uses: %q", got)
	}
}

// A determiner that leaves a use out of its facts, or reads the ledger as it was
// before, is found out: the record gives nothing.
func TestAnEmergencyThatHidesAnEarlierOneIsNotAdmitted(t *testing.T) {
	for name, forge := range map[string]func(*review.Emergencies){
		"a use left out":     func(e *review.Emergencies) { e.Uses = []review.EmergencyUse{} },
		"an earlier ledger":  func(e *review.Emergencies) { *e = review.Emergencies{Ledger: 1, Uses: []review.EmergencyUse{}} },
		"a later review due": func(e *review.Emergencies) { e.Uses[0].ReviewBy = e.Uses[0].ReviewBy.Add(365 * day) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withGlass)
			w.emergency("e1", "ana", "lea", "omar")
			w.passes("e1")
			w.clock = begin.Add(10 * day)
			w.emergency("e2", "ana", "lea", "omar")
			w.pending("e2", "first it needs its after-review")
			f := w.stolen("e2")
			known, err := determine.ReadDuties(t.Context(), w.book)
			must(t, err)
			forge(&known)
			f.facts.Emergencies = &known
			f.make(nil)
			c := w.custody()
			if _, ok := c.Approvals["e2"]; ok || !strings.Contains(codes(c.Findings), string(audit.CodeFacts)) {
				t.Errorf("admitted %v, findings %+v", ok, c.Findings)
			}
			w.reconcile()
			w.want("ana", pipeline, false)
		})
	}
}

func withRecertification(unanswered string) func(map[string][]byte) {
	return func(files map[string][]byte) {
		files["forms/analytics.yaml"] = append(files["forms/analytics.yaml"], "  recertify: {every: 30d, unanswered: "+unanswered+"}\n"...)
	}
}

func TestAccessThatNobodyConfirmsEnds(t *testing.T) {
	for unanswered, after := range map[string]bool{"drop": false, "keep": true} {
		t.Run(unanswered, func(t *testing.T) {
			w := newWorld(t, withRecertification(unanswered))
			w.granted("r1", "ana", pipeline, "90d")
			w.settled()
			a := w.proven().Approvals["r1"]
			if !a.CertifyBy.Equal(begin.Add(30*day)) || a.Lapses == after {
				t.Fatalf("certify by %s, lapses %v", a.CertifyBy, a.Lapses)
			}
			w.clock = begin.Add(30*day - time.Second)
			w.settled()
			w.want("ana", pipeline, true)
			w.clock = begin.Add(30 * day)
			w.settled()
			w.want("ana", pipeline, after)
			w.proven()
		})
	}
}

func TestReviewsKeepShortenAndDrop(t *testing.T) {
	w := newWorld(t, withRecertification("drop"))
	for _, name := range []string{"kept", "cut", "dropped", "silent"} {
		w.granted(name, map[string]string{"kept": "ana", "cut": "ben", "dropped": "lea", "silent": "omar"}[name], pipeline, "90d")
	}
	w.settled()
	w.clock = begin.Add(20 * day)
	w.look("autumn", "omar", resource.Recertification, "kept keep", "cut shorten 2026-10-25", "dropped drop")
	w.approve("autumn", "lea") // no steward of these
	w.pending("autumn", "waiting for an approval for a steward of request kept; an approval for a steward of request cut; an approval for a steward of request dropped")
	w.approve("autumn", "kim")
	w.passes("autumn")
	var subject ledger.Subject
	for _, v := range w.records(ledger.TypeDetermination) {
		subject = v.Subject
	}
	if subject.Review != "autumn" || subject.Request != "" || subject.Path != "reviews/autumn.yaml" {
		t.Errorf("subject %+v", subject)
	}
	w.settled()
	w.want("lea", pipeline, false)
	c := w.proven()
	for name, want := range map[resource.Name]time.Time{
		"kept": begin.Add(50 * day), "cut": time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), "silent": begin.Add(30 * day),
	} {
		if a := c.Approvals[name]; !a.Until.Equal(want) {
			t.Errorf("%s ends %s, want %s", name, a.Until, want)
		}
	}
	for at, reads := range map[time.Duration]map[string]bool{
		29 * day: {"ana": true, "ben": false, "omar": true},
		30 * day: {"ana": true, "omar": false},
		50 * day: {"ana": false},
	} {
		x := w.copied()
		x.clock = begin.Add(at)
		x.settled()
		for who, want := range reads {
			x.want(who, pipeline, want)
		}
	}
}

// What has ended is asked for again; a review that comes too late keeps nothing.
func TestAReviewThatComesTooLateRevivesNothing(t *testing.T) {
	w := newWorld(t, withRecertification("drop"))
	w.granted("r1", "ana", pipeline, "90d")
	w.clock = begin.Add(30 * day)
	w.settled()
	w.look("late", "omar", resource.Recertification, "r1 keep")
	w.approve("late", "kim")
	w.passes("late")
	w.settled()
	w.want("ana", pipeline, false)
}

func TestWhoMayAnswerAReview(t *testing.T) {
	tests := []struct {
		name, author, decision string
		by                     []string
		want                   bool
	}{
		{"a steward keeps", "omar", "r1 keep", []string{"kim"}, true},
		{"nobody keeps", "omar", "r1 keep", nil, false},
		{"the beneficiary keeps", "omar", "r1 keep", []string{"ana"}, false},
		{"the author keeps", "kim", "r1 keep", []string{"kim"}, false},
		{"another steward keeps for the author", "kim", "r1 keep", []string{"raj"}, true},
		{"the author drops as a steward", "kim", "r1 drop", nil, true},
		{"the author drops as the beneficiary", "ana", "r1 drop", nil, true},
		{"the author drops as nobody", "ben", "r1 drop", nil, false},
		{"the author shortens", "kim", "r1 shorten 2026-10-05", nil, false},
		{"after its time", "omar", "r1 shorten 2026-09-05", []string{"kim"}, false},
		{"of another kind", "omar", "r1 justified", []string{"kim"}, false},
		{"of nothing", "omar", "r2 keep", []string{"kim"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, withRecertification("drop"))
			w.granted("r1", "ana", pipeline, "90d")
			w.look("look", tt.author, resource.Recertification, tt.decision)
			w.approve("look", tt.by...)
			if j := w.stands("look"); j.Outcome.Grants() != tt.want {
				t.Errorf("%s: %s", j.Outcome, j.Reason)
			}
			w.proven()
		})
	}
}

func TestAReviewThatIsMergedStandsAndTouchesOnlyItsRequests(t *testing.T) {
	w := newWorld(t, withRecertification("drop"))
	w.granted("r1", "ana", pipeline, "90d")
	w.granted("r2", "ben", pipeline, "90d")
	w.look("look", "omar", resource.Recertification, "r1 keep")
	w.approve("look", "kim")
	w.passes("look")
	w.propose("undo", "omar", map[string][]byte{"reviews/look.yaml": nil})
	w.approve("undo", "kim", "raj")
	w.pending("undo", "a review that is merged stands")

	raw := w.replaced("reviews/look.yaml", "name: look", "name: more")
	w.propose("more", "kim", map[string][]byte{"reviews/more.yaml": raw, requestFile("r2", pipeline): nil})
	w.approve("more", "raj")
	w.pending("more", "which it neither drops nor shortens")
}

func TestADropOfManyIsNoMassRevocationAndOneLeaverIsNone(t *testing.T) {
	w := newWorld(t, func(f map[string][]byte) {
		f["assent.yaml"] = []byte(strings.Replace(string(f["assent.yaml"]), "count: 10\n      percent: 15", "count: 1\n      percent: 0", 1))
	})
	w.granted("r1", "ana", pipeline, "90d")
	w.granted("r2", "ben", pipeline, "90d")
	w.granted("r3", "omar", pipeline, "90d")
	w.granted("r4", "omar", orders, "90d")
	w.settled()
	w.look("look", "lea", resource.Recertification, "r1 drop", "r2 drop")
	w.approve("look", "kim")
	w.passes("look")
	w.settled()
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, false)
	w.want("omar", pipeline, true)
	// omar leaves, with two grants where one run may take one.
	w.byHand(map[string][]byte{"directory/users/omar.yaml": append(w.file("directory/users/omar.yaml"), "  state: left\n"...)})
	w.settled()
	w.want("omar", pipeline, false)
	w.want("omar", orders, false)
}

func TestBirthrightComesAndGoesWithWhatItMatches(t *testing.T) {
	w := newWorld(t, func(f map[string][]byte) {
		f["products/sales-pipeline.yaml"] = append(f["products/sales-pipeline.yaml"], "  birthright: [{group: analysts}]\n"...)
	})
	w.settled()
	w.want("ana", pipeline, true)
	w.want("ben", pipeline, true)
	w.want("omar", pipeline, false)
	w.granted("r1", "ana", pipeline, "10d")
	w.settled()
	if n := len(w.proven().Applied); n != 2 {
		t.Errorf("%d grants applied", n)
	}
	// The approval ends, the birthright stays.
	w.clock = begin.Add(10 * day)
	w.settled()
	w.want("ana", pipeline, true)
	// The match stops: the access goes, as a withdrawal that the brake may hold.
	w.byHand(map[string][]byte{"directory/groups/analysts.yaml": w.replaced("directory/groups/analysts.yaml", "    - user: ana\n", "")})
	rep := w.settled()
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, true)
	reasons := ""
	for _, s := range rep.Connections[0].Steps {
		reasons += string(s.Action) + " " + string(s.Reason) + ","
	}
	if reasons != "revoke withdrawn," {
		t.Errorf("steps %s", reasons)
	}
}

func TestAStewardWhoLeftDoesNotCountAndNobodyIsLeft(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("r1", "ana", pipeline, "30d")
	w.approve("r1", "kim")
	files := map[string][]byte{}
	for _, who := range []string{"kim", "raj"} {
		name := "directory/users/" + who + ".yaml"
		files[name] = append(w.file(name), "  state: left\n"...)
	}
	w.byHand(files)
	j := w.pending("r1", "waiting for")
	if need := j.Determinations[0].Missing; len(need) == 0 || !strings.Contains(need[0].What, "nobody is left who may give it") {
		t.Errorf("it does not say that nobody can: %+v", need)
	}
}

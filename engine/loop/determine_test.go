package loop_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// Each state of a pull request leads to its records, and a second run adds none.
func TestEachStateOfAPullRequestIsRecordedOnce(t *testing.T) {
	const id = "ana-1"
	broken := []byte("package assent.custom.limits\n\ndeny contains \"x\" if {")
	cases := []struct {
		name     string
		make     func(w *world)
		outcomes []string // in the ledger
		merged   bool
		err      string
	}{
		{"open, nobody answered", func(w *world) { w.ask(id, "ana", pipeline, "30d") }, nil, false, ""},
		{"open, approved by the requester only", func(w *world) { w.ask(id, "ana", pipeline, "30d"); w.approve(id, "ana", "ben") }, nil, false, ""},
		{"approved", func(w *world) { w.ask(id, "ana", pipeline, "30d"); w.approve(id, "raj") }, []string{"ana-1 temporarily-approved"}, true, ""},
		{"first of two stages approved", func(w *world) { w.ask(id, "ana", orders, "30d"); w.approve(id, "kim") }, nil, false, ""},
		{"both stages approved", func(w *world) { w.ask(id, "ana", orders, "30d"); w.approve(id, "kim", "lea") }, []string{"ana-1 temporarily-approved"}, true, ""},
		{"denied", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "raj")
			w.review(id, "kim", review.Deny, "no")
		}, []string{"ana-1 denied"}, false, ""},
		{"canceled", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			must(w.t, w.forge.Cancel(w.t.Context(), w.keys["ana"], id, "not needed"))
		}, []string{"ana-1 canceled"}, false, ""},
		{"canceled to get rid of a denial", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.review(id, "kim", review.Deny, "no")
			must(w.t, w.forge.Cancel(w.t.Context(), w.keys["ana"], id, "oh"))
		}, []string{"ana-1 denied"}, false, ""},
		{"canceled, its file unreadable", func(w *world) {
			w.propose(id, "ana", map[string][]byte{requestFile(id, pipeline): []byte("kind: [\n")})
			must(w.t, w.forge.Cancel(w.t.Context(), w.keys["ana"], id, "typo"))
		}, []string{"ana-1 canceled"}, false, ""},
		{"canceled, its file far too large", func(w *world) {
			w.propose(id, "ana", map[string][]byte{requestFile(id, pipeline): []byte(strings.Repeat("# pad\n", 8000))})
			must(w.t, w.forge.Cancel(w.t.Context(), w.keys["ana"], id, "typo"))
		}, []string{"ana-1 canceled"}, false, ""},
		{"canceled governance", func(w *world) {
			w.propose(id, "ana", map[string][]byte{"products/sales-pipeline.yaml": nil})
			must(w.t, w.forge.Cancel(w.t.Context(), w.keys["ana"], id, "typo"))
		}, []string{"canceled"}, false, ""},
		{"closed by the forge", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			must(w.t, w.forge.Close(w.t.Context(), id, "stale"))
		}, nil, false, ""},
		{"two requests, one denied", func(w *world) {
			w.propose(id, "ana", map[string][]byte{
				requestFile("ana-a", pipeline): w.request("ana-a", "ana", pipeline, "30d"),
				requestFile("ana-s", orders):   w.request("ana-s", "ana", orders, "30d"),
			})
			w.review(id, "lea", review.Deny, "no personal data")
		}, []string{"ana-s denied", "ana-a canceled"}, false, ""},
		{"two requests, both approved", func(w *world) {
			w.propose(id, "ana", map[string][]byte{
				requestFile("ana-a", pipeline): w.request("ana-a", "ana", pipeline, "30d"),
				requestFile("ana-b", orders):   w.request("ana-b", "ana", orders, "30d"),
			})
			w.approve(id, "kim", "lea")
		}, []string{"ana-b temporarily-approved", "ana-a temporarily-approved"}, true, ""},
		{"governance approved", func(w *world) {
			w.propose(id, "ana", map[string][]byte{"directory/groups/analysts.yaml": w.replaced("directory/groups/analysts.yaml", "Analysts", "All analysts")})
			w.approve(id, "omar")
		}, []string{"approved"}, true, ""},
		{"governance approved by a steward only", func(w *world) {
			w.propose(id, "ana", map[string][]byte{"directory/groups/analysts.yaml": w.replaced("directory/groups/analysts.yaml", "Analysts", "All analysts")})
			w.approve(id, "kim", "lea")
		}, nil, false, ""},
		{"governance denied", func(w *world) {
			w.propose(id, "ana", map[string][]byte{"directory/groups/analysts.yaml": w.replaced("directory/groups/analysts.yaml", "Analysts", "All analysts")})
			w.review(id, "omar", review.Deny, "no")
		}, []string{"denied"}, false, ""},
		{"adds a steward and a request", func(w *world) {
			w.propose(id, "ana", map[string][]byte{
				"directory/groups/privacy.yaml": w.replaced("directory/groups/privacy.yaml", "- user: lea", "- user: ben"),
				requestFile(id, orders):         w.request(id, "ana", orders, "30d"),
			})
			w.approve(id, "kim", "lea", "ben", "omar", "raj")
		}, nil, false, ""},
		{"answers that do not match the form", func(w *world) {
			raw := w.request(id, "ana", orders, "30d", func(r *resource.AccessRequest) { r.Spec.Answers["project"] = "world domination" })
			w.propose(id, "ana", map[string][]byte{requestFile(id, orders): raw})
			w.approve(id, "kim", "lea")
		}, nil, false, ""},
		{"rules on base do not compile", func(w *world) {
			w.byHand(map[string][]byte{"policies/limits.rego": broken, "policies/limits_test.rego": nil})
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim", "raj")
		}, nil, false, ""},
		{"rules on base do not compile, canceled", func(w *world) {
			w.byHand(map[string][]byte{"policies/limits.rego": broken, "policies/limits_test.rego": nil})
			w.ask(id, "ana", pipeline, "30d")
			must(w.t, w.forge.Cancel(w.t.Context(), w.keys["ana"], id, "typo"))
		}, nil, false, ""},
		{"conflicts with base", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.byHand(map[string][]byte{requestFile(id, pipeline): w.request(id, "ben", pipeline, "30d")})
		}, nil, false, ""},
		{"merged by hand", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			head := w.tip("refs/heads/request/" + id)
			old := w.tip(mainRef)
			merge := w.commit(old, map[string][]byte{requestFile(id, pipeline): w.request(id, "ana", pipeline, "30d")}, head)
			must(w.t, w.db.MoveRef(mainRef, old, merge))
		}, nil, false, ""},
		{"merged by the engine's key as something else", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.mergeAs(id, map[string][]byte{requestFile(id, pipeline): w.request(id, "ana", pipeline, "30d"), "directory/groups/privacy.yaml": nil})
		}, nil, false, "something else"},
		{"deletes somebody else's request", func(w *world) {
			w.granted("ben-1", "ben", pipeline, "30d")
			w.propose(id, "ana", map[string][]byte{requestFile("ben-1", pipeline): nil})
		}, nil, false, ""},
		{"withdraws the own request", func(w *world) {
			w.granted("ana-0", "ana", pipeline, "30d")
			w.propose(id, "ana", map[string][]byte{requestFile("ana-0", pipeline): nil})
		}, []string{"ana-0 approved"}, true, ""},
		{"empty", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.byHand(map[string][]byte{requestFile(id, pipeline): w.request(id, "ana", pipeline, "30d")})
			old := w.tip(mainRef)
			must(w.t, w.db.MoveRef(mainRef, old, w.commit(old, nil, w.tip("refs/heads/request/"+id))))
			must(w.t, w.forge.Cancel(w.t.Context(), w.keys["ana"], id, "there already"))
		}, nil, false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			c.make(w)
			before := w.tip(mainRef)
			for run := range 2 {
				out, err := w.det.All(t.Context())
				must(t, err)
				for _, r := range out {
					if (c.err == "") != (r.Err == "") || !strings.Contains(r.Err, c.err) {
						t.Errorf("run %d: %s ended with error %q, want %q", run, r.PullRequest, r.Err, c.err)
					}
				}
				if diff := cmp.Diff(c.outcomes, w.outcomes(id)); diff != "" {
					t.Errorf("run %d: records (-want +got):\n%s", run, diff)
				}
				if got := w.tip(mainRef) != before; got != c.merged {
					t.Errorf("run %d: main moved: %v, want %v", run, got, c.merged)
				}
			}
			facts, err := w.forge.Observe(t.Context(), id)
			if len(c.outcomes) > 0 && (err != nil || facts.State == review.StateOpen) {
				t.Errorf("it is recorded and still open: %s %v", facts.State, err)
			}
		})
	}
}

// mergeAs merges with the determining key and the message that the forge looks
// for, but a tree of its own.
func (w *world) mergeAs(id string, files map[string][]byte) gitdb.OID {
	w.t.Helper()
	old, head := w.tip(mainRef), w.tip("refs/heads/request/"+id)
	c, err := w.db.Commit(old)
	must(w.t, err)
	who := gitdb.Person{Name: "assent", Email: "assent@localhost", When: w.clock}
	oid, err := w.db.WriteCommit(gitdb.Commit{
		Tree: w.tree(c.Tree, files), Parents: []gitdb.OID{old, head}, Author: who, Committer: who,
		Message: "Merge pull request " + id + "\n\nPull-Request: " + id + "\n",
	}, func(p []byte) ([]byte, error) { return w.keys["determining"].Sign("git", p) })
	must(w.t, err)
	must(w.t, w.db.MoveRef(mainRef, old, oid))
	return oid
}

func TestAWithdrawalRevokesTheApprovalItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-0", "ana", pipeline, "30d")
	w.propose("bye", "ana", map[string][]byte{requestFile("ana-0", pipeline): nil})
	w.determine()
	got := w.records(ledger.TypeRevocation)
	if len(got) != 1 {
		t.Fatalf("%d revocations, want 1", len(got))
	}
	body, err := got[0].Revocation()
	must(t, err)
	if body.Determination != "2" || got[0].Subject.Request != "ana-0" {
		t.Errorf("the revocation is of record %s, request %s", body.Determination, got[0].Subject.Request)
	}
	if n := len(w.custody().Approvals); n != 0 {
		t.Errorf("%d approvals remain", n)
	}
}

// A request that asks for another product now moves to its folder: it is ended
// at the old place and approved at the new one, in that order.
func TestAMovedRequestIsApprovedAtItsNewPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-0", "ana", pipeline, "30d")
	w.settled()
	w.propose("move", "ana", map[string][]byte{requestFile("ana-0", pipeline): nil, requestFile("ana-0", orders): w.request("ana-0", "ana", orders, "30d")})
	w.approve("move", "kim", "lea")
	for _, r := range w.determine() {
		if !r.Judgement.Outcome.Grants() {
			t.Fatalf("%s: %s", r.Judgement.Outcome, r.Judgement.Reason)
		}
	}
	c := w.custody()
	if len(c.Approvals) != 1 || len(c.Findings) != 0 {
		t.Fatalf("%d approvals, findings %s", len(c.Approvals), codes(c.Findings))
	}
	w.settled()
	w.want("ana", pipeline, false)
	w.want("ana", orders, true)
}

// A seal distrusts the key that recorded an approval. It counts for nothing then,
// and is not made again by itself: its clock would start anew.
func TestADistrustedDeterminationIsNotMadeAgainByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	w.settled()
	fresh, stolen := newKey(t), w.keys["determining"]
	_, err := w.book.Append(t.Context(), w.keys["root"], w.clock, ledger.Draft{Type: ledger.TypeSeal, Body: ledger.SealBody{
		Determining: fresh.Public().String(), Reconciling: w.keys["reconciling"].Public().String(), DistrustFrom: 2, Reason: "stolen",
	}})
	must(t, err)
	w.clock = w.clock.AddDate(0, 2, 0)
	w.keys["determining"] = fresh
	w.connect()
	w.forge = local.New(w.db, local.Config{Repo: repoID, Branch: "main", Now: w.now, Engine: fresh, Engines: []signature.Public{stolen.Public()}})
	w.det = w.determiner(w.forge)
	if out := w.determine(); len(out) != 1 || out[0].Judgement.Outcome != review.Skipped {
		t.Errorf("%+v", out)
	}
	if n := len(w.outcomes("ana-1")); n != 0 {
		t.Errorf("%d records after the distrust", n)
	}
	if n := len(w.custody().Approvals); n != 0 {
		t.Errorf("%d approvals after the distrust", n)
	}
	w.reconcile()
	w.want("ana", pipeline, false)
}

// What determine reads from git of a change is what the forge states.
func TestTheChangeReadFromGitIsTheForges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-0", "ana", pipeline, "30d")
	w.propose("mix", "ana", map[string][]byte{
		requestFile("ana-0", pipeline): nil,
		requestFile("ana-1", orders):   w.request("ana-1", "ana", orders, "30d"),
	})
	w.approve("mix", "kim", "lea")
	stated, err := w.forge.Observe(t.Context(), "mix")
	must(t, err)
	w.determine()
	at, err := determine.AtMerge(w.db, stated, w.tip(mainRef))
	must(t, err)
	if diff := cmp.Diff(stated, at); diff != "" {
		t.Errorf("facts (-forge +git):\n%s", diff)
	}
}

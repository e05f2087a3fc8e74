package loop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// Each case breaks one link between people's word and a grant for ana-1, whose
// approval was genuine or never given. ben-1 is genuine and stays in force.
func TestABrokenLinkGivesNothingAndHarmsNobodyElse(t *testing.T) {
	const id = "ana-1"
	file := requestFile(id, pipeline)
	cases := []struct {
		name string
		code audit.Code // empty where no record is left to find fault with
		make func(w *world)
	}{
		{"L9: main rewritten to before the merge", audit.CodeNotOnMain, func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			tip := w.tip(mainRef)
			must(w.t, w.db.MoveRef(mainRef, tip, parentOf(w.t, w.db, tip)))
		}},
		{"L9: main rewritten with the same content", audit.CodeNotOnMain, func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			tip := w.tip(mainRef)
			again := w.commit(parentOf(w.t, w.db, tip), map[string][]byte{file: w.request(id, "ana", pipeline, "30d")})
			must(w.t, w.db.MoveRef(mainRef, tip, again))
		}},
		{"L9: the merge is on a side branch", audit.CodeNotOnMain, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			old := w.tip(mainRef)
			f := w.stolen(id)
			f.make(nil)
			merge := w.tip(mainRef)
			side := w.commit(old, map[string][]byte{"docs.txt": []byte("x\n")}, merge)
			must(w.t, w.db.MoveRef(mainRef, merge, side))
		}},
		{"L9: blob swapped at the merge", audit.CodeTree, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.forgeMerge(id, map[string][]byte{file: w.request(id, "ana", pipeline, "300d")}).make(func(f *forgery) {})
		}},
		{"L9: evil merge with one more file", audit.CodeTree, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.forgeMerge(id, map[string][]byte{file: w.request(id, "ana", pipeline, "30d"), "extra.txt": []byte("x\n")}).make(nil)
		}},
		{"L9: the record names another parent", audit.CodeParent, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			f := w.stolen(id)
			f.make(func(f *forgery) { f.body.Change.Parent = string(parentOf(w.t, w.db, gitdb.OID(f.merged.Parent))) })
		}},
		{"L9: the record names another tree", audit.CodeTree, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.body.Change.Tree = string(gitdb.EmptyTree) })
		}},
		{"L9: the head is an object that does not exist", audit.CodeTree, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				f.restate(func(r *review.Facts) { r.Head = strings.Repeat("ab", 20) })
				f.body.Change.Head = f.facts.Head
			})
		}},
		{"L9: the head is no object id", audit.CodeTree, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				f.restate(func(r *review.Facts) { r.Head = "../../etc" })
				f.body.Change.Head = f.facts.Head
			})
		}},
		{"L3: replayed for another request", audit.CodeFile, func(w *world) {
			w.granted(id, "ben", pipeline, "30d")
			d := w.again("ben-1")
			d.Subject.Request, d.Subject.Path = id, file
			w.propose("bye", "ben", map[string][]byte{file: nil})
			w.determine()
			w.append("determining", d)
		}},
		{"L3: replayed for another path", audit.CodeFile, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.subject.Path = requestFile(id, orders) })
		}},
		{"L3: a path that is no path", audit.CodeFile, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.subject.Path = "requests//../" + file })
		}},
		{"L3: another blob", audit.CodeFile, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				blob, err := w.db.WriteBlob(w.request(id, "ana", pipeline, "300d"))
				must(w.t, err)
				f.subject.Blob = string(blob)
			})
		}},
		{"L3: a digest of another repository", audit.CodeDigest, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				f.subject.ContentDigest = ledger.ContentDigest("other", file, w.request(id, "ana", pipeline, "30d"))
			})
		}},
		{"L0: facts of another repository", audit.CodeFacts, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.restate(func(r *review.Facts) { r.Repo = "other" }) })
		}},
		{"L4: the plan of another product", audit.CodeDigest, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				f.body.Plan = json.RawMessage("{}")
				f.subject.PlanDigest = ledger.PlanDigest(f.body.Plan)
			})
		}},
		{"L8: recorded without a single approval", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.stolen(id).make(nil)
		}},
		{"L8: the same, by rules that nobody knows", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.stolen(id).make(func(f *forgery) { f.body.Policy.Builtin = ledger.DigestOf([]byte("mine")) })
		}},
		{"L8: the same, by another engine", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.stolen(id).make(func(f *forgery) { f.body.Policy.Engine = "opa 9.9.9" })
		}},
		{"L8: rules on base do not compile, and the record says that others did", audit.CodeOutcome, func(w *world) {
			w.byHand(map[string][]byte{"policies/limits.rego": []byte("package assent.custom.limits\n\ndeny contains"), "policies/limits_test.rego": nil})
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolenPending(id)
		}},
		{"L8: until stretched", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.body.Until = f.body.Until.AddDate(0, 1, 0) })
		}},
		{"L8: until left out", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.body.Until, f.body.Outcome = time.Time{}, "approved" })
		}},
		{"L8: until stretched, by rules that nobody knows", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				f.body.Until = f.body.Until.AddDate(0, 1, 0)
				f.body.Policy.Builtin = ledger.DigestOf([]byte("mine"))
			})
		}},
		{"L7: the steward was removed at base", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.byHand(map[string][]byte{"directory/groups/finance-stewards.yaml": w.replaced("directory/groups/finance-stewards.yaml", "    - user: kim\n", "")})
			w.stolen(id).make(nil)
		}},
		{"L6: a review invented, not signed", audit.CodeSignature, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			f := w.stolen(id)
			f.facts.HeadFirstSeen = w.clock.Add(-time.Hour)
			f.facts.Reviews = []review.Review{{
				ID: "1", Actor: w.actor("kim"), Verdict: review.Approve, Commit: f.facts.Head, FirstCommit: f.facts.Head, SubmittedAt: w.clock.Add(-time.Minute),
			}}
			f.make(nil)
		}},
		{"L6: a review invented, signed by somebody else", audit.CodeSignature, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "ben")
			f := w.stolen(id)
			f.facts.Reviews[0].Actor = w.actor("kim")
			f.make(nil)
		}},
		{"L6: a review whose signature does not hold", audit.CodeSignature, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			f := w.stolen(id)
			f.facts.Reviews[0].Signed.Payload = strings.Replace(f.facts.Reviews[0].Signed.Payload, "A fair use", "An odd use", 1)
			f.facts.Reviews[0].Body = strings.Replace(f.facts.Reviews[0].Body, "A fair use", "An odd use", 1)
			f.make(nil)
		}},
		{"L6: a denial made an approval", audit.CodeSignature, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.review(id, "kim", review.Deny, "no")
			f := w.stolen(id)
			f.facts.Reviews[0].Verdict = review.Approve
			f.make(nil)
		}},
		{"L6: a comment made an approval, signed for another purpose", audit.CodeSignature, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			f := w.stolen(id)
			s := f.facts.Reviews[0].Signed
			sig, err := w.keys["kim"].Sign("assent.comment.v1", []byte(s.Payload))
			must(w.t, err)
			s.Namespace, s.Signature = "assent.comment.v1", string(sig)
			f.make(nil)
		}},
		{"L6: a signed review of an earlier change of the pull request", audit.CodeFacts, func(w *world) {
			w.ask(id, "ana", pipeline, "10d")
			w.approve(id, "kim")
			was, err := w.forge.Observe(w.t.Context(), id)
			must(w.t, err)
			_, err = w.forge.Push(w.t.Context(), w.keys["ana"], id, map[string][]byte{file: w.request(id, "ana", pipeline, "90d")}, "more")
			must(w.t, err)
			f := w.stolen(id)
			f.facts.ChangeDigest = was.ChangeDigest
			f.make(nil)
		}},
		{"L6: the same, with the review's own digest restated", audit.CodeSignature, func(w *world) {
			w.ask(id, "ana", pipeline, "10d")
			w.approve(id, "kim")
			_, err := w.forge.Push(w.t.Context(), w.keys["ana"], id, map[string][]byte{file: w.request(id, "ana", pipeline, "90d")}, "more")
			must(w.t, err)
			f := w.stolen(id)
			f.facts.Reviews[0].Signed.ChangeDigest = f.facts.ChangeDigest
			f.make(nil)
		}},
		{"L6: a review of another pull request", audit.CodeSignature, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.ask("other", "ana", pipeline, "30d")
			w.approve("other", "kim")
			other, err := w.forge.Observe(w.t.Context(), "other")
			must(w.t, err)
			f := w.stolen(id)
			f.facts.Reviews = other.Reviews
			f.facts.Reviews[0].Signed.ChangeDigest = f.facts.ChangeDigest
			f.make(nil)
		}},
		{"L6: a forge that the repository does not use", audit.CodeFacts, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			f := w.stolen(id)
			f.facts.Forge, f.merged.Forge = "github", "github"
			f.facts.HeadFirstSeen = w.clock.Add(-time.Hour)
			f.facts.Reviews = []review.Review{{
				ID: "1", Actor: review.Actor{Forge: "github", ID: "777"}, Verdict: review.Approve, Commit: f.facts.Head, FirstCommit: f.facts.Head, SubmittedAt: w.clock.Add(-time.Minute),
			}}
			f.make(nil)
		}},
		{"L6: a review on a forge that the repository does not use", audit.CodeSignature, func(w *world) {
			w.byHand(map[string][]byte{"directory/users/kim.yaml": w.replaced("directory/users/kim.yaml", "  forge:\n", "  forge:\n    github:\n      id: 777\n      login: kim\n")})
			w.ask(id, "ana", pipeline, "30d")
			f := w.stolen(id)
			f.facts.HeadFirstSeen = w.clock.Add(-time.Hour)
			f.facts.Reviews = []review.Review{{
				ID: "1", Actor: review.Actor{Forge: "github", ID: "777"}, Verdict: review.Approve, Commit: f.facts.Head, FirstCommit: f.facts.Head, SubmittedAt: w.clock.Add(-time.Minute),
			}}
			f.make(nil)
		}},
		{"L10: files left out of the facts, so that governance looks like a request", audit.CodeFacts, func(w *world) {
			w.propose(id, "ana", map[string][]byte{
				file:                                     w.request(id, "ana", pipeline, "30d"),
				"directory/groups/finance-stewards.yaml": w.replaced("directory/groups/finance-stewards.yaml", "- user: raj", "- user: ben"),
			})
			w.approve(id, "kim")
			f := w.stolen(id)
			f.facts.Files = f.facts.Files[1:]
			f.make(nil)
		}},
		{"L13: replayed after the request was withdrawn", audit.CodeReplayed, func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			w.append("determining", ledger.Draft{Type: ledger.TypeRevocation, Subject: ledger.Subject{Request: id, Path: file},
				Body: ledger.RevocationBody{Determination: fmt.Sprint(len(w.records(ledger.TypeDetermination, ledger.TypeSeal))), By: "kim", Reason: "incident"}})
			w.append("determining", w.again(id))
		}},
		{"L13: revoked, nothing replayed", "", func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			w.append("determining", ledger.Draft{Type: ledger.TypeRevocation, Subject: ledger.Subject{Request: id, Path: file}, Body: ledger.RevocationBody{Determination: "3", By: "kim", Reason: "incident"}})
		}},
		{"L13: deleted by hand", "", func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			w.byHand(map[string][]byte{file: nil})
		}},
		{"L13: deleted by hand and put back", audit.CodeRemoved, func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			raw := w.file(file)
			w.byHand(map[string][]byte{file: nil})
			w.byHand(map[string][]byte{file: raw})
		}},
		{"L13: deleted by hand, put back, and the record replayed", audit.CodeReplayed, func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			raw := w.file(file)
			w.byHand(map[string][]byte{file: nil})
			w.byHand(map[string][]byte{file: raw})
			w.append("determining", w.again(id))
		}},
		{"L13: withdrawn by a pull request and put back by hand", "", func(w *world) {
			w.granted(id, "ana", pipeline, "30d")
			raw := w.file(file)
			w.propose("bye", "ana", map[string][]byte{file: nil})
			w.determine()
			w.byHand(map[string][]byte{file: raw})
		}},
		{"facts that do not decode", audit.CodeFacts, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.body.Facts = json.RawMessage(`{"repo": 7}`) })
		}},
		{"facts with a field that nobody reads", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				f.body.Facts = json.RawMessage(strings.Replace(string(f.body.Facts), "{", `{"note": "x",`, 1))
			})
		}},
		{"facts with a time of their own", audit.CodeOutcome, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) { f.restate(func(r *review.Facts) { r.ObservedAt = r.ObservedAt.AddDate(0, 1, 0) }) })
		}},
		{"a review listed twice", audit.CodeUnjudgeable, func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id).make(func(f *forgery) {
				f.restate(func(r *review.Facts) { r.Reviews = append(r.Reviews, r.Reviews[0]) })
			})
		}},
		{"L14: decided in the future", "", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			f := w.stolen(id)
			f.facts.ObservedAt = f.facts.ObservedAt.AddDate(1, 0, 0)
			f.make(nil)
		}},
		{"merged and never recorded", "", func(w *world) {
			w.ask(id, "ana", pipeline, "30d")
			w.approve(id, "kim")
			w.stolen(id)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.granted("ben-1", "ben", pipeline, "90d")
			genuine := w.custody()
			if len(genuine.Approvals) != 1 || len(genuine.Findings) != 0 {
				t.Fatalf("before: %d approvals, findings %s", len(genuine.Approvals), codes(genuine.Findings))
			}
			c.make(w)
			w.connect()
			got := w.custody()
			if a, ok := got.Approvals[id]; ok && !w.clock.Before(a.NotBefore) {
				t.Errorf("ana-1 is approved: %+v", a)
			}
			if _, ok := got.Approvals["ben-1"]; !ok && !strings.HasPrefix(c.name, "L9: main rewritten") {
				t.Errorf("ben-1 lost its approval: %s", codes(got.Findings))
			}
			found := false
			for _, f := range got.Findings {
				found = found || f.Code == c.code && f.Request == id
				if f.Request == "ben-1" {
					t.Errorf("finding about ben-1: %+v", f)
				}
			}
			if found != (c.code != "") {
				t.Errorf("findings %s (%+v), want %q", codes(got.Findings), got.Findings, c.code)
			}
			w.reconcile()
			w.want("ana", pipeline, false)
			w.want("ben", pipeline, true)
		})
	}
}

// A record that other built-in rules made counts while today's agree, and says so.
func TestARecordOfOtherRulesCountsWhileTodaysAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.ask("ana-1", "ana", pipeline, "30d")
	w.approve("ana-1", "kim")
	w.stolen("ana-1").make(func(f *forgery) {
		f.body.Policy.Builtin, f.body.Policy.Input = ledger.DigestOf([]byte("earlier rules")), ledger.DigestOf([]byte("earlier input"))
	})
	c := w.custody()
	if len(c.Approvals) != 1 || len(c.Findings) != 1 || c.Findings[0].Code != audit.CodeOtherRules {
		t.Errorf("%d approvals, findings %s", len(c.Approvals), codes(c.Findings))
	}
	w.settled()
	w.want("ana", pipeline, true)
}

// An edit on main narrows at once, widens nothing, and an edit that is undone
// leaves what was approved.
func TestAnEditOnMainNeverWidens(t *testing.T) {
	t.Parallel()
	file := requestFile("ana-1", pipeline)
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	approved := w.file(file)
	w.settled()
	w.byHand(map[string][]byte{file: w.request("ana-1", "ana", pipeline, "90d")})
	w.settled()
	w.want("ana", pipeline, true)
	for _, g := range w.observed() {
		if want := w.clock.AddDate(0, 0, 30); !g.NotAfter.Equal(want) {
			t.Errorf("widened by hand: until %s, want %s", g.NotAfter, want)
		}
	}
	w.byHand(map[string][]byte{file: w.request("ana-1", "ana", pipeline, "90d", func(r *resource.AccessRequest) {
		r.Spec.Beneficiaries = []resource.Subject{{User: "ben"}}
	})})
	w.settled()
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, false)
	w.byHand(map[string][]byte{file: approved})
	w.settled()
	w.want("ana", pipeline, true)
}

// The fork that replays a record is refused by the ledger itself: its repository
// id is another.
func TestARecordOfAnotherRepositoryIsNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	other := ledger.Open(w.db, ledger.Trust{Repo: "other", Branch: "assent/ledger", Root: []string{w.keys["root"].Public().Fingerprint()}})
	_, err := (&audit.Auditor{DB: w.db, Ledger: other, Judge: w.judge()}).Custody(t.Context(), w.tip(mainRef))
	var chain *ledger.ChainError
	if !errors.As(err, &chain) || chain.Code != ledger.CodeRepo {
		t.Errorf("got %v, want a fault of the repository id", err)
	}
}

// A key of the wrong role, or of nobody, cannot write a determination.
func TestOnlyTheDeterminingKeyDetermines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	for name, key := range map[string]signature.Signer{"reconciling": w.keys["reconciling"], "steward": w.keys["kim"], "root": w.keys["root"]} {
		if _, err := w.book.Append(t.Context(), key, w.clock, w.again("ana-1")); !errors.Is(err, ledger.ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", name, err)
		}
	}
}

// A cause that passes is no verdict: custody fails, and holds the next time.
func TestWhatCannotBeReadNowIsNoFinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	a := w.auditor()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Custody(ctx, w.tip(mainRef)); err == nil {
		t.Error("custody of a canceled context has no error")
	}
	c, err := a.Custody(t.Context(), w.tip(mainRef))
	if err != nil || len(c.Approvals) != 1 || len(c.Findings) != 0 {
		t.Errorf("%d approvals, findings %s, %v", len(c.Approvals), codes(c.Findings), err)
	}
}

// What audit remembers of a record does not outlive the link that it rests on.
func TestAnAuditorThatRemembersSeesMainRewritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("ana-1", "ana", pipeline, "30d")
	a := w.auditor()
	tip := w.tip(mainRef)
	for _, step := range []struct {
		at   gitdb.OID
		want int
	}{{tip, 1}, {parentOf(t, w.db, tip), 0}, {tip, 1}} {
		c, err := a.Custody(t.Context(), step.at)
		must(t, err)
		if len(c.Approvals) != step.want {
			t.Errorf("at %s: %d approvals, want %d", step.at, len(c.Approvals), step.want)
		}
	}
}

package loop_test

import (
	"encoding/json"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/review"
)

// forgery is a determination made by somebody who has stolen the determining
// key: everything but the signatures of other people is theirs to write.
type forgery struct {
	w      *world
	facts  review.Facts
	judged determine.Judged
	merged ledger.Merged
	// set by make, before the record is signed
	subject ledger.Subject
	body    ledger.DeterminationBody
}

// stolen merges a pull request with the determining key, judges nothing, and
// prepares the record that would approve it.
func (w *world) stolen(id string) *forgery {
	w.t.Helper()
	facts, err := w.forge.Observe(w.t.Context(), id)
	must(w.t, err)
	merged, err := w.forge.Merge(w.t.Context(), id, wanted(facts))
	must(w.t, err)
	at, err := determine.AtMerge(w.db, facts, gitdb.OID(merged.Commit))
	must(w.t, err)
	at, err = w.judge().Held(w.t.Context(), at, w.approvals, nil)
	must(w.t, err)
	f := &forgery{w: w, facts: at}
	f.merged = ledger.Merged{Forge: at.Forge, PullRequest: id, Base: at.Base, Head: at.Head, Parent: merged.Parent, Commit: merged.Commit, Tree: merged.Tree}
	return f
}

// make writes the record as the engine would if it took the facts for true, and
// approved until set makes of it what it likes.
func (f *forgery) make(set func(*forgery)) {
	f.w.t.Helper()
	ctx := f.w.t.Context()
	var err error
	f.judged, err = f.w.judge().Judge(ctx, f.facts)
	must(f.w.t, err)
	if len(f.judged.Determinations) == 0 {
		f.w.t.Fatal("there is nothing to forge")
	}
	d := f.judged.Determinations[0]
	if !d.Outcome.Grants() {
		d.Outcome, d.Reason, d.Until = review.TemporarilyApproved, "approved", f.facts.ObservedAt.AddDate(0, 0, 30)
	}
	f.body, err = determine.Body(f.facts, f.judged, d, f.merged)
	must(f.w.t, err)
	raw, err := f.w.db.Blob(gitdb.OID(d.Blob), 1<<20)
	must(f.w.t, err)
	snapshot, err := f.w.loader.At(ctx, gitdb.OID(f.merged.Commit))
	must(f.w.t, err)
	f.body.Plan, err = determine.ResolvedPlan(snapshot.Set, d.Request, d.NotBefore, d.Until, d.DecidedAt)
	must(f.w.t, err)
	f.subject = ledger.Subject{
		Request: string(d.Request), Path: d.File, Blob: d.Blob,
		ContentDigest: ledger.ContentDigest(repoID, d.File, raw), PlanDigest: ledger.PlanDigest(f.body.Plan),
	}
	if set != nil {
		set(f)
	}
	_, err = f.w.book.Append(ctx, f.w.keys["determining"], f.w.clock, ledger.Draft{Type: ledger.TypeDetermination, Subject: f.subject, Body: f.body})
	must(f.w.t, err)
}

// restate puts other facts into a record that was judged on the true ones.
func (f *forgery) restate(change func(*review.Facts)) {
	change(&f.facts)
	raw, err := ledger.Canonical(f.facts)
	must(f.w.t, err)
	f.body.Facts = raw
}

// again is the newest approval record of a request, to be written once more.
func (w *world) again(request string) ledger.Draft {
	w.t.Helper()
	var d ledger.Draft
	for _, v := range w.records(ledger.TypeDetermination) {
		if v.Subject.Request == request {
			body, err := v.Determination()
			must(w.t, err)
			d = ledger.Draft{Type: v.Type, Subject: v.Subject, Body: body}
		}
	}
	return d
}

func (w *world) append(key string, drafts ...ledger.Draft) {
	w.t.Helper()
	_, err := w.book.Append(w.t.Context(), w.keys[key], w.clock, drafts...)
	must(w.t, err)
}

func (w *world) actor(who string) review.Actor {
	return review.Actor{Forge: "local", ID: w.keys[who].Public().Fingerprint()}
}

// forgeMerge is stolen with a tree that is not the merge of what was reviewed.
func (w *world) forgeMerge(id string, files map[string][]byte) *forgery {
	w.t.Helper()
	facts, err := w.forge.Observe(w.t.Context(), id)
	must(w.t, err)
	facts, err = w.judge().Held(w.t.Context(), facts, w.approvals, nil)
	must(w.t, err)
	merge, err := w.db.Commit(w.mergeAs(id, files))
	must(w.t, err)
	return &forgery{w: w, facts: facts, merged: ledger.Merged{
		Forge: facts.Forge, PullRequest: id, Base: facts.Base, Head: facts.Head,
		Parent: string(merge.Parents[0]), Commit: string(merge.OID), Tree: string(merge.Tree),
	}}
}

// stolenPending records an approval where the judge has no determination at all.
func (w *world) stolenPending(id string) {
	w.t.Helper()
	f := w.stolen(id)
	facts, err := ledger.Canonical(f.facts)
	must(w.t, err)
	file := f.facts.Files[0]
	raw, err := w.db.Blob(gitdb.OID(file.NewBlob), 1<<20)
	must(w.t, err)
	body := ledger.DeterminationBody{
		Outcome: "approved", Reason: "approved", DecidedAt: w.clock, Change: f.merged,
		Policy: ledger.PolicyRef{Engine: "opa 1", Builtin: ledger.DigestOf([]byte("b")), Custom: ledger.DigestOf([]byte("c")), Input: ledger.DigestOf([]byte("i")), Decision: ledger.DigestOf([]byte("d"))},
		Facts:  facts, Stages: json.RawMessage("{}"), Plan: json.RawMessage("{}"),
	}
	w.append("determining", ledger.Draft{Type: ledger.TypeDetermination, Body: body, Subject: ledger.Subject{
		Request: id, Path: file.Path, Blob: file.NewBlob, ContentDigest: ledger.ContentDigest(repoID, file.Path, raw), PlanDigest: ledger.PlanDigest(body.Plan),
	}})
}

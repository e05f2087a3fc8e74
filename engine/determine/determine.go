package determine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// Determiner carries pull requests to their end.
type Determiner struct {
	DB     *gitdb.DB
	Judge  *Judge
	Forge  forge.Forge
	Ledger *ledger.Ledger
	Key    signature.Signer // the determining key
	Now    func() time.Time
	// Approvals are the approvals in force now, proven; it is asked only where a
	// rule of the organisation reads what people hold.
	Approvals func(context.Context) (grant.Determinations, error)
	// Render makes what people are shown of a pull request; its Head and Judgement
	// are filled in.
	Render func(context.Context, review.Facts, review.Judgement) forge.Report

	// Extend opens a pull request that asks for the same again, once for each
	// comment, and returns its id; nil where that cannot be done. Its error is for
	// whoever asked.
	Extend func(context.Context, Extension) (string, error)

	mu   sync.Mutex
	book book
}

// Result is how one pull request stands after a run.
type Result struct {
	PullRequest string           `json:"pullRequest"`
	Judgement   review.Judgement `json:"judgement"`
	Merged      string           `json:"merged,omitempty"` // the merge commit
	Records     []uint64         `json:"records,omitempty"`
	Err         string           `json:"error,omitempty"`
	// Notes are what went wrong beside the determination and held nothing up.
	Notes []string `json:"notes,omitempty"`
}

// lately is for how long All shows anew what became of a merged pull request.
const lately = 24 * time.Hour

// All determines every pull request that has no record of its end yet, and shows
// anew those for which access came or went lately. One that cannot be judged is
// told of in its own Result and holds up no other.
func (d *Determiner) All(ctx context.Context) ([]Result, error) {
	known, err := d.read(ctx)
	if err != nil {
		return nil, err
	}
	list, err := d.Forge.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list pull requests: %w", err)
	}
	var out []Result
	shown := d.effects(known, 0, d.Now().Add(-lately))
	for _, pr := range list {
		over := known.ended[pr.ID] && pr.State != review.StateOpen
		if over && !slices.Contains(shown, pr.ID) {
			continue
		}
		r, err := d.one(ctx, pr.ID)
		if over && err == nil {
			continue // nothing was determined
		}
		if err != nil {
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			r.PullRequest, r.Err = pr.ID, err.Error()
		}
		out = append(out, r)
	}
	return out, nil
}

// Waiting lists the pull requests in some states that have no record of their
// end yet, or are open all the same. It reads and verifies the ledger, and lists;
// it looks at none of them.
func (d *Determiner) Waiting(ctx context.Context, states ...review.State) ([]forge.PullRequest, error) {
	known, err := d.read(ctx)
	if err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	for _, s := range states {
		list, err := d.Forge.List(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("list pull requests: %w", err)
		}
		for _, pr := range list {
			if pr.State == review.StateOpen || !known.ended[pr.ID] && !known.distrusted[pr.ID] {
				out = append(out, pr)
			}
		}
	}
	return out, nil
}

// One determines one pull request.
func (d *Determiner) One(ctx context.Context, id string) (Result, error) { return d.one(ctx, id) }

const maxTries = 5

// one judges again when base or head moved while it judged.
func (d *Determiner) one(ctx context.Context, id string) (r Result, err error) {
	for range maxTries {
		var said orders
		if r, err = d.step(ctx, id, &said); errors.Is(err, forge.ErrMoved) {
			continue
		}
		if err == nil {
			if unanswered := d.respond(ctx, id, said); unanswered != nil {
				r.Notes = append(r.Notes, "answer commands: "+unanswered.Error())
			}
		}
		return r, err
	}
	return r, err
}

// step goes on from wherever an earlier run ended: the forge says whether the
// pull request is merged or closed, the ledger whether its end is recorded.
//
//	state on the forge   in the ledger   what is done
//	open                 -               judge; approved: merge and record; denied, lapsed: record and close
//	open                 yes             close
//	merged               -               judge the merge; approved: record; else ErrNotMerged
//	merged               distrusted      nothing: whoever still wants it asks again
//	canceled             -               record, as denied where somebody denied it before
//	closed               -               nothing: closed without a determination
//	any                  yes             nothing
func (d *Determiner) step(ctx context.Context, id string, said *orders) (Result, error) {
	known, err := d.read(ctx)
	if err != nil {
		return Result{}, err
	}
	facts, err := d.Forge.Observe(ctx, id)
	if err != nil {
		return Result{}, fmt.Errorf("observe %s: %w", id, err)
	}
	if !known.ended[id] && facts.State != review.StateClosed {
		if facts, err = d.complete(ctx, known, facts); err != nil {
			return Result{}, err
		}
	}
	result := Result{PullRequest: id}
	if err := d.listen(ctx, facts, said); err != nil {
		result.Notes = append(result.Notes, "read commands: "+err.Error())
	}
	switch {
	case known.ended[id] && facts.State == review.StateOpen:
		return result, d.Forge.Close(ctx, id, "decided before; the record is in the ledger")
	case known.ended[id], facts.State == review.StateClosed:
		result.Judgement = review.Judgement{Outcome: review.Skipped, Reason: "already ended"}
		return result, d.refresh(ctx, known, facts, *said)
	case known.distrusted[id] && facts.State == review.StateMerged:
		result.Judgement = review.Judgement{Outcome: review.Skipped, Reason: "the key that signed its record is distrusted now; ask again in a new pull request"}
		return result, nil
	case facts.State == review.StateCanceled:
		return d.cancel(ctx, facts)
	case facts.State == review.StateMerged:
		return d.merge(ctx, facts)
	}
	judged, err := d.Judge.Judge(ctx, facts)
	if err != nil {
		return result, err
	}
	result.Judgement = judged.Judgement
	if err := d.queue(ctx, known, facts); err != nil {
		return result, err
	}
	switch {
	case judged.Outcome == review.Denied:
		return d.shut(ctx, result, facts, judged)
	case said.withdrew != "": // before an approval: whoever asked no longer wants it
		judged.lapse(said.withdrew)
		result.Judgement = judged.Judgement
		return d.shut(ctx, result, facts, judged)
	case judged.Outcome.Grants():
		// A forge that requires our word before anything merges has to hear it first.
		if err := d.publish(ctx, facts, judged.Judgement, orders{}); err != nil {
			return result, err
		}
		merged, err := d.merge(ctx, facts)
		if errors.Is(err, forge.ErrQueued) {
			return result, nil
		}
		return merged, err
	}
	if reason, lapsed := judged.Lapsed(facts.ObservedAt); lapsed {
		judged.lapse(reason)
		result.Judgement = judged.Judgement
		return d.shut(ctx, result, facts, judged)
	}
	judged.Impact = d.impact(ctx, facts, judged)
	result.Judgement = judged.Judgement
	return result, d.publish(ctx, facts, judged.Judgement, *said)
}

// shut records and shows how a pull request ended without a merge, and closes it.
func (d *Determiner) shut(ctx context.Context, result Result, facts review.Facts, judged Judged) (Result, error) {
	var err error
	if result.Records, err = d.record(ctx, facts, judged, ledger.Merged{}); err != nil {
		return result, err
	}
	if err := d.publish(ctx, facts, judged.Judgement, orders{}); err != nil {
		return result, err
	}
	return result, d.Forge.Close(ctx, facts.PullRequest, judged.Reason)
}

func (d *Determiner) publish(ctx context.Context, facts review.Facts, j review.Judgement, said orders) error {
	var report forge.Report
	if d.Render != nil {
		report = d.Render(ctx, facts, j)
	}
	report.Head, report.Judgement = facts.Head, j
	report.Remind, report.Notes = said.remind, said.notes
	if err := d.Forge.Publish(ctx, facts.PullRequest, report); err != nil {
		return fmt.Errorf("publish %s: %w", facts.PullRequest, err)
	}
	return nil
}

// merge merges what was approved, judges the merge itself and records it. The
// record rests on the second judgement only.
func (d *Determiner) merge(ctx context.Context, facts review.Facts) (Result, error) {
	result := Result{PullRequest: facts.PullRequest}
	merged, err := d.Forge.Merge(ctx, facts.PullRequest, forge.Want{Base: facts.Base, Head: facts.Head, Tree: facts.ResultTree})
	if err != nil {
		return result, fmt.Errorf("merge %s: %w", facts.PullRequest, err)
	}
	result.Merged = merged.Commit
	at, err := AtMerge(d.DB, facts, gitdb.OID(merged.Commit))
	if err != nil {
		return result, err
	}
	judged, err := d.Judge.Judge(ctx, at)
	if err != nil {
		return result, err
	}
	result.Judgement = judged.Judgement
	if !judged.Outcome.Grants() {
		return result, fmt.Errorf("judge merge %s: %s: %w", merged.Commit, judged.Reason, ErrNotMerged)
	}
	result.Records, err = d.record(ctx, at, judged, ledger.Merged{Commit: merged.Commit, Parent: merged.Parent, Tree: merged.Tree})
	if err != nil {
		return result, err
	}
	return result, d.publish(ctx, facts, judged.Judgement, orders{})
}

// cancel records that a pull request was withdrawn. One that changes nothing,
// or is at a base whose rules cannot be read, leaves nothing to record.
func (d *Determiner) cancel(ctx context.Context, facts review.Facts) (Result, error) {
	result := Result{PullRequest: facts.PullRequest}
	judged, err := d.Judge.Judge(ctx, facts)
	if err != nil {
		return result, err
	}
	result.Judgement = judged.Judgement
	if len(judged.Determinations) == 0 {
		return result, nil
	}
	result.Records, err = d.record(ctx, facts, judged, ledger.Merged{})
	return result, err
}

// record appends one record for each request of the pull request, in one batch.
// Where another determiner was faster it appends nothing.
func (d *Determiner) record(ctx context.Context, facts review.Facts, judged Judged, merged ledger.Merged) ([]uint64, error) {
	for {
		known, err := d.read(ctx)
		if err != nil || known.ended[facts.PullRequest] {
			return nil, err
		}
		drafts, err := d.drafts(ctx, known, facts, judged, merged)
		if err != nil {
			return nil, err
		}
		appended, err := d.Ledger.AppendAfter(ctx, d.Key, d.Now(), known.head, drafts...)
		if errors.Is(err, gitdb.ErrMoved) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("append to ledger: %w", err)
		}
		var seqs []uint64
		for _, v := range appended {
			seqs = append(seqs, v.Seq)
		}
		return seqs, nil
	}
}

// drafts are the records of a pull request: first what its deletions end, so
// that a request that moved is ended before it is approved at its new place.
func (d *Determiner) drafts(ctx context.Context, known book, facts review.Facts, judged Judged, merged ledger.Merged) ([]ledger.Draft, error) {
	merged.Forge, merged.PullRequest = facts.Forge, facts.PullRequest
	merged.Base, merged.Head = facts.Base, facts.Head
	if merged.Parent == "" {
		merged.Parent = facts.Base
	}
	if len(judged.Determinations) == 0 {
		return nil, errors.New("record determination: nothing was determined")
	}
	out := withdrawals(known, facts, judged, merged)
	for _, r := range judged.Determinations {
		draft, err := d.draft(ctx, facts, judged, ending(r, judged.Judgement), merged)
		if err != nil {
			return nil, err
		}
		out = append(out, draft)
	}
	return out, nil
}

// ending is how a request of a pull request that is over has ended: one that was
// neither approved nor denied itself ended with the others.
func ending(r review.Determination, whole review.Judgement) review.Determination {
	if r.Request == "" && r.Review == "" && r.File != "" { // unreadable; its name is that of the file
		r.Request = nameOf(r.File)
	}
	if whole.Outcome.Grants() || r.Outcome == review.Denied || r.Outcome == review.Canceled {
		return r
	}
	r.Outcome, r.Until, r.NotBefore = review.Canceled, time.Time{}, time.Time{}
	r.Reason = "closed with its pull request: " + whole.Reason
	return r
}

func nameOf(file string) resource.Name {
	return resource.Name(strings.TrimSuffix(path.Base(file), ".yaml"))
}

func (d *Determiner) draft(ctx context.Context, facts review.Facts, judged Judged, r review.Determination, merged ledger.Merged) (ledger.Draft, error) {
	body, err := Body(facts, judged, r, merged)
	if err != nil {
		return ledger.Draft{}, err
	}
	subject := ledger.Subject{Request: string(r.Request), Review: string(r.Review), Path: r.File, Blob: r.Blob} // all empty for a governance change
	if r.Blob != "" {
		raw, err := d.DB.Blob(gitdb.OID(r.Blob), maxRequestBytes)
		if errors.Is(err, gitdb.ErrTooLarge) && !r.Outcome.Grants() {
			return ledger.Draft{Type: ledger.TypeDetermination, Subject: subject, Body: body}, nil
		}
		if err != nil {
			return ledger.Draft{}, err
		}
		subject.ContentDigest = ledger.ContentDigest(facts.Repo, r.File, raw)
		planned, err := d.resolvedPlan(ctx, merged, r)
		if err != nil {
			return ledger.Draft{}, err
		}
		body.Plan, subject.PlanDigest = planned, ledger.PlanDigest(planned)
	}
	return ledger.Draft{Type: ledger.TypeDetermination, Subject: subject, Body: body}, nil
}

const maxRequestBytes = 32 << 10

// Body is the body of the record of one determination. It depends on its
// arguments alone, so that audit can make it again and compare.
func Body(facts review.Facts, judged Judged, r review.Determination, merged ledger.Merged) (ledger.DeterminationBody, error) {
	f, err := ledger.Canonical(facts)
	if err != nil {
		return ledger.DeterminationBody{}, fmt.Errorf("encode facts: %w", err)
	}
	stages, err := ledger.Canonical(struct {
		Flow    review.FlowRef        `json:"flow"`
		Stages  []review.StageResult  `json:"stages"`
		Reviews []review.ReviewResult `json:"reviews"`
		Ruling
	}{r.Flow, r.Stages, r.Reviews, rulingOf(r)})
	if err != nil {
		return ledger.DeterminationBody{}, fmt.Errorf("encode stages: %w", err)
	}
	return ledger.DeterminationBody{
		Outcome: string(r.Outcome), Reason: r.Reason,
		NotBefore: r.NotBefore, Until: r.Until, DecidedAt: r.DecidedAt,
		Change: merged,
		Policy: ledger.PolicyRef{
			Engine: judged.Engine, Builtin: ledger.Digest(judged.Builtin), Custom: ledger.Digest(judged.Custom),
			Input: digestOf(r.Input), Decision: digestOf(r.Decision),
		},
		Facts: f, Stages: stages, Plan: json.RawMessage("{}"),
	}, nil
}

func digestOf(data []byte) ledger.Digest {
	return ledger.Digest(resource.Origin{Raw: data}.Digest())
}

// resolvedPlan is what the approval opens at the merge, with absolute times:
// what the stewards agreed to, spelt out.
func (d *Determiner) resolvedPlan(ctx context.Context, merged ledger.Merged, r review.Determination) ([]byte, error) {
	if merged.Commit == "" || !r.Outcome.Grants() {
		return []byte("{}"), nil
	}
	snapshot, err := d.Judge.At(ctx, gitdb.OID(merged.Commit))
	if err != nil {
		return nil, fmt.Errorf("load merge: %w", err)
	}
	return ResolvedPlan(snapshot.Set, r.Request, r.NotBefore, r.Until, r.DecidedAt)
}

// ResolvedPlan is the canonical plan of one approval at one Set.
func ResolvedPlan(set *resource.Set, request resource.Name, notBefore, until, decidedAt time.Time) ([]byte, error) {
	at := decidedAt
	if notBefore.After(at) {
		at = notBefore
	}
	req, ok := resource.Get[*resource.AccessRequest](set, resource.KindAccessRequest, request)
	if !ok {
		return ledger.Canonical(grant.State{})
	}
	approval := grant.Approval{Request: request, ContentDigest: req.Digest(), NotBefore: notBefore, Until: until, DecidedAt: decidedAt}
	wish := grant.Desired(set, grant.Determinations{request: approval}, at)
	wish.Grants = slices.DeleteFunc(wish.Grants, func(g grant.Grant) bool { return !slices.Contains(g.Requests, req.Ref()) })
	wish.Roles = slices.DeleteFunc(wish.Roles, func(role grant.Role) bool {
		return !slices.ContainsFunc(wish.Grants, func(g grant.Grant) bool { return g.RoleKey == role.RoleKey })
	})
	return canonicalPlan(wish)
}

// maxPlan is how large a plan may be to be spelt out in a record, in bytes; see
// ledger.MaxRecord.
const maxPlan = 256 << 10

// summary stands in a plan for a role that opens too much to be spelt out.
type summary struct {
	grant.RoleKey
	Count  int           `json:"count"`  // of objects
	Digest ledger.Digest `json:"digest"` // of the canonical list of them
}

// canonicalPlan spells out what a wish opens, or where that is too large for a
// record, how many objects each role opens and their digest.
func canonicalPlan(wish grant.Wish) ([]byte, error) {
	whole, err := ledger.Canonical(struct {
		grant.State
		Prevented []grant.Prevented `json:"prevented,omitempty"`
	}{wish.State, wish.Prevented})
	if err != nil || len(whole) <= maxPlan {
		return whole, err
	}
	var roles []summary
	for _, r := range wish.Roles {
		objects, err := ledger.Canonical(r.Objects)
		if err != nil {
			return nil, err
		}
		roles = append(roles, summary{r.RoleKey, len(r.Objects), digestOf(objects)})
	}
	return ledger.Canonical(struct {
		Roles     []summary         `json:"roles"`
		Grants    []grant.Grant     `json:"grants"`
		Prevented []grant.Prevented `json:"prevented,omitempty"`
	}{roles, wish.Grants, wish.Prevented})
}

// withdrawals are the revocations of approved requests whose file the pull
// request deletes.
func withdrawals(known book, facts review.Facts, judged Judged, merged ledger.Merged) []ledger.Draft {
	var out []ledger.Draft
	for _, f := range facts.Files {
		seq, ok := known.approved[f.Path]
		if merged.Commit == "" || f.NewBlob != "" || !ok {
			continue
		}
		out = append(out, ledger.Draft{
			Type:    ledger.TypeRevocation,
			Subject: ledger.Subject{Request: string(nameOf(f.Path)), Path: f.Path, Blob: f.OldBlob},
			Body:    ledger.RevocationBody{Determination: strconv.FormatUint(seq, 10), By: facts.Author.ID, Reason: judged.Reason},
		})
	}
	return out
}

package determine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// MaxImpact is how many past determinations are replayed where nobody says more.
const MaxImpact = 500

// Past is a determination as the ledger holds it, to be judged again otherwise.
type Past struct {
	Seq     uint64
	Request resource.Name
	Outcome review.Outcome
	Until   time.Time
	Reason  string
	Facts   review.Facts
}

// PastOf are the newest determinations of requests, at most limit, oldest first.
// Withdrawals, cancellations and changes of governance are not among them: no
// rule decided on those by the flow of a request.
func PastOf(ctx context.Context, l *ledger.Ledger, limit int) ([]Past, error) {
	var out []Past
	for v, err := range l.Replay(ctx) {
		if err != nil {
			return nil, fmt.Errorf("replay ledger: %w", err)
		}
		if v.Type != ledger.TypeDetermination || v.Subject.Request == "" || v.Subject.Blob == "" {
			continue
		}
		body, err := v.Determination()
		if err != nil {
			return nil, fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		if review.Outcome(body.Outcome) == review.Canceled {
			continue
		}
		p := Past{Seq: v.Seq, Request: resource.Name(v.Subject.Request), Outcome: review.Outcome(body.Outcome), Until: body.Until, Reason: body.Reason}
		if err := json.Unmarshal(body.Facts, &p.Facts); err != nil {
			return nil, fmt.Errorf("read facts of record %d: %w", v.Seq, err)
		}
		out = append(out, p)
		if len(out) > 2*limit {
			out = append([]Past{}, out[len(out)-limit:]...)
		}
	}
	return out[max(0, len(out)-limit):], nil
}

// Impact replays past determinations with the rules, forms, flows and directory
// of change, and tells which would now come out otherwise. current is main as it
// is: what differs with it too, differs for another reason than the change.
//
// Everything but the request and the file that it replaced comes from change; the
// request counts as made for the forms and agreements of change, too.
func (j *Judge) Impact(ctx context.Context, change, current *repo.Snapshot, past []Past) (review.Impact, error) {
	out := review.Impact{Checked: len(past), Differences: []review.ImpactDifference{}}
	then, err := j.replayer(ctx, change)
	if err != nil {
		return out, fmt.Errorf("compile the rules of the change: %w", err)
	}
	now, err := j.replayer(ctx, current)
	if err != nil {
		return out, fmt.Errorf("compile the rules of main: %w", err)
	}
	for _, p := range past {
		d, err := then.judge(ctx, p)
		if err != nil {
			return out, err
		}
		if d.Outcome == p.Outcome && d.Until.Equal(p.Until) {
			continue
		}
		same, err := now.judge(ctx, p)
		if err != nil {
			return out, err
		}
		out.Differences = append(out.Differences, review.ImpactDifference{
			Request: p.Request, PullRequest: p.Facts.PullRequest, Record: p.Seq,
			Old: p.Outcome, New: d.Outcome, OldUntil: p.Until, NewUntil: d.Until, OldReason: p.Reason, NewReason: d.Reason,
			OnMain: same.Outcome == d.Outcome && same.Until.Equal(d.Until),
		})
	}
	return out, nil
}

// replayer judges past facts at one state of the repository.
type replayer struct {
	judges *Judge
	engine *policy.Engine
	set    *resource.Set // without requests
	all    []resource.Resource
}

func (j *Judge) replayer(ctx context.Context, s *repo.Snapshot) (replayer, error) {
	engine, err := j.engine(ctx, s.Policies)
	if err != nil {
		return replayer{}, err
	}
	r := replayer{judges: j, engine: engine}
	for res := range s.Set.All() {
		if res.Ref().Kind != resource.KindAccessRequest {
			r.all = append(r.all, res)
		}
	}
	r.set = resource.NewSet(r.all...)
	return r, nil
}

func (r replayer) judge(ctx context.Context, p Past) (review.Determination, error) {
	base, err := r.judges.loader.At(ctx, gitdb.OID(p.Facts.Base))
	if err != nil {
		return review.Determination{}, fmt.Errorf("load base of record %d: %w", p.Seq, err)
	}
	head, err := r.judges.loader.At(ctx, gitdb.OID(p.Facts.Head))
	if err != nil {
		return review.Determination{}, fmt.Errorf("load head of record %d: %w", p.Seq, err)
	}
	set := r.set
	if old := replaced(base.Set, p.Facts); len(old) > 0 {
		set = resource.NewSet(append(append([]resource.Resource{}, r.all...), old...)...)
	}
	facts := p.Facts
	facts.State = review.StateOpen
	judged, err := review.DetermineIn(ctx, r.engine, review.Sets{Base: set, Head: r.repinned(head.Set, facts)}, facts)
	if err != nil {
		return review.Determination{}, fmt.Errorf("judge record %d again: %w", p.Seq, err)
	}
	out := Judged{Judgement: judged}
	holdUnread(&out, facts, r.engine.Reads)
	for _, d := range out.Determinations {
		if d.Request == p.Request {
			return d, nil
		}
	}
	return review.Determination{Request: p.Request, Outcome: review.Pending, Reason: out.Reason}, nil
}

// repinned are the requests of a pull request, pinned to the forms and agreements
// of the change: asked is what would come of them if they were made under it.
func (r replayer) repinned(head *resource.Set, facts review.Facts) *resource.Set {
	var out []resource.Resource
	for _, req := range requestsIn(head, facts.Files) {
		again := *req
		name := resource.FormFor(r.set, req)
		if form, ok := resource.FormOf(r.set, name); ok {
			again.Spec.Form = resource.PinnedForm{Name: name, Digest: form.Digest()}
			if a, ok := resource.Get[*resource.DataUseAgreement](r.set, resource.KindDataUseAgreement, form.Spec.Agreement); ok {
				again.Spec.Agreement = &resource.Acceptance{Name: form.Spec.Agreement, Digest: a.Digest(), Accepted: true}
			} else {
				again.Spec.Agreement = nil
			}
		}
		out = append(out, &again)
	}
	return resource.NewSet(out...)
}

// replaced are the requests that a pull request changed, as they were before.
func replaced(base *resource.Set, facts review.Facts) []resource.Resource {
	var out []resource.Resource
	files := map[string]bool{}
	for _, f := range facts.Files {
		files[f.Path] = f.OldBlob != ""
	}
	for req := range resource.Of[*resource.AccessRequest](base) {
		if files[req.Origin().File] {
			out = append(out, req)
		}
	}
	return out
}

// What is looked at for every open change of governance has to be cheap.
const (
	impactFiles   = 5000
	impactTimeout = 15 * time.Second
)

// impact is what a pending change of governance would have made of the past; nil
// for anything else, and where the repository is too large to look each time.
func (d *Determiner) impact(ctx context.Context, facts review.Facts, judged Judged) *review.Impact {
	if judged.Class != review.ClassGovernance || facts.ResultTree == "" || len(judged.Base.Files) > impactFiles {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, impactTimeout)
	defer cancel()
	out, err := d.impactOf(ctx, facts, judged)
	if err != nil {
		return &review.Impact{Differences: []review.ImpactDifference{}, Err: err.Error()}
	}
	return &out
}

func (d *Determiner) impactOf(ctx context.Context, facts review.Facts, judged Judged) (review.Impact, error) {
	change, err := d.Judge.loader.AtTree(ctx, gitdb.OID(facts.ResultTree))
	if err != nil {
		return review.Impact{}, fmt.Errorf("load result: %w", err)
	}
	past, err := PastOf(ctx, d.Ledger, MaxImpact)
	if err != nil {
		return review.Impact{}, err
	}
	return d.Judge.Impact(ctx, change, judged.Base, past)
}

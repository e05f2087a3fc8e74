// Package audit answers questions over main and the ledger: which approvals are
// in force and proven, and whether the whole chain holds. It needs git objects
// and public keys only, changes nothing and reaches no forge and no platform.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Code is a stable reason why a record gives no access.
type Code string

// The reasons.
const (
	CodeNotOnMain   Code = "not-on-main"   // the merge is not on main's first-parent chain
	CodeParent      Code = "parent"        // the merge's first parent is another commit
	CodeTree        Code = "tree"          // the merge holds another tree than what was reviewed gives
	CodeFile        Code = "file"          // the request file at head or merge is not the recorded blob
	CodeDigest      Code = "digest"        // a digest does not match the bytes
	CodeFacts       Code = "facts"         // the facts do not name the same change, or do not decode
	CodeSignature   Code = "signature"     // a review's own signature does not hold
	CodeOutcome     Code = "outcome"       // judged again, the outcome is another
	CodeUnreadable  Code = "unreadable"    // the record's body does not decode
	CodeOtherRules  Code = "other-rules"   // made by other built-in rules: signatures and digests hold, the judgement was not repeated
	CodeNoRecord    Code = "no-record"     // on main without a determination
	CodeUnjudgeable Code = "not-judgeable" // judging again ended in an error
)

// Finding is one thing that does not hold, or could not be checked.
type Finding struct {
	Seq     uint64        `json:"seq,omitempty"`
	Request resource.Name `json:"request,omitempty"`
	Commit  string        `json:"commit,omitempty"`
	Code    Code          `json:"code"`
	Detail  string        `json:"detail"`
}

// Custody is what the ledger proves at one tip of main.
type Custody struct {
	Main gitdb.OID
	Head ledger.Mark
	// Approvals are the determinations that passed every check and were not
	// ended since.
	Approvals grant.Determinations
	// Applied are the grants that were applied and not revoked since, as recorded.
	Applied map[grant.Key]grant.Grant
	// Servers is the server that each connection was last seen to be.
	Servers map[resource.Name]string
	// Merges are the merge commits that have a record.
	Merges map[gitdb.OID]bool
	// Observed are the codes that were observed already, by subject.
	Observed map[string]bool
	// Confirmed are the batches that people confirmed.
	Confirmed map[string]bool
	// Findings tell why a record counts for nothing.
	Findings []Finding
	// Records and Determinations count what was checked.
	Records, Determinations int
}

// Auditor checks a repository and its ledger.
type Auditor struct {
	DB     *gitdb.DB
	Ledger *ledger.Ledger
	Judge  *determine.Judge

	admitted map[ledger.Digest]*Finding // by record; nil is admitted
}

// Custody replays the ledger and checks every determination against main. An
// error means that nothing is proven: the caller may revoke what expires and
// grant nothing.
func (a *Auditor) Custody(ctx context.Context, main gitdb.OID) (Custody, error) {
	c := Custody{
		Main: main, Approvals: grant.Determinations{}, Applied: map[grant.Key]grant.Grant{},
		Servers: map[resource.Name]string{}, Merges: map[gitdb.OID]bool{}, Observed: map[string]bool{}, Confirmed: map[string]bool{},
	}
	chain, err := a.firstParents(main)
	if err != nil {
		return c, err
	}
	for v, err := range a.Ledger.Replay(ctx) {
		if err != nil {
			return c, fmt.Errorf("replay ledger: %w", err)
		}
		c.Records++
		c.Head = ledger.Mark{Seq: v.Seq, Digest: v.Digest}
		if err := a.apply(ctx, &c, chain, v); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (a *Auditor) firstParents(tip gitdb.OID) (map[gitdb.OID]gitdb.Commit, error) {
	commits, _, err := a.DB.FirstParents(tip, "")
	if err != nil {
		return nil, fmt.Errorf("list main: %w", err)
	}
	out := make(map[gitdb.OID]gitdb.Commit, len(commits))
	for _, c := range commits {
		out[c.OID] = c
	}
	return out, nil
}

// apply takes one verified record into the custody.
func (a *Auditor) apply(ctx context.Context, c *Custody, chain map[gitdb.OID]gitdb.Commit, v ledger.Verified) error {
	switch v.Type {
	case ledger.TypeDetermination:
		return a.applyDetermination(ctx, c, chain, v)
	case ledger.TypeRevocation:
		delete(c.Approvals, resource.Name(v.Subject.Request))
	case ledger.TypeApplied, ledger.TypeRevoked:
		return applyEffect(c, v)
	case ledger.TypeObservation:
		body, err := v.Observation()
		if err != nil {
			return fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		c.Observed[ObservationKey(v.Subject, body.Code)] = true
	case ledger.TypeOverride:
		body, err := v.Override()
		if err != nil {
			return fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		c.Confirmed[string(body.Batch)] = true
	}
	return nil
}

// ObservationKey tells observations apart, so that each is made once.
func ObservationKey(s ledger.Subject, code string) string {
	return code + "\x00" + s.Request + "\x00" + s.Connection + "\x00" + s.Blob + "\x00" + string(s.PlanDigest)
}

func applyEffect(c *Custody, v ledger.Verified) error {
	body, err := v.Effect()
	if err != nil {
		return fmt.Errorf("read record %d: %w", v.Seq, err)
	}
	connection := resource.Name(v.Subject.Connection)
	c.Servers[connection] = body.ServerID
	var change plan.Change
	if err := json.Unmarshal(body.Change, &change); err != nil {
		return fmt.Errorf("read record %d: change: %w", v.Seq, err)
	}
	if change.Grant == nil {
		return nil
	}
	if v.Type == ledger.TypeApplied {
		c.Applied[change.Grant.Key()] = *change.Grant
	} else {
		delete(c.Applied, change.Grant.Key())
	}
	return nil
}

func (a *Auditor) applyDetermination(ctx context.Context, c *Custody, chain map[gitdb.OID]gitdb.Commit, v ledger.Verified) error {
	c.Determinations++
	body, err := v.Determination()
	if err != nil {
		c.Findings = append(c.Findings, Finding{Seq: v.Seq, Code: CodeUnreadable, Detail: err.Error()})
		return nil
	}
	request := resource.Name(v.Subject.Request)
	if body.Change.Commit != "" {
		c.Merges[gitdb.OID(body.Change.Commit)] = true
	}
	if !review.Outcome(body.Outcome).Grants() || v.Subject.Blob == "" || request == "" {
		return nil
	}
	finding, err := a.admit(ctx, chain, v, body)
	if err != nil {
		return err
	}
	if finding != nil {
		finding.Seq, finding.Request, finding.Commit = v.Seq, request, body.Change.Commit
		c.Findings = append(c.Findings, *finding)
		if finding.Code != CodeOtherRules {
			return nil
		}
	}
	raw, err := a.DB.Blob(gitdb.OID(v.Subject.Blob), maxRequestBytes)
	if err != nil {
		return fmt.Errorf("read request of record %d: %w", v.Seq, err)
	}
	c.Approvals[request] = grant.Approval{
		Request: request, ContentDigest: resource.Origin{Raw: raw}.Digest(), PlanDigest: string(v.Subject.PlanDigest),
		NotBefore: body.NotBefore, Until: body.Until, Seq: v.Seq,
	}
	return nil
}

const maxRequestBytes = 32 << 10

// admit checks every link from a record to the bytes on main. Links that depend
// on main's tip are checked each time; the others once for each record.
//
//	the merge is on main's first-parent chain, its parent and tree are as recorded
//	the tree is the merge of the first parent and the reviewed head
//	the request file at head and at the merge is the recorded blob, an ordinary file
//	the content digest covers repository, path and bytes
//	every review that is a signed statement verifies, names this change and is its signer's
//	judged again at the first parent, the outcome and its end are the same
func (a *Auditor) admit(ctx context.Context, chain map[gitdb.OID]gitdb.Commit, v ledger.Verified, body ledger.DeterminationBody) (*Finding, error) {
	merge, ok := chain[gitdb.OID(body.Change.Commit)]
	if !ok {
		return &Finding{Code: CodeNotOnMain, Detail: "merge " + body.Change.Commit + " is not on main"}, nil
	}
	if len(merge.Parents) == 0 || string(merge.Parents[0]) != body.Change.Parent {
		return &Finding{Code: CodeParent, Detail: "the first parent of " + body.Change.Commit + " is not " + body.Change.Parent}, nil
	}
	if a.admitted == nil {
		a.admitted = map[ledger.Digest]*Finding{}
	}
	if f, ok := a.admitted[v.Digest]; ok {
		if f == nil {
			return nil, nil
		}
		copied := *f
		return &copied, nil
	}
	f, err := a.admitOnce(ctx, merge, v, body)
	if err != nil {
		return nil, err
	}
	a.admitted[v.Digest] = f
	return f, nil
}

func (a *Auditor) admitOnce(ctx context.Context, merge gitdb.Commit, v ledger.Verified, body ledger.DeterminationBody) (*Finding, error) {
	if string(merge.Tree) != body.Change.Tree {
		return &Finding{Code: CodeTree, Detail: "the merge holds tree " + string(merge.Tree)}, nil
	}
	var facts review.Facts
	if err := json.Unmarshal(body.Facts, &facts); err != nil {
		return &Finding{Code: CodeFacts, Detail: err.Error()}, nil
	}
	if facts.Repo != v.Repo || facts.Head != body.Change.Head || facts.Base != body.Change.Parent || facts.PullRequest != body.Change.PullRequest {
		return &Finding{Code: CodeFacts, Detail: "the facts are about another change"}, nil
	}
	again, err := determine.AtMerge(a.DB, facts, merge.OID)
	if errors.Is(err, determine.ErrNotMerged) {
		return &Finding{Code: CodeTree, Detail: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	if again.MergeBase != facts.MergeBase || again.ResultTree != facts.ResultTree {
		return &Finding{Code: CodeFacts, Detail: "merge base or result differ from git's"}, nil
	}
	if f, err := a.checkFile(v, merge, gitdb.OID(facts.Head)); f != nil || err != nil {
		return f, err
	}
	if f := checkReviews(facts); f != nil {
		return f, nil
	}
	return a.judgeAgain(ctx, facts, v, body)
}

func (a *Auditor) checkFile(v ledger.Verified, merge gitdb.Commit, head gitdb.OID) (*Finding, error) {
	at, err := a.DB.Commit(head)
	if err != nil {
		return nil, err
	}
	for _, tree := range []gitdb.OID{at.Tree, merge.Tree} {
		e, ok, err := a.DB.Find(tree, v.Subject.Path)
		if err != nil {
			return nil, err
		}
		if !ok || e.OID != gitdb.OID(v.Subject.Blob) || e.Mode != gitdb.ModeFile {
			return &Finding{Code: CodeFile, Detail: v.Subject.Path + " is not the recorded file"}, nil
		}
	}
	raw, err := a.DB.Blob(gitdb.OID(v.Subject.Blob), maxRequestBytes)
	if err != nil {
		return nil, err
	}
	if ledger.ContentDigest(v.Repo, v.Subject.Path, raw) != v.Subject.ContentDigest {
		return &Finding{Code: CodeDigest, Detail: "the content digest is of other bytes"}, nil
	}
	return nil, nil
}

// judgeAgain makes the record's body again from the facts and compares.
func (a *Auditor) judgeAgain(ctx context.Context, facts review.Facts, v ledger.Verified, body ledger.DeterminationBody) (*Finding, error) {
	judged, err := a.Judge.Judge(ctx, facts)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return &Finding{Code: CodeUnjudgeable, Detail: err.Error()}, nil
	}
	if string(body.Policy.Builtin) != judged.Builtin || body.Policy.Engine != judged.Engine {
		return &Finding{Code: CodeOtherRules, Detail: "decided by " + body.Policy.Engine + " with other built-in rules"}, nil
	}
	for _, d := range judged.Determinations {
		if string(d.Request) != v.Subject.Request {
			continue
		}
		made, err := determine.Body(facts, judged, d, body.Change)
		if err != nil {
			return nil, err
		}
		made.Plan = body.Plan
		if f, err := compareBodies(made, body); f != nil || err != nil {
			return f, err
		}
		return a.checkPlan(ctx, d, v, body)
	}
	return &Finding{Code: CodeOutcome, Detail: "judged again, the request is not among those determined"}, nil
}

func compareBodies(made, recorded ledger.DeterminationBody) (*Finding, error) {
	x, err := ledger.Canonical(made)
	if err != nil {
		return nil, err
	}
	y, err := ledger.Canonical(recorded)
	if err != nil {
		return nil, err
	}
	if string(x) == string(y) {
		return nil, nil
	}
	detail := "judged again, the record differs"
	if made.Outcome != recorded.Outcome || !made.Until.Equal(recorded.Until) {
		detail = fmt.Sprintf("judged again: %s until %s, recorded: %s until %s", made.Outcome, made.Until, recorded.Outcome, recorded.Until)
	}
	return &Finding{Code: CodeOutcome, Detail: detail}, nil
}

func (a *Auditor) checkPlan(ctx context.Context, d review.Determination, v ledger.Verified, body ledger.DeterminationBody) (*Finding, error) {
	snapshot, err := a.Judge.At(ctx, gitdb.OID(body.Change.Commit))
	if err != nil {
		return nil, err
	}
	planned, err := determine.ResolvedPlan(snapshot.Set, d.Request, d.NotBefore, d.Until, d.DecidedAt)
	if err != nil {
		return nil, err
	}
	if ledger.PlanDigest(planned) != v.Subject.PlanDigest {
		return &Finding{Code: CodeDigest, Detail: "the plan digest of record " + strconv.FormatUint(v.Seq, 10) + " is of another plan"}, nil
	}
	return nil, nil
}

package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// admit checks every link from a record to the bytes on main. Links that depend
// on main's tip or on other records are checked each time; the others once for
// each record. An error says that something could not be read, never that a
// link does not hold.
//
//	the merge is on main's first-parent chain, its parent and tree are as recorded
//	no earlier record determined this request at this merge
//	the tree is the merge of the first parent and the reviewed head
//	merge base, changed files and their digest are those that git has
//	the forge is the one that the repository had at the first parent
//	the request file at head and at the merge is the recorded blob, an ordinary file
//	the content digest covers repository, path and bytes
//	every review that is a signed statement verifies, names this change and is its signer's
//	judged again at the first parent, the outcome and its end are the same
func (a *Auditor) admit(ctx context.Context, r replay, v ledger.Verified, body ledger.DeterminationBody) (verdict, error) {
	merge, ok := r.line.commits[gitdb.OID(body.Change.Commit)]
	if !ok {
		return verdict{finding: finding(CodeNotOnMain, "merge %q is not on main", body.Change.Commit)}, nil
	}
	if len(merge.Parents) == 0 || string(merge.Parents[0]) != body.Change.Parent {
		return verdict{finding: finding(CodeParent, "the first parent of %s is not %q", merge.OID, body.Change.Parent)}, nil
	}
	if seq, ok := r.used[used{merge.OID, subjectOf(v)}]; ok {
		return verdict{finding: finding(CodeReplayed, "record %d determined it at this merge already", seq)}, nil
	}
	if known, ok := a.verdicts[v.Digest]; ok {
		return known, nil
	}
	f, err := a.admitOnce(ctx, merge, v, body)
	if err != nil {
		return verdict{}, err
	}
	made := verdict{finding: f, holds: f == nil || f.Code == CodeOtherRules}
	if made.holds && v.Subject.Review == "" {
		if made.approved, err = a.request(v); err != nil {
			return verdict{}, err
		}
	}
	if a.verdicts == nil {
		a.verdicts = map[ledger.Digest]verdict{}
	}
	a.verdicts[v.Digest] = made
	return made, nil
}

// request is the request file of a record that was admitted.
func (a *Auditor) request(v ledger.Verified) (*resource.AccessRequest, error) {
	raw, err := a.DB.Blob(gitdb.OID(v.Subject.Blob), maxRequestBytes)
	if err != nil {
		return nil, err
	}
	r, problems, err := repo.Decode(v.Subject.Path, v.Subject.Blob, raw)
	if err != nil {
		return nil, err
	}
	req, ok := r.(*resource.AccessRequest)
	if !ok || problems.HasErrors() {
		return nil, fmt.Errorf("read %s: it was judged, and is no request", v.Subject.Path)
	}
	return req, nil
}

func finding(code Code, format string, args ...any) *Finding {
	return &Finding{Code: code, Detail: fmt.Sprintf(format, args...)}
}

func (a *Auditor) admitOnce(ctx context.Context, merge gitdb.Commit, v ledger.Verified, body ledger.DeterminationBody) (*Finding, error) {
	if string(merge.Tree) != body.Change.Tree {
		return finding(CodeTree, "the merge holds tree %s", merge.Tree), nil
	}
	var facts review.Facts
	if err := json.Unmarshal(body.Facts, &facts); err != nil {
		return finding(CodeFacts, "%v", err), nil
	}
	if f, err := a.checkFacts(ctx, merge, v, body.Change, facts); f != nil || err != nil {
		return f, err
	}
	if f, err := a.checkFile(v, merge, gitdb.OID(facts.Head)); f != nil || err != nil {
		return f, err
	}
	if f := checkReviews(facts); f != nil {
		return f, nil
	}
	return a.judgeAgain(ctx, facts, v, body)
}

// checkFacts compares the facts with what git and the repository's settings say.
func (a *Auditor) checkFacts(ctx context.Context, merge gitdb.Commit, v ledger.Verified, change ledger.Merged, facts review.Facts) (*Finding, error) {
	if facts.Repo != v.Repo || facts.Head != change.Head || facts.Base != change.Parent ||
		facts.PullRequest != change.PullRequest || facts.Forge != change.Forge || facts.State != review.StateOpen {
		return finding(CodeFacts, "the facts are about another change"), nil
	}
	again, err := determine.AtMerge(a.DB, facts, merge.OID)
	if errors.Is(err, determine.ErrNotMerged) {
		return finding(CodeTree, "%v", err), nil
	}
	if errors.Is(err, gitdb.ErrTooLarge) {
		return finding(CodeFile, "%v", err), nil
	}
	if err != nil {
		return nil, err
	}
	if again.MergeBase != facts.MergeBase || again.ResultTree != facts.ResultTree ||
		again.ChangeDigest != facts.ChangeDigest || !slices.Equal(again.Files, facts.Files) {
		return finding(CodeFacts, "merge base, files, their digest or the result differ from git's"), nil
	}
	snapshot, err := a.Judge.At(ctx, merge.Parents[0])
	if err != nil {
		return nil, err
	}
	settings, ok := snapshot.Set.Repository()
	if !ok || settings.Spec.ID != v.Repo || settings.Spec.Forge != facts.Forge {
		return finding(CodeFacts, "the repository was not %s on forge %q at %s", v.Repo, facts.Forge, merge.Parents[0]), nil
	}
	return nil, nil
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
			return finding(CodeFile, "%s is not the recorded file", v.Subject.Path), nil
		}
	}
	raw, err := a.DB.Blob(gitdb.OID(v.Subject.Blob), maxRequestBytes)
	if errors.Is(err, gitdb.ErrTooLarge) {
		return finding(CodeFile, "%v", err), nil
	}
	if err != nil {
		return nil, err
	}
	if ledger.ContentDigest(v.Repo, v.Subject.Path, raw) != v.Subject.ContentDigest {
		return finding(CodeDigest, "the content digest is of other bytes"), nil
	}
	return nil, nil
}

// judgeAgain judges the facts as they were judged then and compares the record
// with what it would be. By the same built-in rules it must be the same to the
// byte. A record that other rules made cannot be made again; so that naming
// other rules is no way around them, today's must come to the same outcome and
// end, and then a Finding says which they were.
func (a *Auditor) judgeAgain(ctx context.Context, facts review.Facts, v ledger.Verified, body ledger.DeterminationBody) (*Finding, error) {
	judged, err := a.Judge.Judge(ctx, facts)
	if errors.Is(err, determine.ErrFacts) {
		return finding(CodeUnjudgeable, "%v", err), nil
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(judged.Determinations, func(d review.Determination) bool {
		return string(d.Request) == v.Subject.Request && string(d.Review) == v.Subject.Review && d.File == v.Subject.Path && d.Blob == v.Subject.Blob
	})
	if i < 0 {
		return finding(CodeOutcome, "judged again, the request is not among those determined: %s", judged.Reason), nil
	}
	d := judged.Determinations[i]
	if len(d.Input) > 0 && len(d.Decision) == 0 { // a decision was made then, and may well be made next time
		return nil, fmt.Errorf("judge again: %s", d.Reason)
	}
	made, err := determine.Body(facts, judged, d, body.Change)
	if err != nil {
		return nil, err
	}
	made.Plan = body.Plan
	if made.Policy.Builtin != body.Policy.Builtin || made.Policy.Engine != body.Policy.Engine {
		rules := body.Policy
		made.Reason, made.Stages = body.Reason, body.Stages
		made.Policy.Engine, made.Policy.Builtin, made.Policy.Input, made.Policy.Decision = rules.Engine, rules.Builtin, rules.Input, rules.Decision
		if f, err := compareBodies(made, body); f != nil || err != nil {
			return f, err
		}
		return finding(CodeOtherRules, "decided by %s with built-in rules %s", rules.Engine, rules.Builtin), nil
	}
	if f, err := compareBodies(made, body); f != nil || err != nil {
		return f, err
	}
	return a.checkPlan(ctx, d, v, body)
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
	if made.Outcome != recorded.Outcome || !made.Until.Equal(recorded.Until) {
		return finding(CodeOutcome, "judged again: %s until %s (%s), recorded: %s until %s", made.Outcome, made.Until, made.Reason, recorded.Outcome, recorded.Until), nil
	}
	return finding(CodeOutcome, "judged again, the record differs"), nil
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
		return finding(CodeDigest, "the plan digest of record %s is of another plan", strconv.FormatUint(v.Seq, 10)), nil
	}
	return nil, nil
}

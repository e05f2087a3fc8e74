package review

import (
	"context"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// court holds what all determinations of one pull request share.
type court struct {
	decider    Decider
	base, head *resource.Set
	opened     *resource.Set // nil where it is not known
	notOpened  string        // why
	facts      Facts
	dir        directory
	now        time.Time
}

// blank is a determination that decides nothing yet.
func (c *court) blank(file string) Determination {
	return Determination{
		File: file, Outcome: Pending, DecidedAt: c.now,
		Stages: []StageResult{}, Reviews: []ReviewResult{},
	}
}

// lifecycle applies what became of the pull request itself. A denial stands
// whatever became of it.
func (c *court) lifecycle(d Determination) Determination {
	switch {
	case d.Outcome == Denied:
	case c.facts.State == StateCanceled:
		d.hold(Canceled, "withdrawn by its author")
	case c.facts.State == StateClosed:
		d.hold(Pending, "the pull request is closed; open a new one")
	case c.facts.State != StateOpen && c.facts.State != StateMerged:
		d.hold(Pending, "the pull request is in no known state")
	case d.Outcome.Grants() && c.facts.ResultTree == "":
		d.hold(Pending, "the pull request conflicts with "+c.facts.BaseRef+"; update its branch")
		what := "a branch without conflicts"
		if c.facts.Conflicts != "" {
			what += ": " + c.facts.Conflicts
		}
		d.Missing = append(d.Missing, Need{What: what, People: c.dir.claimants(c.facts.Author)})
	}
	return d
}

// hold takes back what the determination would give.
func (d *Determination) hold(o Outcome, reason string) {
	d.Outcome, d.Reason, d.Until = o, reason, time.Time{}
	d.Emergency, d.Reviewed, d.Recertify = nil, nil, nil
}

func (c *court) document(kind string, verdicts []verdict) inputDoc {
	author, _ := c.dir.person(c.facts.Author)
	return inputDoc{
		Kind: kind, At: stamp(c.now), Stages: []inputStage{}, Governance: []resource.Name{},
		Reviews: inputReviews(verdicts),
		PullRequest: inputPull{
			Repo: c.facts.Repo, Forge: c.facts.Forge, ID: c.facts.PullRequest,
			Base: c.facts.Base, Head: c.facts.Head, Author: author,
		},
	}
}

// decide asks the rules and reads their answer. Whatever goes wrong leaves the
// determination pending, and says so.
func (c *court) decide(ctx context.Context, det Determination, doc inputDoc, stages []inputStage, verdicts []verdict) Determination {
	det.Stages = blankStages(stages)
	det.Reviews = results(verdicts, nil, "")
	raw, plain, err := canonical(doc)
	if err != nil {
		det.Reason = "the question could not be put to the rules: " + err.Error()
		return det
	}
	det.Input = raw
	answer, err := c.decider.Decide(ctx, plain, c.now)
	if err != nil {
		det.Reason = "the rules could not be evaluated: " + err.Error()
		return det
	}
	d, canon, err := readDecision(answer)
	if err != nil {
		det.Reason = "the rules gave no decision that can be followed: " + err.Error()
		return det
	}
	det.Decision = canon
	if doc.Kind == kindGovernance { // the rules say what each changed file needs
		stages = d.asked()
		det.Stages = blankStages(stages)
	}
	if err := d.check(doc, stages); err != nil {
		det.Reason = "the rules gave no decision that can be followed: " + err.Error()
		return det
	}
	det.Outcome, det.Reason, det.Until = d.Outcome, d.Reason, d.end
	if len(d.Constraints) > 0 {
		det.Constraints = d.Constraints
	}
	det.Reviews = results(verdicts, d.Counted, d.uncounted(doc))
	for i, s := range d.Stages {
		det.Stages[i].State = s.State
		for j, src := range s.Sources {
			det.Stages[i].Sources[j].Answered = list(src.Answered)
		}
	}
	if d.Outcome == Pending {
		det.Missing = d.needs(stages)
	}
	return det
}

const nothingAsked = "it adds nothing that is asked for"

// uncounted says why a valid review did not count.
func (d decision) uncounted(doc inputDoc) string {
	switch {
	case d.Outcome == Denied:
		return "a denial ends the request, so approvals no longer count"
	case doc.Flow.Mode == resource.ReviewAutomatic:
		return "the request is approved by rule, so approvals are not needed"
	default:
		return nothingAsked
	}
}

func results(verdicts []verdict, counted []string, otherwise string) []ReviewResult {
	ids := map[string]bool{}
	for _, id := range counted {
		ids[id] = true
	}
	out := make([]ReviewResult, len(verdicts))
	for i, v := range verdicts {
		out[i] = v.ReviewResult
		out[i].Counted = v.valid && ids[v.ID]
		if v.valid && !ids[v.ID] {
			out[i].Why = otherwise
		}
	}
	return out
}

func flowRef(chosen resource.Chosen) FlowRef {
	ref := FlowRef{Mode: chosen.Mode, From: chosen.Stated.String()}
	if chosen.From != (resource.Ref{}) {
		ref.At = chosen.At().String()
	}
	for _, lost := range chosen.Inactive {
		ref.Inactive = append(ref.Inactive, lost.String()+" at "+lost.At().String())
	}
	if chosen.Rule >= 0 {
		ref.Rule = strconv.Itoa(chosen.Rule)
	}
	return ref
}

package determine

import (
	"context"
	"fmt"
	"slices"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// orders are the commands that people wrote below a pull request and that were
// not answered yet, and what came of them. A command is answered after it was
// carried out: after a crash it is carried out again, which changes nothing more.
type orders struct {
	answers  []answer
	notes    []string // what people are told
	remind   bool
	withdrew string // why it is withdrawn; empty where nobody may and did ask for that
}

type answer struct {
	comment  string
	followed bool
}

// listen reads the commands and carries out what does not wait for the
// judgement. What cannot be read holds up no decision; it is told of in the result.
func (d *Determiner) listen(ctx context.Context, facts review.Facts, out *orders) error {
	l, ok := d.Forge.(forge.Listener)
	if !ok {
		return nil
	}
	*out = orders{}
	comments, err := l.Commands(ctx, facts.PullRequest)
	if err != nil || len(comments) == 0 {
		return err
	}
	base, err := d.Judge.At(ctx, gitdb.OID(facts.Base))
	if err != nil {
		return err
	}
	for _, c := range comments {
		cmd, found, err := review.ParseCommand(c.Body)
		if !found {
			continue
		}
		who, why := review.PersonOf(base.Set, c.Actor)
		u, _ := resource.UserOf(base.Set, who)
		switch {
		case why == "" && !resource.Active(u, facts.ObservedAt):
			why = string(who) + " has left or is no longer valid"
		case why == "" && err != nil:
			why = err.Error()
		case why == "":
			why = d.obey(ctx, out, facts, base.Set, who, c, cmd)
		}
		if why != "" {
			out.notes = append(out.notes, "a command was not followed: "+why)
		}
		out.answers = append(out.answers, answer{c.ID, why == ""})
	}
	return nil
}

// obey carries out one command of a known person, or says why not.
//
//	command    who                            pull request   effect
//	recheck    anybody in the directory       any            it is judged, which it is anyway
//	explain    anybody in the directory       any            its comment is written anew
//	remind     anybody in the directory       open           those still needed are asked again
//	cancel     who asked, the one person who  open           recorded as withdrawn, and closed
//	           gets it, GOVERNANCE
//	extend     who asked                      merged         a pull request that asks for the same again
func (d *Determiner) obey(ctx context.Context, out *orders, facts review.Facts, base *resource.Set, who resource.Name, c forge.Comment, cmd review.Command) (why string) {
	switch cmd.Name {
	case review.CommandRemind:
		if facts.State != review.StateOpen {
			return "/remind is for an open pull request"
		}
		out.remind = true
		out.notes = append(out.notes, string(who)+" asked to remind those whose review is missing")
	case review.CommandCancel:
		if facts.State != review.StateOpen {
			return "/cancel is for an open pull request; `assent request cancel` takes back what was approved"
		}
		if !d.mayWithdraw(ctx, facts, base, who) {
			return string(who) + " may not withdraw this: whoever asked for it can, who alone gets it, and GOVERNANCE"
		}
		out.withdrew = "withdrawn by " + string(who)
	case review.CommandExtend:
		return d.extend(ctx, out, facts, who, c, cmd)
	}
	return ""
}

// mayWithdraw reports whether somebody may end a pull request that waits.
func (d *Determiner) mayWithdraw(ctx context.Context, facts review.Facts, base *resource.Set, who resource.Name) bool {
	if author, why := review.PersonOf(base, facts.Author); why == "" && author == who {
		return true
	}
	governance := resource.Stewards(base, resource.StewardSource{Permission: resource.PermissionGovernance}, resource.Target{}, facts.ObservedAt)
	if slices.Contains(governance, who) {
		return true
	}
	head, err := d.Judge.At(ctx, gitdb.OID(facts.Head))
	if err != nil {
		return false
	}
	list := requestsIn(head.Set, facts.Files)
	if len(list) == 0 || len(list) != len(facts.Files) {
		return false
	}
	return !slices.ContainsFunc(list, func(r *resource.AccessRequest) bool {
		alone := len(r.Spec.Beneficiaries) == 1 && r.Spec.Beneficiaries[0].User == who
		return r.Spec.Requester != who && !alone
	})
}

// extend opens a pull request that asks for the same again.
func (d *Determiner) extend(ctx context.Context, out *orders, facts review.Facts, who resource.Name, c forge.Comment, cmd review.Command) (why string) {
	if facts.State != review.StateMerged {
		return "/extend is for a request that was approved"
	}
	if d.Extend == nil {
		return "requests cannot be extended here"
	}
	head, err := d.Judge.At(ctx, gitdb.OID(facts.Head))
	if err != nil {
		return "the request cannot be read"
	}
	list := requestsIn(head.Set, facts.Files)
	if len(list) != 1 {
		return "/extend is for a pull request with one request"
	}
	if list[0].Spec.Requester != who {
		return "only " + string(list[0].Spec.Requester) + ", who asked, can ask for it again"
	}
	made, err := d.Extend(ctx, Extension{Request: list[0].Ref().Name, By: who, Duration: cmd.Duration, Comment: c.ID})
	if err != nil {
		return err.Error()
	}
	out.notes = append(out.notes, fmt.Sprintf("%s asks for %s more in pull request %s", who, cmd.Duration, made))
	return ""
}

// Extension asks for the same again on behalf of who asked for it before.
type Extension struct {
	Request  resource.Name
	By       resource.Name
	Duration resource.Duration
	Comment  string // the id of the comment that says so
}

// respond marks the commands as answered.
func (d *Determiner) respond(ctx context.Context, id string, said orders) error {
	l, ok := d.Forge.(forge.Listener)
	if !ok {
		return nil
	}
	for _, a := range said.answers {
		if err := l.Answer(ctx, id, a.comment, a.followed); err != nil {
			return err
		}
	}
	return nil
}

// refresh shows how a pull request stands that was approved before: by now its
// access may be there, or be over. Only who asks for it by a command, or by its
// name, gets here.
func (d *Determiner) refresh(ctx context.Context, known book, facts review.Facts, said orders) error {
	outcome := known.outcomes[facts.PullRequest]
	if _, ok := d.Forge.(forge.Listener); !ok || d.Render == nil || facts.State != review.StateMerged || !outcome.Grants() {
		return nil
	}
	return d.publish(ctx, facts, review.Judgement{Class: review.ClassRequest, Outcome: outcome, Reason: "approved; the record is in the ledger"}, said)
}

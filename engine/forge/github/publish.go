package github

import (
	"cmp"
	"context"
	"fmt"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// maxComment is the longest comment that GitHub takes, in bytes, with some room.
const maxComment = 65_000

// Publish implements forge.Forge: one comment, edited in place, and one status
// or check on the head. Both say the same as before where nothing changed.
func (g *GitHub) Publish(ctx context.Context, id string, report forge.Report) error {
	n, err := forge.Number(id)
	switch {
	case err != nil:
	case g.cfg.Look:
		err = fmt.Errorf("%w: it was opened to look only", forge.ErrForbidden)
	case g.standing(n, report):
	default:
		if err = g.publish(ctx, n, report); err == nil {
			g.stands(n, report)
		}
	}
	if err != nil {
		return fmt.Errorf("publish on pull request %s: %w", id, err)
	}
	return nil
}

func (g *GitHub) publish(ctx context.Context, n int, report forge.Report) error {
	pr, err := g.pull(ctx, n)
	if err != nil {
		return err
	}
	if pr.GetHead().GetSHA() != report.Head {
		return fmt.Errorf("%w: the head is %s now", forge.ErrMoved, pr.GetHead().GetSHA())
	}
	me, err := g.whoAmI(ctx)
	if err != nil {
		return err
	}
	defer g.sawBefore(n)
	now, first := g.seenNow(n)
	first = first && now.head == report.Head
	var old *gh.IssueComment
	if !first || !now.quiet || pr.Comments == nil || pr.GetComments() != 0 {
		if old, err = g.ownComment(ctx, me, n); err != nil {
			return err
		}
	}
	memory, err := g.comment(ctx, n, old, report)
	if err != nil {
		return err
	}
	switch {
	case me.appID != 0 && first:
		err = g.showRun(ctx, []*gh.CheckRun{now.run}, report)
	case me.appID != 0:
		err = g.check(ctx, me, report)
	case first:
		err = g.putStatus(ctx, report)
	default:
		err = g.status(ctx, me, report)
	}
	if err != nil || report.State == "" {
		return err
	}
	return g.around(ctx, me, pr, old, memory, report)
}

// around does what only helps people: the label and the requests for review.
// Whatever of it fails is told of and holds nothing up.
func (g *GitHub) around(ctx context.Context, me identity, pr *gh.PullRequest, old *gh.IssueComment, memory forge.Memory, report forge.Report) error {
	refused, notes := g.ask(ctx, pr, memory.Refused, report) // first: a label is an event, and they are read here
	notes = append(g.label(ctx, pr, report.State), notes...)
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(notes) == 0 && len(refused) == len(memory.Refused) {
		return nil
	}
	if old == nil { // it was written just now
		var err error
		if old, err = g.ownComment(ctx, me, pr.GetNumber()); err != nil || old == nil {
			return err
		}
	}
	memory.Refused = refused
	report.Notes = notes
	body, _, changed := forge.Sticky(memory, old.GetUpdatedAt().Time, report, g.cfg.Now(), maxComment)
	if !changed {
		return nil
	}
	_, _, err := g.client.Issues.EditComment(ctx, g.cfg.Owner, g.cfg.Name, old.GetID(), &gh.IssueComment{Body: gh.String(body)})
	return apiErr("edit comment", err)
}

// comments are all comments on a pull request, the oldest first.
func (g *GitHub) comments(ctx context.Context, n int) ([]*gh.IssueComment, error) {
	return all("read comments", func(o gh.ListOptions) ([]*gh.IssueComment, *gh.Response, error) {
		return g.client.Issues.ListComments(ctx, g.cfg.Owner, g.cfg.Name, n, &gh.IssueListCommentsOptions{ListOptions: o})
	})
}

// ownComment is the one comment of the engine; nil where there is none yet.
// Others can write the marker too; only what its own account wrote is the engine's.
func (g *GitHub) ownComment(ctx context.Context, me identity, n int) (*gh.IssueComment, error) {
	list, err := g.comments(ctx, n)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.GetUser().GetID() == me.userID && forge.IsComment(c.GetBody()) {
			return c, nil
		}
	}
	return nil, nil
}

// comment writes or edits the one comment of the engine.
func (g *GitHub) comment(ctx context.Context, n int, old *gh.IssueComment, report forge.Report) (forge.Memory, error) {
	body, memory, changed := forge.Sticky(forge.Recall(old.GetBody()), old.GetUpdatedAt().Time, report, g.cfg.Now(), maxComment)
	var err error
	switch {
	case old == nil:
		_, _, err = g.client.Issues.CreateComment(ctx, g.cfg.Owner, g.cfg.Name, n, &gh.IssueComment{Body: gh.String(body)})
		err = apiErr("write comment", err)
	case changed && old.GetBody() != body:
		_, _, err = g.client.Issues.EditComment(ctx, g.cfg.Owner, g.cfg.Name, old.GetID(), &gh.IssueComment{Body: gh.String(body)})
		err = apiErr("edit comment", err)
	}
	return memory, err
}

// shown is what a status says: its state, the conclusion of a check, and a line.
func shown(r forge.Report) (state, conclusion, line string) {
	line = cmp.Or(r.Line, r.Judgement.Reason)
	switch j := r.Judgement; {
	case j.Outcome.Grants():
		return "success", "success", line
	case j.Outcome == review.Denied:
		return "failure", "failure", line
	case j.Outcome == review.Canceled:
		return "error", "cancelled", line
	default:
		return "pending", "", line // waiting is no failure
	}
}

func (g *GitHub) status(ctx context.Context, me identity, report forge.Report) error {
	state, line := statusOf(report)
	list, err := linked("read statuses", func(o gh.ListOptions) ([]*gh.RepoStatus, *gh.Response, error) {
		return g.client.Repositories.ListStatuses(ctx, g.cfg.Owner, g.cfg.Name, report.Head, &o)
	})
	if err != nil {
		return err
	}
	for _, s := range list { // newest first
		if s.GetContext() != g.checkName() {
			continue
		}
		if s.GetCreator().GetID() == me.userID && s.GetState() == state && s.GetDescription() == line {
			return nil
		}
		break // another one, or somebody else's forgery: say it again
	}
	return g.putStatus(ctx, report)
}

func statusOf(report forge.Report) (state, line string) {
	state, _, line = shown(report)
	return state, shorten(forge.OneLine(line))
}

func (g *GitHub) putStatus(ctx context.Context, report forge.Report) error {
	state, line := statusOf(report)
	_, _, err := g.client.Repositories.CreateStatus(ctx, g.cfg.Owner, g.cfg.Name, report.Head, &gh.RepoStatus{
		State: gh.String(state), Context: gh.String(g.checkName()), Description: gh.String(line),
	})
	return apiErr("put a status on the head", err)
}

// shorten fits a line into the description of a status.
func shorten(line string) string {
	const most = 140
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return line
}

func (g *GitHub) check(ctx context.Context, me identity, report forge.Report) error {
	runs, err := g.checkRuns(ctx, me, report.Head)
	if err != nil {
		return err
	}
	return g.showRun(ctx, runs, report)
}

// showRun shows how a pull request stands in the newest of the engine's check runs
// on the head, or in a new one where there is none.
func (g *GitHub) showRun(ctx context.Context, runs []*gh.CheckRun, report forge.Report) error {
	_, conclusion, line := shown(report)
	text := forge.Cut(cmp.Or(report.Why, report.Markdown), maxComment)
	out := &gh.CheckRunOutput{Title: gh.String(shorten(forge.OneLine(line))), Summary: gh.String(text)}
	status := "completed"
	if conclusion == "" {
		status = "in_progress"
	}
	if len(runs) == 0 {
		o := gh.CreateCheckRunOptions{Name: g.checkName(), HeadSHA: report.Head, Status: gh.String(status), Output: out}
		if conclusion != "" {
			o.Conclusion = gh.String(conclusion)
		}
		_, _, err := g.client.Checks.CreateCheckRun(ctx, g.cfg.Owner, g.cfg.Name, o)
		return apiErr("put a check on the head", err)
	}
	newest := runs[0]
	for _, r := range runs {
		if r.GetID() > newest.GetID() {
			newest = r
		}
	}
	if newest.GetStatus() == status && newest.GetConclusion() == conclusion && newest.GetOutput().GetTitle() == out.GetTitle() && newest.GetOutput().GetSummary() == text {
		return nil
	}
	o := gh.UpdateCheckRunOptions{Name: g.checkName(), Status: gh.String(status), Output: out}
	if conclusion != "" {
		o.Conclusion = gh.String(conclusion)
	}
	_, _, err := g.client.Checks.UpdateCheckRun(ctx, g.cfg.Owner, g.cfg.Name, newest.GetID(), o)
	return apiErr("update the check", err)
}

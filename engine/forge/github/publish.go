package github

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// The marker of the one comment that is edited in place, and the longest comment
// that GitHub takes, with room for a note.
const (
	markerStart = "<!-- assent "
	markerEnd   = " -->"
	maxComment  = 65_000
	cutNote     = "\n\n… cut here: `assent explain` has the whole of it.\n"
)

// Publish implements forge.Forge: one comment, edited in place, and one status
// or check on the head. Both say the same as before where nothing changed.
func (g *GitHub) Publish(ctx context.Context, id string, report forge.Report) error {
	n, err := number(id)
	if err == nil {
		err = g.publish(ctx, n, report)
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
	if err := g.comment(ctx, me, n, report); err != nil {
		return err
	}
	if me.appID != 0 {
		return g.check(ctx, me, report)
	}
	return g.status(ctx, me, report)
}

// cut shortens a text to what GitHub takes, and says so.
func cut(text string) string {
	if len(text) > maxComment {
		return strings.ToValidUTF8(text[:maxComment-len(cutNote)], "") + cutNote
	}
	return text
}

// comment writes or edits the one comment of the engine.
func (g *GitHub) comment(ctx context.Context, me identity, n int, report forge.Report) error {
	comments, err := all("read comments", func(o gh.ListOptions) ([]*gh.IssueComment, *gh.Response, error) {
		return g.client.Issues.ListComments(ctx, g.cfg.Owner, g.cfg.Name, n, &gh.IssueListCommentsOptions{ListOptions: o})
	})
	if err != nil {
		return err
	}
	text := cut(report.Markdown)
	sum := sha256.Sum256([]byte(report.Head + "\x00" + text))
	body := markerStart + hex.EncodeToString(sum[:8]) + markerEnd + "\n" + text
	for _, c := range comments {
		// Others can write the marker too; only the engine's own comment is ours.
		if c.GetUser().GetID() != me.userID || !strings.HasPrefix(c.GetBody(), markerStart) {
			continue
		}
		if c.GetBody() == body {
			return nil
		}
		_, _, err := g.client.Issues.EditComment(ctx, g.cfg.Owner, g.cfg.Name, c.GetID(), &gh.IssueComment{Body: gh.String(body)})
		return apiErr("edit comment", err)
	}
	_, _, err = g.client.Issues.CreateComment(ctx, g.cfg.Owner, g.cfg.Name, n, &gh.IssueComment{Body: gh.String(body)})
	return apiErr("write comment", err)
}

// shown is what a status says: its state, the conclusion of a check, and a line.
func shown(j review.Judgement) (state, conclusion, line string) {
	switch {
	case j.Outcome.Grants():
		return "success", "success", j.Reason
	case j.Outcome == review.Denied:
		return "failure", "failure", j.Reason
	case j.Outcome == review.Canceled:
		return "error", "cancelled", j.Reason
	default:
		return "pending", "", j.Reason // waiting is no failure
	}
}

func (g *GitHub) status(ctx context.Context, me identity, report forge.Report) error {
	state, _, line := shown(report.Judgement)
	line = shorten(oneLine(line))
	list, err := all("read statuses", func(o gh.ListOptions) ([]*gh.RepoStatus, *gh.Response, error) {
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
	_, _, err = g.client.Repositories.CreateStatus(ctx, g.cfg.Owner, g.cfg.Name, report.Head, &gh.RepoStatus{
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
	_, conclusion, line := shown(report.Judgement)
	runs, err := g.checkRuns(ctx, me, report.Head)
	if err != nil {
		return err
	}
	text := cut(report.Markdown)
	out := &gh.CheckRunOutput{Title: gh.String(shorten(oneLine(line))), Summary: gh.String(text)}
	status := "completed"
	if conclusion == "" {
		status = "in_progress"
	}
	if len(runs) == 0 {
		o := gh.CreateCheckRunOptions{Name: g.checkName(), HeadSHA: report.Head, Status: gh.String(status), Output: out}
		if conclusion != "" {
			o.Conclusion = gh.String(conclusion)
		}
		_, _, err = g.client.Checks.CreateCheckRun(ctx, g.cfg.Owner, g.cfg.Name, o)
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
	_, _, err = g.client.Checks.UpdateCheckRun(ctx, g.cfg.Owner, g.cfg.Name, newest.GetID(), o)
	return apiErr("update the check", err)
}

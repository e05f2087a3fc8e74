package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// labelPrefix begins the names of the engine's labels; others are not touched.
const labelPrefix = "assent: "

// labelOf is the color and the description of the label of a state.
func labelOf(state string) (color, description string) {
	switch state {
	case "waiting":
		return "fbca04", "somebody has to review this request"
	case "changes requested":
		return "d93f0b", "whoever opened it has to change it"
	case "approved":
		return "0e8a16", "agreed; access follows"
	case "applied":
		return "006b75", "access is there"
	case "denied":
		return "b60205", "a steward said no"
	case "prevented by guardrail":
		return "5319e7", "a rule keeps it from being granted"
	default:
		return "cfd3d7", "over"
	}
}

// label gives a pull request the label of its state in place of another of ours.
func (g *GitHub) label(ctx context.Context, pr *gh.PullRequest, state string) (notes []string) {
	want, there := labelPrefix+state, false
	for _, l := range pr.Labels {
		name := l.GetName()
		switch {
		case name == want:
			there = true
		case strings.HasPrefix(name, labelPrefix):
			if _, err := g.client.Issues.RemoveLabelForIssue(ctx, g.cfg.Owner, g.cfg.Name, pr.GetNumber(), name); err != nil && !isStatus(err, http.StatusNotFound) {
				return []string{"the label " + name + " could not be taken off: " + answerOf(err)}
			}
		}
	}
	if there {
		return nil
	}
	if err := g.makeLabel(ctx, want, state); err != nil {
		return []string{"the label " + want + " could not be made: " + answerOf(err)}
	}
	if err := g.putLabel(ctx, pr.GetNumber(), want); err != nil {
		return []string{"the label " + want + " could not be put on: " + answerOf(err)}
	}
	return nil
}

// putLabel puts a label on a pull request. go-github sends a bare list, which
// GitHub's description does not know.
func (g *GitHub) putLabel(ctx context.Context, n int, name string) error {
	req, err := g.client.NewRequest(http.MethodPost, fmt.Sprintf("repos/%s/%s/issues/%d/labels", g.cfg.Owner, g.cfg.Name, n), map[string][]string{"labels": {name}})
	if err != nil {
		return err
	}
	_, err = g.client.Do(ctx, req, nil)
	return err
}

// makeLabel makes a label where there is none of that name.
func (g *GitHub) makeLabel(ctx context.Context, name, state string) error {
	_, _, err := g.client.Issues.GetLabel(ctx, g.cfg.Owner, g.cfg.Name, name)
	if err == nil || !isStatus(err, http.StatusNotFound) {
		return err
	}
	color, description := labelOf(state)
	_, _, err = g.client.Issues.CreateLabel(ctx, g.cfg.Owner, g.cfg.Name, &gh.Label{Name: gh.String(name), Color: gh.String(color), Description: gh.String(description)})
	if isStatus(err, http.StatusUnprocessableEntity) { // another run was faster
		return nil
	}
	return err
}

// maxAsked is how many reviews are requested at most: GitHub takes fifteen, and
// of a whole department nobody feels asked.
const maxAsked = 10

// ask requests reviews of those whose review is needed and who were never asked
// for it: neither of whom somebody took the request away again, nor of whom GitHub
// refuses. A reminder asks those again who were asked before.
func (g *GitHub) ask(ctx context.Context, pr *gh.PullRequest, refused []string, report forge.Report) (now []string, notes []string) {
	now = slices.Clone(refused)
	if len(report.Ask) == 0 || pr.GetState() != "open" {
		return now, nil
	}
	asked := map[string]bool{idOf(pr.GetUser()): true}
	if report.Remind {
		now = nil
	}
	waits := map[string]string{}
	for _, u := range pr.RequestedReviewers {
		waits[idOf(u)] = u.GetLogin()
		asked[idOf(u)] = !report.Remind
	}
	events, err := g.events(ctx, pr.GetNumber())
	if err != nil {
		return now, []string{"nobody was asked for a review: " + answerOf(err)}
	}
	for _, e := range events {
		if e.GetEvent() == "review_requested" && !report.Remind {
			asked[idOf(e.RequestedReviewer)] = true
		}
	}
	room := maxAsked
	for _, a := range report.Ask {
		if room == 0 {
			break
		}
		if asked[a.ID] || slices.Contains(now, a.ID) {
			continue
		}
		room--
		if err := g.askOne(ctx, pr.GetNumber(), a, waits[a.ID]); err != nil {
			notes = append(notes, fmt.Sprintf("no review could be requested of account %s: %s", a.ID, answerOf(err)))
			if !isStatus(err, http.StatusUnprocessableEntity) && !isStatus(err, http.StatusNotFound) {
				break // it is not about this person
			}
			now = append(now, a.ID)
		}
	}
	return now, notes
}

// askOne requests the review of one account by its id, under the name that it has
// now. Where it is asked already, it is asked anew, so that it hears of it.
func (g *GitHub) askOne(ctx context.Context, n int, a review.Actor, waits string) error {
	id, err := strconv.ParseInt(a.ID, 10, 64)
	if err != nil {
		return fmt.Errorf("read account id: %w", err)
	}
	u, _, err := g.client.Users.GetByID(ctx, id)
	if err != nil {
		return err
	}
	if waits != "" {
		if _, err := g.client.PullRequests.RemoveReviewers(ctx, g.cfg.Owner, g.cfg.Name, n, gh.ReviewersRequest{Reviewers: []string{waits}}); err != nil {
			return err
		}
	}
	_, _, err = g.client.PullRequests.RequestReviewers(ctx, g.cfg.Owner, g.cfg.Name, n, gh.ReviewersRequest{Reviewers: []string{u.GetLogin()}})
	return err
}

func idOf(u *gh.User) string { return strconv.FormatInt(u.GetID(), 10) }

func isStatus(err error, code int) bool {
	var answer *gh.ErrorResponse
	return errors.As(err, &answer) && answer.Response != nil && answer.Response.StatusCode == code
}

// answerOf is what GitHub answered, in few words: an error itself may name
// addresses that nobody has to see.
func answerOf(err error) string {
	var answer *gh.ErrorResponse
	var abuse *gh.AbuseRateLimitError
	var limit *gh.RateLimitError
	switch {
	case errors.As(err, &abuse), errors.As(err, &limit):
		return "GitHub asks to wait"
	case errors.As(err, &answer) && answer.Response != nil:
		return "GitHub answers " + strconv.Itoa(answer.Response.StatusCode)
	default:
		return "GitHub could not be asked"
	}
}

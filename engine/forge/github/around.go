package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// label gives a pull request the label of its state in place of another of ours.
func (g *GitHub) label(ctx context.Context, pr *gh.PullRequest, state string) (notes []string) {
	want, there := forge.LabelPrefix+state, false
	for _, l := range pr.Labels {
		name := l.GetName()
		switch {
		case name == want:
			there = true
		case strings.HasPrefix(name, forge.LabelPrefix):
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
	color, description := forge.LabelOf(state)
	_, _, err = g.client.Issues.CreateLabel(ctx, g.cfg.Owner, g.cfg.Name, &gh.Label{Name: gh.String(name), Color: gh.String(color), Description: gh.String(description)})
	if isStatus(err, http.StatusUnprocessableEntity) { // another run was faster
		return nil
	}
	return err
}

// ask requests reviews of those whose review is needed and who were never asked
// for it: neither of whom somebody took the request away again, nor of whom GitHub
// refuses. A reminder asks those again who were asked before.
func (g *GitHub) ask(ctx context.Context, pr *gh.PullRequest, refused []string, report forge.Report) (now []string, notes []string) {
	if len(report.Ask) == 0 || pr.GetState() != "open" {
		return refused, nil
	}
	waits := map[string]string{}
	var asked []string
	for _, u := range pr.RequestedReviewers {
		waits[idOf(u)] = u.GetLogin()
		asked = append(asked, idOf(u))
	}
	events, err := g.events(ctx, pr.GetNumber())
	if err != nil {
		return refused, []string{"nobody was asked for a review: " + answerOf(err)}
	}
	for _, e := range events {
		if e.GetEvent() == "review_requested" {
			asked = append(asked, idOf(e.RequestedReviewer))
		}
	}
	next, now := report.Next(idOf(pr.GetUser()), asked, refused)
	for _, a := range next {
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

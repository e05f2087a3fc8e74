package gitea

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// around does what only helps people: the label and the requests for review.
// Whatever of it fails is told of and holds nothing up.
func (g *Gitea) around(ctx context.Context, me int64, n int, memory forge.Memory, report forge.Report) error {
	if report.State == "" {
		return nil
	}
	var pr shownPull
	if err := g.client.get(ctx, g.repo("pulls", n), &pr); err != nil {
		return fmt.Errorf("read pull request: %w", err)
	}
	notes := g.label(ctx, pr, report.State)
	refused, more := g.ask(ctx, pr, memory.Refused, report)
	notes = append(notes, more...)
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(notes) == 0 && len(refused) == len(memory.Refused) {
		return nil
	}
	old, err := g.ownComment(ctx, me, n) // as it was written just now
	if err != nil || old.ID == 0 {
		return err
	}
	memory.Refused, report.Notes = refused, notes
	text, _, changed := forge.Sticky(memory, old.Updated, report, g.cfg.Now(), maxComment)
	if !changed {
		return nil
	}
	return g.editComment(ctx, old.ID, text)
}

// label gives a pull request the label of its state in place of another of ours.
// Names of labels are not unique on Gitea: what is taken off and put on has an id.
func (g *Gitea) label(ctx context.Context, pr shownPull, state string) (notes []string) {
	want, there := forge.LabelPrefix+state, false
	for _, l := range pr.Labels {
		switch {
		case l.Name == want && !there:
			there = true
		case strings.HasPrefix(l.Name, forge.LabelPrefix):
			err := g.client.send(ctx, http.MethodDelete, g.repo("issues", pr.Number, "labels", l.ID), nil, nil)
			if err != nil && !isStatus(err, http.StatusNotFound, http.StatusUnprocessableEntity) { // somebody else took it off
				return []string{"the label " + l.Name + " could not be taken off: " + answerOf(err)}
			}
		}
	}
	if there {
		return nil
	}
	id, err := g.labelID(ctx, want, state)
	if err != nil {
		return []string{"the label " + want + " could not be made: " + answerOf(err)}
	}
	if err := g.client.send(ctx, http.MethodPost, g.repo("issues", pr.Number, "labels"), map[string][]int64{"labels": {id}}, nil); err != nil {
		return []string{"the label " + want + " could not be put on: " + answerOf(err)}
	}
	return nil
}

// labelID is the oldest label of the repository with a name, made where there is
// none.
func (g *Gitea) labelID(ctx context.Context, name, state string) (int64, error) {
	labels, err := all[label](ctx, g.client, list{doing: "read labels", path: g.repo("labels")})
	if err != nil {
		return 0, err
	}
	slices.SortFunc(labels, func(a, b label) int { return cmp.Compare(a.ID, b.ID) })
	for _, l := range labels {
		if l.Name == name {
			return l.ID, nil
		}
	}
	color, description := forge.LabelOf(state)
	var made label
	err = g.client.send(ctx, http.MethodPost, g.repo("labels"), map[string]string{"name": name, "color": "#" + color, "description": description}, &made)
	return made.ID, err
}

// ask requests reviews of those whose review is needed and who were never asked
// for it: neither of whom somebody took the request away again, nor of whom Gitea
// refuses. A reminder asks those again who were asked before.
func (g *Gitea) ask(ctx context.Context, pr shownPull, refused []string, report forge.Report) (now []string, notes []string) {
	if len(report.Ask) == 0 || pr.State != "open" {
		return refused, nil
	}
	author := pr.User.actor().ID
	var near []string
	for _, u := range pr.Near {
		near = append(near, u.actor().ID)
	}
	if next, _ := report.Next(author, near, refused); len(next) == 0 {
		return refused, nil // and nobody has to know who was asked before
	}
	reviews, events, err := g.told(ctx, pr.Number)
	if err != nil {
		return refused, []string{"nobody was asked for a review: " + answerOf(err)}
	}
	var waits, before []string
	for _, r := range reviews {
		if r.State == stateAsked {
			waits = append(waits, r.User.actor().ID)
		}
	}
	for _, e := range events {
		if e.Type == eventAsk {
			before = append(before, e.Assignee.actor().ID)
		}
	}
	next, now := report.Next(author, before, refused)
	for _, a := range next {
		if err := g.askOne(ctx, pr.Number, a, slices.Contains(waits, a.ID)); err != nil {
			notes = append(notes, fmt.Sprintf("no review could be requested of account %s: %s", a.ID, answerOf(err)))
			if !isStatus(err, http.StatusUnprocessableEntity, http.StatusNotFound) && !errors.Is(err, errNoAccount) {
				break // it is not about this person
			}
			now = append(now, a.ID)
		}
	}
	return now, notes
}

var errNoAccount = errors.New("the engine sees no such account")

// askOne requests the review of one account by its id, under the name that it has
// now. Where it is asked already, it is asked anew, so that it hears of it.
func (g *Gitea) askOne(ctx context.Context, n int, a review.Actor, waits bool) error {
	var found struct {
		Data []user `json:"data"`
	}
	if _, err := g.client.do(ctx, http.MethodGet, "users/search", url.Values{"uid": {a.ID}}, nil, &found); err != nil {
		return err
	}
	at := slices.IndexFunc(found.Data, func(u user) bool { return u.actor().ID == a.ID })
	if at < 0 || a.ID == "" {
		return errNoAccount
	}
	who := map[string][]string{"reviewers": {found.Data[at].Login}}
	if waits {
		if err := g.client.send(ctx, http.MethodDelete, g.repo("pulls", n, "requested_reviewers"), who, nil); err != nil {
			return err
		}
	}
	return g.client.send(ctx, http.MethodPost, g.repo("pulls", n, "requested_reviewers"), who, nil)
}

func isStatus(err error, codes ...int) bool {
	refused := (*refusal)(nil)
	return errors.As(err, &refused) && slices.Contains(codes, refused.Status)
}

// answerOf is what Gitea answered, in few words: an error itself may name
// addresses that nobody has to see.
func answerOf(err error) string {
	refused := (*refusal)(nil)
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests:
		return "Gitea asks to wait"
	case errors.As(err, &refused):
		return "Gitea answers " + strconv.Itoa(refused.Status)
	case errors.Is(err, errNoAccount):
		return errNoAccount.Error()
	default:
		return "Gitea could not be asked"
	}
}

package github

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// makers finds who had a hand in a pull request: who pushed, as the server saw
// it, and everybody whom its commits name. Identities in commits are their
// author's word; they keep people out and let nobody in.
func (g *GitHub) makers(mergeBase, base gitdb.OID, read reading, facts *review.Facts) error {
	pushers := []review.Actor{facts.Author}
	for _, e := range read.events {
		if name := e.GetEvent(); name == "head_ref_force_pushed" || name == "head_ref_restored" {
			pushers = append(pushers, actor(e.Actor))
		}
	}
	facts.Pushers = distinct(append(pushers, read.pushers...))
	var named []review.Actor
	for _, c := range read.commits {
		for _, u := range []*gh.User{c.Author, c.Committer} {
			if u.GetID() != 0 && u.GetID() != webFlow {
				named = append(named, actor(u))
			}
		}
	}
	commits, err := change.Commits(g.cfg.DB, base, mergeBase, gitdb.OID(facts.Head))
	if err != nil {
		return err
	}
	for _, c := range commits {
		for _, p := range []gitdb.Person{c.Author, c.Committer} {
			if p.Email != webFlowMail {
				named = append(named, review.Actor{Forge: Name, Login: p.Name + " <" + p.Email + ">"})
			}
		}
		for _, t := range change.Trailers(c.Message, "co-authored-by") {
			named = append(named, review.Actor{Forge: Name, Login: t})
		}
	}
	facts.CoAuthors = distinct(named)
	return nil
}

// GitHub's own committer of what is made in the browser.
const (
	webFlow     = 19864447
	webFlowMail = "noreply@github.com"
)

// activity are the accounts that pushed to the head branch, as the server saw
// it, and when one of them last put the head there. Of a fork that may not be
// read, its owner stands for them.
func (g *GitHub) activity(ctx context.Context, pr *gh.PullRequest) (by []review.Actor, last time.Time, err error) {
	from := pr.GetHead().GetRepo()
	if from.GetID() == 0 {
		return nil, last, nil // the fork is gone, and nobody can push to it
	}
	if from.GetID() != g.cfg.ID {
		by = append(by, actor(from.GetOwner()))
	}
	first := fmt.Sprintf("repositories/%d/activity?per_page=%d&ref=%s", from.GetID(), perPage, url.QueryEscape("refs/heads/"+pr.GetHead().GetRef()))
	path := first
	for range maxPages {
		req, err := g.client.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return nil, last, fmt.Errorf("read activity: %w", err)
		}
		var page []struct {
			Actor     *gh.User     `json:"actor"`
			After     string       `json:"after"`
			Timestamp gh.Timestamp `json:"timestamp"`
		}
		resp, err := g.client.Do(ctx, req, &page)
		if resp != nil && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusForbidden) && from.GetID() != g.cfg.ID {
			return by, last, nil
		}
		if err != nil {
			return nil, last, apiErr("read activity", err)
		}
		for _, e := range page {
			by = append(by, actor(e.Actor))
			if e.After == pr.GetHead().GetSHA() && e.Timestamp.After(last) && during(pr, e.Timestamp.Time) {
				last = e.Timestamp.Time
			}
		}
		if resp.After == "" {
			return by, last, nil
		}
		path = first + "&after=" + url.QueryEscape(resp.After)
	}
	return nil, last, fmt.Errorf("%w: the activity of the head branch has more than %d pages", forge.ErrIncomplete, maxPages)
}

func distinct(actors []review.Actor) []review.Actor {
	slices.SortFunc(actors, func(a, b review.Actor) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Login, b.Login))
	})
	return slices.Compact(actors)
}

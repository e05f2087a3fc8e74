package github

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/review"
)

// reading is what the API says of a pull request beside the pull request itself.
type reading struct {
	events  []*gh.IssueEvent
	commits []*gh.RepositoryCommit
	reviews []*gh.PullRequestReview // in the order in which they were submitted
	pushers []review.Actor
	seen    time.Time // see firstSeen

	// The pull request as it was, and what GitHub called the first page of its
	// reviews then.
	pr   *gh.PullRequest
	page string
}

// maxListed is how many commits GitHub lists of a pull request.
const maxListed = 250

// read reads everything, all of it or an error.
func (g *GitHub) read(ctx context.Context, pr *gh.PullRequest) (r reading, err error) {
	n := pr.GetNumber()
	if pr.GetCommits() >= maxListed {
		return r, fmt.Errorf("%w: %d commits, and GitHub tells of %d at most", forge.ErrIncomplete, pr.GetCommits(), maxListed)
	}
	if r.events, err = g.events(ctx, n); err != nil {
		return r, err
	}
	var pushed time.Time
	if r.pushers, pushed, err = g.activity(ctx, pr); err != nil {
		return r, err
	}
	if r.commits, err = g.commits(ctx, pr); err != nil {
		return r, err
	}
	// The status comes before the reviews, so that one read now is later than it.
	if r.seen, err = g.firstSeen(ctx, pr, r.events, pushed); err != nil {
		return r, err
	}
	r.reviews, err = all("read reviews", func(o gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
		list, resp, err := g.client.PullRequests.ListReviews(ctx, g.cfg.Owner, g.cfg.Name, n, &o)
		if err == nil && o.Page == 1 {
			r.page = resp.Header.Get("Etag")
		}
		return list, resp, err
	})
	slices.SortStableFunc(r.reviews, func(a, b *gh.PullRequestReview) int {
		return cmp.Or(a.GetSubmittedAt().Compare(b.GetSubmittedAt().Time), cmp.Compare(a.GetID(), b.GetID()))
	})
	return r, err
}

// commits are those of a pull request, which says itself how many they are.
func (g *GitHub) commits(ctx context.Context, pr *gh.PullRequest) ([]*gh.RepositoryCommit, error) {
	var list []*gh.RepositoryCommit
	o := gh.ListOptions{PerPage: perPage, Page: 1}
	for len(list) < pr.GetCommits() {
		page, _, err := g.client.PullRequests.ListCommits(ctx, g.cfg.Owner, g.cfg.Name, pr.GetNumber(), &o)
		if err != nil {
			return nil, apiErr("read commits", err)
		}
		if len(page) == 0 {
			break
		}
		list = append(list, page...)
		o.Page++
	}
	if len(list) != pr.GetCommits() {
		return nil, fmt.Errorf("%d of %d commits are listed: %w", len(list), pr.GetCommits(), change.ErrNotYet)
	}
	return list, nil
}

// maxReadings bounds the pull requests that are remembered.
const maxReadings = 20_000

// known is what was read of an open pull request last, if GitHub says that neither
// it nor the first page of its reviews has changed since. What else is read of a
// pull request does not change without its time of update: a push, a dismissal, a
// retarget, a review on a later page. The body of a pull request is not compared,
// because it holds how its repository is, which every push changes.
func (g *GitHub) known(ctx context.Context, pr *gh.PullRequest) (reading, bool, error) {
	g.mu.Lock()
	r, ok := g.readings[pr.GetNumber()]
	g.mu.Unlock()
	same := ok && r.pr.GetHead().GetSHA() == pr.GetHead().GetSHA() && r.pr.GetBase().GetRef() == pr.GetBase().GetRef() &&
		r.pr.GetState() == pr.GetState() && r.pr.GetTitle() == pr.GetTitle() && r.pr.GetUpdatedAt().Equal(pr.GetUpdatedAt())
	if !same {
		return reading{}, false, nil
	}
	_, resp, err := g.client.PullRequests.ListReviews(ctx, g.cfg.Owner, g.cfg.Name, pr.GetNumber(), &gh.ListOptions{PerPage: perPage, Page: 1})
	if err != nil {
		return reading{}, false, apiErr("read reviews", err)
	}
	if resp.Header.Get("Etag") != r.page {
		return reading{}, false, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calm[pr.GetNumber()] = true
	return r, true, nil
}

// keep remembers the reading of a pull request that stood still, if it may be used
// again: of one that is open, whose head is proven, and that nothing can have
// happened to since in the second of its last update.
func (g *GitHub) keep(pr *gh.PullRequest, updated time.Time, resp *gh.Response, r reading) {
	const still = 2 * time.Second
	now, err := http.ParseTime(resp.Header.Get("Date"))
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.calm, pr.GetNumber())
	delete(g.silent, pr.GetNumber())
	if err != nil || now.Sub(updated) < still || !pr.GetUpdatedAt().Equal(gh.Timestamp{Time: updated}) ||
		pr.GetState() != "open" || r.seen.IsZero() || r.page == "" {
		delete(g.readings, pr.GetNumber())
		return
	}
	if len(g.readings) >= maxReadings {
		clear(g.readings)
		clear(g.silent)
	}
	r.pr = pr
	g.readings[pr.GetNumber()] = r
}

// forget lets a pull request be read whole next time.
func (g *GitHub) forget(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.readings, n)
	delete(g.calm, n)
	delete(g.silent, n)
}

// show is a report that was published.
type show struct {
	report string
	at     time.Time
}

// showAgain is how long a report that stands is not looked at again.
const showAgain = time.Hour

// standing reports whether a report stands there already: it was published by this
// process, and nothing has changed since.
func (g *GitHub) standing(n int, report forge.Report) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was, ok := g.shows[n]
	return ok && !report.Remind && len(report.Notes) == 0 && g.calm[n] && was.report == nameOf(report) && g.cfg.Now().Sub(was.at) < showAgain
}

func (g *GitHub) stands(n int, report forge.Report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.shows) >= maxReadings {
		clear(g.shows)
	}
	g.shows[n] = show{nameOf(report), g.cfg.Now()}
}

// nameOf tells reports apart by what is shown of them.
func nameOf(r forge.Report) string {
	text := r.Key
	if text == "" {
		text = r.Markdown
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %q %+v %v", r.Head, r.Judgement.Outcome, r.Judgement.Reason, text, r.State, r.Line, r.Why, r.Ask, r.Remind))
	return hex.EncodeToString(sum[:])
}

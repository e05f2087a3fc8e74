package github

import (
	"context"

	gh "github.com/google/go-github/v62/github"
)

// Thousands of pull requests may be seen for the first time in one sweep, such as
// after a start on an empty disk. What is known then need not be asked for.

// sight is the first sight of a head: the engine's own status, or check run, was
// put on it just now, so nothing else of the engine's is there.
type sight struct {
	head  string
	run   *gh.CheckRun // nil with a personal token
	quiet bool         // nobody has written a comment, the engine neither
}

// sees notes the first sight of a head. It holds until it is looked at
// again or something is published.
func (g *GitHub) sees(pr *gh.PullRequest, s sight) {
	s.quiet = pr.Comments != nil && pr.GetComments() == 0
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.fresh) >= maxReadings {
		clear(g.fresh)
	}
	g.fresh[pr.GetNumber()] = s
}

// seenNow is the first sight of the head of a pull request, if that was just now.
func (g *GitHub) seenNow(n int) (sight, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, ok := g.fresh[n]
	return s, ok
}

// sawBefore ends the first sight.
func (g *GitHub) sawBefore(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.fresh, n)
}

// maxAhead is how many heads are fetched at once: others who need git wait for it.
const maxAhead = 250

// ahead fetches the heads of open pull requests that git does not have yet, many at
// once instead of one by one. Nothing rests on it: Observe asks git anew, and tells
// of what cannot be fetched.
func (g *GitHub) ahead(ctx context.Context, open []*gh.PullRequest) {
	if g.cfg.Look {
		return
	}
	var missing []*gh.PullRequest
	g.mu.Lock()
	for _, pr := range open {
		if g.heads[pr.GetNumber()] != pr.GetHead().GetSHA() {
			missing = append(missing, pr)
		}
	}
	g.mu.Unlock()
	for len(missing) > 1 { // one is fetched as soon when it is looked at
		part := missing[:min(len(missing), maxAhead)]
		missing = missing[len(part):]
		var numbers []int
		for _, pr := range part {
			numbers = append(numbers, pr.GetNumber())
		}
		at, err := g.refs(ctx, numbers...)
		if err != nil {
			return
		}
		g.mu.Lock()
		if len(g.heads) >= maxReadings {
			clear(g.heads)
		}
		for _, n := range numbers {
			g.heads[n] = string(at[headRef(n)])
		}
		g.mu.Unlock()
	}
}

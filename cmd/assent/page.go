package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// render makes what people are shown of a pull request. What cannot be worked out
// is left out: it decides nothing.
func (w *workspace) render() func(context.Context, review.Facts, review.Judgement) forge.Report {
	pages := w.pager()
	return func(ctx context.Context, facts review.Facts, j review.Judgement) forge.Report {
		page := pages.of(ctx, facts, j)
		return forge.Report{
			Markdown: report.Markdown(page, forge.MaxText), Key: report.Key(page), State: string(page.State),
			Line: report.Line(page), Why: report.Why(page, forge.MaxText), Ask: stillNeeded(pages.people(ctx, facts), j, facts.Forge), Remembered: remembered,
		}
	}
}

// remembered is what a forge keeps beside the text: what was told lately.
func remembered(m forge.Memory) string {
	var notes []string
	for _, n := range m.Notes {
		notes = append(notes, n.Text)
	}
	return report.Notes(notes)
}

// pager makes pages, and remembers what main and the ledger say between them.
type pager struct {
	w       *workspace
	auditor func() (*audit.Auditor, error) // one for all pages: it checks a record once

	mu sync.Mutex
	at gitdb.OID
	p  present
}

func (w *workspace) pager() *pager {
	return &pager{w: w, auditor: sync.OnceValues(w.auditor)}
}

// presentAt is the repository at a base: what previews start from. It is not ok
// where main is elsewhere.
func (g *pager) presentAt(ctx context.Context, base gitdb.OID) (present, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at != base {
		w, err := g.w.fresh(ctx)
		if err != nil || w.main != base {
			return present{}, false
		}
		p, err := w.presentBy(ctx, g.auditor)
		if err != nil {
			return present{}, false
		}
		g.at, g.p = base, p
	}
	p := g.p
	p.now = g.w.now().UTC()
	return p, true
}

// people are the users at the base of a pull request.
func (g *pager) people(ctx context.Context, facts review.Facts) *resource.Set {
	at, err := g.w.loader.At(ctx, gitdb.OID(facts.Base))
	if err != nil {
		return resource.NewSet()
	}
	return at.Set
}

// of is the page of a pull request as it was judged.
func (g *pager) of(ctx context.Context, facts review.Facts, j review.Judgement) report.Page {
	if j.Outcome != review.Pending {
		if page, ok := g.ended(ctx, facts.PullRequest); ok {
			return page
		}
	}
	page := report.Page{
		PullRequest: facts.PullRequest, State: report.StateOf(j), Reason: j.Reason, Impact: j.Impact,
		Governance: j.Class == review.ClassGovernance || j.Class == review.ClassMixed, Commands: g.w.commands(facts.PullRequest, j.Outcome == review.Pending),
	}
	head, err := g.w.loader.At(ctx, gitdb.OID(facts.Head))
	if err != nil {
		return page
	}
	page.Commit = facts.Base
	p, known := g.presentAt(ctx, gitdb.OID(facts.Base))
	for _, s := range statuses(head.Set, facts, j) {
		ask := report.Ask{RequestStatus: s}
		req, ok := resource.Get[*resource.AccessRequest](head.Set, resource.KindAccessRequest, s.Request)
		if ok {
			g.w.fill(ctx, &ask, req, facts, p, known)
		}
		page.Asks = append(page.Asks, ask)
	}
	if known && j.Class == review.ClassGovernance && j.Outcome == review.Pending {
		if f, err := g.w.futureOf(ctx, p, facts); err == nil {
			page.Shifts, page.Foreseen = f.Shifts, true
		}
	}
	return page
}

// fill adds to a request what a steward needs to decide on it.
func (w *workspace) fill(ctx context.Context, ask *report.Ask, req *resource.AccessRequest, facts review.Facts, p present, known bool) {
	ask.Answers, _ = w.answersOf(ctx, req, &facts)
	if !known {
		return
	}
	chain := append(slices.Clone(p.past), ask.RequestStatus)
	audit.Chain(chain)
	ask.Earlier = chain[len(chain)-1].Earlier
	ask.Cannot = cannot(p.set, req, facts)
	p.approvals = maps.Clone(p.approvals)
	delete(p.approvals, req.Ref().Name)
	o, err := p.outlook(req)
	if err != nil {
		return
	}
	ask.Preview = &o.Preview
	ask.Places = map[resource.Name]report.Place{}
	for d := range resource.Of[*resource.DataSource](p.set) {
		ask.Places[d.Ref().Name] = report.Place{Connection: d.Spec.Connection, Path: strings.Join(d.Spec.Path, ".")}
	}
	if ask.Judgement.Outcome == review.Pending || ask.Judgement.Outcome.Grants() {
		ask.Drafts = drafts(ctx, p.set, o.without, o.with)
	}
	for _, s := range p.past {
		if s.Request == ask.Request {
			ask.History = append(slices.Clone(s.History), ask.History...)
		}
	}
	ask.Facts = report.StewardFacts(p.set, p.past, req, o.Preview, o.Usually.Text)
}

// cannot are the people whose review of a request does not count, the requester
// first.
func cannot(base *resource.Set, req *resource.AccessRequest, facts review.Facts) []report.Barred {
	var out []report.Barred
	for name, why := range review.Interested(base, facts, req) {
		out = append(out, report.Barred{Person: name, Why: why})
	}
	slices.SortFunc(out, func(a, b report.Barred) int {
		first := func(x report.Barred) int {
			if x.Person == req.Spec.Requester {
				return 0
			}
			return 1
		}
		return cmp.Or(first(a)-first(b), cmp.Compare(a.Person, b.Person))
	})
	return out
}

// ended is the page of a pull request whose requests the ledger tells of.
func (g *pager) ended(ctx context.Context, id string) (report.Page, bool) {
	w, err := g.w.fresh(ctx)
	if err != nil {
		return report.Page{}, false
	}
	a, err := g.auditor()
	if err != nil {
		return report.Page{}, false
	}
	list, err := a.Requests(ctx, w.snapshot.Set, w.main, w.now().UTC())
	if err != nil {
		return report.Page{}, false
	}
	list = slices.DeleteFunc(list, func(s audit.RequestStatus) bool { return s.PullRequest != id })
	if len(list) == 0 {
		return report.Page{}, false
	}
	return w.pageOfEnded(ctx, list...), true
}

// pageOfEnded is the page of requests that were decided together.
func (w *workspace) pageOfEnded(ctx context.Context, list ...audit.RequestStatus) report.Page {
	first := list[0]
	page := report.Page{PullRequest: first.PullRequest, State: report.Standing(first), Reason: first.Reason, Commands: w.commands(cmp.Or(first.PullRequest, string(first.Request)), false)}
	for _, s := range list {
		ask := report.Ask{RequestStatus: s}
		if r, problems, err := repo.Decode(s.File, "", []byte(w.requestText(s))); err == nil && !problems.HasErrors() {
			if req, ok := r.(*resource.AccessRequest); ok {
				ask.Answers, _ = w.answersOf(ctx, req, s.Facts)
				if a := req.Spec.Agreement; a != nil && a.Accepted {
					ask.Answers = append(ask.Answers, report.Answer{Question: "accepted:", Text: string(a.Name)})
				}
			}
		}
		page.Asks = append(page.Asks, ask)
	}
	return page
}

// pageFor is the page that explains a request or a pull request: the same as on
// the pull request itself.
func (w *workspace) pageFor(ctx context.Context, s audit.RequestStatus) (report.Page, error) {
	if s.Judgement == nil || s.Facts == nil {
		if s.PullRequest != "" {
			if page, ok := w.pager().ended(ctx, s.PullRequest); ok {
				return page, nil
			}
		}
		return w.pageOfEnded(ctx, s), nil
	}
	judged, err := w.rules.Judge(ctx, *s.Facts)
	if err != nil {
		return report.Page{}, err
	}
	return w.pager().of(ctx, *s.Facts, judged.Judgement), nil
}

// stillNeeded are the stewards whose review a pull request waits for and who did
// not answer yet, as a forge knows them.
func stillNeeded(base *resource.Set, j review.Judgement, on string) []review.Actor {
	wanted := map[resource.Name]bool{}
	for _, d := range j.Determinations {
		if d.Outcome != review.Pending || d.Parked() {
			continue
		}
		for _, s := range d.Stages {
			if s.State != review.StageWaiting {
				continue
			}
			for _, src := range s.Sources {
				for _, p := range src.People {
					wanted[p] = wanted[p] || len(src.Answered) == 0
				}
			}
		}
		for _, r := range d.Reviews {
			wanted[r.Person] = false
		}
	}
	var out []review.Actor
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		u, known := resource.UserOf(base, name)
		if !wanted[name] || !known {
			continue
		}
		if a, ok := accountOn(u.Spec.Forge, on); ok {
			out = append(out, a)
		}
	}
	return out
}

// accountOn is somebody's account on a forge.
func accountOn(f resource.UserForge, on string) (review.Actor, bool) {
	switch {
	case on == github.Name && f.GitHub != nil:
		return review.Actor{Forge: on, ID: fmt.Sprint(f.GitHub.ID), Login: f.GitHub.Login}, true
	case on == gitea.Name && f.Gitea != nil:
		return review.Actor{Forge: on, ID: fmt.Sprint(f.Gitea.ID), Login: f.Gitea.Login}, true
	}
	return review.Actor{}, false
}

// commands are what people can do about a pull request now.
func (w *workspace) commands(id string, pending bool) []string {
	run := func(format string) string { return report.Escape(fmt.Sprintf(format, id)) }
	var out []string
	inComments := w.settings.Spec.Forge == github.Name || w.settings.Spec.Forge == gitea.Name
	switch {
	case pending && inComments:
		out = append(out, "approve in the review of this pull request; a first line `/approve for 30d` or `/approve until 2027-01-31` approves for less",
			"*Request changes* denies, finally, and closes this pull request; a comment decides nothing",
			"in a comment of its own: `/recheck`, `/explain`, `/remind`, and by whoever asked `/cancel`; none of them approves",
			"on your computer: "+run("assent review approve %s")+", "+run("assent review deny %s --reason …"))
	case pending:
		out = append(out, "approve: "+run("assent review approve %s")+", for less with `--for 30d`",
			"deny, finally: "+run("assent review deny %s --reason …"), "withdraw, by whoever asked: "+run("assent request cancel %s"))
	case inComments:
		out = append(out, "in a comment of its own: `/explain`; and by whoever asked `/extend 30d`, which asks for the same again")
	default:
		out = append(out, "ask for the same again: "+run("assent request new --renews %s --duration 30d"))
	}
	return append(out, "this text: "+run("assent explain %s")+"; every rule that fired: "+run("assent policy trace %s"))
}

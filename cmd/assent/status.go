package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

type statusOptions struct {
	person string
	all    bool
}

func (o *statusOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.person, "person", "", "only what concerns this user")
	cmd.Flags().BoolVar(&o.all, "all", false, "ended requests too")
}

func newStatusCmd(g *global) *cobra.Command {
	o := &statusOptions{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show every request: where it stands, who it waits for, what it gives",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), g, *o) },
	}
	o.flags(cmd)
	return cmd
}

func runStatus(ctx context.Context, g *global, o statusOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	list, err := w.standings(ctx)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(s audit.RequestStatus) bool {
		return !o.all && s.State.Ended() && !s.Open() || o.person != "" && !concerns(s, o.person)
	})
	if o.person != "" {
		born, err := w.birthrights(ctx, o.person)
		if err != nil {
			return err
		}
		list = append(list, slices.DeleteFunc(born, func(s audit.RequestStatus) bool { return !slices.Contains(s.For, o.person) })...)
	}
	if g.output == "json" {
		return g.writeJSON(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(g.stdout, "no requests; `assent request new --product NAME` makes one")
		return nil
	}
	return writeStatus(g.stdout, list)
}

func concerns(s audit.RequestStatus, person string) bool {
	if slices.Contains(s.For, person) || slices.ContainsFunc(s.Notices, func(n audit.Notice) bool { return slices.Contains(n.People, resource.Name(person)) }) {
		return true
	}
	if s.Judgement == nil {
		return false
	}
	return slices.ContainsFunc(s.Judgement.Determinations, func(d review.Determination) bool {
		return slices.ContainsFunc(d.Missing, func(n review.Need) bool { return slices.Contains(n.People, resource.Name(person)) })
	})
}

func writeStatus(out io.Writer, list []audit.RequestStatus) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REQUEST\tSTATE\tFOR\tTARGET\tUNTIL\tNOW")
	for _, s := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(s.Request, "-"), s.State, strings.Join(s.For, ", "), s.Target, untilText(s.Until), nowText(s))
	}
	return t.Flush()
}

func untilText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

// nowText says in a few words what a request gives, what prevents the rest, or
// what it waits for.
func nowText(s audit.RequestStatus) string {
	switch {
	case s.State == audit.StateBirthright && len(s.Prevented) > 0:
		return preventedText(s.Prevented[0]) + at(s.At)
	case s.State == audit.StateBirthright:
		return s.Grants[0].State + " on " + string(s.Grants[0].Connection) + ": " + s.Reason + at(s.At)
	case len(s.Notices) > 0 && s.Open():
		return noticeText(s.Notices[0])
	case s.State == audit.StateParked:
		return s.Reason
	case s.State == audit.StatePending && s.Judgement != nil:
		return waitsFor(*s.Judgement)
	case s.State != audit.StateApproved && len(s.Grants) == 0:
		return s.Reason
	}
	var parts []string
	for _, g := range s.Grants {
		text := fmt.Sprintf("%s on %s", g.State, g.Connection)
		if g.State == "failing" || g.State == "partly applied" {
			text += ": " + g.Detail
		}
		parts = append(parts, text)
	}
	if s.State == audit.StateApproved {
		for _, p := range s.Prevented {
			parts = append(parts, preventedText(p))
		}
	}
	if len(parts) == 0 {
		return s.Reason
	}
	slices.SortStableFunc(parts, strings.Compare)
	return strings.Join(slices.Compact(parts), "; ")
}

// preventedText says why an approved request gives less than it asks for.
func preventedText(p grant.Prevented) string {
	switch p.State {
	case grant.StateWaiting, grant.StateExpired, grant.StateEdited, grant.StateReadOnly:
		return p.State + ": " + p.Reason
	default:
		return "prevented: " + p.Reason
	}
}

func waitsFor(j review.Judgement) string {
	if j.Outcome.Grants() {
		return "agreed: `assent determine` merges it"
	}
	for _, d := range j.Determinations {
		if len(d.Missing) > 0 && len(d.Missing[0].People) > 0 {
			return "waits for " + names(d.Missing[0].People, " or ")
		}
	}
	return j.Reason
}

func names(people []resource.Name, join string) string {
	var out []string
	for _, p := range people {
		out = append(out, string(p))
	}
	return strings.Join(out, join)
}

// standings is how every request stands: what the ledger says of the decided
// ones, and the judgement at this moment of the pending ones.
func (w *workspace) standings(ctx context.Context) ([]audit.RequestStatus, error) {
	var list []audit.RequestStatus
	a, err := w.auditor()
	if err == nil {
		list, err = a.Requests(ctx, w.snapshot.Set, w.main, w.now().UTC())
	}
	if err != nil && !noLedger(err) {
		return nil, err
	}
	f, err := w.openForge(ctx)
	if err != nil {
		return nil, err
	}
	prs, err := f.List(ctx, review.StateOpen)
	if err != nil {
		return nil, err
	}
	for _, pr := range prs {
		pending, err := w.pending(ctx, f, pr.ID)
		if err != nil {
			return nil, err
		}
		list = append(list, pending...)
	}
	slices.SortStableFunc(list, func(x, y audit.RequestStatus) int { return strings.Compare(string(x.Request), string(y.Request)) })
	audit.Chain(list)
	return list, nil
}

// noLedger reports that nothing was ever recorded here, which is no error for
// somebody who only looks.
func noLedger(err error) bool {
	var exit *exitError
	return errors.Is(err, ledger.ErrNoLedger) || errors.As(err, &exit)
}

// pending judges an open pull request now.
func (w *workspace) pending(ctx context.Context, f forge.Forge, id string) ([]audit.RequestStatus, error) {
	facts, err := f.Observe(ctx, id)
	if err != nil {
		return []audit.RequestStatus{{Request: resource.Name(id), State: audit.StatePending, Reason: err.Error(), PullRequest: id}}, nil //nolint:nilerr // the status tells of it
	}
	if facts.State != review.StateOpen {
		return nil, nil
	}
	judge := w.rules
	if facts, err = w.withHeld(ctx, judge, f, facts); err != nil {
		return nil, err
	}
	if facts, err = w.recalled(ctx, judge, facts); err != nil {
		return nil, err
	}
	judged, err := judge.Judge(ctx, facts)
	if err != nil {
		return nil, err
	}
	return statuses(judged.Head.Set, facts, judged.Judgement), nil
}

// statuses is how each request of a judged pull request stands; head holds them.
func statuses(head *resource.Set, facts review.Facts, judged review.Judgement) []audit.RequestStatus {
	id := facts.PullRequest
	var out []audit.RequestStatus
	for _, d := range judged.Determinations {
		j := judged
		j.Determinations = []review.Determination{d}
		s := audit.RequestStatus{
			Request: d.Request, State: audit.StatePending, Reason: d.Reason, File: d.File,
			PullRequest: id, Judgement: &j, Facts: &facts, History: audit.Observed(facts, d.Reviews),
		}
		if d.Request == "" {
			s.Request, s.Target = resource.Name(id), "governance change"
		}
		if d.Review != "" {
			s.Request, s.Target = d.Review, "access review"
		}
		if d.Parked() {
			s.State, s.Reason = audit.StateParked, strings.TrimPrefix(s.Reason, "parked: ")
		}
		if d.Outcome.Grants() {
			s.Reason = "agreed, not merged yet: " + d.Reason
		}
		if req, ok := resource.Get[*resource.AccessRequest](head, resource.KindAccessRequest, d.Request); ok {
			s.Describe(req)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		out = append(out, audit.RequestStatus{Request: resource.Name(id), State: audit.StatePending, Reason: judged.Reason, PullRequest: id, Judgement: &judged, Facts: &facts})
	}
	return out
}

// standing is how one request stands. A pending change of it comes first.
func (w *workspace) standing(ctx context.Context, name resource.Name) (audit.RequestStatus, error) {
	list, err := w.standings(ctx)
	if err != nil {
		return audit.RequestStatus{}, err
	}
	for _, s := range slices.Backward(list) {
		if s.Request == name || s.PullRequest == string(name) {
			return s, nil
		}
	}
	return audit.RequestStatus{}, usageErrorf("`assent status --all` lists them", "no request %q", name)
}

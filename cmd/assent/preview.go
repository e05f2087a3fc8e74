package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func newRequestPreviewCmd(g *global) *cobra.Command {
	var o requestOptions
	cmd := &cobra.Command{
		Use:   "preview [REQUEST]",
		Short: "Show what a request would give, who decides, and how long that usually takes",
		Long: "Shows for each person and data source what they have now and what they would\n" +
			"have: each column clear, masked or hidden, and what prevents the rest. Name a\n" +
			"request or its pull request, or say with flags what you think of asking for.\n" +
			"For a pull request that changes anything else, it shows who would lose or gain\n" +
			"access if that were merged.",
		Example: "  assent request preview --product customer-orders\n" +
			"  assent request preview ana-customer-orders",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return runPreviewNamed(cmd.Context(), g, args[0])
			}
			return runPreviewAsked(cmd.Context(), g, o)
		},
	}
	o.targetFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("product", "source", "path")
	return cmd
}

// outlook is what is shown of one request.
type outlook struct {
	grant.Preview
	Asks    string               `json:"asks"`
	Flow    review.FlowRef       `json:"flow"`
	Stages  []review.StageResult `json:"stages"`
	Usually pace                 `json:"usually"`

	without, with grant.State // what the preview rests on: see grant.Foresee
}

// pace is how long the requests for one target took from opening to
// determination: the median, and of how many. Zero of zero is "no history".
type pace struct {
	Median time.Duration `json:"-"`
	Text   string        `json:"median,omitempty"`
	Of     int           `json:"of"`
}

// future is what is shown of a change of anything but requests.
type future struct {
	PullRequest string        `json:"pullRequest"`
	Shifts      []grant.Shift `json:"shifts"`
}

// present is what previews start from: main, the approvals that count, and the past.
type present struct {
	set       *resource.Set
	approvals grant.Determinations
	past      []audit.RequestStatus
	now       time.Time
}

func (w *workspace) present(ctx context.Context) (present, error) { return w.presentBy(ctx, w.auditor) }

// presentBy is present with an auditor who may have checked records before.
func (w *workspace) presentBy(ctx context.Context, auditor func() (*audit.Auditor, error)) (present, error) {
	p := present{set: w.snapshot.Set, now: w.now().UTC()}
	a, err := auditor()
	if err == nil {
		var c audit.Custody
		if c, err = a.Custody(ctx, w.main); err == nil {
			p.approvals = c.Approvals
			p.past, err = a.Requests(ctx, p.set, w.main, p.now)
		}
	}
	if err != nil && !noLedger(err) {
		return p, err
	}
	return p, nil
}

func (p present) outlook(req *resource.AccessRequest) (outlook, error) {
	o := outlook{Asks: fmt.Sprintf("%s on %s", asks(req, ""), audit.TargetText(req.Spec.Target)), Usually: paceOf(p.past, req)}
	until, _, err := resource.MaxEnd(p.set, req, p.now)
	if err != nil {
		return o, &exitError{code: exitFindings, err: err}
	}
	if o.Flow, o.Stages, err = review.Outlook(p.set, req, p.now); err != nil {
		return o, &exitError{code: exitFindings, err: err}
	}
	o.Preview, o.without, o.with = grant.Foresee(p.set, p.approvals, req, until, p.now)
	return o, nil
}

func paceOf(past []audit.RequestStatus, req *resource.AccessRequest) pace {
	var took []time.Duration
	for _, s := range past {
		if s.Target != audit.TargetText(req.Spec.Target) || s.Request == req.Ref().Name || s.State == audit.StateCanceled ||
			s.OpenedAt.IsZero() || s.DecidedAt.Before(s.OpenedAt) {
			continue
		}
		took = append(took, s.DecidedAt.Sub(s.OpenedAt))
	}
	if len(took) == 0 {
		return pace{}
	}
	slices.Sort(took)
	p := pace{Of: len(took), Median: took[(len(took)-1)/2]}
	p.Text = durationText(p.Median)
	return p
}

// durationText says a duration in its two largest units: "2 d 3 h".
func durationText(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}}
	var parts []string
	for _, u := range units {
		if n := d / u.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d %= u.size
		}
	}
	if len(parts) == 0 {
		return "less than a minute"
	}
	return strings.Join(parts[:min(len(parts), 2)], " ")
}

func runPreviewAsked(ctx context.Context, g *global, o requestOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	var me *resource.User
	if len(o.people) == 0 || o.key != "" {
		key, err := personKey(o.key)
		if err != nil {
			return err
		}
		if me, err = w.person(key); err != nil {
			return err
		}
	}
	req, err := w.draftRequest(me, o)
	if err != nil {
		return err
	}
	req.Metadata.Name = "preview"
	if !req.Spec.Duration.Stated() && !req.Spec.Until.Stated() {
		req.Spec.Duration = resource.Indefinite // shortened to what is allowed
	}
	p, err := w.present(ctx)
	if err != nil {
		return err
	}
	out, err := p.outlook(req)
	if err != nil {
		return err
	}
	return g.writeOutlooks([]outlook{out})
}

func runPreviewNamed(ctx context.Context, g *global, name string) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	p, err := w.present(ctx)
	if err != nil {
		return err
	}
	if req, ok := resource.Get[*resource.AccessRequest](p.set, resource.KindAccessRequest, resource.Name(name)); ok {
		out, err := p.outlook(req)
		if err != nil {
			return err
		}
		return g.writeOutlooks([]outlook{out})
	}
	s, err := w.standing(ctx, resource.Name(name))
	if err != nil {
		return err
	}
	if s.Facts == nil {
		return usageErrorf("`assent request show "+name+"` tells how it ended", "%s is %s: there is nothing to preview", name, s.State)
	}
	if s.Judgement.Class == review.ClassGovernance {
		f, err := w.futureOf(ctx, p, *s.Facts)
		if err != nil {
			return err
		}
		return g.writeFuture(f)
	}
	outs, err := w.outlooksOf(ctx, p, *s.Facts)
	if err != nil {
		return err
	}
	return g.writeOutlooks(outs)
}

// outlooksOf previews every request that a pull request adds or changes.
func (w *workspace) outlooksOf(ctx context.Context, p present, facts review.Facts) ([]outlook, error) {
	head, err := w.loader.At(ctx, gitdb.OID(facts.Head))
	if err != nil {
		return nil, err
	}
	var out []outlook
	for _, f := range facts.Files {
		for req := range resource.Of[*resource.AccessRequest](head.Set) {
			if req.Source.File != f.Path || f.NewBlob == "" {
				continue
			}
			o, err := p.outlook(req)
			if err != nil {
				return nil, err
			}
			out = append(out, o)
		}
	}
	return out, nil
}

// futureOf replays every approval that counts against what merging would give.
func (w *workspace) futureOf(ctx context.Context, p present, facts review.Facts) (future, error) {
	f := future{PullRequest: facts.PullRequest, Shifts: []grant.Shift{}}
	if facts.ResultTree == "" {
		return f, &exitError{code: exitFindings, err: fmt.Errorf("%s conflicts with %s", facts.PullRequest, facts.BaseRef), hint: "update its branch"}
	}
	result, err := w.loader.AtTree(ctx, gitdb.OID(facts.ResultTree))
	if err != nil {
		return f, err
	}
	if found := determine.NewProblems(w.snapshot, result, p.now, platformCapabilities); found.HasErrors() {
		return f, &exitError{code: exitFindings, err: fmt.Errorf("%s has mistakes: %s", facts.PullRequest, found[0]), hint: "`assent validate` on its branch lists them"}
	}
	was := grant.Sights(p.set, grant.Desired(p.set, p.approvals, p.now).State)
	will := grant.Sights(result.Set, grant.Desired(result.Set, p.approvals, p.now).State)
	f.Shifts = append(f.Shifts, grant.Shifts(was, will)...)
	return f, nil
}

func (g *global) writeOutlooks(list []outlook) error {
	if g.output == "json" {
		return g.writeJSON(list)
	}
	for i, o := range list {
		if i > 0 {
			fmt.Fprintln(g.stdout)
		}
		writeOutlook(g.stdout, o)
	}
	return nil
}

func writeOutlook(out io.Writer, o outlook) {
	until := "without an end"
	if !o.Until.IsZero() {
		until = "until " + o.Until.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(out, "%s, %s at the latest, if approved now\n", o.Asks, until)
	if len(o.Rows) == 0 {
		fmt.Fprintln(out, "  nothing: no person or data source that it names is registered")
	}
	for _, r := range o.Rows {
		fmt.Fprintf(out, "  %s  %s\n", r.Person, r.Source)
		fmt.Fprintf(out, "    now          %s\n", sightText(r.Now, r.Columns, func(c grant.PreviewColumn) grant.Visibility { return c.Now }))
		fmt.Fprintf(out, "    if approved  %s\n", sightText(r.Then, r.Columns, func(c grant.PreviewColumn) grant.Visibility { return c.Then }))
		for _, why := range r.Prevented {
			fmt.Fprintf(out, "    prevented    %s\n", why)
		}
	}
	fmt.Fprintf(out, "  decided by %s, from %s\n", o.Flow.Mode, o.Flow.From)
	for i, s := range o.Stages {
		fmt.Fprintf(out, "    stage %d, %s of\n", i+1, s.Mode)
		for _, src := range s.Sources {
			who := "nobody"
			if len(src.People) > 0 {
				who = names(src.People, " or ")
			}
			fmt.Fprintf(out, "      %s: %s\n", src.Source, who)
		}
	}
	if o.Usually.Of == 0 {
		fmt.Fprintln(out, "  no history: nobody asked for this before")
	} else {
		fmt.Fprintf(out, "  usually decided within %s (median of %d)\n", o.Usually.Text, o.Usually.Of)
	}
}

func sightText(level resource.AccessLevel, columns []grant.PreviewColumn, how func(grant.PreviewColumn) grant.Visibility) string {
	text := report.LevelText(level)
	for _, v := range []grant.Visibility{grant.Clear, grant.Masked} {
		var list []string
		for _, c := range columns {
			if how(c) == v {
				list = append(list, c.Name)
			}
		}
		if len(list) > 0 {
			text += fmt.Sprintf("; %s %s", v, strings.Join(list, ", "))
		}
	}
	return text
}

func (g *global) writeFuture(f future) error {
	if g.output == "json" {
		return g.writeJSON(f)
	}
	if len(f.Shifts) == 0 {
		fmt.Fprintf(g.stdout, "%s: nobody would lose or gain access\n", f.PullRequest)
		return nil
	}
	for _, s := range f.Shifts {
		verb := "would gain"
		switch {
		case s.Loses() && s.Gains():
			verb = "would lose and gain"
		case s.Loses():
			verb = "would lose"
		}
		fmt.Fprintf(g.stdout, "%s %s of %s\n    now    %s\n    after  %s\n", s.Person, verb, s.Source, seenText(s.Was), seenText(s.Will))
	}
	return nil
}

func seenText(s grant.Sight) string {
	var columns []grant.PreviewColumn
	for _, c := range s.Columns {
		columns = append(columns, grant.PreviewColumn{Name: c.Name, Then: c.How})
	}
	return sightText(s.Level, columns, func(c grant.PreviewColumn) grant.Visibility { return c.Then })
}

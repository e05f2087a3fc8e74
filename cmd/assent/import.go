package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/adopt"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

type importOptions struct {
	key      string
	out      string
	duration string
	answers  []string
	accept   bool
	dryRun   bool
	propose  bool
}

func newImportCmd(g *global) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import CONNECTION",
		Short: "Turn access that others granted into requests, for stewards to decide",
		Long: "Reads what others granted on a platform and writes a request for each account and\n" +
			"product, schema or table that it has all of, with you as the requester and the\n" +
			"users whom the accounts seem to belong to as beneficiaries; how that was guessed\n" +
			"stands in each file. What no request can stand for is listed with a reason.\n\n" +
			"Nothing is changed on the platform. Once a request is approved, `assent reconcile`\n" +
			"lets its people in beside what they have, and `assent drift --handover` prints\n" +
			"what whoever granted that would run to take it back. A second import asks for\n" +
			"nothing that was asked for before.",
		Example: "  assent import warehouse --dry-run\n  assent import warehouse --propose --accept-agreement --answer purpose='Access that existed before'",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runImport(cmd.Context(), g, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	f.StringVar(&o.out, "out", "", "write the requests below this directory instead of into the work tree")
	f.StringVar(&o.duration, "duration", "", "how long to ask for; the most that is allowed unless given, 90d where there is no limit")
	f.StringArrayVar(&o.answers, "answer", nil, "an answer to the forms, as question=answer; texts say that they were imported unless given")
	f.BoolVar(&o.accept, "accept-agreement", false, "accept the data use agreements of the forms")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be written, and write nothing")
	f.BoolVar(&o.propose, "propose", false, "open a pull request with the requests instead of writing files")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "propose", "out")
	return cmd
}

// imported is one request, filled in and encoded.
type imported struct {
	adopt.Asked
	File string `json:"file"`
	raw  []byte
}

// importReport is what an import found and made.
type importReport struct {
	Connection  resource.Name  `json:"connection"`
	Requests    []imported     `json:"requests"`
	Locked      []adopt.Locked `json:"locked"`
	Known       []adopt.Known  `json:"known"` // covered, or asked for already
	Unread      [][]string     `json:"unread,omitempty"`
	PullRequest string         `json:"pullRequest,omitempty"`
	// Blind says that the platform cannot tell of owners, superusers and the like.
	Blind bool `json:"blind,omitempty"`
}

func runImport(ctx context.Context, g *global, name string, o importOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	if w.db.Bare() && o.out == "" && !o.propose && !o.dryRun {
		return usageErrorf("add --propose, or --out DIR", "files are written into a work tree, and this repository has none")
	}
	c, err := w.connection(name)
	if err != nil {
		return err
	}
	f, me, err := w.sit(ctx, o.key)
	if err != nil {
		return err
	}
	found, err := w.driftOf(ctx, c)
	if err != nil {
		return err
	}
	rep, err := w.propose(ctx, c, me, found, o)
	if err != nil {
		return err
	}
	if o.propose && len(rep.Requests) > 0 {
		if rep.PullRequest, err = openImport(ctx, f, rep); err != nil {
			return err
		}
	}
	if !o.dryRun && !o.propose {
		dir := o.out
		if dir == "" {
			dir = w.db.Dir()
		}
		for _, r := range rep.Requests {
			if err := writeFile(filepath.Join(dir, filepath.FromSlash(r.File)), r.raw); err != nil {
				return err
			}
		}
	}
	if g.output == "json" {
		return g.writeJSON(rep)
	}
	writeImport(g.stdout, rep, o)
	return nil
}

// driftOf reads one connection, which has to be readable as a whole.
func (w *workspace) driftOf(ctx context.Context, c *resource.Connection) (reconcile.ConnectionDrift, error) {
	r, err := w.reconciler(ctx, false)
	if err != nil {
		return reconcile.ConnectionDrift{}, err
	}
	rep, err := r.Drift(ctx, c.Ref().Name)
	if err != nil {
		return reconcile.ConnectionDrift{}, &exitError{code: exitFindings, err: err}
	}
	if rep.Frozen != "" {
		return reconcile.ConnectionDrift{}, &exitError{code: exitFindings, err: errors.New(rep.Frozen), hint: "what is covered already cannot be told; mend that first"}
	}
	found := rep.Connections[0]
	if found.Unknown != "" {
		return found, &exitError{code: exitUnreachable, err: errors.New(found.Unknown), hint: found.Hint}
	}
	return found, nil
}

// propose sorts what others gave and fills the requests in.
func (w *workspace) propose(ctx context.Context, c *resource.Connection, me *resource.User, found reconcile.ConnectionDrift, o importOptions) (importReport, error) {
	in := adopt.Input{Set: w.snapshot.Set, Connection: c, Survey: found.Survey, Requester: me.Ref().Name, Now: w.now().UTC()}
	covered := map[string][]resource.Ref{}
	for _, f := range found.Foreign {
		in.Foreign = append(in.Foreign, f.Foreign)
		covered[fmt.Sprintf("%#v", f.Foreign)] = f.Covered
	}
	in.Covered = func(f platform.Foreign) []resource.Ref { return covered[fmt.Sprintf("%#v", f)] }
	p := adopt.Propose(in)
	rep := importReport{Connection: c.Ref().Name, Requests: []imported{}, Locked: p.Locked, Known: p.Known, Unread: found.Unread, Blind: !found.Surveyed}
	waiting, err := w.proposedBefore(c.Ref().Name)
	if err != nil {
		return rep, err
	}
	for _, a := range p.Asked {
		one := imported{Asked: a, File: repo.FileFor(a.Request, requestFolder(a.Request.Spec.Target))}
		if in := waiting[one.File]; in != "" {
			for _, f := range a.For {
				rep.Known = append(rep.Known, adopt.Known{Foreign: f, By: []resource.Ref{a.Request.Ref()}, In: in})
			}
			continue
		}
		if err := w.fillImported(&one, o); err != nil {
			rep.lock(a, "invalid", err.Error())
			continue
		}
		rep.Requests = append(rep.Requests, one)
	}
	err = w.refuseInvalid(ctx, &rep)
	slices.SortStableFunc(rep.Locked, adopt.Locked.Compare)
	return rep, err
}

// lock moves what a request stands for to what is locked.
func (r *importReport) lock(a adopt.Asked, reason, detail string) {
	for _, f := range a.For {
		r.Locked = append(r.Locked, adopt.Lock(f, reason, detail))
	}
}

// fillImported fills in the form and encodes the request.
func (w *workspace) fillImported(one *imported, o importOptions) error {
	req := one.Request
	form, ok := resource.FormOf(w.snapshot.Set, resource.FormFor(w.snapshot.Set, req))
	if !ok {
		return errors.New("the form that it has to fill in does not exist")
	}
	req.Spec.Duration = w.longest(req, form)
	if o.duration != "" {
		req.Spec.Duration = resource.Duration(o.duration)
	}
	given := requestOptions{answers: slices.Clone(o.answers), accept: o.accept}
	for _, q := range form.Spec.Questions {
		stated := slices.ContainsFunc(o.answers, func(a string) bool { return strings.HasPrefix(a, q.ID+"=") })
		if q.Type == resource.QuestionShortAnswer && q.Pattern == "" && q.IsRequired() && q.ShowIf == nil && !stated {
			given.answers = append(given.answers, fmt.Sprintf("%s=Imported: this access existed on %s before", q.ID, req.Metadata.Annotations[adopt.NoteConnection]))
		}
	}
	given.answers = slices.DeleteFunc(given.answers, func(a string) bool { // an answer for another form
		id, _, _ := strings.Cut(a, "=")
		return !slices.ContainsFunc(form.Spec.Questions, func(q resource.Question) bool { return q.ID == id })
	})
	if err := w.fillForm(req, given, nil); err != nil {
		return err
	}
	raw, err := repo.Encode(req)
	one.raw = raw
	return err
}

// longest is the longest duration that may be asked for: the most that the
// product or the repository allows, of what the form offers.
func (w *workspace) longest(req *resource.AccessRequest, form *resource.RequestForm) resource.Duration {
	most, _ := resource.MaxDurationFor(w.snapshot.Set, req)
	var offered []string
	for _, q := range form.Spec.Questions {
		if q.Type == resource.QuestionAccessDuration {
			offered = q.Options
		}
	}
	if len(offered) == 0 {
		if most.Stated() {
			return most
		}
		return "90d"
	}
	now := w.now().UTC()
	limit, bounded, _ := most.After(now)
	best := resource.Duration(offered[0])
	for _, text := range offered {
		d := resource.Duration(text)
		end, ends, err := d.After(now)
		bestEnd, bestEnds, _ := best.After(now)
		fits := err == nil && (!most.Stated() || !bounded || ends && !end.After(limit))
		if fits && (!ends || bestEnds && end.After(bestEnd)) {
			best = d
		}
	}
	return best
}

// refuseInvalid locks the requests that validation would refuse, as if they were
// merged.
func (w *workspace) refuseInvalid(ctx context.Context, rep *importReport) error {
	all := slices.Collect(w.snapshot.Set.All())
	for _, r := range rep.Requests {
		decoded, problems, err := repo.Decode(r.File, "", r.raw)
		if err != nil || problems.HasErrors() {
			return fmt.Errorf("read %s again: %w", r.File, errors.Join(err, errors.New(fmt.Sprint(problems))))
		}
		all = append(all, decoded)
	}
	result := *w.snapshot
	result.Set = resource.NewSet(all...)
	wrong := map[string]diag.Diagnostic{}
	for _, d := range determine.NewProblems(w.snapshot, &result, w.now().UTC(), platformCapabilities) {
		if _, told := wrong[d.Pos.File]; !told {
			wrong[d.Pos.File] = d
		}
	}
	rep.Requests = slices.DeleteFunc(rep.Requests, func(r imported) bool {
		d, bad := wrong[r.File]
		if bad {
			rep.lock(r.Asked, "invalid", strings.TrimSuffix(d.Message+": "+d.Hint, ": "))
		}
		return bad
	})
	return ctx.Err()
}

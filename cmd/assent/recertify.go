package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func newRecertifyCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "recertify", Short: "Look back at access: what has to be confirmed, and the review that does it"}
	cmd.AddCommand(newRecertifyDueCmd(g), newRecertifyOpenCmd(g))
	return cmd
}

// dueOptions select what falls due.
type dueOptions struct {
	within string
	domain string
}

func (o *dueOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.within, "within", "30d", "what falls due in that time, such as 30d")
	cmd.Flags().StringVar(&o.domain, "domain", "", "only requests for what this domain owns")
}

func newRecertifyDueCmd(g *global) *cobra.Command {
	var o dueOptions
	cmd := &cobra.Command{
		Use:   "due",
		Short: "List the access that stewards have to look back at, and who they are",
		Long:  "Lists approved requests whose form asks for recertification, and emergency access\nthat still needs its after-review, with the last moment and the people who may\nanswer. Whoever opens the review does not count among them.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runRecertifyDue(cmd.Context(), g, o) },
	}
	o.flags(cmd)
	return cmd
}

// dueAccess is one request that somebody has to look back at.
type dueAccess struct {
	Request resource.Name             `json:"request"`
	Review  resource.AccessReviewType `json:"review"`
	Target  string                    `json:"target"`
	For     []string                  `json:"for"`
	State   string                    `json:"state"`
	By      time.Time                 `json:"by,omitzero"`
	Reason  string                    `json:"reason"`
	People  []resource.Name           `json:"people"`
}

func runRecertifyDue(ctx context.Context, g *global, o dueOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	list, err := w.due(ctx, o)
	if err != nil {
		return err
	}
	if g.output == "json" {
		return g.writeJSON(list)
	}
	if len(list) == 0 {
		fmt.Fprintf(g.stdout, "nothing falls due within %s\n", o.within)
		return nil
	}
	t := tabwriter.NewWriter(g.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REQUEST\tREVIEW\tSTATE\tBY\tFOR\tTARGET\tWHO")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Request, d.Review, d.State, untilText(d.By), strings.Join(d.For, ", "), d.Target, whoText(d.People))
	}
	return t.Flush()
}

func whoText(people []resource.Name) string {
	if len(people) == 0 {
		return "nobody can; name somebody"
	}
	return names(people, " or ")
}

// due is the access that has to be looked back at within a time, by its last moment.
func (w *workspace) due(ctx context.Context, o dueOptions) ([]dueAccess, error) {
	now := w.now().UTC()
	limit, bounded, err := resource.Duration(o.within).After(now)
	if err != nil {
		return nil, usageErrorf("write it as 30d", "read --within %q: %w", o.within, err)
	}
	if _, ok := resource.Get[*resource.Domain](w.snapshot.Set, resource.KindDomain, resource.Name(o.domain)); o.domain != "" && !ok {
		return nil, usageErrorf("see domains/", "no domain %q", o.domain)
	}
	a, err := w.auditor()
	if err != nil {
		return nil, err
	}
	all, err := a.Requests(ctx, w.snapshot.Set, w.main, now)
	if err != nil {
		return nil, err
	}
	out := []dueAccess{}
	for _, s := range all {
		for _, n := range s.Notices {
			if n.State == string(review.EmergencyInUse) || bounded && !n.By.IsZero() && n.By.After(limit) || !w.inDomain(s, o.domain) {
				continue
			}
			kind := resource.AfterReview
			if n.State == audit.NoticeCertify {
				kind = resource.Recertification
			}
			out = append(out, dueAccess{s.Request, kind, s.Target, s.For, n.State, n.By, n.Reason, n.People})
		}
	}
	slices.SortStableFunc(out, func(x, y dueAccess) int { return x.By.Compare(y.By) })
	return out, nil
}

// inDomain reports whether a request is for what a domain owns. One whose file is
// gone is in none.
func (w *workspace) inDomain(s audit.RequestStatus, domain string) bool {
	if domain == "" {
		return true
	}
	req, ok := resource.Get[*resource.AccessRequest](w.snapshot.Set, resource.KindAccessRequest, s.Request)
	if !ok {
		return false
	}
	d, ok := resource.DomainOfTarget(w.snapshot.Set, req.Spec.Target)
	return ok && d == resource.Name(domain)
}

type openOptions struct {
	dueOptions
	key       string
	keep      []string
	shorten   []string
	drop      []string
	justified []string
	misuse    []string
	keepRest  bool
	dryRun    bool
}

func newRecertifyOpenCmd(g *global) *cobra.Command {
	var o openOptions
	cmd := &cobra.Command{
		Use:   "open NAME",
		Short: "Open the pull request of a review",
		Long: "Writes reviews/NAME.yaml with what you say of each request, and opens its pull\n" +
			"request. One steward of each request then has to approve it; you do not count,\n" +
			"but for what you drop as its steward or beneficiary. Nothing is said of a request\n" +
			"that you do not name: silence is no confirmation, and its form says what comes of\n" +
			"it. --keep-rest names all others that fall due.",
		Example: "  assent recertify open autumn --keep-rest --drop ana-customer-orders='project is over'\n" +
			"  assent recertify open incident-4711 --justified ana-fix='the outage of Tuesday'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runRecertifyOpen(cmd.Context(), g, args[0], o) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	f.StringArrayVar(&o.keep, "keep", nil, "keep a request, as NAME or NAME=reason")
	f.StringArrayVar(&o.shorten, "shorten", nil, "shorten it, as NAME=2027-01-31 or NAME=2027-01-31 reason")
	f.StringArrayVar(&o.drop, "drop", nil, "drop it, as NAME or NAME=reason")
	f.StringArrayVar(&o.justified, "justified", nil, "emergency access was justified, as NAME=reason")
	f.StringArrayVar(&o.misuse, "misuse", nil, "emergency access was misuse, as NAME=reason")
	f.BoolVar(&o.keepRest, "keep-rest", false, "keep every other request that falls due within --within")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the review file and open nothing")
	return cmd
}

func runRecertifyOpen(ctx context.Context, g *global, name string, o openOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	due, err := w.due(ctx, o.dueOptions)
	if err != nil {
		return err
	}
	rev, left, err := buildReview(name, o, due)
	if err != nil {
		return err
	}
	file := "reviews/" + name + ".yaml"
	raw, problems, err := w.checkReview(rev, file)
	if err != nil {
		return err
	}
	if problems.HasErrors() {
		if err := g.writeProblems(problems, func(string) []byte { return raw }, nil); err != nil {
			return err
		}
		return &exitError{code: exitFindings, hint: "change the flags named above and run the command again; nothing was opened"}
	}
	if o.dryRun {
		_, err := g.stdout.Write(raw)
		return err
	}
	f, me, err := w.sit(ctx, o.key)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("%s looks back at %d requests", me.Metadata.Name, len(rev.Spec.Decisions))
	if _, err := f.open(ctx, draft{name, title, map[string][]byte{file: raw}}); err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	fmt.Fprintf(g.stdout, "opened %s: %s\n  file    %s\n", name, title, file)
	for _, d := range left {
		fmt.Fprintf(g.stdout, "  nothing is said of %s, which falls due %s\n", d.Request, untilText(d.By))
	}
	fmt.Fprintf(g.stdout, "next: `assent explain %s` says who can approve it\n", name)
	return nil
}

// buildReview is the review that the flags describe. left is what falls due and
// is not in it.
func buildReview(name string, o openOptions, due []dueAccess) (rev *resource.AccessReview, left []dueAccess, err error) {
	rev = &resource.AccessReview{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindAccessReview}}
	rev.Metadata.Name = name
	named := map[resource.Name]bool{}
	after := len(o.justified)+len(o.misuse) > 0
	rev.Spec.Type = resource.Recertification
	if after {
		rev.Spec.Type = resource.AfterReview
	}
	for _, group := range []struct {
		choice resource.DecisionChoice
		flags  []string
	}{{resource.Keep, o.keep}, {resource.Shorten, o.shorten}, {resource.Drop, o.drop}, {resource.Justified, o.justified}, {resource.Misuse, o.misuse}} {
		for _, text := range group.flags {
			d := decisionOf(group.choice, text)
			named[d.Request] = true
			rev.Spec.Decisions = append(rev.Spec.Decisions, d)
		}
	}
	for _, d := range due {
		switch {
		case named[d.Request] || d.Review != rev.Spec.Type:
		case o.keepRest && d.Review == resource.Recertification:
			rev.Spec.Decisions = append(rev.Spec.Decisions, resource.ReviewDecision{Request: d.Request, Decision: resource.Keep})
		default:
			left = append(left, d)
		}
	}
	if len(rev.Spec.Decisions) == 0 {
		var list []string
		for _, d := range due {
			list = append(list, fmt.Sprintf("  %s (%s, %s)", d.Request, d.Review, untilText(d.By)))
		}
		if len(list) == 0 {
			return nil, nil, usageErrorf("`assent recertify due --within 1y` looks further ahead", "nothing falls due within %s", o.within)
		}
		return nil, nil, usageErrorf("use --keep, --shorten, --drop, --justified or --misuse for each, or --keep-rest", "nothing is said of any request; these fall due:\n%s", strings.Join(list, "\n"))
	}
	slices.SortStableFunc(rev.Spec.Decisions, func(x, y resource.ReviewDecision) int { return strings.Compare(string(x.Request), string(y.Request)) })
	return rev, left, nil
}

// decisionOf reads NAME, NAME=reason or, to shorten, NAME=end reason.
func decisionOf(choice resource.DecisionChoice, text string) resource.ReviewDecision {
	request, rest, _ := strings.Cut(text, "=")
	d := resource.ReviewDecision{Request: resource.Name(strings.TrimSpace(request)), Decision: choice, Reason: strings.TrimSpace(rest)}
	if choice == resource.Shorten {
		end, reason, _ := strings.Cut(d.Reason, " ")
		d.Until, d.Reason = resource.Instant(end), strings.TrimSpace(reason)
	}
	return d
}

// checkReview encodes a review and checks it against main as if it were merged.
func (w *workspace) checkReview(rev *resource.AccessReview, file string) ([]byte, diag.List, error) {
	if _, taken := w.snapshot.Set.Find(rev.Ref()); taken {
		return nil, nil, usageErrorf("a review that is merged stands; choose another name", "there is a review %q", rev.Metadata.Name)
	}
	raw, err := repo.Encode(rev)
	if err != nil {
		return nil, nil, &exitError{code: exitUsage, err: err, hint: "change the flag that the message is about"}
	}
	decoded, problems, err := repo.Decode(file, "", raw)
	if err != nil || problems.HasErrors() {
		return raw, problems, err
	}
	result := *w.snapshot
	all := []resource.Resource{decoded}
	for r := range w.snapshot.Set.All() {
		all = append(all, r)
	}
	result.Set = resource.NewSet(all...)
	return raw, determine.NewProblems(w.snapshot, &result, w.now().UTC(), platformCapabilities), nil
}

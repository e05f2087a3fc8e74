package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func newRequestCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "request", Short: "Ask for access, and follow what you asked for"}
	cmd.AddCommand(newRequestNewCmd(g), newRequestListCmd(g), newRequestShowCmd(g), newRequestCancelCmd(g))
	return cmd
}

type requestOptions struct {
	key       string
	name      string
	product   string
	source    string
	path      string
	people    []string
	level     string
	duration  string
	until     string
	notBefore string
	unmask    []string
	answers   []string
	accept    bool
	dryRun    bool
}

func newRequestNewCmd(g *global) *cobra.Command {
	var o requestOptions
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Ask for access: write the request and open its pull request",
		Long: "Writes a request file, checks it, and opens a pull request for it, signed with\n" +
			"your key. The form of the product says which answers it takes; leave them out\n" +
			"and the command lists them.",
		Example: "  assent request new --product customer-orders --answer purpose='Churn model' --duration 90d --accept-agreement\n" +
			"  assent request new --product customer-orders --unmask email --answer purpose='Bounce handling' --duration 30d",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRequestNew(cmd.Context(), g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	f.StringVar(&o.name, "name", "", "name of the request; made from yours and the target's unless given")
	f.StringVar(&o.product, "product", "", "the data product to ask for")
	f.StringVar(&o.source, "source", "", "or the data source")
	f.StringVar(&o.path, "path", "", "or everything below connection[/database[/schema]]")
	f.StringSliceVar(&o.people, "for", nil, "who gets access: a user, group:NAME or serviceAccount:NAME; you unless given")
	f.StringVar(&o.level, "level", "", "read (unless given) or write")
	f.StringVar(&o.duration, "duration", "", "for how long, such as 90d, 3mo or indefinite")
	f.StringVar(&o.until, "until", "", "or until when, such as 2027-01-31")
	f.StringVar(&o.notBefore, "not-before", "", "from when, such as 2027-01-31")
	f.StringSliceVar(&o.unmask, "unmask", nil, "ask to see these masked columns instead of for access")
	f.StringArrayVar(&o.answers, "answer", nil, "an answer to the form, as question=answer; give it again for each")
	f.BoolVar(&o.accept, "accept-agreement", false, "accept the data use agreement of the form")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the request file and open nothing")
	return cmd
}

func runRequestNew(ctx context.Context, g *global, o requestOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	key, err := personKey(o.key)
	if err != nil {
		return err
	}
	me, err := w.person(key)
	if err != nil {
		return err
	}
	made, problems, err := w.fileRequest(ctx, me, o)
	if err != nil {
		return err
	}
	if problems.HasErrors() {
		if err := g.writeProblems(problems, func(string) []byte { return made.raw }); err != nil {
			return err
		}
		return &exitError{code: exitFindings, hint: "change the flags named above and run the command again; nothing was opened"}
	}
	if o.dryRun {
		_, err := g.stdout.Write(made.raw)
		return err
	}
	f, err := w.openForge(ctx)
	if err != nil {
		return err
	}
	pr, err := f.Open(ctx, key, local.Draft{
		ID: made.name, Title: made.title, Files: map[string][]byte{made.file: made.raw},
		Author: gitdb.Person{Name: me.Metadata.Name, Email: me.Spec.Email, When: w.now()},
	})
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	if g.output == "json" {
		return g.writeJSON(struct {
			Request     string `json:"request"`
			File        string `json:"file"`
			PullRequest string `json:"pullRequest"`
			Head        string `json:"head"`
		}{made.name, made.file, pr.ID, pr.Head})
	}
	fmt.Fprintf(g.stdout, "opened %s: %s\n  file    %s\n  branch  %s\n", pr.ID, made.title, made.file, strings.TrimPrefix(pr.HeadRef, "refs/heads/"))
	fmt.Fprintf(g.stdout, "next: `assent explain %s` says who can approve it\n", pr.ID)
	return nil
}

// filed is a request file that was made but not opened yet.
type filed struct {
	name, file, title string
	raw               []byte
}

// fileRequest makes the request file and checks it against main as if it were
// merged.
func (w *workspace) fileRequest(ctx context.Context, me *resource.User, o requestOptions) (filed, diag.List, error) {
	req, err := w.buildRequest(me, o)
	if err != nil {
		return filed{}, nil, err
	}
	folder := requestFolder(req.Spec.Target)
	made := filed{name: req.Metadata.Name, file: repo.FileFor(req, folder)}
	made.title = fmt.Sprintf("%s asks for %s on %s", me.Metadata.Name, asks(req), audit.TargetText(req.Spec.Target))
	if made.raw, err = repo.Encode(req); err != nil {
		return made, nil, &exitError{code: exitUsage, err: err, hint: "change the flag that the message is about"}
	}
	decoded, problems, err := repo.Decode(made.file, "", made.raw)
	if err != nil || problems.HasErrors() {
		return made, problems, err
	}
	result := *w.snapshot
	all := []resource.Resource{decoded}
	for r := range w.snapshot.Set.All() {
		all = append(all, r)
	}
	result.Set = resource.NewSet(all...)
	return made, determine.NewProblems(w.snapshot, &result, w.now().UTC(), platformCapabilities), ctx.Err()
}

func asks(req *resource.AccessRequest) string {
	if req.Spec.Type == resource.MaskingException {
		return "to see " + strings.Join(req.Spec.Columns, ", ")
	}
	return string(req.Spec.Level())
}

func requestFolder(t resource.Target) string {
	switch {
	case t.Product != "":
		return string(t.Product)
	case t.Source != "":
		return repo.Slug(strings.ReplaceAll(string(t.Source), "/", "."))
	default:
		return repo.Slug(strings.ReplaceAll(t.Path, "/", "."))
	}
}

func (w *workspace) buildRequest(me *resource.User, o requestOptions) (*resource.AccessRequest, error) {
	req := &resource.AccessRequest{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindAccessRequest}}
	s := &req.Spec
	s.Type, s.Requester = resource.DataAccess, resource.Name(me.Metadata.Name)
	s.Target = resource.Target{Product: resource.Name(o.product), Source: resource.Name(o.source), Path: o.path}
	if (o.product != "") == (o.source != "" || o.path != "") || (o.source != "" && o.path != "") {
		return nil, usageErrorf("`assent status` lists what there is", "want exactly one of --product, --source and --path")
	}
	if _, ok := w.snapshot.Set.Find(resource.Ref{Kind: resource.KindDataProduct, Name: s.Target.Product}); o.product != "" && !ok {
		var known []string
		for p := range resource.Of[*resource.DataProduct](w.snapshot.Set) {
			known = append(known, p.Metadata.Name)
		}
		return nil, usageErrorf("there are "+strings.Join(known, ", "), "no data product %q", o.product)
	}
	if len(o.unmask) > 0 {
		s.Type, s.Columns = resource.MaskingException, o.unmask
	}
	s.AccessLevel, s.Duration = resource.AccessLevel(o.level), resource.Duration(o.duration)
	s.Until, s.NotBefore = resource.Instant(o.until), resource.Instant(o.notBefore)
	if s.Type == resource.DataAccess && s.AccessLevel == "" {
		s.AccessLevel = resource.Read
	}
	for _, p := range o.people {
		s.Beneficiaries = append(s.Beneficiaries, parseSubject(p))
	}
	if len(o.people) == 0 {
		s.Beneficiaries = []resource.Subject{{User: s.Requester}}
	}
	if err := w.fillForm(req, o); err != nil {
		return nil, err
	}
	req.Metadata.Name = o.name
	if o.name == "" {
		req.Metadata.Name = w.freeName(me.Metadata.Name + "-" + requestFolder(s.Target))
	}
	return req, nil
}

func parseSubject(text string) resource.Subject {
	kind, name, ok := strings.Cut(text, ":")
	switch {
	case ok && kind == "group":
		return resource.Subject{Group: resource.Name(name)}
	case ok && kind == "serviceAccount":
		return resource.Subject{ServiceAccount: resource.Name(name)}
	default:
		return resource.Subject{User: resource.Name(text)}
	}
}

// fillForm pins the form and its agreement and sorts the answers by the type of
// their questions.
func (w *workspace) fillForm(req *resource.AccessRequest, o requestOptions) error {
	set := w.snapshot.Set
	name := resource.FormFor(set, req)
	form, ok := resource.FormOf(set, name)
	if !ok {
		return nil // validation says which form is missing
	}
	req.Spec.Form = resource.PinnedForm{Name: name, Digest: form.Digest()}
	given, err := parseAnswers(o.answers)
	if err != nil {
		return err
	}
	req.Spec.Answers = map[string]any{}
	var missing []string
	for _, q := range form.Spec.Questions {
		if q.Type == resource.QuestionAccessDuration {
			if values := given[q.ID]; len(values) > 0 {
				req.Spec.Duration = resource.Duration(values[0])
			}
			if req.Spec.Duration.Stated() {
				given[q.ID] = []string{string(req.Spec.Duration)}
			}
		}
		if values := given[q.ID]; len(values) > 0 {
			req.Spec.Answers[q.ID] = answer(q, values)
		} else if q.IsRequired() && shown(q, given) {
			missing = append(missing, ask(q))
		}
	}
	for id, values := range given { // unknown ones stay, so that validation points at them
		if _, known := req.Spec.Answers[id]; !known {
			req.Spec.Answers[id] = values[0]
		}
	}
	if !req.Spec.Duration.Stated() && !req.Spec.Until.Stated() && !slices.ContainsFunc(missing, isDuration) {
		missing = append(missing, ask(resource.Question{Type: resource.QuestionAccessDuration, Title: "How long do you need it?"}))
	}
	if text, ok := resource.Get[*resource.DataUseAgreement](set, resource.KindDataUseAgreement, form.Spec.Agreement); ok {
		if !o.accept {
			missing = append(missing, fmt.Sprintf("  %-26s accept %s; read it in %s", "--accept-agreement", text.Metadata.Name, text.Source.File))
		}
		req.Spec.Agreement = &resource.Acceptance{Name: form.Spec.Agreement, Digest: text.Digest(), Accepted: true}
	}
	if len(missing) > 0 {
		return usageErrorf("add these to the command", "form %s asks for more:\n%s", name, strings.Join(missing, "\n"))
	}
	return nil
}

func parseAnswers(flags []string) (map[string][]string, error) {
	given := map[string][]string{}
	for _, a := range flags {
		id, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, usageErrorf("write it as --answer question=answer", "read --answer %q: no = in it", a)
		}
		given[id] = append(given[id], value)
	}
	return given, nil
}

// shown reports whether the form shows a question, given the answers so far.
func shown(q resource.Question, given map[string][]string) bool {
	return q.ShowIf == nil || slices.Contains(given[q.ShowIf.Question], q.ShowIf.Equals)
}

const durationFlag = "  --duration 90d"

func isDuration(line string) bool { return strings.HasPrefix(line, durationFlag) }

// ask is the line that tells which flag answers a question.
func ask(q resource.Question) string {
	if q.Type == resource.QuestionAccessDuration {
		return fmt.Sprintf("%-28s %s", durationFlag, q.Title)
	}
	text := q.Title
	if len(q.Options) > 0 {
		text += " One of: " + strings.Join(q.Options, ", ") + "."
	}
	if q.Help != "" {
		text += " " + q.Help
	}
	return fmt.Sprintf("  %-26s %s", "--answer "+q.ID+"=…", text)
}

func answer(q resource.Question, values []string) any {
	switch q.Type {
	case resource.QuestionCheckboxes:
		var all []any
		for _, v := range values {
			for part := range strings.SplitSeq(v, ",") {
				all = append(all, strings.TrimSpace(part))
			}
		}
		return all
	case resource.QuestionNumber:
		if n, err := strconv.Atoi(values[0]); err == nil {
			return n
		}
	}
	return values[0]
}

// freeName is the wanted name, or the first of name-2, name-3 … that neither a
// request nor a branch has.
func (w *workspace) freeName(want string) string {
	want = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, want), "-")
	want = strings.TrimRight(want[:min(len(want), 56)], "-")
	for n := 1; ; n++ {
		name := want
		if n > 1 {
			name = fmt.Sprintf("%s-%d", want, n)
		}
		_, taken := w.snapshot.Set.Find(resource.Ref{Kind: resource.KindAccessRequest, Name: resource.Name(name)})
		refs, err := w.db.Refs("refs/assent/pr/" + name)
		if !taken && err == nil && !slices.ContainsFunc(refs, func(r gitdb.Ref) bool { return r.Name == "refs/assent/pr/"+name }) {
			return name
		}
	}
}

func newRequestListCmd(g *global) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List requests and how they stand", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), g, o) },
	}
	o.flags(cmd)
	return cmd
}

func newRequestShowCmd(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "show REQUEST", Short: "Show one request: its file and how it stands", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExplainRequest(cmd.Context(), g, resource.Name(args[0]), true)
		},
	}
}

func newRequestCancelCmd(g *global) *cobra.Command {
	var key, reason string
	cmd := &cobra.Command{
		Use:   "cancel REQUEST",
		Short: "Withdraw a request: a pending one ends, an approved one loses its access",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRequestCancel(cmd.Context(), g, args[0], key, reason)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func runRequestCancel(ctx context.Context, g *global, name, keyFile, reason string) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	key, err := personKey(keyFile)
	if err != nil {
		return err
	}
	me, err := w.person(key)
	if err != nil {
		return err
	}
	f, err := w.openForge(ctx)
	if err != nil {
		return err
	}
	facts, err := f.Observe(ctx, name)
	if err == nil && facts.State == review.StateOpen {
		if facts.Author.ID != key.Public().Fingerprint() {
			return &exitError{code: exitFindings, err: errors.New("only its author can withdraw a pending request"), hint: "a steward denies it with `assent review deny " + name + " --reason …`"}
		}
		if err := f.Cancel(ctx, key, name, reason); err != nil {
			return &exitError{code: exitFindings, err: err}
		}
		fmt.Fprintf(g.stdout, "canceled %s\n", name)
		return nil
	}
	req, ok := resource.Get[*resource.AccessRequest](w.snapshot.Set, resource.KindAccessRequest, resource.Name(name))
	if !ok {
		return usageErrorf("`assent request list` lists them", "no request %q is pending or in force", name)
	}
	id := w.freeName(name + "-withdrawn")
	title := me.Metadata.Name + " withdraws " + name
	if reason != "" {
		title += ": " + reason
	}
	if _, err := f.Open(ctx, key, local.Draft{
		ID: id, Title: title, Files: map[string][]byte{req.Source.File: nil},
		Author: gitdb.Person{Name: me.Metadata.Name, Email: me.Spec.Email, When: w.now()},
	}); err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	fmt.Fprintf(g.stdout, "opened %s, which deletes %s\nnext: `assent determine` merges it, and `assent reconcile --once` takes the access away\n", id, req.Source.File)
	return nil
}

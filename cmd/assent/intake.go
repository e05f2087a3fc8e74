package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const issueTemplates = ".github/ISSUE_TEMPLATE"

func newIntakeCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "intake [ISSUE]",
		Short: "Open pull requests for requests that people made by an issue",
		Long: "On GitHub somebody who may only read asks by an issue, with the form that\n" +
			"`assent intake form` makes. This command reads the open issues with the label\n" +
			github.IssueLabel + ", or the one named, opens the pull request of each and answers on\n" +
			"the issue. Who asks is the issue's author, by the id of the account, whatever the\n" +
			"text says. An issue has one pull request; running it again changes nothing.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runIntake(cmd.Context(), g, args) },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "form", Short: "Write the issue forms into " + issueTemplates, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runIntakeForm(cmd.Context(), g) },
	})
	return cmd
}

func runIntakeForm(ctx context.Context, g *global) error {
	root, _, err := rootOf(g.dir)
	if err != nil {
		return err
	}
	if root == "" {
		return usageErrorf("run it in a clone that people work in", "a bare repository has no work tree to write into")
	}
	snapshot, err := workTree(ctx, g.dir)
	if err != nil {
		return err
	}
	written := 0
	for f := range resource.Of[*resource.RequestForm](snapshot.Set) {
		raw, ok, err := issueFormOf(snapshot.Set, f)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		name := issueTemplates + "/" + string(f.Ref().Name) + ".yml"
		if err := writeFile(filepath.Join(root, filepath.FromSlash(name)), raw); err != nil {
			return err
		}
		written++
		fmt.Fprintf(g.stdout, "wrote %s\n", name)
	}
	if written == 0 {
		return usageErrorf("make a product that is not hidden", "no form asks for a product that everybody may see")
	}
	return nil
}

func runIntake(ctx context.Context, g *global, args []string) error {
	if g.now != "" {
		return usageErrorf("leave it out", "--now is for looking, not for opening pull requests")
	}
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	f, err := w.engineForge(ctx)
	if err != nil {
		return err
	}
	hub, ok := f.(*github.GitHub)
	if !ok {
		return usageErrorf("elsewhere people ask by a pull request", "issues are read on GitHub only")
	}
	var numbers []int
	if len(args) == 1 {
		n, err := strconv.Atoi(args[0])
		if err != nil || n <= 0 {
			return usageErrorf("give the number of the issue", "%q is no number of an issue", args[0])
		}
		numbers = []int{n}
	} else if numbers, err = hub.Issues(ctx); err != nil {
		return &exitError{code: exitUnreachable, err: err}
	}
	failed := false
	for _, n := range numbers {
		said, err := w.takeIn(ctx, hub, n)
		if err != nil {
			failed, said = true, "not taken in: "+err.Error()
		}
		fmt.Fprintf(g.stdout, "issue %d: %s\n", n, said)
	}
	if len(numbers) == 0 {
		fmt.Fprintln(g.stdout, "no issue asks for anything")
	}
	if failed {
		return &exitError{code: exitPartial}
	}
	return nil
}

// takeIn opens the pull request of an issue, or answers what is to be mended, and
// says what it did.
func (w *workspace) takeIn(ctx context.Context, hub *github.GitHub, n int) (string, error) {
	issue, err := hub.Issue(ctx, n)
	if err != nil {
		return "", err
	}
	pr, before, err := hub.Opened(ctx, n)
	switch {
	case err != nil:
		return "", err
	case before:
		return "has pull request " + pr.ID, w.tellOpened(ctx, hub, issue, pr)
	case !issue.Open:
		return "is closed", nil
	case len(issue.Others) > 0:
		return "edited by somebody else", errors.Join(hub.AnswerIssue(ctx, n,
			"Somebody else than you changed the text of this issue, so that it is not known what you ask for. Please open a new one.\n"), hub.CloseIssue(ctx, n))
	}
	name, _ := review.PersonOf(w.snapshot.Set, issue.Author)
	me, known := resource.UserOf(w.snapshot.Set, name)
	if !known || issue.Author.Bot {
		return "of nobody in the directory", hub.AnswerIssue(ctx, n, w.whoAreYou(issue))
	}
	o, wrong := w.readIssue(issue)
	var made filed
	if len(wrong) == 0 {
		o.name = w.freeName(fmt.Sprintf("%s-%s-%d", me.Metadata.Name, o.product, n))
		var problems diag.List
		made, problems, err = w.fileRequest(ctx, me, o)
		var usage *exitError
		if errors.As(err, &usage) {
			wrong, err = append(wrong, report.Escape(err.Error())), nil
		}
		if err != nil {
			return "", err
		}
		for _, d := range problems {
			if d.Severity == diag.Error {
				wrong = append(wrong, inWords(d))
			}
		}
	}
	if len(wrong) > 0 {
		text := "Your request is not open yet. Please mend this, with **Edit** in the menu (⋯) of your text above:\n\n- " + strings.Join(wrong, "\n- ") + "\n"
		return fmt.Sprintf("answered: %d to mend", len(wrong)), hub.AnswerIssue(ctx, n, text)
	}
	pr, _, err = hub.OpenFor(ctx, n, change.Draft{
		Title: made.title, Body: fmt.Sprintf("Asked for in #%d.\n", n), Files: map[string][]byte{made.file: made.raw},
		Author: gitdb.Person{Name: "assent", Email: "assent@localhost", When: w.now()},
	})
	if err != nil {
		return "", err
	}
	return "opened pull request " + pr.ID + " for " + me.Metadata.Name, w.tellOpened(ctx, hub, issue, pr)
}

// tellOpened answers where the request is now, and closes the issue.
func (w *workspace) tellOpened(ctx context.Context, hub *github.GitHub, issue github.Issue, pr forge.PullRequest) error {
	if !issue.Open {
		return nil
	}
	text := "Thank you: your request is pull request #" + pr.ID + " now. It says there who has to agree and how it stands, and nothing more is needed of you. This issue is closed because it has done its work.\n"
	return errors.Join(hub.AnswerIssue(ctx, issue.Number, text), hub.CloseIssue(ctx, issue.Number))
}

func (w *workspace) whoAreYou(issue github.Issue) string {
	var ask []string
	for _, p := range []resource.Permission{resource.PermissionUserAdmin, resource.PermissionGovernance} {
		for _, name := range resource.Stewards(w.snapshot.Set, resource.StewardSource{Permission: p}, resource.Target{}, w.now()) {
			ask = append(ask, string(name))
		}
	}
	slices.Sort(ask)
	return fmt.Sprintf("It is not known here who you are: nobody in `directory/users/` has your account, whose number is %s. Ask one of %s to add it to your file, and then edit your text above in any way.\n",
		issue.Author.ID, strings.Join(slices.Compact(ask), ", "))
}

// inWords is a mistake for somebody who sees no file.
func inWords(d diag.Diagnostic) string {
	text := report.Escape(d.Message)
	if d.Hint != "" {
		text += ": " + report.Escape(d.Hint)
	}
	return text
}

// readIssue reads what an issue asks for, or says in Markdown what is wrong with it.
func (w *workspace) readIssue(issue github.Issue) (o requestOptions, wrong []string) {
	product := firstAnswer(issue.Body)
	if product == "" {
		return o, []string{"the text does not begin with the question “" + askProduct + "”. Open a new issue with the form, and change nothing but the answers"}
	}
	p, ok := resource.Get[*resource.DataProduct](w.snapshot.Set, resource.KindDataProduct, resource.Name(product))
	if !ok || p.Spec.Hidden {
		return o, []string{"there is no data product " + report.Escape(product)}
	}
	form, ok := resource.FormOf(w.snapshot.Set, resource.FormFor(w.snapshot.Set, productRequest(p.Ref().Name)))
	if !ok {
		return o, []string{"the form of this product is missing; that is not your mistake"}
	}
	o.product = product
	questions := issueQuestions(form)
	headings := []string{askProduct}
	for _, q := range questions {
		headings = append(headings, heading(q))
	}
	if form.Spec.Agreement != "" {
		headings = append(headings, askAgreement)
	}
	answers, err := splitIssue(issue.Body, headings)
	if err != nil {
		return o, []string{err.Error()}
	}
	given := map[string][]string{}
	for i, q := range questions {
		if why := take(q, answers[i+1], given); why != "" {
			wrong = append(wrong, "**"+heading(q)+"** "+why)
		}
	}
	for i, q := range questions {
		if q.IsRequired() && shown(q, given) && answers[i+1] == "" {
			wrong = append(wrong, "**"+heading(q)+"** has no answer")
		}
	}
	for _, q := range questions {
		for _, v := range given[q.ID] {
			if q.Type == resource.QuestionAccessDuration {
				o.duration = v
			} else if shown(q, given) {
				o.answers = append(o.answers, q.ID+"="+v)
			}
		}
	}
	if a := form.Spec.Agreement; a != "" {
		yes, ok := ticked(answers[len(answers)-1], []string{accepts(a)})
		if o.accept = ok && len(yes) == 1; !o.accept {
			wrong = append(wrong, "**"+askAgreement+"** is not accepted")
		}
	}
	return o, wrong
}

// take reads one answer, or says why it cannot be one.
func take(q resource.Question, answer string, given map[string][]string) string {
	switch {
	case answer == "":
		return ""
	case q.Type == resource.QuestionCheckboxes:
		all, ok := ticked(answer, q.Options)
		if !ok {
			return "has lines that are none of its boxes"
		}
		given[q.ID] = all
	case strings.Contains(answer, "\n"):
		return "takes one line"
	case q.Type == resource.QuestionAccessDuration && !resource.Duration(answer).Valid():
		return "is no length of time; write 30d, 3mo or 1y"
	case q.Type == resource.QuestionDropdown && !slices.Contains(q.Options, answer):
		return "has another answer than the form offers"
	default:
		given[q.ID] = []string{answer}
	}
	return ""
}

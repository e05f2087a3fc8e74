package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func newExplainCmd(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "explain REQUEST|PERSON|PRODUCT|CODE",
		Short: "Explain how a request stands and who can move it on, access without a request, or an error code",
		Example: "  assent explain ana-customer-orders\n" +
			"  assent explain YAML001",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if codePattern.MatchString(args[0]) {
				return runExplainCode(g, diag.Code(args[0]))
			}
			return runExplainRequest(cmd.Context(), g, resource.Name(args[0]), false)
		},
	}
}

var codePattern = regexp.MustCompile(`^[A-Z]{2,6}[0-9]{3}$`)

func runExplainCode(g *global, code diag.Code) error {
	for _, e := range explanations() {
		if e.Code != code {
			continue
		}
		if g.output == "json" {
			return g.writeJSON(e)
		}
		fmt.Fprintf(g.stdout, "%s: %s\n\nwhy: %s\n\nfix: %s\n", e.Code, e.Title, e.Why, e.Fix)
		if e.Example != "" {
			fmt.Fprintf(g.stdout, "\nexample:\n%s\n", indent(e.Example, "  "))
		}
		return nil
	}
	return usageErrorf("codes stand in brackets after `error`, such as error[YAML001]", "no code %s", code)
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}

func runExplainRequest(ctx context.Context, g *global, name resource.Name, withFile bool) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	s, err := w.standing(ctx, name)
	if err != nil {
		return g.explainBirthright(ctx, w, name, err)
	}
	if g.output == "json" {
		return g.writeJSON(s)
	}
	if withFile {
		if text := w.requestText(s); text != "" {
			fmt.Fprintf(g.stdout, "# %s\n%s\n", s.File, text)
			if err := w.writeAnswers(ctx, g.stdout, s, text); err != nil {
				return err
			}
		}
	}
	explainRequest(g.stdout, s)
	return nil
}

// requestText is the request file as it was asked for, or as it is on main.
func (w *workspace) requestText(s audit.RequestStatus) string {
	commit := w.main
	if s.Facts != nil {
		commit = gitdb.OID(s.Facts.Head)
	}
	c, err := w.db.Commit(commit)
	if err != nil {
		return ""
	}
	e, ok, err := w.db.Find(c.Tree, s.File)
	if err != nil || !ok {
		return ""
	}
	raw, err := w.db.Blob(e.OID, 1<<20)
	if err != nil {
		return ""
	}
	return string(raw)
}

// explainRequest writes how a request stands, every fact with the file and line
// that it rests on.
func explainRequest(out io.Writer, s audit.RequestStatus) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(out, "  %-9s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(out, "%s is %s: %s\n", s.Request, s.State, s.Reason)
	if s.Judgement != nil && s.Judgement.Outcome.Grants() {
		fmt.Fprintln(out, "  nothing is missing: the next `assent determine` merges and records it")
	}
	if s.Target != "" && len(s.For) > 0 {
		line("asks", "%s on %s for %s, %s%s", s.Level, s.Target, strings.Join(s.For, ", "), s.Asked, at(s.At))
	}
	if !s.DecidedAt.IsZero() {
		by := ""
		if len(s.DecidedBy) > 0 {
			by = " by " + names(s.DecidedBy, ", ")
		}
		line("decided", "%s%s, record %d of the ledger, pull request %s", s.DecidedAt.UTC().Format(time.RFC3339), by, s.Record, s.PullRequest)
	}
	if !s.NotBefore.IsZero() {
		line("from", "%s", s.NotBefore.UTC().Format(time.RFC3339))
	}
	if !s.Until.IsZero() {
		line("until", "%s", s.Until.UTC().Format(time.RFC3339))
	}
	for _, e := range s.Earlier {
		line("renews", "%s", earlierText(e))
	}
	if s.Judgement != nil {
		for _, d := range s.Judgement.Determinations {
			explainDetermination(line, d)
		}
	}
	for _, g := range s.Grants {
		line("grant", "%s: %s in %s on %s%s", g.State, g.Principal, g.Role, g.Connection, recordText(g))
	}
	for _, p := range s.Prevented {
		line("no access", "%s", preventedText(p))
	}
	for _, n := range s.Notices {
		line("to do", "%s", noticeText(n))
	}
	for _, f := range s.Findings {
		line("finding", "record %d, %s: %s", f.Seq, f.Code, f.Detail)
	}
}

// earlierText is one request of the chain that a request continues.
func earlierText(e audit.Earlier) string {
	text := fmt.Sprintf("%s, %s", e.Request, e.State)
	if !e.DecidedAt.IsZero() {
		text += ", decided " + e.DecidedAt.UTC().Format(time.RFC3339)
		if len(e.DecidedBy) > 0 {
			text += " by " + names(e.DecidedBy, ", ")
		}
		text += fmt.Sprintf(" (record %d)", e.Record)
	}
	if !e.Until.IsZero() {
		text += ", until " + e.Until.UTC().Format(time.RFC3339)
	}
	return text
}

func recordText(g audit.GrantStatus) string {
	if g.Record == 0 {
		return " (" + g.Detail + ")"
	}
	return fmt.Sprintf(" (record %d)", g.Record)
}

func at(place string) string {
	if place == "" {
		return ""
	}
	return "   " + place
}

func explainDetermination(line func(label, format string, args ...any), d review.Determination) {
	line("flow", "%s, from %s%s", d.Flow.Mode, d.Flow.From, at(d.Flow.At))
	explainLosers(line, d)
	for i, stage := range d.Stages {
		count := ""
		if stage.Count > 0 {
			count = fmt.Sprintf(", at least %d", stage.Count)
		}
		line(fmt.Sprintf("stage %d", i+1), "%s: %s of%s%s", stage.State, stage.Mode, count, at(stage.At))
		if len(stage.Files) > 0 {
			line("", "  for %s", strings.Join(stage.Files, ", "))
		}
		for _, src := range stage.Sources {
			mark := "waits for " + names(src.People, " or ")
			if len(src.People) == 0 {
				mark = "nobody can answer"
			}
			if len(src.Answered) > 0 {
				mark = "answered by " + names(src.Answered, ", ")
			}
			line("", "  %s: %s%s", src.Source, mark, at(src.At))
		}
	}
	for _, r := range d.Reviews {
		who := string(r.Person)
		if who == "" {
			who = r.Actor.ID
		}
		state := "counts"
		if !r.Counted {
			state = "does not count: " + r.Why
		}
		reason := ""
		if r.Reason != "" {
			reason = fmt.Sprintf(" %q", r.Reason)
		}
		line("review", "%s by %s%s: %s", r.Verdict, who, reason, state)
	}
	for _, c := range d.Constraints {
		line("rule", "%s", c)
	}
	for _, n := range d.Missing {
		who := ""
		if len(n.People) > 0 {
			who = " (" + names(n.People, " or ") + ")"
		}
		line("next", "%s%s%s", n.What, who, at(n.At))
	}
	explainDeadlines(line, d)
}

package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
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
		}
	}
	text, err := w.explainText(ctx, s)
	if err != nil {
		return err
	}
	fmt.Fprint(g.stdout, text)
	return nil
}

// explainText is the text that a forge's comment shows of a request, all of it.
func (w *workspace) explainText(ctx context.Context, s audit.RequestStatus) (string, error) {
	page, err := w.pageFor(ctx, s)
	if err != nil {
		return "", err
	}
	return report.Markdown(page, 0), nil
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

func at(place string) string {
	if place == "" {
		return ""
	}
	return "   " + place
}

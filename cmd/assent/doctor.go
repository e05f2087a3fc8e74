package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

func newDoctorCmd(g *global) *cobra.Command {
	var (
		onGitHub bool
		ruleset  string
	)
	cmd := &cobra.Command{
		Use:   "doctor [CONNECTION…]",
		Short: "Check each connection and the engine's own account, with the fix for each finding",
		Long: "Connects to each platform, in every mode, and changes nothing: whether it can be\n" +
			"reached, what it is, whether it proves who it is, what it can do, and what is wrong\n" +
			"with the engine's own account there.\n\n" +
			"It ends with 1 where the engine must not write, or where the files do not load;\n" +
			"with 5 where a platform cannot be reached; with 0 otherwise, also with warnings.\n\n" +
			"With --github it looks at the repository on GitHub instead: rules of branches and who\n" +
			"may go around them, the required check, workflows and their secrets, webhooks, the\n" +
			"engine's account, and the people of the directory. What the token may not read is\n" +
			"told as unknown, and ends it with 5. Give it an administrator's token in GITHUB_TOKEN,\n" +
			"and the engine's own as `assent determine` has it.",
		Example: "  assent doctor\n  assent doctor warehouse -o json\n  assent doctor --github\n  assent doctor --github --ruleset main | gh api repos/acme/access/rulesets --input -",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case onGitHub && len(args) > 0:
				return &exitError{code: exitUsage, err: errWithConnections, hint: "name none, or leave --github out"}
			case onGitHub || ruleset != "":
				return runDoctorGitHub(cmd.Context(), g, ruleset)
			}
			return runDoctor(cmd.Context(), g, args)
		},
	}
	cmd.Flags().BoolVar(&onGitHub, "github", false, "look at the repository on GitHub")
	cmd.Flags().StringVar(&ruleset, "ruleset", "", "print a ruleset for GitHub to import: main, ledger or ledger-writer")
	return cmd
}

// checkup is what doctor finds on one connection.
type checkup struct {
	Connection   resource.Name         `json:"connection"`
	Platform     string                `json:"platform"`
	Mode         resource.Mode         `json:"mode"`
	Code         platform.Code         `json:"code,omitempty"`  // why it cannot be reached
	Error        string                `json:"error,omitempty"` // the same in a sentence
	Fix          string                `json:"fix,omitempty"`
	Server       *platform.Description `json:"server,omitempty"`
	Capabilities platform.Capabilities `json:"capabilities"`
	Findings     []platform.Finding    `json:"findings"`
}

func (c checkup) refused() bool {
	return c.Code == platform.TooBroad || slices.ContainsFunc(c.Findings, func(f platform.Finding) bool { return f.Refuse })
}

func runDoctor(ctx context.Context, g *global, args []string) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	snapshot, err := workTree(ctx, g.dir)
	if err != nil {
		return err
	}
	if snapshot.Problems.HasErrors() {
		return &exitError{code: exitFindings, err: errors.New("some files cannot be read"), hint: "`assent validate` says where, and how to mend them"}
	}
	all := []checkup{}
	for c := range resource.Of[*resource.Connection](snapshot.Set) {
		if len(args) == 0 || slices.Contains(args, string(c.Ref().Name)) {
			all = append(all, w.checkup(ctx, c))
		}
	}
	for _, name := range args {
		if !slices.ContainsFunc(all, func(c checkup) bool { return string(c.Connection) == name }) {
			return usageErrorf("connections are the files in connections/", "no connection %q", name)
		}
	}
	if g.output == "json" {
		err = g.writeJSON(all)
	} else {
		for _, c := range all {
			c.write(g.stdout)
		}
	}
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(all, checkup.refused):
		return &exitError{code: exitFindings}
	case slices.ContainsFunc(all, func(c checkup) bool { return c.Code != "" }):
		return &exitError{code: exitUnreachable}
	}
	return nil
}

// checkup looks at one connection. Whatever fails is in it.
func (w *workspace) checkup(ctx context.Context, c *resource.Connection) checkup {
	out := checkup{Connection: c.Ref().Name, Platform: c.Spec.Platform, Mode: c.Spec.Mode, Findings: []platform.Finding{}}
	if out.Mode == "" {
		out.Mode = resource.ModeObserve
	}
	failed := func(err error) checkup {
		out.Code, out.Error = platform.CodeOf(err), err.Error()
		var pe *platform.Error
		if errors.As(err, &pe) {
			out.Fix = pe.Hint
		}
		return out
	}
	p, err := w.openPlatform(ctx, c)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = p.Close() }()
	out.Capabilities = p.Capabilities()
	if d, ok := p.(platform.Describer); ok {
		server, err := d.Describe(ctx)
		if err != nil {
			return failed(err)
		}
		out.Server = &server
	}
	if a, ok := p.(platform.SelfAuditor); ok {
		found, err := a.SelfAudit(ctx)
		if err != nil {
			return failed(err)
		}
		out.Findings = append(out.Findings, found...)
	}
	// The last word is that it can be read at all.
	if _, err := p.Observe(ctx); err != nil {
		return failed(err)
	}
	out.Capabilities = p.Capabilities() // some are known only once the server was asked
	return out
}

func (c checkup) write(out io.Writer) {
	fmt.Fprintf(out, "%s (%s, mode %s)\n", c.Connection, c.Platform, c.Mode)
	if s := c.Server; s != nil {
		tls := s.TLS
		if tls == "" {
			tls = "no TLS"
		}
		fmt.Fprintf(out, "  ok      %s, %s, as account %s\n", s.Product, tls, s.Account)
	}
	if c.Code != "" {
		fmt.Fprintf(out, "  failed  %s\n", c.Error)
		writeFix(out, c.Fix)
	} else {
		fmt.Fprintf(out, "  ok      it can be read\n")
		fmt.Fprintf(out, "  ok      %s\n", capabilityText(c.Capabilities))
	}
	for _, f := range c.Findings {
		word := "warning"
		if f.Refuse {
			word = "refused"
		}
		fmt.Fprintf(out, "  %s %s: %s\n", word, f.Code, f.Text)
		writeFix(out, f.Fix)
	}
}

func writeFix(out io.Writer, fix string) {
	if fix != "" {
		fmt.Fprintf(out, "          fix: %s\n", fix)
	}
}

// capabilityText says what a platform can do in one line.
func capabilityText(c platform.Capabilities) string {
	var levels, masks []string
	for _, l := range c.AccessLevels {
		levels = append(levels, string(l))
	}
	for _, m := range c.Masks {
		masks = append(masks, string(m))
	}
	text := "access: " + strings.Join(levels, ", ") + "; masks: " + strings.Join(masks, ", ")
	if c.NativeExpiry {
		text += "; access ends by itself"
	}
	if c.EndSessions {
		text += "; open sessions are ended"
	}
	return text
}

// accountText is one line about what is wrong with the engine's account, empty
// where nothing is. What refuses is said as an error already.
func accountText(name resource.Name, found []platform.Finding) string {
	var codes []string
	for _, f := range found {
		if !f.Refuse && !slices.Contains(codes, f.Code) {
			codes = append(codes, f.Code)
		}
	}
	if len(codes) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: the engine's account: %s (`assent doctor %s` says more)\n", name, strings.Join(codes, ", "), name)
}

// fitAccount fails where the engine's account must not be used.
func fitAccount(ctx context.Context, name resource.Name, p platform.Platform) error {
	a, ok := p.(platform.SelfAuditor)
	if !ok {
		return nil
	}
	found, err := a.SelfAudit(ctx)
	if err != nil {
		return err
	}
	return platform.Refusal(name, found)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

type demoOptions struct {
	platform string
	server   string
	keep     string
	forge    string
	at       time.Time // when the story begins; chosen where zero
}

// forgeGitHubFake is a GitHub of our own, which the demo starts.
const forgeGitHubFake = "github-fake"

func newDemoCmd(g *global) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the whole of it in seconds: request, review, grant, mask, expiry, proof",
		Long: "Makes a governance repository, a local forge and a data platform in a temporary\n" +
			"folder, and takes one request from the first refused query to the last. Each\n" +
			"line is what the engine or the platform answered; a step that did not go as\n" +
			"expected is marked, and the command then exits with 1.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), g, o) },
	}
	cmd.Flags().StringVar(&o.platform, "platform", "sandbox", "sandbox (embedded), postgres or mysql (a private server is started)")
	cmd.Flags().StringVar(&o.server, "server", "", "with --platform postgres: URL of a superuser of a server to use instead")
	cmd.Flags().StringVar(&o.forge, "forge", "local", "local, or github-fake: the adapter for GitHub, against a server that speaks its API (needs git)")
	cmd.Flags().StringVar(&o.keep, "keep", "", "leave everything in this directory, to play with")
	return cmd
}

func runDemo(ctx context.Context, g *global, o demoOptions) (err error) {
	if o.server != "" && o.platform != "postgres" {
		return usageErrorf("leave --server out, or add --platform postgres", "--server goes with --platform postgres alone")
	}
	if o.forge != "local" && o.forge != forgeGitHubFake {
		return usageErrorf("choose local or github-fake", "no forge %q in the demo", o.forge)
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "assent-demo-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if entries, rerr := os.ReadDir(dir); rerr == nil && len(entries) > 0 {
		return usageErrorf("name a new or an empty directory", "%s is not empty", dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	started := time.Now()
	w, err := newDemoWorld(ctx, dir, o)
	if err != nil {
		return &exitError{code: exitUnreachable, err: err}
	}
	defer func() { err = errors.Join(err, w.people.close()) }()
	if w.hub != nil {
		defer w.hub.Close()
	}
	s := &demoScript{g: g, demoWorld: w, quiet: g.output == "json"}
	if err := s.play(ctx); err != nil {
		return fmt.Errorf("step %d: %w", len(s.steps), err)
	}
	return s.finish(o, time.Since(started))
}

// demoStep is one step: what was expected and what was observed.
type demoStep struct {
	Title    string   `json:"title"`
	Expected string   `json:"expected"`
	Observed string   `json:"observed"`
	OK       bool     `json:"ok"`
	Lines    []string `json:"lines,omitempty"` // what the engine or the platform said
}

// demoScript plays the steps and writes each as it ends.
type demoScript struct {
	*demoWorld
	g     *global
	quiet bool
	steps []demoStep
}

// step records and writes one step.
func (s *demoScript) step(title, expected, observed string, lines ...string) {
	d := demoStep{Title: title, Expected: expected, Observed: observed, OK: expected == observed, Lines: lines}
	s.steps = append(s.steps, d)
	if s.quiet {
		return
	}
	mark := s.paint("✓", "32")
	if !d.OK {
		mark = s.paint("✗", "31")
	}
	fmt.Fprintf(s.g.stdout, "\n%s %s\n", s.paint(fmt.Sprintf("%2d", len(s.steps)), "2"), s.paint(title, "1"))
	for _, l := range lines {
		fmt.Fprintln(s.g.stdout, indent(l, "     "))
	}
	fmt.Fprintf(s.g.stdout, "   %s %s\n", mark, observed)
	if !d.OK {
		fmt.Fprintf(s.g.stdout, "     expected: %s\n", expected)
	}
}

func (s *demoScript) paint(text, code string) string {
	if !s.g.colorful() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *demoScript) finish(o demoOptions, took time.Duration) error {
	ok := true
	for _, d := range s.steps {
		ok = ok && d.OK
	}
	if s.quiet {
		err := s.g.writeJSON(struct {
			Platform string     `json:"platform"`
			OK       bool       `json:"ok"`
			Steps    []demoStep `json:"steps"`
			Kept     string     `json:"kept,omitempty"`
		}{o.platform, ok, s.steps, o.keep})
		if err != nil {
			return err
		}
	} else {
		s.farewell(o, ok, took)
	}
	if !ok {
		return &exitError{code: exitFindings}
	}
	return nil
}

func (s *demoScript) farewell(o demoOptions, ok bool, took time.Duration) {
	out := s.g.stdout
	if ok {
		fmt.Fprintf(out, "\nAll %d steps went as expected, on platform %s, in %.1f s.\n", len(s.steps), o.platform, took.Seconds())
	} else {
		fmt.Fprintf(out, "\nNot every step went as expected; look for ✗.\n")
	}
	switch {
	case o.keep != "":
		fmt.Fprintf(out, "Everything is in %s. Try:\n", o.keep)
		fmt.Fprintf(out, "  assent -C %s status --all\n", s.repoDir)
		fmt.Fprintf(out, "  assent -C %s explain %s\n", s.repoDir, s.request)
		fmt.Fprintf(out, "  assent -C %s audit verify\n", s.repoDir)
		if o.platform == "sandbox" {
			fmt.Fprintf(out, "or file a request as ben, with --key %s\n", filepath.Join(s.keyDir, "ben"))
		}
	default:
		fmt.Fprintf(out, "Next: keep it to play with (assent demo --keep ./play)")
		if o.platform == "sandbox" {
			fmt.Fprintf(out, ", or see the same on a real server (assent demo --platform postgres, or mysql)")
		}
		fmt.Fprintln(out, ".")
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes, part of the command's contract.
const (
	exitOK          = 0
	exitFindings    = 1   // problems found, a denial, a decision that is not the expected one
	exitUsage       = 2   // flags, arguments or configuration
	exitChanges     = 3   // with --detailed-exitcode: changes are pending
	exitPartial     = 4   // some changes were not carried out; the next round tries again
	exitUnreachable = 5   // a platform or forge could not be reached
	exitInterrupted = 130 // stopped by a signal
)

// exitError carries an exit code through a command, so that its defers run.
type exitError struct {
	code int
	err  error  // nil when everything was said already
	hint string // what to do next
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageErrorf(hint, format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// global is what every command shares.
type global struct {
	dir    string
	output string
	color  string
	state  string
	now    string

	stdin          io.Reader
	stdout, stderr io.Writer
}

// run is the whole program: it never exits, so that tests can call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	g := &global{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRootCmd(g)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(stderr, "error: %v\n", exit.err)
		}
		if exit.hint != "" {
			fmt.Fprintf(stderr, "hint: %s\n", exit.hint)
		}
		return exit.code
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "error: interrupted; running the command again goes on where it stopped")
		return exitInterrupted
	default:
		fmt.Fprintf(stderr, "error: %v\n", err)
		return exitUsage
	}
}

func newRootCmd(g *global) *cobra.Command {
	root := &cobra.Command{
		Use:           "assent",
		Short:         "Data-access governance that lives in Git",
		Long:          "Assent turns a Git repository into a governed data marketplace: requests are\nfiles, stewards answer with reviews, rules judge, a signed ledger remembers,\nand the data platform is kept as approved, to the second.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&g.dir, "dir", "C", ".", "the governance repository")
	root.PersistentFlags().StringVarP(&g.output, "output", "o", "text", "output: text or json (validate: sarif, github too)")
	root.PersistentFlags().StringVar(&g.color, "color", "auto", "colour: auto, always or never")
	root.PersistentFlags().StringVar(&g.state, "state", "", "state directory (default: assent/ in the git directory; env ASSENT_STATE)")
	root.PersistentFlags().StringVar(&g.now, "now", "", "pretend that it is this time, such as 2027-01-31T17:00:00Z; nothing but reading may be done with it")
	addGroup(root, "Start:", newDemoCmd(g), newInitCmd(g))
	addGroup(root, "Ask and answer:", newRequestCmd(g), newReviewCmd(g), newRecertifyCmd(g), newStatusCmd(g), newExplainCmd(g))
	addGroup(root, "Look after the repository:", newValidateCmd(g), newProposeCmd(g), newIntakeCmd(g), newPolicyCmd(g), newDiscoverCmd(g), newImportCmd(g), newSchemaCmd(g), newCodeownersCmd(g))
	addGroup(root, "Run the engine:", newSetupCmd(g), newDoctorCmd(g), newDetermineCmd(g), newPlanCmd(g), newReconcileCmd(g), newServeCmd(g), newDriftCmd(g), newConfirmCmd(g), newReleaseCmd(g), newConnectorCmd(g))
	addGroup(root, "Prove:", newAccessCmd(g), newAuditCmd(g))
	root.AddCommand(newVersionCmd(g))
	return root
}

func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, c := range commands {
		c.GroupID = title
		root.AddCommand(c)
	}
}

// colorful reports whether to write ANSI colours to stdout.
func (g *global) colorful() bool {
	switch {
	case g.color == "always" || os.Getenv("CLICOLOR_FORCE") != "":
		return true
	case g.color == "never" || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb":
		return false
	}
	f, ok := g.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// clock is the time that commands work with.
func (g *global) clock() (func() time.Time, error) {
	if g.now == "" {
		return time.Now, nil
	}
	t, err := time.Parse(time.RFC3339, g.now)
	if err != nil {
		return nil, usageErrorf("write it as 2027-01-31T17:00:00Z", "read --now %q: not a time", g.now)
	}
	return t.UTC, nil
}

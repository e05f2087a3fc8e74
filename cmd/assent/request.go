package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

func newRequestCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "request", Short: "Ask for access, and follow what you asked for"}
	cmd.AddCommand(newRequestNewCmd(g), newRequestPreviewCmd(g),
		newRequestListCmd(g), newRequestShowCmd(g), newRequestCancelCmd(g))
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
	emergency bool
	columns   []string
	renews    string
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
			"  assent request new --product customer-orders --unmask email --answer purpose='Bounce handling' --duration 30d\n" +
			"  assent request new --renews ana-customer-orders --duration 90d --accept-agreement",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRequestNew(cmd.Context(), g, o) },
	}
	o.targetFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "name of the request; made from yours and the target's unless given")
	f.StringVar(&o.renews, "renews", "", "continue this request: its target, columns, people, level and answers, where they still fit")
	f.StringArrayVar(&o.answers, "answer", nil, "an answer to the form, as question=answer; give it again for each")
	f.BoolVar(&o.accept, "accept-agreement", false, "accept the data use agreement of the form")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the request file and open nothing")
	cmd.MarkFlagsMutuallyExclusive("product", "source", "path", "renews")
	cmd.MarkFlagsMutuallyExclusive("unmask", "columns")
	cmd.MarkFlagsMutuallyExclusive("unmask", "emergency")
	return cmd
}

// targetFlags are the flags that say what is asked for, for whom and how long.
func (o *requestOptions) targetFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "your private SSH key (env ASSENT_KEY; ~/.ssh/id_ed25519 unless given)")
	f.StringVar(&o.product, "product", "", "the data product to ask for")
	f.StringVar(&o.source, "source", "", "or the data source")
	f.StringVar(&o.path, "path", "", "or everything below connection[/database[/schema]]")
	f.StringSliceVar(&o.people, "for", nil, "who gets access: a user, group:NAME or serviceAccount:NAME; you unless given")
	f.StringVar(&o.level, "level", "", "read (unless given) or write")
	f.StringVar(&o.duration, "duration", "", "for how long, such as 90d, 3mo or indefinite")
	f.StringVar(&o.until, "until", "", "or until when, such as 2027-01-31")
	f.StringVar(&o.notBefore, "not-before", "", "from when, such as 2027-01-31")
	f.StringSliceVar(&o.columns, "columns", nil, "ask for these columns only")
	f.BoolVar(&o.emergency, "emergency", false, "break the glass: at once, with others of the incident group, for hours; somebody looks back at it")
	f.StringSliceVar(&o.unmask, "unmask", nil, "ask to see these masked columns instead of for access")
}

func runRequestNew(ctx context.Context, g *global, o requestOptions) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	f, me, err := w.sit(ctx, o.key)
	if err != nil {
		return err
	}
	made, problems, err := w.fileRequest(ctx, me, o)
	if err != nil {
		return err
	}
	if problems.HasErrors() {
		if err := g.writeProblems(problems, func(string) []byte { return made.raw }, nil); err != nil {
			return err
		}
		return &exitError{code: exitFindings, hint: "change the flags named above and run the command again; nothing was opened"}
	}
	if o.dryRun {
		_, err := g.stdout.Write(made.raw)
		return err
	}
	pr, err := f.open(ctx, draft{made.name, made.title, map[string][]byte{made.file: made.raw}})
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
	f, me, err := w.sit(ctx, keyFile)
	if err != nil {
		return err
	}
	facts, err := f.Observe(ctx, name)
	if err == nil && facts.State == review.StateOpen {
		if facts.Author.ID != f.me().ID {
			return &exitError{code: exitFindings, err: errors.New("only its author can withdraw a pending request"), hint: "a steward denies it with `assent review deny " + name + " --reason …`"}
		}
		if err := f.cancel(ctx, name, reason); err != nil {
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
	if _, err := f.open(ctx, draft{id, title, map[string][]byte{req.Source.File: nil}}); err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	fmt.Fprintf(g.stdout, "opened %s, which deletes %s\nnext: `assent determine` merges it, and `assent reconcile --once` takes the access away\n", id, req.Source.File)
	return nil
}

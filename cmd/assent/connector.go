package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/connector"
	"github.com/assent-dev/assent/engine/platform/connector/connectortest"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/resource"
)

// openConnector runs the connector that a connection names. Where it may come
// from is the operator's to say, with ASSENT_CONNECTORS.
func openConnector(ctx context.Context, w *workspace, c *resource.Connection) (platform.Platform, error) {
	conn := c.Ref().Name
	program, err := connector.Find(conn, os.Getenv("ASSENT_CONNECTORS"), c.Spec.Connector())
	if err != nil {
		return nil, err
	}
	cfg := connector.Config{Connection: conn, Path: program, Dir: w.path("connectors", string(conn)), Diagnostics: w.stderr}
	if cfg.Endpoint, cfg.Credential, err = connectorEndpoint(ctx, c); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make connector directory: %w", err)
	}
	return connector.Open(ctx, cfg)
}

// connectorEndpoint is what a connection says of its platform, with what it
// refers to.
func connectorEndpoint(ctx context.Context, c *resource.Connection) (connector.Endpoint, string, error) {
	e := c.Spec.Endpoint
	ca, err := authorities(ctx, c)
	if err != nil {
		return connector.Endpoint{}, "", err
	}
	out := connector.Endpoint{Host: e.Host, Port: e.Port, Database: e.Database, TLS: e.TLS, CA: string(ca)}
	if c.Spec.CredentialsFrom == "" {
		return out, "", nil
	}
	secret, err := reference(ctx, "credentialsFrom", c.Spec.CredentialsFrom, true)
	if err != nil {
		return out, "", &platform.Error{
			Connection: c.Ref().Name, Code: platform.WrongCredential, Err: err, Hint: "set the variable or file that credentialsFrom names",
		}
	}
	return out, secret, nil
}

func newConnectorCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "connector", Short: "Try a connector: a program that lets Assent work with another platform"}
	o := connectorTestOptions{global: g}
	test := &cobra.Command{
		Use:   "test BINARY",
		Short: "Hold a connector to what the built-in platforms are held to",
		Long: "Runs the conformance suite on a connector: each case in a fresh place that the\n" +
			"connector makes, by its methods test/*. Accounts and tables are made and dropped:\n" +
			"give it a server for tests. What it does not claim is skipped. The exit code is 1\n" +
			"when a case fails.",
		Example: "  assent connector test ./shelf\n  assent connector test ./shelf --run 'masks/' --config connection.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.program = args[0]
			return runConnectorTest(cmd.Context(), o)
		},
	}
	test.Flags().StringVar(&o.config, "config", "", "a Connection file: its endpoint and credential are given to the connector")
	test.Flags().StringVar(&o.run, "run", "", "only the cases whose name matches this regular expression")
	test.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "name every case, and show what the connector writes on stderr")
	test.Flags().DurationVar(&o.limit, "limit", time.Minute, "the most that one answer may take")
	cmd.AddCommand(test)
	return cmd
}

type connectorTestOptions struct {
	*global
	program, config, run string
	verbose              bool
	limit                time.Duration
}

// connectorReport is how a connector did.
type connectorReport struct {
	Name    string                `json:"name"`
	Version string                `json:"version"`
	Passed  int                   `json:"passed"`
	Failed  int                   `json:"failed"`
	Skipped int                   `json:"skipped"`
	Cases   []platformtest.Result `json:"cases"`
}

func runConnectorTest(ctx context.Context, o connectorTestOptions) error {
	pattern, err := regexp.Compile(o.run)
	if err != nil {
		return usageErrorf("write a regular expression, such as 'masks/'", "read --run: %w", err)
	}
	cfg, err := o.connector(ctx)
	if err != nil {
		return err
	}
	if cfg.Dir, err = os.MkdirTemp("", "assent-connector-"); err != nil {
		return fmt.Errorf("make a directory for the connector: %w", err)
	}
	defer func() { _ = os.RemoveAll(cfg.Dir) }()
	kit, err := connectortest.Start(ctx, cfg)
	if err != nil {
		return connectorFailed(err)
	}
	defer func() { _ = kit.Close() }()
	rep := connectorReport{Name: kit.Hello().Name, Version: kit.Hello().Version}
	platformtest.Check(ctx, kit.Place, pattern.MatchString, func(r platformtest.Result) {
		rep.add(r)
		if o.output != "json" {
			writeCase(o.stdout, r, o.verbose)
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(rep.Cases) == 0 {
		return usageErrorf("leave --run out to see the names, with -v", "no case matches %q", o.run)
	}
	return rep.write(o.global)
}

// connector is the program and what it is told, of the options.
func (o connectorTestOptions) connector(ctx context.Context) (connector.Config, error) {
	program, err := filepath.Abs(o.program)
	if err != nil {
		return connector.Config{}, fmt.Errorf("find connector: %w", err)
	}
	cfg := connector.Config{Connection: "test", Path: program, Limit: o.limit}
	if o.verbose {
		cfg.Diagnostics = o.stderr
	}
	if o.config == "" {
		return cfg, nil
	}
	raw, err := os.ReadFile(o.config)
	if err != nil {
		return cfg, usageErrorf("name a Connection file", "read --config: %w", err)
	}
	var c resource.Connection
	if err := yaml.Unmarshal(raw, &c); err != nil {
		return cfg, usageErrorf("name a Connection file", "read --config %s: %w", o.config, err)
	}
	if cfg.Endpoint, cfg.Credential, err = connectorEndpoint(ctx, &c); err != nil {
		return cfg, connectorFailed(err)
	}
	return cfg, nil
}

func connectorFailed(err error) error {
	e := &exitError{code: exitUnreachable, err: err}
	if pe := (*platform.Error)(nil); errors.As(err, &pe) {
		e.hint = pe.Hint
	}
	return e
}

func (r *connectorReport) add(c platformtest.Result) {
	r.Cases = append(r.Cases, c)
	switch {
	case len(c.Failed) > 0:
		r.Failed++
	case c.Skipped != "":
		r.Skipped++
	default:
		r.Passed++
	}
}

func writeCase(out io.Writer, c platformtest.Result, verbose bool) {
	switch {
	case len(c.Failed) > 0:
		fmt.Fprintf(out, "FAIL  %s\n", c.Name)
		for _, text := range c.Failed {
			fmt.Fprintf(out, "      %s\n", text)
		}
	case !verbose:
	case c.Skipped != "":
		fmt.Fprintf(out, "skip  %s: %s\n", c.Name, c.Skipped)
	default:
		fmt.Fprintf(out, "pass  %s\n", c.Name)
	}
}

func (r *connectorReport) write(g *global) error {
	if g.output == "json" {
		if err := g.writeJSON(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(g.stdout, "%s %s: %d cases: %d passed, %d failed, %d skipped\n",
			r.Name, r.Version, len(r.Cases), r.Passed, r.Failed, r.Skipped)
	}
	if r.Failed > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}

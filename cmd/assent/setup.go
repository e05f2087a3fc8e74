package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

type setupOptions struct {
	account           string
	schemas, creators []string
}

func newSetupCmd(g *global) *cobra.Command {
	var o setupOptions
	cmd := &cobra.Command{
		Use:   "setup CONNECTION",
		Short: "Print the script that gives the engine an account with the least rights",
		Long: "Prints what an administrator of the platform runs once. It connects to nothing and\n" +
			"the script holds no password. The schemas are those of the connection's sources,\n" +
			"levels and discover patterns, unless --schema names them; who makes tables in each\n" +
			"is what its level and those above it list as creators, unless --creator names\n" +
			"who does in all of them.",
		Example: "  assent setup warehouse\n  assent setup warehouse --creator etl --schema sales --schema finance > setup.sql",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runSetup(cmd.Context(), g, args[0], o) },
	}
	cmd.Flags().StringVar(&o.account, "account", "assent", "name of the engine's account")
	cmd.Flags().StringArrayVar(&o.schemas, "schema", nil, "a schema, on MariaDB and MySQL a database, that the engine is to govern; may be repeated")
	cmd.Flags().StringArrayVar(&o.creators, "creator", nil, "an account that makes tables in all of them; may be repeated")
	return cmd
}

func runSetup(ctx context.Context, g *global, name string, o setupOptions) error {
	snapshot, err := workTree(ctx, g.dir)
	if err != nil {
		return err
	}
	c, ok := resource.Get[*resource.Connection](snapshot.Set, resource.KindConnection, resource.Name(name))
	if !ok {
		return usageErrorf("connections are the files in connections/", "no connection %q", name)
	}
	kind := platformKinds()[c.Spec.Platform]
	preparer, ok := kind.unopened.(platform.Preparer)
	if !ok {
		return usageErrorf("its documentation says how to make an account", "setup cannot be written for platform %s", c.Spec.Platform)
	}
	p := platform.Preparation{Account: o.account, Database: c.Spec.Endpoint.Database, Schemas: o.schemas, Creators: map[string][]string{}}
	if len(p.Schemas) == 0 {
		p.Schemas = schemasOf(snapshot.Set, c, kind.parts-2)
	}
	for _, s := range p.Schemas {
		if p.Creators[s] = o.creators; len(o.creators) == 0 {
			p.Creators[s] = creatorsOf(c, kind.parts-2, s)
		}
	}
	if len(p.Schemas) == 0 {
		return usageErrorf("name them with --schema, or in discover.include", "connection %s says nothing of its schemas", name)
	}
	text, err := preparer.Prepare(p)
	if err != nil {
		return &exitError{code: exitUsage, err: err, hint: "correct the connection, or the flags"}
	}
	_, err = fmt.Fprint(g.stdout, text)
	return err
}

// creatorsOf are the creators that the levels of a connection list for a schema,
// at its own level or above it, in order. Schemas are the given part of each path.
func creatorsOf(c *resource.Connection, part int, schema string) []string {
	var out []string
	for _, l := range c.Spec.Levels {
		if parts := strings.Split(l.Path, "/"); l.Path == "" || len(parts) <= part || parts[part] == schema {
			out = append(out, l.Creators...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// schemasOf are the schemas that a connection's sources, levels and discover
// patterns name, in order. They are the given part of each path.
func schemasOf(set *resource.Set, c *resource.Connection, part int) []string {
	found := map[string]bool{}
	add := func(parts []string) {
		if len(parts) > part && parts[part] != "" && !strings.ContainsAny(parts[part], "*?[") {
			found[parts[part]] = true
		}
	}
	for d := range resource.Of[*resource.DataSource](set) {
		if d.Spec.Connection == c.Ref().Name {
			add(d.Spec.Path)
		}
	}
	for _, l := range c.Spec.Levels {
		add(strings.Split(l.Path, "/"))
	}
	for _, glob := range c.Spec.Discover.Include {
		add(strings.Split(strings.ReplaceAll(glob, "/", "."), "."))
	}
	return slices.Sorted(maps.Keys(found))
}

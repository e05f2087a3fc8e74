package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/schemas"
)

func newSchemaCmd(g *global) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "schema [KIND]",
		Short:   "Print the JSON Schema of a kind, list the kinds, or write all schemas",
		Example: "  assent schema DataProduct\n  assent schema --write schemas",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return runSchema(g, args, dir) },
	}
	cmd.Flags().StringVar(&dir, "write", "", "write every schema into this directory")
	return cmd
}

func runSchema(g *global, args []string, dir string) error {
	for _, kind := range resource.Kinds() {
		name, data, ok := schemas.ForKind(string(kind))
		switch {
		case !ok:
			return fmt.Errorf("no schema for %s", kind)
		case dir != "":
			if err := writeFile(filepath.Join(dir, name), data); err != nil {
				return err
			}
		case len(args) == 0:
			fmt.Fprintln(g.stdout, kind)
		case strings.EqualFold(args[0], string(kind)) || args[0]+".json" == name:
			_, err := g.stdout.Write(data)
			return err
		}
	}
	if len(args) == 1 && dir == "" {
		return usageErrorf("`assent schema` lists the kinds", "no kind %q", args[0])
	}
	return nil
}

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/resource"
)

func newVersionCmd(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print versions of the program, the resource format and the rule engine",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return runVersion(g) },
	}
}

func runVersion(g *global) error {
	v := struct {
		Version    string `json:"version"`
		Commit     string `json:"commit,omitempty"`
		Go         string `json:"go"`
		APIVersion string `json:"apiVersion"`
		Policy     string `json:"policy"`
	}{Version: "(devel)", Go: runtime.Version(), APIVersion: resource.APIVersion, Policy: policy.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	if g.output == "json" {
		return g.writeJSON(v)
	}
	_, err := fmt.Fprintf(g.stdout, "assent %s %s\nresources %s\n%s\n%s\n", v.Version, v.Commit, v.APIVersion, v.Policy, v.Go)
	return err
}

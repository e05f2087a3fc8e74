// Package policies embeds the built-in rules: Rego by area, each file with its
// tests beside it. They decide whether the valid reviews of a request are
// enough. Which reviews are valid, and whose they are, is decided before they
// are asked; they read input and nothing else.
package policies

import (
	"embed"
	"strings"
)

//go:embed *.rego
var files embed.FS

const testSuffix = "_test.rego"

// Builtin returns the rules by path, without their tests.
func Builtin() map[string]string {
	return read(func(name string) bool { return !strings.HasSuffix(name, testSuffix) })
}

// Tests returns the tests of the rules by path.
func Tests() map[string]string {
	return read(func(name string) bool { return strings.HasSuffix(name, testSuffix) })
}

// read panics on an unreadable embedded file, which the compiler rules out.
func read(keep func(string) bool) map[string]string {
	out := map[string]string{}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		if !keep(e.Name()) {
			continue
		}
		text, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		out["assent/"+e.Name()] = string(text)
	}
	return out
}

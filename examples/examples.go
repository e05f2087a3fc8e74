// Package examples carries the governance repositories of this folder, so that
// `assent demo` and tests can lay them out anywhere. It only carries them: the
// files are what a reader sees here.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed all:quickstart
var files embed.FS

// Quickstart is the quickstart repository, its assent.yaml at the root.
func Quickstart() (fs.FS, error) { return fs.Sub(files, "quickstart") }

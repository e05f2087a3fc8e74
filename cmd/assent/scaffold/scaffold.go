// Package scaffold holds the files that `assent init` writes: a small governance
// repository that validates as it is, with the editor's settings and a workflow
// around it. The schemas are not among them; they come from package schemas.
// It writes nothing itself.
package scaffold

import (
	"bytes"
	"embed"
	"io/fs"
)

//go:embed all:files
var embedded embed.FS

// The words in the files that Fill replaces.
const (
	idWord      = "{{ID}}"
	versionWord = "{{VERSION}}"
)

// Files are the files by their path in the new repository, with slashes, as
// they are kept here: Fill completes them.
func Files() map[string][]byte {
	out := map[string][]byte{}
	// Reading what the compiler put into the program cannot fail; were it ever
	// to, a file would be missing, and the test of this package says so.
	_ = fs.WalkDir(embedded, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := embedded.ReadFile(name)
		if err == nil {
			out[name[len("files/"):]] = raw
		}
		return err
	})
	return out
}

// Fill completes a file: id becomes the repository's identity, and version the
// release of Assent that its workflow installs, such as v0.1.0.
func Fill(raw []byte, id, version string) []byte {
	raw = bytes.ReplaceAll(raw, []byte(idWord), []byte(id))
	return bytes.ReplaceAll(raw, []byte(versionWord), []byte(version))
}

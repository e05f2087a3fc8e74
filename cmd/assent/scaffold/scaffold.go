// Package scaffold holds the files that `assent init` writes: a small governance
// repository that validates as it is, with the editor's settings and a workflow
// around it. The schemas are not among them; they come from package schemas.
// It writes nothing itself.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed all:files all:github
var embedded embed.FS

// The words in the files that Fill replaces.
const (
	idWord      = "{{ID}}"
	versionWord = "{{VERSION}}"
)

// The place of assent.yaml that says which forge it is.
const forgeLocal = "  forge: local\n"

// Files are the files by their path in the new repository, with slashes, as
// they are kept here: Fill completes them.
func Files() map[string][]byte { return under("files/") }

// OnGitHub changes files, such as Files gives, to those of a repository that
// lives on GitHub as owner/name and has that numeric id there: assent.yaml says
// so, workflows do what a server would, and the README tells how to set them up.
func OnGitHub(files map[string][]byte, repository string, id int64) {
	for name, raw := range under("github/") {
		if name == "README.md" {
			raw = append(bytes.Clone(files[name]), raw...)
		}
		files[name] = raw
	}
	forge := fmt.Sprintf("  forge: github\n  github:\n    repository: %s\n    id: %d\n", repository, id)
	files["assent.yaml"] = bytes.Replace(files["assent.yaml"], []byte(forgeLocal), []byte(forge), 1)
}

func under(folder string) map[string][]byte {
	out := map[string][]byte{}
	// Reading what the compiler put into the program cannot fail; were it ever
	// to, a file would be missing, and the test of this package says so.
	_ = fs.WalkDir(embedded, strings.TrimSuffix(folder, "/"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := embedded.ReadFile(name)
		if err == nil {
			out[strings.TrimPrefix(name, folder)] = raw
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

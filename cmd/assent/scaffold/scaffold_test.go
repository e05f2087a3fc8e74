package scaffold_test

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/assent-dev/assent/cmd/assent/scaffold"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/validate"
	"github.com/assent-dev/assent/policies"
	"github.com/assent-dev/assent/schemas"
)

// The dot files are the ones that an embed pattern forgets.
func TestFilesHoldDotFilesToo(t *testing.T) {
	files := scaffold.Files()
	for _, want := range []string{
		"assent.yaml", "README.md", ".editorconfig", ".gitattributes",
		".vscode/settings.json", ".vscode/extensions.json", ".github/workflows/assent-validate.yml",
		"policies/limits.rego", "policies/limits_test.rego",
	} {
		if len(files[want]) == 0 {
			t.Errorf("%s is missing or empty", want)
		}
	}
}

func TestFillLeavesNoPlaceholder(t *testing.T) {
	word := regexp.MustCompile(`\{\{[A-Z]+\}\}`)
	seen := 0
	for name, raw := range scaffold.Files() {
		seen += len(word.FindAll(raw, -1))
		filled := scaffold.Fill(raw, "acme-1234", "v0.1.0")
		if word.Match(filled) {
			t.Errorf("%s: a placeholder is left", name)
		}
	}
	if seen == 0 {
		t.Error("no file has a placeholder: the pattern is wrong")
	}
	if got := scaffold.Fill([]byte("id: {{ID}} {{VERSION}}"), "a", "b"); string(got) != "id: a b" {
		t.Errorf("Fill = %q", got)
	}
}

// An editor finds the schema by the first line, wherever the repository lies.
func TestEveryResourceNamesItsSchema(t *testing.T) {
	count := 0
	for name, raw := range scaffold.Files() {
		kind, ok := repo.KindAt(name)
		if !ok {
			continue
		}
		count++
		schema, _ := schemas.FileFor(string(kind))
		want := "# yaml-language-server: $schema=" + strings.Repeat("../", strings.Count(name, "/")) + "schemas/" + schema + "\n"
		if first, _, _ := bytes.Cut(raw, []byte("\n")); string(first)+"\n" != want {
			t.Errorf("%s starts with %q, want %q", name, first, want)
		}
	}
	if count < 10 {
		t.Errorf("only %d resource files", count)
	}
}

// What init writes is clean, and its rules pass their tests.
func TestFilesValidate(t *testing.T) {
	all := fstest.MapFS{}
	for name, raw := range scaffold.Files() {
		all[name] = &fstest.MapFile{Data: scaffold.Fill(raw, "acme-1234", "v0.1.0")}
	}
	snap, err := repo.LoadDir(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 9, 9, 0, 0, 0, time.UTC)
	for _, d := range slices.Concat(snap.Problems, validate.Set(nil, snap.Set, now, nil)) {
		t.Error(d)
	}
	report, err := policy.Test(t.Context(), policies.Builtin(), snap.Policies)
	if err != nil {
		t.Fatal(err)
	}
	if report.Passed == 0 || report.Failed > 0 {
		t.Errorf("rules: %d passed, %d failed", report.Passed, report.Failed)
	}
}

// A mistake in the editor's settings shows nowhere but in the editor.
func TestEditorSettingsNameSchemasAndFoldersThatExist(t *testing.T) {
	raw := string(scaffold.Files()[".vscode/settings.json"])
	pairs := regexp.MustCompile(`"\./schemas/([a-z-]+\.json)": "([^"]+)"`).FindAllStringSubmatch(raw, -1)
	got := map[string]bool{}
	for _, p := range pairs {
		sample := strings.NewReplacer("**/*.yaml", "a/b/c/x.yaml", "*/*.yaml", "a/x.yaml", "*.yaml", "x.yaml").Replace(p[2])
		kind, ok := repo.KindAt(path.Clean(sample))
		if !ok {
			t.Errorf("%s matches no resource (%s)", p[2], sample)
			continue
		}
		if want, _ := schemas.FileFor(string(kind)); want != p[1] {
			t.Errorf("%s has the schema %s, want %s", p[2], p[1], want)
		}
		got[p[1]] = true
	}
	if len(got) != 12 {
		t.Errorf("%d schemas are named, want all 12", len(got))
	}
}

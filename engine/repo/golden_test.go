package repo

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
)

var update = flag.Bool("update", false, "write the golden files anew")

// pathOf is where a case lives in a repository: the first word of its name says.
func pathOf(t *testing.T, name string) string {
	t.Helper()
	kind, _, _ := strings.Cut(name, "_")
	file, ok := map[string]string{
		"repository": "assent.yaml",
		"user":       "directory/users/kim.yaml",
		"group":      "directory/groups/finance.yaml",
		"connection": "connections/warehouse.yaml",
		"source":     "sources/warehouse/sales/public/orders.yaml",
		"masking":    "masking/pii.yaml",
		"domain":     "domains/finance.yaml",
		"product":    "products/sales-orders.yaml",
		"form":       "forms/access.yaml",
		"agreement":  "agreements/terms.yaml",
		"request":    "requests/sales-orders/ana-1.yaml",
		"route":      "notifications/slack.yaml",
	}[kind]
	if !ok {
		t.Fatalf("no place for a case called %s", name)
	}
	if name == "form_builtin.yaml" {
		return "forms/standard.yaml"
	}
	return file
}

// tree makes a work tree of an archive. Lines "mode 120000 path" of its comment
// set modes.
func tree(t *testing.T, raw []byte) fstest.MapFS {
	t.Helper()
	archive := txtar.Parse(raw)
	out := fstest.MapFS{}
	for _, f := range archive.Files {
		out[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	for line := range strings.Lines(string(archive.Comment)) {
		word := strings.Fields(line)
		if len(word) != 3 || word[0] != "mode" {
			t.Fatalf("comment %q: want mode MODE PATH", line)
		}
		mode, err := strconv.ParseUint(word[1], 8, 32)
		if err != nil || out[word[2]] == nil {
			t.Fatalf("comment %q: %v", line, err)
		}
		out[word[2]].Mode = map[gitdb.Mode]fs.FileMode{
			gitdb.ModeSymlink: fs.ModeSymlink | 0o777, gitdb.ModeExec: 0o755,
		}[gitdb.Mode(mode)]
	}
	return out
}

func render(list diag.List) string {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%s\n  width %d\n  hint: %s\n", d, d.Width, d.Hint)
		for _, r := range d.Related {
			fmt.Fprintf(&b, "  see %s: %s\n", r.Pos, r.Message)
		}
	}
	return b.String()
}

// problemsOf judges one case of testdata/err.
func problemsOf(t *testing.T, name string) diag.List {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "err", name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".txtar") {
		snap, err := LoadDir(t.Context(), tree(t, raw))
		if err != nil {
			t.Fatal(err)
		}
		return snap.Problems
	}
	r, problems, err := Decode(pathOf(t, name), "", raw)
	if err != nil {
		t.Fatal(err)
	}
	if (r == nil) != problems.HasErrors() {
		t.Errorf("a resource beside an error, or neither")
	}
	return problems
}

func cases(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "err"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".out" {
			out = append(out, e.Name())
		}
	}
	return out
}

// Each case has one cause, so it must give exactly one diagnostic, with a hint.
func TestEachCauseGivesOneDiagnostic(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			problems := problemsOf(t, name)
			if len(problems) != 1 {
				t.Errorf("%d diagnostics, want 1", len(problems))
			}
			for _, d := range problems {
				if d.Hint == "" || d.Severity != diag.Error {
					t.Errorf("%s: want an error with a hint", d)
				}
			}
			for _, secret := range []string{"hunter2", "48151623"} {
				if strings.Contains(render(problems), secret) {
					t.Errorf("the diagnostic repeats a secret")
				}
			}
			golden := filepath.Join("testdata", "err", strings.TrimSuffix(name, filepath.Ext(name))+".out")
			got := render(problems)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

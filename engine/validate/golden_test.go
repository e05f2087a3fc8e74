package validate_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/validate"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// platforms is three platforms that differ in what they can do.
func platforms(platform string) (validate.Capabilities, bool) {
	switch platform {
	case "sandbox":
		return validate.Capabilities{
			Masks:        []resource.MaskType{resource.MaskNull, resource.MaskConstant, resource.MaskHash, resource.MaskPartial},
			AccessLevels: []resource.AccessLevel{resource.Read, resource.Write},
		}, true
	case "mysql":
		return validate.Capabilities{
			Masks:        []resource.MaskType{resource.MaskNull, resource.MaskConstant, resource.MaskHash, resource.MaskPartial},
			AccessLevels: []resource.AccessLevel{resource.Read, resource.Write}, PathParts: 2,
		}, true
	case "postgres":
		return validate.Capabilities{
			Masks:        []resource.MaskType{resource.MaskNull, resource.MaskHash, resource.MaskRegex},
			AccessLevels: []resource.AccessLevel{resource.Read},
		}, true
	default:
		return validate.Capabilities{}, false
	}
}

// change is a case: testdata/base.txtar, with the files of the case laid over
// it. A file below both/ is laid over base too. The comment may hold lines
//
//	base nothing    everything is new
//	base head       nothing changes
//	remove PATH     the change removes a file
//
// and DIGEST(path) in any file stands for the digest of a file of the base.
type change struct{ base, head *resource.Set }

func read(t *testing.T, file string) change {
	t.Helper()
	shared, err := txtar.ParseFile("testdata/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	base, head := fstest.MapFS{}, fstest.MapFS{}
	for _, f := range shared.Files {
		put(base, f.Name, f.Data)
		put(head, f.Name, f.Data)
	}
	for _, f := range c.Files {
		name, both := strings.CutPrefix(f.Name, "both/")
		put(head, name, f.Data)
		if both {
			put(base, name, f.Data)
		}
	}
	var out change
	mode := ""
	for text := range strings.Lines(string(c.Comment)) {
		switch word := strings.Fields(text); {
		case len(word) == 2 && word[0] == "base":
			mode = word[1]
		case len(word) == 2 && word[0] == "remove":
			delete(head, word[1])
		}
	}
	pin(base, base)
	pin(head, base)
	out.head = load(t, head)
	switch mode {
	case "nothing":
	case "head":
		out.base = out.head
	default:
		out.base = load(t, base)
	}
	return out
}

func put(files fstest.MapFS, name string, data []byte) {
	files[name] = &fstest.MapFile{Data: slices.Clone(data), Mode: 0o644}
}

var digestOf = regexp.MustCompile(`DIGEST\(([^)]*)\)`)

func pin(files, base fstest.MapFS) {
	for _, f := range files {
		f.Data = digestOf.ReplaceAllFunc(f.Data, func(m []byte) []byte {
			raw := resource.BuiltinForm().Source.Raw
			if f, ok := base[string(digestOf.FindSubmatch(m)[1])]; ok {
				raw = f.Data
			}
			sum := sha256.Sum256(raw)
			return []byte("sha256:" + hex.EncodeToString(sum[:]))
		})
	}
}

func load(t *testing.T, files fstest.MapFS) *resource.Set {
	t.Helper()
	snap, err := repo.LoadDir(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range snap.Problems {
		t.Errorf("one file alone is wrong: %s", p)
	}
	return snap.Set
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

// decode reads one file without profile and schema.
func decode(kind resource.Kind, file string, raw []byte) (resource.Resource, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	return resource.FromNode(kind, &doc, resource.Origin{File: file, Raw: raw})
}

func cases(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases at %s: %v", pattern, err)
	}
	return files
}

func TestEachCauseGivesOneDiagnosticAtItsPlace(t *testing.T) {
	for _, file := range cases(t, "testdata/err/*.txtar") {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			c := read(t, file)
			list := validate.Set(c.base, c.head, now, platforms)
			got := render(list)
			golden := strings.TrimSuffix(file, ".txtar") + ".out"
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
				t.Error(diff)
			}
			code, _, _ := strings.Cut(name, "-")
			if len(list) != 1 || string(list[0].Code) != code {
				t.Errorf("want one %s, got %d:\n%s", code, len(list), got)
			}
			for _, d := range list {
				if d.Hint == "" {
					t.Error("there is no hint")
				}
			}
		})
	}
}

func TestWhatIsFineIsSilent(t *testing.T) {
	for _, file := range append(cases(t, "testdata/ok/*.txtar"), "testdata/base.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := read(t, file)
			if list := validate.Set(c.base, c.head, now, platforms); len(list) > 0 {
				t.Error(render(list))
			}
		})
	}
}

// Every constant of codes.go is explained, and has a case in testdata/err.
func TestEveryCodeIsExplainedAndHasACase(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if code, err := strconv.Unquote(lit.Value); err == nil && !strings.Contains(code, "/") {
				declared = append(declared, code)
			}
		}
		return true
	})
	var explained, shown []string
	for _, e := range validate.Explanations() {
		explained = append(explained, string(e.Code))
		if e.Title == "" || e.Why == "" || e.Fix == "" {
			t.Errorf("%s is explained in part", e.Code)
		}
	}
	for _, f := range cases(t, "testdata/err/*.txtar") {
		code, _, _ := strings.Cut(filepath.Base(f), "-")
		shown = append(shown, code)
	}
	slices.Sort(declared)
	slices.Sort(explained)
	slices.Sort(shown)
	if diff := cmp.Diff(declared, explained); diff != "" {
		t.Errorf("declared and explained: %s", diff)
	}
	if diff := cmp.Diff(declared, slices.Compact(shown)); diff != "" {
		t.Errorf("declared and shown by a case: %s", diff)
	}
}

func TestTheBuiltinFormIsTheOneThatIsLoaded(t *testing.T) {
	s := load(t, fstest.MapFS{"assent.yaml": {Data: []byte("apiVersion: assent.dev/v1\nkind: Repository\nmetadata: {name: r}\nspec: {id: x, forge: local}\n"), Mode: 0o644}})
	loaded, ok := resource.Get[*resource.RequestForm](s, resource.KindRequestForm, resource.StandardForm)
	if !ok {
		t.Fatal("no standard form is loaded")
	}
	if diff := cmp.Diff(resource.BuiltinForm(), loaded); diff != "" {
		t.Error(diff)
	}
}

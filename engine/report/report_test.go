package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

var files = map[string]string{
	"requests/orders/ana.yaml":   "kind: AccessRequest\nspec:\n  target: { product: order }\n\tduration: größer\n  note: \"a\u202eb\x1b[31m\"\n",
	"products/orders.yaml":       "kind: DataProduct\nmetadata:\n  name: orders\n",
	"connections/warehouse.yaml": "spec:\n  credentials: hunter2\n",
	"directory/users/bob.yaml":   "ssh: ssh-ed25519 " + strings.Repeat("A", 150) + " bob # " + strings.Repeat("x", 60) + "\n",
}

func source(file string) []byte {
	if text, ok := files[file]; ok {
		return []byte(text)
	}
	return nil
}

func at(file string, line, col int) diag.Pos { return diag.Pos{File: file, Line: line, Col: col} }

// problems has one of everything: each severity, no place at all, a line that
// must stay hidden and another problem on it, tabs, wide lines and hostile text.
func problems() diag.List {
	return diag.List{
		{
			Severity: diag.Error, Code: "REF001", Message: `unknown product "order"`, Hint: `did you mean "orders"?`,
			Pos: at("requests/orders/ana.yaml", 3, 22), Width: 5,
			Related: []diag.Related{{Pos: at("products/orders.yaml", 3, 9), Message: `product "orders" is defined here`}},
		},
		{Severity: diag.Warning, Code: "SCH001", Message: "after a tab and umlauts", Pos: at("requests/orders/ana.yaml", 4, 12), Width: 6},
		{Severity: diag.Error, Code: "YAML005", Message: "text that turns around: a\u202eb\x1b[31m\nsecond line", Pos: at("requests/orders/ana.yaml", 5, 9), Width: 8},
		{Severity: diag.Error, Code: "CON002", Message: "this looks like a secret", Hint: "take it out", Pos: at("connections/warehouse.yaml", 2, 16), Width: diag.Hidden},
		{Severity: diag.Note, Code: "SCH002", Message: "another problem on that line", Pos: at("connections/warehouse.yaml", 2, 3), Width: 11},
		{Severity: diag.Error, Code: "DIR006", Message: "far to the right, 100% sure: yes, [really](http://example.com)", Pos: at("directory/users/bob.yaml", 1, 168), Width: 3},
		{Severity: diag.Error, Code: "GOV003", Message: "the file as a whole", Pos: diag.Pos{File: "forms/a,b: c.yaml"}},
		{Severity: diag.Warning, Code: "REF001", Message: "a line that the file does not have", Pos: at("products/orders.yaml", 99, 1)},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func render(t *testing.T, f func(io.Writer, diag.List) error, list diag.List) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, list); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func text(o report.Options) func(io.Writer, diag.List) error {
	return func(w io.Writer, l diag.List) error { return report.Text(w, l, o) }
}

func sarifOf(w io.Writer, l diag.List) error {
	return report.SARIF(w, l, diag.Explanation{Code: "REF001", Title: "A name that nothing has", Why: "Files refer by name.", Fix: "Correct it."})
}

func TestGolden(t *testing.T) {
	for name, f := range map[string]func(io.Writer, diag.List) error{
		"text.golden":       text(report.Options{Source: source}),
		"text-color.golden": text(report.Options{Source: source, Color: true, Max: 2}),
		"text-plain.golden": text(report.Options{}),
		"json.golden":       report.JSON,
		"sarif.golden":      sarifOf,
		"github.golden":     github,
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, render(t, f, problems())) })
	}
}

func TestNothingToReport(t *testing.T) {
	for want, f := range map[string]func(io.Writer, diag.List) error{
		"no problems\n": text(report.Options{}),
		"{\n  \"version\": 1,\n  \"errors\": 0,\n  \"warnings\": 0,\n  \"notes\": 0,\n  \"problems\": []\n}\n": report.JSON,
		"": github,
	} {
		if got := render(t, f, nil); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTheOrderOfProblemsDoesNotMatter(t *testing.T) {
	list := problems()
	back := make(diag.List, 0, len(list))
	for i := range list {
		back = append(back, list[len(list)-1-i])
	}
	for _, f := range []func(io.Writer, diag.List) error{text(report.Options{Source: source}), report.JSON, sarifOf, github} {
		if diff := cmp.Diff(render(t, f, list), render(t, f, back)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestASecretLineIsInNoFormat(t *testing.T) {
	for _, f := range []func(io.Writer, diag.List) error{text(report.Options{Source: source}), report.JSON, sarifOf, github} {
		if got := render(t, f, problems()); strings.Contains(got, "hunter2") {
			t.Errorf("the secret is shown: %s", got)
		}
	}
}

var matcher = regexp.MustCompile(`(?m)^([^\s:]+):(\d+):(\d+): (error|warning|note)\[([A-Z]+\d+)\]: (.+)$`)

func TestEditorsCanReadTheFirstLine(t *testing.T) {
	found := matcher.FindAllStringSubmatch(render(t, text(report.Options{Source: source}), problems()), -1)
	if len(found) != 7 { // all but the one that is about a file as a whole
		t.Errorf("a matcher finds %d problems", len(found))
	}
	if want := []string{"requests/orders/ana.yaml", "3", "22", "error", "REF001", `unknown product "order"`}; !cmp.Equal(want, found[4][1:]) {
		t.Error(cmp.Diff(want, found[4][1:]))
	}
}

func TestSARIFFollowsItsSchema(t *testing.T) {
	raw := render(t, sarifOf, problems())
	parsed, err := sarif.FromString(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Validate(); err != nil {
		t.Error(err)
	}
}

func TestAFingerprintOutlivesTheLine(t *testing.T) {
	prints := func(list diag.List) (out []string) {
		var doc struct {
			Runs []struct {
				Results []struct {
					PartialFingerprints map[string]string `json:"partialFingerprints"`
				} `json:"results"`
			} `json:"runs"`
		}
		if err := json.Unmarshal([]byte(render(t, sarifOf, list)), &doc); err != nil {
			t.Fatal(err)
		}
		for _, r := range doc.Runs[0].Results {
			out = append(out, r.PartialFingerprints["assentProblem/v1"])
		}
		return out
	}
	list := problems()[:1]
	before := prints(list)
	list[0].Pos.Line, list[0].Pos.Col = 77, 2
	if diff := cmp.Diff(before, prints(list)); diff != "" {
		t.Error(diff)
	}
	twice := diag.List{list[0], list[0]}
	twice[1].Pos.Line = 78
	if got := prints(twice); got[0] == got[1] {
		t.Error("two problems have one fingerprint")
	}
}

func TestGitHubShowsTenOfAKindAndSaysSo(t *testing.T) {
	var list diag.List
	for i := range 13 {
		list.Errorf(at("a.yaml", i+1, 1), "X001", "error %d", i)
	}
	list.Warnf(at("b.yaml", 1, 1), "X002", "warning")
	lines := strings.Split(strings.TrimSpace(render(t, github, list)), "\n")
	if len(lines) != 11 {
		t.Fatalf("%d commands", len(lines))
	}
	if want := "::error file=a.yaml,line=10,col=1,title=X001::error 9%0Aand 3 more in the job summary; assent validate shows them all"; lines[9] != want {
		t.Errorf("the tenth is %s", lines[9])
	}
	if !strings.HasPrefix(lines[10], "::warning file=b.yaml") {
		t.Errorf("the warning is %s", lines[10])
	}
}

// Whatever a person writes, it can neither start a workflow command, nor move
// the cursor, nor turn text around.
func TestHostileTextStaysText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x00\x1b\r\n:%,[]()\u202e\u200b\u2028\U000e0001")))).Draw(t, "text")
		d := diag.Diagnostic{Severity: diag.Error, Code: "X001", Message: text, Hint: text, Pos: diag.Pos{File: "f" + text, Line: 1, Col: 1}, Related: []diag.Related{{Pos: diag.Pos{File: text}, Message: text}}}
		src := func(string) []byte { return []byte(text) }
		var plain, marks, js bytes.Buffer
		for _, err := range []error{
			report.Text(&plain, diag.List{d}, report.Options{Source: src}), github(&marks, diag.List{d}), report.JSON(&js, diag.List{d}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, got := range map[string]string{"text": plain.String(), "github": marks.String(), "json": js.String()} {
			for _, r := range got {
				if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Fatalf("%s holds %U: %q", name, r, got)
				}
			}
			if !utf8.ValidString(got) {
				t.Fatalf("%s is no UTF-8: %q", name, got)
			}
		}
		if n := strings.Count(marks.String(), "\n"); n != 1 {
			t.Fatalf("%d workflow commands: %q", n, marks.String())
		}
		var back struct{ Problems []diag.Diagnostic }
		if err := json.Unmarshal(js.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(text) && back.Problems[0].Message != text {
			t.Fatalf("JSON changed %q to %q", text, back.Problems[0].Message)
		}
	})
}

// The underline is below what it is about, whatever stands before it.
func TestTheUnderlineIsBelowItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.StringOfN(rapid.SampledFrom([]rune("ab: \té語\u202e\x01")), 0, 200, -1).Draw(t, "before")
		after := rapid.StringOfN(rapid.SampledFrom([]rune("xy# ")), 0, 200, -1).Draw(t, "after")
		d := diag.Diagnostic{Severity: diag.Error, Code: "X001", Message: "m", Pos: at("f", 1, utf8.RuneCountInString(before)+1), Width: 4}
		var b bytes.Buffer
		if err := report.Text(&b, diag.List{d}, report.Options{Source: func(string) []byte { return []byte(before + "HERE" + after + "\n") }}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		text, under := []rune(lines[2]), []rune(lines[3])
		start := strings.IndexRune(string(under), '^')
		if start < 0 || len(under) != start+4 || string(text[start:start+4]) != "HERE" {
			t.Fatalf("\n%s\n%s", lines[2], lines[3])
		}
	})
}

func TestSummary(t *testing.T) {
	var l diag.List
	if got := report.Summary(l); got != "no problems" {
		t.Error(got)
	}
	l.Errorf(at("a", 1, 1), "X", "m")
	l.Warnf(at("a", 2, 1), "X", "m")
	l.Warnf(at("b", 2, 1), "X", "m")
	if got, want := report.Summary(l), "1 error, 2 warnings in 2 files"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func ExampleText() {
	var list diag.List
	list.Errorf(diag.Pos{File: "products/orders.yaml", Line: 3, Col: 11}, "REF001", "unknown domain %q", "sale").
		WithHint("did you mean %q?", "sales").Width = 4
	source := func(string) []byte { return []byte("kind: DataProduct\nspec:\n  domain: sale\n") }
	if err := report.Text(os.Stdout, list, report.Options{Source: source}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// products/orders.yaml:3:11: error[REF001]: unknown domain "sale"
	//   |
	// 3 |   domain: sale
	//   |           ^^^^
	// help: did you mean "sales"?
	//
	// 1 error in 1 file
}

// Code scanning keeps 5,000 results of a run: none of them is a warning as long as
// there are errors, and what is left out is told of. A problem keeps its mark
// whatever comes before it.
func TestSARIFKeepsWhatCodeScanningKeeps(t *testing.T) {
	var list diag.List
	for i := range 5002 {
		list = append(list, diag.Diagnostic{Severity: diag.Warning, Code: "W001", Message: fmt.Sprint("warning ", i), Pos: diag.Pos{File: "a.yaml", Line: i + 1}})
	}
	last := diag.Diagnostic{Severity: diag.Error, Code: "X001", Message: "the error", Pos: diag.Pos{File: "z.yaml", Line: 1}}
	type results struct {
		Runs []struct {
			Results []struct {
				RuleID  string
				Message struct{ Text string }
				Marks   map[string]string `json:"partialFingerprints"`
			}
		}
	}
	read := func(l diag.List) results {
		t.Helper()
		var out strings.Builder
		if err := report.SARIF(&out, l); err != nil {
			t.Fatal(err)
		}
		var r results
		if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	many, one := read(append(list, last)).Runs[0].Results, read(diag.List{last}).Runs[0].Results
	if len(many) != 5000 || many[0].RuleID != "X001" || many[0].Marks["assentProblem/v1"] != one[0].Marks["assentProblem/v1"] {
		t.Errorf("%d results, the first is %+v", len(many), many[0])
	}
	if text := many[4999].Message.Text; !strings.Contains(text, "; 3 more are not shown here") {
		t.Errorf("the last says %q", text)
	}
}

func github(w io.Writer, list diag.List) error { return report.GitHub(w, list, nil) }

// What is shown beside changed lines is worth more than what is not.
func TestGitHubShowsChangedFilesFirst(t *testing.T) {
	t.Parallel()
	var list diag.List
	for i := range 12 {
		list.Errorf(diag.Pos{File: fmt.Sprintf("forms/a%02d.yaml", i), Line: 1, Col: 1}, "REQ001", "elsewhere")
	}
	list.Errorf(diag.Pos{File: "requests/z.yaml", Line: 3, Col: 1}, "REQ001", "here")
	var b strings.Builder
	if err := report.GitHub(&b, list, map[string]bool{"requests/z.yaml": true}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 10 || !strings.Contains(lines[0], "file=requests/z.yaml") || !strings.Contains(lines[1], "forms/a00.yaml") || !strings.Contains(lines[9], "3 more") {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
}

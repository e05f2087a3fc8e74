package repo

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every constant in codes.go is explained, and some case of testdata/err (or the
// loader test, for submodules) makes the engine say it.
func TestEachCodeIsExplainedAndEmitted(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([A-Z]+[0-9]{3})"`).FindAllSubmatch(source, -1) {
		if declared[string(m[1])] {
			t.Errorf("%s is declared twice", m[1])
		}
		declared[string(m[1])] = true
	}
	explained := map[string]bool{}
	for _, e := range Explanations() {
		if explained[string(e.Code)] {
			t.Errorf("%s is explained twice", e.Code)
		}
		explained[string(e.Code)] = true
		if e.Title == "" || e.Why == "" || e.Fix == "" {
			t.Errorf("%s: explanation lacks a part", e.Code)
		}
	}
	emitted := map[string]bool{}
	for _, name := range cases(t) {
		for _, d := range problemsOf(t, name) {
			emitted[string(d.Code)] = true
		}
	}
	want := slices.Sorted(maps.Keys(declared))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(explained))); diff != "" {
		t.Errorf("(-declared +explained)\n%s", diff)
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(emitted))); diff != "" {
		t.Errorf("(-declared +emitted)\n%s", diff)
	}
}

func TestExamplesOfExplanationsAreReadable(t *testing.T) {
	for _, e := range Explanations() {
		if e.Code == CodeWrongPlace || e.Example == "" { // that example is a path
			continue
		}
		if problems := CheckBytes("directory/groups/finance.yaml", []byte(e.Example)); len(problems) > 0 {
			t.Errorf("%s: %v", e.Code, problems)
		}
	}
}

package resource_test

import (
	"testing"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

func TestLocate(t *testing.T) {
	const raw = "kind: DataProduct\nspec:\n  domain: sales\n  sources:\n    - source: a\n    - match:\n        tags: [x, 'é', z]\n"
	for _, tc := range []struct {
		name      string
		path      []any
		line, col int
	}{
		{"a scalar is where its value is", []any{"spec", "domain"}, 3, 11},
		{"a mapping is where its key is", []any{"spec", "sources"}, 4, 3},
		{"an entry of a sequence", []any{"spec", "sources", 0, "source"}, 5, 15},
		{"a flow sequence counts runes", []any{"spec", "sources", 1, "match", "tags", 2}, 7, 24},
		{"a missing value is at its nearest ancestor", []any{"spec", "sources", 5}, 4, 3},
		{"a missing field is at its parent", []any{"spec", "owner"}, 2, 1},
		{"a step of the wrong kind stops", []any{"spec", 0}, 2, 1},
		{"nothing is the document", nil, 1, 1},
	} {
		want := diag.Pos{File: "f.yaml", Line: tc.line, Col: tc.col}
		if got := resource.Locate("f.yaml", []byte(raw), tc.path...); got != want {
			t.Errorf("%s: %v, want %v", tc.name, got, want)
		}
	}
	for _, broken := range []string{"", "a: [", "\t"} {
		if got := resource.Locate("f.yaml", []byte(broken), "a"); got != (diag.Pos{File: "f.yaml"}) {
			t.Errorf("%q: %v", broken, got)
		}
	}
}

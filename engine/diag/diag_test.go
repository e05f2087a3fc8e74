package diag_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/diag"
)

func TestPosStringLeavesOutWhatIsUnknown(t *testing.T) {
	for want, pos := range map[string]diag.Pos{
		"f.yaml":     {File: "f.yaml"},
		"f.yaml:3":   {File: "f.yaml", Line: 3},
		"f.yaml:3:7": {File: "f.yaml", Line: 3, Col: 7},
	} {
		if got := pos.String(); got != want {
			t.Errorf("%+v: %s, want %s", pos, got, want)
		}
	}
}

func TestListCollectsAndKnowsItsErrors(t *testing.T) {
	var l diag.List
	l.Warnf(diag.Pos{File: "a"}, "X1", "odd %d", 1).WithHint("do %s", "this")
	if l.HasErrors() {
		t.Error("a warning counts as an error")
	}
	l.Errorf(diag.Pos{File: "a", Line: 2, Col: 3}, "X2", "bad").WithRelated(diag.Pos{File: "b"}, "see %s", "here")
	if !l.HasErrors() {
		t.Error("an error does not count")
	}
	want := diag.List{
		{Severity: diag.Warning, Code: "X1", Message: "odd 1", Hint: "do this", Pos: diag.Pos{File: "a"}},
		{Severity: diag.Error, Code: "X2", Message: "bad", Pos: diag.Pos{File: "a", Line: 2, Col: 3}, Related: []diag.Related{{Pos: diag.Pos{File: "b"}, Message: "see here"}}},
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Error(diff)
	}
	if got := l[1].String(); got != "a:2:3: error[X2]: bad" {
		t.Error(got)
	}
}

func TestSortedOrdersDropsRepeatsAndLeavesTheListAlone(t *testing.T) {
	at := func(file string, line, col int, code diag.Code) diag.Diagnostic {
		return diag.Diagnostic{Pos: diag.Pos{File: file, Line: line, Col: col}, Code: code}
	}
	l := diag.List{at("b", 1, 1, "A"), at("a", 2, 1, "A"), at("a", 1, 9, "B"), at("a", 1, 9, "A"), at("a", 1, 9, "B"), at("a", 1, 2, "C")}
	want := diag.List{at("a", 1, 2, "C"), at("a", 1, 9, "A"), at("a", 1, 9, "B"), at("a", 2, 1, "A"), at("b", 1, 1, "A")}
	if diff := cmp.Diff(want, l.Sorted()); diff != "" {
		t.Error(diff)
	}
	if l[0].Pos.File != "b" || len(l) != 6 {
		t.Error("Sorted changed its receiver")
	}
}

package report_test

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/report"
)

func TestStepSummaryShowsAllAndKeepsTextInside(t *testing.T) {
	var list diag.List
	for i := range 25 {
		list.Errorf(diag.Pos{File: "products/a.yaml", Line: i + 1}, "REF001", "no user %s", "````\n\n![x](https://example.com) @ana").WithHint("name one")
	}
	var b strings.Builder
	if err := report.StepSummary(&b, list); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "error[REF001]"); got != 25 {
		t.Errorf("%d of 25 problems are there", got)
	}
	// Outside of the fences there is the title and nothing else.
	inside := false
	for line := range strings.Lines(b.String()) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "`````":
			inside = !inside
		case !inside && line != "" && line != "### Assent: 25 errors in 1 file":
			t.Errorf("outside of a code block: %q", line)
		}
	}
	if inside {
		t.Error("a code block is left open")
	}
}

func TestStepSummaryHasAnEnd(t *testing.T) {
	var list diag.List
	for i := range 300 {
		list.Errorf(diag.Pos{File: "a.yaml", Line: i + 1}, "REF001", "%s", strings.Repeat("x", 4000))
	}
	var b strings.Builder
	if err := report.StepSummary(&b, list); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 1<<20 || !strings.Contains(b.String(), " more; `assent validate` shows them all") {
		t.Errorf("%d bytes, without a word about the rest", b.Len())
	}
}

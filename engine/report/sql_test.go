package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/report"
)

// However many statements there are, the fold is bounded, its fence is closed, and
// who is let in at the end is shown; a name with lines and fences stays in its line.
func TestTheStatementsAreBoundedAndEndWithWhoJoins(t *testing.T) {
	d := report.Draft{Connection: "wh", Own: 7}
	for i := range 3000 {
		d.Statements = append(d.Statements, report.Statement{Text: fmt.Sprintf("GRANT SELECT ON \"t%d\n~~~\n<b>`\" TO r", i), Why: "open it"})
	}
	d.Statements = append(d.Statements, report.Statement{Text: `GRANT r TO "ana"`, Why: "let people in"})
	other := report.Draft{Connection: "lake", Why: "the connector lake words its statements only where it is connected"}
	p := report.Page{State: report.Waiting, PullRequest: "1", Commit: "0123456789abcdef", Asks: []report.Ask{{
		RequestStatus: audit.RequestStatus{Request: "r", State: audit.StatePending}, Drafts: []report.Draft{d, other},
	}}}
	got := report.Markdown(p, 48_000)
	_, sql, found := strings.Cut(got, "Exact SQL</summary>")
	if !found || len(sql) > 20_000 {
		t.Fatalf("%d bytes of statements", len(sql))
	}
	for _, want := range []string{"files at `0123456789ab`", "besides 7 statements of the engine's own books", `GRANT r TO "ana"`, "lines left out here", `"t0\n~~~\n<b>`, "On `lake`: `the connector lake"} {
		if !strings.Contains(sql, want) {
			t.Errorf("no %q in:\n%s", want, sql)
		}
	}
	check(t, "statements", got)
	if strings.Contains(report.Key(p), "Exact SQL") {
		t.Error("what moves with the clock is news")
	}
}

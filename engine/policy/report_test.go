package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/policies"
)

func TestReportTellsWhatPassedWhatFailedAndWhere(t *testing.T) {
	files := map[string]string{
		"policies/x.rego": "package assent.custom.x\n\ndeny contains \"no writing\" if {\n\tinput.request.accessLevel == \"write\"\n}\n\ndeny contains \"never\" if {\n\tinput.never\n}\n",
		"policies/x_test.rego": `package assent.custom.x_test

import data.assent.custom.x

test_write if "no writing" in x.deny with input.request.accessLevel as "write"

test_read if {
	count(x.deny) == 1 with input.request.accessLevel as "read"
}

todo_test_later if true

test_error if {
	to_number(input.text) == 1 with input.text as "soon"
}
`,
	}
	report, err := policy.Test(t.Context(), nil, files)
	if err != nil {
		t.Fatal(err)
	}
	want := []policy.TestResult{
		{Name: "test_write", Line: 5, Passed: true},
		{Name: "test_read", Line: 7, Failed: `count(x.deny) == 1 with input.request.accessLevel as "read"`, At: "policies/x_test.rego:8:2"},
		{Name: "todo_test_later", Line: 11, Skipped: true},
		{Name: "test_error", Line: 13, Failed: "", Error: "policies/x_test.rego:14: eval_builtin_error: to_number: strconv.ParseFloat: parsing \"soon\": invalid syntax"},
	}
	for i := range want {
		want[i].Package, want[i].File = "data.assent.custom.x_test", "policies/x_test.rego"
	}
	if diff := cmp.Diff(want, report.Results, cmpopts.IgnoreFields(policy.TestResult{}, "Took")); diff != "" {
		t.Error(diff)
	}
	if report.Passed != 1 || report.Failed != 2 || report.Skipped != 1 {
		t.Errorf("report: %+v", report)
	}
	if report.Coverage <= 0 || report.Coverage >= 100 || len(report.Uncovered) == 0 {
		t.Errorf("coverage %v, uncovered %v", report.Coverage, report.Uncovered)
	}
}

func TestTestsOfAnOrganisationMaySeeTheWholeDecision(t *testing.T) {
	files := map[string]string{
		"policies/x.rego": "package assent.custom.x\n\ndeny contains \"no\" if input.request.accessLevel == \"write\"\n",
		"policies/x_test.rego": `package assent.custom.x_test

import data.assent.quorum

test_held if {
	d := quorum.decision with input as {"kind": "request", "request": {"accessLevel": "write"}}
	d.outcome == "pending"
	d.constraints == ["no"]
}
`,
	}
	report, err := policy.Test(t.Context(), policies.Builtin(), files)
	if err != nil || report.Passed != 1 || report.Failed != 0 {
		t.Errorf("report %+v, %v", report, err)
	}
}

func TestNoTestsAreAnEmptyReport(t *testing.T) {
	report, err := policy.Test(t.Context(), policies.Builtin(), nil)
	if err != nil || len(report.Results) != 0 {
		t.Errorf("report %+v, %v", report, err)
	}
}

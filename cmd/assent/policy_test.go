package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/review"
)

// keptDemo is the governance repository that the demo keeps: one request, approved
// by kim and lea, and over.
func keptDemo(t *testing.T) (dir string, assent func(args ...string) (string, int)) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "play")
	assent = func(args ...string) (string, int) {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"-C", filepath.Join(dir, "governance.git")}, args...), strings.NewReader(""), &out, &out)
		return out.String(), code
	}
	if out, code := assent("demo", "--keep", dir); code != exitOK {
		t.Fatal(out)
	}
	return dir, assent
}

// propose opens a pull request by somebody that edits one file.
func propose(t *testing.T, dir, person, id, file string, edit func(string) string) {
	t.Helper()
	w, err := openWorkspace(t.Context(), filepath.Join(dir, "governance.git"), "", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	before := string(blobAt(w.db, w.snapshot, file))
	after := edit(before)
	if before == "" || before == after {
		t.Fatalf("%s: nothing to edit in %q", file, before)
	}
	f, err := w.openLocal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, err := loadKey(filepath.Join(dir, "keys", person))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), key, local.Draft{ID: id, Title: id, Files: map[string][]byte{file: []byte(after)}}); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, out string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestPolicyTraceOfAPastDetermination(t *testing.T) {
	_, assent := keptDemo(t)
	out, code := assent("policy", "trace", "ana-customer-orders")
	if code != exitOK {
		t.Fatal(out)
	}
	has(t, out, "ana-customer-orders: temporarily-approved: approved by kim, lea", "record     5 of the ledger",
		"a request, judged at", "data-access, read on DataProduct/customer-orders for ana, by ana",
		"stages.satisfied", "assent/stages.rego:", "= [0,1]", "quorum.standing", "custom.limits.words")
	if strings.Contains(out, "veto.denied") {
		t.Errorf("a rule that did not fire is shown:\n%s", out)
	}
	raw, code := assent("policy", "trace", "ana-customer-orders", "-o", "json")
	var got []traced
	if err := json.Unmarshal([]byte(raw), &got); err != nil || code != exitOK || len(got) != 1 || len(got[0].Rules) < 10 || got[0].Record != 5 {
		t.Errorf("%v %d %s", err, code, raw)
	}
	if out, code := assent("policy", "trace", "nothing"); code != exitUsage || !strings.Contains(out, `no request "nothing"`) {
		t.Errorf("%d %s", code, out)
	}
}

func TestGovernanceIsExplainedTracedAndWeighed(t *testing.T) {
	dir, assent := keptDemo(t)
	if out, _ := assent("policy", "impact"); !strings.Contains(out, "0 of 1 past determinations of requests would come out otherwise\n") {
		t.Error(out)
	}
	propose(t, dir, "ben", "stricter", "forms/analytics.yaml", func(s string) string {
		return strings.Replace(s, "- any:\n              - group: privacy", "- all:\n              - group: privacy\n              - permission: GOVERNANCE", 1)
	})
	out, code := assent("determine", "stricter", "-o", "json")
	var results []struct{ Judgement review.Judgement }
	if err := json.Unmarshal([]byte(out), &results); err != nil || code != exitOK {
		t.Fatal(err, out)
	}
	j := results[0].Judgement
	if j.Outcome != review.Pending || j.Impact == nil || j.Impact.Checked != 1 || len(j.Impact.Caused()) != 1 {
		t.Errorf("%s", out)
	}
	out, _ = assent("policy", "impact", "--rev", "stricter")
	has(t, out, "1 of 1 past determinations of requests would come out otherwise\n",
		"ana-customer-orders, record 5: temporarily-approved until", "-> pending", "now: waiting for an approval for permission GOVERNANCE")
	out, _ = assent("explain", "stricter")
	has(t, out, "forms/analytics.yaml", "`permission GOVERNANCE`: waits for `omar`", "directory/users/omar.yaml:14:3",
		"`steward named in forms/analytics.yaml`: waits for `kim` or `lea` or `raj`", "forms/analytics.yaml:27:3", "for `forms/analytics.yaml`\n")
	out, _ = assent("policy", "trace", "stricter")
	has(t, out, "a governance, judged at", "forms/analytics.yaml (changed RequestForm)", "permissions.needs", "assent/permissions.rego:")
	for _, tc := range []struct{ id, file, from, to, want string }{
		{"metadata", "forms/analytics.yaml", "title: Data for analysis", "title: Data for all", "0 of 1"},
		{"leaver", "directory/users/kim.yaml", "  manager: omar", "  manager: omar\n  state: left", "1 of 1"},
		{"shorter", "products/customer-orders.yaml", "maxDuration: 180d", "maxDuration: 7d", "1 of 1"},
	} {
		propose(t, dir, "ben", tc.id, tc.file, func(s string) string { return strings.Replace(s, tc.from, tc.to, 1) })
		if out, _ := assent("policy", "impact", "--rev", tc.id); !strings.HasPrefix(out, tc.want) {
			t.Errorf("%s: %s", tc.id, out)
		}
	}
}

func TestPolicyTestCountsScenarios(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	assent := func(args ...string) (string, int) {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"-C", dir}, args...), strings.NewReader(""), &out, &out)
		return out.String(), code
	}
	if out, code := assent("policy", "test"); code != exitOK || !strings.Contains(out, "4 scenarios passed, 0 failed") {
		t.Fatal(out)
	}
	form := filepath.Join(dir, "forms/analytics.yaml")
	raw, err := os.ReadFile(form)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(form, bytes.Replace(raw, []byte("- group: privacy"), []byte("- group: analysts"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := assent("policy", "test")
	if code != exitFindings {
		t.Error(code)
	}
	has(t, out, "FAIL   policies/scenarios/personal-data.yaml", "personal-data.yaml:27:7: step 2: missing", `want ["group privacy"]`, "3 scenarios passed, 1 failed")
	if err := os.WriteFile(filepath.Join(dir, "policies/scenarios/apart.yaml"), []byte("scenario: x\nat: now\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := assent("policy", "test"); !strings.Contains(out, "ERROR  policies/scenarios/apart.yaml:2:5: error[SCN001]") {
		t.Error(out)
	}
}

func TestUncoveredLinesOfOwnRulesAreCounted(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	rule := "package assent.custom.extra\n\ndeny contains \"no writing\" if input.request.accessLevel == \"write\"\n"
	if err := os.WriteFile(filepath.Join(dir, "policies/extra.rego"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	run(t.Context(), []string{"-C", dir, "policy", "test"}, strings.NewReader(""), &out, &out)
	has(t, out.String(), "not reached by any test: policies/extra.rego:3")
	if strings.Contains(out.String(), "100.0 %") {
		t.Error(out.String())
	}
}

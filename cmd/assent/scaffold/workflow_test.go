package scaffold_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/cmd/assent/scaffold"
)

// The rows of the permission matrix: shipped below .github of this repository,
// and scaffolded for GitHub and for the local forge.
func rows() map[string]matrix {
	return map[string]matrix{
		"shipped validate.yml":        validates.on("workflow_call"),
		"shipped sarif.yml":           uploads.on("workflow_call"),
		"shipped determine.yml":       determines.on("workflow_call"),
		"shipped reconcile.yml":       reconciles.on("workflow_call"),
		"shipped intake.yml":          takesIn.on("workflow_call"),
		"shipped action.yml":          {},
		"github assent-validate.yml":  validates.on("pull_request", "merge_group").withUpload(),
		"github assent-review.yml":    matrix{}.on("pull_request_review"),
		"github assent-determine.yml": determines.on("workflow_run", "issue_comment", "push", "schedule"),
		"github assent-intake.yml":    takesIn.on("issues", "schedule"),
		"github assent-reconcile.yml": reconciles.on("push", "schedule", "workflow_dispatch"),
		"local assent-validate.yml":   validates.on("pull_request", "merge_group").withActions(),
	}
}

func workflowFiles(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	take := func(folder, prefix string) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			raw, err := os.ReadFile(folder + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			out[prefix+" "+e.Name()] = scaffold.Fill(raw, "acme-1234", "v0.1.0")
		}
	}
	take("../../../.github/workflows", "shipped")
	take("../../../.github/actions/assent", "shipped")
	take("github/.github/workflows", "github")
	take("files/.github/workflows", "local")
	delete(out, "shipped ci.yml") // of this repository's own code, which is no governance
	return out
}

func TestWorkflowsKeepToThePermissionMatrix(t *testing.T) {
	files, rows := workflowFiles(t), rows()
	for name, raw := range files {
		m, ok := rows[name]
		if !ok {
			t.Errorf("%s has no row in the matrix", name)
		}
		for _, b := range breaches(raw, m) {
			t.Errorf("%s %s", name, b)
		}
	}
	for name := range rows {
		if files[name] == nil {
			t.Errorf("%s is in the matrix and nowhere else", name)
		}
	}
}

func TestMatrixRefusesBadWorkflows(t *testing.T) {
	const (
		val, det, rec, local = "github assent-validate.yml", "github assent-determine.yml", "github assent-reconcile.yml", "local assent-validate.yml"
		review, action       = "github assent-review.yml", "shipped action.yml"
		intake               = "github assent-intake.yml"
	)
	for _, c := range []struct{ name, file, old, new, want string }{
		{"a pull request with the base's rights", local, "  pull_request:\n", "  pull_request_target:\n", "runs on pull_request_target"},
		{"the head is checked out", local, "persist-credentials: false", "persist-credentials: false\n          ref: ${{ github.event.pull_request.head.sha }}", "checks out the head"},
		{"credentials stay", local, "persist-credentials: false", "persist-credentials: true", "keeps credentials"},
		{"validate has a secret", val, "TOKEN: ${{ github.token }}", "TOKEN: ${{ secrets.PASSWORD }}", `reads the secret "PASSWORD"`},
		{"validate has all secrets", val, "TOKEN: ${{ github.token }}", "TOKEN: ${{ toJSON(secrets) }}", `reads the secret ""`},
		{"validate may write", val, "contents: read", "contents: write", "contents: write"},
		{"all is allowed", val, "permissions: {}", "permissions: write-all", "*: write-all"},
		{"nothing is said of permissions", val, "permissions: {}\n", "", "states no permissions"},
		{"a title in a script", val, "-o github", `-o github # ${{ github.event.pull_request.title }}`, "an expression into a script"},
		{"a title in the environment", val, "HEAD: ${{ github.sha }}", "HEAD: ${{ github.event.pull_request.title }}", "others may have written"},
		{"a branch name of theirs", val, "HEAD: ${{ github.sha }}", "HEAD: ${{ github.head_ref }}", "others may have written"},
		{"the program is built from the change", val, "assent policy test", "go run ./cmd/assent policy test", "builds what it is to judge"},
		{"a work tree", val, "git clone --quiet --bare", "git clone --quiet", "clones with a work tree"},
		{"a version that moves", action, "cmd/assent@$ASSENT_VERSION", "cmd/assent@latest", "a version that moves"},
		{"an action by tag", rec, "      - name: Clone", "      - uses: somebody/setup@v3\n      - name: Clone", "somebody/setup@v3, which is not pinned"},
		{"GitHub's own action beside secrets", rec, "      - name: Clone", "      - uses: actions/checkout@v4\n      - name: Clone", "not pinned"},
		{"reviews reach the key", det, "  issue_comment:\n", "  pull_request_review:\n", "takes the workflow from the pull request"},
		{"any branch reconciles", rec, "branches: [main]", "branches: [main, play]", "other branches than main"},
		{"both keys in one place", det, "secrets.ASSENT_DETERMINING_KEY", "secrets.ASSENT_RECONCILING_KEY", `reads the secret "ASSENT_RECONCILING_KEY"`},
		{"secrets of the repository", rec, "    environment: assent-reconcile\n", "", `is in the environment ""`},
		{"a secret for every step", rec, `ASSENT_SUM: ""`, `ASSENT_SUM: ${{ secrets.ASSENT_CREDENTIALS }}`, "to every step"},
		{"two at a time", rec, "group: assent-reconcile", "group: x-${{ github.sha }}", "twice at a time"},
		{"intake can decide", intake, "secrets.ASSENT_GITHUB_KEY", "secrets.ASSENT_DETERMINING_KEY", `reads the secret "ASSENT_DETERMINING_KEY"`},
		{"intake writes with the workflow's token", intake, "contents: read", "contents: write", "contents: write"},
		{"intake where the keys are", intake, "environment: assent-intake", "environment: assent-determine", `is in the environment "assent-determine"`},
		{"the text of an issue in a script", intake, "access.git\" intake", "access.git\" intake ${{ github.event.issue.body }}", "an expression into a script"},
		{"the author as the issue says", intake, "APP_KEY: ${{", "WHO: ${{ github.event.issue.user.login }}\n          APP_KEY: ${{", "others may have written"},
		{"intake on pull requests", intake, "  issues:\n", "  pull_request:\n", "takes the workflow from the pull request"},
		{"two intakes at a time", intake, "cancel-in-progress: false", "cancel-in-progress: true", "twice at a time"},
		{"the job that reads may upload", val, "      contents: read\n", "      contents: read\n      security-events: write\n", "job validate has the permission security-events: write"},
		{"the job that uploads may push", val, "      security-events: write\n", "      security-events: write\n      contents: write\n", "job sarif has the permission contents: write"},
		{"the job that uploads reads the change", val, "      - name: Upload\n        env:\n", "      - name: Upload\n        uses: actions/checkout@" + strings.Repeat("a", 40) + "\n        env:\n", "may write, and reads the change"},
		{"a pull request's title uploaded", val, "SARIF: ${{ needs.validate.outputs.sarif }}", "SARIF: ${{ github.event.pull_request.title }}", "others may have written"},
		{"the waker may something", review, "    permissions: {}\n", "    permissions:\n      statuses: write\n", "statuses: write"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := string(workflowFiles(t)[c.file])
			bad := strings.ReplaceAll(raw, c.old, c.new)
			if bad == raw {
				t.Fatalf("%s has no %q", c.file, c.old)
			}
			found := breaches([]byte(bad), rows()[c.file])
			if !slices.ContainsFunc(found, func(b string) bool { return strings.Contains(b, c.want) }) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

// The workflows to call and the ones that init writes do the same, step by step.
func TestShippedAndScaffoldedJobsAreTheSame(t *testing.T) {
	files := workflowFiles(t)
	steps := func(name, job string) []step {
		var w workflow
		if err := yaml.Unmarshal(files[name], &w); err != nil {
			t.Fatal(err)
		}
		if job == "" {
			return w.Runs.Steps
		}
		return w.Jobs[job].Steps
	}
	install := steps("shipped action.yml", "")[0].Run
	if ours, theirs := steps("shipped sarif.yml", "sarif"), steps("github assent-validate.yml", "sarif"); len(ours) != 1 || len(theirs) != 1 || ours[0].Run != theirs[0].Run {
		t.Errorf("sarif: the steps differ:\n%+v\n%+v", ours, theirs)
	}
	for _, job := range []string{"validate", "determine", "reconcile", "intake"} {
		ours, theirs := steps("shipped "+job+".yml", job), steps("github assent-"+job+".yml", job)
		a, _ := yaml.Marshal(ours)
		b, _ := yaml.Marshal(theirs)
		if len(ours) < 3 || string(a) != string(b) {
			t.Errorf("%s: the steps differ:\n%s\n%s", job, a, b)
		}
		if ours[0].Run != install {
			t.Errorf("%s installs otherwise than the action does", job)
		}
	}
}

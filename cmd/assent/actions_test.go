package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

// actionsRun is a scaffolded job whose scripts run here as a runner would run
// them: in order, each with its own environment and what was put on PATH.
type actionsRun struct {
	t       *testing.T
	temp    string            // RUNNER_TEMP
	context map[string]string // what ${{ }} gives
	env     []string          // beside what a runner has
	instead []string          // of what the file says
}

// run runs the scripts of a job and gives the output of the last one that ran,
// and whether it succeeded.
func (a *actionsRun) run(file, job string) (out string, ok bool) {
	a.t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		a.t.Fatal(err)
	}
	var w struct {
		Env  map[string]string
		Jobs map[string]struct {
			Steps []struct {
				Name, Run string
				Env       map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(raw, &w); err != nil {
		a.t.Fatal(err)
	}
	if len(w.Jobs[job].Steps) == 0 {
		a.t.Fatalf("%s has no steps in a job %s", file, job)
	}
	added := filepath.Join(a.temp, "path")
	for _, step := range w.Jobs[job].Steps {
		path, _ := os.ReadFile(added)
		cmd := exec.CommandContext(a.t.Context(), "bash", "-e", "-c", step.Run)
		cmd.Dir = a.t.TempDir()
		cmd.Env = []string{
			"PATH=" + strings.TrimSpace(string(path)) + ":" + filepath.Join(a.temp, "tools") + ":" + os.Getenv("PATH"), "HOME=" + a.temp,
			"GORACE=" + os.Getenv("GORACE"), "RUNNER_TEMP=" + a.temp, "GITHUB_PATH=" + added, "GITHUB_STEP_SUMMARY=" + filepath.Join(a.temp, "summary.md"), "GITHUB_OUTPUT=" + filepath.Join(a.temp, "output"), "GIT_CONFIG_NOSYSTEM=1",
		}
		cmd.Env = append(cmd.Env, a.env...)
		for _, env := range []map[string]string{w.Env, step.Env} {
			for name, value := range env {
				cmd.Env = append(cmd.Env, name+"="+a.fill(value))
			}
		}
		cmd.Env = append(cmd.Env, a.instead...)
		text, err := cmd.CombinedOutput()
		if out = step.Name + ": " + string(text); err != nil {
			return out, false
		}
	}
	return out, true
}

func (a *actionsRun) fill(value string) string {
	for name, is := range a.context {
		value = strings.ReplaceAll(value, "${{ "+name+" }}", is)
	}
	if strings.Contains(value, "${{") {
		a.t.Fatalf("the test knows nothing of %s", value)
	}
	return value
}

// onActions makes a repository for GitHub, and a runner that has it as a remote.
// Its `go install` puts this program where the real one would.
func onActions(t *testing.T) (gov string, a *actionsRun) {
	t.Helper()
	root := t.TempDir()
	gov = filepath.Join(root, "acme", "access")
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"init", gov, "--github", "acme/access,4711"}, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("init ends with %d: %s", code, errs.String())
	}
	a = &actionsRun{t: t, temp: t.TempDir(), context: map[string]string{
		"github.server_url": "file://" + root, "github.repository": "acme/access", "github.token": "ghs_runner",
		"github.event.merge_group.base_sha": "", "vars.ASSENT_SARIF": "",
	}}
	// The binary of this test is the program too where it is called assent.
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	fake := "#!/bin/sh\n[ \"$1\" != mod ] || { echo '{ \"Sum\": \"h1:right=\" }'; exit; }\n[ \"$1 $2\" = \"install github.com/assent-dev/assent/cmd/assent@" + release() + "\" ] || exit 9\n" +
		"mkdir -p \"$GOBIN\" && ln -s " + self + " \"$GOBIN/assent\"\n"
	tools := filepath.Join(a.temp, "tools")
	if err := os.MkdirAll(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tools, "go"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	return gov, a
}

func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=ana", "-c", "user.email=ana@example.com"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestActionsValidateAPullRequest(t *testing.T) {
	t.Parallel()
	gov, a := onActions(t)
	file := filepath.Join(gov, ".github/workflows/assent-validate.yml")
	// A pull request is a merge of main and its branch, as GitHub makes it.
	gitIn(t, gov, "checkout", "-q", "-b", "change")
	if err := os.WriteFile(filepath.Join(gov, "products/note.yaml"), []byte("kind: DataProduct\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gitIn(t, gov, "add", "products/note.yaml")
	gitIn(t, gov, "commit", "-qm", "a product")
	gitIn(t, gov, "checkout", "-q", "--detach", "main")
	gitIn(t, gov, "merge", "-q", "--no-ff", "-m", "merge", "change")
	a.context["github.sha"] = gitIn(t, gov, "rev-parse", "HEAD")
	gitIn(t, gov, "update-ref", "refs/pull/1/merge", "HEAD")
	gitIn(t, gov, "checkout", "-q", "main")
	out, ok := a.run(file, "validate")
	if ok || !strings.HasPrefix(out, "Validate: ") || !strings.Contains(out, "::error file=products/note.yaml") {
		t.Errorf("a product with mistakes: %v\n%s", ok, out)
	}
	if output, _ := os.ReadFile(filepath.Join(a.temp, "output")); len(output) > 0 {
		t.Errorf("nobody asked for an upload: %s", output)
	}
	if summary, _ := os.ReadFile(filepath.Join(a.temp, "summary.md")); !strings.Contains(string(summary), "products/note.yaml") {
		t.Errorf("the job summary says %q", summary)
	}
}

// TestActionsUploadFindings: what the validating job found reaches code scanning by
// a job that sees nothing else of the change.
func TestActionsUploadFindings(t *testing.T) {
	t.Parallel()
	gov, a := onActions(t)
	hub, err := githubtest.Start(judge.Context(t), t.TempDir(), time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	hub.Add(githubtest.User{ID: 99, Login: "runner", Type: "User"}, "runner-token")
	file := filepath.Join(gov, ".github/workflows/assent-validate.yml")
	if err := os.WriteFile(filepath.Join(gov, "products/note.yaml"), []byte("kind: DataProduct\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gitIn(t, gov, "add", "products/note.yaml")
	gitIn(t, gov, "commit", "-qm", "a product")
	head := gitIn(t, gov, "rev-parse", "HEAD")
	gitIn(t, gov, "push", "-q", strings.Replace(hub.GitURL(), "://", "://x-access-token:runner-token@", 1), "HEAD:refs/heads/change")
	a.context["github.sha"], a.context["vars.ASSENT_SARIF"] = head, "true"
	if out, ok := a.run(file, "validate"); ok {
		t.Fatalf("mistakes are well: %s", out)
	}
	output, err := os.ReadFile(filepath.Join(a.temp, "output"))
	if err != nil {
		t.Fatal(err)
	}
	packed := strings.TrimPrefix(strings.TrimSpace(string(output)), "sarif=")
	a.context["github.api_url"], a.context["github.token"] = strings.TrimSuffix(hub.URL, "/"), "runner-token"
	a.context["github.ref"] = "refs/pull/1/merge"
	for _, c := range []struct {
		name, sarif, ref string
		on               bool
		want             string
		scans            int
	}{
		{"not switched on", packed, "refs/pull/1/merge", false, "::notice::code scanning takes nothing here (403)", 0},
		{"no findings", "", "refs/pull/1/merge", true, "::notice::nothing to upload", 0},
		{"something else in the place of findings", packed + `","x":"`, "refs/pull/1/merge", true, "::notice::nothing to upload", 0},
		{"a branch that is a word of JSON", packed, `refs/heads/a","x":"`, true, "::notice::nothing to upload", 0},
		{"switched on", packed, "refs/pull/1/merge", true, "Upload: ", 1},
	} {
		hub.Set(func(s *githubtest.Settings) { s.Scanning = c.on })
		a.context["needs.validate.outputs.sarif"], a.context["github.ref"] = c.sarif, c.ref
		if out, ok := a.run(file, "sarif"); !ok || !strings.Contains(out, c.want) || len(hub.Scans()) != c.scans {
			t.Errorf("%s: %v, %d taken\n%s", c.name, ok, len(hub.Scans()), out)
		}
	}
	if scans := hub.Scans(); len(scans) != 1 || scans[0].Commit != head || scans[0].Ref != "refs/pull/1/merge" || !strings.Contains(string(scans[0].SARIF), "products/note.yaml") {
		t.Errorf("code scanning has %+v", scans)
	}
	a.context["github.token"] = "nobody"
	if out, ok := a.run(file, "sarif"); ok || !strings.Contains(out, "::error::code scanning answers 401") {
		t.Errorf("a refused upload is well: %s", out)
	}
}

func TestActionsValidateInTheMergeQueue(t *testing.T) {
	t.Parallel()
	gov, a := onActions(t)
	gitIn(t, gov, "commit", "-q", "--allow-empty", "-m", "queued")
	a.context["github.sha"] = gitIn(t, gov, "rev-parse", "HEAD")
	a.context["github.event.merge_group.base_sha"] = gitIn(t, gov, "rev-parse", "HEAD~1")
	out, ok := a.run(filepath.Join(gov, ".github/workflows/assent-validate.yml"), "validate")
	if !ok || !strings.HasPrefix(out, "Test the rules: ") || !strings.Contains(out, "0 failed") {
		t.Errorf("a change without mistakes: %v\n%s", ok, out)
	}
}

func TestActionsInstallNothingElse(t *testing.T) {
	t.Parallel()
	gov, a := onActions(t)
	for name, c := range map[string]struct{ instead, want string }{
		"a version that moves": {"ASSENT_VERSION=latest", "name an exact version"},
		"a version and a flag": {"ASSENT_VERSION=v0.1.0 -x", "name an exact version"},
		"another checksum":     {"ASSENT_SUM=h1:wrong=", "has the checksum h1:right=, and h1:wrong= is asked for"},
		"the right checksum":   {"ASSENT_SUM=h1:right=", ""},
	} {
		a.instead = []string{c.instead}
		a.context["github.sha"] = "0000" // the step after fails
		out, _ := a.run(filepath.Join(gov, ".github/workflows/assent-validate.yml"), "validate")
		if stopped := strings.HasPrefix(out, "Install Assent: "); stopped != (c.want != "") || !strings.Contains(out, c.want) {
			t.Errorf("%s: want %q\n%s", name, c.want, out)
		}
	}
}

// TestActionsDetermineAndReconcile plays a request through the scripts of the
// workflows, against a GitHub that wants a token for everything.
func TestActionsDetermineAndReconcile(t *testing.T) {
	t.Parallel()
	gov, a := onActions(t)
	for user, account := range map[string]string{"governor": "id: 101\n      login: gia", "steward": "id: 102\n      login: kim"} {
		file := filepath.Join(gov, "directory/users", user+".yaml")
		text := "apiVersion: assent.dev/v1\nkind: User\nmetadata:\n  name: " + user + "\nspec:\n  email: " + user + "@example.com\n  forge:\n    github:\n      " + account + "\n"
		if user == "governor" {
			text += "  permissions: [GOVERNANCE]\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gitIn(t, gov, "commit", "-qam", "accounts")
	hub, err := githubtest.Start(judge.Context(t), t.TempDir(), time.Now().Add(-time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	hub.Live(time.Now, time.Sleep)
	hub.Add(githubtest.User{ID: 99, Login: "engine", Type: "User"}, "engine-token")
	hub.Add(githubtest.User{ID: 101, Login: "gia", Type: "User"}, "gia-token")
	hub.Add(githubtest.User{ID: 102, Login: "kim", Type: "User"}, "kim-token")
	gitIn(t, gov, "push", "-q", strings.Replace(hub.GitURL(), "://", "://x-access-token:engine-token@", 1), "main", "assent/ledger")

	secret := func(name string) string {
		data, err := os.ReadFile(filepath.Join(gov, ".git/assent", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	a.context = map[string]string{
		"github.server_url": strings.TrimSuffix(hub.URL, "/api/v3/"), "github.repository": "acme/access.git", "github.token": "engine-token",
		"vars.ASSENT_TRUST": secret("trust.json"), "vars.ASSENT_GITHUB_APP": "", "vars.ASSENT_GITHUB_INSTALLATION": "",
		"secrets.ASSENT_GITHUB_KEY": "", "secrets.ASSENT_DETERMINING_KEY": secret("keys/determining"),
		"secrets.ASSENT_RECONCILING_KEY": secret("keys/reconciling"), "secrets.ASSENT_CREDENTIALS": "WAREHOUSE_PASSWORD=a=b\n",
	}
	// An App has more than the fake knows: the engine is an account here.
	a.env = []string{"ASSENT_GITHUB_API=" + hub.URL, "ASSENT_GITHUB_GIT=" + hub.GitURL(), "GITHUB_TOKEN=engine-token"}
	job := func(name, want string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(a.temp, "access.git")); err != nil { // each job has a new machine
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(a.temp, "assent-bin")); err != nil {
			t.Fatal(err)
		}
		out, ok := a.run(filepath.Join(gov, ".github/workflows/assent-"+name+".yml"), name)
		if !ok || !strings.Contains(out, want) {
			t.Fatalf("%s: %v, want %q\n%s", name, ok, want, out)
		}
		if left, _ := filepath.Glob(filepath.Join(a.temp, "assent-state*")); len(left) > 0 {
			t.Errorf("%s leaves keys behind", name)
		}
	}
	person := func(token string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(a.temp, "assent-bin", "assent"), append([]string{"-C", gov}, args...)...)
		cmd.Env = append(os.Environ(), "GITHUB_TOKEN="+token, "ASSENT_GITHUB_API="+hub.URL, "ASSENT_GITHUB_GIT="+hub.GitURL())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("assent %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	job("determine", "no pull request waits")
	person("kim-token", "request", "new", "--product", "example-orders", "--duration", "90d", "--accept-agreement", "--answer", "purpose=A report on orders of the spring")
	job("determine", ": pending: ")
	person("gia-token", "review", "approve", "1")
	job("determine", "approved, merged as ")
	// A new repository only observes: it says what it would do.
	job("reconcile", "+ grant assent_example_orders_read to steward until ")
	shared := strings.Fields(gitIn(t, gov, "ls-remote", strings.Replace(hub.GitURL(), "://", "://x-access-token:engine-token@", 1), "refs/heads/assent/ledger"))
	if len(shared) == 0 || shared[0] == gitIn(t, gov, "rev-parse", "assent/ledger") {
		t.Errorf("the determination is not in the ledger on GitHub: %v", shared)
	}
}

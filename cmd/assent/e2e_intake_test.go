package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

// intakeWorld is a repository on GitHub and the engine's copy of it.
type intakeWorld struct {
	t    *testing.T
	hub  *githubtest.Server
	gov  string
	env  []string
	bare string
}

const engineLogin = "engine"

func newIntakeWorld(t *testing.T) *intakeWorld {
	t.Helper()
	gov, _ := onActions(t)
	for user, account := range map[string]string{"governor": "id: 101\n      login: gia", "steward": "id: 102\n      login: kim", "ana": "id: 103\n      login: ana"} {
		text := "apiVersion: assent.dev/v1\nkind: User\nmetadata:\n  name: " + user + "\nspec:\n  email: " + user + "@example.com\n  forge:\n    github:\n      " + account + "\n"
		if user == "governor" {
			text += "  permissions: [GOVERNANCE]\n"
		}
		if err := os.WriteFile(filepath.Join(gov, "directory/users", user+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gitIn(t, gov, "add", "-A")
	gitIn(t, gov, "commit", "-qm", "accounts")
	hub, err := githubtest.Start(judge.Context(t), t.TempDir(), time.Now().Add(-time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	hub.Live(time.Now, time.Sleep)
	for i, who := range []string{engineLogin, "gia", "kim", "ana", "bo"} {
		hub.Add(githubtest.User{ID: int64(100 + i), Login: who, Type: "User"}, "token-of-"+who)
	}
	remote := strings.Replace(hub.GitURL(), "://", "://x-access-token:token-of-engine@", 1)
	gitIn(t, gov, "push", "-q", remote, "main", "assent/ledger")
	bare := filepath.Join(t.TempDir(), "engine.git")
	gitIn(t, gov, "clone", "-q", "--bare", remote, bare)
	return &intakeWorld{t: t, hub: hub, gov: gov, bare: bare, env: append(os.Environ(),
		"ASSENT_GITHUB_API="+hub.URL, "ASSENT_GITHUB_GIT="+hub.GitURL(), "ASSENT_GITHUB_TOKEN=token-of-engine", "ASSENT_STATE="+filepath.Join(gov, ".git/assent"))}
}

func (w *intakeWorld) assent(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "assent", append([]string{"-C", w.bare}, args...)...)
	cmd.Env = w.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("assent %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// said is what the engine wrote last on an issue.
func (w *intakeWorld) said(issue int) string {
	texts := w.hub.Published(issue, engineLogin)
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

const asksForOrders = "### Which data do you need?\n\nexample-orders\n\n### What do you need the data for?\n\nWhich orders of the spring came back\n\n" +
	"### How long do you need it?\n\n30d\n\n### Data use agreement\n\n- [X] I accept acceptable-use\n"

// TestIntakeOpensWhatAnIssueAsks: from the issue to the merge, with one pull
// request whatever is run again, decided by somebody else than who asked.
func TestIntakeOpensWhatAnIssueAsks(t *testing.T) {
	t.Parallel()
	w := newIntakeWorld(t)
	issue := w.hub.OpenIssue("ana", "Access: orders", strings.ReplaceAll(asksForOrders, "\n", "\r\n"), "access-request")
	w.hub.OpenIssue("ana", "a bug", asksForOrders) // without the label
	if out := w.assent("intake"); out != "issue "+strconv.Itoa(issue)+": opened pull request 1 for ana\n" {
		t.Fatal(out)
	}
	if said := w.said(issue); !strings.Contains(said, "pull request #1") || w.hub.IssueOpen(issue) {
		t.Errorf("open %v, and it says %q", w.hub.IssueOpen(issue), said)
	}
	for range 2 {
		w.assent("intake")
		w.assent("intake", strconv.Itoa(issue))
	}
	if prs := w.hub.PullsOf(engineLogin); len(prs) != 1 || len(w.hub.Published(issue, engineLogin)) != 1 {
		t.Errorf("pull requests %v, answers %q", prs, w.hub.Published(issue, engineLogin))
	}
	if out := w.assent("determine"); !strings.Contains(out, "1: pending: waiting for an approval") {
		t.Fatal(out)
	}
	if _, err := w.hub.Review("ana", 1, "APPROVE", "", ""); err != nil {
		t.Fatal(err) // GitHub lets her: the pull request is not hers there
	}
	if out := w.assent("determine"); !strings.Contains(out, "1: pending: waiting for an approval") {
		t.Fatalf("who asked has decided: %s", out)
	}
	if _, err := w.hub.Review("kim", 1, "APPROVE", "", ""); err != nil {
		t.Fatal(err)
	}
	if out := w.assent("determine"); !strings.Contains(out, "merged as") {
		t.Fatal(out)
	}
	raw, ok := w.hub.File("requests/example-orders/ana-example-orders-" + strconv.Itoa(issue) + ".yaml")
	if !ok || !strings.Contains(raw, "requester: ana\n") || !strings.Contains(raw, "duration: 30d") {
		t.Errorf("main has %q", raw)
	}
}

// TestIntakeSaysWhatToMend: nothing is opened for an issue that is not as the form
// makes it, or not its author's; and the answer says why in plain words.
func TestIntakeSaysWhatToMend(t *testing.T) {
	t.Parallel()
	w := newIntakeWorld(t)
	swap := func(old, with string) string { return strings.Replace(asksForOrders, old, with, 1) }
	for name, c := range map[string]struct {
		by, body string
		edit     string // by somebody else
		want     string
		closed   bool
	}{
		"nobody known":            {by: "bo", body: asksForOrders, want: "whose number is 104. Ask one of governor"},
		"somebody else edits":     {by: "ana", body: asksForOrders, edit: "bo", want: "Somebody else than you changed the text", closed: true},
		"no form":                 {by: "ana", body: "please let me in @gia", want: "does not begin with the question"},
		"nothing":                 {by: "ana", body: "", want: "does not begin with the question"},
		"no such product":         {by: "ana", body: swap("example-orders", "<img src=x> @gia"), want: "there is no data product `<img src=x> @gia`"},
		"no answer":               {by: "ana", body: swap("Which orders of the spring came back", "_No response_"), want: "**What do you need the data for?** has no answer"},
		"not accepted":            {by: "ana", body: swap("- [X]", "- [ ]"), want: "**Data use agreement** is not accepted"},
		"accepted something else": {by: "ana", body: swap("I accept acceptable-use", "I accept nothing"), want: "is not accepted"},
		"a heading in an answer":  {by: "ana", body: swap("came back", "came back\n\n### How long do you need it?\n\n10y"), want: "“### How long do you need it?” is there twice"},
		"a question left out":     {by: "ana", body: swap("### How long do you need it?\n\n30d\n\n", ""), want: "“How long do you need it?” is missing"},
		"another order": {
			by: "ana", body: "### Which data do you need?\n\nexample-orders\n\n### How long do you need it?\n\n30d\n\n### What do you need the data for?\n\nx\n\n### Data use agreement\n\n- [X] I accept acceptable-use\n",
			want: "not in their order",
		},
		"two lines":        {by: "ana", body: swap("came back", "came back\nrequester: kim"), want: "takes one line"},
		"longer than ever": {by: "ana", body: swap("30d", "9y"), want: "`this asks for longer than 180d, the most that is allowed`"},
		"no duration":      {by: "ana", body: swap("30d", "for ever"), want: "**How long do you need it?** is no length of time; write 30d"},
	} {
		t.Run(name, func(t *testing.T) {
			issue := w.hub.OpenIssue(c.by, "Access", c.body, "access-request")
			if c.edit != "" {
				w.hub.EditIssue(c.edit, issue, asksForOrders)
			}
			out := w.assent("intake", strconv.Itoa(issue))
			if said := w.said(issue); !strings.Contains(said, c.want) || strings.Contains(said, ".yaml:") {
				t.Errorf("it says %q\n%s", said, out)
			}
			if len(w.hub.PullsOf(engineLogin)) != 0 || w.hub.IssueOpen(issue) == c.closed {
				t.Errorf("pull requests %v, open %v", w.hub.PullsOf(engineLogin), w.hub.IssueOpen(issue))
			}
		})
	}
	// One that is mended is opened.
	issue := w.hub.OpenIssue("ana", "Access", swap("30d", "_No response_"), "access-request")
	w.assent("intake", strconv.Itoa(issue))
	w.hub.EditIssue("ana", issue, asksForOrders)
	if out := w.assent("intake", strconv.Itoa(issue)); !strings.Contains(out, "opened pull request 1 for ana") || len(w.hub.Published(issue, engineLogin)) != 2 {
		t.Errorf("%s%q", out, w.hub.Published(issue, engineLogin))
	}
}

// TestIssueFormAsksWhatTheRequestFormAsks: the form is one that GitHub reads, and
// what GitHub makes of its answers is what intake reads.
func TestIssueFormAsksWhatTheRequestFormAsks(t *testing.T) {
	t.Parallel()
	gov, _ := onActions(t)
	init, err := os.ReadFile(filepath.Join(gov, ".github/ISSUE_TEMPLATE/standard-access.yml"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "assent", "-C", gov, "intake", "form")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "wrote .github/ISSUE_TEMPLATE/standard-access.yml\n" {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(gov, ".github/ISSUE_TEMPLATE/standard-access.yml"))
	if err != nil || string(raw) != string(init) {
		t.Fatalf("%v: init writes another one:\n%s", err, raw)
	}
	var form issueForm
	if err := yaml.Unmarshal(raw, &form); err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, e := range form.Body {
		headings = append(headings, "### "+e.Attributes.Label)
	}
	for line := range strings.Lines(asksForOrders) {
		if strings.HasPrefix(line, "### ") {
			if len(headings) == 0 || headings[0] != strings.TrimSpace(line) {
				t.Fatalf("the form asks %q where an issue says %q", headings, line)
			}
			headings = headings[1:]
		}
	}
	if len(headings) > 0 || form.Labels[0] != "access-request" || form.Body[0].Attributes.Options[0] != "example-orders" {
		t.Errorf("%q is left of %+v", headings, form)
	}
}

package scaffold_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// workflow is what the rules look at in a workflow's file.
type workflow struct {
	On          map[string]any
	Permissions permissions
	Env         map[string]string
	Jobs        map[string]job
	Runs        struct{ Steps []step } // of a composite action
}

type job struct {
	Permissions permissions
	Environment string
	Uses        string
	Secrets     any
	Env         map[string]string
	Concurrency any
	Timeout     int `yaml:"timeout-minutes"`
	Steps       []step
}

type step struct {
	Name, Uses, Run string
	With            map[string]any
	Env             map[string]string
}

// permissions is a map of them, or one word for all, under "*".
type permissions map[string]string

func (p *permissions) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*p = permissions{"*": n.Value}
		return nil
	}
	var m map[string]string
	err := n.Decode(&m)
	if m == nil {
		m = map[string]string{}
	}
	*p = m
	return err
}

// matrix is one row of who may what.
type matrix struct {
	triggers    []string          // each of these and no other
	permissions map[string]string // at most
	secrets     []string          // at most
	environment string            // where secrets are kept
	checkout    bool              // may use actions of GitHub itself, by tag
	writes      string            // a job that may more than the others, and reads nothing of the change
	may         map[string]string // what that job may, and no other
}

var (
	scans      = map[string]string{"security-events": "write"}
	validates  = matrix{permissions: map[string]string{"contents": "read"}}
	uploads    = matrix{writes: "sarif", may: scans}
	determines = matrix{
		permissions: map[string]string{"contents": "read"}, environment: "assent-determine",
		secrets: []string{"ASSENT_GITHUB_KEY", "ASSENT_DETERMINING_KEY"},
	}
	takesIn = matrix{
		permissions: map[string]string{"contents": "read"}, environment: "assent-intake", secrets: []string{"ASSENT_GITHUB_KEY"},
	}
	reconciles = matrix{
		permissions: map[string]string{"contents": "write"}, environment: "assent-reconcile",
		secrets: []string{"ASSENT_RECONCILING_KEY", "ASSENT_CREDENTIALS"},
	}
)

func (m matrix) on(triggers ...string) matrix { m.triggers = triggers; return m }
func (m matrix) withUpload() matrix           { m.writes, m.may = "sarif", scans; return m }
func (m matrix) withActions() matrix          { m.checkout = true; return m }

// ownBranch are the events that take a workflow from main whatever a pull
// request says. A push does where it is limited to main.
var ownBranch = []string{"workflow_run", "issue_comment", "issues", "schedule", "push", "workflow_dispatch", "workflow_call"}

var (
	expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)
	secret     = regexp.MustCompile(`\bsecrets\b\s*(?:\.\s*(\w+)|\[)?`)
	pinned     = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	github     = regexp.MustCompile(`^actions/(checkout|setup-go)@v\d+$`)
	headOfPR   = regexp.MustCompile(`pull_request\.head|head_ref|head\.sha|workflow_run\.head`)
	// What workflows hand to steps, by env: none of it is text that somebody wrote.
	harmless = regexp.MustCompile(`^(github\.(server_url|api_url|repository|token|sha|ref|event_name)|inputs\.(version|sum|sarif)|vars\.\w+|secrets\.\w+|` +
		`(steps|needs|jobs)\.validate\.outputs\.sarif|` +
		`github\.event\.merge_group\.base_sha|github\.event\.pull_request\.base\.sha \|\| github\.event\.merge_group\.base_sha)$`)
)

// breaches are the ways in which a workflow's file goes beyond its row.
func breaches(raw []byte, m matrix) []string {
	var w workflow
	if err := yaml.Unmarshal(raw, &w); err != nil {
		return []string{err.Error()}
	}
	b := &book{m: m}
	b.triggers(w.On)
	if w.Permissions == nil && w.On != nil {
		b.add("states no permissions, and has those that the repository gives")
	}
	b.permissions("the workflow", w.Permissions, m.permissions)
	if len(w.Jobs) == 0 && len(w.Runs.Steps) == 0 {
		b.add("has no jobs")
	}
	b.env("the workflow", w.Env, false)
	for name, j := range w.Jobs {
		b.job(name, j)
	}
	for _, s := range w.Runs.Steps {
		b.step("the action", s)
	}
	for _, e := range expression.FindAllStringSubmatch(string(raw), -1) {
		b.expression(strings.TrimSpace(e[1]))
	}
	slices.Sort(b.found)
	return slices.Compact(b.found)
}

type book struct {
	m     matrix
	found []string
}

func (b *book) add(format string, args ...any) {
	b.found = append(b.found, fmt.Sprintf(format, args...))
}

func (b *book) triggers(on map[string]any) {
	for t, how := range on {
		if !slices.Contains(b.m.triggers, t) {
			b.add("runs on %s", t)
		}
		if len(b.m.secrets) > 0 && !slices.Contains(ownBranch, t) {
			b.add("holds secrets on %s, which takes the workflow from the pull request", t)
		}
		if branches, _ := how.(map[string]any); t == "push" && fmt.Sprint(branches["branches"]) != "[main]" {
			b.add("runs on a push to other branches than main")
		}
	}
	for _, t := range b.m.triggers {
		if _, ok := on[t]; !ok {
			b.add("does not run on %s", t)
		}
	}
}

func (b *book) permissions(where string, p permissions, most map[string]string) {
	for what, level := range p {
		allowed := most[what]
		if level != "none" && level != allowed && (level != "read" || allowed != "write") {
			b.add("%s has the permission %s: %s", where, what, level)
		}
	}
}

func (b *book) job(name string, j job) {
	if most := b.m.permissions; name == b.m.writes {
		b.permissions("job "+name, j.Permissions, b.m.may)
		b.apart(name, j)
	} else {
		b.permissions("job "+name, j.Permissions, most)
	}
	if j.Environment != b.m.environment {
		b.add("job %s is in the environment %q, not %q", name, j.Environment, b.m.environment)
	}
	if j.Secrets != nil {
		b.add("job %s hands on secrets", name)
	}
	if j.Timeout == 0 {
		b.add("job %s may run for six hours", name)
	}
	if c, _ := j.Concurrency.(map[string]any); b.m.environment != "" && (c["group"] != b.m.environment || c["cancel-in-progress"] != false) {
		b.add("job %s may run twice at a time, or be stopped halfway", name)
	}
	if j.Uses != "" && !pinned.MatchString(j.Uses) {
		b.add("job %s calls %s, which is not pinned", name, j.Uses)
	}
	b.env("job "+name, j.Env, false)
	for _, s := range j.Steps {
		b.step("job "+name, s)
	}
}

// apart: what may write has nothing of the change on its machine, and no program
// but those of the runner.
func (b *book) apart(name string, j job) {
	for _, s := range j.Steps {
		if strings.Contains(s.Run, "git ") || strings.Contains(s.Run, "go install") || s.Uses != "" {
			b.add("job %s may write, and reads the change", name)
		}
	}
}

func (b *book) step(where string, s step) {
	switch own := github.MatchString(s.Uses); {
	case s.Uses == "" || pinned.MatchString(s.Uses) || own && b.m.checkout:
	default:
		b.add("%s uses %s, which is not pinned", where, s.Uses)
	}
	if strings.HasPrefix(s.Uses, "actions/checkout@") {
		if s.With["persist-credentials"] != false {
			b.add("%s keeps credentials after checkout", where)
		}
		if headOfPR.MatchString(fmt.Sprint(s.With)) {
			b.add("%s checks out the head of the pull request", where)
		}
	}
	if strings.Contains(s.Run, "${{") {
		b.add("%s puts an expression into a script", where)
	}
	if strings.Contains(s.Run, "@latest") || strings.Contains(s.Run, "@main") {
		b.add("%s installs a version that moves", where)
	}
	if strings.Contains(s.Run, "go build") || strings.Contains(s.Run, "go run") || strings.Contains(s.Run, "go install ./") {
		b.add("%s builds what it is to judge", where)
	}
	if strings.Contains(s.Run, "git clone") && !strings.Contains(s.Run, "git clone --quiet --bare ") {
		b.add("%s clones with a work tree", where)
	}
	b.env(where, s.Env, s.Run != "")
}

// env: a secret goes to the one step that needs it and to no other.
func (b *book) env(where string, env map[string]string, step bool) {
	for name, value := range env {
		if !step && strings.Contains(value, "secrets.") {
			b.add("%s hands the secret %s to every step", where, name)
		}
	}
}

func (b *book) expression(e string) {
	if !harmless.MatchString(e) {
		b.add("uses %s, which others may have written", e)
	}
	for _, s := range secret.FindAllStringSubmatch(e, -1) {
		if !slices.Contains(b.m.secrets, s[1]) {
			b.add("reads the secret %q", s[1])
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/resource"
)

// runDoctorGitHub looks at how the repository is set up on GitHub, or prints a
// ruleset that it needs.
func runDoctorGitHub(ctx context.Context, g *global, ruleset string) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	if w.settings.Spec.Forge != github.Name {
		return usageErrorf("leave --github out", "assent.yaml says forge: %s", w.settings.Spec.Forge)
	}
	want, err := w.expected(ctx)
	if err != nil {
		return err
	}
	if ruleset != "" {
		raw, err := github.RulesetFor(ruleset, want)
		if err != nil {
			return usageErrorf("there are "+strings.Join(github.RulesetNames(), ", "), "%w", err)
		}
		_, err = g.stdout.Write(raw)
		return err
	}
	tokens := w.personTokens()
	if _, err := tokens.Token(ctx); err != nil && want.Account != nil {
		if tokens, err = w.engineTokens(ctx); err != nil {
			return err
		}
	}
	hub, err := w.openGitHub(tokens, true)
	if err != nil {
		return err
	}
	q := github.Query{Ledger: want.Ledger}
	for _, p := range want.People {
		q.People = append(q.People, p.ID)
	}
	settings, err := hub.Settings(ctx, q)
	if err != nil {
		return &exitError{code: exitUnreachable, err: err, hint: "nothing is known now; try again, and see that the token is of this repository"}
	}
	found := settings.Check(want)
	if g.output == "json" {
		err = g.writeJSON(found)
	} else {
		writeFindings(g.stdout, want, found)
	}
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(found, func(f github.Finding) bool { return f.Level == github.Refused }):
		return &exitError{code: exitFindings}
	case slices.ContainsFunc(found, func(f github.Finding) bool { return f.Level == github.Unknown }):
		return &exitError{code: exitUnreachable}
	}
	return nil
}

func writeFindings(out io.Writer, want github.Expected, found []github.Finding) {
	fmt.Fprintf(out, "%s/%s (github)\n", want.Owner, want.Name)
	count := map[github.Level]int{}
	for _, f := range found {
		count[f.Level]++
		if f.Level == github.Fine {
			fmt.Fprintf(out, "  ok      %s\n", f.Seen)
			continue
		}
		fmt.Fprintf(out, "  %-7s %s: %s\n", f.Level, f.Code, f.Seen)
		if f.Why != "" && f.Level != github.Unknown {
			fmt.Fprintf(out, "          why: %s\n", f.Why)
		}
		writeFix(out, f.Fix)
	}
	var parts []string
	for _, c := range []struct {
		level github.Level
		words string
	}{{github.Refused, "refused"}, {github.Warning, "to be mended"}, {github.Unknown, "not known"}, {github.Note, "to know"}, {github.Fine, "ok"}} {
		if n := count[c.level]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.words))
		}
	}
	fmt.Fprintln(out, strings.Join(parts, ", "))
}

// expected is what the repository should be set up for, with the engine's own
// account where its token is here.
func (w *workspace) expected(ctx context.Context) (github.Expected, error) {
	at := w.settings.Spec.GitHub
	if at == nil {
		_, err := w.openGitHub(nil, true)
		return github.Expected{}, err
	}
	want := github.Expected{
		Branch: w.settings.Spec.MainBranch(), Ledger: w.settings.Spec.LedgerBranch(), Method: github.Method(at.Method), Engine: at.Engine,
		Workflows: map[string]github.Workflow{},
	}
	want.Owner, want.Name, _ = strings.Cut(at.Repository, "/")
	if want.Method == "" {
		want.Method = github.MergeCommit
	}
	asked := codeownersFor(w.snapshot.Set, w.now())
	want.Automatic = asked.automatic
	governors := asked.holders(resource.PermissionGovernance)
	for u := range resource.Of[*resource.User](w.snapshot.Set) {
		if gh := u.Spec.Forge.GitHub; gh != nil && gh.ID > 0 {
			want.People = append(want.People, github.Person{
				Name: string(u.Ref().Name), ID: gh.ID, Login: gh.Login, Decides: asked.people[u.Ref().Name],
				Governs: slices.Contains(governors, u.Ref().Name),
			})
		}
	}
	for _, e := range w.snapshot.Files {
		if slices.Contains([]string{"CODEOWNERS", "docs/CODEOWNERS", codeownersFile}, e.Path) {
			want.Owners = true
		}
		if dir, name := path.Split(e.Path); dir == ".github/workflows/" {
			want.Workflows[name] = readWorkflow(blobAt(w.db, w.snapshot, e.Path))
		}
	}
	if os.Getenv("ASSENT_GITHUB_APP") == "" && os.Getenv("ASSENT_GITHUB_TOKEN") == "" && w.hub == nil {
		return want, nil
	}
	tokens, err := w.engineTokens(ctx)
	if err != nil {
		return want, err
	}
	engine, err := w.openGitHub(tokens, true)
	if err != nil {
		return want, err
	}
	account, err := engine.EngineAccount(ctx)
	if err != nil {
		return want, &exitError{code: exitUnreachable, err: err, hint: "is the engine's token still good? leave it out to look at the rest"}
	}
	want.Account = &account
	return want, nil
}

var secretName = regexp.MustCompile(`\bsecrets\.(\w+)`)

// readWorkflow reads what counts of a workflow's file; one that cannot be read
// runs on nothing.
func readWorkflow(raw []byte) github.Workflow {
	var file struct {
		On   yaml.Node
		Jobs map[string]struct {
			Uses        string
			Environment yaml.Node
		}
	}
	var out github.Workflow
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return out
	}
	var events map[string]any
	var list []string
	switch {
	case file.On.Kind == yaml.ScalarNode:
		out.Events = []string{file.On.Value}
	case file.On.Decode(&events) == nil:
		out.Events = slices.Sorted(maps.Keys(events))
	case file.On.Decode(&list) == nil:
		out.Events = list
	}
	for _, m := range secretName.FindAllStringSubmatch(string(raw), -1) {
		out.Secrets = append(out.Secrets, m[1])
	}
	for _, job := range file.Jobs {
		var named struct{ Name string }
		switch {
		case job.Environment.Kind == yaml.ScalarNode:
			out.Environments = append(out.Environments, job.Environment.Value)
		case job.Environment.Decode(&named) == nil && named.Name != "":
			out.Environments = append(out.Environments, named.Name)
		}
		if env, secrets := shippedJob(job.Uses); env != "" {
			out.Environments, out.Secrets = append(out.Environments, env), append(out.Secrets, secrets...)
		}
	}
	slices.Sort(out.Secrets)
	out.Secrets = slices.Compact(out.Secrets)
	return out
}

// shippedJob is what a workflow of ours needs that is called from another
// repository.
func shippedJob(uses string) (environment string, secrets []string) {
	file, _, _ := strings.Cut(uses, "@")
	if !strings.HasPrefix(file, "assent-dev/assent/.github/workflows/") {
		return "", nil
	}
	switch path.Base(file) {
	case "determine.yml":
		return "assent-determine", []string{"ASSENT_GITHUB_KEY", "ASSENT_DETERMINING_KEY"}
	case "intake.yml":
		return "assent-intake", []string{"ASSENT_GITHUB_KEY"}
	case "reconcile.yml":
		return "assent-reconcile", []string{"ASSENT_RECONCILING_KEY", "ASSENT_CREDENTIALS"}
	}
	return "", nil
}

var errWithConnections = errors.New("--github looks at the repository, not at connections")

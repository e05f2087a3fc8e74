package github

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
)

// merging looks at whether the engine can merge, and what else can happen there.
func (f *findings) merging() {
	r := f.s.Repository
	allowed := map[Method]*bool{MergeCommit: r.Merge, Squash: r.Squash, Rebase: r.Rebase}
	var others []string
	for _, m := range []Method{MergeCommit, Squash, Rebase} {
		if on := allowed[m]; on != nil && *on && m != f.e.Method {
			others = append(others, string(m))
		}
	}
	mine := allowed[f.e.Method]
	is := answer{unknown: "the token may not see the merge methods"}
	if mine != nil {
		is = yesIf(*mine)
	}
	if is.yes {
		is = f.ruleAllows()
	}
	field := map[Method]string{MergeCommit: "allow_merge_commit", Squash: "allow_squash_merge", Rebase: "allow_rebase_merge"}
	f.look(is, says{
		"merge-method", Refused, "the engine's method, " + string(f.e.Method) + ", is allowed", "the engine merges by " + string(f.e.Method) + ", and that is not allowed",
		"it can merge nothing", fmt.Sprintf("gh api -X PATCH repos/%s -F %s=true; or state another spec.github.method in assent.yaml", f.repo(), field[f.e.Method]),
	})
	if mine != nil {
		fix := "gh api -X PATCH repos/" + f.repo()
		for _, m := range others {
			fix += " -F " + field[Method(m)] + "=false"
		}
		f.look(yesIf(len(others) == 0), says{
			"merge-mix", Warning, "no other method is", "people may also merge by " + strings.Join(others, " and "),
			"the history of " + f.e.Branch + " is easier to follow where every merge is of one kind", fix,
		})
	}
	f.queue()
	f.look(yesIf(r.DefaultBranch == f.e.Branch), says{
		"default-branch", Warning, f.e.Branch + " is the default branch", "the default branch is " + r.DefaultBranch + ", not " + f.e.Branch,
		"scheduled workflows, and those that answer comments, are taken from the default branch", fmt.Sprintf("gh api -X PATCH repos/%s -f default_branch=%s", f.repo(), f.e.Branch),
	})
}

// ruleAllows reports whether no rule forbids the engine's method.
func (f *findings) ruleAllows() answer {
	b, m := f.s.Main, f.e.Method
	forbidden := either(
		b.has("pull_request", func(r Rule) bool {
			return len(r.Parameters.MergeMethods) > 0 && !slices.Contains(r.Parameters.MergeMethods, string(m))
		}),
		b.has("required_linear_history", func(Rule) bool { return m == MergeCommit }),
		b.classic(func(p Protection) bool { return p.Linear.Enabled && m == MergeCommit }),
	)
	return forbidden.not()
}

// queue looks at whether the workflows answer a merge queue, where there is one.
func (f *findings) queue() {
	there := f.s.Main.has("merge_queue", nil)
	if !there.yes && there.unknown == "" {
		return
	}
	var deaf []string
	for name, w := range f.e.Workflows {
		if slices.Contains(w.Events, "pull_request") && !slices.Contains(w.Events, "merge_group") {
			deaf = append(deaf, name)
		}
	}
	slices.Sort(deaf)
	well := yesIf(len(deaf) == 0)
	if there.unknown != "" {
		well = answer{unknown: there.unknown}
	}
	f.look(well, says{
		"merge-queue", Warning, "the workflows answer the merge queue", strings.Join(deaf, ", ") + " does not run in the merge queue",
		"a check that is required and never comes holds the queue up", "add merge_group: beside pull_request: below on:",
	})
}

// actions looks at what any workflow may do.
func (f *findings) actions() {
	fix := "gh api -X PUT repos/" + f.repo() + "/actions/permissions/workflow -f default_workflow_permissions=read -F can_approve_pull_request_reviews=false"
	f.look(known(f.s.Actions, func(a ActionsSettings) bool { return !a.MayApprove }), says{
		"actions-approve", Warning, "workflows may not approve pull requests", "workflows may approve pull requests",
		"Assent counts no bot; but GitHub would count it among its own required approvals", fix,
	})
	f.look(known(f.s.Actions, func(a ActionsSettings) bool { return a.Token == "read" }), says{
		"workflow-token", Warning, "the token of a workflow reads unless it says otherwise", "the token of a workflow may write unless it says otherwise",
		"whoever may push a branch can write a workflow that speaks with it", fix,
	})
}

// environments looks at where the secrets of the workflows are.
func (f *findings) environments() {
	needed := map[string][]string{} // environment → secrets
	for _, w := range f.e.Workflows {
		for _, env := range w.Environments {
			needed[env] = append(needed[env], w.Secrets...)
		}
	}
	f.look(known(f.s.Secrets, func(names []string) bool { return len(open(names)) == 0 }), says{
		"secret-open", Refused, "no secret of Assent is open to every branch", strings.Join(open(f.s.Secrets.Value), ", ") + " is a secret of the whole repository",
		"whoever may push a branch can write a workflow that reads it", "gh secret delete NAME, and set it with --env; make new keys, for these may be known",
	})
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		f.environment(name, needed[name])
	}
	if len(needed) > 0 {
		f.look(known(f.s.Variables, func(names []string) bool { return slices.Contains(names, "ASSENT_TRUST") }), says{
			"trust-missing", Warning, "the variable ASSENT_TRUST is there", "the variable ASSENT_TRUST is missing",
			"the workflows do not know which ledger to trust, and stop", "gh variable set ASSENT_TRUST < .git/assent/trust.json",
		})
	}
}

func open(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "ASSENT_") })
}

func (f *findings) environment(name string, secrets []string) {
	only := "{\"deployment_branch_policy\":{\"protected_branches\":false,\"custom_branch_policies\":true}}"
	at := "repos/" + f.repo() + "/environments/" + name
	fix := fmt.Sprintf("echo '%s' | gh api -X PUT %s --input - && gh api %s/deployment-branch-policies -f name=%s", only, at, at, f.e.Branch)
	e, there := f.s.Environments.Value[name]
	limited := known(e.Branches, func(b []string) bool { return slices.Equal(b, []string{f.e.Branch}) })
	ill := "every branch may use the environment " + name
	switch {
	case f.s.Environments.Unknown != "":
		limited.unknown = f.s.Environments.Unknown
	case !there:
		limited, ill = answer{}, "there is no environment "+name
	case len(e.Branches.Value) > 0:
		ill = strings.Join(e.Branches.Value, ", ") + " may use the environment " + name
	}
	f.look(limited, says{
		"environment-open", Refused, "only " + f.e.Branch + " may use the environment " + name, ill,
		"a workflow of another branch could read its secrets", fix,
	})
	if !there || f.s.Environments.Unknown != "" {
		return
	}
	slices.Sort(secrets)
	var missing []string
	for _, s := range slices.Compact(secrets) {
		if !slices.Contains(e.Secrets.Value, s) {
			missing = append(missing, s)
		}
	}
	f.look(known(e.Secrets, func([]string) bool { return len(missing) == 0 }), says{
		"secret-missing", Warning, "the secrets of " + name + " are there", "missing in the environment " + name + ": " + strings.Join(missing, ", "),
		"the workflow that needs them fails", "gh secret set NAME --env " + name,
	})
}

// listens reports whether a webhook is one that the engine lives by.
func listens(h Hook) bool {
	return h.Active && (slices.Contains(h.Events, "pull_request_review") || slices.Contains(h.Events, "*"))
}

// webhooks looks at how the engine hears of what happens.
func (f *findings) webhooks() {
	if a := f.e.Account; a != nil && a.HookURL != "" {
		f.webhook("the App's webhook", a.HookSecret, a.HookInsecure, a.Events, a.Deliveries, "the App's settings → General → Webhook")
		return
	}
	var mine []Hook
	for _, h := range f.s.Hooks.Value {
		if listens(h) {
			mine = append(mine, h)
		}
	}
	woken := f.on("assent-determine")
	if len(mine) == 0 {
		heard := known(f.s.Hooks, func([]Hook) bool { return woken })
		if woken {
			heard = yesIf(true)
		}
		f.look(heard, says{
			"webhook-missing", Warning, "a workflow looks at each pull request", "nothing tells the engine when something happens",
			"it looks at everything in its own rhythm only, so that answers take minutes",
			"(umask 077; openssl rand -hex 32 > hook.secret); gh api repos/" + f.repo() + "/hooks -f name=web -F active=true -f 'events[]=*' -f 'config[url]=https://HOST/hooks/github' -f 'config[content_type]=json' -f \"config[secret]=$(cat hook.secret)\"",
		})
	}
	for _, h := range mine {
		events := h.Events
		f.webhook("the webhook to "+h.Config.URL, h.Config.Secret != "", yes(h.Config.Insecure), events, h.Deliveries, f.page(fmt.Sprintf("Webhooks → %d", h.ID)))
	}
}

// heard are the events without which the engine learns of something late.
func heard() []string {
	return []string{"pull_request", "pull_request_review", "issue_comment", "push"}
}

func (f *findings) webhook(what string, secret, insecure bool, events []string, deliveries Part[[]Delivery], at string) {
	f.look(yesIf(secret), says{
		"webhook-secret", Refused, what + " is signed", what + " has no secret",
		"anybody who knows the address can send the engine on errands; it refuses what is not signed", "openssl rand -hex 32, into " + at + " and into the engine",
	})
	f.look(yesIf(!insecure), says{
		"webhook-insecure", Warning, "its receiver has to prove who it is", what + " does not check the receiver's certificate",
		"somebody in between can read what is sent", at + ": enable SSL verification",
	})
	var missing []string
	for _, e := range heard() {
		if !slices.Contains(events, e) && !slices.Contains(events, "*") {
			missing = append(missing, e)
		}
	}
	f.look(yesIf(len(missing) == 0), says{
		"webhook-events", Warning, "it tells of reviews, comments and pushes", what + " does not tell of " + strings.Join(missing, ", "),
		"the engine learns of that minutes later", at + ": choose the events",
	})
	f.look(known(deliveries, func(list []Delivery) bool { return len(failing(list)) == 0 }), says{
		"webhook-failing", Warning, "its newest deliveries arrived", fmt.Sprintf("%d of the newest %d deliveries did not arrive: %s", len(failing(deliveries.Value)), len(deliveries.Value), strings.Join(failing(deliveries.Value), ", ")),
		"nothing is lost, and everything is late", at + " → Recent Deliveries says why; is the engine running, and is its secret the same?",
	})
}

func failing(list []Delivery) []string {
	var out []string
	const most = 3
	for _, d := range list {
		if d.Code < 200 || d.Code > 299 {
			out = append(out, fmt.Sprintf("%s at %s: %d %s", d.Event, d.At.UTC().Format("2006-01-02 15:04Z"), d.Code, forge.OneLine(d.Status)))
		}
	}
	if len(out) > most {
		out = append(out[:most], "…")
	}
	return out
}

// owners looks at CODEOWNERS.
func (f *findings) owners() {
	t := says{
		"codeowners", Warning, "GitHub reads CODEOWNERS without complaint", "", "GitHub asks nobody where it cannot read who it is", "assent codeowners generate",
	}
	if !f.e.Owners {
		t.ill = "there is no CODEOWNERS"
		f.look(answer{}, t)
		return
	}
	var texts []string
	for _, e := range f.s.Owners.Value {
		texts = append(texts, fmt.Sprintf("line %d: %s", e.Line, forge.OneLine(e.Kind)))
	}
	t.ill = "GitHub does not understand CODEOWNERS: " + strings.Join(texts, ", ")
	t.fix = "give those people access to write, or run `assent codeowners generate`"
	f.look(known(f.s.Owners, func(list []OwnersError) bool { return len(list) == 0 }), t)
}

package github

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// engine looks at the account that the engine acts as.
func (f *findings) engine() {
	a := f.e.Account
	f.look(yesIf(f.e.Engine != 0), says{
		"engine-unnamed", Warning, "assent.yaml names the engine's account", "assent.yaml does not name the engine's account",
		"people who look cannot tell which marks on a commit are the engine's", f.nameFix(),
	})
	if a == nil {
		f.list = append(f.list, Finding{
			Code: "engine-token", Level: Unknown, Seen: "cannot tell what the engine's own token may do: it is not here",
			Fix: "set ASSENT_GITHUB_APP, ASSENT_GITHUB_INSTALLATION and ASSENT_GITHUB_KEY, or ASSENT_GITHUB_TOKEN, as the engine has them",
		})
		return
	}
	if a.Suspended {
		f.list = append(f.list, Finding{
			Code: "app-suspended", Level: Refused, Seen: "the installation of the App is suspended", Why: "the engine can do nothing", Fix: f.page("GitHub Apps: unsuspend it"),
		})
		return
	}
	if f.e.Engine != 0 {
		f.look(yesIf(a.ID == f.e.Engine), says{
			"engine-other", Refused, fmt.Sprintf("the engine acts as %s, account %d", a.Login, a.ID), fmt.Sprintf("the engine's token is of %s, account %d, and assent.yaml says %d", a.Login, a.ID, f.e.Engine),
			"the engine refuses to work with another's token", f.nameFix(),
		})
	}
	if a.App != 0 {
		f.app(a)
		return
	}
	f.personal(a)
}

func (f *findings) nameFix() string {
	if f.e.Account != nil && f.e.Account.ID != 0 {
		return fmt.Sprintf("write engine: %d into spec.github of assent.yaml", f.e.Account.ID)
	}
	return "write its numeric id into spec.github.engine of assent.yaml; `gh api users/LOGIN --jq .id` tells it"
}

// needs is what an App has to be allowed.
func (f *findings) needs() map[string]string {
	out := map[string]string{"contents": "write", "pull_requests": "write", "checks": "write"}
	if f.intake() {
		out["issues"] = "write"
	}
	return out
}

// intake reports whether a workflow answers issues.
func (f *findings) intake() bool {
	for _, w := range f.e.Workflows {
		if slices.Contains(w.Events, "issues") {
			return true
		}
	}
	return false
}

// harmless is what an App may have beside what it needs.
func harmless() map[string]string {
	return map[string]string{
		"metadata": "read", "members": "read", "issues": "write", "statuses": "write", "actions": "read", "merge_queues": "read", "administration": "read",
	}
}

func (f *findings) app(a *EngineAccount) {
	needs, harmless := f.needs(), harmless()
	var missing, broad []string
	for _, what := range slices.Sorted(maps.Keys(needs)) {
		if a.Permissions[what] != needs[what] {
			missing = append(missing, what+": "+needs[what])
		}
	}
	for _, what := range slices.Sorted(maps.Keys(a.Permissions)) {
		level := a.Permissions[what]
		if needs[what] == "" && harmless[what] != level && (harmless[what] != "write" || level != "read") {
			broad = append(broad, what+": "+level)
		}
	}
	f.look(yesIf(len(missing) == 0), says{
		"app-permissions", Refused, "the App may do what it has to", "the App lacks " + strings.Join(missing, ", "),
		"the engine cannot put its check, comment or merge", "the App's settings → Permissions & events; then accept the new permissions where it is installed",
	})
	f.look(yesIf(len(broad) == 0), says{
		"app-broad", Warning, "the App may do no more than that", "the App may do more than it has to: " + strings.Join(broad, ", "),
		"who steals its key can do all of that", "the App's settings → Permissions & events: take them away",
	})
	f.look(yesIf(!a.Everywhere), says{
		"app-everywhere", Warning, "the App is installed in chosen repositories", "the App is installed in every repository of its owner",
		"who steals its key reaches all of them", "the owner's Settings → GitHub Apps → Configure: only select repositories",
	})
}

// broadScopes are the scopes of a classic token that the engine has no use for.
func broadScopes(scopes []string) []string {
	var out []string
	for _, s := range scopes {
		if s != "repo" && s != "read:org" && s != "public_repo" && s != "repo:status" {
			out = append(out, s)
		}
	}
	return out
}

func (f *findings) personal(a *EngineAccount) {
	f.look(yesIf(a.Role["push"] || a.Role["admin"]), says{
		"engine-write", Refused, a.Login + " may write", a.Login + " may not write to the repository",
		"the engine cannot put its status, comment or merge", fmt.Sprintf("gh api -X PUT repos/%s/collaborators/%s -f permission=push", f.repo(), a.Login),
	})
	f.look(yesIf(!a.Role["admin"]), says{
		"engine-admin", Warning, a.Login + " is no administrator", a.Login + " is an administrator of the repository",
		"who steals its token can take the protection away", fmt.Sprintf("gh api -X PUT repos/%s/collaborators/%s -f permission=push", f.repo(), a.Login),
	})
	if a.Scopes == nil {
		return // a fine-grained token has no scopes
	}
	broad := broadScopes(a.Scopes)
	f.look(yesIf(len(broad) == 0), says{
		"token-broad", Warning, "its token has no scope beyond repo", "its token has more scopes than it needs: " + strings.Join(broad, ", "),
		"who steals it can do all of that", "make a fine-grained token for this repository, with contents, pull requests and commit statuses: write",
	})
}

// people looks at whether those in the directory can take part.
func (f *findings) people() {
	t := says{
		"accounts", Warning, "everybody in the directory with an account has access", "", "",
		"correct directory/users/, or invite them: gh api -X PUT repos/" + f.repo() + "/collaborators/LOGIN -f permission=pull",
	}
	p := f.s.People
	if p.Unknown != "" {
		f.look(answer{unknown: p.Unknown}, t)
		return
	}
	before := len(f.list)
	for _, who := range f.e.People {
		role, there := p.Value[who.ID]
		one := func(code, seen, why, fix string) {
			f.list = append(f.list, Finding{Code: code, Level: Warning, Seen: seen, Why: why, Fix: fix})
		}
		file := "directory/users/" + who.Name + ".yaml"
		reads := role.Permissions["pull"] || !f.s.Repository.Private
		switch {
		case role.Gone:
			one("account-gone", fmt.Sprintf("the account of %s, %d, is gone", who.Name, who.ID), "nobody can act as this person any more", "correct or end "+file)
		case !there || !reads:
			why, fix := "they cannot ask", fmt.Sprintf("gh api -X PUT repos/%s/collaborators/%s -f permission=pull", f.repo(), role.Login)
			if who.Decides {
				one("steward-no-access", who.Name+" decides about something and cannot see the repository", "requests wait for somebody who cannot review them", fix)
				continue
			}
			one("no-access", who.Name+" cannot see the repository", why, fix)
		case who.Login != "" && !strings.EqualFold(who.Login, role.Login):
			one("account-renamed", fmt.Sprintf("the account of %s is called %s now, not %s", who.Name, role.Login, who.Login),
				"CODEOWNERS asks the old name, which anybody can take", "write login: "+role.Login+" into "+file+", and run `assent codeowners generate`")
		}
	}
	if len(f.list) == before {
		f.look(yesIf(true), t)
	}
}

// governors looks at whether the rules can still be changed: nobody agrees to a
// change of their own, and main takes nothing that was not agreed to.
func (f *findings) governors() {
	t := says{
		"governors", Warning, "enough people hold GOVERNANCE for every change", "", "nobody agrees to their own change, and what everything rests on needs two others",
		"add permissions: [GOVERNANCE] to somebody else in directory/users/",
	}
	n := 0
	for _, p := range f.e.People {
		if p.Governs {
			n++
		}
	}
	switch {
	case n < 2:
		t.ill = fmt.Sprintf("%s GOVERNANCE: no change that they make can be agreed to", holders(n))
	case n == 2:
		t.level, t.ill = Note, "two people hold GOVERNANCE: a change of assent.yaml or policies/ by one of them cannot be agreed to"
	}
	f.look(yesIf(t.ill == ""), t)
}

func holders(n int) string {
	if n == 0 {
		return "nobody holds"
	}
	return "one person holds"
}

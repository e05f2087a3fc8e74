package github

import (
	"fmt"
	"slices"
	"strings"
)

// Level says how much a Finding weighs.
type Level string

// The levels. Refused is what somebody can go around the engine by, or what keeps
// it from its work; Unknown is what could not be read, which is never fine.
const (
	Fine    Level = "ok"
	Note    Level = "note" // good to know, and right for some
	Warning Level = "warning"
	Refused Level = "refused"
	Unknown Level = "unknown"
)

// Finding is one thing that was looked at.
type Finding struct {
	Code  string `json:"code"` // never changes its meaning
	Level Level  `json:"level"`
	Seen  string `json:"seen"`          // what is so
	Why   string `json:"why,omitempty"` // why it matters
	Fix   string `json:"fix,omitempty"` // a command, or where to click
}

// Person is somebody of the directory.
type Person struct {
	Name    string
	ID      int64
	Login   string // as the directory has it
	Decides bool   // about something
	Governs bool   // holds GOVERNANCE, and can act
}

// Expected is what the settings are held against.
type Expected struct {
	Owner, Name string
	Branch      string
	Ledger      string
	Method      Method
	Engine      int64 // the account that assent.yaml names; zero where it names none
	People      []Person
	// Workflows are those on the base branch, by the name of their file, and
	// Owners whether there is a CODEOWNERS.
	Workflows map[string]Workflow
	Owners    bool
	// Automatic says that a form lets some requests be approved by rule alone.
	Automatic bool
	// Account is the engine's own; nil where its token is not here.
	Account *EngineAccount
}

// Workflow is the little of a workflow's file that counts here.
type Workflow struct {
	Events       []string
	Environments []string
	Secrets      []string // names it reads
}

// answer is yes, no or not known.
type answer struct {
	yes     bool
	unknown string
}

func known[T any](p Part[T], test func(T) bool) answer {
	if p.Unknown != "" {
		return answer{unknown: p.Unknown}
	}
	return answer{yes: test(p.Value)}
}

// either is yes where one of them is; only where none can be is it no.
func either(answers ...answer) answer {
	out := answer{}
	for _, a := range answers {
		if a.yes {
			return answer{yes: true}
		}
		if a.unknown != "" {
			out.unknown = a.unknown
		}
	}
	return out
}

func (a answer) not() answer { return answer{yes: !a.yes && a.unknown == "", unknown: a.unknown} }

// findings is the list in the making.
type findings struct {
	s    Settings
	e    Expected
	list []Finding
}

// Check holds the settings against what the engine needs: one finding for each
// thing that was looked at, in a fixed order. It asks nothing.
func (s Settings) Check(e Expected) []Finding {
	f := &findings{s: s, e: e}
	f.engine()
	f.main()
	f.merging()
	f.ledger()
	f.actions()
	f.environments()
	f.webhooks()
	f.owners()
	f.people()
	f.governors()
	return f.list
}

// says is how a finding reads: when it is well, when it is not, why that matters
// and what to do.
type says struct {
	code      string
	level     Level // where it is not well
	well, ill string
	why, fix  string
}

// look adds a finding: well says whether all is well.
func (f *findings) look(well answer, t says) {
	switch {
	case well.unknown != "":
		f.list = append(f.list, Finding{Code: t.code, Level: Unknown, Seen: "cannot tell whether " + t.well + ": " + well.unknown, Why: t.why, Fix: readFix})
	case well.yes:
		f.list = append(f.list, Finding{Code: t.code, Level: Fine, Seen: t.well})
	default:
		f.list = append(f.list, Finding{Code: t.code, Level: t.level, Seen: t.ill, Why: t.why, Fix: t.fix})
	}
}

const readFix = "run it with the token of an administrator of the repository in GITHUB_TOKEN, or look yourself"

func (f *findings) repo() string { return f.e.Owner + "/" + f.e.Name }

// page is where a setting is found in a browser.
func (f *findings) page(path string) string { return "Settings → " + path }

// rulesetFix makes a whole ruleset.
func (f *findings) rulesetFix(which string) string {
	return "assent doctor --github --ruleset " + which + " | gh api repos/" + f.repo() + "/rulesets --input -; or import it in " + f.page("Rules → Rulesets → Import a ruleset")
}

func yesIf(b bool) answer { return answer{yes: b} }

// has reports whether a rule of a type applies to a branch.
func (b BranchSettings) has(kind string, test func(Rule) bool) answer {
	return known(b.Rules, func(rules []Rule) bool {
		return slices.ContainsFunc(rules, func(r Rule) bool { return r.Type == kind && (test == nil || test(r)) })
	})
}

// classic reports whether the classic protection of a branch is there and does it.
func (b BranchSettings) classic(test func(Protection) bool) answer {
	return known(b.Classic, func(p *Protection) bool { return p != nil && test(*p) })
}

// noForce reports whether history cannot be rewritten.
func (b BranchSettings) noForce() answer {
	return either(b.has("non_fast_forward", nil), b.classic(func(p Protection) bool { return !p.ForcePushes.Enabled }))
}

func (b BranchSettings) noDeletion() answer {
	return either(b.has("deletion", nil), b.classic(func(p Protection) bool { return !p.Deletions.Enabled }))
}

// main looks at what protects the base branch.
func (f *findings) main() {
	b, fix := f.s.Main, f.rulesetFix("main")
	f.look(either(b.has("pull_request", nil), b.classic(func(p Protection) bool { return p.Reviews != nil })), says{
		"no-pull-request", Refused, b.Name + " changes by pull request only", b.Name + " can be pushed to without a pull request",
		"a request that is pushed past its reviewers opens nothing, but a person, a group or a product counts at once", fix,
	})
	f.check(b, fix)
	f.look(b.noForce(), says{
		"force-push", Refused, "the history of " + b.Name + " cannot be rewritten", b.Name + " can be pushed to by force",
		"what was decided could be undone, and the engine stops granting when it sees that", fix,
	})
	f.look(b.noDeletion(), says{
		"deletion", Refused, b.Name + " cannot be deleted", b.Name + " can be deleted", "nothing is wanted any more where there is no " + b.Name, fix,
	})
	f.look(either(b.has("pull_request", func(r Rule) bool { return r.Parameters.DismissStale }),
		b.classic(func(p Protection) bool { return p.Reviews != nil && p.Reviews.DismissStale })), says{
		"stale-reviews", Warning, "a push takes back the approvals before it", "approvals stay when something is pushed after them",
		"Assent does not count them; but GitHub shows them as if they counted", fix,
	})
	f.look(either(b.has("pull_request", func(r Rule) bool { return r.Parameters.LastPush }),
		b.classic(func(p Protection) bool { return p.Reviews != nil && p.Reviews.LastPush })), says{
		"last-push", Note, "the last push needs the approval of somebody else", "whoever pushed last may approve that push",
		"Assent counts nobody who pushed. GitHub's own rule would be a second line, and needs stewards who may write", f.page("Rules → Rulesets → Require approval of the most recent reviewable push"),
	})
	f.approvals(b)
	f.bypass("bypass", b)
}

// approvals looks at whether GitHub's own count of approvals can be reached.
func (f *findings) approvals(b BranchSettings) {
	wanted := either(
		b.has("pull_request", func(r Rule) bool { return r.Parameters.Approvals > 0 || r.Parameters.LastPush }),
		b.classic(func(p Protection) bool { return p.Reviews != nil && (p.Reviews.Approvals > 0 || p.Reviews.LastPush) }))
	t := says{
		"approvals", Warning, "GitHub's own count of approvals does not hold up what Assent approves", "",
		"GitHub counts people who may write and nobody else, and knows of no approval by rule", f.page("Rules → Rulesets: set required approvals to 0; who has to agree, Assent says"),
	}
	if !wanted.yes {
		f.look(wanted.not(), t)
		return
	}
	var readers []string
	for _, who := range f.e.People {
		if who.Decides && !f.s.People.Value[who.ID].Permissions["push"] {
			readers = append(readers, who.Name)
		}
	}
	switch {
	case f.e.Automatic:
		t.ill = "GitHub asks for an approval, and a form lets requests be approved by rule"
		f.look(answer{}, t)
	case len(readers) > 0 && f.s.People.Unknown == "":
		t.ill = "GitHub asks for an approval of somebody who may write, and these only read: " + strings.Join(readers, ", ")
		f.look(answer{}, t)
	default:
		f.look(known(f.s.People, func(map[int64]Role) bool { return true }), t)
	}
}

// check looks at whether nothing merges without the engine's word.
func (f *findings) check(b BranchSettings, fix string) {
	name := "assent: " + f.e.Branch
	required := either(b.has("required_status_checks", func(r Rule) bool { return requires(r, name, nil) }),
		b.classic(func(p Protection) bool { return p.requires(name, nil) }))
	f.look(required, says{
		"check-not-required", Refused, "nothing merges without the check “" + name + "”", "the check “" + name + "” is not required",
		"whoever may merge can merge what nobody agreed to; a change of people or products counts at once", fix,
	})
	if !required.yes {
		return
	}
	app := int64(0)
	if f.e.Account != nil {
		app = f.e.Account.App
	}
	pinned := either(b.has("required_status_checks", func(r Rule) bool { return requires(r, name, &app) }),
		b.classic(func(p Protection) bool { return p.requires(name, &app) }))
	t := says{
		"check-source", Warning, "that check counts only from the engine's App", "that check counts from anybody",
		"whoever may push can put a green check of that name on any commit", fix,
	}
	switch {
	case f.e.Account == nil:
		f.look(answer{unknown: "the engine's token is not here"}, t)
	case app == 0:
		t.fix = "let the engine be a GitHub App: only the checks of an App can be told apart"
		f.look(answer{}, t)
	default:
		f.look(pinned, t)
	}
}

// requires reports whether a rule requires a check, and of a source where one is
// given.
func requires(r Rule, name string, source *int64) bool {
	return slices.ContainsFunc(r.Parameters.Checks, func(c Check) bool {
		return c.Context == name && (source == nil || c.Source == *source)
	})
}

func (p Protection) requires(name string, source *int64) bool {
	if p.Checks == nil {
		return false
	}
	for _, c := range p.Checks.Checks {
		if c.Context == name && (source == nil || c.App != nil && *c.App == *source) {
			return true
		}
	}
	return false
}

// bypass looks at who may go around the rules of a branch.
func (f *findings) bypass(code string, b BranchSettings) {
	t := says{
		code, Warning, "nobody may go around the rules of " + b.Name, "",
		"what they push is recorded and reported, and it counts", f.page("Rules → Rulesets: empty the bypass list"),
	}
	if b.Rulesets.Unknown != "" || b.Classic.Unknown != "" {
		f.look(answer{unknown: b.Rulesets.Unknown + b.Classic.Unknown}, t)
		return
	}
	var around []string
	for _, set := range b.Rulesets.Value {
		if set.Bypass == nil {
			f.look(answer{unknown: "the token may not see who may go around the ruleset “" + set.Name + "”"}, t)
			return
		}
		for _, who := range *set.Bypass {
			if f.e.Account == nil || who.Type != "Integration" || who.ID != f.e.Account.App {
				around = append(around, bypassText(who)+" (ruleset “"+set.Name+"”)")
			}
		}
	}
	if p := b.Classic.Value; p != nil && !p.Admins.Enabled {
		around = append(around, "administrators (branch protection)")
	}
	t.ill = strings.Join(around, ", ") + " may go around the rules of " + b.Name
	f.look(yesIf(len(around) == 0), t)
}

func bypassText(b BypassActor) string {
	const maintain, write, admin = 2, 4, 5 // GitHub's numbers of its own roles
	switch {
	case b.Type == "RepositoryRole" && b.ID == admin:
		return "administrators"
	case b.Type == "RepositoryRole" && b.ID == maintain:
		return "maintainers"
	case b.Type == "RepositoryRole" && b.ID == write:
		return "everybody who may write"
	case b.Type == "OrganizationAdmin":
		return "owners of the organisation"
	case b.Type == "DeployKey":
		return "deploy keys"
	case b.Type == "Integration":
		return fmt.Sprintf("App %d", b.ID)
	}
	return fmt.Sprintf("%s %d", strings.ToLower(b.Type), b.ID)
}

// ledger looks at what protects the record of what was decided.
func (f *findings) ledger() {
	b, fix := f.s.Ledger, f.rulesetFix("ledger")
	f.look(b.noForce(), says{
		"ledger-force-push", Refused, "the history of " + b.Name + " cannot be rewritten", b.Name + " can be pushed to by force",
		"records could be taken off its end; an engine that remembers nothing, as on Actions, would not notice", fix,
	})
	f.look(b.noDeletion(), says{
		"ledger-deletion", Refused, b.Name + " cannot be deleted", b.Name + " can be deleted", "without the record nothing is granted and no approval is known", fix,
	})
	f.bypass("ledger-bypass", b)
	if f.e.Account != nil && f.e.Account.App != 0 {
		t := says{
			"ledger-open", Warning, "only the engine pushes to " + b.Name, "others than the engine can push to " + b.Name,
			"they cannot forge a record, which is signed; they can keep the engine from its work", f.rulesetFix("ledger-writer"),
		}
		if f.on("assent-reconcile") {
			t.level, t.fix = Note, "on Actions the workflow itself pushes there; an engine on a machine of yours can be the only one"
		}
		f.look(f.onlyEngine(b), t)
	}
	f.look(either(b.has("pull_request", nil), b.has("required_status_checks", nil)).not(), says{
		"ledger-blocked", Warning, b.Name + " takes pushes without a pull request", b.Name + " takes only pull requests, or only commits with checks",
		"the engine pushes its records straight to it", f.page("Rules → Rulesets: leave " + b.Name + " out of that ruleset"),
	})
}

// on reports whether a workflow works in an environment.
func (f *findings) on(environment string) bool {
	for _, w := range f.e.Workflows {
		if slices.Contains(w.Environments, environment) {
			return true
		}
	}
	return false
}

// onlyEngine reports whether nobody but the engine's App may push to a branch.
func (f *findings) onlyEngine(b BranchSettings) answer {
	app := f.e.Account.App
	limited := known(b.Rules, func(rules []Rule) bool {
		for _, r := range rules {
			i := slices.IndexFunc(b.Rulesets.Value, func(s Ruleset) bool { return s.ID == r.Ruleset })
			if r.Type != "update" || i < 0 || b.Rulesets.Value[i].Bypass == nil {
				continue
			}
			if around := *b.Rulesets.Value[i].Bypass; len(around) == 1 && around[0].Type == "Integration" && around[0].ID == app {
				return true
			}
		}
		return false
	})
	if b.Rulesets.Unknown != "" && !limited.yes {
		limited.unknown = b.Rulesets.Unknown
	}
	return either(limited, b.classic(func(p Protection) bool {
		r := p.Restrictions
		return r != nil && len(r.Users) == 0 && len(r.Teams) == 0 && len(r.Apps) == 1 && r.Apps[0].ID == app
	}))
}

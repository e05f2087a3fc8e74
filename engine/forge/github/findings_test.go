package github_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

type object = map[string]any

// setUp is a repository as it should be, with the engine as an App, and what the
// settings are held against. Each row of the tables changes one thing.
type setUp struct {
	hub      *githubtest.Server
	personal string // the engine's personal token; empty where it is the App in want
	viewer   string // whose token reads
	want     github.Expected
}

const (
	theApp         = 77
	theAppsAccount = 900
)

func newSetUp(t *testing.T) *setUp {
	t.Helper()
	hub, err := githubtest.Start(judge.Context(t), t.TempDir(), time.Now().Add(-time.Hour), map[string]string{"assent.yaml": "x\n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	for i, who := range []string{"engine", "gia", "kim", "ana"} {
		hub.Add(githubtest.User{ID: int64(100 + i), Login: who, Type: "User"}, "token-of-"+who)
	}
	u := &setUp{hub: hub, viewer: "gia"}
	u.want = github.Expected{
		Owner: githubtest.Owner, Name: githubtest.Repository, Branch: "main", Ledger: "assent/ledger", Method: github.MergeCommit,
		Engine: theAppsAccount, Owners: true,
		People: []github.Person{
			{Name: "governor", ID: 101, Login: "gia", Decides: true, Governs: true}, {Name: "steward", ID: 102, Login: "kim", Decides: true, Governs: true},
			{Name: "ana", ID: 103, Login: "ana", Governs: true},
		},
		Workflows: map[string]github.Workflow{
			"assent-validate.yml":  {Events: []string{"pull_request", "merge_group"}},
			"assent-determine.yml": {Events: []string{"workflow_run"}, Environments: []string{"assent-determine"}, Secrets: []string{"ASSENT_DETERMINING_KEY"}},
		},
		Account: &github.EngineAccount{
			ID: theAppsAccount, Login: "assent[bot]", App: theApp,
			Permissions: map[string]string{"contents": "write", "pull_requests": "write", "checks": "write", "metadata": "read"},
			Events:      []string{"pull_request", "pull_request_review", "issue_comment", "push"},
			HookURL:     "https://engine.example/hooks/github", HookSecret: true,
			Deliveries: github.Part[[]github.Delivery]{Value: []github.Delivery{{Event: "push", Code: 202}}},
		},
	}
	for _, which := range github.RulesetNames() {
		raw, err := github.RulesetFor(which, u.want)
		if err != nil {
			t.Fatal(err)
		}
		if err := hub.AddRuleset(raw); err != nil {
			t.Fatal(err)
		}
	}
	hub.Set(func(s *githubtest.Settings) {
		s.Roles["gia"], s.Roles["kim"], s.Roles["ana"], s.Roles["engine"] = "admin", "pull", "pull", "push"
		s.Repository["allow_squash_merge"], s.Repository["allow_rebase_merge"] = false, false
		s.Environments["assent-determine"] = &githubtest.Environment{
			Policy: object{"protected_branches": false, "custom_branch_policies": true}, Branches: []string{"main"}, Secrets: []string{"ASSENT_DETERMINING_KEY"},
		}
		s.Variables = []string{"ASSENT_TRUST"}
	})
	return u
}

func delivery(code int) object {
	return object{
		"id": 1, "guid": "g", "event": "push", "action": nil, "installation_id": nil, "repository_id": githubtest.ID, "redelivery": false, "duration": 0.1,
		"status": http.StatusText(code), "status_code": code, "delivered_at": "2026-11-24T10:00:00Z",
	}
}

// findings reads the settings and judges them.
func (u *setUp) findings(t *testing.T) []github.Finding {
	t.Helper()
	open := func(tokens github.Tokens) *github.GitHub {
		g, err := github.New(github.Config{
			Repo: "r", Owner: githubtest.Owner, Name: githubtest.Repository, ID: githubtest.ID, API: u.hub.URL, Git: u.hub.GitURL(), Tokens: tokens, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	person := func(who string) github.Tokens {
		return github.Personal(func() (string, error) { return "token-of-" + who, nil })
	}
	q := github.Query{Ledger: "assent/ledger"}
	for _, p := range u.want.People {
		q.People = append(q.People, p.ID)
	}
	s, err := open(person(u.viewer)).Settings(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want := u.want
	if u.personal != "" {
		account, err := open(person(u.personal)).EngineAccount(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want.Account = &account
	}
	return s.Check(want)
}

func (u *setUp) set(change func(*githubtest.Settings)) { u.hub.Set(change) }

// drop takes rules of a type out of every ruleset.
func drop(kind string) func(*setUp) {
	return func(u *setUp) {
		u.set(func(s *githubtest.Settings) {
			for _, set := range s.Rulesets {
				rules, _ := set["rules"].([]any)
				set["rules"] = slices.DeleteFunc(slices.Clone(rules), func(r any) bool { return r.(object)["type"] == kind })
			}
		})
	}
}

// parameter changes a parameter of the rules of a type.
func parameter(kind, name string, value any) func(*setUp) {
	return func(u *setUp) {
		u.set(func(s *githubtest.Settings) {
			for _, set := range s.Rulesets {
				rules, _ := set["rules"].([]any)
				for _, r := range rules {
					if rule := r.(object); rule["type"] == kind {
						rule["parameters"].(object)[name] = value
					}
				}
			}
		})
	}
}

func repository(name string, value any) func(*setUp) {
	return func(u *setUp) { u.set(func(s *githubtest.Settings) { s.Repository[name] = value }) }
}

func bypassed(by ...any) func(*setUp) {
	return func(u *setUp) {
		u.set(func(s *githubtest.Settings) { s.Rulesets[0]["bypass_actors"] = by })
	}
}

func settings(change func(*githubtest.Settings)) func(*setUp) {
	return func(u *setUp) { u.set(change) }
}

func app(change func(*github.EngineAccount)) func(*setUp) {
	return func(u *setUp) { change(u.want.Account) }
}

// asPerson makes the engine an account with a personal token.
func asPerson(u *setUp) {
	u.personal, u.want.Engine = "engine", 100
}

func hook(change func(object)) func(*setUp) {
	return func(u *setUp) {
		asPerson(u)
		u.set(func(s *githubtest.Settings) {
			h := object{
				"id": 8, "type": "Repository", "name": "web", "active": true, "events": []string{"pull_request", "pull_request_review", "issue_comment", "push"},
				"config": object{"url": "https://engine.example/hooks/github", "content_type": "json", "insecure_ssl": "0", "secret": "********"},
			}
			change(h)
			s.Hooks = append(s.Hooks, h)
			s.Deliveries[8] = []object{delivery(200)}
		})
	}
}

func then(changes ...func(*setUp)) func(*setUp) {
	return func(u *setUp) {
		for _, c := range changes {
			c(u)
		}
	}
}

// faults are the ways in which a set-up can be wrong: what is changed in one that
// is right, and what has to be found then.
func faults() []struct {
	name   string
	change func(*setUp)
	code   string
	level  github.Level
	says   string
} {
	type row = struct {
		name   string
		change func(*setUp)
		code   string
		level  github.Level
		says   string
	}
	return []row{
		{"pushes to main", drop("pull_request"), "no-pull-request", github.Refused, "main can be pushed to without"},
		{"no check", drop("required_status_checks"), "check-not-required", github.Refused, "“assent: main” is not required"},
		{"another check", parameter("required_status_checks", "required_status_checks", []any{object{"context": "ci"}}), "check-not-required", github.Refused, "is not required"},
		{"anybody's check", parameter("required_status_checks", "required_status_checks", []any{object{"context": "assent: main"}}), "check-source", github.Warning, "counts from anybody"},
		{"another App's check", parameter("required_status_checks", "required_status_checks", []any{object{"context": "assent: main", "integration_id": 15368}}), "check-source", github.Warning, "counts from anybody"},
		{"force pushes", drop("non_fast_forward"), "force-push", github.Refused, "main can be pushed to by force"},
		{"force pushes of the ledger", drop("non_fast_forward"), "ledger-force-push", github.Refused, "assent/ledger can be pushed to by force"},
		{"deletion", drop("deletion"), "deletion", github.Refused, "main can be deleted"},
		{"deletion of the ledger", drop("deletion"), "ledger-deletion", github.Refused, "assent/ledger can be deleted"},
		{"a ruleset that is only tried", settings(func(s *githubtest.Settings) { s.Rulesets[0]["enforcement"] = "evaluate" }), "no-pull-request", github.Refused, ""},
		{"stale approvals stay", parameter("pull_request", "dismiss_stale_reviews_on_push", false), "stale-reviews", github.Warning, "approvals stay"},
		{"the last push", func(*setUp) {}, "last-push", github.Note, "may approve that push"},
		{"approvals of readers", parameter("pull_request", "required_approving_review_count", 1), "approvals", github.Warning, "only read: steward"},
		{"approvals by rule", then(parameter("pull_request", "require_last_push_approval", true), func(u *setUp) { u.want.Automatic = true }), "approvals", github.Warning, "approved by rule"},
		{"administrators go around", bypassed(object{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}), "bypass", github.Warning, "administrators (ruleset “assent main”) may go around"},
		{"a team goes around", bypassed(object{"actor_id": 12, "actor_type": "Team", "bypass_mode": "pull_request"}), "bypass", github.Warning, "team 12"},
		{"around the ledger's rules", settings(func(s *githubtest.Settings) {
			s.Rulesets[1]["bypass_actors"] = []any{object{"actor_id": 1, "actor_type": "OrganizationAdmin", "bypass_mode": "always"}}
		}), "ledger-bypass", github.Warning, "owners of the organisation"},
		{"others write the ledger", drop("update"), "ledger-open", github.Warning, "others than the engine can push"},
		{"the ledger by pull request", settings(func(s *githubtest.Settings) {
			s.Rulesets[0]["conditions"].(object)["ref_name"].(object)["include"] = []any{"~ALL"}
		}), "ledger-blocked", github.Warning, "takes only pull requests"},
		{"the method is off", repository("allow_merge_commit", false), "merge-method", github.Refused, "that is not allowed"},
		{"a rule forbids the method", parameter("pull_request", "allowed_merge_methods", []any{"squash"}), "merge-method", github.Refused, "that is not allowed"},
		{"a mix of methods", repository("allow_squash_merge", true), "merge-mix", github.Warning, "merge by squash"},
		{"another default branch", repository("default_branch", "dev"), "default-branch", github.Warning, "is dev, not main"},
		{"a queue and a deaf workflow", func(u *setUp) {
			u.set(func(s *githubtest.Settings) {
				s.Rulesets[0]["rules"] = append(s.Rulesets[0]["rules"].([]any), object{"type": "merge_queue", "parameters": object{
					"check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5, "max_entries_to_merge": 5,
					"merge_method": "MERGE", "min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 5,
				}})
			})
			u.want.Workflows["ci.yml"] = github.Workflow{Events: []string{"pull_request"}}
		}, "merge-queue", github.Warning, "ci.yml does not run in the merge queue"},
		{"workflows approve", settings(func(s *githubtest.Settings) { s.Actions["can_approve_pull_request_reviews"] = true }), "actions-approve", github.Warning, "workflows may approve"},
		{"workflows write", settings(func(s *githubtest.Settings) { s.Actions["default_workflow_permissions"] = "write" }), "workflow-token", github.Warning, "may write"},
		{"an open secret", settings(func(s *githubtest.Settings) { s.Secrets = []string{"ASSENT_GITHUB_KEY", "OTHER"} }), "secret-open", github.Refused, "ASSENT_GITHUB_KEY is a secret of the whole"},
		{"no environment", settings(func(s *githubtest.Settings) { delete(s.Environments, "assent-determine") }), "environment-open", github.Refused, "there is no environment"},
		{"an environment for all", settings(func(s *githubtest.Settings) { s.Environments["assent-determine"].Policy = nil }), "environment-open", github.Refused, "every branch may use"},
		{"an environment for more", settings(func(s *githubtest.Settings) { s.Environments["assent-determine"].Branches = []string{"main", "*"} }), "environment-open", github.Refused, "*, main may use"},
		{"an environment for protected branches", settings(func(s *githubtest.Settings) {
			s.Environments["assent-determine"].Policy = object{"protected_branches": true, "custom_branch_policies": false}
		}), "environment-open", github.Refused, "every protected branch may use"},
		{"a missing secret", settings(func(s *githubtest.Settings) { s.Environments["assent-determine"].Secrets = nil }), "secret-missing", github.Warning, "ASSENT_DETERMINING_KEY"},
		{"no trust", settings(func(s *githubtest.Settings) { s.Variables = nil }), "trust-missing", github.Warning, "ASSENT_TRUST is missing"},
		{"mistakes in CODEOWNERS", settings(func(s *githubtest.Settings) {
			s.Owners = []object{{"line": 7, "column": 1, "kind": "Unknown owner", "source": "x", "suggestion": nil, "message": "m", "path": ".github/CODEOWNERS"}}
		}), "codeowners", github.Warning, "line 7: Unknown owner"},
		{"no CODEOWNERS", func(u *setUp) { u.want.Owners = false }, "codeowners", github.Warning, "there is no CODEOWNERS"},
		{"an account that is gone", func(u *setUp) { u.want.People = append(u.want.People, github.Person{Name: "bo", ID: 555}) }, "account-gone", github.Warning, "bo, 555, is gone"},
		{"an account of another name", func(u *setUp) { u.want.People[2].Login = "anna" }, "account-renamed", github.Warning, "called ana now, not anna"},
		{"a sole governor", func(u *setUp) { u.want.People[1].Governs, u.want.People[2].Governs = false, false }, "governors", github.Warning, "one person holds GOVERNANCE"},
		{"two governors", func(u *setUp) { u.want.People[2].Governs = false }, "governors", github.Note, "assent.yaml or policies/"},
		{"somebody without access", settings(func(s *githubtest.Settings) { delete(s.Roles, "ana") }), "no-access", github.Warning, "ana cannot see"},
		{"a steward without access", settings(func(s *githubtest.Settings) { delete(s.Roles, "kim") }), "steward-no-access", github.Warning, "steward decides about something"},
		{"an engine without a name", func(u *setUp) { u.want.Engine = 0 }, "engine-unnamed", github.Warning, "does not name"},
		{"another engine", func(u *setUp) { u.want.Engine = 4 }, "engine-other", github.Refused, "is of assent[bot], account 900, and assent.yaml says 4"},
		{"no token of the engine", func(u *setUp) { u.want.Account = nil }, "engine-token", github.Unknown, "is not here"},
		{"an App that may too little", app(func(a *github.EngineAccount) { a.Permissions["checks"] = "read" }), "app-permissions", github.Refused, "lacks checks: write"},
		{"an App that answers issues", func(u *setUp) { u.want.Workflows["i.yml"] = github.Workflow{Events: []string{"issues"}} }, "app-permissions", github.Refused, "lacks issues: write"},
		{"an App that may too much", app(func(a *github.EngineAccount) { a.Permissions["administration"] = "write" }), "app-broad", github.Warning, "administration: write"},
		{"an App everywhere", app(func(a *github.EngineAccount) { a.Everywhere = true }), "app-everywhere", github.Warning, "in every repository"},
		{"a suspended App", app(func(a *github.EngineAccount) { a.Suspended = true }), "app-suspended", github.Refused, "suspended"},
		{"an App's webhook without a secret", app(func(a *github.EngineAccount) { a.HookSecret = false }), "webhook-secret", github.Refused, "the App's webhook has no secret"},
		{"an App's webhook that fails", app(func(a *github.EngineAccount) { a.Deliveries.Value = []github.Delivery{{Code: 500}, {Code: 200}} }), "webhook-failing", github.Warning, "1 of the newest 2"},
		{"a personal token", asPerson, "check-source", github.Warning, "counts from anybody"},
		{"an account that may not write", then(asPerson, settings(func(s *githubtest.Settings) { s.Roles["engine"] = "pull" })), "engine-write", github.Refused, "may not write"},
		{"an account that may all", then(asPerson, settings(func(s *githubtest.Settings) { s.Roles["engine"] = "admin" })), "engine-admin", github.Warning, "is an administrator"},
		{"a token with scopes", then(asPerson, settings(func(s *githubtest.Settings) { x := "repo, admin:org, workflow"; s.Scopes = &x })), "token-broad", github.Warning, "admin:org, workflow"},
		{"nobody tells", func(u *setUp) { asPerson(u); clear(u.want.Workflows) }, "webhook-missing", github.Warning, "nothing tells the engine"},
		{"a hook that is off", func(u *setUp) { hook(func(h object) { h["active"] = false })(u); clear(u.want.Workflows) }, "webhook-missing", github.Warning, "nothing tells the engine"},
		{"a hook without a secret", hook(func(h object) { delete(h["config"].(object), "secret") }), "webhook-secret", github.Refused, "engine.example/hooks/github has no secret"},
		{"a hook that checks nothing", hook(func(h object) { h["config"].(object)["insecure_ssl"] = "1" }), "webhook-insecure", github.Warning, "certificate"},
		{"a hook that is deaf", hook(func(h object) { h["events"] = []string{"pull_request_review"} }), "webhook-events", github.Warning, "pull_request, issue_comment, push"},
		{"a hook that fails", func(u *setUp) {
			hook(func(object) {})(u)
			u.set(func(s *githubtest.Settings) { s.Deliveries[8] = []object{delivery(502)} })
		}, "webhook-failing", github.Warning, "push at 2026-11-24 10:00Z: 502"},
	}
}

// TestEveryFindingIsFound: a right set-up has nothing but what is well; each fault
// is found, says what is seen, why it matters and what to do; and what a fault is
// about was looked at, and was well, before.
func TestEveryFindingIsFound(t *testing.T) {
	t.Parallel()
	for _, f := range newSetUp(t).findings(t) {
		if f.Level != github.Fine && f.Code != "last-push" {
			t.Errorf("a right set-up: %+v", f)
		}
	}
	for _, c := range faults() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newSetUp(t)
			c.change(u)
			found := u.findings(t)
			i := slices.IndexFunc(found, func(f github.Finding) bool {
				return f.Code == c.code && f.Level == c.level && strings.Contains(f.Seen, c.says)
			})
			if i < 0 {
				t.Fatalf("want %s %s, %q, found %+v", c.level, c.code, c.says, found)
			}
			if f := found[i]; f.Fix == "" || f.Why == "" && f.Level != github.Unknown {
				t.Errorf("no reason or no fix: %+v", f)
			}
		})
	}
}

// TestWhatCannotBeReadIsNotFine: where GitHub refuses a part, or has no such
// thing, whatever rests on it alone is not known, and never well.
func TestWhatCannotBeReadIsNotFine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, codes string }{
		{"/rules/branches/main", "no-pull-request check-not-required force-push deletion stale-reviews last-push approvals bypass merge-method merge-queue"},
		{"/rules/branches/assent%2Fledger", "ledger-force-push ledger-deletion ledger-bypass ledger-open ledger-blocked"},
		{"/rulesets/", "bypass ledger-bypass ledger-open"},
		{"/branches/main/protection", "last-push approvals merge-method bypass"},
		{"/actions/permissions/workflow", "actions-approve workflow-token"},
		{"/environments", "environment-open"},
		{"/deployment-branch-policies", "environment-open"},
		{"/environments/assent-determine/secrets", "secret-missing"},
		{"/actions/secrets", "secret-open"},
		{"/actions/variables", "trust-missing"},
		{"/codeowners/errors", "codeowners"},
		{"/collaborators", "accounts"},
	} {
		for _, code := range []int{http.StatusForbidden, http.StatusNotFound} {
			t.Run(c.path+" "+http.StatusText(code), func(t *testing.T) {
				t.Parallel()
				u := newSetUp(t)
				u.hub.Misbehave(githubtest.Faults{Fail: func(r *http.Request) int {
					at := r.URL.EscapedPath()
					if strings.HasSuffix(at, c.path) || strings.HasSuffix(c.path, "/") && strings.Contains(at, c.path) {
						return code
					}
					return 0
				}})
				var unknown []string
				for _, f := range u.findings(t) {
					if f.Level == github.Unknown {
						unknown = append(unknown, f.Code)
						if !strings.HasPrefix(f.Seen, "cannot tell whether ") || f.Fix == "" {
							t.Errorf("%+v", f)
						}
					}
				}
				want := strings.Fields(c.codes)
				slices.Sort(want)
				slices.Sort(unknown)
				if !slices.Equal(slices.Compact(unknown), want) {
					t.Errorf("unknown are %v, want %v", unknown, want)
				}
			})
		}
	}
}

// TestSettingsAreWholeOrNothing: what fails otherwise than by a right is an error.
func TestSettingsAreWholeOrNothing(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusBadGateway, http.StatusTooManyRequests} {
		u := newSetUp(t)
		u.hub.Misbehave(githubtest.Faults{Fail: func(r *http.Request) int {
			if strings.HasSuffix(r.URL.Path, "/actions/secrets") {
				return code
			}
			return 0
		}})
		g, err := github.New(github.Config{
			Repo: "r", Owner: githubtest.Owner, Name: githubtest.Repository, ID: githubtest.ID, API: u.hub.URL, Git: u.hub.GitURL(), Now: time.Now,
			Tokens: github.Personal(func() (string, error) { return "token-of-gia", nil }),
		})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := g.Settings(t.Context(), github.Query{Ledger: "assent/ledger"}); err == nil {
			t.Errorf("%d: %+v", code, s)
		}
	}
}

// TestClassicProtectionCounts: a classic protection is as good as a ruleset.
func TestClassicProtectionCounts(t *testing.T) {
	t.Parallel()
	u := newSetUp(t)
	const url = "https://github.invalid"
	off, on := object{"enabled": false}, object{"enabled": true}
	urled := func(b bool) object { return object{"url": url, "enabled": b} }
	classic := func() object {
		return object{
			"required_pull_request_reviews": object{"dismiss_stale_reviews": true, "require_last_push_approval": false, "required_approving_review_count": 0, "require_code_owner_reviews": false},
			"required_status_checks":        object{"strict": false, "contexts": []string{"assent: main"}, "checks": []object{{"context": "assent: main", "app_id": theApp}}},
			"restrictions":                  object{"url": url, "users_url": url, "teams_url": url, "apps_url": url, "users": []object{}, "teams": []object{}, "apps": []object{{"id": theApp, "slug": "assent"}}},
			"enforce_admins":                urled(true), "allow_force_pushes": off, "allow_deletions": off,
		}
	}
	main, ledger := classic(), classic()
	delete(ledger, "required_pull_request_reviews")
	delete(ledger, "required_status_checks")
	u.set(func(s *githubtest.Settings) {
		s.Rulesets = nil
		s.Protection["main"], s.Protection["assent/ledger"] = main, ledger
	})
	for _, f := range u.findings(t) {
		if f.Level != github.Fine && f.Code != "last-push" {
			t.Errorf("%+v", f)
		}
	}
	for name, c := range map[string]struct {
		change func()
		code   string
	}{
		"administrators": {func() { main["enforce_admins"] = urled(false) }, "bypass"},
		"force":          {func() { main["allow_force_pushes"] = on }, "force-push"},
		"deletion":       {func() { ledger["allow_deletions"] = on }, "ledger-deletion"},
		"linear history": {func() { main["required_linear_history"] = on }, "merge-method"},
		"any source":     {func() { main["required_status_checks"].(object)["checks"].([]object)[0]["app_id"] = nil }, "check-source"},
		"everybody":      {func() { delete(ledger, "restrictions") }, "ledger-open"},
	} {
		main, ledger = classic(), classic()
		delete(ledger, "required_pull_request_reviews")
		delete(ledger, "required_status_checks")
		c.change()
		u.set(func(s *githubtest.Settings) { s.Protection["main"], s.Protection["assent/ledger"] = main, ledger })
		if !slices.ContainsFunc(u.findings(t), func(f github.Finding) bool { return f.Code == c.code && f.Level != github.Fine }) {
			t.Errorf("%s: no %s", name, c.code)
		}
	}
}

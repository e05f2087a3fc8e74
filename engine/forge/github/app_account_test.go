package github_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
)

// appFindings reads what an App of the imitation is, as the App, and judges it
// beside settings that are right.
func appFindings(t *testing.T, change func(*githubtest.App)) (github.EngineAccount, []github.Finding) {
	t.Helper()
	h := newHarness(t)
	a := githubtest.App{
		ID: appID, Installation: installation, Slug: "assent", Bot: theAppsAccount, Key: &appKey().PublicKey,
		Hook:       object{"url": "https://engine.example/hooks/github", "secret": "********"},
		Deliveries: []object{delivery(202)},
	}
	change(&a)
	h.AddApp(a)
	h.app = h.newApp(appKey(), h.Now)
	account, err := h.open(h.config()).EngineAccount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u := newSetUp(t)
	u.want.Account = &account
	return account, u.findings(t)
}

// TestAnAppIsReadAsItself: what doctor says of an App is what GitHub says to the
// App's own word: nothing where all is right, and each fault by its name.
func TestAnAppIsReadAsItself(t *testing.T) {
	t.Parallel()
	account, found := appFindings(t, func(*githubtest.App) {})
	if account.ID != theAppsAccount || account.Login != "assent[bot]" || account.App != appID || len(account.Deliveries.Value) != 1 {
		t.Errorf("the App is read as %+v", account)
	}
	for _, code := range []string{"engine-other", "app-permissions", "app-broad", "app-everywhere", "webhook-secret", "webhook-insecure", "webhook-events", "webhook-failing"} {
		if !slices.ContainsFunc(found, func(f github.Finding) bool { return f.Code == code && f.Level == github.Fine }) {
			t.Errorf("%s is not well with an App that is right: %+v", code, found)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*githubtest.App)
		code   string
		level  github.Level
		says   string
	}{
		{"too little", func(a *githubtest.App) { a.Permissions = map[string]string{"contents": "write", "checks": "read"} }, "app-permissions", github.Refused, "lacks checks: write, pull_requests: write"},
		{"too much", func(a *githubtest.App) {
			a.Permissions = map[string]string{"checks": "write", "contents": "write", "pull_requests": "write", "workflows": "write"}
		}, "app-broad", github.Warning, "workflows: write"},
		{"everywhere", func(a *githubtest.App) { a.Everywhere = true }, "app-everywhere", github.Warning, "every repository"},
		{"suspended", func(a *githubtest.App) { a.Suspended = true }, "app-suspended", github.Refused, "suspended"},
		{"another account", func(a *githubtest.App) { a.Bot = 901 }, "engine-other", github.Refused, "account 901"},
		{"no secret", func(a *githubtest.App) { delete(a.Hook, "secret") }, "webhook-secret", github.Refused, "the App's webhook has no secret"},
		{"no certificate", func(a *githubtest.App) { a.Hook["insecure_ssl"] = "1" }, "webhook-insecure", github.Warning, "certificate"},
		{"deaf", func(a *githubtest.App) { a.Events = []string{"push"} }, "webhook-events", github.Warning, "pull_request_review"},
		{"failing", func(a *githubtest.App) { a.Deliveries = []object{delivery(401), delivery(202)} }, "webhook-failing", github.Warning, "1 of the newest 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, found := appFindings(t, c.change)
			if !slices.ContainsFunc(found, func(f github.Finding) bool {
				return f.Code == c.code && f.Level == c.level && strings.Contains(f.Seen, c.says)
			}) {
				t.Errorf("want %s %s, %q, found %+v", c.level, c.code, c.says, found)
			}
		})
	}
}

// An App without a webhook of its own is one, and is told of as what wakes the
// engine otherwise.
func TestAnAppWithoutAWebhook(t *testing.T) {
	t.Parallel()
	account, _ := appFindings(t, func(a *githubtest.App) { a.Hook, a.Deliveries = nil, nil })
	if account.HookURL != "" || account.HookSecret || account.Deliveries.Value != nil {
		t.Errorf("a webhook that is not there: %+v", account)
	}
}

// Nothing is said of an App that GitHub does not let in.
func TestAnAppThatIsNotLetInIsNoAccount(t *testing.T) {
	t.Parallel()
	h := newHarness(t).asApp()
	h.app = h.newApp(newKey(), h.Now)
	if a, err := h.open(h.config()).EngineAccount(t.Context()); !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("another's key is let in: %v, %+v", err, a)
	}
}

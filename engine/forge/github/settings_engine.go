package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	gh "github.com/google/go-github/v62/github"
)

// EngineAccount is who the engine is on GitHub, and what its token lets it do.
type EngineAccount struct {
	ID    int64
	Login string
	// Of an App; zero and nil with a personal token.
	App          int64
	Permissions  map[string]string // contents: write …
	Events       []string
	Everywhere   bool // installed in every repository of the owner
	Suspended    bool
	HookURL      string // of the App's own webhook; empty where it has none
	HookSecret   bool
	HookInsecure bool
	Deliveries   Part[[]Delivery]
	// Of a personal token.
	Scopes []string        // of a classic token; nil for a fine-grained one, which does not tell
	Role   map[string]bool // what the account may do in the repository
}

// EngineAccount asks who the engine's own token is of.
func (g *GitHub) EngineAccount(ctx context.Context) (EngineAccount, error) {
	out, err := g.engineAccount(ctx)
	if err != nil {
		return EngineAccount{}, fmt.Errorf("look at the engine's own account: %w", err)
	}
	return out, nil
}

func (g *GitHub) engineAccount(ctx context.Context) (EngineAccount, error) {
	if app, ok := g.cfg.Tokens.(*App); ok {
		return app.account(ctx, g)
	}
	var out EngineAccount
	user, resp, err := g.client.Users.Get(ctx, "")
	if err != nil {
		return out, apiErr("find whose token it is", err)
	}
	out.ID, out.Login = user.GetID(), user.GetLogin()
	if list, stated := resp.Header[http.CanonicalHeaderKey("X-OAuth-Scopes")]; stated {
		out.Scopes = strings.FieldsFunc(strings.Join(list, ","), func(r rune) bool { return r == ',' || r == ' ' })
	}
	var repo RepositorySettings
	if err := g.get(ctx, "", &repo); err != nil {
		return out, err
	}
	out.Role = repo.Permissions
	return out, nil
}

// account asks as the App itself.
func (a *App) account(ctx context.Context, g *GitHub) (EngineAccount, error) {
	out := EngineAccount{App: a.ID}
	c, err := a.signed()
	if err != nil {
		return out, err
	}
	app, _, err := c.Apps.Get(ctx, "")
	if err != nil {
		return out, apiErr("find the App", err)
	}
	at := &GitHub{cfg: g.cfg, client: c}
	var is struct {
		Permissions map[string]string `json:"permissions"`
		Events      []string          `json:"events"`
		Selection   string            `json:"repository_selection"`
		Suspended   *gh.Timestamp     `json:"suspended_at"`
	}
	if err := at.getAt(ctx, fmt.Sprintf("app/installations/%d", a.Installation), &is); err != nil {
		return out, err
	}
	out.Permissions, out.Events = is.Permissions, is.Events
	out.Everywhere, out.Suspended = is.Selection == "all", is.Suspended != nil
	var failed error
	hook := part(&failed, "the App's webhook", func() (h struct {
		URL      string `json:"url"`
		Secret   string `json:"secret"`
		Insecure any    `json:"insecure_ssl"`
	}, err error) {
		return h, at.getAt(ctx, "app/hook/config", &h)
	})
	out.HookURL, out.HookSecret, out.HookInsecure = hook.Value.URL, hook.Value.Secret != "", yes(hook.Value.Insecure)
	if out.HookURL != "" {
		out.Deliveries = part(&failed, "the deliveries of the App's webhook", func() (list []Delivery, err error) {
			return list, at.getAt(ctx, fmt.Sprintf("app/hook/deliveries?per_page=%d", newest), &list)
		})
	}
	if failed != nil || out.Suspended {
		return out, failed
	}
	login := app.GetSlug() + "[bot]"
	user, _, err := g.client.Users.Get(ctx, login)
	if err != nil {
		return out, apiErr("find the App's account", err)
	}
	out.ID, out.Login = user.GetID(), login
	return out, nil
}

// yes reads GitHub's "1" or 1.
func yes(v any) bool { return fmt.Sprint(v) == "1" }

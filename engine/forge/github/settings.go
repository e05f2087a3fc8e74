package github

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
)

// Part is one part of what was read, or why it is not known: the token may not
// read it, or the server has no such thing. What is not known is never taken for
// empty.
type Part[T any] struct {
	Value   T
	Unknown string
}

// Settings is how a repository is set up on GitHub, as far as the token shows.
type Settings struct {
	Repository   RepositorySettings
	Main, Ledger BranchSettings
	Actions      Part[ActionsSettings]
	Environments Part[map[string]Environment]
	Secrets      Part[[]string] // names of the repository's own, which every workflow reads
	Variables    Part[[]string] // names
	Hooks        Part[[]Hook]
	Owners       Part[[]OwnersError]  // of CODEOWNERS
	People       Part[map[int64]Role] // who has access, by account; those of Query.People who have none are looked up
}

// RepositorySettings are those of the repository itself. The methods are nil
// where the token may not see them.
type RepositorySettings struct {
	ID            int64           `json:"id"`
	Private       bool            `json:"private"`
	DefaultBranch string          `json:"default_branch"`
	Merge         *bool           `json:"allow_merge_commit"`
	Squash        *bool           `json:"allow_squash_merge"`
	Rebase        *bool           `json:"allow_rebase_merge"`
	Permissions   map[string]bool `json:"permissions"`
}

// BranchSettings is what protects a branch: the rules of active rulesets and a
// classic protection, which is nil where there is none.
type BranchSettings struct {
	Name     string
	Rules    Part[[]Rule]
	Rulesets Part[[]Ruleset]
	Classic  Part[*Protection]
}

// Rule is one rule that applies to a branch.
type Rule struct {
	Type       string `json:"type"`
	Ruleset    int64  `json:"ruleset_id"`
	Parameters struct {
		DismissStale bool     `json:"dismiss_stale_reviews_on_push"`
		LastPush     bool     `json:"require_last_push_approval"`
		Approvals    int      `json:"required_approving_review_count"`
		MergeMethods []string `json:"allowed_merge_methods"`
		Checks       []Check  `json:"required_status_checks"`
	} `json:"parameters"`
}

// Check is a required check, and the App that has to report it; zero for anybody.
type Check struct {
	Context string `json:"context"`
	Source  int64  `json:"integration_id"`
}

// Ruleset names who may go around its rules.
type Ruleset struct {
	ID     int64          `json:"id"`
	Name   string         `json:"name"`
	Bypass *[]BypassActor `json:"bypass_actors"` // nil where the token may not see them
}

// BypassActor is somebody who may go around a ruleset.
type BypassActor struct {
	ID   int64  `json:"actor_id"`
	Type string `json:"actor_type"` // Integration, OrganizationAdmin, RepositoryRole, Team, DeployKey
	Mode string `json:"bypass_mode"`
}

// enabled is how a classic protection says yes.
type enabled struct {
	Enabled bool `json:"enabled"`
}

// Protection is a classic protection of a branch.
type Protection struct {
	Reviews *struct {
		DismissStale bool `json:"dismiss_stale_reviews"`
		LastPush     bool `json:"require_last_push_approval"`
		Approvals    int  `json:"required_approving_review_count"`
		Bypass       *who `json:"bypass_pull_request_allowances"`
	} `json:"required_pull_request_reviews"`
	Checks *struct {
		Checks []struct {
			Context string `json:"context"`
			App     *int64 `json:"app_id"`
		} `json:"checks"`
	} `json:"required_status_checks"`
	Restrictions *who    `json:"restrictions"`
	Admins       enabled `json:"enforce_admins"`
	ForcePushes  enabled `json:"allow_force_pushes"`
	Deletions    enabled `json:"allow_deletions"`
	Linear       enabled `json:"required_linear_history"`
}

// who are the accounts that a classic protection names.
type who struct {
	Users []Role `json:"users"`
	Teams []struct {
		Slug string `json:"slug"`
	} `json:"teams"`
	Apps []struct {
		ID   int64  `json:"id"`
		Slug string `json:"slug"`
	} `json:"apps"`
}

// ActionsSettings are those of GitHub Actions.
type ActionsSettings struct {
	Token      string `json:"default_workflow_permissions"` // read or write
	MayApprove bool   `json:"can_approve_pull_request_reviews"`
}

// Environment is where secrets are kept for the workflows of some branches.
type Environment struct {
	Branches Part[[]string] // that may use it; empty for every branch
	Secrets  Part[[]string] // names
}

// Hook is a webhook and how its newest deliveries went.
type Hook struct {
	ID     int64    `json:"id"`
	Active bool     `json:"active"`
	Events []string `json:"events"`
	Config struct {
		URL         string `json:"url"`
		ContentType string `json:"content_type"`
		Insecure    any    `json:"insecure_ssl"` // "0", "1", 0 or 1
		Secret      string `json:"secret"`       // stars where there is one
	} `json:"config"`
	Deliveries Part[[]Delivery] `json:"-"`
}

// Delivery is one delivery of a webhook.
type Delivery struct {
	Event  string    `json:"event"`
	Code   int       `json:"status_code"`
	Status string    `json:"status"`
	At     time.Time `json:"delivered_at"`
}

// OwnersError is a mistake in CODEOWNERS that GitHub sees.
type OwnersError struct {
	Line    int    `json:"line"`
	Kind    string `json:"kind"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Role is an account and what it may do in the repository.
type Role struct {
	ID          int64           `json:"id"`
	Login       string          `json:"login"`
	Permissions map[string]bool `json:"permissions"`
	Gone        bool            `json:"-"` // there is no such account
}

// Query says what to read beside the repository itself.
type Query struct {
	Ledger string  // branch
	People []int64 // accounts
}

// Settings reads how the repository is set up. What the token may not read is an
// unknown Part; what fails otherwise is an error, and nothing is known then.
func (g *GitHub) Settings(ctx context.Context, q Query) (Settings, error) {
	s, err := g.settings(ctx, q)
	if err != nil {
		return Settings{}, fmt.Errorf("read settings of %s/%s: %w", g.cfg.Owner, g.cfg.Name, err)
	}
	return s, nil
}

func (g *GitHub) settings(ctx context.Context, q Query) (s Settings, err error) {
	if err := g.get(ctx, "", &s.Repository); err != nil {
		return s, err
	}
	if s.Repository.ID != g.cfg.ID {
		return s, fmt.Errorf("%w: it is repository %d now, not %d: find out who took the name", forge.ErrForbidden, s.Repository.ID, g.cfg.ID)
	}
	var failed error
	s.Main = g.branch(ctx, g.cfg.Branch, &failed)
	s.Ledger = g.branch(ctx, q.Ledger, &failed)
	s.Actions = part(&failed, "the settings of Actions", func() (out ActionsSettings, err error) {
		return out, g.get(ctx, "/actions/permissions/workflow", &out)
	})
	s.Environments = part(&failed, "the environments", func() (map[string]Environment, error) { return g.environments(ctx, &failed) })
	s.Secrets = part(&failed, "the names of the secrets", func() ([]string, error) { return g.names(ctx, "/actions/secrets", "secrets") })
	s.Variables = part(&failed, "the names of the variables", func() ([]string, error) { return g.names(ctx, "/actions/variables", "variables") })
	s.Hooks = part(&failed, "the webhooks", func() ([]Hook, error) { return g.readHooks(ctx, &failed) })
	s.Owners = part(&failed, "the mistakes in CODEOWNERS", func() ([]OwnersError, error) { return g.ownersErrors(ctx) })
	s.People = part(&failed, "who has access", func() (map[int64]Role, error) { return g.people(ctx, q.People) })
	return s, failed
}

// part reads one part. It does nothing where something failed before.
func part[T any](failed *error, what string, read func() (T, error)) Part[T] {
	if *failed != nil {
		return Part[T]{}
	}
	v, err := read()
	switch {
	case err == nil:
		return Part[T]{Value: v}
	case errors.Is(err, forge.ErrForbidden):
		return Part[T]{Unknown: "the token may not read " + what}
	case errors.Is(err, forge.ErrGone):
		return Part[T]{Unknown: "GitHub does not show " + what + ": the token may not read it, or this server has no such thing"}
	}
	*failed = err
	return Part[T]{}
}

// get reads one thing below the repository.
func (g *GitHub) get(ctx context.Context, path string, into any) error {
	return g.getAt(ctx, fmt.Sprintf("repos/%s/%s%s", g.cfg.Owner, g.cfg.Name, path), into)
}

func (g *GitHub) getAt(ctx context.Context, path string, into any) error {
	req, err := g.client.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	_, err = g.client.Do(ctx, req, into)
	return apiErr("read "+path, err)
}

// listOf reads every page of a list below the repository.
func listOf[T any](ctx context.Context, g *GitHub, path string) ([]T, error) {
	return all("read "+path, func(o gh.ListOptions) ([]T, *gh.Response, error) {
		req, err := g.client.NewRequest(http.MethodGet, fmt.Sprintf("repos/%s/%s%s", g.cfg.Owner, g.cfg.Name, paged(path, o)), nil)
		if err != nil {
			return nil, nil, err
		}
		var out []T
		resp, err := g.client.Do(ctx, req, &out)
		return out, resp, err
	})
}

func paged(path string, o gh.ListOptions) string {
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	q := u.Query()
	q.Set("per_page", fmt.Sprint(o.PerPage))
	q.Set("page", fmt.Sprint(o.Page))
	u.RawQuery = q.Encode()
	return u.String()
}

// named is a list that GitHub gives inside an object, with a count.
func named[T any](ctx context.Context, g *GitHub, path, field string) ([]T, error) {
	var total int
	out, err := all("read "+path, func(o gh.ListOptions) ([]T, *gh.Response, error) {
		req, err := g.client.NewRequest(http.MethodGet, fmt.Sprintf("repos/%s/%s%s", g.cfg.Owner, g.cfg.Name, paged(path, o)), nil)
		if err != nil {
			return nil, nil, err
		}
		var page map[string]rawJSON
		resp, err := g.client.Do(ctx, req, &page)
		if err != nil {
			return nil, resp, err
		}
		var list []T
		if err := errors.Join(page["total_count"].into(&total), page[field].into(&list)); err != nil {
			return nil, resp, err
		}
		return list, resp, nil
	})
	if err == nil && len(out) != total {
		return nil, fmt.Errorf("read %s: %d of %d came: %w", path, len(out), total, forge.ErrIncomplete)
	}
	return out, err
}

func (g *GitHub) names(ctx context.Context, path, field string) ([]string, error) {
	list, err := named[struct{ Name string }](ctx, g, path, field)
	out := []string{}
	for _, one := range list {
		out = append(out, one.Name)
	}
	slices.Sort(out)
	return out, err
}

// people are the accounts that have access, and of those that are asked for and
// have none, whether they are still there.
func (g *GitHub) people(ctx context.Context, asked []int64) (map[int64]Role, error) {
	list, err := listOf[Role](ctx, g, "/collaborators?affiliation=all")
	if err != nil {
		return nil, err
	}
	out := map[int64]Role{}
	for _, one := range list {
		out[one.ID] = one
	}
	missing := map[int64]Role{}
	for _, id := range asked {
		if _, ok := out[id]; ok {
			continue
		}
		one := Role{ID: id}
		err := g.getAt(ctx, fmt.Sprintf("user/%d", id), &one)
		switch {
		case errors.Is(err, forge.ErrGone):
			one.Gone = true
		case err != nil:
			return nil, err
		case one.ID != id:
			return nil, fmt.Errorf("read account %d: the answer is of %d: %w", id, one.ID, forge.ErrIncomplete)
		}
		one.Permissions = nil
		missing[id] = one
	}
	maps.Copy(out, missing)
	return out, nil
}

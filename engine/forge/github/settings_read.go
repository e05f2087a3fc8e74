package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
)

// rawJSON is a field that is read in a second step.
type rawJSON json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (r *rawJSON) UnmarshalJSON(data []byte) error {
	*r = slices.Clone(data)
	return nil
}

func (r rawJSON) into(v any) error {
	if len(r) == 0 {
		return fmt.Errorf("a field is missing: %w", forge.ErrIncomplete)
	}
	return json.Unmarshal(r, v)
}

// branch reads what protects a branch.
func (g *GitHub) branch(ctx context.Context, name string, failed *error) BranchSettings {
	at := url.PathEscape(name)
	b := BranchSettings{Name: name}
	b.Rules = part(failed, "the rules of "+name, func() ([]Rule, error) {
		return listOf[Rule](ctx, g, "/rules/branches/"+at)
	})
	b.Rulesets = part(failed, "who may go around the rules of "+name, func() ([]Ruleset, error) {
		return g.rulesets(ctx, b.Rules.Value)
	})
	if b.Rules.Unknown != "" {
		b.Rulesets.Unknown = b.Rules.Unknown
	}
	b.Classic = part(failed, "the protection of "+name, func() (*Protection, error) {
		var p Protection
		err := g.get(ctx, "/branches/"+at+"/protection", &p)
		if unprotected(err) {
			return nil, nil
		}
		return &p, err
	})
	return b
}

// unprotected tells GitHub's word for no protection from its word for no right
// to see one: both are a 404.
func unprotected(err error) bool {
	var answer *gh.ErrorResponse
	return errors.Is(err, forge.ErrGone) && errors.As(err, &answer) && strings.EqualFold(answer.Message, "Branch not protected")
}

func (g *GitHub) rulesets(ctx context.Context, rules []Rule) ([]Ruleset, error) {
	var ids []int64
	for _, r := range rules {
		ids = append(ids, r.Ruleset)
	}
	slices.Sort(ids)
	out := []Ruleset{}
	for _, id := range slices.Compact(ids) {
		var one Ruleset
		if err := g.get(ctx, fmt.Sprintf("/rulesets/%d?includes_parents=true", id), &one); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func (g *GitHub) environments(ctx context.Context, failed *error) (map[string]Environment, error) {
	list, err := named[struct {
		Name   string
		Policy *struct {
			Custom bool `json:"custom_branch_policies"`
		} `json:"deployment_branch_policy"`
	}](ctx, g, "/environments", "environments")
	if err != nil {
		return nil, err
	}
	out := map[string]Environment{}
	for _, one := range list {
		at := "/environments/" + url.PathEscape(one.Name)
		e := Environment{Branches: Part[[]string]{Value: []string{}}}
		switch {
		case one.Policy == nil: // every branch
		case one.Policy.Custom:
			e.Branches = part(failed, "which branches may use the environment "+one.Name, func() ([]string, error) {
				return g.names(ctx, at+"/deployment-branch-policies", "branch_policies")
			})
			if e.Branches.Unknown == "" && len(e.Branches.Value) == 0 {
				e.Branches.Value = []string{noBranch}
			}
		default:
			e.Branches.Value = []string{protectedBranches}
		}
		e.Secrets = part(failed, "the names of the secrets of "+one.Name, func() ([]string, error) {
			return g.names(ctx, at+"/secrets", "secrets")
		})
		out[one.Name] = e
	}
	return out, *failed
}

// In place of the names of branches.
const (
	protectedBranches = "every protected branch"
	noBranch          = "no branch"
)

// newest is how many deliveries of a webhook are looked at.
const newest = 20

func (g *GitHub) readHooks(ctx context.Context, failed *error) ([]Hook, error) {
	list, err := listOf[Hook](ctx, g, "/hooks")
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Deliveries = part(failed, "the deliveries of the webhook", func() (out []Delivery, err error) {
			return out, g.get(ctx, fmt.Sprintf("/hooks/%d/deliveries?per_page=%d", list[i].ID, newest), &out)
		})
	}
	return list, *failed
}

// ownersErrors are GitHub's complaints about CODEOWNERS; a repository without
// the file has none.
func (g *GitHub) ownersErrors(ctx context.Context) ([]OwnersError, error) {
	var out struct {
		Errors []OwnersError `json:"errors"`
	}
	return out.Errors, g.get(ctx, "/codeowners/errors?ref="+url.QueryEscape(g.cfg.Branch), &out)
}

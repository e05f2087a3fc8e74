package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"
)

// Redelivery is how far GitHub keeps what it delivered.
const Redelivery = 3 * 24 * time.Hour

const maxDeliveries = 3000 // that are looked through

// Redeliver asks GitHub to send again each webhook that was not taken since a
// time, to an address that ends with a path, and reports how many. A delivery that was taken later, by
// hand or because of an earlier Redeliver, is left alone. It is asked of the
// App's webhook where the engine is one, else of the repository's.
func (g *GitHub) Redeliver(ctx context.Context, since time.Time, path string) (int, error) {
	n, err := g.redeliver(ctx, since, path)
	if err != nil {
		return n, fmt.Errorf("redeliver webhooks: %w", err)
	}
	return n, nil
}

// deliveries is one webhook, of the App or of the repository.
type deliveries struct {
	list func(context.Context, *gh.ListCursorOptions) ([]*gh.HookDelivery, *gh.Response, error)
	send func(context.Context, int64) (*gh.HookDelivery, *gh.Response, error)
}

func (g *GitHub) redeliver(ctx context.Context, since time.Time, path string) (int, error) {
	hooks, err := g.hooks(ctx, path)
	if err != nil {
		return 0, err
	}
	sent := 0
	for _, h := range hooks {
		failed, err := h.failed(ctx, since, g.cfg.ID)
		if err != nil {
			return sent, err
		}
		for _, id := range failed {
			if _, _, err := h.send(ctx, id); err != nil {
				if taken := (*gh.AcceptedError)(nil); !errors.As(err, &taken) {
					return sent, apiErr("send delivery "+strconv.FormatInt(id, 10)+" again", err)
				}
			}
			sent++
		}
	}
	return sent, nil
}

// hooks are the App's webhook, or those of the repository with the path.
func (g *GitHub) hooks(ctx context.Context, path string) ([]deliveries, error) {
	if app, ok := g.cfg.Tokens.(*App); ok {
		c, err := app.signed()
		if err != nil {
			return nil, err
		}
		return []deliveries{{c.Apps.ListHookDeliveries, c.Apps.RedeliverHookDelivery}}, nil
	}
	owner, name := g.cfg.Owner, g.cfg.Name
	list, err := all("list webhooks", func(o gh.ListOptions) ([]*gh.Hook, *gh.Response, error) {
		return g.client.Repositories.ListHooks(ctx, owner, name, &o)
	})
	if err != nil {
		return nil, err
	}
	var out []deliveries
	for _, h := range list {
		if !h.GetActive() || !strings.HasSuffix(h.GetConfig().GetURL(), path) {
			continue
		}
		out = append(out, deliveries{
			func(ctx context.Context, o *gh.ListCursorOptions) ([]*gh.HookDelivery, *gh.Response, error) {
				return g.client.Repositories.ListHookDeliveries(ctx, owner, name, h.GetID(), o)
			},
			func(ctx context.Context, id int64) (*gh.HookDelivery, *gh.Response, error) {
				return g.client.Repositories.RedeliverHookDelivery(ctx, owner, name, h.GetID(), id)
			},
		})
	}
	return out, nil
}

// failed are the deliveries that were never taken, the oldest first: of several
// with the same GUID, which is that of the event, the newest.
func (d deliveries) failed(ctx context.Context, since time.Time, repository int64) ([]int64, error) {
	o := &gh.ListCursorOptions{PerPage: perPage}
	newest := map[string]int64{}
	taken := map[string]bool{}
	var order []string
	for seen := 0; seen < maxDeliveries; {
		page, resp, err := d.list(ctx, o)
		if err != nil {
			return nil, apiErr("list deliveries", err)
		}
		for _, one := range page { // the newest first
			seen++
			if one.GetDeliveredAt().Before(since) {
				resp.Cursor = ""
				break
			}
			if one.RepositoryID != nil && one.GetRepositoryID() != repository {
				continue
			}
			guid := one.GetGUID()
			if code := one.GetStatusCode(); code >= http.StatusOK && code < http.StatusMultipleChoices {
				taken[guid] = true
			} else if _, known := newest[guid]; !known {
				newest[guid] = one.GetID()
				order = append(order, guid)
			}
		}
		if resp.Cursor == "" || len(page) == 0 {
			break
		}
		o.Cursor = resp.Cursor
	}
	var out []int64
	for _, guid := range slices.Backward(order) {
		if !taken[guid] {
			out = append(out, newest[guid])
		}
	}
	return out, nil
}

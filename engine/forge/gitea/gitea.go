// Package gitea is the forge of repositories on a Gitea server. It reads facts,
// shows how a pull request stands, and merges.
//
// # What proves that a review is of a head
//
// Gitea keeps the commit that a review names, but takes one that names an older
// commit, and gives the time at which a review was begun as the one at which it
// was submitted. So the engine puts a status on each head when it first sees it,
// and takes Gitea's own time of it as the time from which the head can have been
// reviewed; and a review counts from the entry in the timeline that its
// submission made.
//
// # What is believed
//
// Files, commits and trees are read from git objects that are fetched by the
// name of their reference, never from lists of the API. Everything else is read
// whole or not at all. Lists need care: pages are cut at 30 where no limit is
// asked for, not all say that there are more, and entries that the engine may
// not see are left out of a page after it was cut, so that a page may be short
// or empty before the end. Hence a list is read until what the server counts was
// passed, and each commit of a pull request has to be in a push that the timeline
// tells of. The repository is pinned by its numeric id, because a name can be
// taken over.
package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

// Name is the name of the forge in facts and in assent.yaml.
const Name = "gitea"

var _ forge.Forge = (*Gitea)(nil)

// Method is how a pull request is merged.
type Method string

// The methods. A rebase is for pull requests of one commit; others are squashed.
const (
	MergeCommit Method = "merge"
	Squash      Method = "squash"
	Rebase      Method = "rebase"
)

// Config says which repository, and how to reach it.
type Config struct {
	Repo   string // Repository spec.id
	URL    string // of the server, as people open it in a browser
	Owner  string
	Name   string
	ID     int64  // the numeric id of the repository
	Branch string // the base branch; main where empty
	// Token gives an access token of the account to act as, asked for each time.
	Token func(context.Context) (string, error)
	// Engine is the numeric id of the account that the engine acts as. Where it is
	// stated, another account's token is refused to the engine.
	Engine int64
	// Look is for people who only look: nothing is written, and what proves when a
	// head was first seen is the Engine's.
	Look   bool
	Method Method // MergeCommit where empty
	DB     *gitdb.DB
	Now    func() time.Time
	// Pause waits a moment for Gitea to take in a push or to see whether a pull
	// request can be merged, which it does in the background. nil does not wait.
	Pause func(context.Context) error
	// Transport makes the requests; http.DefaultTransport where nil.
	Transport http.RoundTripper
}

// Gitea is one repository. Its methods may be called from several goroutines.
type Gitea struct {
	cfg    Config
	client *client
	remote gitdb.Remote

	mu sync.Mutex
	me int64
}

// New checks the configuration and makes no request.
func New(cfg Config) (*Gitea, error) {
	if cfg.Branch == "" {
		cfg.Branch = "main"
	}
	if cfg.Method == "" {
		cfg.Method = MergeCommit
	}
	root, err := url.Parse(strings.TrimSuffix(cfg.URL, "/"))
	switch {
	case err != nil || root.Host == "" || root.User != nil || root.RawQuery != "" || root.Fragment != "":
		return nil, errors.New("open Gitea: its address is no address of a server")
	case root.Scheme != "https" && (root.Scheme != "http" || !loopback(root.Hostname())):
		return nil, fmt.Errorf("open Gitea: %s is not https", cfg.URL)
	case cfg.ID <= 0:
		return nil, errors.New("open Gitea: the numeric id of the repository is missing; GET /api/v1/repos/OWNER/NAME tells it")
	case !plainName(cfg.Owner) || !plainName(cfg.Name):
		return nil, fmt.Errorf("open Gitea: %q is no repository", cfg.Owner+"/"+cfg.Name)
	}
	cfg.URL = root.String()
	g := &Gitea{cfg: cfg, client: newClient(cfg), remote: gitdb.Remote{URL: root.JoinPath(cfg.Owner, cfg.Name+".git").String(), Token: cfg.Token}}
	return g, nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// Remote is the repository that git fetches from.
func (g *Gitea) Remote() gitdb.Remote { return g.remote }

func (g *Gitea) baseRef() string { return "refs/heads/" + g.cfg.Branch }

// repo is the path of the repository in the API.
func (g *Gitea) repo(parts ...any) string {
	path := "repos/" + g.cfg.Owner + "/" + g.cfg.Name
	for _, p := range parts {
		path += "/" + url.PathEscape(fmt.Sprint(p))
	}
	return path
}

// whoAmI is the account that the engine acts as, asked for once.
func (g *Gitea) whoAmI(ctx context.Context) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.me != 0 || g.cfg.Look {
		return max(g.me, g.cfg.Engine), nil
	}
	var me user
	if err := g.client.get(ctx, "user", &me); err != nil {
		return 0, fmt.Errorf("find the engine's own account: %w", err)
	}
	if me.ID <= 0 {
		return 0, fmt.Errorf("find the engine's own account: %w: it has no id", forge.ErrIncomplete)
	}
	if g.cfg.Engine != 0 && me.ID != g.cfg.Engine {
		return 0, fmt.Errorf("find the engine's own account: %w: the token is of account %d, and assent.yaml says %d", forge.ErrForbidden, me.ID, g.cfg.Engine)
	}
	g.me = me.ID
	return me.ID, nil
}

// pause waits a moment where somebody said how.
func (g *Gitea) pause(ctx context.Context) error {
	if g.cfg.Pause == nil {
		return ctx.Err()
	}
	return g.cfg.Pause(ctx)
}

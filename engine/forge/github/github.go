// Package github is the forge of repositories on github.com and on GitHub
// Enterprise Server. It reads facts, shows how a pull request stands, and merges.
//
// # What proves that a review is of a head
//
// GitHub may move the commit that a review names, and commit dates are their
// author's word. So the engine puts a status (as an App: a check run) on each
// head when it first sees it, and takes GitHub's own time of it as the time from
// which the head can have been reviewed: review.Facts.HeadFirstSeen. It counts
// for one pull request, and from the last time at which the head was changed by
// force, so that a commit that goes and comes back is reviewed anew. That alone
// makes an approval safe. Which commit an approval named when it was first seen,
// and what it said, is kept besides, in refs/assent/seen of the repository: an
// approval that was moved or edited since is told apart and does not count.
//
// # What is believed
//
// Files, commits and trees are read from git objects that are fetched by the
// name of their reference, never from lists of the API. Everything else is read
// whole or not at all: a page that is missing is forge.ErrIncomplete, and the
// pull request is read again at the end to see that it stood still. The
// repository is pinned by its numeric id, because a name can be taken over.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

// Name is the name of the forge in facts and in assent.yaml.
const Name = "github"

var _ forge.Forge = (*GitHub)(nil)

// Method is how a pull request is merged.
type Method string

// The methods. A rebase is for pull requests of one commit; others are squashed.
const (
	MergeCommit Method = "merge"
	Squash      Method = "squash"
	Rebase      Method = "rebase"
	// MergeQueue leaves merging to the merge queue of the repository: what is
	// approved waits for it, and each group of it is judged again.
	MergeQueue Method = "queue"
)

// Config says which repository, and how to reach it.
type Config struct {
	Repo   string // Repository spec.id
	Owner  string
	Name   string
	ID     int64  // the numeric id of the repository
	Branch string // the base branch; main where empty
	// API is the root of the REST API; https://api.github.com/ where empty. On an
	// Enterprise Server it is https://HOST/api/v3/.
	API string
	// Git is where to fetch from; derived from API where empty.
	Git    string
	Tokens Tokens
	// Engine is the numeric id of the account that the engine acts as. Where it is
	// stated, another account's token is refused to the engine.
	Engine int64
	// Look is for people who only look: nothing is written, and what proves when a
	// head was first seen is the Engine's.
	Look   bool
	Method Method // MergeCommit where empty
	DB     *gitdb.DB
	Now    func() time.Time
	// Transport makes the requests; http.DefaultTransport where nil.
	Transport http.RoundTripper
	// OnCall hears of every request to the API; nil for nobody.
	OnCall func(Call)
}

// GitHub is one repository. Its methods may be called from several goroutines.
type GitHub struct {
	cfg    Config
	client *gh.Client
	remote gitdb.Remote

	mu   sync.Mutex
	me   *identity
	bots map[int64]int64 // the account of an App that made a check run, by its id
	// By pull request: what was read, whether nothing has changed since, what was
	// published, what was seen for the first time just now, and which head git has.
	readings map[int]reading
	calm     map[int]bool
	shows    map[int]show
	fresh    map[int]sight
	silent   map[int]bool // no command waits below what was read
	heads    map[int]string
}

// identity is who the engine is on GitHub.
type identity struct {
	userID int64 // of its comments and statuses
	appID  int64 // zero with a personal token
}

// New checks the configuration and makes no request.
func New(cfg Config) (*GitHub, error) {
	if cfg.Branch == "" {
		cfg.Branch = "main"
	}
	if cfg.Method == "" {
		cfg.Method = MergeCommit
	}
	if cfg.API == "" {
		cfg.API = "https://api.github.com/"
	}
	api, err := url.Parse(strings.TrimSuffix(cfg.API, "/") + "/")
	switch {
	case err != nil || api.Host == "":
		return nil, fmt.Errorf("open GitHub: %q is no address of an API", cfg.API)
	case api.Scheme != "https" && !loopback(api.Hostname()):
		return nil, fmt.Errorf("open GitHub: %s is not https", cfg.API)
	case cfg.ID <= 0:
		return nil, errors.New("open GitHub: the numeric id of the repository is missing; `gh api repos/OWNER/NAME --jq .id` tells it")
	case !plainName(cfg.Owner) || !plainName(cfg.Name):
		return nil, fmt.Errorf("open GitHub: %q is no repository", cfg.Owner+"/"+cfg.Name)
	}
	if cfg.Git == "" {
		cfg.Git = gitURL(api, cfg.Owner, cfg.Name)
	}
	g := &GitHub{cfg: cfg, remote: gitdb.Remote{URL: cfg.Git}}
	g.bots = map[int64]int64{}
	g.readings, g.calm, g.shows = map[int]reading{}, map[int]bool{}, map[int]show{}
	g.fresh, g.heads, g.silent = map[int]sight{}, map[int]string{}, map[int]bool{}
	if cfg.Tokens != nil {
		g.remote.Token = cfg.Tokens.Token
	}
	g.client = gh.NewClient(newHTTP(cfg))
	g.client.BaseURL, g.client.UserAgent = api, "assent"
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

// gitURL is where a repository is cloned from.
func gitURL(api *url.URL, owner, name string) string {
	host := *api
	host.Path = "/" + owner + "/" + name + ".git"
	if host.Host == "api.github.com" {
		host.Host = "github.com"
	}
	return host.String()
}

// Remote is the repository that git fetches from.
func (g *GitHub) Remote() gitdb.Remote { return g.remote }

func (g *GitHub) baseRef() string { return "refs/heads/" + g.cfg.Branch }

// whoAmI is the engine's own account, asked for once.
func (g *GitHub) whoAmI(ctx context.Context) (identity, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.me != nil {
		return *g.me, nil
	}
	var me identity
	if g.cfg.Look {
		return identity{userID: g.cfg.Engine}, nil
	}
	login := ""
	if app, ok := g.cfg.Tokens.(*App); ok {
		slug, err := app.slug(ctx)
		if err != nil {
			return me, err
		}
		me.appID, login = app.ID, slug+"[bot]"
	}
	user, _, err := g.client.Users.Get(ctx, login)
	if err != nil {
		return me, apiErr("find the engine's own account", err)
	}
	me.userID = user.GetID()
	if g.cfg.Engine != 0 && me.userID != g.cfg.Engine {
		return me, fmt.Errorf("find the engine's own account: %w: the token is of account %d, and assent.yaml says %d", forge.ErrForbidden, me.userID, g.cfg.Engine)
	}
	g.me = &me
	return me, nil
}

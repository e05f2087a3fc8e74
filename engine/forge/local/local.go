// Package local is a forge made of nothing but git: no server, no account, no
// clock that anyone must trust. It works in a bare repository and in one with
// a work tree.
//
// A pull request is a head branch, refs/heads/request/<id> unless stated, and
// a log, refs/assent/pr/<id>: a linear chain of commits, each of which adds one
// event and its OpenSSH signature. An event names the repository, the pull
// request, its place in the log and the event before it, the base, the head and
// the digest of the change, so a signed review says by itself what was
// reviewed. The order of the log counts, times do not. Anybody can check an
// event with `ssh-keygen -Y verify`.
//
// Whoever may push to the repository may append to a log, and may break one.
// That gains nothing: who a key belongs to and whether a review counts is for
// package review to say, and a log that does not verify to the last byte is
// forge.ErrIncomplete, never judged. A log may only grow: the longest state
// that this repository has seen is remembered outside the references, where a
// push does not reach.
//
// Pushers are the keys that signed the opened and pushed events and the keys
// that signed the commits from merge base to head. What nobody signed has no
// known pusher, so an unsigned commit, and a head that no event names, make the
// facts incomplete until somebody signs for them. Names and e-mail addresses
// in commits never identify anyone.
//
// It runs no hooks and does not rest on any. It judges nothing.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// Name is the forge's name in actors, facts and events.
const Name = "local"

const (
	logPrefix     = "refs/assent/pr/"
	requestPrefix = "refs/heads/request/"
)

// Sentinels beside those of package forge.
var (
	ErrExists = errors.New("exists already")              // a pull request or branch of that name
	ErrDirty  = errors.New("work tree is in the way")     // nothing was merged, or the work tree is behind
	ErrUnsafe = errors.New("repository is not protected") // anyone on the machine may change it
)

// Config says which repository this is.
type Config struct {
	Repo   string           // Repository spec.id, part of every signature
	Branch string           // the base branch, without refs/heads/
	Now    func() time.Time // must be set; its times are for people to read
	// Engine signs merges and the published, merged and closed events. Without
	// it those methods are forge.ErrForbidden.
	Engine signature.Signer
	// Engines are more keys whose engine events and merges are believed, such
	// as earlier ones. With neither Engine nor Engines any key is.
	Engines []signature.Public
}

// Local is a forge in one git repository. Its methods may be called from
// several goroutines, and by several processes at once.
type Local struct {
	db      *gitdb.DB
	cfg     Config
	baseRef string
	trusted map[string]bool // fingerprints; nil means any

	mu    sync.Mutex
	cache map[string]history // by pull request, valid for its tip

	after func() error // after each write; tests stop here
}

var _ forge.Forge = (*Local)(nil)

// New makes a forge of a repository.
func New(db *gitdb.DB, cfg Config) *Local {
	l := &Local{
		db: db, cfg: cfg, baseRef: "refs/heads/" + cfg.Branch,
		cache: map[string]history{}, after: func() error { return nil },
	}
	keys := cfg.Engines
	if !cfg.Engine.IsZero() {
		keys = append(slices.Clone(keys), cfg.Engine.Public())
	}
	for _, k := range keys {
		if l.trusted == nil {
			l.trusted = map[string]bool{}
		}
		l.trusted[k.Fingerprint()] = true
	}
	return l
}

func (l *Local) now() time.Time { return l.cfg.Now().UTC().Truncate(time.Second) }

func (l *Local) believes(fingerprint string) bool {
	return l.trusted == nil || l.trusted[fingerprint]
}

func actor(fingerprint string) review.Actor { return review.Actor{Forge: Name, ID: fingerprint} }

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,99}$`)

func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("%q is not an id (a-z, 0-9 and -, at most 100): %w", id, forge.ErrGone)
	}
	return nil
}

// incomplete says why facts cannot be had.
func incomplete(format string, args ...any) error {
	return fmt.Errorf("%w: %w", forge.ErrIncomplete, fmt.Errorf(format, args...))
}

// guard refuses a repository that every user of the machine may write to: then
// any of them could put objects, references and configuration in place.
func (l *Local) guard() error {
	for _, name := range []string{"", "HEAD", "config", "objects", "refs", "refs/heads", "refs/assent", "refs/assent/pr", "packed-refs"} {
		at := filepath.Join(l.db.GitDir(), name)
		info, err := os.Stat(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("inspect repository: %w", err)
		}
		if info.Mode().Perm()&0o002 != 0 {
			return fmt.Errorf("%s is world-writable, run `chmod -R o-w` on it: %w", at, ErrUnsafe)
		}
	}
	return nil
}

func (l *Local) baseTip() (gitdb.OID, error) {
	tip, err := l.db.Resolve(l.baseRef)
	if err != nil {
		return "", incomplete("read base branch %s: %w", l.cfg.Branch, err)
	}
	return tip, nil
}

// List returns the pull requests in a state, or all, ordered by id. One whose
// log does not verify is listed as open and without a title, so that one
// broken log hides neither itself nor the others; Observe says what is wrong.
func (l *Local) List(ctx context.Context, state review.State) ([]forge.PullRequest, error) {
	if err := l.guard(); err != nil {
		return nil, fmt.Errorf("list pull requests: %w", err)
	}
	ids, err := l.ids()
	if err != nil {
		return nil, fmt.Errorf("list pull requests: %w", err)
	}
	tip, err := l.baseTip()
	if err != nil {
		return nil, fmt.Errorf("list pull requests: %w", err)
	}
	line := newChain(l.db, tip)
	var out []forge.PullRequest
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("list pull requests: %w", err)
		}
		pr, err := l.summary(id, line)
		if errors.Is(err, forge.ErrIncomplete) {
			pr, err = forge.PullRequest{ID: id, State: review.StateOpen}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list pull requests: %s: %w", id, err)
		}
		if state == "" || pr.State == state {
			out = append(out, pr)
		}
	}
	return out, nil
}

// ids is every pull request that has a log, or had one.
func (l *Local) ids() ([]string, error) {
	refs, err := l.db.Refs(logPrefix)
	if err != nil {
		return nil, err
	}
	out, err := l.remembered()
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		if id := strings.TrimPrefix(ref.Name, logPrefix); checkID(id) == nil {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (l *Local) summary(id string, line *chain) (forge.PullRequest, error) {
	log, err := l.load(id)
	if err != nil {
		return forge.PullRequest{}, err
	}
	at, err := l.standing(log, line)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return pullRequest(log, at), nil
}

func pullRequest(log history, at standing) forge.PullRequest {
	opened := log.events[0]
	return forge.PullRequest{ID: log.id, Title: opened.Title, HeadRef: opened.HeadRef, Head: at.head, State: at.state}
}

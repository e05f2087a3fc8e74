package main

import (
	"context"
	"fmt"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
)

// hosted is a forge that has the repository, and this one is a clone.
type hosted interface {
	forge.Forge
	Remote() gitdb.Remote
}

// openForge opens the forge of the repository for somebody who looks.
func (w *workspace) openForge(ctx context.Context) (forge.Forge, error) {
	switch w.settings.Spec.Forge {
	case github.Name:
		return w.openGitHub(w.personTokens(), true)
	case gitea.Name:
		return w.openGitea(giteaPerson, true)
	default:
		return w.openLocal(ctx)
	}
}

// engineForge is the forge as the engine uses it, with main and the ledger of
// the repository there brought here. On the local forge it is nil.
func (w *workspace) engineForge(ctx context.Context) (hosted, error) {
	name := w.settings.Spec.Forge
	if name != github.Name && name != gitea.Name {
		return nil, nil
	}
	if !w.db.Bare() {
		return nil, usageErrorf("clone it with `git clone --bare` and name that with -C", "the engine moves main as the forge does, and needs a repository that nobody works in")
	}
	f, err := w.openEngineForge(ctx, name)
	if err != nil {
		return nil, err
	}
	w.upstream = f.Remote
	if err := w.reload(ctx); err != nil && w.offline == nil {
		return nil, err
	} else if err != nil {
		w.offline(err)
	}
	return f, nil
}

func (w *workspace) openEngineForge(ctx context.Context, name string) (hosted, error) {
	if name == gitea.Name {
		return w.openGitea(giteaEngine, false)
	}
	tokens, err := w.engineTokens(ctx)
	if err != nil {
		return nil, err
	}
	return w.openGitHub(tokens, false)
}

// follow moves main and the ledger forward to where the forge has them.
func (w *workspace) follow(ctx context.Context) error {
	_, err := w.db.Follow(ctx, w.upstream(), "refs/heads/"+w.settings.Spec.MainBranch(), "refs/heads/"+w.settings.Spec.LedgerBranch())
	if err != nil {
		return &exitError{code: exitUnreachable, err: err, hint: "nothing was changed; it is tried again in the next round"}
	}
	return nil
}

func (w *workspace) sharedLedger(g hosted) *sharedLedger {
	return &sharedLedger{w.db, g.Remote(), "refs/heads/" + w.settings.Spec.LedgerBranch()}
}

// sharedLedger is the ledger branch on the forge.
type sharedLedger struct {
	db     *gitdb.DB
	remote gitdb.Remote
	branch string
}

var _ ledger.Shared = (*sharedLedger)(nil)

// How long the forge may take, so that an expiry does not wait for one that hangs.
const (
	pullTime = 20 * time.Second
	pushTime = time.Minute
)

// Pull implements ledger.Shared.
func (s *sharedLedger) Pull(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pullTime)
	defer cancel()
	if _, err := s.db.Follow(ctx, s.remote, s.branch); err != nil {
		return fmt.Errorf("pull the ledger: %w", err)
	}
	return nil
}

// Push implements ledger.Shared.
func (s *sharedLedger) Push(ctx context.Context, was, now gitdb.OID) error {
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	if err := s.db.Push(ctx, s.remote, s.branch, was, now); err != nil {
		return fmt.Errorf("push the ledger: %w", err)
	}
	return nil
}

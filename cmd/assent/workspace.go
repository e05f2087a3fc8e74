package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/signature"
)

// workspace is a governance repository, opened, with what stands around it.
type workspace struct {
	db       *gitdb.DB
	loader   *repo.Loader
	rules    *determine.Judge // one for all, because it compiles the rules once
	main     gitdb.OID
	snapshot *repo.Snapshot // of main
	settings *resource.Repository
	state    string    // directory outside of what git tracks
	stderr   io.Writer // for what connectors say; nil drops it
	now      func() time.Time
	approved func(context.Context) (grant.Determinations, error) // once something asked
	upstream func() gitdb.Remote                                 // where main and the ledger are followed from; nil where they are our own
	hub      *githubtest.Server                                  // of the demo, in place of what assent.yaml names
	offline  func(error)                                         // hears that the forge cannot be reached at the start; nil where that is an error
	onCall   func(github.Call)                                   // hears of every request to the forge's API
}

// trust is what the engine pins outside the repository.
type trust struct {
	Repo string   `json:"repo"`
	Root []string `json:"root"`
}

// open opens the repository of -C at its main branch.
func (g *global) open(ctx context.Context) (*workspace, error) {
	now, err := g.clock()
	if err != nil {
		return nil, err
	}
	w, err := openWorkspace(ctx, g.dir, g.state, now)
	if err != nil {
		return nil, err
	}
	w.stderr = g.stderr
	return w, nil
}

func openWorkspace(ctx context.Context, dir, state string, now func() time.Time) (*workspace, error) {
	db, err := gitdb.Open(dir)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err, hint: "run it in a governance repository, name one with -C DIR, or make one with `assent init DIR`"}
	}
	loader := repo.NewLoader(db)
	w := &workspace{db: db, loader: loader, rules: determine.NewJudge(loader, platformCapabilities), now: now, state: state}
	if w.state == "" {
		w.state = os.Getenv("ASSENT_STATE")
	}
	if w.state == "" {
		w.state = filepath.Join(db.GitDir(), "assent")
	}
	for _, branch := range []string{"main", "master"} {
		if w.main, err = db.Resolve("refs/heads/" + branch); err == nil {
			break
		}
	}
	if err != nil {
		return nil, &exitError{code: exitUsage, err: fmt.Errorf("open %s: it has no branch main", dir), hint: "commit the governance files to main first"}
	}
	return w, w.reload(ctx)
}

// reload reads main again, after something merged.
func (w *workspace) reload(ctx context.Context) error {
	if w.upstream != nil {
		if err := w.follow(ctx); err != nil {
			return err
		}
	}
	if w.settings != nil {
		main, err := w.db.Resolve("refs/heads/" + w.settings.Spec.MainBranch())
		if err != nil {
			return err
		}
		w.main = main
	}
	snapshot, err := w.loader.At(ctx, w.main)
	if err != nil {
		return err
	}
	settings, ok := snapshot.Set.Repository()
	if !ok {
		return &exitError{code: exitUsage, err: errors.New("main has no readable assent.yaml"), hint: "run `assent validate` to see what is wrong, or `assent init DIR` to make a governance repository"}
	}
	w.snapshot, w.settings = snapshot, settings
	return nil
}

// fresh is the repository as it is now, apart from the one that others are
// working with at the same time.
func (w *workspace) fresh(ctx context.Context) (*workspace, error) {
	f := &workspace{
		db: w.db, loader: w.loader, rules: w.rules, main: w.main, snapshot: w.snapshot, settings: w.settings, state: w.state,
		stderr: w.stderr, now: w.now, upstream: w.upstream, hub: w.hub, offline: w.offline, onCall: w.onCall,
	}
	return f, f.reload(ctx)
}

func (w *workspace) path(parts ...string) string {
	return filepath.Join(append([]string{w.state}, parts...)...)
}

// loadTrust reads what is pinned; a repository without it has no ledger yet.
func (w *workspace) loadTrust() (trust, error) {
	var t trust
	data, err := os.ReadFile(w.path("trust.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return t, &exitError{
			code: exitUsage, err: fmt.Errorf("no trusted root key is pinned in %s", w.state),
			hint: "`assent init` pins one where it makes the keys; elsewhere copy trust.json from the people who run the engine",
		}
	}
	if err != nil {
		return t, fmt.Errorf("read trust: %w", err)
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return t, fmt.Errorf("read %s: %w", w.path("trust.json"), err)
	}
	if t.Repo != w.settings.Spec.ID {
		return t, &exitError{code: exitUsage, err: fmt.Errorf("pinned for repository %q, but this one is %q", t.Repo, w.settings.Spec.ID), hint: "point -C or --state at the right place"}
	}
	return t, nil
}

func (w *workspace) openLedger() (*ledger.Ledger, error) {
	t, err := w.loadTrust()
	if err != nil {
		return nil, err
	}
	return ledger.Open(w.db, ledger.Trust{Repo: t.Repo, Branch: w.settings.Spec.LedgerBranch(), Root: t.Root}), nil
}

// openLocal opens the local forge as people use it: they sign with their own
// keys, and the engine's events count when a key that the ledger names made them.
func (w *workspace) openLocal(ctx context.Context) (*local.Local, error) {
	engines, err := w.determiningKeys(ctx)
	if err != nil {
		return nil, err
	}
	return local.New(w.db, local.Config{Repo: w.settings.Spec.ID, Branch: w.settings.Spec.MainBranch(), Now: w.now, Engines: engines}), nil
}

// determiningKeys are the keys that the ledger's seals name; none where nobody
// pinned the ledger's root, as in the clone of somebody who only asks.
func (w *workspace) determiningKeys(ctx context.Context) ([]signature.Public, error) {
	l, err := w.openLedger()
	if err != nil {
		return nil, nil // not pinned: then any key counts, and nothing rests on it
	}
	var out []signature.Public
	for v, err := range l.Replay(ctx) {
		if errors.Is(err, ledger.ErrNoLedger) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("replay ledger: %w", err)
		}
		if v.Type != ledger.TypeSeal {
			continue
		}
		body, err := v.Seal()
		if err != nil {
			return nil, err
		}
		key, err := signature.ParsePublic(body.Determining)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	return out, nil
}

func (w *workspace) auditor() (*audit.Auditor, error) {
	l, err := w.openLedger()
	if err != nil {
		return nil, err
	}
	return &audit.Auditor{DB: w.db, Ledger: l, Judge: w.rules}, nil
}

func (w *workspace) determiner(ctx context.Context) (*determine.Determiner, error) {
	key, err := w.engineKey("determining", "ASSENT_DETERMINING_KEY")
	if err != nil {
		return nil, err
	}
	hub, err := w.engineForge(ctx)
	if err != nil {
		return nil, err
	}
	l, err := w.openLedger()
	if err != nil {
		return nil, err
	}
	var f forge.Forge = hub
	if hub != nil {
		l.Share(w.sharedLedger(hub))
	} else {
		engines, err := w.determiningKeys(ctx)
		if err != nil {
			return nil, err
		}
		f = local.New(w.db, local.Config{Repo: w.settings.Spec.ID, Branch: w.settings.Spec.MainBranch(), Now: w.now, Engine: key, Engines: engines})
	}
	judge := w.rules
	return &determine.Determiner{
		DB: w.db, Judge: judge, Forge: f, Ledger: l, Key: key, Now: w.now, Render: w.render(), Extend: w.extender(f),
		Approvals: approvals(w, &audit.Auditor{DB: w.db, Ledger: l, Judge: judge}),
	}, nil
}

func (w *workspace) reconciler(ctx context.Context, needKey bool) (*reconcile.Reconciler, error) {
	key, err := w.engineKey("reconciling", "ASSENT_RECONCILING_KEY")
	if err != nil && needKey {
		return nil, err
	}
	hub, err := w.engineForge(ctx)
	if err != nil && needKey {
		return nil, err
	}
	a, err := w.auditor()
	if err != nil {
		return nil, err
	}
	if hub != nil {
		a.Ledger.Share(w.sharedLedger(hub))
	}
	r := &reconcile.Reconciler{
		DB: w.db, Loader: w.loader, Branch: w.settings.Spec.MainBranch(), Custodian: a, Ledger: a.Ledger,
		Key: key, Open: w.openPlatform, Now: w.now, HighWater: w.path("high-water.json"),
	}
	if hub != nil {
		r.Follow = w.follow
	}
	return r, nil
}

// engineKey loads one of the engine's own keys: from the file that env names,
// or from the state directory.
func (w *workspace) engineKey(role, env string) (signature.Signer, error) {
	path := os.Getenv(env)
	if path == "" {
		path = w.path("keys", role)
	}
	key, err := loadKey(path)
	if err != nil {
		return signature.Signer{}, &exitError{code: exitUsage, err: fmt.Errorf("load the %s key: %w", role, err), hint: "name its file in " + env}
	}
	return key, nil
}

// loadKey reads a private key that only its owner can read, as ssh wants it.
func loadKey(path string) (signature.Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return signature.Signer{}, err
	}
	if info.Mode()&0o077 != 0 {
		return signature.Signer{}, fmt.Errorf("%s can be read by others than its owner: chmod 600 it", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return signature.Signer{}, err
	}
	key, err := signature.ParseSigner(data)
	if err != nil {
		return signature.Signer{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// person finds whose key it is, among the users on main.
func (w *workspace) person(key signature.Signer) (*resource.User, error) {
	want := key.Public().Fingerprint()
	for u := range resource.Of[*resource.User](w.snapshot.Set) {
		for _, line := range u.Spec.Forge.SSH {
			if p, err := signature.ParsePublic(line); err == nil && p.Fingerprint() == want {
				return u, nil
			}
		}
	}
	return nil, &exitError{
		code: exitUsage, err: fmt.Errorf("no user on %s has the key %s", w.settings.Spec.MainBranch(), want),
		hint: "add its public half to spec.forge.ssh of your file in directory/users/, by a pull request",
	}
}

// whoAmI loads the key of whoever runs the command and finds whose it is.
func (w *workspace) whoAmI(keyFile string) (key signature.Signer, me *resource.User, err error) {
	if key, err = personKey(keyFile); err != nil {
		return key, nil, err
	}
	me, err = w.person(key)
	return key, me, err
}

// personKey loads the key of whoever runs the command.
func personKey(flag string) (signature.Signer, error) {
	path := flag
	if path == "" {
		path = os.Getenv("ASSENT_KEY")
	}
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return signature.Signer{}, usageErrorf("name your key with --key FILE or in ASSENT_KEY", "find your signing key: %w", err)
		}
		path = filepath.Join(home, ".ssh", "id_ed25519")
	}
	key, err := loadKey(path)
	if err != nil {
		return key, usageErrorf("name your private key with --key FILE or in ASSENT_KEY; `ssh-keygen -t ed25519` makes one", "load your signing key: %w", err)
	}
	return key, nil
}

// writeJSON writes a value as indented JSON.
func (g *global) writeJSON(v any) error {
	enc := json.NewEncoder(g.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

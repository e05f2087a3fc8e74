// Package gitdb reads and writes git objects and references without a work
// tree: it lists trees, compares them by object id, merges them, writes commits
// and moves references by compare-and-swap. Nothing is ever checked out, no
// hook runs, and replace refs, grafts and alternates are refused, because they
// make git show other bytes than the ones that were reviewed.
//
// It knows nothing of YAML, requests or records.
package gitdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// largeObject is the size from which on an object is not held in memory, in bytes.
const largeObject = 4 << 20

// OID is a git object id in hexadecimal; empty means "none".
type OID string

// Mode is a git file mode.
type Mode uint32

// The file modes of git.
const (
	ModeFile    Mode = 0o100644
	ModeExec    Mode = 0o100755
	ModeSymlink Mode = 0o120000
	ModeModule  Mode = 0o160000
	ModeDir     Mode = 0o040000
)

// Sentinels that callers branch on.
var (
	ErrNotFound = errors.New("not found")
	ErrMoved    = errors.New("reference moved")
	ErrTooLarge = errors.New("object too large")
)

// DB is one repository. Its methods may be called from several goroutines;
// they take turns, because go-git's storage is not safe to share.
type DB struct {
	mu      sync.Mutex
	repo    *git.Repository
	store   store
	dir     string
	gitDir  string
	bare    bool
	written []plumbing.Hash   // loose objects that are not known to be on disk yet
	speaks  map[string]string // by the address of a remote, where it answers by version 2
}

// Open opens the repository at dir, bare or with a work tree.
func Open(dir string) (*DB, error) {
	// A bare repository may lie inside another one's work tree.
	detect := !isGitDir(dir)
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: detect, EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	return newDB(repo, dir)
}

func isGitDir(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// Init makes an empty repository whose HEAD is branch.
func Init(dir, branch string, bare bool) (*DB, error) {
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{
		InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName(branch)},
		Bare:        bare,
	})
	if err != nil {
		return nil, fmt.Errorf("init repository %s: %w", dir, err)
	}
	return newDB(repo, dir)
}

func newDB(repo *git.Repository, dir string) (*DB, error) {
	d := &DB{repo: repo, dir: dir}
	if err := d.locate(); err != nil {
		return nil, err
	}
	if err := d.refuseRewrites(); err != nil {
		return nil, err
	}
	if err := d.keepPacksOpen(); err != nil {
		return nil, err
	}
	return d, nil
}

// keepPacksOpen replaces the storage by one that does not open a pack anew for
// each object, and holds no large object in memory.
func (d *DB) keepPacksOpen() error {
	opened, ok := d.repo.Storer.(*filesystem.Storage)
	if !ok {
		return fmt.Errorf("open repository %s: it is not on a file system", d.dir)
	}
	d.store = store{filesystem.NewStorageWithOptions(opened.Filesystem(), cache.NewObjectLRUDefault(), filesystem.Options{
		KeepDescriptors: true, LargeObjectThreshold: largeObject,
	})}
	var err error
	if d.repo, err = git.Open(d.store, nil); err != nil {
		return fmt.Errorf("open repository %s: %w", d.dir, err)
	}
	return nil
}

func (d *DB) locate() error {
	wt, err := d.repo.Worktree()
	if errors.Is(err, git.ErrIsBareRepository) {
		d.bare = true
		d.gitDir = d.dir
		return nil
	}
	if err != nil {
		return fmt.Errorf("open work tree: %w", err)
	}
	d.dir = wt.Filesystem.Root()
	d.gitDir = filepath.Join(d.dir, ".git")
	data, err := os.ReadFile(d.gitDir) // a linked work tree has a file here
	if err != nil {
		return nil //nolint:nilerr // a directory, as usual
	}
	target := strings.TrimSpace(strings.TrimPrefix(string(data), "gitdir:"))
	if !filepath.IsAbs(target) {
		target = filepath.Join(d.dir, target)
	}
	d.gitDir = target
	if common, err := os.ReadFile(filepath.Join(target, "commondir")); err == nil {
		d.gitDir = strings.TrimSpace(string(common))
		if !filepath.IsAbs(d.gitDir) {
			d.gitDir = filepath.Join(target, d.gitDir)
		}
	}
	return nil
}

func (d *DB) refuseRewrites() error {
	for _, name := range []string{"info/grafts", "objects/info/alternates", "shallow"} {
		if info, err := os.Stat(filepath.Join(d.gitDir, name)); err == nil && info.Size() > 0 {
			return fmt.Errorf("open repository %s: %s is present: use a complete, independent clone", d.dir, name)
		}
	}
	replaced, err := d.Refs("refs/replace/")
	if err != nil {
		return err
	}
	if len(replaced) > 0 {
		return fmt.Errorf("open repository %s: %s replaces an object: delete it with `git replace -d`", d.dir, replaced[0].Name)
	}
	return nil
}

// Dir is the work tree, or the repository itself where it is bare.
func (d *DB) Dir() string { return d.dir }

// GitDir is the directory that holds the objects and references.
func (d *DB) GitDir() string { return d.gitDir }

// Bare reports whether the repository has no work tree.
func (d *DB) Bare() bool { return d.bare }

func short(o OID) string {
	if o == "" {
		return "nothing"
	}
	return string(o[:min(len(o), 12)])
}

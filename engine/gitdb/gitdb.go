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
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

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
	mu     sync.Mutex
	repo   *git.Repository
	dir    string
	gitDir string
	bare   bool
}

// Open opens the repository at dir, bare or with a work tree.
func Open(dir string) (*DB, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	return newDB(repo, dir)
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
	return d, nil
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
		d.gitDir = filepath.Join(target, strings.TrimSpace(string(common)))
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

// Ref is one reference.
type Ref struct {
	Name string
	OID  OID
}

// Refs lists the references whose name starts with prefix, ordered by name.
// Symbolic references are resolved.
func (d *DB) Refs(prefix string) ([]Ref, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	it, err := d.repo.References()
	if err != nil {
		return nil, fmt.Errorf("list references: %w", err)
	}
	var out []Ref
	err = it.ForEach(func(r *plumbing.Reference) error {
		if r.Type() == plumbing.HashReference && strings.HasPrefix(string(r.Name()), prefix) {
			out = append(out, Ref{string(r.Name()), OID(r.Hash().String())})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list references: %w", err)
	}
	slices.SortFunc(out, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Resolve finds the commit that rev names: a full reference, a branch, a remote
// branch, a tag, HEAD or a full object id. ErrNotFound says there is none.
func (d *DB) Resolve(rev string) (OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if plumbing.IsHash(rev) {
		return d.peel(plumbing.NewHash(rev), rev)
	}
	for _, name := range []string{rev, "refs/heads/" + rev, "refs/remotes/origin/" + rev, "refs/tags/" + rev} {
		if name != "HEAD" && !strings.HasPrefix(name, "refs/") {
			continue
		}
		if r, err := d.repo.Reference(plumbing.ReferenceName(name), true); err == nil {
			return d.peel(r.Hash(), rev)
		}
	}
	hash, err := d.repo.ResolveRevision(plumbing.Revision(rev)) // HEAD~2, v1^ and the like
	if err != nil {
		return "", fmt.Errorf("resolve %q: %w", rev, ErrNotFound)
	}
	return d.peel(*hash, rev)
}

func (d *DB) peel(hash plumbing.Hash, rev string) (OID, error) {
	if tag, err := d.repo.TagObject(hash); err == nil {
		hash = tag.Target
	}
	if _, err := d.repo.CommitObject(hash); err != nil {
		return "", fmt.Errorf("resolve %q: %w", rev, ErrNotFound)
	}
	return OID(hash.String()), nil
}

// MoveRef points a reference from old to new and fails with ErrMoved when it is
// not at old any more. An empty old means "must not exist"; an empty new
// deletes. The check and the move are one step among DBs in this process and,
// through git's own lock file, among processes.
func (d *DB) MoveRef(name string, old, to OID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	unlock, err := d.lockRef(name)
	if err != nil {
		return err
	}
	defer unlock()
	cur := OID("")
	if r, err := d.repo.Reference(plumbing.ReferenceName(name), true); err == nil {
		cur = OID(r.Hash().String())
	}
	if cur != old {
		return fmt.Errorf("move %s: at %s, not at %s: %w", name, short(cur), short(old), ErrMoved)
	}
	ref := plumbing.ReferenceName(name)
	if to == "" {
		err = d.repo.Storer.RemoveReference(ref)
	} else {
		err = d.repo.Storer.SetReference(plumbing.NewHashReference(ref, plumbing.NewHash(string(to))))
	}
	if err != nil {
		return fmt.Errorf("move %s: %w", name, err)
	}
	return nil
}

// lockRef takes a lock file of our own beside git's: go-git writes references
// in place, so two of our processes must not be between check and write at once.
func (d *DB) lockRef(name string) (func(), error) {
	path := filepath.Join(d.gitDir, "assent-locks", strings.ReplaceAll(name, "/", "%")+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return flock(path)
}

func short(o OID) string {
	if o == "" {
		return "nothing"
	}
	return string(o[:min(len(o), 12)])
}

// Blob reads a blob of at most limit bytes; a larger one is ErrTooLarge and is
// not read.
func (d *DB) Blob(oid OID, limit int64) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	blob, err := d.repo.BlobObject(plumbing.NewHash(string(oid)))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", short(oid), mapErr(err))
	}
	if blob.Size > limit {
		return nil, fmt.Errorf("read blob %s: %d bytes: %w", short(oid), blob.Size, ErrTooLarge)
	}
	r, err := blob.Reader()
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", short(oid), err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", short(oid), err)
	}
	return data, nil
}

func mapErr(err error) error {
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return ErrNotFound
	}
	return err
}

// Person is an author or committer. Git lets anyone write anything here, so
// nothing may rest on it.
type Person struct {
	Name  string
	Email string
	When  time.Time
}

// Commit is one commit. Signature is its armoured signature, empty if unsigned.

type Commit struct {
	OID       OID
	Tree      OID
	Parents   []OID
	Author    Person
	Committer Person
	Message   string
	Signature string
}

// Commit reads a commit.
func (d *DB) Commit(oid OID) (Commit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, err := d.repo.CommitObject(plumbing.NewHash(string(oid)))
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s: %w", short(oid), mapErr(err))
	}
	return fromObject(c), nil
}

func fromObject(c *object.Commit) Commit {
	out := Commit{
		OID: OID(c.Hash.String()), Tree: OID(c.TreeHash.String()),
		Author: fromSignature(c.Author), Committer: fromSignature(c.Committer),
		Message: c.Message, Signature: c.PGPSignature,
	}
	for _, p := range c.ParentHashes {
		out.Parents = append(out.Parents, OID(p.String()))
	}
	return out
}

func fromSignature(s object.Signature) Person { return Person{s.Name, s.Email, s.When.UTC()} }

// FirstParents lists the commits from tip along first parents, newest first,
// until it has listed stop (exclusive) or reached the root. found is false
// when stop is not among them.
func (d *DB) FirstParents(tip, stop OID) (commits []Commit, found bool, err error) {
	for at := tip; at != ""; {
		if at == stop {
			return commits, true, nil
		}
		c, err := d.Commit(at)
		if err != nil {
			return nil, false, err
		}
		commits = append(commits, c)
		at = ""
		if len(c.Parents) > 0 {
			at = c.Parents[0]
		}
	}
	return commits, stop == "", nil
}

// MergeBase is the best common ancestor of two commits; ErrNotFound if their
// histories have nothing in common.
func (d *DB) MergeBase(a, b OID) (OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ca, err := d.repo.CommitObject(plumbing.NewHash(string(a)))
	if err != nil {
		return "", fmt.Errorf("read commit %s: %w", short(a), mapErr(err))
	}
	cb, err := d.repo.CommitObject(plumbing.NewHash(string(b)))
	if err != nil {
		return "", fmt.Errorf("read commit %s: %w", short(b), mapErr(err))
	}
	bases, err := ca.MergeBase(cb)
	if err != nil {
		return "", fmt.Errorf("find merge base: %w", err)
	}
	if len(bases) == 0 {
		return "", fmt.Errorf("find merge base of %s and %s: %w", short(a), short(b), ErrNotFound)
	}
	return OID(bases[0].Hash.String()), nil
}

// IsAncestor reports whether a is b or an ancestor of b.
func (d *DB) IsAncestor(a, b OID) (bool, error) {
	if a == b {
		return true, nil
	}
	base, err := d.MergeBase(a, b)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return base == a, err
}

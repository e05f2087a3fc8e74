// Package repo reads a governance repository: the files of a commit, or of a
// work tree, become a resource.Set and a list of what is wrong with them. Files
// follow a strict YAML profile that is checked on bytes before any parser, and a
// closed schema for each kind. Every file is judged on its own: a broken one is
// listed and left out, and hides nothing else.
//
// It reads from git objects or an fs.FS, never from the network; it does not
// follow references between resources (package validate does) and decides
// nothing. Loading is the one place outside reconcile that uses several
// goroutines, because parsing 100,000 files is most of the work of a cold start;
// each fills its own slot, so the result does not depend on them.
package repo

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
)

// Snapshot is a repository at one moment.
type Snapshot struct {
	Commit   gitdb.OID         // empty for a work tree
	Tree     gitdb.OID         // empty for a work tree
	Set      *resource.Set     // every file without an error, and the built-in resources
	Problems diag.List         // what is wrong with the others, ordered by file, line and column
	Policies map[string]string // policies/**.rego: path to source
	Files    []gitdb.Entry     // every file, ordered by path; no OID in a work tree
}

// Unread names the resources whose files are there and have errors, so that
// what refers to them need not be told that they are missing.
func (s *Snapshot) Unread() []resource.Ref {
	var out []resource.Ref
	for _, p := range s.Problems {
		kind, ok := KindAt(p.Pos.File)
		if p.Severity != diag.Error || !ok {
			continue
		}
		name := resource.Name(strings.TrimSuffix(path.Base(p.Pos.File), ".yaml"))
		if kind == resource.KindDataSource {
			name = resource.Name(strings.TrimSuffix(strings.TrimPrefix(p.Pos.File, "sources/"), ".yaml"))
		}
		out = append(out, resource.Ref{Kind: kind, Name: name})
	}
	return slices.CompactFunc(out, func(a, b resource.Ref) bool { return a == b })
}

// Loader reads commits of one repository and remembers the files that it has
// checked, so that the next commit costs what changed. It is safe for
// concurrent use.
type Loader struct {
	db *gitdb.DB

	mu         sync.Mutex
	checked    map[fileKey]*checkedFile
	generation uint64
	recent     []*Snapshot // the latest trees, newest last

	parsed func(file string) // called for each file that is parsed; for tests
}

// fileKey identifies a judgement: the same bytes at another path are another
// resource.
type fileKey struct {
	path string
	oid  gitdb.OID
}

// checkedFile is what one file turned out to be.
type checkedFile struct {
	resource resource.Resource // nil if broken, or no resource
	problems diag.List
	policy   string
	used     uint64 // generation that last wanted it
}

// maxRecent is how many whole trees a Loader keeps: base and head of what is
// looked at again and again, such as an open pull request.
const maxRecent = 4

// maxRemembered bounds the memory of a Loader, in files: several times the
// largest repository that the engine is measured with.
const maxRemembered = 400_000

// NewLoader makes a Loader that remembers nothing yet.
func NewLoader(db *gitdb.DB) *Loader {
	return &Loader{db: db, checked: map[fileKey]*checkedFile{}}
}

// At reads a commit. Problems of the files are in the Snapshot; err means that
// the repository itself could not be read, and then there is no Snapshot.
func (l *Loader) At(ctx context.Context, commit gitdb.OID) (*Snapshot, error) {
	c, err := l.db.Commit(commit)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", commit, err)
	}
	snap, err := l.AtTree(ctx, c.Tree)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", commit, err)
	}
	snap.Commit = commit
	return snap, nil
}

// IsAncestor reports whether a commit is another, or an ancestor of it.
func (l *Loader) IsAncestor(a, b gitdb.OID) (bool, error) { return l.db.IsAncestor(a, b) }

// AtTree reads a tree that need not belong to a commit, such as what a merge
// would give. A tree that was read lately costs nothing; its Snapshot shares
// Set, Problems, Policies and Files with the earlier one, so they are not to be
// changed.
func (l *Loader) AtTree(ctx context.Context, tree gitdb.OID) (*Snapshot, error) {
	if snap := l.recall(tree); snap != nil {
		return snap, nil
	}
	files, err := l.db.Files(tree)
	if err != nil {
		return nil, err
	}
	snap, err := assemble(ctx, files, l.remembered)
	if err != nil {
		return nil, err
	}
	l.forget()
	snap.Tree = tree
	l.keep(*snap)
	return snap, nil
}

// recall returns a copy of the Snapshot of a tree that was read lately, or nil.
func (l *Loader) recall(tree gitdb.OID) *Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.recent {
		if s.Tree == tree {
			l.recent = append(slices.Delete(l.recent, i, i+1), s)
			again := *s
			return &again
		}
	}
	return nil
}

func (l *Loader) keep(snap Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = append(l.recent, &snap)
	if len(l.recent) > maxRecent {
		l.recent = slices.Delete(l.recent, 0, len(l.recent)-maxRecent)
	}
}

// remembered judges a file, or recalls the judgement.
func (l *Loader) remembered(e gitdb.Entry, p place) (*checkedFile, error) {
	key := fileKey{e.Path, e.OID}
	l.mu.Lock()
	known, ok := l.checked[key]
	if ok {
		known.used = l.generation
	}
	l.mu.Unlock()
	if ok {
		return known, nil
	}
	raw, err := l.db.Blob(e.OID, readLimit(e.Path, p))
	tooLarge := errors.Is(err, gitdb.ErrTooLarge)
	if err != nil && !tooLarge {
		return nil, err
	}
	if l.parsed != nil {
		l.parsed(e.Path)
	}
	out, err := judge(e, p, raw, tooLarge)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out.used = l.generation
	l.checked[key] = out
	return out, nil
}

// forget drops what the latest loads did not want, once there is too much.
func (l *Loader) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.checked) > maxRemembered {
		for key, f := range l.checked {
			if f.used != l.generation {
				delete(l.checked, key)
			}
		}
	}
	l.generation++
}

// judgement judges one file that is an ordinary file at a place of ours.
type judgement func(gitdb.Entry, place) (*checkedFile, error)

// assemble makes a Snapshot of files that are ordered by path.
func assemble(ctx context.Context, files []gitdb.Entry, judged judgement) (*Snapshot, error) {
	snap := &Snapshot{Files: files, Policies: map[string]string{}}
	work := make([]place, len(files))
	sawRepository := false
	for i, e := range files {
		work[i] = placeOf(e.Path)
		sawRepository = sawRepository || e.Path == RepositoryFile
	}
	refuseModes(files, work, &snap.Problems)
	refuseTwins(files, work, &snap.Problems)
	refusePlaces(files, work, &snap.Problems)
	if !sawRepository {
		snap.Problems.Errorf(diag.Pos{File: RepositoryFile}, CodeNoRepository, "%s is not there", RepositoryFile).
			WithHint("run `assent init` at the root of the repository")
	}
	results, err := judgeAll(ctx, files, work, judged)
	if err != nil {
		return nil, err
	}
	all, err := builtins()
	if err != nil {
		return nil, err
	}
	for i, f := range results {
		if f == nil {
			continue
		}
		snap.Problems = append(snap.Problems, f.problems...)
		if f.resource != nil {
			all = append(all, f.resource)
		}
		if work[i].class == policy && len(f.problems) == 0 {
			snap.Policies[files[i].Path] = f.policy
		}
	}
	snap.Set = resource.NewSet(all...)
	snap.Problems = snap.Problems.Sorted()
	return snap, nil
}

// judgeAll judges what must be read, several files at a time.
func judgeAll(ctx context.Context, files []gitdb.Entry, work []place, judged judgement) ([]*checkedFile, error) {
	out := make([]*checkedFile, len(files))
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() error {
			for i := w; i < len(files); i += workers {
				switch work[i].class {
				case known, policy, stray:
				default:
					continue
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				f, err := judged(files[i], work[i])
				if err != nil {
					return fmt.Errorf("read %s: %w", display(files[i].Path), err)
				}
				out[i] = f
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

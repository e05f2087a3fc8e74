package gitdb

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Ref is one reference.
type Ref struct {
	Name string
	OID  OID
}

// Refs lists the references whose name starts with prefix, ordered by name.
// Symbolic references are left out.
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
// branch, a tag, HEAD, a full object id, or one of these with ~n and ^n. A name
// that starts with refs/ is that reference and no other. ErrNotFound says there
// is none.
func (d *DB) Resolve(rev string) (OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if plumbing.IsHash(rev) {
		return d.peel(plumbing.NewHash(rev), rev)
	}
	names := []string{"refs/heads/" + rev, "refs/remotes/origin/" + rev, "refs/tags/" + rev}
	exact := rev == "HEAD" || strings.HasPrefix(rev, "refs/")
	if exact {
		names = []string{rev}
	}
	for _, name := range names {
		hash, err := d.reference(name)
		if err != nil {
			return "", fmt.Errorf("resolve %q: %w", rev, err)
		}
		if !hash.IsZero() {
			return d.peel(hash, rev)
		}
	}
	if exact && !strings.ContainsAny(rev, "~^") {
		return "", fmt.Errorf("resolve %q: %w", rev, ErrNotFound)
	}
	hash, err := d.repo.ResolveRevision(plumbing.Revision(rev)) // HEAD~2, v1^ and the like
	if err != nil {
		return "", fmt.Errorf("resolve %q: %w", rev, ErrNotFound)
	}
	return d.peel(*hash, rev)
}

// reference reads a reference; the zero hash says that there is none. Anything
// but absence is an error: a reference that cannot be read is not a missing one.
func (d *DB) reference(name string) (plumbing.Hash, error) {
	at := plumbing.ReferenceName(name)
	if at.Validate() != nil && name != "HEAD" {
		return plumbing.ZeroHash, nil
	}
	for range maxSymbolic {
		r, err := d.store.Reference(at)
		if errors.Is(err, plumbing.ErrReferenceNotFound) {
			return plumbing.ZeroHash, nil
		}
		if err != nil {
			return plumbing.ZeroHash, fmt.Errorf("read reference %s: %w", at, err)
		}
		if r.Type() == plumbing.HashReference {
			if r.Hash().IsZero() {
				return plumbing.ZeroHash, fmt.Errorf("read reference %s: it holds no object id", at)
			}
			return r.Hash(), nil
		}
		at = r.Target()
	}
	return plumbing.ZeroHash, fmt.Errorf("read reference %s: too many symbolic references", name)
}

const maxSymbolic = 5

func (d *DB) peel(hash plumbing.Hash, rev string) (OID, error) {
	for range maxSymbolic {
		obj, err := d.object(plumbing.AnyObject, hash)
		if err != nil {
			return "", fmt.Errorf("resolve %q: %w", rev, mapErr(err))
		}
		switch obj.Type() {
		case plumbing.CommitObject:
			return OID(hash.String()), nil
		case plumbing.TagObject:
			tag, err := object.DecodeTag(d.store, obj)
			if err != nil {
				return "", fmt.Errorf("resolve %q: %w", rev, err)
			}
			hash = tag.Target
		default:
			return "", fmt.Errorf("resolve %q: a %s is no commit: %w", rev, obj.Type(), ErrNotFound)
		}
	}
	return "", fmt.Errorf("resolve %q: too many tags: %w", rev, ErrNotFound)
}

// MoveRef points a reference from old to new and fails with ErrMoved when it is
// not at old any more. An empty old means "must not exist"; an empty new
// deletes. It takes git's own lock on the reference, so that the check and the
// move are one step among all processes, git included. What was written before
// is on disk when the reference is.
func (d *DB) MoveRef(name string, old, to OID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	ref := plumbing.ReferenceName(name)
	if !strings.HasPrefix(name, "refs/") || ref.Validate() != nil {
		return fmt.Errorf("move %q: not the name of a reference", name)
	}
	if to != "" {
		if _, err := d.object(plumbing.AnyObject, plumbing.NewHash(string(to))); err != nil {
			return fmt.Errorf("move %s to %s: %w", name, short(to), mapErr(err))
		}
		if err := d.sync(); err != nil {
			return fmt.Errorf("move %s: %w", name, err)
		}
	}
	lock, err := lockRef(d.gitDir, name)
	if err != nil {
		return fmt.Errorf("move %s: %w", name, err)
	}
	defer lock.release()
	hash, err := d.reference(name)
	if err != nil {
		return fmt.Errorf("move %s: %w", name, err)
	}
	cur := OID("")
	if !hash.IsZero() {
		cur = OID(hash.String())
	}
	if cur != old {
		return fmt.Errorf("move %s: at %s, not at %s: %w", name, short(cur), short(old), ErrMoved)
	}
	if to == "" {
		err = d.deleteRef(ref)
	} else {
		err = lock.commit(to)
	}
	if err != nil {
		return fmt.Errorf("move %s: %w", name, err)
	}
	return nil
}

// deleteRef removes a reference from where git keeps it: its own file and the
// file of packed references. The lock on the reference is held.
func (d *DB) deleteRef(ref plumbing.ReferenceName) error {
	unlock, err := lockFile(filepath.Join(d.gitDir, "packed-refs.lock"))
	if err != nil {
		return err
	}
	return errors.Join(d.store.RemoveReference(ref), unlock())
}

package gitdb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

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
// branch, a tag, in this order, HEAD or @, an object id of at least four digits,
// each with any number of ~n and ^n after it. A name that starts with refs/ is
// that reference and no other. ErrNotFound says there is none.
func (d *DB) Resolve(rev string) (OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	base, steps := rev, ""
	if i := strings.IndexAny(rev, "~^"); i >= 0 {
		base, steps = rev[:i], rev[i:]
	}
	hash, err := d.named(base)
	if err != nil {
		return "", fmt.Errorf("resolve %q: %w", rev, err)
	}
	id, err := d.peel(hash)
	if err == nil {
		id, err = d.back(id, steps)
	}
	if err != nil {
		return "", fmt.Errorf("resolve %q: %w", rev, err)
	}
	return id, nil
}

// named finds the object that a name without ~ and ^ means.
func (d *DB) named(name string) (plumbing.Hash, error) {
	names := []string{"refs/heads/" + name, "refs/remotes/origin/" + name, "refs/tags/" + name}
	switch {
	case plumbing.IsHash(name):
		return plumbing.NewHash(name), nil
	case name == "HEAD" || name == "@":
		names = []string{"HEAD"}
	case strings.HasPrefix(name, "refs/"):
		names = []string{name}
	}
	for _, n := range names {
		hash, err := d.reference(n)
		if err != nil || !hash.IsZero() {
			return hash, err
		}
	}
	const shortest = 4
	if len(name) >= shortest && strings.Trim(name, "0123456789abcdef") == "" {
		if hash, err := d.repo.ResolveRevision(plumbing.Revision(name)); err == nil {
			return *hash, nil
		}
	}
	return plumbing.ZeroHash, ErrNotFound
}

// back follows ~n and ^n from a commit.
func (d *DB) back(at OID, steps string) (OID, error) {
	for steps != "" {
		kind, digits := steps[0], 1
		for digits < len(steps) && steps[digits] >= '0' && steps[digits] <= '9' {
			digits++
		}
		n := 1
		if digits > 1 {
			var err error
			if n, err = strconv.Atoi(steps[1:digits]); err != nil {
				return "", ErrNotFound
			}
		}
		if kind != '~' && kind != '^' {
			return "", ErrNotFound
		}
		steps = steps[digits:]
		times, parent := n, 1
		if kind == '^' {
			times, parent = min(n, 1), n // ^0 is the commit itself
		}
		for range times {
			c, err := d.commit(at)
			if err != nil {
				return "", err
			}
			if parent > len(c.ParentHashes) {
				return "", ErrNotFound
			}
			at = OID(c.ParentHashes[parent-1].String())
		}
	}
	return at, nil
}

// reference reads a reference; the zero hash says that there is none. Anything
// but absence is an error: a reference that cannot be read is not a missing one,
// and what packed-refs says of it is old.
func (d *DB) reference(name string) (plumbing.Hash, error) {
	at := plumbing.ReferenceName(name)
	for range maxSymbolic {
		if at.Validate() != nil && at != "HEAD" {
			return plumbing.ZeroHash, nil
		}
		r, err := d.looseRef(at)
		if err == nil && r == nil {
			r, err = d.store.Reference(at) // in packed-refs, or nowhere
		}
		if errors.Is(err, plumbing.ErrReferenceNotFound) {
			return plumbing.ZeroHash, nil
		}
		if err != nil {
			return plumbing.ZeroHash, fmt.Errorf("read reference %s: %w", at, err)
		}
		if r.Type() == plumbing.HashReference {
			return r.Hash(), nil
		}
		at = r.Target()
	}
	return plumbing.ZeroHash, fmt.Errorf("read reference %s: too many symbolic references", name)
}

// looseRef reads a reference's own file; nil says that it has none.
func (d *DB) looseRef(name plumbing.ReferenceName) (*plumbing.Reference, error) {
	const longest = 4096
	f, err := d.store.Filesystem().Open(string(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, longest))
	err = errors.Join(err, f.Close())
	if errors.Is(err, syscall.EISDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(data))
	if !plumbing.IsHash(text) && !strings.HasPrefix(text, "ref: ") {
		return nil, errors.New("its file holds no object id")
	}
	return plumbing.NewReferenceFromStrings(string(name), text), nil
}

const maxSymbolic = 5

func (d *DB) peel(hash plumbing.Hash) (OID, error) {
	for range maxSymbolic {
		obj, err := d.object(plumbing.AnyObject, hash)
		if err != nil {
			return "", mapErr(err)
		}
		switch obj.Type() {
		case plumbing.CommitObject:
			return OID(hash.String()), nil
		case plumbing.TagObject:
			tag, err := object.DecodeTag(d.store, obj)
			if err != nil {
				return "", err
			}
			hash = tag.Target
		default:
			return "", fmt.Errorf("a %s is no commit: %w", obj.Type(), ErrNotFound)
		}
	}
	return "", fmt.Errorf("too many tags: %w", ErrNotFound)
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

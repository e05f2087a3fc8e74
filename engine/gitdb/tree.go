package gitdb

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// EmptyTree is the id of the tree without entries.
const EmptyTree OID = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// Entry is one file of a tree. Path is relative to the tree's root.
type Entry struct {
	Path string
	Mode Mode
	OID  OID
}

// Files lists every file below a tree, ordered by path as git orders it. Trees
// are not listed; symbolic links and submodules are, with their modes.
func (d *DB) Files(tree OID) ([]Entry, error) {
	var out []Entry
	err := d.walk(tree, "", func(e Entry) { out = append(out, e) })
	return out, err
}

func (d *DB) walk(tree OID, prefix string, visit func(Entry)) error {
	entries, err := d.entries(tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.Path = path.Join(prefix, e.Path)
		if e.Mode == ModeDir {
			if err := d.walk(e.OID, e.Path, visit); err != nil {
				return err
			}
			continue
		}
		visit(e)
	}
	return nil
}

// entries lists one level of a tree; Path is the bare name.
func (d *DB) entries(tree OID) ([]Entry, error) {
	if tree == "" || tree == EmptyTree {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	obj, err := d.object(plumbing.TreeObject, plumbing.NewHash(string(tree)))
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", short(tree), mapErr(err))
	}
	t, err := object.DecodeTree(d.store, obj)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", short(tree), err)
	}
	out := make([]Entry, 0, len(t.Entries))
	for _, e := range t.Entries {
		if !isName(e.Name) {
			return nil, fmt.Errorf("read tree %s: entry %q is not a file name", short(tree), e.Name)
		}
		out = append(out, Entry{e.Name, Mode(e.Mode), OID(e.Hash.String())})
	}
	return out, nil
}

// isName reports whether one part of a path may be written and read. Git refuses
// the same names in a work tree.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.EqualFold(name, ".git") && !strings.ContainsAny(name, "/\x00")
}

// Find returns the entry at a path below a tree; ok is false if there is none.
func (d *DB) Find(tree OID, file string) (entry Entry, ok bool, err error) {
	at := tree
	parts := strings.Split(file, "/")
	for i, part := range parts {
		entries, err := d.entries(at)
		if err != nil {
			return Entry{}, false, err
		}
		j := slices.IndexFunc(entries, func(e Entry) bool { return e.Path == part })
		if j < 0 {
			return Entry{}, false, nil
		}
		if i == len(parts)-1 {
			return Entry{file, entries[j].Mode, entries[j].OID}, true, nil
		}
		if entries[j].Mode != ModeDir {
			return Entry{}, false, nil
		}
		at = entries[j].OID
	}
	return Entry{}, false, nil
}

// FileChange is one file that differs between two trees. The Old fields are
// zero for an added file, the New fields for a removed one.
type FileChange struct {
	Path    string
	OldMode Mode
	NewMode Mode
	OldOID  OID
	NewOID  OID
}

// Diff lists the files that differ between two trees, ordered by path. It
// compares object ids and reads only directories that differ, so its cost
// follows the change and not the repository.
func (d *DB) Diff(a, b OID) ([]FileChange, error) {
	var out []FileChange
	if err := d.diff(a, b, "", &out); err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(x, y FileChange) int { return cmp.Compare(x.Path, y.Path) })
	return out, nil
}

func (d *DB) diff(a, b OID, prefix string, out *[]FileChange) error {
	if a == b {
		return nil
	}
	left, err := d.entries(a)
	if err != nil {
		return err
	}
	right, err := d.entries(b)
	if err != nil {
		return err
	}
	old := make(map[string]Entry, len(left))
	for _, e := range left {
		old[e.Path] = e
	}
	for _, e := range right {
		was, had := old[e.Path]
		delete(old, e.Path)
		if had && was.OID == e.OID && was.Mode == e.Mode {
			continue
		}
		if err := d.diffEntry(was, e, path.Join(prefix, e.Path), out); err != nil {
			return err
		}
	}
	for name, was := range old {
		if err := d.diffEntry(was, Entry{}, path.Join(prefix, name), out); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) diffEntry(was, now Entry, at string, out *[]FileChange) error {
	var oldTree, newTree OID
	change := FileChange{Path: at}
	switch was.Mode {
	case ModeDir:
		oldTree = was.OID
	default:
		change.OldMode, change.OldOID = was.Mode, was.OID
	}
	switch now.Mode {
	case ModeDir:
		newTree = now.OID
	default:
		change.NewMode, change.NewOID = now.Mode, now.OID
	}
	if change.OldOID != "" || change.NewOID != "" {
		*out = append(*out, change)
	}
	return d.diff(oldTree, newTree, at, out)
}

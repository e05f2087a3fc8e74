package gitdb

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Edit is one file to write into a tree, or to remove where OID is empty.
type Edit struct {
	Path string
	Mode Mode // ModeFile unless stated
	OID  OID
}

// clash is a path that would have to be a file and a directory.
type clash struct{ path string }

func (c *clash) Error() string { return c.path + " would be a file and a directory" }

// WriteTree applies edits to a tree and returns the id of the result. Only the
// directories on the way to an edit are written. A file takes the place of a
// directory, or the other way round, only where the edits remove what was there.
func (d *DB) WriteTree(base OID, edits []Edit) (OID, error) {
	id, err := d.edit(base, "", edits)
	if err != nil {
		return "", fmt.Errorf("write tree: %w", err)
	}
	return id, nil
}

func (d *DB) edit(base OID, at string, edits []Edit) (OID, error) {
	direct, below, err := split(edits)
	if err != nil {
		return "", err
	}
	entries, err := d.entries(base)
	if err != nil {
		return "", err
	}
	byName := make(map[string]Entry, len(entries)+len(direct))
	for _, e := range entries {
		byName[e.Path] = e
	}
	for name, e := range direct { // a file that is removed makes room for a directory
		if old, ok := byName[name]; ok && e.OID == "" && old.Mode != ModeDir {
			delete(byName, name)
		}
	}
	for name, list := range below {
		if err := d.editBelow(byName, name, path.Join(at, name), list); err != nil {
			return "", err
		}
	}
	for name, e := range direct {
		if e.OID == "" {
			continue
		}
		if byName[name].Mode == ModeDir {
			return "", &clash{path.Join(at, name)}
		}
		byName[name] = Entry{name, cmp.Or(e.Mode, ModeFile), e.OID}
	}
	return d.writeTree(byName)
}

// split sorts edits by the first part of their path: files here, and files in
// the directories below.
func split(edits []Edit) (direct map[string]Edit, below map[string][]Edit, err error) {
	direct, below = map[string]Edit{}, map[string][]Edit{}
	for _, e := range edits {
		head, rest, nested := strings.Cut(e.Path, "/")
		if !isName(head) {
			return nil, nil, fmt.Errorf("%q is not a path", e.Path)
		}
		if nested {
			e.Path = rest
			below[head] = append(below[head], e)
		} else {
			direct[head] = e
		}
	}
	return direct, below, nil
}

func (d *DB) editBelow(byName map[string]Entry, name, at string, edits []Edit) error {
	old, had := byName[name]
	sub := OID("")
	switch {
	case had && old.Mode == ModeDir:
		sub = old.OID
	case slices.ContainsFunc(edits, func(e Edit) bool { return e.OID != "" }):
		if had {
			return &clash{at}
		}
	default:
		return nil // nothing to remove
	}
	id, err := d.edit(sub, at, edits)
	if err != nil {
		return err
	}
	if id == EmptyTree {
		delete(byName, name)
	} else {
		byName[name] = Entry{name, ModeDir, id}
	}
	return nil
}

func (d *DB) writeTree(byName map[string]Entry) (OID, error) {
	t := &object.Tree{}
	for name, e := range byName {
		t.Entries = append(t.Entries, object.TreeEntry{Name: name, Mode: filemode.FileMode(e.Mode), Hash: plumbing.NewHash(string(e.OID))})
	}
	slices.SortFunc(t.Entries, func(a, b object.TreeEntry) int { return strings.Compare(treeSortName(a), treeSortName(b)) })
	d.mu.Lock()
	defer d.mu.Unlock()
	obj := d.store.NewEncodedObject()
	if err := t.Encode(obj); err != nil {
		return "", err
	}
	return d.put(obj)
}

// treeSortName is the name git sorts by: a directory sorts as if it ended in a slash.
func treeSortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

// Merge is the three-way merge of two trees by whole files: a file that only one
// side changed is taken from that side. Conflicts, ordered by path, are files
// that both sides changed differently, and paths that are a file on one side and
// a directory on the other; then the tree is empty.
func (d *DB) Merge(base, ours, theirs OID) (tree OID, conflicts []string, err error) {
	left, err := d.Diff(base, ours)
	if err != nil {
		return "", nil, err
	}
	right, err := d.Diff(base, theirs)
	if err != nil {
		return "", nil, err
	}
	mine := make(map[string]FileChange, len(left))
	for _, c := range left {
		mine[c.Path] = c
	}
	var edits []Edit
	for _, c := range right {
		switch m, both := mine[c.Path]; {
		case !both:
			edits = append(edits, Edit{c.Path, c.NewMode, c.NewOID})
		case m.NewOID != c.NewOID || m.NewMode != c.NewMode:
			conflicts = append(conflicts, c.Path)
		}
	}
	if len(conflicts) > 0 {
		return "", conflicts, nil
	}
	tree, err = d.WriteTree(ours, edits)
	var both *clash
	if errors.As(err, &both) {
		return "", []string{both.path}, nil
	}
	return tree, nil, err
}

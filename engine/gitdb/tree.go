package gitdb

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
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
	t, err := d.repo.TreeObject(plumbing.NewHash(string(tree)))
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", short(tree), mapErr(err))
	}
	out := make([]Entry, 0, len(t.Entries))
	for _, e := range t.Entries {
		if e.Name == "" || e.Name == "." || e.Name == ".." || strings.EqualFold(e.Name, ".git") || strings.ContainsAny(e.Name, "/\x00") {
			return nil, fmt.Errorf("read tree %s: entry %q is not a file name", short(tree), e.Name)
		}
		out = append(out, Entry{e.Name, Mode(e.Mode), OID(e.Hash.String())})
	}
	return out, nil
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

// Edit is one file to write into a tree, or to remove where OID is empty.
type Edit struct {
	Path string
	Mode Mode // ModeFile unless stated
	OID  OID
}

// WriteTree applies edits to a tree and returns the id of the result. Only the
// directories on the way to an edit are written.
func (d *DB) WriteTree(base OID, edits []Edit) (OID, error) {
	direct := map[string]Edit{}
	below := map[string][]Edit{}
	for _, e := range edits {
		head, rest, nested := strings.Cut(e.Path, "/")
		if head == "" || head == "." || head == ".." || strings.EqualFold(head, ".git") {
			return "", fmt.Errorf("write tree: %q is not a path", e.Path)
		}
		if nested {
			e.Path = rest
			below[head] = append(below[head], e)
		} else {
			direct[head] = e
		}
	}
	entries, err := d.entries(base)
	if err != nil {
		return "", err
	}
	byName := make(map[string]Entry, len(entries))
	for _, e := range entries {
		byName[e.Path] = e
	}
	for name, list := range below {
		sub := OID("")
		if e, ok := byName[name]; ok && e.Mode == ModeDir {
			sub = e.OID
		}
		id, err := d.WriteTree(sub, list)
		if err != nil {
			return "", err
		}
		if id == EmptyTree {
			delete(byName, name)
			continue
		}
		byName[name] = Entry{name, ModeDir, id}
	}
	for name, e := range direct {
		if e.OID == "" {
			delete(byName, name)
			continue
		}
		byName[name] = Entry{name, cmp.Or(e.Mode, ModeFile), e.OID}
	}
	return d.writeTree(byName)
}

func (d *DB) writeTree(byName map[string]Entry) (OID, error) {
	t := &object.Tree{}
	for name, e := range byName {
		t.Entries = append(t.Entries, object.TreeEntry{Name: name, Mode: filemode.FileMode(e.Mode), Hash: plumbing.NewHash(string(e.OID))})
	}
	slices.SortFunc(t.Entries, func(a, b object.TreeEntry) int { return strings.Compare(treeSortName(a), treeSortName(b)) })
	d.mu.Lock()
	defer d.mu.Unlock()
	obj := d.repo.Storer.NewEncodedObject()
	if err := t.Encode(obj); err != nil {
		return "", fmt.Errorf("write tree: %w", err)
	}
	hash, err := d.repo.Storer.SetEncodedObject(obj)
	if err != nil {
		return "", fmt.Errorf("write tree: %w", err)
	}
	return OID(hash.String()), nil
}

// treeSortName is the name git sorts by: a directory sorts as if it ended in a slash.
func treeSortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

// Merge is the three-way merge of two trees by whole files: a file that only one
// side changed is taken from that side. Files that both sides changed
// differently are conflicts, and then the tree is empty.
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
	return tree, nil, err
}

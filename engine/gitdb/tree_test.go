package gitdb_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/gitdb"
)

// model is a tree as a map: path to mode and content.
type model map[string]string

var (
	names = []string{"a", "b", "a.b", "a-b", "a0", "A", "ab", "é", "x y"}
	modes = []gitdb.Mode{gitdb.ModeFile, gitdb.ModeExec, gitdb.ModeSymlink}
)

func paths() *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(names), 1, 3), func(p []string) string { return strings.Join(p, "/") })
}

// set puts a file, and removes what it takes the place of.
func (m model) set(path, value string) {
	for p := range m {
		if strings.HasPrefix(p, path+"/") || strings.HasPrefix(path, p+"/") {
			delete(m, p)
		}
	}
	m[path] = value
}

func anyModel(t *rapid.T, label string) model {
	m := model{}
	for range rapid.IntRange(0, 12).Draw(t, label+" size") {
		m.set(paths().Draw(t, label+" path"), anyValue(t, label))
	}
	return m
}

// anyValue is a file: its mode, and a number that makes its content.
func anyValue(t *rapid.T, label string) string {
	return fmt.Sprintf("%o %d", rapid.SampledFrom(modes).Draw(t, label+" mode"), rapid.IntRange(0, 5).Draw(t, label+" content"))
}

// changed is a model that differs a little.
func (m model) changed(t *rapid.T, label string) model {
	out := model{}
	for p, v := range m {
		out[p] = v
	}
	for range rapid.IntRange(0, 4).Draw(t, label+" changes") {
		if len(out) > 0 && rapid.Bool().Draw(t, label+" delete") {
			delete(out, rapid.SampledFrom(slices.Sorted(keys(out))).Draw(t, label+" victim"))
			continue
		}
		out.set(paths().Draw(t, label+" path"), anyValue(t, label))
	}
	return out
}

func keys(m model) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (m model) edit(t *rapid.T, db *gitdb.DB, path string) gitdb.Edit {
	var mode gitdb.Mode
	var n int
	if _, err := fmt.Sscanf(m[path], "%o %d", &mode, &n); err != nil {
		t.Fatal(err)
	}
	// Contents differ wholly, so that git finds no renames and no lines to merge.
	id, err := db.WriteBlob(fmt.Appendf(nil, "%x\n", sha256.Sum256(fmt.Append(nil, path, n))))
	if err != nil {
		t.Fatal(err)
	}
	return gitdb.Edit{Path: path, Mode: mode, OID: id}
}

// from writes the model as edits of another one's tree.
func (m model) from(t *rapid.T, db *gitdb.DB, base gitdb.OID, was model) gitdb.OID {
	var edits []gitdb.Edit
	for p := range m {
		if was[p] != m[p] {
			edits = append(edits, m.edit(t, db, p))
		}
	}
	for p := range was {
		if _, ok := m[p]; !ok {
			edits = append(edits, gitdb.Edit{Path: p})
		}
	}
	id, err := db.WriteTree(base, edits)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// mktree is the model as git itself writes it.
func (m model) mktree(t *rapid.T, db *gitdb.DB, o oracle) gitdb.OID {
	var in strings.Builder
	for p := range m {
		e := m.edit(t, db, p)
		fmt.Fprintf(&in, "%o %s 0\t%s\x00", e.Mode, e.OID, p)
	}
	o.git("read-tree", "--empty")
	if _, err := o.try([]byte(in.String()), "update-index", "-z", "--index-info"); err != nil {
		t.Fatal(err)
	}
	return gitdb.OID(o.git("write-tree"))
}

func TestTreesEqualGits(t *testing.T) {
	db, o := newRepo(t)
	rapid.Check(t, func(t *rapid.T) {
		a := anyModel(t, "a")
		b := a.changed(t, "b")
		ta := a.from(t, db, "", nil)
		tb := b.from(t, db, ta, a)
		if want := b.mktree(t, db, o); tb != want {
			t.Fatalf("%v as edits of %v: tree %s, git writes %s", b, a, tb, want)
		}
		checkFiles(t, db, o, tb)
		checkDiff(t, db, o, ta, tb)
	})
	if out, err := o.try(nil, "fsck", "--strict"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func checkFiles(t *rapid.T, db *gitdb.DB, o oracle, tree gitdb.OID) {
	files, err := db.Files(tree)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range files {
		got = append(got, fmt.Sprintf("%06o blob %s\t%s", e.Mode, e.OID, e.Path))
		if found, ok, err := db.Find(tree, e.Path); err != nil || !ok || found != e {
			t.Fatalf("find %s: %+v, %v, %v", e.Path, found, ok, err)
		}
	}
	if diff := cmp.Diff(fields(o.git("ls-tree", "-r", "-z", string(tree))), got); diff != "" {
		t.Fatalf("files (-git +we)\n%s", diff)
	}
}

func checkDiff(t *rapid.T, db *gitdb.DB, o oracle, a, b gitdb.OID) {
	changes, err := db.Diff(a, b)
	if err != nil {
		t.Fatal(err)
	}
	const none = gitdb.OID("0000000000000000000000000000000000000000")
	or := func(o gitdb.OID) gitdb.OID {
		if o == "" {
			return none
		}
		return o
	}
	var got []string
	for _, c := range changes {
		status := "M"
		switch {
		case c.OldOID == "":
			status = "A"
		case c.NewOID == "":
			status = "D"
		case c.OldMode&0o170000 != c.NewMode&0o170000:
			status = "T"
		}
		got = append(got, fmt.Sprintf(":%06o %06o %s %s %s", c.OldMode, c.NewMode, or(c.OldOID), or(c.NewOID), status), c.Path)
	}
	want := fields(o.git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", string(a), string(b)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("diff (-git +we)\n%s", diff)
	}
}

func fields(out string) []string {
	if out == "" {
		return nil
	}
	return strings.Split(strings.TrimRight(out, "\x00"), "\x00")
}

// Where git has a conflict, so have we; where we merge, the tree is git's. Within
// one file git merges mode and lines, which we never do.
func TestMergeEqualsGits(t *testing.T) {
	db, o := newRepo(t)
	merged := 0
	rapid.Check(t, func(t *rapid.T) {
		base := anyModel(t, "base")
		ours, theirs := base.changed(t, "ours"), base.changed(t, "theirs")
		tb := base.from(t, db, "", nil)
		to, tt := ours.from(t, db, tb, base), theirs.from(t, db, tb, base)
		cb := commitTree(t, db, tb)
		co, ct := commitTree(t, db, to, cb), commitTree(t, db, tt, cb)
		out, err := o.try(nil, "-c", "merge.renames=false", "-c", "merge.directoryRenames=false", "merge-tree", "--write-tree", "--name-only", string(co), string(ct))
		got, conflicts, merr := db.Merge(tb, to, tt)
		if merr != nil {
			t.Fatal(merr)
		}
		switch {
		case err != nil && len(conflicts) == 0:
			t.Fatalf("base %v\nours %v\ntheirs %v\ngit has a conflict, we wrote %s:\n%s", base, ours, theirs, got, out)
		case err == nil && len(conflicts) == 0:
			merged++
			if want := strings.TrimSpace(out); string(got) != want {
				t.Fatalf("base %v\nours %v\ntheirs %v\ntree %s, git writes %s", base, ours, theirs, got, want)
			}
		case len(conflicts) > 0 && got != "":
			t.Fatalf("conflicts %v and tree %s", conflicts, got)
		case err == nil:
			for _, p := range conflicts { // one side's mode and the other's content
				if base[p] == ours[p] || base[p] == theirs[p] || ours[p] == theirs[p] {
					t.Fatalf("base %v\nours %v\ntheirs %v\ngit merges, we have conflicts %v", base, ours, theirs, conflicts)
				}
			}
		}
	})
	if merged < 10 {
		t.Errorf("only %d merges without a conflict: the test proves little", merged)
	}
}

func commitTree(t *rapid.T, db *gitdb.DB, tree gitdb.OID, parents ...gitdb.OID) gitdb.OID {
	who := gitdb.Person{Name: "kim", Email: "kim@example.com"}
	id, err := db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: who, Committer: who, Message: "x\n"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestMergeConflicts(t *testing.T) {
	db, _ := newRepo(t)
	tree := func(files ...string) gitdb.OID {
		var edits []gitdb.Edit
		for _, f := range files {
			path, text, _ := strings.Cut(f, "=")
			edits = append(edits, gitdb.Edit{Path: path, OID: blob(t, db, text)})
		}
		return must[gitdb.OID](t)(db.WriteTree("", edits))
	}
	for _, c := range []struct {
		name               string
		base, ours, theirs gitdb.OID
		want               []string
	}{
		{"both change", tree("a=1"), tree("a=2"), tree("a=3"), []string{"a"}},
		{"both add", tree(), tree("d/a=2"), tree("d/a=3"), []string{"d/a"}},
		{"change and delete", tree("a=1", "b=1"), tree("a=2", "b=1"), tree("b=1"), []string{"a"}},
		{"file and directory", tree(), tree("a=1"), tree("a/x=1"), []string{"a"}},
		{"directory and file", tree(), tree("a/x=1"), tree("a=1"), []string{"a"}},
		{"both the same", tree("a=1"), tree("a=2"), tree("a=2"), nil},
		{"file becomes directory", tree("a=1"), tree("a=1", "b=1"), tree("a/x=1"), nil},
		{"directory becomes file", tree("a/x=1"), tree("a/x=1", "b=1"), tree("a=1"), nil},
	} {
		got, conflicts, err := db.Merge(c.base, c.ours, c.theirs)
		if diff := cmp.Diff(c.want, conflicts); err != nil || diff != "" || (got == "") != (c.want != nil) {
			t.Errorf("%s: tree %q, %v (-want +got)\n%s", c.name, got, err, diff)
		}
	}
}

func TestWriteTreeRefusesPathsThatAreNone(t *testing.T) {
	db, _ := newRepo(t)
	id := blob(t, db, "x")
	for _, p := range []string{"", "/a", "a/", "a//b", ".", "..", "a/../b", ".git/config", "a/.GIT/x", "a\x00b"} {
		if got, err := db.WriteTree("", []gitdb.Edit{{Path: p, OID: id}}); err == nil {
			t.Errorf("wrote %q into %s", p, got)
		}
	}
	base := must[gitdb.OID](t)(db.WriteTree("", []gitdb.Edit{{Path: "d/x", OID: id}, {Path: "f", OID: id}}))
	for _, p := range []string{"d", "f/x"} {
		if got, err := db.WriteTree(base, []gitdb.Edit{{Path: p, OID: id}}); err == nil {
			t.Errorf("wrote %q over what was there, into %s", p, got)
		}
	}
	if got := must[gitdb.OID](t)(db.WriteTree(base, []gitdb.Edit{{Path: "d/x"}, {Path: "f"}, {Path: "none/x"}, {Path: "g"}})); got != gitdb.EmptyTree {
		t.Errorf("after removing everything: %s", got)
	}
}

package loop_test

import (
	"bytes"
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/signature"
	"github.com/assent-dev/assent/examples"
)

func (w *world) openBox(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
	name := c.Ref().Name
	return sandbox.Open(ctx, sandbox.Config{Connection: name, Path: w.path(string(name) + ".db")})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) signature.Signer {
	t.Helper()
	key, _, err := signature.Generate("test")
	must(t, err)
	return key
}

func (w *world) quickstart() map[string][]byte {
	w.t.Helper()
	root, err := examples.Quickstart()
	must(w.t, err)
	files := map[string][]byte{}
	must(w.t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "README.md" {
			return err
		}
		raw, err := fs.ReadFile(root, name)
		if who, ok := strings.CutPrefix(name, "directory/users/"); ok && err == nil {
			who = strings.TrimSuffix(who, ".yaml")
			w.keys[who] = newKey(w.t)
			raw = w.rekey(raw, who)
		}
		files[name] = raw
		return err
	}))
	return files
}

// rekey puts the key of a person made for this world into their file.
func (w *world) rekey(raw []byte, who string) []byte {
	lines := bytes.Split(raw, []byte("\n"))
	for i, l := range lines {
		if at := bytes.Index(l, []byte("ssh-ed25519 ")); at >= 0 {
			lines[i] = append(append([]byte{}, l[:at]...), w.keys[who].Public().String()...)
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// commit writes a commit with changed files (nil removes) on top of another.
func (w *world) commit(parent gitdb.OID, files map[string][]byte, more ...gitdb.OID) gitdb.OID {
	w.t.Helper()
	base := gitdb.OID("")
	var parents []gitdb.OID
	if parent != "" {
		c, err := w.db.Commit(parent)
		must(w.t, err)
		base, parents = c.Tree, append([]gitdb.OID{parent}, more...)
	}
	who := gitdb.Person{Name: "somebody", Email: "somebody@example.com", When: w.clock}
	oid, err := w.db.WriteCommit(gitdb.Commit{Tree: w.tree(base, files), Parents: parents, Author: who, Committer: who, Message: "by hand\n"}, nil)
	must(w.t, err)
	return oid
}

func (w *world) tree(base gitdb.OID, files map[string][]byte) gitdb.OID {
	w.t.Helper()
	var edits []gitdb.Edit
	for name, raw := range files {
		e := gitdb.Edit{Path: name}
		if raw != nil {
			blob, err := w.db.WriteBlob(raw)
			must(w.t, err)
			e.OID = blob
		}
		edits = append(edits, e)
	}
	tree, err := w.db.WriteTree(base, edits)
	must(w.t, err)
	return tree
}

func (w *world) tip(ref string) gitdb.OID {
	w.t.Helper()
	oid, err := w.db.Resolve(ref)
	must(w.t, err)
	return oid
}

// byHand commits to main without a pull request.
func (w *world) byHand(files map[string][]byte) gitdb.OID {
	w.t.Helper()
	old := w.tip(mainRef)
	oid := w.commit(old, files)
	must(w.t, w.db.MoveRef(mainRef, old, oid))
	return oid
}

func (w *world) set() *resource.Set {
	w.t.Helper()
	s, err := w.loader.At(w.t.Context(), w.tip(mainRef))
	must(w.t, err)
	return s.Set
}

func (w *world) file(name string) []byte {
	w.t.Helper()
	c, err := w.db.Commit(w.tip(mainRef))
	must(w.t, err)
	e, ok, err := w.db.Find(c.Tree, name)
	must(w.t, err)
	if !ok {
		w.t.Fatalf("no file %s on main", name)
	}
	raw, err := w.db.Blob(e.OID, 1<<20)
	must(w.t, err)
	return raw
}

// replaced is a file of main with a text replaced.
func (w *world) replaced(name, was, is string) []byte {
	w.t.Helper()
	raw := w.file(name)
	if !bytes.Contains(raw, []byte(was)) {
		w.t.Fatalf("%s does not contain %q", name, was)
	}
	return bytes.Replace(raw, []byte(was), []byte(is), 1)
}

// sandbox makes the platform of a connection, with the tables of the quickstart.
func (w *world) sandbox(name resource.Name) *sandbox.Sandbox {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := sandbox.Open(ctx, sandbox.Config{Connection: name, Path: w.path(string(name) + ".db")})
	must(w.t, err)
	w.t.Cleanup(func() { _ = s.Close() })
	for who := range w.keys {
		if who != "root" && who != "determining" && who != "reconciling" {
			must(w.t, s.CreateAccount(ctx, who))
		}
	}
	for d := range resource.Of[*resource.DataSource](w.set()) {
		if d.Spec.Connection != name {
			continue
		}
		row := make([]string, len(d.Spec.Columns))
		for i, c := range d.Spec.Columns {
			row[i] = "secret-" + c.Name
			if strings.Contains(c.Type, "int") || strings.Contains(c.Type, "num") {
				row[i] = "7"
			}
		}
		must(w.t, s.CreateTable(ctx, d.Spec.Path, d.Spec.Columns, [][]string{row}))
	}
	w.boxes[name] = s
	return s
}

// addresses are what people write after FROM to read each product.
func (w *world) addresses() map[resource.Name]string {
	out := map[resource.Name]string{}
	for _, r := range grant.Desired(w.set(), nil, w.clock).Roles {
		if len(r.Objects) > 0 {
			out[r.Scope.Name] = w.boxes[r.Connection].Address(r.RoleKey, r.Objects[0])
		}
	}
	return out
}

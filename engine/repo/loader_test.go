package repo

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
)

const assentYAML = "apiVersion: assent.dev/v1\nkind: Repository\nmetadata:\n  name: acme\nspec:\n  id: acme\n  forge: local\n"

func personYAML(name, email string) string {
	return "apiVersion: assent.dev/v1\nkind: User\nmetadata:\n  name: " + name + "\nspec:\n  email: " + email + "\n"
}

// commit writes files over a tree and commits them; an empty content removes.
func commit(tb testing.TB, db *gitdb.DB, parent gitdb.OID, files map[string]string, modes map[string]gitdb.Mode) gitdb.OID {
	tb.Helper()
	base := gitdb.EmptyTree
	var parents []gitdb.OID
	if parent != "" {
		c, err := db.Commit(parent)
		if err != nil {
			tb.Fatal(err)
		}
		base, parents = c.Tree, []gitdb.OID{parent}
	}
	var edits []gitdb.Edit
	for file, text := range files {
		edit := gitdb.Edit{Path: file, Mode: modes[file]}
		if text != "" {
			oid, err := db.WriteBlob([]byte(text))
			if err != nil {
				tb.Fatal(err)
			}
			edit.OID = oid
		}
		edits = append(edits, edit)
	}
	tree, err := db.WriteTree(base, edits)
	if err != nil {
		tb.Fatal(err)
	}
	who := gitdb.Person{Name: "t", Email: "t@example.com", When: time.Unix(1_700_000_000, 0)}
	oid, err := db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: who, Committer: who, Message: "t\n"}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return oid
}

func newDB(tb testing.TB) *gitdb.DB {
	tb.Helper()
	db, err := gitdb.Init(tb.TempDir(), "main", true)
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

func refs(s *resource.Set) []string {
	var out []string
	for r := range s.All() {
		out = append(out, r.Ref().String())
	}
	return out
}

func TestOnlyChangedFilesAreParsedAgain(t *testing.T) {
	db := newDB(t)
	first := commit(t, db, "", map[string]string{
		"assent.yaml": assentYAML, "directory/users/kim.yaml": personYAML("kim", "a@b"), "directory/users/lee.yaml": personYAML("lee", "a@b"),
		"policies/own.rego": "package own\n", "README.md": "x",
	}, nil)
	second := commit(t, db, first, map[string]string{"directory/users/lee.yaml": personYAML("lee", "c@d")}, nil)

	l := NewLoader(db)
	var mu sync.Mutex
	var parsed []string
	l.parsed = func(file string) { mu.Lock(); parsed = append(parsed, file); mu.Unlock() }
	load := func(c gitdb.OID) (*Snapshot, []string) {
		parsed = nil
		s, err := l.At(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(parsed)
		return s, parsed
	}
	_, got := load(first)
	if diff := cmp.Diff([]string{"assent.yaml", "directory/users/kim.yaml", "directory/users/lee.yaml", "policies/own.rego"}, got); diff != "" {
		t.Errorf("first: (-want +parsed)\n%s", diff)
	}
	snap, got := load(second)
	if diff := cmp.Diff([]string{"directory/users/lee.yaml"}, got); diff != "" {
		t.Errorf("second: (-want +parsed)\n%s", diff)
	}
	lee, ok := resource.Get[*resource.User](snap.Set, resource.KindUser, "lee")
	if !ok || lee.Spec.Email != "c@d" {
		t.Errorf("the second commit shows %+v", lee)
	}
	if _, got = load(first); len(got) > 0 {
		t.Errorf("back at the first: parsed %v", got)
	}
	if snap.Commit != second || snap.Tree == "" || len(snap.Files) != 5 || snap.Policies["policies/own.rego"] != "package own\n" {
		t.Errorf("snapshot is %+v", snap)
	}
}

func TestTheSameTreeIsReadOnce(t *testing.T) {
	db := newDB(t)
	l := NewLoader(db)
	first := commit(t, db, "", map[string]string{"assent.yaml": assentYAML}, nil)
	empty := commit(t, db, first, nil, nil) // another commit of the same tree
	a, err := l.At(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.At(t.Context(), empty)
	if err != nil {
		t.Fatal(err)
	}
	if a.Set != b.Set || a.Commit != first || b.Commit != empty {
		t.Errorf("sets %p and %p, commits %s and %s", a.Set, b.Set, a.Commit, b.Commit)
	}
	last := first
	for i := range 3 * maxRecent {
		last = commit(t, db, last, map[string]string{"directory/users/kim.yaml": personYAML("kim", fmt.Sprintf("a%d@b", i))}, nil)
		if _, err := l.At(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.recent) != maxRecent {
		t.Errorf("%d trees are kept, want %d", len(l.recent), maxRecent)
	}
}

// The same bytes at another path are another resource, not a remembered one.
func TestSameBytesAtAnotherPathAreJudgedThere(t *testing.T) {
	db := newDB(t)
	first := commit(t, db, "", map[string]string{"assent.yaml": assentYAML, "directory/users/kim.yaml": personYAML("kim", "a@b")}, nil)
	second := commit(t, db, first, map[string]string{"directory/users/lee.yaml": personYAML("kim", "a@b"), "directory/groups/kim.yaml": personYAML("kim", "a@b")}, nil)
	l := NewLoader(db)
	if s, err := l.At(t.Context(), first); err != nil || len(s.Problems) > 0 {
		t.Fatal(err, s)
	}
	s, err := l.At(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, d := range s.Problems {
		codes = append(codes, string(d.Code))
	}
	if diff := cmp.Diff([]string{string(CodeWrongKind), string(CodeFileName)}, codes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestGitModesAreRefusedWithTheirNumber(t *testing.T) {
	db := newDB(t)
	c := commit(t, db, "", map[string]string{
		"assent.yaml": assentYAML, "directory/users/kim.yaml": personYAML("kim", "a@b"), "domains": "elsewhere", "products/x.yaml": "../secret", "masking": "m",
	}, map[string]gitdb.Mode{"directory/users/kim.yaml": gitdb.ModeExec, "domains": gitdb.ModeSymlink, "products/x.yaml": gitdb.ModeSymlink, "masking": gitdb.ModeModule})
	s, err := NewLoader(db).At(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range s.Problems {
		got = append(got, string(d.Code)+" "+d.Message)
	}
	want := []string{
		"REPO005 directory/users/kim.yaml is executable (mode 100755), want an ordinary file (mode 100644)",
		"REPO005 domains is a symbolic link (mode 120000), want an ordinary file (mode 100644)",
		"REPO005 masking is a submodule (mode 160000), want an ordinary file (mode 100644)",
		"REPO005 products/x.yaml is a symbolic link (mode 120000), want an ordinary file (mode 100644)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Repository/acme", "RequestForm/standard"}, refs(s.Set)); diff != "" {
		t.Errorf("set (-want +got)\n%s", diff)
	}
}

func TestEmptyRepositoryHasTheStandardForm(t *testing.T) {
	s, err := LoadDir(t.Context(), fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	form, ok := resource.Get[*resource.RequestForm](s.Set, resource.KindRequestForm, resource.StandardForm)
	if !ok || s.Set.Len() != 1 {
		t.Fatalf("set is %v", refs(s.Set))
	}
	if form.Source.File != "builtin:forms/standard.yaml" || !Builtin(form) || form.Spec.Review.Mode != resource.ReviewDelegated || !strings.HasPrefix(form.Digest(), "sha256:") {
		t.Errorf("form is %+v", form)
	}
	if len(s.Problems) != 1 || s.Problems[0].Code != CodeNoRepository {
		t.Errorf("problems are %v", s.Problems)
	}
}

// A file that cannot be read as a file of its kind never hides another one.
func TestBrokenFilesAreLeftOutAlone(t *testing.T) {
	s, err := LoadDir(t.Context(), fstest.MapFS{
		"assent.yaml":              {Data: []byte(assentYAML)},
		"directory/users/kim.yaml": {Data: []byte(personYAML("kim", "nobody"))},
		"directory/users/lee.yaml": {Data: []byte(personYAML("lee", "a@b"))},
		"directory/users/max.yaml": {Data: []byte("\x00")},
		"policies/bad.rego":        {Data: []byte("package a\u202e")},
		"policies/own.rego":        {Data: []byte("package own")},
		".github/workflows/x.yaml": {Data: []byte("apiVersion: assent.dev/v1")},
		"docs/huge.yaml":           {Data: []byte("apiVersion: assent.dev/v1\n" + strings.Repeat("#", MaxFileBytes))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Repository/acme", "RequestForm/standard", "User/lee"}, refs(s.Set)); diff != "" {
		t.Errorf("set (-want +got)\n%s", diff)
	}
	if len(s.Problems) != 3 || len(s.Policies) != 1 {
		t.Errorf("problems %v, policies %v", s.Problems, s.Policies)
	}
}

// The accepted files of testdata/ok cover every kind, and are the same from a
// work tree and from git.
func TestWorkTreeAndCommitGiveTheSame(t *testing.T) {
	fsys := os.DirFS("testdata/ok")
	fromDir, err := LoadDir(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range fromDir.Files {
		raw, tooLarge, err := readBounded(fsys, e.Path, 1<<20)
		if err != nil || tooLarge {
			t.Fatal(err)
		}
		files[e.Path] = string(raw)
	}
	db := newDB(t)
	fromGit, err := NewLoader(db).At(t.Context(), commit(t, db, "", files, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Snapshot{fromDir, fromGit} {
		if len(s.Problems) > 0 {
			t.Fatalf("problems: %v", s.Problems)
		}
	}
	if diff := cmp.Diff(refs(fromDir.Set), refs(fromGit.Set)); diff != "" {
		t.Errorf("(-dir +git)\n%s", diff)
	}
	if changes := resource.Diff(fromDir.Set, fromGit.Set); len(changes) > 0 {
		t.Errorf("changes: %v", changes)
	}
	kinds := map[resource.Kind]bool{}
	for r := range fromGit.Set.All() {
		kinds[r.Ref().Kind] = true
		if r.Origin().OID == "" && !Builtin(r) {
			t.Errorf("%s has no object id", r.Ref())
		}
	}
	for _, k := range resource.Kinds() {
		if !kinds[k] {
			t.Errorf("testdata/ok has no %s", k)
		}
	}
	source := resource.Name("warehouse/sales/public/orders-b7e8acdd")
	if _, ok := resource.Get[*resource.DataSource](fromGit.Set, resource.KindDataSource, source); !ok {
		t.Errorf("no source %s in %v", source, refs(fromGit.Set))
	}
}

func TestSlugsKeepNamesApart(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"orders", "Orders", "ORDERS", "o rders", "o-rders", "o/rders", "..", ".", "", "-", "_", "a.b", "données", "日本", strings.Repeat("x", 63), strings.Repeat("x", 200), strings.Repeat("x", 201), "x\n", "orders-", "null"} {
		s := Slug(name)
		if !slugPattern.MatchString(s) {
			t.Errorf("Slug(%q) = %q is no slug", name, s)
		}
		if was, ok := seen[s]; ok {
			t.Errorf("%q and %q share %q", was, name, s)
		}
		seen[s] = name
	}
	if got := SourceFile("warehouse", []string{"sales", "public", "orders"}); got != "sources/warehouse/sales/public/orders.yaml" {
		t.Errorf("got %s", got)
	}
}

func TestCanceledLoadIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := LoadDir(ctx, fstest.MapFS{"assent.yaml": {Data: []byte(assentYAML)}}); err == nil {
		t.Errorf("got %v", s)
	}
}

func TestUnreadableCommitIsAnError(t *testing.T) {
	if s, err := NewLoader(newDB(t)).At(t.Context(), gitdb.OID(strings.Repeat("1", 40))); err == nil {
		t.Errorf("got %v", s)
	}
}

func TestConcurrentLoadsGiveTheSame(t *testing.T) {
	db := newDB(t)
	base := map[string]string{"assent.yaml": assentYAML}
	for i := range 40 {
		base[fmt.Sprintf("directory/users/u%d.yaml", i)] = personYAML(fmt.Sprintf("u%d", i), "a@b")
	}
	commits := []gitdb.OID{commit(t, db, "", base, nil)}
	for i := range 4 {
		commits = append(commits, commit(t, db, commits[i], map[string]string{fmt.Sprintf("directory/users/u%d.yaml", i): personYAML(fmt.Sprintf("u%d", i), "c@d")}, nil))
	}
	l := NewLoader(db)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			n := i % len(commits)
			s, err := l.At(t.Context(), commits[n])
			if err != nil {
				t.Error(err)
				return
			}
			changed := 0
			for u := range resource.Of[*resource.User](s.Set) {
				if u.Spec.Email == "c@d" {
					changed++
				}
			}
			if changed != n || s.Set.Len() != 42 {
				t.Errorf("commit %d shows %d changes and %d resources", n, changed, s.Set.Len())
			}
		})
	}
	wg.Wait()
}

func benchmarkRepository(b *testing.B, n int) (*gitdb.DB, gitdb.OID) {
	b.Helper()
	db := newDB(b)
	files := map[string]string{"assent.yaml": assentYAML}
	for i := range n {
		product, name := fmt.Sprintf("product-%d", i%100), fmt.Sprintf("request-%d", i)
		files["requests/"+product+"/"+name+".yaml"] = "apiVersion: assent.dev/v1\nkind: AccessRequest\nmetadata:\n  name: " + name + "\nspec:\n  type: data-access\n  target:\n    product: " + product +
			"\n  requester: ana\n  beneficiaries:\n    - user: ana\n  accessLevel: read\n  duration: 90d\n  form:\n    name: standard\n    digest: sha256:" + strings.Repeat("ab", 32) +
			"\n  answers:\n    purpose: Quarterly report for finance, number " + name + "\n    duration: 90d\n"
	}
	return db, commit(b, db, "", files, nil)
}

func BenchmarkLoad10kRequests(b *testing.B) {
	db, c := benchmarkRepository(b, 10_000)
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			if s, err := NewLoader(db).At(b.Context(), c); err != nil || len(s.Problems) > 0 {
				b.Fatal(err, s.Problems)
			}
		}
	})
	b.Run("warm, one file added", func(b *testing.B) {
		l := NewLoader(db)
		if _, err := l.At(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		next := commit(b, db, c, map[string]string{"directory/users/kim.yaml": personYAML("kim", "a@b")}, nil)
		for b.Loop() {
			if _, err := l.At(b.Context(), next); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode one", func(b *testing.B) {
		s, err := NewLoader(db).At(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		r, _ := s.Set.Find(resource.Ref{Kind: resource.KindAccessRequest, Name: "request-77"})
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := Decode(r.Origin().File, "", r.Origin().Raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

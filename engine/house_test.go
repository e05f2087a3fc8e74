// Package engine_test holds the rules of the house: what the linter cannot see,
// and, as a second line, which package may import which.
package engine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/assent-dev/assent/"

// The most that a file and a function may have; the aim is 300 and 50.
const (
	maxFileLines = 500
	maxFuncLines = 100
)

// pureCore may know no clock, file, network, database or log.
var pureCore = []string{
	"engine/diag", "engine/resource", "engine/validate", "engine/grant", "engine/plan", "engine/review",
}

// suites are test code that other packages' tests call.
var suites = []string{"engine/platform/platformtest", "engine/forge/forgetest"}

// source is one parsed Go file; path is relative to the module's root.
type source struct {
	path  string
	fset  *token.FileSet
	ast   *ast.File
	lines int
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// in reports whether the file is in one of the folders, or below it.
func (s source) in(folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return s.dir() == f || strings.HasPrefix(s.dir(), f+"/")
	})
}

// root is the module's root, seen from this package.
const root = ".."

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	walk(t, func(name string, raw []byte) {
		if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
			return
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, raw, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse %s: %v", name, err)
		}
		out = append(out, source{name, fset, file, strings.Count(string(raw), "\n")})
	})
	if len(out) == 0 {
		t.Fatal("found no Go files: the walk is broken")
	}
	return out
}

// walk reads every file of the repository that git would keep.
func walk(t *testing.T, visit func(name string, raw []byte)) {
	t.Helper()
	skip := []string{".git", "bin", "play"}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if slices.Contains(skip, name) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || name == ".git" { // in a worktree it is a file
			return nil
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		visit(name, raw)
		return nil
	})
	if err != nil {
		t.Fatalf("walk repository: %v", err)
	}
}

// Goroutines live in the reconciler, at the HTTP edge and in commands. Two more
// places have a reason, which their package comments give: the loader parses in
// parallel, and a private database server is waited for.
func TestGoroutinesOnlyWhereTheyBelong(t *testing.T) {
	allowed := append([]string{"engine/reconcile", "engine/server", "cmd"}, suites...)
	excused := []string{"engine/repo/loader.go", "engine/platform/private/private.go"}
	for _, s := range sources(t) {
		if s.isTest() || s.in(allowed...) || slices.Contains(excused, s.path) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: go statement; goroutines belong to engine/reconcile, engine/server and cmd", s.at(g))
			}
			return true
		})
		for _, p := range imports(s) {
			if p == "golang.org/x/sync/errgroup" {
				t.Errorf("%s: imports errgroup; goroutines belong to engine/reconcile, engine/server and cmd", s.path)
			}
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init(): registration is a map literal in cmd", s.at(f))
			}
		}
	}
}

func TestFilesAndFunctionsStayShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxFileLines {
			t.Errorf("%s: %d lines; at most %d, split by noun", s.path, s.lines, maxFileLines)
		}
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.isTest() || s.in(suites...) || isTable(f) { // a table may be long
				continue
			}
			lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			if lines > maxFuncLines {
				t.Errorf("%s: %s has %d lines; at most %d", s.at(f), f.Name.Name, lines, maxFuncLines)
			}
		}
	}
}

// isTable reports whether a function is nothing but a value.
func isTable(f *ast.FuncDecl) bool {
	if f.Body == nil || len(f.Body.List) != 1 {
		return false
	}
	ret, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return false
	}
	_, ok = ret.Results[0].(*ast.CompositeLit)
	return ok
}

// Every package says what it does, in one place.
func TestEveryPackageHasAComment(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		comments[s.dir()] = append(comments[s.dir()], "")
		if s.ast.Doc != nil {
			comments[s.dir()] = append(comments[s.dir()], s.path)
			if text := s.ast.Doc.Text(); s.ast.Name.Name != "main" && !strings.HasPrefix(text, "Package "+s.ast.Name.Name+" ") {
				t.Errorf("%s: the package comment starts with %q, not with its name", s.path, strings.SplitN(text, "\n", 2)[0])
			}
		}
	}
	for dir, list := range comments {
		with := slices.DeleteFunc(list, func(p string) bool { return p == "" })
		switch len(with) {
		case 0:
			t.Errorf("%s: no package comment", dir)
		case 1:
		default:
			t.Errorf("%s: package comments in %v; one place", dir, with)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					t.Errorf("%s: %s is exported and has no comment", s.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, name := range undocumented(d) {
					t.Errorf("%s: %s is exported and has no comment", s.at(name), name.Name)
				}
			}
		}
	}
}

// exportedReceiver reports whether a function is part of the package's surface:
// no receiver, or one of an exported type.
func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return true
	}
	typ := f.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// undocumented lists the exported names of a declaration without a comment: a
// group's own comment serves all of its constants and variables.
func undocumented(d *ast.GenDecl) []*ast.Ident {
	var out []*ast.Ident
	for _, spec := range d.Specs {
		switch x := spec.(type) {
		case *ast.TypeSpec:
			if x.Name.IsExported() && x.Doc == nil && (d.Doc == nil || len(d.Specs) > 1) {
				out = append(out, x.Name)
			}
		case *ast.ValueSpec:
			for _, n := range x.Names {
				if n.IsExported() && x.Doc == nil && x.Comment == nil && d.Doc == nil {
					out = append(out, n)
				}
			}
		}
	}
	return out
}

func imports(s source) []string {
	var out []string
	for _, i := range s.ast.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// The repository must build and read the same on every machine: no path of one
// machine, no registry's host, no private key.
func TestNoMachinePathsHostsOrKeys(t *testing.T) {
	// Written in pieces, so that this file does not find itself.
	bad := map[string]*regexp.Regexp{
		"a machine's path":  regexp.MustCompile(`(^|[\s"'=(:` + "`" + `])/(wo` + `rk|ro` + `ot|ho` + `me)/[a-zA-Z.]`),
		"a registry's host": regexp.MustCompile(`(proxy\.gol` + `ang\.org|sum\.gol` + `ang\.org|registry\.np` + `mjs\.org|deb\.deb` + `ian\.org|pypi\.` + `org)`),
		"a private key":     regexp.MustCompile(`-{5}BEGIN [A-Z ]*PRIVATE KEY-{5}\s+[A-Za-z0-9+/=]{40}`),
	}
	walk(t, func(name string, raw []byte) {
		for what, pattern := range bad {
			if loc := pattern.FindIndex(raw); loc != nil {
				t.Errorf("%s:%d: names %s", name, 1+strings.Count(string(raw[:loc[0]]), "\n"), what)
			}
		}
	})
}

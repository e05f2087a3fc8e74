package engine_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// mayImport is the direction of imports: what each package may know of Assent
// itself. A package that is missing here fails the test, so a new one has to
// say where it stands.
var mayImport = map[string][]string{
	"schemas":                                 {},
	"policies":                                {},
	"examples":                                {},
	"engine/diag":                             {},
	"engine/policy":                           {"policies"},
	"engine/gitdb":                            {},
	"engine/signature":                        {},
	"engine/resource":                         {"engine/diag"},
	"engine/repo":                             {"engine/diag", "engine/resource", "engine/gitdb", "schemas"},
	"engine/validate":                         {"engine/diag", "engine/resource"},
	"engine/report":                           {"engine/diag", "engine/resource", "engine/review", "engine/grant", "engine/audit"},
	"engine/review":                           {"engine/resource"},
	"engine/scenario":                         {"engine/diag", "engine/resource", "engine/repo", "engine/review"},
	"engine/grant":                            {"engine/resource"},
	"engine/plan":                             {"engine/grant", "engine/resource"},
	"engine/ledger":                           {"engine/signature", "engine/gitdb"},
	"engine/forge":                            {"engine/review"},
	"engine/forge/change":                     {"engine/forge", "engine/review", "engine/gitdb"},
	"engine/forge/local":                      {"engine/forge", "engine/forge/change", "engine/review", "engine/gitdb", "engine/signature", "engine/resource"},
	"engine/forge/github":                     {"engine/forge", "engine/forge/change", "engine/review", "engine/gitdb"},
	"engine/forge/github/githubtest":          {"engine/gitdb"},
	"engine/forge/github/githubtest/judge":    {"engine/forge/github/githubtest"},
	"engine/forge/gitea":                      {"engine/forge", "engine/forge/change", "engine/review", "engine/gitdb"},
	"engine/forge/gitea/giteatest":            {"engine/gitdb", "engine/platform/private"},
	"engine/forge/forgetest":                  {"engine/forge", "engine/review", "engine/resource", "engine/policy", "policies"},
	"engine/platform":                         {"engine/plan", "engine/grant", "engine/resource"},
	"engine/platform/sandbox":                 {"engine/platform", "engine/plan", "engine/grant", "engine/resource"},
	"engine/platform/postgres":                {"engine/platform", "engine/platform/private", "engine/plan", "engine/grant", "engine/resource"},
	"engine/platform/mysql":                   {"engine/platform", "engine/platform/private", "engine/plan", "engine/grant", "engine/resource"},
	"engine/platform/private":                 {},
	"engine/platform/connector":               {"engine/platform", "engine/plan", "engine/grant", "engine/resource"},
	"engine/platform/connector/connectortest": {"engine/platform", "engine/platform/connector", "engine/platform/platformtest", "engine/resource"},
	"engine/platform/platformtest":            {"engine/platform", "engine/plan", "engine/grant", "engine/resource"},
	"engine/adopt":                            {"engine/platform", "engine/grant", "engine/resource"},
	"engine/determine": {
		"engine/diag", "engine/resource", "engine/validate", "engine/repo", "engine/review", "engine/policy",
		"engine/grant", "engine/forge", "engine/ledger", "engine/signature", "engine/gitdb", "policies",
	},
	"engine/audit": {
		"engine/resource", "engine/repo", "engine/review", "engine/policy", "engine/grant", "engine/plan",
		"engine/ledger", "engine/signature", "engine/gitdb", "engine/determine",
	},
	"engine/reconcile": {
		"engine/diag", "engine/resource", "engine/repo", "engine/grant", "engine/plan", "engine/platform",
		"engine/ledger", "engine/signature", "engine/gitdb", "engine/audit", "engine/adopt",
	},
	"engine/server": {},
}

// onlyIn is the one room of each heavy dependency.
var onlyIn = map[string][]string{
	"github.com/open-policy-agent/": {"engine/policy", "policies"},
	"github.com/jackc/":             {"engine/platform/postgres", "engine/server"},
	"github.com/riverqueue/":        {"engine/server"},
	"modernc.org/":                  {"engine/server"},
	"github.com/prometheus/":        {"engine/server"},
	"github.com/go-sql-driver/":     {"engine/platform/mysql"},
	"github.com/google/go-github/":  {"engine/forge/github"},
	"github.com/go-git/":            {"engine/gitdb"},
	"zombiezen.com/":                {"engine/platform/sandbox"},
	"github.com/getkin/":            {"engine/forge/github/githubtest/judge"},
}

// coreForbids is what the pure core may not know. Addresses as values are no
// network.
var (
	coreForbids = []string{"os", "net", "database", "log", "syscall"}
	coreExcepts = []string{"net/netip", "net/url"}
)

func TestImportsRunDown(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.in("cmd") {
			continue
		}
		allowed, known := mayImport[s.dir()]
		if !known {
			t.Errorf("%s: package %s has no line in mayImport", s.path, s.dir())
			continue
		}
		for _, p := range imports(s) {
			inner, ours := strings.CutPrefix(p, module)
			if ours && !slices.Contains(allowed, inner) {
				t.Errorf("%s: %s may not import %s", s.path, s.dir(), inner)
			}
		}
	}
}

// The linter's configuration says the same: neither may be eased alone.
func TestLinterHoldsTheSameDirection(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct{ Allow []string }
				}
			}
		}
	}
	if err := yaml.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	for pkg, want := range mayImport {
		name, inEngine := strings.CutPrefix(pkg, "engine/")
		if !inEngine {
			continue
		}
		rule, ok := config.Linters.Settings.Depguard.Rules[strings.ReplaceAll(name, "/", "-")]
		if !ok {
			t.Errorf("depguard has no rule for %s", pkg)
			continue
		}
		var got []string
		for _, a := range rule.Allow {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(a, module), "$"))
		}
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			t.Errorf("depguard lets %s import %v, want %v", pkg, got, want)
		}
	}
}

func TestHeavyDependenciesHaveOneRoom(t *testing.T) {
	for _, s := range sources(t) {
		for _, p := range imports(s) {
			for prefix, rooms := range onlyIn {
				endToEnd := strings.HasPrefix(s.path, "cmd/assent/e2e_") // speaks to a server as people do
				if strings.HasPrefix(p, prefix) && !s.in(rooms...) && !endToEnd {
					t.Errorf("%s: imports %s; only %v may", s.path, p, rooms)
				}
			}
		}
	}
}

// Every fake GitHub of a test is judged by GitHub's own description, and nothing
// of the judge is in the program.
func TestFakeGitHubsAreJudged(t *testing.T) {
	const dir = "engine/forge/github/githubtest"
	for _, s := range sources(t) {
		if s.in(dir) {
			continue
		}
		if !s.isTest() && slices.Contains(imports(s), module+dir+"/judge") {
			t.Errorf("%s: imports the judge, which is for tests", s.path)
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !s.isTest() || !selects(call.Fun, "githubtest", "Start") {
				return true
			}
			if first, ok := call.Args[0].(*ast.CallExpr); !ok || !selects(first.Fun, "judge", "Context") {
				t.Errorf("%s: githubtest.Start without judge.Context(t): nobody judges what is sent and answered", s.at(call))
			}
			return true
		})
	}
}

func selects(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg && sel.Sel.Name == name
}

func TestPureCoreKnowsNoWorld(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	for _, s := range sources(t) {
		if s.isTest() || !s.in(pureCore...) {
			continue
		}
		for _, p := range imports(s) {
			forbidden := slices.ContainsFunc(coreForbids, func(f string) bool { return p == f || strings.HasPrefix(p, f+"/") })
			if forbidden && !slices.Contains(coreExcepts, p) {
				t.Errorf("%s: the core may not import %s", s.path, p)
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, sel.Sel.Name) {
				t.Errorf("%s: the core may not call time.%s; take now", s.at(sel), sel.Sel.Name)
			}
			return true
		})
	}
}

// A package-level variable of the core is a constant that Go cannot spell: an
// error, a pattern, a table, a guard. Nothing may write to it.
func TestPureCoreHasNoMutableState(t *testing.T) {
	vars := map[string]map[string]bool{} // by folder, then name
	all := sources(t)
	for _, s := range all {
		if s.isTest() || !s.in(pureCore...) {
			continue
		}
		if vars[s.dir()] == nil {
			vars[s.dir()] = map[string]bool{}
		}
		for _, v := range packageVars(s.ast) {
			for i, name := range v.Names {
				if name.Name == "_" {
					continue
				}
				vars[s.dir()][name.Name] = true
				if i >= len(v.Values) || !constantLike(v.Values[i]) {
					t.Errorf("%s: %s is state; the core has none", s.at(name), name.Name)
				}
			}
		}
	}
	for _, s := range all {
		if s.isTest() || !s.in(pureCore...) {
			continue
		}
		for _, w := range writes(s.ast, vars[s.dir()]) {
			t.Errorf("%s: writes to the package variable %s", s.at(w), w.Name)
		}
	}
}

func packageVars(f *ast.File) []*ast.ValueSpec {
	var out []*ast.ValueSpec
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, spec := range g.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// constantLike reports whether a value never changes by itself: a table, or
// what errors.New, regexp.MustCompile and their like return.
func constantLike(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.CompositeLit, *ast.FuncLit, *ast.BasicLit:
		return true
	case *ast.CallExpr:
		sel, ok := x.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, ok := sel.X.(*ast.Ident)
		return ok && slices.Contains([]string{
			"errors.New", "regexp.MustCompile", "strings.NewReplacer", "time.Date",
		}, pkg.Name+"."+sel.Sel.Name)
	}
	return false
}

// writes finds assignments to, and addresses taken of, package variables. A
// local name that hides one is told apart by where it is declared.
func writes(f *ast.File, vars map[string]bool) []*ast.Ident {
	var out []*ast.Ident
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		hidden := locals(fn)
		target := func(e ast.Expr) {
			if id := base(e); id != nil && vars[id.Name] && !hidden[id.Name] {
				out = append(out, id)
			}
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.AssignStmt:
				if x.Tok != token.DEFINE {
					for _, l := range x.Lhs {
						target(l)
					}
				}
			case *ast.IncDecStmt:
				target(x.X)
			case *ast.UnaryExpr:
				if x.Op == token.AND {
					target(x.X)
				}
			}
			return true
		})
	}
	return out
}

// base is the variable at the root of a.b[i].c.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// locals are the names that a function declares.
func locals(fn *ast.FuncDecl) map[string]bool {
	out := map[string]bool{}
	add := func(fields *ast.FieldList) {
		if fields == nil {
			return
		}
		for _, f := range fields.List {
			for _, n := range f.Names {
				out[n.Name] = true
			}
		}
	}
	add(fn.Recv)
	ast.Inspect(fn, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.FuncType:
			add(x.Params)
			add(x.Results)
		case *ast.AssignStmt:
			if x.Tok == token.DEFINE {
				for _, l := range x.Lhs {
					if id, ok := l.(*ast.Ident); ok {
						out[id.Name] = true
					}
				}
			}
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{x.Key, x.Value} {
				if id, ok := e.(*ast.Ident); ok {
					out[id.Name] = true
				}
			}
		case *ast.ValueSpec:
			for _, n := range x.Names {
				out[n.Name] = true
			}
		}
		return true
	})
	return out
}

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	customPackage = "assent.custom"
	addHint       = "an organisation's rules add constraints: package assent.custom.<name> with deny contains msg if { ... }"
	readHint      = "what a rule needs to know is in input; other data cannot be read or replaced"
)

// checkSize refuses rules that nobody could have read.
func checkSize(custom map[string]string) Problems {
	size, last := 0, ""
	for _, file := range slices.Sorted(maps.Keys(withoutTests(custom))) {
		if size += len(custom[file]); size > maxSource && last == "" {
			last = file
		}
	}
	if last == "" {
		return nil
	}
	return Problems{{File: last, Message: fmt.Sprintf("the rules are %d bytes together; at most %d", size, maxSource), Hint: "take out tables of data; what a rule needs to know is in input"}}
}

// checkCustom finds what the organisation's module does beyond adding
// constraints: it may define helpers and a partial set "deny" in its own
// package, read input and call the other packages below assent.custom.
func checkCustom(m *ast.Module) Problems {
	ps := checkPackage(m)
	for _, imp := range m.Imports {
		path, ok := imp.Path.Value.(ast.Ref)
		if ok && path[0].Equal(ast.DefaultRootDocument) && !inCustom(path) {
			ps = append(ps, problemAt(imp.Location, readHint, "imports %s", path))
		}
	}
	for _, rule := range m.Rules {
		ps = append(ps, checkRule(rule)...)
	}
	return append(ps, checkBodies(m)...)
}

func checkPackage(m *ast.Module) Problems {
	path := m.Package.Path
	if inCustom(path) && len(path) == 4 {
		return nil
	}
	return Problems{problemAt(m.Package.Location, addHint, "%s is not of the form assent.custom.<name>", m.Package)}
}

// inCustom reports whether a reference lies below data.assent.custom.
func inCustom(ref ast.Ref) bool {
	if len(ref) < 4 {
		return false
	}
	want := ast.MustParseRef("data." + customPackage)
	return ref[:3].Equal(want) && ast.IsConstant(ref[3].Value)
}

func checkRule(rule *ast.Rule) Problems {
	var ps Problems
	name := ""
	if ref := rule.Head.Ref(); len(ref) > 0 {
		name = strings.Trim(ref[0].Value.String(), `"`)
	}
	switch {
	case name == "decision" || name == "approve" || name == "allow":
		ps = append(ps, problemAt(rule.Location, addHint, "defines %s: decisions are made by the built-in rules alone", name))
	case name == "deny" && (rule.Head.RuleKind() != ast.MultiValue || len(rule.Head.Ref()) != 1 || rule.Default):
		ps = append(ps, problemAt(rule.Location, addHint, "deny is not a set of messages"))
	case name == "deny" && isConstantButText(rule.Head.Key):
		ps = append(ps, problemAt(rule.Location, `a message is a text, or {"msg": text}`, "deny holds %s, which is no message", rule.Head.Key))
	}
	return ps
}

func isConstantButText(key *ast.Term) bool {
	if key == nil {
		return false
	}
	switch key.Value.(type) {
	case ast.Number, ast.Boolean, ast.Null, *ast.Array, ast.Set:
		return true
	default:
		return false
	}
}

// checkBodies looks through every expression of a module for mocking, for
// references out of its bounds and for builtins that are not for it.
func checkBodies(m *ast.Module) Problems {
	var ps Problems
	refused := append(builtinOnly(), "print") // the compiler drops print instead of refusing it
	for _, rule := range m.Rules {
		ast.WalkWiths(rule, func(w *ast.With) bool {
			ps = append(ps, problemAt(w.Location, readHint, "replaces %s: with is for tests", w.Target))
			return false
		})
		ast.WalkRefs(rule, func(ref ast.Ref) bool {
			switch {
			case ref[0].Equal(ast.DefaultRootDocument) && !inCustom(ref):
				ps = append(ps, problemAt(ref[0].Location, readHint, "reads %s", ref))
			case slices.Contains(refused, ref.String()):
				ps = append(ps, problemAt(ref[0].Location, "rules may use only builtins that depend on their arguments alone and stay small", "undefined function %s", ref))
			}
			return false
		})
	}
	return ps
}

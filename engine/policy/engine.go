package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/version"
)

const (
	entrypoint = "data.assent.quorum.decision"
	testSuffix = "_test.rego"
	// deadline bounds one decision. A decision takes well under a millisecond;
	// what takes seconds will not end.
	deadline = 3 * time.Second
)

// ErrNoDecision is wrapped by Decide when the rules gave no single object. It
// must be read as "pending", never as a yes.
var ErrNoDecision = errors.New("rules gave no decision")

// Bundle is a set of rule files by path.
type Bundle struct{ Modules map[string]string }

// Engine is a compiled set of rules. It is safe for concurrent use.
type Engine struct {
	query           rego.PreparedEvalQuery
	builtin, custom string
	deadline        time.Duration
	reads           map[string]bool // fields of input, by the organisation's rules
	compiler        *ast.Compiler
	tracer          topdown.QueryTracer // of every decision; nil but in tests of rules
}

// Version is the version of the evaluator, as records of decisions name it.
func Version() string { return "opa " + version.Version }

// Compile compiles the built-in rules and those of the organisation, both by
// file path; files that end in _test.rego are left out. Everything that is
// wrong with the organisation's files comes back at once as Problems.
func Compile(ctx context.Context, builtin, custom map[string]string) (*Engine, error) {
	b, c := withoutTests(builtin), withoutTests(custom)
	compiler, _, err := compile(b, c, allowed(), builtinOnly())
	if err != nil {
		return nil, err
	}
	_, funcs := bounded()
	query, err := rego.New(append(funcs,
		rego.Query(entrypoint), rego.Compiler(compiler), rego.StrictBuiltinErrors(true),
	)...).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare rules: %w", err)
	}
	return &Engine{
		query: query, builtin: digest(b), custom: digest(c), deadline: deadline,
		reads: fieldsRead(compiler.Modules, c), compiler: compiler,
	}, nil
}

func withoutTests(files map[string]string) map[string]string {
	out := maps.Clone(files)
	maps.DeleteFunc(out, func(file, _ string) bool { return strings.HasSuffix(file, testSuffix) })
	return out
}

// compile parses and compiles. The capabilities are set on the compiler,
// because OPA ignores them elsewhere once it is given a compiler.
func compile(builtin, custom map[string]string, builtins ...[]string) (*ast.Compiler, map[string]*ast.Module, error) {
	caps := capabilities(builtins...)
	replacements, _ := bounded()
	caps.Builtins = append(caps.Builtins, replacements...)
	modules := map[string]*ast.Module{}
	problems := checkSize(custom)
	for _, file := range slices.Sorted(maps.Keys(builtin)) {
		m, ps := parse(file, builtin[file], caps)
		problems = append(problems, ps...)
		modules[file] = m
	}
	for _, file := range slices.Sorted(maps.Keys(custom)) {
		if _, taken := builtin[file]; taken {
			problems = append(problems, &Problem{File: file, Message: "has the path of a built-in file", Hint: "rename the file"})
			continue
		}
		m, ps := parse(file, custom[file], caps)
		if m != nil {
			ps = append(ps, admit(file, m)...)
			if !strings.HasSuffix(file, testSuffix) {
				bind(m)
			}
		}
		problems = append(problems, ps...)
		modules[file] = m
	}
	if len(problems) > 0 {
		return nil, nil, problems.sorted()
	}
	compiler := ast.NewCompiler().WithCapabilities(caps).WithStrict(true)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, nil, problemsOf("", compiler.Errors).sorted()
	}
	return compiler, modules, nil
}

func admit(file string, m *ast.Module) Problems {
	if strings.HasSuffix(file, testSuffix) {
		if p := m.Package.Path; !inCustom(p) {
			return Problems{problemAt(m.Package.Location, "tests of an organisation's rules live below assent.custom", "%s is not below assent.custom", m.Package)}
		}
		return nil
	}
	return checkCustom(m)
}

func parse(file, source string, caps *ast.Capabilities) (*ast.Module, Problems) {
	m, err := ast.ParseModuleWithOpts(file, source, ast.ParserOptions{
		RegoVersion: ast.RegoV1, Capabilities: caps, ProcessAnnotation: true,
	})
	switch {
	case err != nil:
		return nil, problemsOf(file, err)
	case m == nil:
		return nil, Problems{{File: file, Message: "is empty", Hint: "delete the file, or write a package and its rules"}}
	default:
		return m, nil
	}
}

// Decide evaluates the rules on one input at an instant: the same question
// gets the same bytes. Undefined, more than one result, anything but an object,
// an error in a builtin and a passed deadline are errors. Whether the object
// is a decision that can be followed is for the caller to say.
func (e *Engine) Decide(ctx context.Context, input any, at time.Time) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, e.deadline)
	defer cancel()
	value, err := weighInput(input)
	if err != nil {
		return nil, fmt.Errorf("evaluate rules: %w", err)
	}
	steps := &budget{ctx: ctx}
	options := []rego.EvalOption{rego.EvalParsedInput(value), rego.EvalTime(at.UTC()), rego.EvalExternalCancel(steps)}
	if e.tracer != nil {
		options = append(options, rego.EvalQueryTracer(e.tracer))
	}
	results, err := e.query.Eval(ctx, options...)
	switch {
	case err != nil && steps.steps > maxSteps:
		return nil, fmt.Errorf("evaluate rules: %w: %d steps", ErrTooCostly, maxSteps)
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("evaluate rules: %w", ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("evaluate rules: %w", plainly(err))
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 || len(results[0].Bindings) != 0 {
		return nil, fmt.Errorf("evaluate rules: %w: %d results", ErrNoDecision, len(results))
	}
	object, ok := results[0].Expressions[0].Value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("evaluate rules: %w: %T is no object", ErrNoDecision, results[0].Expressions[0].Value)
	}
	out, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode decision: %w", err)
	}
	return out, nil
}

// Digests name the rules: the SHA-256 over paths and texts of the built-in ones
// and of the organisation's, tests left out, as "sha256:" and hexadecimal.
func (e *Engine) Digests() (builtin, custom string) { return e.builtin, e.custom }

func digest(files map[string]string) string {
	h := sha256.New()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%d:%s%d:%s", len(file), file, len(files[file]), files[file])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

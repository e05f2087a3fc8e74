package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// ErrTooCostly is wrapped by Decide where the rules or their input go beyond a
// limit. Like any error it must be read as "pending".
var ErrTooCostly = errors.New("more than rules may use")

// The limits of one decision. Unlike the deadline they do not depend on how fast
// the machine is: the same question passes them everywhere or nowhere. A weight
// is about a byte of memory.
const (
	maxSteps   = 500_000  // expressions; a decision takes some hundreds, a large one 50,000
	maxInput   = 16 << 20 // weight of the input
	maxOperand = 1 << 20  // weight of what one call of a growing builtin is given
	maxGrown   = 64 << 20 // weight of what all of them are given together
	maxFormat  = 4 << 10  // bytes of a format of sprintf
	maxWidth   = 999      // of one verb in it
	maxSource  = 1 << 20  // bytes of the organisation's rules, without their tests
)

// growing are the builtins that make a new text, list, set, object or number out
// of what they are given. Called again and again with their own result, or for
// every element of a list, they could fill the memory within a deadline; in the
// organisation's rules each is replaced by one that weighs its operands first.
func growing() []string {
	return []string{
		"concat", "sprintf", "json.marshal", "format_int", "split", "substring", "lower", "upper", "strings.reverse",
		"trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix",
		"mul", "product", "minus",
		"array.concat", "array.slice", "array.reverse", "sort", "and", "or", "intersection", "union",
		"object.keys", "object.union", "object.filter", "object.remove", "json.filter", "json.remove",
	}
}

const boundedPrefix = "bounded."

// bounded are the declarations and implementations of the replacements.
func bounded() (decls []*ast.Builtin, funcs []func(*rego.Rego)) {
	for _, name := range growing() {
		b := ast.BuiltinMap[name]
		decl := &ast.Builtin{Name: boundedPrefix + b.Name, Decl: b.Decl}
		decls = append(decls, decl)
		funcs = append(funcs, rego.FunctionDyn(&rego.Function{Name: decl.Name, Decl: decl.Decl}, weighed(b.Name)))
	}
	return decls, funcs
}

// forTests is the same for the runner of tests.
func forTests() []*tester.Builtin {
	decls, funcs := bounded()
	out := make([]*tester.Builtin, len(decls))
	for i := range decls {
		out[i] = &tester.Builtin{Decl: decls[i], Func: funcs[i]}
	}
	return out
}

// weighed calls a builtin once its operands were found light enough.
func weighed(name string) rego.BuiltinDyn {
	builtin := topdown.GetBuiltin(name)
	return func(bctx rego.BuiltinContext, terms []*ast.Term) (*ast.Term, error) {
		weight := 0
		for _, t := range terms {
			weight += weigh(t.Value, maxOperand-weight)
		}
		if weight >= maxOperand {
			return nil, fmt.Errorf("%s: %w: what it is given is too large", name, ErrTooCostly)
		}
		if name == "sprintf" {
			if err := checkFormat(terms[0]); err != nil {
				return nil, err
			}
		}
		if name == "split" {
			weight *= scalarWeight // every byte may become a term of its own
		}
		type key struct{}
		if before, ok := bctx.Cache.Get(key{}); ok {
			if grown, ok := before.(int); ok {
				weight += grown
			}
		}
		if bctx.Cache.Put(key{}, weight); weight > maxGrown {
			return nil, fmt.Errorf("%s: %w: all calls together make too much", name, ErrTooCostly)
		}
		var out *ast.Term
		err := builtin(bctx, terms, func(t *ast.Term) error { out = t; return nil })
		return out, err
	}
}

const scalarWeight = 64

// weigh is about how many bytes a value takes, or left where it is that or more.
// A value that holds another one twice weighs it twice, as writing it would.
func weigh(v ast.Value, left int) int {
	weight := scalarWeight
	add := func(t *ast.Term) bool {
		if weight < left {
			weight += weigh(t.Value, left-weight)
		}
		return weight >= left
	}
	switch v := v.(type) {
	case ast.String:
		weight += len(v)
	case ast.Number:
		weight += len(v)
	case *ast.Array:
		v.Until(add)
	case ast.Set:
		v.Until(add)
	case ast.Object:
		v.Until(func(k, t *ast.Term) bool { return add(k) || add(t) })
	}
	return min(weight, left)
}

// checkFormat refuses formats that make much of little.
func checkFormat(t *ast.Term) error {
	format, ok := t.Value.(ast.String)
	if !ok {
		return nil
	}
	if len(format) > maxFormat {
		return fmt.Errorf("sprintf: %w: a format of %d bytes", ErrTooCostly, len(format))
	}
	for _, verb := range regexp.MustCompile(`%[^a-zA-Z%]*`).FindAllString(string(format), -1) {
		if strings.ContainsAny(verb, "*[") {
			return fmt.Errorf("sprintf: %w: %q; write widths as numbers, and arguments in their order", ErrTooCostly, verb)
		}
		for _, n := range regexp.MustCompile(`[0-9]+`).FindAllString(verb, -1) {
			if width, err := strconv.Atoi(n); err != nil || width > maxWidth {
				return fmt.Errorf("sprintf: %w: %q is wider than %d", ErrTooCostly, verb, maxWidth)
			}
		}
	}
	return nil
}

// bind makes a module call the bounded builtins in place of the growing ones.
// Places in the file stay what they are.
func bind(m *ast.Module) {
	names := growing()
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if ref, ok := t.Value.(ast.Ref); ok && slices.Contains(names, ref.String()) {
			t.Value = ast.MustParseRef(boundedPrefix + ref.String())
		}
		return false
	})
}

// budget stops an evaluation that takes more steps than it may, or longer than
// its context allows. It is asked by the evaluator at every step.
type budget struct {
	ctx     context.Context //nolint:containedctx // the evaluator asks without one
	steps   int
	stopped bool
}

// Cancel implements topdown.Cancel.
func (b *budget) Cancel() { b.stopped = true }

// Cancelled implements topdown.Cancel.
func (b *budget) Cancelled() bool {
	b.steps++
	if b.steps > maxSteps || b.steps%256 == 0 && b.ctx.Err() != nil {
		b.stopped = true
	}
	return b.stopped
}

// weighInput refuses an input that is too large to evaluate anything on.
func weighInput(input any) (ast.Value, error) {
	v, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if weigh(v, maxInput) >= maxInput {
		return nil, fmt.Errorf("read input: %w: it is too large", ErrTooCostly)
	}
	return v, nil
}

// plainly names builtins in an error as people wrote them.
func plainly(err error) error {
	text := strings.ReplaceAll(err.Error(), boundedPrefix, "")
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

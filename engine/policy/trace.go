package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Fired is one rule that had a part in a decision: its body held.
type Fired struct {
	Rule  string          `json:"rule"`            // data.assent.quorum.standing
	Title string          `json:"title,omitempty"` // of its METADATA
	File  string          `json:"file"`
	Line  int             `json:"line"`
	Value json.RawMessage `json:"value,omitempty"` // of the rule as a whole; none for a function
}

// Trace decides like Decide, and lists the rules that fired in the order in which
// they were first done. The values are those of the whole rule, of which the
// place may be one branch.
func (e *Engine) Trace(ctx context.Context, input any, at time.Time) (decision json.RawMessage, fired []Fired, err error) {
	t := &firedTracer{seen: map[string]bool{}}
	traced := *e
	traced.tracer = t
	decision, err = traced.Decide(ctx, input, at)
	if err != nil {
		return nil, nil, err
	}
	titles := titlesOf(e.compiler)
	values := e.values(ctx, input, at)
	for _, rule := range t.rules {
		f := Fired{Rule: rule.Ref().GroundPrefix().String(), File: rule.Location.File, Line: rule.Location.Row}
		f.Title = titles[f.Rule]
		if len(rule.Annotations) > 0 {
			f.Title = rule.Annotations[0].Title
		}
		if len(rule.Head.Args) == 0 {
			f.Value = valueAt(values, f.Rule)
		}
		fired = append(fired, f)
	}
	return decision, fired, nil
}

// firedTracer notes each rule whose body held, once.
type firedTracer struct {
	seen  map[string]bool
	rules []*ast.Rule
}

// Enabled implements topdown.QueryTracer.
func (t *firedTracer) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (t *firedTracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (t *firedTracer) TraceEvent(ev topdown.Event) {
	rule, ok := ev.Node.(*ast.Rule)
	if !ok || ev.Op != topdown.ExitOp || rule.Location == nil {
		return
	}
	key := fmt.Sprintf("%s:%d:%d", rule.Location.File, rule.Location.Row, rule.Location.Col)
	if !t.seen[key] {
		t.seen[key] = true
		t.rules = append(t.rules, rule)
	}
}

// titlesOf are the titles of rules by their path: a later branch of a rule has no
// METADATA of its own.
func titlesOf(c *ast.Compiler) map[string]string {
	out := map[string]string{}
	for _, m := range c.Modules {
		for _, a := range m.Annotations {
			if path := a.GetTargetPath(); path != nil && out[path.String()] == "" {
				out[path.String()] = a.Title
			}
		}
	}
	return out
}

// values is everything below data.assent for the input; nil where a rule that
// had no part in the decision cannot be evaluated.
func (e *Engine) values(ctx context.Context, input any, at time.Time) any {
	ctx, cancel := context.WithTimeout(ctx, e.deadline)
	defer cancel()
	_, funcs := bounded()
	rs, err := rego.New(append(funcs,
		rego.Query("data.assent"), rego.Compiler(e.compiler), rego.Input(input), rego.Time(at.UTC()),
	)...).Eval(ctx)
	if err != nil || len(rs) != 1 || len(rs[0].Expressions) != 1 {
		return nil
	}
	return rs[0].Expressions[0].Value
}

func valueAt(values any, rule string) json.RawMessage {
	for _, step := range strings.Split(strings.TrimPrefix(rule, "data.assent."), ".") {
		object, ok := values.(map[string]any)
		if !ok {
			return nil
		}
		if values, ok = object[step]; !ok {
			return nil
		}
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return nil
	}
	return slices.Clip(raw)
}

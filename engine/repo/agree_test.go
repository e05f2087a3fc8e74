package repo

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
)

// plain turns parsed nodes into the values that jsonschema takes.
func plain(t *rapid.T, n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			out[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, plain(t, c))
		}
		return out
	}
	if n.Tag == "!!str" {
		return n.Value
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatalf("%s: %v", n.Value, err)
	}
	return v
}

// draw makes documents for a rule: what it asks for, and where slips are allowed
// now and then something else.
type draw struct {
	*rapid.T
	slips bool
}

func (d draw) slip(n int) bool { return d.slips && rapid.IntRange(0, n).Draw(d.T, "slip") == 0 }

func (d draw) value(r *rule) any {
	if d.slip(150) {
		return rapid.SampledFrom([]any{nil, "", "x", "A b", 7, -1, 1 << 40, 1.5, true, []any{}, []any{"x"}, map[string]any{}, map[string]any{"x": "y"}}).Draw(d.T, "any")
	}
	if len(r.options) > 0 {
		return rapid.SampledFrom(r.options).Draw(d.T, "option")
	}
	typ := ""
	if len(r.types) > 0 {
		typ = rapid.SampledFrom(r.types).Draw(d.T, "type")
	}
	switch typ {
	case "object":
		return d.object(r)
	case "array":
		least := max(r.minItems, 0)
		out := []any{}
		for range rapid.IntRange(least, min(least+2, r.maxItems)).Draw(d.T, "items") {
			out = append(out, d.value(r.items))
		}
		return out
	case "integer":
		all := []int{0, 1, 2, 18, 50, 64, 100, 65535, 65536, -18, -19, 1 << 53}
		return fitting(d, all, func(v int) bool {
			return (r.minimum == nil || int64(v) >= *r.minimum) && (r.maximum == nil || int64(v) <= *r.maximum)
		})
	case "boolean":
		return rapid.Bool().Draw(d.T, "bool")
	default:
		all := []string{"a", "kim", "orders", "orders_2", "warehouse/sales/public/orders", "warehouse/sales", "90d", "indefinite", "2027-01-31", "env://A", "file:///a",
			"sha256:" + strings.Repeat("0", 64), "a@b", "https://a", "ssh-ed25519 AAAAAAAAAAAAAAAAAAAA k", "A b", "", strings.Repeat("é", 300), "request.pending"}
		return fitting(d, all, func(s string) bool {
			n := utf8.RuneCountInString(s)
			return (r.pattern == nil || r.pattern.MatchString(s)) && n >= r.minLength && (r.maxLength < 0 || n <= r.maxLength)
		})
	}
}

func (d draw) object(r *rule) any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		wanted := slices.Contains(r.required, name) && !d.slip(200)
		if wanted || rapid.IntRange(0, 3).Draw(d.T, "take") == 0 {
			out[name] = d.value(r.fields[name])
		}
	}
	if len(r.exactlyOne) > 0 && !d.slip(20) {
		for _, name := range r.exactlyOne {
			delete(out, name)
		}
		name := rapid.SampledFrom(r.exactlyOne).Draw(d.T, "one")
		out[name] = d.value(r.fields[name])
	}
	if r.values != nil {
		for _, name := range []string{"a", "b-1"} {
			if rapid.Bool().Draw(d.T, "entry") {
				out[name] = d.value(r.values)
			}
		}
		if d.slip(20) {
			out["not a key!"] = d.value(r.values)
		}
	}
	return out
}

// fitting draws one that fits, and where slips are allowed any.
func fitting[T any](d draw, all []T, fits func(T) bool) T {
	if good := slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !fits(v) }); len(good) > 0 && !d.slip(60) {
		return rapid.SampledFrom(good).Draw(d.T, "fitting")
	}
	return rapid.SampledFrom(all).Draw(d.T, "any")
}

// Our check walks nodes; jsonschema is the judge of what the schemas mean. They
// must agree about every document, or one of them lets something through.
func TestOurCheckAgreesWithJSONSchema(t *testing.T) {
	for _, kind := range resource.Kinds() {
		r, err := ruleFor(kind)
		if err != nil {
			t.Fatal(err)
		}
		judge, err := compileSchema(kind)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(kind), func(t *testing.T) { agreeOn(t, kind, r, judge) })
	}
}

func agreeOn(t *testing.T, kind resource.Kind, r *rule, judge *jsonschema.Schema) {
	t.Helper()
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		raw, err := yaml.Marshal(draw{t, rapid.Bool().Draw(t, "slips")}.value(r))
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		c := schemaCheck{file: "x.yaml"}
		c.value(&at{node: doc.Content[0]}, r)
		verdict := judge.Validate(plain(t, doc.Content[0]))
		if (verdict == nil) != (len(c.out) == 0) {
			t.Fatalf("%s: jsonschema says %v, we say %v\n%s", kind, verdict, c.out, raw)
		}
		if verdict == nil {
			accepted++
		} else {
			refused++
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("%s: %d accepted, %d refused: the test compares nothing", kind, accepted, refused)
	}
}

// A keyword that the check would pass over must stop the compilation.
func TestUnknownKeywordsAreRefused(t *testing.T) {
	for _, text := range []string{
		`{"format":"email"}`, `{"not":{}}`, `{"anyOf":[{}]}`, `{"patternProperties":{"a":{}}}`, `{"dependencies":{"a":["b"]}}`, `{"contains":{}}`,
		`{"multipleOf":2}`, `{"exclusiveMinimum":1}`, `{"minimum":1.5}`, `{"items":[{}]}`, `{"oneOf":[{"type":"string"}]}`, `{"oneOf":[{"required":["a","b"]}]}`,
		`{"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]}}`, `{"allOf":[{"if":{"type":"string"},"then":{"required":["b"]}}]}`,
		`{"allOf":[{"type":"object","if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"required":["b"]}}]}`,
		`{"type":"object","allOf":[{"type":"object"}]}`, `{"properties":{"a":true}}`, `{"additionalItems":false,"items":[{}]}`,
	} {
		c := jsonschema.NewCompiler()
		c.Draft = jsonschema.Draft7
		if err := c.AddResource("x.json", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		s, err := c.Compile("x.json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lower(s, 0); err == nil {
			t.Errorf("%s is lowered", text)
		}
	}
}

// Whoever writes a value of the wrong form is told in words, not by a regular expression.
func TestEachPatternHasWords(t *testing.T) {
	var visit func(where string, r *rule)
	visit = func(where string, r *rule) {
		if r.pattern != nil && wordsFor(r.name).hint == "" {
			t.Errorf("%s: pattern %s (definition %q) has no words", where, r.pattern, r.name)
		}
		for name, f := range r.fields {
			visit(where+"."+name, f)
		}
		for _, child := range []*rule{r.values, r.keys, r.items} {
			if child != nil {
				visit(where+"/", child)
			}
		}
	}
	for _, kind := range resource.Kinds() {
		r, err := ruleFor(kind)
		if err != nil {
			t.Fatal(err)
		}
		visit(string(kind), r)
	}
}

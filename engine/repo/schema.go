package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/schemas"
)

// rule is a compiled schema, lowered to what the check of a parsed file needs.
// jsonschema compiles the schema, and the tests hold its verdict against ours;
// the rule walks YAML nodes, so every finding has a line and a column.
type rule struct {
	name       string   // of the definition that the rule came from, such as "duration"
	types      []string // allowed JSON types; empty allows any
	options    []any    // enum or const
	pattern    *regexp.Regexp
	minLength  int
	maxLength  int // -1: unbounded
	minimum    *int64
	maximum    *int64
	fields     map[string]*rule
	closed     bool  // no other fields
	values     *rule // of fields that are not listed
	keys       *rule
	required   []string
	exactlyOne []string
	minFields  int
	maxFields  int
	items      *rule
	minItems   int
	maxItems   int
	unique     bool
	conditions []condition
}

// condition asks for more fields where a field has a value.
type condition struct {
	field    string
	equals   any
	required []string
}

// compileSchema compiles the schema of one kind; it may refer to itself only.
func compileSchema(kind resource.Kind) (*jsonschema.Schema, error) {
	name, data, ok := schemas.ForKind(string(kind))
	if !ok {
		return nil, fmt.Errorf("compile schema: no schema for kind %q", kind)
	}
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft7
	c.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("read %s: a schema may refer to itself only", url)
	}
	url := "https://assent.dev/schemas/v1/" + name
	if err := c.AddResource(url, bytes.NewReader(data)); err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", name, err)
	}
	s, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", name, err)
	}
	return s, nil
}

// ruleFor returns the lowered schema of a kind. Each is compiled when it is
// first needed, once in a process, and never changes.
func ruleFor(kind resource.Kind) (*rule, error) {
	get, ok := compiledRules[kind]
	if !ok {
		return nil, fmt.Errorf("compile schema: no schema for kind %q", kind)
	}
	return get()
}

var compiledRules = func() map[resource.Kind]func() (*rule, error) {
	out := make(map[resource.Kind]func() (*rule, error), len(resource.Kinds()))
	for _, kind := range resource.Kinds() {
		out[kind] = sync.OnceValues(func() (*rule, error) {
			s, err := compileSchema(kind)
			if err != nil {
				return nil, err
			}
			r, err := lower(s, 0)
			if err != nil {
				return nil, fmt.Errorf("compile schema of %s: %w", kind, err)
			}
			return r, nil
		})
	}
	return out
}()

var errUnknownKeyword = errors.New("a keyword that the engine does not check")

// lower turns a compiled schema into a rule and refuses what a rule cannot say,
// so that no keyword is ever passed over in silence.
func lower(s *jsonschema.Schema, depth int) (*rule, error) {
	if depth > 40 {
		return nil, fmt.Errorf("%s: nested too deeply", s.Location)
	}
	if unsupported(s) {
		return nil, fmt.Errorf("%s: %w", s.Location, errUnknownKeyword)
	}
	r := &rule{
		types: s.Types, pattern: s.Pattern, required: s.Required, unique: s.UniqueItems,
		minLength: s.MinLength, maxLength: s.MaxLength, minItems: s.MinItems, maxItems: s.MaxItems,
		minFields: s.MinProperties, maxFields: s.MaxProperties,
		options: append(slices.Clone(s.Enum), s.Constant...),
	}
	if s.Minimum != nil {
		v := s.Minimum.Num().Int64()
		r.minimum = &v
	}
	if s.Maximum != nil {
		v := s.Maximum.Num().Int64()
		r.maximum = &v
	}
	if err := r.lowerChildren(s, depth+1); err != nil {
		return nil, err
	}
	if err := r.lowerUnions(s); err != nil {
		return nil, err
	}
	return r.lowerParts(s, depth+1)
}

func unsupported(s *jsonschema.Schema) bool {
	whole := s.Minimum == nil || s.Minimum.IsInt()
	whole = whole && (s.Maximum == nil || s.Maximum.IsInt())
	return !whole || s.Format != "" || s.Always != nil || s.Not != nil || len(s.AnyOf) > 0 || s.Else != nil ||
		len(s.PatternProperties) > 0 || len(s.Dependencies) > 0 || s.Contains != nil || s.MultipleOf != nil ||
		s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.ContentEncoding != "" || s.ContentMediaType != "" ||
		s.If != nil ||
		len(s.Enum) > 0 && len(s.Constant) > 0
}

func (r *rule) lowerChildren(s *jsonschema.Schema, depth int) (err error) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		child, err := lower(s.Properties[name], depth)
		if err != nil {
			return err
		}
		if r.fields == nil {
			r.fields = map[string]*rule{}
		}
		r.fields[name] = child
	}
	switch more := s.AdditionalProperties.(type) {
	case nil:
	case bool:
		r.closed = !more
	case *jsonschema.Schema:
		if r.values, err = lower(more, depth); err != nil {
			return err
		}
	}
	if s.PropertyNames != nil {
		if r.keys, err = lower(s.PropertyNames, depth); err != nil {
			return err
		}
	}
	switch items := s.Items.(type) {
	case nil:
	case *jsonschema.Schema:
		r.items, err = lower(items, depth)
	default:
		err = fmt.Errorf("%s: items: %w", s.Location, errUnknownKeyword)
	}
	return err
}

// lowerUnions reads oneOf in its only form here: each branch asks for one field.
func (r *rule) lowerUnions(s *jsonschema.Schema) error {
	for _, branch := range s.OneOf {
		if len(branch.Required) != 1 || len(branch.Properties) > 0 || branch.Ref != nil || len(branch.Types) > 0 || unsupported(branch) {
			return fmt.Errorf("%s: oneOf: %w", s.Location, errUnknownKeyword)
		}
		r.exactlyOne = append(r.exactlyOne, branch.Required[0])
	}
	return nil
}

// lowerParts merges $ref and allOf into the rule.
func (r *rule) lowerParts(s *jsonschema.Schema, depth int) (*rule, error) {
	parts := s.AllOf
	if s.Ref != nil {
		parts = append([]*jsonschema.Schema{s.Ref}, parts...)
	}
	for _, part := range parts {
		if part.If != nil {
			c, err := lowerCondition(part)
			if err != nil {
				return nil, err
			}
			r.conditions = append(r.conditions, c)
			continue
		}
		p, err := lower(part, depth)
		if err != nil {
			return nil, err
		}
		if !r.empty() || len(parts) > 1 {
			return nil, fmt.Errorf("%s: a reference beside other keywords: %w", s.Location, errUnknownKeyword)
		}
		*r = *p
		if _, name, ok := strings.Cut(part.Location, "/definitions/"); ok && !strings.Contains(name, "/") {
			r.name = name
		}
	}
	return r, nil
}

func (r *rule) empty() bool {
	return len(r.types) == 0 && r.options == nil && r.pattern == nil && r.fields == nil && r.items == nil &&
		r.required == nil && r.exactlyOne == nil && r.values == nil && r.keys == nil && r.conditions == nil && !r.closed &&
		r.minLength < 0 && r.maxLength < 0 && r.minItems < 0 && r.maxItems < 0 && r.minFields < 0 && r.maxFields < 0 &&
		r.minimum == nil && r.maximum == nil && !r.unique
}

func lowerCondition(s *jsonschema.Schema) (condition, error) {
	bad := fmt.Errorf("%s: if: %w", s.Location, errUnknownKeyword)
	rest := *s
	rest.If, rest.Then = nil, nil
	if beside, err := lower(&rest, 0); err != nil || !beside.empty() || s.Then == nil {
		return condition{}, bad
	}
	if len(s.If.Properties) != 1 || len(s.If.Required) != 1 || len(s.Then.Required) == 0 || len(s.Then.Properties) > 0 || unsupported(s.If) || unsupported(s.Then) {
		return condition{}, bad
	}
	field := s.If.Required[0]
	value, ok := s.If.Properties[field]
	if !ok || len(value.Constant) != 1 {
		return condition{}, bad
	}
	return condition{field, value.Constant[0], s.Then.Required}, nil
}

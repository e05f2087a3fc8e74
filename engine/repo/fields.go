package repo

import (
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"gopkg.in/yaml.v3"
)

func (r *rule) fieldNames() []string { return slices.Sorted(maps.Keys(r.fields)) }

// mapping checks the fields of a mapping: unknown ones, missing ones, unions,
// and then each value.
func (c *schemaCheck) mapping(a *at, r *rule) {
	present := make(map[string]*yaml.Node, len(a.node.Content)/2)
	for i := 0; i+1 < len(a.node.Content); i += 2 {
		present[a.node.Content[i].Value] = a.node.Content[i]
	}
	meant := map[string]bool{} // fields that a misspelt one stands for
	for i := 0; i+1 < len(a.node.Content); i += 2 {
		key, value := a.node.Content[i], a.node.Content[i+1]
		child := &at{node: value, key: key, parent: a}
		if r.keys != nil && !c.key(child, r.keys) {
			continue
		}
		switch field := r.fields[key.Value]; {
		case field != nil:
			c.value(child, field)
		case r.values != nil:
			c.value(child, r.values)
		case r.closed:
			meant[c.unknown(child, r, present)] = true
		}
	}
	c.missing(a, r, present, meant)
	c.union(a, r, present, meant)
	c.size(a, r)
}

func (c *schemaCheck) key(a *at, r *rule) bool {
	before := len(c.out)
	c.value(&at{node: a.key, parent: a.parent, key: a.key}, r)
	return len(c.out) == before
}

// unknown reports a field that the schema does not have and returns the one
// that was probably meant, or "".
func (c *schemaCheck) unknown(a *at, r *rule, present map[string]*yaml.Node) string {
	var free []string
	for _, name := range r.fieldNames() {
		if present[name] == nil {
			free = append(free, name)
		}
	}
	near := nearest(a.key.Value, free)
	where := "here"
	if up := a.parent.String(); up != "" {
		where = "in " + up
	}
	d := c.out.Errorf(nodePos(c.file, a.key), CodeUnknownField, "unknown field %q %s", a.key.Value, where)
	d.Width = nodeWidth(a.key)
	if near != "" {
		d.WithHint("did you mean %s?", near)
	} else {
		d.WithHint("fields are %s", strings.Join(r.fieldNames(), ", "))
	}
	return near
}

// missing reports fields that must be there. A misspelt field is one cause, not two.
func (c *schemaCheck) missing(a *at, r *rule, present map[string]*yaml.Node, meant map[string]bool) {
	for _, name := range r.required {
		if present[name] == nil && !meant[name] {
			c.errorf(a, CodeMissingField, "%s lacks %s", a.label(), name).WithHint("add %s: %s", name, r.describe(name))
		}
	}
	for _, cond := range r.conditions {
		key := present[cond.field]
		if key == nil || !equals(valueOf(a.node, cond.field), cond.equals) {
			continue
		}
		for _, name := range cond.required {
			if present[name] == nil && !meant[name] {
				c.errorf(a, CodeMissingField, "%s lacks %s, which %s %v needs", a.label(), name, cond.field, cond.equals).
					WithHint("add %s: %s", name, r.describe(name)).
					WithRelated(nodePos(c.file, key), "because of this")
			}
		}
	}
}

// describe says in a word or two what a field holds.
func (r *rule) describe(name string) string {
	f := r.fields[name]
	switch {
	case f == nil:
		return "a value"
	case len(f.options) == 1:
		if s, ok := f.options[0].(string); ok {
			return s
		}
		return "a value"
	case len(f.options) > 1:
		var words []string
		for _, o := range f.options {
			if s, ok := o.(string); ok {
				words = append(words, s)
			}
		}
		return oneOf(words)
	case f.name == "name":
		return "a name"
	case f.name == "duration" || f.name == "instant" || f.name == "digest":
		return "a " + f.name
	case f.fields != nil && len(f.required) > 0:
		return "a mapping with " + strings.Join(f.required, ", ")
	case f.exactlyOne != nil:
		return "exactly one of " + strings.Join(f.exactlyOne, ", ")
	default:
		return typeWords(f.types)
	}
}

func valueOf(n *yaml.Node, field string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i+1]
		}
	}
	return &yaml.Node{}
}

// union checks that exactly one of some fields is there.
func (c *schemaCheck) union(a *at, r *rule, present map[string]*yaml.Node, meant map[string]bool) {
	if len(r.exactlyOne) == 0 {
		return
	}
	var have []*yaml.Node
	for _, name := range r.exactlyOne {
		if key := present[name]; key != nil {
			have = append(have, key)
		} else if meant[name] {
			return
		}
	}
	slices.SortFunc(have, func(x, y *yaml.Node) int {
		if x.Line != y.Line {
			return x.Line - y.Line
		}
		return x.Column - y.Column
	})
	names := strings.Join(r.exactlyOne, ", ")
	switch {
	case len(have) == 0 && c.hasUnknown(a, r):
	case len(have) == 0:
		c.errorf(a, CodeExactlyOne, "%s needs exactly one of %s, and has none", a.label(), names).WithHint("write one of them")
	case len(have) > 1:
		d := c.out.Errorf(nodePos(c.file, have[1]), CodeExactlyOne, "%s needs exactly one of %s, and has %s", a.label(), names, count(len(have), "of them"))
		d.Message = a.label() + " needs exactly one of " + names + ", and has " + have[0].Value + " and " + have[1].Value
		d.Width = nodeWidth(have[1])
		d.WithHint("keep one of them, and use one entry for each where a list is meant").
			WithRelated(nodePos(c.file, have[0]), "the other one")
	}
}

// hasUnknown reports a field that was already refused and may stand for the missing one.
func (c *schemaCheck) hasUnknown(a *at, r *rule) bool {
	for i := 0; i+1 < len(a.node.Content); i += 2 {
		if r.fields[a.node.Content[i].Value] == nil && len(a.node.Content) == 2 {
			return true
		}
	}
	return false
}

func (c *schemaCheck) size(a *at, r *rule) {
	n := len(a.node.Content) / 2
	switch {
	case r.minFields > 0 && n < r.minFields:
		c.errorf(a, CodeLength, "%s is empty", a.label()).WithHint("write at least one of %s", strings.Join(r.fieldNames(), ", "))
	case r.maxFields >= 0 && n > r.maxFields:
		c.errorf(a, CodeLength, "%s has %s, want at most %d", a.label(), count(n, "entry"), r.maxFields).WithHint("leave some out")
	}
}

// nearest is the candidate that a misspelt word most likely stands for, or "".
func nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	best, distance := "", 1+len(word)/3
	for _, c := range candidates {
		d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(c))
		if d <= distance && (best == "" || d < distance) {
			best, distance = c, d
		}
	}
	return best
}

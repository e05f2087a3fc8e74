package repo

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// toNode turns a Go value into a node tree by its yaml tags. The YAML library's
// own Node.Encode writes text and parses it again, and loses some texts that
// are only line breaks on the way.
func toNode(v reflect.Value) (*yaml.Node, error) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, fmt.Errorf("value of type %s is missing", v.Type())
		}
		return toNode(v.Elem())
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return nil, fmt.Errorf("text %q is not UTF-8", v.String())
		}
		return textNode(v.String()), nil
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}, nil
	case reflect.Int, reflect.Int64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}, nil
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			item, err := toNode(v.Index(i))
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		return n, nil
	case reflect.Map:
		return mapNode(v)
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		return n, structFields(v, n)
	default:
		return nil, fmt.Errorf("value of type %s has no YAML form", v.Type())
	}
}

func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: textStyle(s)}
	if n.Style == 0 && wouldBe(s) == "!!timestamp" {
		n.Tag = "!!timestamp" // stands without quotes: the decoder takes moments for text
	}
	return n
}

func mapNode(v reflect.Value) (*yaml.Node, error) {
	byKey := make(map[string]reflect.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		byKey[it.Key().String()] = it.Value()
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		value, err := toNode(byKey[key])
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, keyNode(key), value)
	}
	return n, nil
}

func keyNode(key string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Style: yaml.DoubleQuotedStyle}
	if plainKey.MatchString(key) && !special(key) {
		n.Style = 0
	}
	return n
}

// structFields appends the fields of a struct in their order.
func structFields(v reflect.Value, n *yaml.Node) error {
	for i := range v.NumField() {
		name, rest, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		field := v.Field(i)
		switch {
		case name == "-":
		case rest == "inline":
			if err := structFields(field, n); err != nil {
				return err
			}
		case rest == "omitempty" && absent(field):
		default:
			value, err := toNode(field)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			n.Content = append(n.Content, keyNode(name), value)
		}
	}
	return nil
}

// absent reports what omitempty leaves out: nothing, or a struct of nothing.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for i := range v.NumField() {
			if !absent(v.Field(i)) {
				return false
			}
		}
		return true
	default:
		return v.IsZero()
	}
}

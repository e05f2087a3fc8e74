package scenario

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/resource"
)

func (d *decoder) list(n *yaml.Node, what string, each func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		d.errorf(n, "%s is no list", what)
		return
	}
	for _, v := range n.Content {
		each(v)
	}
}

// each reads a mapping whose keys are names of the author's choice.
func (d *decoder) each(n *yaml.Node, what string, each func(key string, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "%s is no mapping of names to values", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			d.errorf(key, "%s is stated twice", key.Value)
			continue
		}
		seen[key.Value] = true
		each(key.Value, n.Content[i+1])
	}
}

func (d *decoder) text(into *string) func(*yaml.Node) { return text(d, into) }

func text[T ~string](d *decoder, into *T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			d.errorf(n, "this is no text")
			return
		}
		*into = T(n.Value)
	}
}

func texts[T ~string](d *decoder, into *[]T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		*into = []T{}
		d.list(n, "this", func(v *yaml.Node) {
			var t T
			text(d, &t)(v)
			*into = append(*into, t)
		})
	}
}

func choice[T ~string](d *decoder, into *T, options ...T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if text(d, into)(n); !slices.Contains(options, *into) {
			d.errorf(n, "%q is none of %v", string(*into), options)
		}
	}
}

func (d *decoder) instant(into *time.Time) func(*yaml.Node) {
	return func(n *yaml.Node) {
		t, err := resource.Instant(n.Value).Time()
		if err != nil {
			d.errorf(n, "%v", err)
		}
		*into = t
	}
}

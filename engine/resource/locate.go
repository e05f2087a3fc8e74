package resource

import (
	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
)

// Locate finds the place of a value in a YAML file: strings step into mappings,
// ints into sequences. It parses on each call, because positions are only
// wanted when something is wrong and 100,000 node trees would cost gigabytes.
func Locate(file string, raw []byte, path ...any) diag.Pos {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil || len(doc.Content) == 0 {
		return diag.Pos{File: file}
	}
	node := doc.Content[0]
	at := diag.Pos{File: file, Line: node.Line, Col: node.Column}
	for _, step := range path {
		key, value := child(node, step)
		if value == nil {
			return at
		}
		node = value
		at.Line, at.Col = value.Line, value.Column
		if key != nil && value.Kind != yaml.ScalarNode {
			// A mapping or sequence starts on its first entry; its key is what a reader looks for.
			at.Line, at.Col = key.Line, key.Column
		}
	}
	return at
}

func child(node *yaml.Node, step any) (key, value *yaml.Node) {
	switch s := step.(type) {
	case int:
		if node.Kind == yaml.SequenceNode && s >= 0 && s < len(node.Content) {
			return nil, node.Content[s]
		}
	case string:
		if node.Kind != yaml.MappingNode {
			return nil, nil
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == s {
				return node.Content[i], node.Content[i+1]
			}
		}
	}
	return nil, nil
}

package repo

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

// BuiltinPrefix starts the file name of what no repository holds but every Set does.
const BuiltinPrefix = "builtin:"

//go:embed builtin/standard.yaml
var standardForm []byte

// builtins are the resources of an empty repository, decoded like any file.
func builtins() ([]resource.Resource, error) {
	const file = BuiltinPrefix + "forms/standard.yaml"
	root, problems := parse(file, standardForm)
	if len(problems) > 0 {
		return nil, fmt.Errorf("decode %s: %s", file, problems[0])
	}
	schema, err := ruleFor(resource.KindRequestForm)
	if err != nil {
		return nil, err
	}
	c := schemaCheck{file: file}
	if c.value(&at{node: root}, schema); len(c.out) > 0 {
		return nil, fmt.Errorf("decode %s: %s", file, c.out[0])
	}
	form, err := resource.FromNode(resource.KindRequestForm, root, resource.Origin{File: file, Raw: standardForm})
	if err != nil {
		return nil, err
	}
	return []resource.Resource{form}, nil
}

// Builtin reports whether a resource comes with the engine and not from a file.
func Builtin(r resource.Resource) bool { return strings.HasPrefix(r.Origin().File, BuiltinPrefix) }

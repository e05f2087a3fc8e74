package resource_test

import (
	"bytes"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/resource"
)

// setOf reads the files of a txtar archive. The strict profile and the schemas
// are not at stake here; an unknown field still fails the test.
func setOf(t *testing.T, archive string) *resource.Set {
	t.Helper()
	var all []resource.Resource
	for _, f := range txtar.Parse([]byte(archive)).Files {
		all = append(all, decode(t, f.Name, f.Data))
	}
	return resource.NewSet(all...)
}

func decode(t *testing.T, file string, raw []byte) resource.Resource {
	t.Helper()
	var root yaml.Node
	var head resource.Header
	if err := yaml.Unmarshal(raw, &root); err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	if err := root.Decode(&head); err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	strict := yaml.NewDecoder(bytes.NewReader(raw))
	strict.KnownFields(true)
	if probe, ok := resource.New(head.Kind); !ok || strict.Decode(probe) != nil {
		t.Fatalf("decode %s: unknown kind or field", file)
	}
	r, err := resource.FromNode(head.Kind, &root, resource.Origin{File: file, Raw: raw})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

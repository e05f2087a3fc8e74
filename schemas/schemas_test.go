package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/schemas"
)

type object = map[string]any

func read(t *testing.T, kind resource.Kind) (string, object) {
	t.Helper()
	name, data, ok := schemas.ForKind(string(kind))
	if !ok {
		t.Fatalf("no schema for %s", kind)
	}
	var doc object
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return name, doc
}

func TestEachKindHasOneSchemaAndEachSchemaAKind(t *testing.T) {
	want := map[string]bool{}
	for _, kind := range resource.Kinds() {
		name, _ := read(t, kind)
		want[name] = true
	}
	files, err := fs.Glob(schemas.FS(), "*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), files); diff != "" {
		t.Errorf("(-kinds +files)\n%s", diff)
	}
	if _, _, ok := schemas.ForKind("Deployment"); ok {
		t.Error("a kind that does not exist has a schema")
	}
}

// The compiler holds each file against the draft-07 meta-schema, and the file's
// own example against the file. Nothing else may be read.
func TestSchemasAreValidDraft7AndAcceptTheirExamples(t *testing.T) {
	for _, kind := range resource.Kinds() {
		name, doc := read(t, kind)
		c := jsonschema.NewCompiler()
		c.Draft = jsonschema.Draft7
		c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, fmt.Errorf("reads %s", url) }
		_, data, _ := schemas.ForKind(string(kind))
		if err := c.AddResource(name, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		s, err := c.Compile(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if doc["$schema"] != "http://json-schema.org/draft-07/schema#" || doc["$id"] != "https://assent.dev/schemas/v1/"+name {
			t.Errorf("%s: $schema or $id is wrong", name)
		}
		for _, example := range doc["examples"].([]any) {
			if err := s.Validate(example); err != nil {
				t.Errorf("%s: example: %v", name, err)
			}
		}
	}
}

// walk visits every schema of a file.
func walk(where string, v any, visit func(where string, s object)) {
	switch v := v.(type) {
	case object:
		visit(where, v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch key {
			case "properties", "definitions":
				for _, name := range slices.Sorted(maps.Keys(v[key].(object))) {
					walk(path.Join(where, key, name), v[key].(object)[name], visit)
				}
			case "items", "additionalProperties", "propertyNames":
				walk(path.Join(where, key), v[key], visit)
			case "allOf":
				for i, part := range v[key].([]any) {
					if part.(object)["if"] == nil {
						walk(path.Join(where, key, fmt.Sprint(i)), part, visit)
					}
				}
			}
		}
	}
}

func TestObjectsAreClosedAndFieldsAreDocumented(t *testing.T) {
	for _, kind := range resource.Kinds() {
		name, doc := read(t, kind)
		walk(name, doc, func(where string, s object) {
			if s["type"] == "object" {
				if _, free := s["additionalProperties"].(object); s["additionalProperties"] != false && !free {
					t.Errorf("%s: open object", where)
				}
			}
			if _, isRef := s["$ref"]; isRef && len(s) > 1 {
				t.Errorf("%s: draft-07 ignores what stands beside $ref", where)
			}
			props, _ := s["properties"].(object)
			for field, p := range props {
				p := p.(object)
				for _, doc := range []string{"title", "description"} {
					if text, _ := p[doc].(string); text == "" {
						t.Errorf("%s: field %s has no %s", where, field, doc)
					}
				}
				if examples, _ := p["examples"].([]any); len(examples) == 0 {
					t.Errorf("%s: field %s has no examples", where, field)
				}
			}
		})
	}
}

// Each file stands alone for the sake of editors, so definitions are repeated;
// those of one name must be the same.
func TestDefinitionsOfOneNameAreTheSame(t *testing.T) {
	seen, from := object{}, map[string]string{}
	for _, kind := range resource.Kinds() {
		name, doc := read(t, kind)
		defs, _ := doc["definitions"].(object)
		for d, body := range defs {
			if was, ok := seen[d]; ok {
				if diff := cmp.Diff(was, body); diff != "" {
					t.Errorf("definition %s (-%s +%s)\n%s", d, from[d], name, diff)
				}
			}
			seen[d], from[d] = body, name
		}
	}
}

func TestEachFieldOfASchemaIsAFieldOfTheGoTypeAndBack(t *testing.T) {
	for _, kind := range resource.Kinds() {
		name, doc := read(t, kind)
		r, ok := resource.New(kind)
		if !ok {
			t.Fatalf("no type for %s", kind)
		}
		agree(t, name, doc, doc, reflect.TypeOf(r).Elem())
	}
}

// resolve follows $ref and allOf to the schema that says the type.
func resolve(root, s object) object {
	for {
		if ref, ok := s["$ref"].(string); ok {
			s = root["definitions"].(object)[path.Base(ref)].(object)
			continue
		}
		parts, ok := s["allOf"].([]any)
		if !ok || s["type"] != nil {
			return s
		}
		s = parts[0].(object)
	}
}

func agree(t *testing.T, where string, root, s object, typ reflect.Type) {
	t.Helper()
	s = resolve(root, s)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer",
		reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}[typ.Kind()]
	if typ.Kind() == reflect.Interface {
		return
	}
	if s["type"] != want {
		t.Errorf("%s: schema has %v, Go has %s", where, s["type"], typ)
		return
	}
	switch typ.Kind() {
	case reflect.Slice:
		agree(t, where+"[]", root, s["items"].(object), typ.Elem())
	case reflect.Map:
		agree(t, where+"{}", root, s["additionalProperties"].(object), typ.Elem())
	case reflect.Struct:
		props := s["properties"].(object)
		fields := map[string]reflect.StructField{}
		collect(typ, fields)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(props))); diff != "" {
			t.Errorf("%s: fields (-Go +schema)\n%s", where, diff)
			return
		}
		needed := map[string]bool{}
		list, _ := s["required"].([]any)
		for _, n := range list {
			needed[n.(string)] = true
		}
		for n, f := range fields {
			agree(t, where+"."+n, root, props[n].(object), f.Type)
			if optional := strings.Contains(f.Tag.Get("yaml"), "omitempty"); optional == needed[n] {
				t.Errorf("%s.%s: required %v, but omitempty %v", where, n, needed[n], optional)
			}
		}
	}
}

// collect gathers the yaml fields of a struct, embedded ones too.
func collect(typ reflect.Type, out map[string]reflect.StructField) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(rest, "inline"):
			collect(f.Type, out)
		case name != "-" && f.IsExported():
			out[name] = f
		}
	}
}

package repo

import (
	"fmt"
	"path"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// Decode reads one file: profile, envelope, schema, and agreement with its path.
// file is the path in the repository, oid the id of its blob or "". The resource
// is nil exactly when problems holds an error. err is ours: a schema that does
// not compile, or one that disagrees with its Go type.
func Decode(file, oid string, raw []byte) (r resource.Resource, problems diag.List, err error) {
	kind, ok := KindAt(file)
	if !ok {
		return nil, nil, fmt.Errorf("decode %s: no resource lives there", display(file))
	}
	root, problems := parse(file, raw)
	if len(problems) > 0 {
		return nil, problems, nil
	}
	if problems = checkHeader(file, root, kind); len(problems) > 0 {
		return nil, problems, nil
	}
	schema, err := ruleFor(kind)
	if err != nil {
		return nil, nil, err
	}
	c := schemaCheck{file: file}
	c.value(&at{node: root}, schema)
	if len(c.out) > 0 {
		return nil, c.out, nil
	}
	r, err = resource.FromNode(kind, root, resource.Origin{File: file, OID: oid, Raw: raw})
	if err != nil {
		return nil, nil, err
	}
	if problems = checkPlace(file, root, r); len(problems) > 0 {
		return nil, problems, nil
	}
	return r, nil, nil
}

// checkHeader looks at apiVersion and kind before anything else, because they
// say what all the rest means.
func checkHeader(file string, root *yaml.Node, kind resource.Kind) diag.List {
	var out diag.List
	version, got := valueOf(root, "apiVersion"), valueOf(root, "kind")
	const hint = "write apiVersion: " + resource.APIVersion
	switch {
	case version.Kind == 0:
		out.Errorf(nodePos(file, root), CodeAPIVersion, "the file lacks apiVersion").WithHint(hint)
	case !equals(version, resource.APIVersion):
		d := out.Errorf(nodePos(file, version), CodeAPIVersion, "apiVersion is %q, want %s", version.Value, resource.APIVersion).WithHint(hint)
		d.Width = nodeWidth(version)
		return out
	}
	if got.Kind == 0 {
		out.Errorf(nodePos(file, root), CodeKind, "the file lacks kind").WithHint("write kind: %s", kind)
		return out
	}
	if equals(got, string(kind)) {
		return out
	}
	if _, ok := resource.New(resource.Kind(got.Value)); ok && got.Kind == yaml.ScalarNode {
		out.Errorf(nodePos(file, got), CodeWrongKind, "kind is %s, but this place holds a %s", got.Value, kind).
			WithHint("move the file to %s, or write kind: %s", shapeOf(resource.Kind(got.Value)), kind).Width = nodeWidth(got)
		return out
	}
	d := out.Errorf(nodePos(file, got), CodeKind, "kind %q does not exist", got.Value)
	d.Width = nodeWidth(got)
	var all []string
	for _, k := range resource.Kinds() {
		all = append(all, string(k))
	}
	if near := nearest(got.Value, all); near != "" && near != string(kind) {
		d.WithHint("did you mean %s? its files are %s", near, shapeOf(resource.Kind(near)))
	} else {
		d.WithHint("write kind: %s", kind)
	}
	return out
}

// checkPlace holds what a file says against where it is.
func checkPlace(file string, root *yaml.Node, r resource.Resource) diag.List {
	var out diag.List
	name := valueOf(valueOf(root, "metadata"), "name")
	stem := strings.TrimSuffix(path.Base(file), ".yaml")
	if file != RepositoryFile && name.Value != stem {
		out.Errorf(nodePos(file, name), CodeFileName, "metadata.name is %q, but the file is called %s", name.Value, path.Base(file)).
			WithHint("rename the file to %s.yaml, or write name: %s", name.Value, stem).Width = nodeWidth(name)
		return out
	}
	spec := valueOf(root, "spec")
	switch v := r.(type) {
	case *resource.DataSource:
		checkSourcePlace(file, spec, v, &out)
	case *resource.AccessRequest:
		checkRequestPlace(file, spec, v, &out)
	case *resource.RequestForm:
		if v.Metadata.Name == string(resource.StandardForm) {
			out.Errorf(nodePos(file, name), CodeBuiltin, "form %s is built in and cannot be replaced", resource.StandardForm).
				WithHint("choose another name, and write it as spec.defaults.form of %s to use it everywhere", RepositoryFile).Width = nodeWidth(name)
		}
	}
	return out
}

// checkSourcePlace: the folders are what requests, domains and code owners go
// by, so they must say the same as the file.
func checkSourcePlace(file string, spec *yaml.Node, d *resource.DataSource, out *diag.List) {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(file, "sources/"), ".yaml"), "/")
	if string(d.Spec.Connection) != parts[0] {
		at := valueOf(spec, "connection")
		out.Errorf(nodePos(file, at), CodeSourcePath, "spec.connection is %s, but the file is below sources/%s", d.Spec.Connection, parts[0]).
			WithHint("move the file to %s", SourceFile(d.Spec.Connection, d.Spec.Path)).Width = nodeWidth(at)
		return
	}
	if n := len(parts) - 1; n != len(d.Spec.Path) {
		at := valueOf(spec, "path").Content[0]
		out.Errorf(nodePos(file, at), CodeSourcePath, "spec.path has %d parts, but the file's place says %d", len(d.Spec.Path), n).
			WithHint("move the file to %s", SourceFile(d.Spec.Connection, d.Spec.Path)).Width = nodeWidth(at)
		return
	}
	for i, element := range d.Spec.Path {
		if Slug(element) != parts[i+1] {
			at := valueOf(spec, "path").Content[i]
			out.Errorf(nodePos(file, at), CodeSourcePath, "spec.path[%d] is %q, but the file's place says %s", i, element, parts[i+1]).
				WithHint("move the file to %s", SourceFile(d.Spec.Connection, d.Spec.Path)).Width = nodeWidth(at)
			return
		}
	}
}

func checkRequestPlace(file string, spec *yaml.Node, r *resource.AccessRequest, out *diag.List) {
	folder := path.Base(path.Dir(file))
	if product := r.Spec.Target.Product; product != "" && string(product) != folder {
		at := valueOf(valueOf(spec, "target"), "product")
		out.Errorf(nodePos(file, at), CodeRequestFolder, "the request is for product %s, but its folder is requests/%s", product, folder).
			WithHint("move the file to requests/%s/%s", product, path.Base(file)).Width = nodeWidth(at)
	}
}

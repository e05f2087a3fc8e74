package repo

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/resource"
)

// AmendSource writes what discovery changes about a data source, its kind, path
// and columns, into the file that it came from, so that comments and all that
// people wrote stay: columns that both have keep everything but name, type,
// nullability and tags. Blank lines between fields may go.
func AmendSource(old, made *resource.DataSource) ([]byte, error) {
	file := old.Source.File
	var doc yaml.Node
	if err := yaml.Unmarshal(old.Source.Raw, &doc); err != nil || len(doc.Content) != 1 {
		return nil, fmt.Errorf("amend %s: %w", file, errors.Join(err, errors.New("it is no document")))
	}
	spec := valueOf(doc.Content[0], "spec")
	for _, f := range []struct {
		key   string
		value any
	}{{"path", made.Spec.Path}, {"kind", made.Spec.Kind}} {
		if err := put(spec, f.key, reflect.ValueOf(f.value)); err != nil {
			return nil, fmt.Errorf("amend %s: %w", file, err)
		}
	}
	columns := valueOf(spec, "columns")
	if columns.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("amend %s: it has no columns", file)
	}
	known := map[string]*yaml.Node{}
	for i, c := range old.Spec.Columns {
		known[c.Name] = columns.Content[i]
	}
	var content []*yaml.Node
	for _, c := range made.Spec.Columns {
		n := known[c.Name]
		var err error
		if n == nil {
			n, err = toNode(reflect.ValueOf(c))
		} else {
			err = amendColumn(n, c)
		}
		if err != nil {
			return nil, fmt.Errorf("amend %s: column %q: %w", file, c.Name, err)
		}
		content = append(content, n)
	}
	columns.Content = content
	if len(content) > 0 && columns.Style == yaml.FlowStyle {
		columns.Style = 0
	}
	return encodeAmended(&doc, made)
}

func amendColumn(n *yaml.Node, c resource.Column) error {
	err := errors.Join(put(n, "type", reflect.ValueOf(c.Type)), put(n, "tags", reflect.ValueOf(c.Tags)))
	if c.Nullable == nil {
		remove(n, "nullable")
		return err
	}
	return errors.Join(err, put(n, "nullable", reflect.ValueOf(*c.Nullable)))
}

// put sets a field of a mapping; one that says so already stays as it is
// written, and an absent value goes.
func put(n *yaml.Node, key string, value reflect.Value) error {
	if value.Kind() != reflect.Bool && absent(value) {
		remove(n, key)
		return nil
	}
	want, err := toNode(value)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != key {
			continue
		}
		if had := n.Content[i+1]; !sameNode(had, want) {
			want.LineComment, want.HeadComment, want.FootComment = had.LineComment, had.HeadComment, had.FootComment
			n.Content[i+1] = want
		}
		return nil
	}
	n.Content = append(n.Content, keyNode(key), want)
	return nil
}

func sameNode(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, sameNode)
}

func remove(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// encodeAmended writes the document and makes sure that it says what it should.
func encodeAmended(doc *yaml.Node, made *resource.DataSource) ([]byte, error) {
	file := made.Source.File
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(doc), enc.Close()); err != nil {
		return nil, fmt.Errorf("amend %s: %w", file, err)
	}
	r, problems, err := Decode(file, "", out.Bytes())
	if err != nil || len(problems) > 0 {
		return nil, fmt.Errorf("amend %s: the result would be refused: %w", file, errors.Join(err, errors.New(fmt.Sprint(problems))))
	}
	got, ok := r.(*resource.DataSource)
	if !ok || !reflect.DeepEqual(got.Spec, made.Spec) {
		return nil, fmt.Errorf("amend %s: the result would say something else", file)
	}
	return out.Bytes(), nil
}

package repo

import (
	"bytes"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/schemas"
)

// Encode writes a resource as the YAML that a person would write: two spaces of
// indentation, fields in the order of the documentation, quotes where they are
// needed, and a first line that tells editors the schema. Decoding the result
// gives the same value. A resource that the profile or the schema refuses is an
// error, so that nothing is written that could not be read.
func Encode(r resource.Resource) ([]byte, error) {
	kind := r.Ref().Kind
	file := encodedPath(r)
	doc, err := toNode(reflect.ValueOf(r))
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", file, err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# yaml-language-server: $schema=%s\n", modeline(kind, file))
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("encode %s: %w", file, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", file, err)
	}
	if err := readable(file, kind, out.Bytes()); err != nil {
		return nil, fmt.Errorf("encode %s: %w", file, err)
	}
	return out.Bytes(), nil
}

// encodedPath is where the resource will live; it decides limits and the way to
// the schemas. The folder of a request does not matter for either.
func encodedPath(r resource.Resource) string { return FileFor(r, "folder") }

func modeline(kind resource.Kind, file string) string {
	name, _ := schemas.FileFor(string(kind))
	up := strings.Repeat("../", strings.Count(file, "/"))
	return up + path.Join("schemas", name)
}

// readable makes sure that what was written can be read.
func readable(file string, kind resource.Kind, raw []byte) error {
	root, problems := parse(file, raw)
	if len(problems) == 0 {
		problems = checkHeader(file, root, kind)
	}
	if len(problems) == 0 {
		schema, err := ruleFor(kind)
		if err != nil {
			return err
		}
		c := schemaCheck{file: file}
		c.value(&at{node: root}, schema)
		problems = c.out
	}
	if len(problems) > 0 {
		return fmt.Errorf("the result would be refused: %s", problems[0])
	}
	return nil
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z0-9_./(]([A-Za-z0-9_./()+@,;?!'&%*=<>^$~ -]|:[A-Za-z0-9_./+-])*$`)
	plainDay  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$`)
	plainKey  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)
)

// textStyle chooses how a text is written. It leaves nothing to the YAML
// library's own choice, which differs between texts that look alike.
func textStyle(s string) yaml.Style {
	switch {
	case plainDay.MatchString(s) && (wouldBe(s) == "!!timestamp" || wouldBe(s) == "!!str"):
		return 0
	case literal(s):
		return yaml.LiteralStyle
	case plainText.MatchString(s) && !strings.HasSuffix(s, " ") && !special(s):
		return 0
	default:
		return yaml.DoubleQuotedStyle
	}
}

// special reports text that means something else when it stands without quotes.
func special(s string) bool {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: wouldBe(s), Value: s}
	return n.Tag != "!!str" || ambiguous(n) || s == "y" || s == "n" || s == "Y" || s == "N"
}

// wouldBe is the tag that a plain scalar resolves to.
func wouldBe(s string) string { return (&yaml.Node{Kind: yaml.ScalarNode, Value: s}).ShortTag() }

// literal reports text of several lines that a block can hold exactly.
func literal(s string) bool {
	if !strings.Contains(strings.TrimSuffix(s, "\n"), "\n") || strings.HasSuffix(s, "\n\n") || s[0] == ' ' || s[0] == '\n' || s[0] == '\t' {
		return false
	}
	for line := range strings.SplitSeq(s, "\n") {
		if strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") || strings.HasPrefix(strings.TrimLeft(line, " "), "\t") {
			return false
		}
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && (r < ' ' || r == 0x7f) {
			return false
		}
	}
	return true
}

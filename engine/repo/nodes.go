package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
)

// parse reads a file into its root mapping, or says where it departs from the
// profile. The root is nil exactly when there is a problem.
func parse(file string, raw []byte) (*yaml.Node, diag.List) {
	if problems := checkBytes(file, raw); len(problems) > 0 {
		return nil, problems
	}
	doc, err := parseYAML(raw)
	if err != nil {
		return nil, syntaxProblem(file, raw, err)
	}
	var out diag.List
	if doc == nil || len(doc.Content) == 0 || isNull(doc.Content[0]) {
		out.Errorf(diag.Pos{File: file}, CodeNotMapping, "file is empty").
			WithHint("start with apiVersion, kind, metadata and spec")
		return nil, out
	}
	root := doc.Content[0]
	c := nodeCheck{file: file, raw: raw, limits: limitsOf(file), bang: bytes.IndexByte(raw, '!') >= 0, seen: map[diag.Code]bool{}}
	c.walk(root, 1)
	if len(c.out) == 0 && root.Kind != yaml.MappingNode {
		c.report(root, CodeNotMapping, "file holds a %s, not a mapping", kindWord(root)).
			WithHint("start with apiVersion, kind, metadata and spec")
	}
	if len(c.out) > 0 {
		return nil, c.out
	}
	return root, nil
}

// parseYAML reads the one document of a file. A panic of the parser is a
// refusal like any other.
func parseYAML(raw []byte) (doc *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = nil, fmt.Errorf("yaml: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var first, second yaml.Node
	if err := dec.Decode(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("yaml: more than one document")
	}
	return &first, nil
}

// nodeCheck walks parsed nodes for what the profile forbids. Each cause is
// reported once; anchors are never followed, so no alias can multiply the work.
type nodeCheck struct {
	file   string
	raw    []byte
	limits limits
	bang   bool // the file holds a "!", so a bare tag is possible
	nodes  int
	seen   map[diag.Code]bool
	out    diag.List
	lines  []int // offset of each line, made when needed
}

// report adds a diagnostic, or gives back a blank one when its code was there already.
func (c *nodeCheck) report(n *yaml.Node, code diag.Code, format string, args ...any) *diag.Diagnostic {
	if c.seen[code] {
		return &diag.Diagnostic{}
	}
	c.seen[code] = true
	d := c.out.Errorf(nodePos(c.file, n), code, format, args...)
	d.Width = nodeWidth(n)
	return d
}

func (c *nodeCheck) walk(n *yaml.Node, depth int) {
	if c.full(n) {
		return
	}
	if depth > MaxDepth {
		c.report(n, CodeTooDeep, "values are nested more than %d deep", MaxDepth).WithHint("no resource needs this; check the brackets and the indentation")
		return
	}
	if !c.plainNode(n) {
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		c.scalar(n)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			c.walk(item, depth+1)
		}
	case yaml.MappingNode:
		c.mapping(n, depth)
	}
}

// full counts a node and reports whether there are too many, after which no more
// are looked at: the file is refused already.
func (c *nodeCheck) full(n *yaml.Node) bool {
	c.nodes++
	if c.nodes <= c.limits.nodes {
		return false
	}
	c.report(n, CodeTooManyNodes, "file holds more than %d values", c.limits.nodes).WithHint("split it: one object a file")
	return true
}

// plainNode reports whether a node is what it looks like: no alias, anchor or tag.
func (c *nodeCheck) plainNode(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		c.report(n, CodeAnchor, "alias *%s: a value must stand where it is read", n.Value).WithHint("write the value out")
	case n.Anchor != "":
		c.report(n, CodeAnchor, "anchor &%s: a value must stand where it is read", n.Anchor).WithHint("delete &%s and write the value out where it is used", n.Anchor)
	case n.Style&yaml.TaggedStyle != 0:
		c.report(n, CodeTag, "tag %s", n.Tag).WithHint("delete the tag; quote the value if it is text")
	case c.bang && c.byteAt(n) == '!':
		c.report(n, CodeTag, "tag !").WithHint("delete the tag; quote the value if it is text")
	default:
		return true
	}
	return false
}

func (c *nodeCheck) mapping(n *yaml.Node, depth int) {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if c.full(key) {
			return
		}
		switch {
		case !c.plainNode(key):
			continue
		case key.Tag == "!!merge":
			c.report(key, CodeMerge, "merge key <<: fields must stand where they are read").WithHint("write the fields out")
			continue
		case key.Kind != yaml.ScalarNode || key.Tag != "!!str" && key.Tag != "!!timestamp" || ambiguous(key):
			c.report(key, CodeKey, "key is %s, not text", keyWord(key)).WithHint("put it in quotes")
			continue
		}
		key.Tag = "!!str"
		c.long(key)
		if was, twice := first[key.Value]; twice {
			c.report(key, CodeDuplicateKey, "key %q is there twice", key.Value).
				WithHint("keep one of the two").
				WithRelated(nodePos(c.file, was), "first here")
			continue
		}
		first[key.Value] = key
		c.walk(value, depth+1)
	}
}

var canonicalInt = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// scalar refuses plain values that YAML programs read in different ways.
// Times stay text: the schema says what a time looks like.
func (c *nodeCheck) scalar(n *yaml.Node) {
	c.long(n)
	if n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	if ambiguous(n) {
		c.report(n, CodeAmbiguous, "%s is read differently by different programs", n.Value).
			WithHint("write %q if it is text, true or false for a yes or no, and whole numbers in plain decimal digits", n.Value)
	}
}

func ambiguous(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Style != 0 {
		return false
	}
	switch n.Tag {
	case "!!int":
		_, err := strconv.ParseInt(n.Value, 10, 64)
		return err != nil || !canonicalInt.MatchString(n.Value)
	case "!!float":
		f, err := strconv.ParseFloat(n.Value, 64)
		return err != nil || math.IsInf(f, 0) || math.IsNaN(f) || leadingZero(n.Value)
	case "!!str", "!!timestamp":
		return yesNo(n.Value) || sexagesimal(n.Value)
	default:
		return false
	}
}

func leadingZero(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9'
}

func yesNo(s string) bool {
	if len(s) < 2 || len(s) > 3 {
		return false
	}
	switch strings.ToLower(s) {
	case "yes", "no", "on", "off":
		return true
	default:
		return false
	}
}

// sexagesimal reports 12:30 and the like, which YAML 1.1 reads as base 60.
func sexagesimal(s string) bool {
	if len(s) == 0 || s[0] < '0' || s[0] > '9' {
		return false
	}
	parts := strings.Split(s, ":")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return len(parts) > 1
}

// long bounds a value, and refuses characters that were escaped to pass the
// check of the bytes: they would be written out raw wherever the value is shown.
func (c *nodeCheck) long(n *yaml.Node) {
	if n.Style&yaml.DoubleQuotedStyle != 0 {
		for _, r := range n.Value {
			switch {
			case r == '\r' || control(r):
				c.report(n, CodeControl, "value holds the control character %s", codePoint(r)).WithHint("delete the escape")
			case invisible(r):
				c.report(n, CodeInvisible, "value holds the invisible character %s", codePoint(r)).WithHint("delete the escape: what a reviewer sees must be what the engine reads")
			}
		}
	}
	if len(n.Value) > c.limits.scalar {
		c.report(n, CodeScalarTooLong, "value has %d bytes; the limit is %d", len(n.Value), c.limits.scalar).
			WithHint("shorten it and link to the rest; only an agreement's text may be longer")
	}
}

// byteAt is the byte at which a node starts.
func (c *nodeCheck) byteAt(n *yaml.Node) byte {
	if c.lines == nil {
		c.lines = append(c.lines, 0)
		for i, b := range c.raw {
			if b == '\n' {
				c.lines = append(c.lines, i+1)
			}
		}
	}
	if n.Line < 1 || n.Line > len(c.lines) {
		return 0
	}
	rest := c.raw[c.lines[n.Line-1]:]
	for col := 1; col < n.Column && len(rest) > 0; col++ {
		_, size := utf8.DecodeRune(rest)
		rest = rest[size:]
	}
	if len(rest) == 0 {
		return 0
	}
	return rest[0]
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func nodePos(file string, n *yaml.Node) diag.Pos {
	return diag.Pos{File: file, Line: n.Line, Col: n.Column}
}

// nodeWidth is how many runes to underline; 0 for what spans lines.
func nodeWidth(n *yaml.Node) int {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.Contains(n.Value, "\n") {
		return 0
	}
	w := utf8.RuneCountInString(n.Value)
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		w += 2
	}
	if w > 200 { // nobody reads an underline that long
		return 0
	}
	return w
}

// kindWord names a value as people call it.
func kindWord(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "mapping"
	case n.Kind == yaml.SequenceNode:
		return "list"
	case n.Tag == "!!null":
		return "empty value"
	case n.Tag == "!!bool":
		return "true or false"
	case n.Tag == "!!int":
		return "whole number"
	case n.Tag == "!!float":
		return "number"
	default:
		return "text"
	}
}

func keyWord(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		return n.Value
	}
	return "a " + kindWord(n)
}

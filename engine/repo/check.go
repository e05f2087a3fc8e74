package repo

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// schemaCheck holds a file against its rule. It walks the parsed nodes, so each
// finding stands at the value, or at the key, that caused it.
type schemaCheck struct {
	file string
	out  diag.List
}

// at is a value on the way down: its node, the key that led to it and its name
// for people, which is only put together when it is wanted.
type at struct {
	node, key *yaml.Node
	parent    *at
	index     int
}

func (a *at) String() string {
	if a.parent == nil {
		return ""
	}
	up := a.parent.String()
	switch {
	case a.key == nil:
		return up + "[" + strconv.Itoa(a.index) + "]"
	case up == "":
		return a.key.Value
	default:
		return up + "." + a.key.Value
	}
}

// label is the name of the value at the start of a message.
func (a *at) label() string {
	if s := a.String(); s != "" {
		return s
	}
	return "the file"
}

// pos is where a reader looks for the value: at itself, or at its key where the
// value spans lines.
func (c *schemaCheck) pos(a *at) diag.Pos {
	if a.key != nil && (a.node.Kind != yaml.ScalarNode || isNull(a.node)) {
		return nodePos(c.file, a.key)
	}
	return nodePos(c.file, a.node)
}

func (c *schemaCheck) errorf(a *at, code diag.Code, format string, args ...any) *diag.Diagnostic {
	d := c.out.Errorf(c.pos(a), code, format, args...)
	d.Width = nodeWidth(a.node)
	if a.key != nil && (a.node.Kind != yaml.ScalarNode || isNull(a.node)) {
		d.Width = nodeWidth(a.key)
	}
	return d
}

func (c *schemaCheck) value(a *at, r *rule) {
	if len(r.types) > 0 && !slices.ContainsFunc(r.types, func(t string) bool { return hasType(a.node, t) }) {
		c.wrongType(a, r)
		return
	}
	if len(r.options) > 0 && !slices.ContainsFunc(r.options, func(o any) bool { return equals(a.node, o) }) {
		c.wrongOption(a, r)
		return
	}
	switch a.node.Kind {
	case yaml.ScalarNode:
		c.scalar(a, r)
	case yaml.SequenceNode:
		c.list(a, r)
	case yaml.MappingNode:
		c.mapping(a, r)
	}
}

func hasType(n *yaml.Node, t string) bool {
	switch n.Kind {
	case yaml.MappingNode:
		return t == "object"
	case yaml.SequenceNode:
		return t == "array"
	}
	switch n.Tag {
	case "!!str":
		return t == "string"
	case "!!bool":
		return t == "boolean"
	case "!!int":
		return t == "integer" || t == "number"
	case "!!float":
		return t == "number"
	default:
		return t == "null"
	}
}

func equals(n *yaml.Node, option any) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch o := option.(type) {
	case string:
		return n.Tag == "!!str" && n.Value == o
	case bool:
		return n.Tag == "!!bool" && strings.EqualFold(n.Value, strconv.FormatBool(o))
	default:
		return false
	}
}

func (c *schemaCheck) wrongType(a *at, r *rule) {
	want := typeWords(r.types)
	if isNull(a.node) {
		d := c.errorf(a, CodeType, "%s is empty, want %s", a.label(), want)
		d.WithHint("write a value, or delete the line if the field is not needed")
		return
	}
	d := c.errorf(a, CodeType, "%s is %s, want %s", a.label(), article(kindWord(a.node)), want)
	switch {
	case r.mayHoldSecret():
		d.WithHint("%s", wordsFor(r.name).hint)
	case a.node.Kind == yaml.ScalarNode && slices.Contains(r.types, "string"):
		d.WithHint("put it in quotes: %q", a.node.Value)
	case slices.Contains(r.types, "array"):
		d.WithHint("write a list: each entry on a line of its own, after a dash and a space")
	case slices.Contains(r.types, "object") && a.node.Kind == yaml.ScalarNode && !strings.Contains(a.node.Value, "\n") && len(r.fieldNames()) > 0:
		d.WithHint("write fields below it: %s", strings.Join(r.fieldNames(), ", "))
	case slices.Contains(r.types, "boolean"):
		d.WithHint("write true or false, without quotes")
	case slices.Contains(r.types, "integer"):
		d.WithHint("write a whole number, without quotes")
	default:
		d.WithHint("`assent schema` shows what the kind may hold")
	}
}

func article(word string) string {
	switch word {
	case "text", "true or false":
		return word
	case "empty value":
		return "an " + word
	default:
		return "a " + word
	}
}

func typeWords(types []string) string {
	var words []string
	for _, t := range types {
		switch t {
		case "object":
			words = append(words, "a mapping")
		case "array":
			words = append(words, "a list")
		case "string":
			words = append(words, "text")
		case "boolean":
			words = append(words, "true or false")
		case "integer":
			words = append(words, "a whole number")
		case "number":
			words = append(words, "a number")
		default:
			words = append(words, t)
		}
	}
	return oneOf(words)
}

// oneOf joins words as in "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func (c *schemaCheck) wrongOption(a *at, r *rule) {
	var options []string
	for _, o := range r.options {
		switch v := o.(type) {
		case string:
			options = append(options, v)
		case bool:
			options = append(options, strconv.FormatBool(v))
		}
	}
	d := c.errorf(a, CodeOption, "%s is %q, want %s", a.label(), a.node.Value, oneOf(options))
	switch near := nearest(a.node.Value, options); {
	case near != "":
		d.WithHint("did you mean %s?", near)
	case len(options) == 1:
		d.WithHint("write %s, or delete the line", options[0])
	default:
		d.WithHint("choose one of them")
	}
}

func (c *schemaCheck) scalar(a *at, r *rule) {
	switch a.node.Tag {
	case "!!str":
		c.text(a, r)
	case "!!int":
		v, err := strconv.ParseInt(a.node.Value, 10, 64)
		if err == nil && (r.minimum == nil || v >= *r.minimum) && (r.maximum == nil || v <= *r.maximum) {
			return
		}
		switch {
		case r.minimum != nil && r.maximum != nil:
			c.errorf(a, CodeRange, "%s is %s, want %d to %d", a.label(), a.node.Value, *r.minimum, *r.maximum).WithHint("write a number in that range")
		case r.minimum != nil:
			c.errorf(a, CodeRange, "%s is %s, want %d or more", a.label(), a.node.Value, *r.minimum).WithHint("write a larger number")
		case r.maximum != nil:
			c.errorf(a, CodeRange, "%s is %s, want %d or less", a.label(), a.node.Value, *r.maximum).WithHint("write a smaller number")
		}
	}
}

func (c *schemaCheck) text(a *at, r *rule) {
	s := a.node.Value
	if r.pattern != nil && s != "" && !r.pattern.MatchString(s) {
		c.wrongPattern(a, r)
		return
	}
	switch n := utf8.RuneCountInString(s); {
	case s == "" && (r.minLength > 0 || r.pattern != nil && !r.pattern.MatchString(s)):
		c.errorf(a, CodeLength, "%s is empty text", a.label()).WithHint("write a value, or delete the line if the field is not needed")
	case r.minLength > 0 && n < r.minLength:
		c.errorf(a, CodeLength, "%s has %s, want at least %d", a.label(), count(n, "character"), r.minLength).WithHint("write it out in full")
	case r.maxLength >= 0 && n > r.maxLength:
		c.errorf(a, CodeLength, "%s has %s, want at most %d", a.label(), count(n, "character"), r.maxLength).WithHint("shorten it")
	case r.name == "instant":
		c.instant(a)
	case r.name == "duration":
		c.duration(a)
	}
}

// instant refuses what looks like a moment but is on no calendar.
func (c *schemaCheck) instant(a *at) {
	if _, err := resource.Instant(a.node.Value).Time(); err != nil {
		c.errorf(a, CodeInstant, "%s is %q, which is no day or time of the calendar", a.label(), a.node.Value).
			WithHint("write a day such as 2027-01-31, or a moment in UTC such as 2027-01-31T17:00:00Z")
	}
}

// duration bounds a length of time to a hundred years, so that its end is still a date.
func (c *schemaCheck) duration(a *at) {
	digits := strings.TrimRight(a.node.Value, "abcdefghijklmnopqrstuvwxyz")
	limit, ok := map[string]int{"y": 100, "mo": 1200, "w": 5200, "d": 36500}[a.node.Value[len(digits):]]
	if n, err := strconv.Atoi(digits); ok && err == nil && n > limit {
		c.errorf(a, CodeDuration, "%s is %s, which is longer than 100 years", a.label(), a.node.Value).
			WithHint("write indefinite for access without an end")
	}
}

func (c *schemaCheck) wrongPattern(a *at, r *rule) {
	code, what, hint := explainPattern(r, a.node.Value)
	if r.mayHoldSecret() {
		c.errorf(a, code, "%s is no %s", a.label(), what).WithHint("%s", hint)
		return
	}
	c.errorf(a, code, "%s is %q, which is no %s", a.label(), a.node.Value, what).WithHint("%s", hint)
}

// mayHoldSecret: people write passwords where a reference or a host belongs, and
// what a diagnostic repeats ends up in logs and pull requests.
func (r *rule) mayHoldSecret() bool { return r.name == "secretReference" || r.name == "host" }

func (c *schemaCheck) list(a *at, r *rule) {
	n := len(a.node.Content)
	switch {
	case r.minItems > 0 && n < r.minItems && n == 0:
		c.errorf(a, CodeLength, "%s is an empty list", a.label()).WithHint("write at least %s", count(r.minItems, "entry"))
	case r.minItems > 0 && n < r.minItems:
		c.errorf(a, CodeLength, "%s has %s, want at least %d", a.label(), count(n, "entry"), r.minItems).WithHint("write the missing ones")
	case r.maxItems >= 0 && n > r.maxItems:
		c.errorf(a, CodeLength, "%s has %s, want at most %d", a.label(), count(n, "entry"), r.maxItems).WithHint("leave some out")
	case r.unique:
		c.repeated(a)
	}
	if r.items == nil {
		return
	}
	for i, item := range a.node.Content {
		c.value(&at{node: item, parent: a, index: i}, r.items)
	}
}

func (c *schemaCheck) repeated(a *at) {
	if len(a.node.Content) < 2 {
		return
	}
	first := make(map[string]*yaml.Node, len(a.node.Content))
	for i, item := range a.node.Content {
		key := canonical(item)
		if was, ok := first[key]; ok {
			c.errorf(&at{node: item, parent: a, index: i}, CodeRepeated, "%s repeats an earlier entry", (&at{node: item, parent: a, index: i}).label()).
				WithHint("delete one of the two").
				WithRelated(nodePos(c.file, was), "first here")
			return
		}
		first[key] = item
	}
}

// canonical is one text for all spellings of a value, whatever the order of its fields.
func canonical(n *yaml.Node) string {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!bool" {
			return n.Tag + strings.ToLower(n.Value)
		}
		return n.Tag + strconv.Quote(n.Value)
	case yaml.SequenceNode:
		parts := make([]string, 0, len(n.Content))
		for _, c := range n.Content {
			parts = append(parts, canonical(c))
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		parts := make([]string, 0, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, strconv.Quote(n.Content[i].Value)+":"+canonical(n.Content[i+1]))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	}
}

func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return strconv.Itoa(n) + " " + strings.TrimSuffix(noun, "y") + "ies"
	default:
		return strconv.Itoa(n) + " " + noun + "s"
	}
}

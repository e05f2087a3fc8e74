package resource_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/resource"
)

func TestParseRegexRefusesWhatEnginesReadDifferently(t *testing.T) {
	for _, c := range []struct{ pattern, replacement, field, text string }{
		{"", "", "pattern", "is empty"},
		{"(", "", "pattern", "does not compile: missing closing )"},
		{"a(?=b)", "", "pattern", "does not compile"},
		{`(a)\1`, "", "pattern", "does not compile"},
		{"a\x00", "", "pattern", "is no text"},
		{"a.*?b", "", "pattern", "lazy"},
		{"(?U)a+", "", "pattern", "lazy"},
		{"(?m)^a", "", "pattern", "lines"},
		{`\bann`, "", "pattern", "words"},
		{"(?P<n>a)", "", "pattern", "named"},
		{"a{256}", "", "pattern", "more than 255"},
		{"[0-9]*", "", "pattern", "empty text"},
		{"(a|b*)", "", "pattern", "empty text"},
		{"$", "", "pattern", "empty text"},
		{"a", "$1", "replacement", "group 1, and the pattern has 0"},
		{"(a)", "$12", "replacement", "group 12"},
		{"(a)", "$1x", "replacement", "one name"},
		{"(a)", "${name}", "replacement", "no group"},
		{"(a)", "5 $", "replacement", "no group"},
		{"(a|bc)", "$1", "pattern", "which group"},
		{"((?:ab)+)", "$1", "pattern", "which group"},
	} {
		_, err := resource.ParseRegex(resource.Mask{Type: resource.MaskRegex, Pattern: c.pattern, Replacement: c.replacement})
		var e *resource.RegexError
		if !errors.As(err, &e) || e.Field != c.field || !strings.Contains(e.Text, c.text) || e.Hint == "" {
			t.Errorf("%q, %q: %v", c.pattern, c.replacement, err)
		}
	}
}

func TestRegexReplaces(t *testing.T) {
	for _, c := range []struct{ pattern, replacement, in, want string }{
		{"[0-9]", "#", "a1b22", "a#b##"},
		{"^[^@]*", "x", "ann@x.org", "x@x.org"},
		{"a|ab", "_", "abc", "_c"},
		{`^([0-9]{4})-([0-9]{2})-[0-9]{2}$`, "$2/$1", "2020-02-29", "02/2020"},
		{`(\w)\w+`, "${1}x$$$0", "ann", "ax$ann"},
		{"(?i)ann", "", "Ann aNN", " "},
		{".+", "-", "a\nb", "-\n-"},
	} {
		r, err := resource.ParseRegex(resource.Mask{Type: resource.MaskRegex, Pattern: c.pattern, Replacement: c.replacement})
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if got := r.Replacer()(c.in); got != c.want {
			t.Errorf("%q, %q: %q becomes %q, want %q", c.pattern, c.replacement, c.in, got, c.want)
		}
	}
}

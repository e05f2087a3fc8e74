package resource

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Regex is the pattern and the replacement of a regex mask, read once for every
// platform. The dialect is the part of RE2 that can be carried out alike
// everywhere:
//
//   - a match is the leftmost one, and of these the longest; there are no lazy
//     quantifiers, look-around, back references, word boundaries, lines (?m)
//     or named groups, and no repetition over 255
//   - \d, \w, \s and the like mean ASCII; a dot matches anything but a newline
//   - a pattern that can match the empty text starts with ^
//   - in the replacement, $0 is the match, $1 to $9 or ${1} to ${9} a group, and
//     $$ a dollar sign
//   - where the replacement refers to a group, the pattern has no alternatives,
//     and quantifiers stand behind single characters or classes only: otherwise
//     engines disagree on what belongs to which group
type Regex struct {
	// Tree is the pattern. It holds no operation but literals, classes, any
	// character, ^ and $, captures, greedy quantifiers, sequences and alternatives.
	Tree *syntax.Regexp
	// Parts make up the replacement.
	Parts   []RegexPart
	pattern string
}

// RegexPart is a part of a replacement: Text, or where Text is empty the Group.
type RegexPart struct {
	Text  string
	Group int // 0 for the whole match
}

// RegexError says what is wrong with a regex mask.
type RegexError struct {
	Field string // of the mask: pattern or replacement
	Text  string // one clause
	Hint  string // the next step
}

// Error implements error.
func (e *RegexError) Error() string { return "the " + e.Field + " " + e.Text + ": " + e.Hint }

// maxRegexRepeat is the most repetitions that every engine can count.
const maxRegexRepeat = 255

// ParseRegex reads a regex mask. Its error is a *RegexError.
func ParseRegex(m Mask) (*Regex, error) {
	r := &Regex{pattern: m.Pattern}
	wrong := func(text, hint string) (*Regex, error) { return nil, &RegexError{"pattern", text, hint} }
	if m.Pattern == "" {
		return wrong("is empty and would hide nothing", "write what is to be replaced, such as [0-9]")
	}
	if !utf8.ValidString(m.Pattern) || strings.ContainsRune(m.Pattern, 0) {
		return wrong("is no text", "remove the NUL or the bytes that are not UTF-8")
	}
	tree, err := syntax.Parse(m.Pattern, syntax.Perl)
	if err != nil {
		text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "error parsing regexp: "), ": `")
		return wrong("does not compile: "+text, "the syntax is RE2: no look-around and no back references")
	}
	r.Tree = tree
	if text, hint := unportable(tree); text != "" {
		return wrong(text, hint)
	}
	if least(tree) == 0 && !anchored(tree) {
		return wrong("matches the empty text, too, between any two characters", "write + for *, or start it with ^")
	}
	if r.Parts, err = replacementOf(m.Replacement, tree.MaxCap()); err != nil {
		return nil, err
	}
	for _, p := range r.Parts {
		if p.Text == "" && p.Group > 0 && !certain(tree) {
			return wrong("leaves open what belongs to which group",
				"where the replacement has groups, use no alternatives, and quantifiers behind single characters and classes only")
		}
	}
	return r, nil
}

// Replacer carries the mask out. The function may be used by several goroutines.
func (r *Regex) Replacer() func(text string) string {
	re := regexp.MustCompile(r.pattern) // ParseRegex has read it
	re.Longest()
	var template strings.Builder
	for _, p := range r.Parts {
		if p.Text != "" {
			template.WriteString(strings.ReplaceAll(p.Text, "$", "$$"))
		} else {
			fmt.Fprintf(&template, "${%d}", p.Group)
		}
	}
	return func(text string) string { return re.ReplaceAllString(text, template.String()) }
}

// unportable says what of a pattern engines read differently, and what to do.
func unportable(re *syntax.Regexp) (text, hint string) {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		if re.Flags&syntax.NonGreedy != 0 {
			return "has a lazy quantifier", "name what may not be in the match, as in [^@]* for .*?"
		}
		if max(re.Min, re.Max) > maxRegexRepeat {
			return "repeats more than " + strconv.Itoa(maxRegexRepeat) + " times", "repeat a shorter part"
		}
	case syntax.OpBeginLine, syntax.OpEndLine:
		return "looks for the ends of lines", "leave (?m) out: ^ and $ are the ends of the value"
	case syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return "looks for the ends of words", "name what is around the match instead of \\b"
	case syntax.OpNoMatch:
		return "never matches", "correct the class"
	case syntax.OpCapture:
		if re.Name != "" {
			return "has a named group", "leave the name out, and refer to the group by its number"
		}
	}
	for _, sub := range re.Sub {
		if text, hint := unportable(sub); text != "" {
			return text, hint
		}
	}
	return "", ""
}

// least is the length of the shortest match in characters; past 1 it counts no
// further.
func least(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return least(re.Sub[0])
	case syntax.OpRepeat:
		return min(re.Min, least(re.Sub[0]))
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n = max(n, least(sub))
		}
		return n
	case syntax.OpAlternate:
		n := 1
		for _, sub := range re.Sub {
			n = min(n, least(sub))
		}
		return n
	default:
		return 0
	}
}

// anchored reports whether a match can only be at the start of the text.
func anchored(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText:
		return true
	case syntax.OpCapture, syntax.OpConcat:
		return anchored(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !anchored(sub) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// certain reports whether every engine divides a match among groups alike.
func certain(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAlternate:
		return false
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		switch sub := re.Sub[0]; sub.Op {
		case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		case syntax.OpLiteral:
			return len(sub.Rune) == 1
		default:
			return false
		}
	}
	for _, sub := range re.Sub {
		if !certain(sub) {
			return false
		}
	}
	return true
}

var groupRef = regexp.MustCompile(`^\$(?:([0-9]+)|\{([0-9]+)\})`)

func replacementOf(text string, groups int) ([]RegexPart, error) {
	wrong := func(format string, args ...any) error {
		return &RegexError{"replacement", fmt.Sprintf(format, args...), "write $1 or ${1} for the first group and $$ for a dollar sign"}
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, wrong("is no text")
	}
	var parts []RegexPart
	for text != "" {
		before, _, found := strings.Cut(text, "$")
		if before != "" {
			parts = append(parts, RegexPart{Text: before})
		}
		if text = text[len(before):]; !found {
			break
		}
		if strings.HasPrefix(text, "$$") {
			parts, text = append(parts, RegexPart{Text: "$"}), text[2:]
			continue
		}
		m := groupRef.FindStringSubmatch(text)
		if m == nil {
			return nil, wrong("has a dollar sign that refers to no group")
		}
		n, err := strconv.Atoi(m[1] + m[2])
		if err != nil || n > 9 || n > groups {
			return nil, wrong("refers to group %s, and the pattern has %d of at most 9", m[1]+m[2], groups)
		}
		text = text[len(m[0]):]
		if m[1] != "" && text != "" && (text[0] == '_' || text[0]|0x20 >= 'a' && text[0]|0x20 <= 'z') {
			return nil, wrong("has %s%c, which some read as one name", m[0], text[0])
		}
		parts = append(parts, RegexPart{Group: n})
	}
	return parts, nil
}

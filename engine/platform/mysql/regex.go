package mysql

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/assent-dev/assent/engine/resource"
)

// regex is the expression of a regex mask. The pattern is written anew from its
// tree, for the engine of the server: PCRE in MariaDB, ICU in MySQL. The text is
// compared by bytes, whatever the collation of the column.
func (k masker) regex(text string, m resource.Mask) (string, error) {
	r, err := resource.ParseRegex(m)
	if err != nil {
		return "", err
	}
	if !certain(r.Tree, true) {
		return "", fmt.Errorf("the pattern %q could match otherwise here: this server takes the first alternative and not the longest, so "+
			"let alternatives begin with different characters, and put quantifiers behind single characters and classes only", m.Pattern)
	}
	bytes, pattern := text+" COLLATE utf8mb4_bin", literal(k.regexFlags()+perl(r.Tree))
	sql := "REGEXP_REPLACE(" + bytes + ", " + pattern + ", " + literal(k.replacement(r)) + ")"
	nothing := r.Replacer()("")
	switch {
	case nothing == "":
	case k.oracle: // the server leaves an empty text as it is
		sql = "CASE WHEN CHAR_LENGTH(" + text + ") = 0 THEN " + literal(nothing) + " ELSE " + sql + " END"
	default: // and MariaDB every text where the match is empty, which can only be at its start
		sql = "CASE WHEN " + bytes + " REGEXP " + pattern + " AND CHAR_LENGTH(REGEXP_SUBSTR(" + bytes + ", " + pattern + ")) = 0 THEN CONCAT(" +
			literal(nothing) + ", " + text + ") ELSE " + sql + " END"
	}
	return sql, nil
}

// replacement is how the server writes it.
func (k masker) replacement(r *resource.Regex) string {
	var b strings.Builder
	for _, p := range r.Parts {
		switch {
		case p.Text != "" && k.oracle:
			b.WriteString(strings.NewReplacer(`\`, `\\`, "$", `\$`).Replace(p.Text))
		case p.Text != "":
			b.WriteString(strings.ReplaceAll(p.Text, `\`, `\\`))
		case k.oracle:
			b.WriteString("$" + strconv.Itoa(p.Group))
		default:
			b.WriteString(`\` + strconv.Itoa(p.Group))
		}
	}
	return b.String()
}

// certain reports whether an engine that tries alternatives in order, and
// repeats as often as it can, finds the leftmost and longest match: quantifiers
// stand behind single characters, and of alternatives at most one can begin. At
// the tail, behind which nothing has to match, groups may be optional, too.
func certain(re *syntax.Regexp, tail bool) bool {
	switch re.Op {
	case syntax.OpQuest:
		return single(re.Sub[0]) || tail && certain(re.Sub[0], true)
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return single(re.Sub[0])
	case syntax.OpAlternate:
		var seen []rune
		for _, sub := range re.Sub {
			if sub.Op == syntax.OpEmptyMatch && tail {
				continue // it is written last
			}
			first := firsts(sub)
			if len(first) == 0 || overlap(seen, first) {
				return false
			}
			seen = append(seen, first...)
		}
	}
	for i, sub := range re.Sub {
		if !certain(sub, tail && (re.Op != syntax.OpConcat || i == len(re.Sub)-1)) {
			return false
		}
	}
	return true
}

func single(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune) == 1
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	}
	return false
}

// firsts are the ranges of characters that a match begins with; none where it
// may be empty, or begins with an end of the text.
func firsts(re *syntax.Regexp) []rune {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return folded(re.Rune[0])
		}
		return []rune{re.Rune[0], re.Rune[0]}
	case syntax.OpCharClass:
		return re.Rune
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []rune{0, unicode.MaxRune}
	case syntax.OpConcat:
		if re.Sub[0].Op == syntax.OpBeginText {
			return firsts(re.Sub[1])
		}
		return firsts(re.Sub[0])
	case syntax.OpCapture, syntax.OpPlus:
		return firsts(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return firsts(re.Sub[0])
		}
	case syntax.OpAlternate:
		var out []rune
		for _, sub := range re.Sub {
			first := firsts(sub)
			if len(first) == 0 {
				return nil
			}
			out = append(out, first...)
		}
		return out
	}
	return nil
}

func overlap(a, b []rune) bool {
	for i := 0; i+1 < len(a); i += 2 {
		for j := 0; j+1 < len(b); j += 2 {
			if a[i] <= b[j+1] && b[j] <= a[i+1] {
				return true
			}
		}
	}
	return false
}

// perl is a pattern as PCRE and ICU read it alike.
func perl(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		var b strings.Builder
		for _, r := range re.Rune {
			if ranges := folded(r); re.Flags&syntax.FoldCase != 0 && len(ranges) > 2 {
				b.WriteString(class(ranges))
			} else {
				b.WriteString(quotedRune(r))
			}
		}
		return b.String()
	case syntax.OpCharClass:
		return class(re.Rune)
	case syntax.OpAnyChar:
		return "(?s:.)"
	case syntax.OpAnyCharNotNL:
		return `[^\x{0a}]`
	case syntax.OpBeginText:
		return `\A`
	case syntax.OpEndText:
		return `\z`
	case syntax.OpCapture:
		return "(" + perl(re.Sub[0]) + ")"
	case syntax.OpStar:
		return perl(re.Sub[0]) + "*"
	case syntax.OpPlus:
		return perl(re.Sub[0]) + "+"
	case syntax.OpQuest:
		if single(re.Sub[0]) {
			return perl(re.Sub[0]) + "?"
		}
		return "(?:" + perl(re.Sub[0]) + ")?"
	case syntax.OpRepeat:
		most := ""
		if re.Max >= 0 {
			most = strconv.Itoa(re.Max)
		}
		return fmt.Sprintf("%s{%d,%s}", perl(re.Sub[0]), re.Min, most)
	case syntax.OpConcat, syntax.OpAlternate:
		parts := make([]string, len(re.Sub))
		for i, sub := range re.Sub {
			parts[i] = perl(sub)
		}
		if re.Op == syntax.OpAlternate {
			if i := slices.Index(parts, empty); i >= 0 {
				parts = append(slices.Delete(parts, i, i+1), empty)
			}
			return "(?:" + strings.Join(parts, "|") + ")"
		}
		return strings.Join(parts, "")
	default: // the empty match; ParseRegex lets nothing else pass
		return empty
	}
}

const empty = "(?:)"

// quotedRune is one character, in and outside a class.
func quotedRune(r rune) string {
	if r >= 0x80 || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
		return string(r)
	}
	return fmt.Sprintf(`\x{%02x}`, r)
}

// folded are the ranges of a character and of those that differ from it in case
// alone.
func folded(r rune) []rune {
	ranges := []rune{r, r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		ranges = append(ranges, f, f)
	}
	return ranges
}

// class is a bracket expression of ranges, without the surrogates, which no text
// holds.
func class(ranges []rune) string {
	var b strings.Builder
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if lo >= 0xd800 && lo <= 0xdfff {
			lo = 0xe000
		}
		if hi >= 0xd800 && hi <= 0xdfff {
			hi = 0xd7ff
		}
		if lo <= hi {
			fmt.Fprintf(&b, `\x{%02x}-\x{%02x}`, lo, hi)
		}
	}
	return "[" + b.String() + "]"
}

package postgres

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"

	"github.com/assent-dev/assent/engine/resource"
)

// regexMask is the expression of a regex mask. The pattern is written anew from
// its tree, because PostgreSQL reads classes by the locale and knows other
// escapes; for the same reason the text is compared by bytes.
func regexMask(text string, m resource.Mask) (string, error) {
	r, err := resource.ParseRegex(m)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`pg_catalog.regexp_replace(%s COLLATE "C", %s, %s, 'g')`, text, literal(advanced(r.Tree)), literal(replacement(r))), nil
}

// replacement is how PostgreSQL writes it.
func replacement(r *resource.Regex) string {
	var b strings.Builder
	for _, p := range r.Parts {
		switch {
		case p.Text != "":
			b.WriteString(strings.ReplaceAll(p.Text, `\`, `\\`))
		case p.Group == 0:
			b.WriteString(`\&`)
		default:
			b.WriteString(`\` + strconv.Itoa(p.Group))
		}
	}
	return b.String()
}

// advanced is a pattern as an advanced regular expression of PostgreSQL.
func advanced(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		var b strings.Builder
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				b.WriteString(foldedRune(r))
			} else {
				b.WriteString(quotedRune(r))
			}
		}
		return b.String()
	case syntax.OpCharClass:
		return class(re.Rune)
	case syntax.OpAnyChar:
		return "."
	case syntax.OpAnyCharNotNL:
		return `[^\u000a]`
	case syntax.OpBeginText:
		return "^"
	case syntax.OpEndText:
		return "$"
	case syntax.OpCapture:
		return "(" + advanced(re.Sub[0]) + ")"
	case syntax.OpStar:
		return operand(re.Sub[0]) + "*"
	case syntax.OpPlus:
		return operand(re.Sub[0]) + "+"
	case syntax.OpQuest:
		return operand(re.Sub[0]) + "?"
	case syntax.OpRepeat:
		most := ""
		if re.Max >= 0 {
			most = strconv.Itoa(re.Max)
		}
		return fmt.Sprintf("%s{%d,%s}", operand(re.Sub[0]), re.Min, most)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			if sub.Op == syntax.OpAlternate {
				b.WriteString("(?:" + advanced(sub) + ")")
			} else {
				b.WriteString(advanced(sub))
			}
		}
		return b.String()
	case syntax.OpAlternate:
		branches := make([]string, len(re.Sub))
		for i, sub := range re.Sub {
			branches[i] = advanced(sub)
		}
		return strings.Join(branches, "|")
	default: // the empty match; ParseRegex lets nothing else pass
		return "(?:)"
	}
}

// operand is a part that a quantifier stands behind.
func operand(re *syntax.Regexp) string {
	single := re.Op == syntax.OpLiteral && len(re.Rune) == 1
	if single || re.Op == syntax.OpCharClass || re.Op == syntax.OpCapture || re.Op == syntax.OpAnyChar || re.Op == syntax.OpAnyCharNotNL {
		return advanced(re)
	}
	return "(?:" + advanced(re) + ")"
}

// quotedRune is one character, in and outside a class.
func quotedRune(r rune) string {
	switch {
	case r < 0x20 || r == 0x7f:
		return fmt.Sprintf(`\u%04x`, r)
	case r >= 0x80 || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z':
		return string(r)
	default:
		return `\` + string(r)
	}
}

func foldedRune(r rune) string {
	ranges := []rune{r, r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		ranges = append(ranges, f, f)
	}
	if len(ranges) == 2 {
		return quotedRune(r)
	}
	return class(ranges)
}

// class is a bracket expression of ranges. No text holds NUL or surrogates: a
// class from NUL to the last character is written as what it leaves out.
func class(ranges []rune) string {
	sign := ""
	if len(ranges) > 0 && ranges[0] == 0 && ranges[len(ranges)-1] == unicode.MaxRune {
		sign, ranges = "^", ranges[1:len(ranges)-1]
		out := make([]rune, 0, len(ranges))
		for i := 0; i+1 < len(ranges); i += 2 {
			out = append(out, ranges[i]+1, ranges[i+1]-1)
		}
		ranges = out
	}
	var b strings.Builder
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := max(ranges[i], 1), ranges[i+1]
		if lo >= 0xd800 && lo <= 0xdfff {
			lo = 0xe000
		}
		if hi >= 0xd800 && hi <= 0xdfff {
			hi = 0xd7ff
		}
		switch {
		case lo > hi:
		case lo == hi:
			b.WriteString(quotedRune(lo))
		default:
			b.WriteString(quotedRune(lo) + "-" + quotedRune(hi))
		}
	}
	if b.Len() == 0 && sign != "" {
		return "."
	}
	return "[" + sign + b.String() + "]"
}

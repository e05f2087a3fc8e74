package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible renders text that others wrote, such as a name on a platform, so that a
// terminal shows it and does nothing else.
func Visible(text string) string { return visible(text) }

// visible renders text that a person wrote so that it can neither move the
// cursor nor reorder or hide what stands around it: control characters, bidi
// and zero-width characters and broken UTF-8 appear as escapes.
func visible(text string) string {
	var b strings.Builder
	for i, r := range text {
		b.WriteString(visibleRune(r, brokenAt(text, i, r)))
	}
	return b.String()
}

func brokenAt(text string, i int, r rune) bool {
	if r != utf8.RuneError {
		return false
	}
	_, size := utf8.DecodeRuneInString(text[i:])
	return size == 1
}

func visibleRune(r rune, broken bool) string {
	switch {
	case broken:
		return `\ufffd`
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case hidden(r) && r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	case hidden(r):
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return string(r)
	}
}

// hidden: control, format (bidi, zero-width, tags), line and paragraph
// separators, private and unassigned characters.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) || !unicode.IsPrint(r) && !unicode.IsSpace(r)
}

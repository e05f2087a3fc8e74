package report

import (
	"strings"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/resource"
)

// Escape makes a text that a person wrote inert in Markdown: one piece of inline
// code on one line, with a fence longer than any run of backquotes in it. Inside
// of code no forge makes a mention, a link, an image, a reference to an issue or
// a commit, an emoji or markup. What is invisible or turns the direction of
// reading shows as an escape, and nothing in it can be taken for a marker of the
// engine's own comment.
//
// It is the one way of people's words into a comment; Fenced is the one for
// whole blocks.
func Escape(text string) string {
	text = plain(text)
	if strings.TrimSpace(text) == "" {
		return "` `"
	}
	run, longest := 0, 0
	for _, r := range text {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	pad := ""
	if longest > 0 {
		pad = " "
	}
	return fence + pad + text + pad + fence
}

// EscapeCell is Escape for a cell of a table. A vertical line ends a cell even
// inside of code, and what a backslash before it means differs between readers;
// so it becomes another sign that looks like one.
func EscapeCell(text string) string {
	return Escape(strings.ReplaceAll(text, "|", "│"))
}

// word is one of the engine's own words. What should be one and is not is escaped.
func word[T ~string](w T) string {
	if w == "" || strings.ContainsFunc(string(w), func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' && r != ' ' }) {
		return Escape(string(w))
	}
	return string(w)
}

// plain puts a text on one line and shows what is hidden in it.
func plain(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r == '\n' || r == '\r' || r == '\t' || r == 0x2028 || r == 0x2029 || r == 0x85
	}), " ")
	return visible(strings.ReplaceAll(text, "<!--", "<! --"))
}

// Clip shortens a text to a number of characters, and shows that it did.
func Clip(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// Fenced is lines as a code block, in pieces of bounded size, each a block of its
// own, so that a text can be cut between them. kind is the language. The fence is
// of tildes: guides show what commands print in fences of backquotes.
func Fenced(kind string, lines []string) []string {
	const (
		mostBytes = 6 << 10
		mostLine  = 2000
	)
	var out []string
	for len(lines) > 0 {
		size, n := 0, 0
		var piece []string
		for n < len(lines) && (n == 0 || size+len(lines[n]) < mostBytes) {
			line := Clip(plain(lines[n]), mostLine)
			piece, size = append(piece, line), size+len(line)
			n++
		}
		lines = lines[n:]
		body := strings.Join(piece, "\n")
		fence := "~~~"
		for strings.Contains(body, fence) {
			fence += "~"
		}
		out = append(out, fence+kind+"\n"+body+"\n"+fence+"\n")
	}
	return out
}

// people names people without a mention.
func people(list []resource.Name, join string) string {
	out := make([]string, 0, len(list))
	const most = 12
	for _, p := range list[:min(len(list), most)] {
		out = append(out, Escape(string(p)))
	}
	text := strings.Join(out, join)
	if more := len(list) - most; more > 0 {
		return text + join + "one of " + count(more, "other", "others")
	}
	return text
}

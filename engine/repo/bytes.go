package repo

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/diag"
)

// Limits of a file. A DataSource may be larger, because a table has as many
// columns as it has; an agreement's text may be longer than other values.
const (
	MaxFileBytes      = 32 << 10
	MaxSourceBytes    = 256 << 10
	MaxNodes          = 2_000
	MaxSourceNodes    = 20_000
	MaxDepth          = 20
	MaxScalarBytes    = 4 << 10
	MaxAgreementBytes = 24 << 10
)

type limits struct{ bytes, nodes, scalar int }

func limitsOf(file string) limits {
	l := limits{bytes: MaxFileBytes, nodes: MaxNodes, scalar: MaxScalarBytes}
	switch {
	case strings.HasPrefix(file, "sources/"):
		l.bytes, l.nodes = MaxSourceBytes, MaxSourceNodes
	case strings.HasPrefix(file, "agreements/"):
		l.scalar = MaxAgreementBytes
	}
	return l
}

// CheckBytes reports where a file departs from the strict YAML profile: first
// on the bytes, before any parser sees them, then on the parsed nodes. Each
// cause is reported once, at its first place. file decides the limits and is
// the name in the positions; nothing is read from it.
func CheckBytes(file string, raw []byte) diag.List {
	_, problems := parse(file, raw)
	return problems
}

// checkBytes is the part of the profile that needs no parser.
func checkBytes(file string, raw []byte) diag.List {
	var out diag.List
	if limit := limitsOf(file).bytes; len(raw) > limit {
		out.Errorf(diag.Pos{File: file}, CodeTooLarge, "file has %d bytes; the limit is %d", len(raw), limit).
			WithHint("split it: one object a file")
		return out // nothing of an oversized file is read further
	}
	if checkText(file, raw, &out); out.HasErrors() {
		return out
	}
	checkLines(file, raw, &out)
	return out
}

// checkText finds bytes that people cannot see or that parsers read differently.
func checkText(file string, raw []byte, out *diag.List) {
	seen := map[diag.Code]bool{}
	report := func(offset, width int, code diag.Code, message, hint string) {
		if !seen[code] {
			seen[code] = true
			out.Errorf(posAt(file, raw, offset), code, "%s", message).WithHint("%s", hint)
			(*out)[len(*out)-1].Width = width
		}
	}
	if bytes.HasPrefix(raw, []byte("\xff\xfe")) || bytes.HasPrefix(raw, []byte("\xfe\xff")) {
		report(0, 0, CodeNotUTF8, "file is UTF-16, not UTF-8", "save it as UTF-8 without a byte order mark")
		return
	}
	for i := 0; i < len(raw); {
		b := raw[i]
		if b >= ' ' && b < 0x7f || b == '\n' || b == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			report(i, 1, CodeNotUTF8, "byte "+hexByte(b)+" is not UTF-8", "save the file as UTF-8")
		case r == 0xfeff && i == 0:
			report(i, 0, CodeBOM, "file starts with a byte order mark", "save it as UTF-8 without a byte order mark")
		case r == '\r':
			report(i, 1, CodeCarriageReturn, "line ends with a carriage return", "save the file with LF line ends (git config core.autocrlf input)")
		case control(r):
			report(i, 1, CodeControl, "control character "+codePoint(r), "delete it")
		case invisible(r):
			report(i, 1, CodeInvisible, "invisible character "+codePoint(r)+": "+describe(r), "delete it: what a reviewer sees must be what the engine reads")
		}
		i += size
	}
}

// control reports code points that are no text: C0 but tab and line feed, C1, and
// the two that are no characters. Carriage return and NEL have codes of their own.
func control(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r >= 0x7f && r <= 0x9f && r != 0x85 || r&0xfffe == 0xfffe
}

// invisible reports code points that change or hide text without being seen:
// line breaks that editors do not show, text direction, zero width, fillers.
func invisible(r rune) bool {
	switch {
	case r < 0x80:
		return false
	case r == 0x85 || r == 0x2028 || r == 0x2029:
		return true
	case unicode.Is(unicode.Cf, r):
		return !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
	case r == 0x034f || r == 0x115f || r == 0x1160 || r == 0x17b4 || r == 0x17b5 || r == 0x3164 || r == 0xffa0:
		return true
	case r >= 0x180b && r <= 0x180f || r >= 0xe0100 && r <= 0xe01ef:
		return true
	default:
		return false
	}
}

func describe(r rune) string {
	switch {
	case r == 0x85 || r == 0x2028 || r == 0x2029:
		return "YAML parsers take it for a line break"
	case r == 0x061c || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
		return "it changes the direction of text"
	default:
		return "it has no width"
	}
}

// checkLines finds what a line may not start with.
func checkLines(file string, raw []byte, out *diag.List) {
	var tab, directive, document, content bool
	for start, number := 0, 0; start < len(raw); number++ {
		line := raw[start:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		indent := len(line) - len(bytes.TrimLeft(line, " \t"))
		at := bytes.IndexByte(line[:indent], '\t')
		switch {
		case at >= 0 && !tab:
			tab = true
			out.Errorf(diag.Pos{File: file, Line: number + 1, Col: at + 1}, CodeTab, "tab in the indentation").
				WithHint("indent with two spaces")
		case bytes.HasPrefix(line, []byte("%")) && !directive:
			directive = true
			out.Errorf(diag.Pos{File: file, Line: number + 1, Col: 1}, CodeDirective, "line starts with %%, which YAML takes for a directive").
				WithHint("delete the line, or quote the text")
		case isMarker(line, "---") && !content:
			// A leading marker opens the one document.
			content = len(bytes.TrimSpace(line)) > 3
			document = document || content
			if content {
				out.Errorf(diag.Pos{File: file, Line: number + 1, Col: 1}, CodeDocuments, "text behind the document marker").
					WithHint("write nothing on the line of ---, or leave the line out")
			}
			content = true
		case isMarker(line, "---") || isMarker(line, "..."):
			if !document {
				document = true
				out.Errorf(diag.Pos{File: file, Line: number + 1, Col: 1}, CodeDocuments, "%q ends the document: a file holds one object", line[:3]).
					WithHint("move what follows into a file of its own")
			}
		}
		content = content || indent < len(line) && line[indent] != '#' && line[0] != '%'
		start += len(line) + 1
	}
}

func isMarker(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

// posAt turns a byte offset into a line and a column of runes.
func posAt(file string, raw []byte, offset int) diag.Pos {
	before := raw[:offset]
	line := bytes.Count(before, []byte("\n")) + 1
	col := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return diag.Pos{File: file, Line: line, Col: col}
}

func hexByte(b byte) string { return fmt.Sprintf("0x%02x", b) }

func codePoint(r rune) string { return fmt.Sprintf("U+%04X", r) }

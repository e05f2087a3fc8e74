package repo

import (
	"bytes"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/diag"
)

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxProblem turns what the YAML parser says into what a writer can mend.
// The parser knows the line only; the column is that of the line's first character.
func syntaxProblem(file string, raw []byte, err error) diag.List {
	text, line := err.Error(), 0
	if m := yamlError.FindStringSubmatch(text); m != nil {
		text = m[2]
		line, _ = strconv.Atoi(m[1])
	}
	pos := diag.Pos{File: file}
	if line = syntaxLine(raw, text, line); line > 0 {
		pos = lineStart(file, raw, line)
	}
	var out diag.List
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		if at := bytes.Index(raw, []byte("*"+name)); at >= 0 {
			pos = posAt(file, raw, at)
		}
		out.Errorf(pos, CodeAnchor, "alias *%s: a value must stand where it is read", name).
			WithHint("write the value out, or put it in quotes if it is text")
		return out
	}
	message, hint := explainSyntax(text)
	out.Errorf(pos, CodeSyntax, "%s", message).WithHint("%s", hint)
	return out
}

// syntaxLine finds the line of an error. Where the parser stopped in the middle,
// it is the first line with which the file fails in that way; the parser itself
// names the start of the mapping or list around it. Where something is not
// closed, the parser names the place where it was opened. A large file is not
// parsed again for a better line.
func syntaxLine(raw []byte, text string, said int) int {
	switch {
	case strings.Contains(text, "did not find expected ',' or"):
		return said + 1 // counted from 0
	case strings.Contains(text, "end of stream"), strings.Contains(text, "document"), strings.Contains(text, "max depth"), len(raw) > MaxFileBytes:
		return said
	}
	lines := bytes.SplitAfter(raw, []byte("\n"))
	ends, end := make([]int, len(lines)), 0
	for i, l := range lines {
		end += len(l)
		ends[i] = end
	}
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		_, err := parseYAML(raw[:ends[i]])
		return err != nil && strings.HasSuffix(err.Error(), text)
	})
}

func lineStart(file string, raw []byte, line int) diag.Pos {
	lines := bytes.Split(raw, []byte("\n"))
	line = min(line, len(lines))
	text := lines[line-1]
	indent := len(text) - len(bytes.TrimLeft(text, " "))
	return diag.Pos{File: file, Line: line, Col: utf8.RuneCount(text[:indent]) + 1}
}

func explainSyntax(text string) (message, hint string) {
	for _, e := range []struct{ said, message, hint string }{
		{"mapping values are not allowed", "a colon where none can be", "put text that holds a colon in quotes, and write field: value, with a colon, on the line above"},
		{"could not find expected ':'", "a line without a colon where a field is expected", "write field: value, with a space behind the colon"},
		{"did not find expected key", "a line that does not fit the ones around it", "indent it like its neighbours, and close quotes and brackets above it"},
		{"did not find expected '-' indicator", "a line that is not an entry of the list above it", "indent it like its neighbours, or start it with a dash"},
		{"did not find expected ',' or", "a bracket that is not closed", "close it, or put a comma between the entries"},
		{"did not find expected node content", "a bracket that is not closed, or nothing between two commas", "close it, or write the entry"},
		{"found unexpected end of stream", "a quote that is not closed", "close it with the same kind of quote"},
		{"found character that cannot start any token", "a value that starts with a character YAML keeps for itself", "put the value in quotes"},
		{"found unknown escape character", "an unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes"},
		{"block sequence entries are not allowed", "a list that starts on the line of its field", "start each entry on a line of its own"},
		{"exceeded max depth", "values nested far too deep", "check the brackets"},
		{"more than one document", "more than one document", "move the second one into a file of its own"},
	} {
		if strings.Contains(text, e.said) {
			return "not valid YAML: " + e.message, e.hint
		}
	}
	return "not valid YAML: " + text, "check indentation, quotes and brackets"
}

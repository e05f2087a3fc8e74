package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/diag"
)

// Options say how Text renders.
type Options struct {
	// Color allows ANSI colors. Without it the text holds no escape sequences.
	Color bool
	// Source gives the bytes of a file for snippets, nil where it cannot. A nil
	// Source leaves snippets out.
	Source func(file string) []byte
	// Max is the number of problems to show in full, 0 for all. The summary
	// always counts all of them.
	Max int
}

// Text renders problems for a terminal: one line that editors and problem
// matchers read, the line of the file with what is wrong in it underlined, what
// to do, and where to look.
func Text(w io.Writer, list diag.List, o Options) error {
	list = list.Sorted()
	p := &printer{ink: ink{on: o.Color}, source: o.Source, secret: secretLines(list), lines: map[string][]string{}}
	for i, d := range list {
		if o.Max > 0 && i == o.Max {
			fmt.Fprintf(&p.out, "… and %s\n\n", counted(len(list)-o.Max, "more problem"))
			break
		}
		p.problem(d)
	}
	p.out.WriteString(Summary(list) + "\n")
	_, err := io.WriteString(w, p.out.String())
	return err
}

// Summary counts problems in one line: "3 errors, 1 warning in 2 files".
func Summary(list diag.List) string {
	if len(list) == 0 {
		return "no problems"
	}
	n := map[diag.Severity]int{}
	files := map[string]bool{}
	for _, d := range list {
		n[d.Severity]++
		files[d.Pos.File] = true
	}
	var parts []string
	for _, s := range []diag.Severity{diag.Error, diag.Warning, diag.Note} {
		if n[s] > 0 {
			parts = append(parts, counted(n[s], string(s)))
		}
	}
	return strings.Join(parts, ", ") + " in " + counted(len(files), "file")
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// place is one line of a file.
type place struct {
	file string
	line int
}

// secretLines are the lines that no problem may show, its own or another's.
func secretLines(list diag.List) map[place]bool {
	out := map[place]bool{}
	for _, d := range list {
		if d.Width == diag.Hidden {
			out[place{d.Pos.File, d.Pos.Line}] = true
		}
	}
	return out
}

// ink colors text where that is wanted.
type ink struct{ on bool }

const (
	bold   = "1"
	blue   = "34;1"
	cyan   = "36"
	red    = "31;1"
	yellow = "33;1"
)

func (k ink) paint(style, text string) string {
	if !k.on || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func styleOf(s diag.Severity) string {
	switch s {
	case diag.Error:
		return red
	case diag.Warning:
		return yellow
	default:
		return cyan
	}
}

type printer struct {
	ink
	out    strings.Builder
	source func(string) []byte
	secret map[place]bool
	lines  map[string][]string
}

func (p *printer) problem(d diag.Diagnostic) {
	fmt.Fprintf(&p.out, "%s: %s: %s\n", visible(d.Pos.String()),
		p.paint(styleOf(d.Severity), visible(fmt.Sprintf("%s[%s]", d.Severity, d.Code))), p.paint(bold, visible(d.Message)))
	p.snippet(d)
	if d.Hint != "" {
		fmt.Fprintf(&p.out, "%s %s\n", p.paint(cyan, "help:"), visible(d.Hint))
	}
	for _, r := range d.Related {
		fmt.Fprintf(&p.out, "%s %s: %s\n", p.paint(cyan, "see also"), visible(r.Pos.String()), visible(r.Message))
	}
	p.out.WriteByte('\n')
}

// snippet shows the line of a problem. A gutter as wide as the line number
// keeps the text apart from it.
func (p *printer) snippet(d diag.Diagnostic) {
	if d.Pos.Line < 1 {
		return
	}
	number := strconv.Itoa(d.Pos.Line)
	gutter := strings.Repeat(" ", len(number)) + " |"
	if p.secret[place{d.Pos.File, d.Pos.Line}] {
		fmt.Fprintf(&p.out, "%s the line is not shown, because it may hold a secret\n", p.paint(blue, gutter))
		return
	}
	line, ok := p.line(d.Pos)
	if !ok {
		return
	}
	text, pad, width := window([]rune(line), d.Pos.Col, d.Width)
	fmt.Fprintf(&p.out, "%s\n%s %s\n", p.paint(blue, gutter), p.paint(blue, number+" |"), text)
	if d.Pos.Col > 0 {
		fmt.Fprintf(&p.out, "%s %s%s\n", p.paint(blue, gutter), strings.Repeat(" ", pad), p.paint(styleOf(d.Severity), strings.Repeat("^", width)))
	}
}

func (p *printer) line(pos diag.Pos) (string, bool) {
	if p.source == nil {
		return "", false
	}
	lines, ok := p.lines[pos.File]
	if !ok {
		lines = strings.Split(string(p.source(pos.File)), "\n")
		p.lines[pos.File] = lines
	}
	if pos.Line > len(lines) || len(lines) == 1 && lines[0] == "" {
		return "", false
	}
	return strings.TrimSuffix(lines[pos.Line-1], "\r"), true
}

// A line longer than maxLine runes is cut around what is wrong in it.
const (
	maxLine = 120
	lead    = 24 // runes kept before the place
)

// window renders a line, cut where it is long, with how far the underline is
// in it and how long it is, in runes of what is shown. A tab becomes spaces.
func window(line []rune, col, width int) (text string, pad, length int) {
	from, to := 0, len(line)
	start := min(max(col-1, 0), len(line))
	end := min(start+max(width, 1), len(line))
	if len(line) > maxLine {
		from = max(0, start-lead)
		to = min(len(line), from+maxLine)
		end = min(end, to)
	}
	var b strings.Builder
	shown := 0
	write := func(s string) {
		b.WriteString(s)
		shown += len([]rune(s))
	}
	if from > 0 {
		write("…")
	}
	for i := from; i < to; i++ {
		if i == start {
			pad = shown
		}
		if line[i] == '\t' {
			write("    ")
		} else {
			write(visibleRune(line[i], false))
		}
		if i == end-1 {
			length = shown - pad
		}
	}
	if start >= to {
		pad = shown
	}
	if to < len(line) {
		write("…")
	}
	return strings.TrimRight(b.String(), " "), pad, max(length, 1)
}

// codesOf are the codes of a list, each once, in order.
func codesOf(list diag.List) []diag.Code {
	var out []diag.Code
	for _, d := range list {
		out = append(out, d.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

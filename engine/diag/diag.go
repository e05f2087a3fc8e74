// Package diag describes a problem in somebody's YAML: where it is, what is
// wrong and what to do about it. It holds no I/O and knows no resource; our own
// failures are ordinary Go errors and never appear here.
package diag

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says whether a problem stops a change.
type Severity string

// The severities, from the one that stops a change to the one that only informs.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Pos is a place in a file. Line and Col count from 1 and Col counts runes;
// zero means "the file as a whole".
type Pos struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// String renders file:line:col and leaves out what is unknown.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
}

// Related points at another place that explains the problem, such as the
// other end of a broken reference.
type Related struct {
	Pos     Pos    `json:"pos"`
	Message string `json:"message"`
}

// Hidden as a Width keeps the source line out of every rendering, because it
// may hold a secret.
const Hidden = -1

// Diagnostic is one problem with one cause. Message says what is wrong, Hint
// what to do next. Width is the number of runes to underline, 0 if unknown
// and Hidden if the line must not be shown.
type Diagnostic struct {
	Severity Severity  `json:"severity"`
	Code     Code      `json:"code"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint,omitempty"`
	Pos      Pos       `json:"pos"`
	Width    int       `json:"width,omitempty"`
	Related  []Related `json:"related,omitempty"`
}

// String renders the one-line form that editors and problem matchers read.
func (d Diagnostic) String() string {
	return fmt.Sprintf("%s: %s[%s]: %s", d.Pos, d.Severity, d.Code, d.Message)
}

// List is a set of problems. The zero value is empty and ready to use.
type List []Diagnostic

// Errorf adds an error at pos.
func (l *List) Errorf(pos Pos, code Code, format string, args ...any) *Diagnostic {
	return l.add(Diagnostic{Severity: Error, Code: code, Message: fmt.Sprintf(format, args...), Pos: pos})
}

// Warnf adds a warning at pos.
func (l *List) Warnf(pos Pos, code Code, format string, args ...any) *Diagnostic {
	return l.add(Diagnostic{Severity: Warning, Code: code, Message: fmt.Sprintf(format, args...), Pos: pos})
}

func (l *List) add(d Diagnostic) *Diagnostic {
	*l = append(*l, d)
	return &(*l)[len(*l)-1]
}

// WithHint sets what to do next. The receiver is the pointer that Errorf
// returned, so it must be used before the list grows again.
func (d *Diagnostic) WithHint(format string, args ...any) *Diagnostic {
	d.Hint = fmt.Sprintf(format, args...)
	return d
}

// WithRelated adds another place that explains the problem.
func (d *Diagnostic) WithRelated(pos Pos, format string, args ...any) *Diagnostic {
	d.Related = append(d.Related, Related{Pos: pos, Message: fmt.Sprintf(format, args...)})
	return d
}

// HasErrors reports whether anything in the list stops a change.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Sorted returns the list ordered by file, line, column, code and message,
// without exact repeats. The receiver is left alone.
func (l List) Sorted() List {
	out := slices.Clone(l)
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.CompactFunc(out, func(a, b Diagnostic) bool {
		return a.Pos == b.Pos && a.Code == b.Code && a.Message == b.Message
	})
}

package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Problem is one thing that is wrong in a rule file. Line and Col count from 1;
// zero means the file as a whole.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error renders file:line:col: message.
func (p *Problem) Error() string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
	return at + ": " + p.Message
}

// Problems is everything that is wrong with a set of rule files, ordered by
// file, line and column. It is the error of Compile and Test where the rules
// are at fault; find it with errors.As.
type Problems []*Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(ps, func(a, b *Problem) bool { return *a == *b })
}

func problemAt(loc *ast.Location, hint, format string, args ...any) *Problem {
	p := &Problem{Message: fmt.Sprintf(format, args...), Hint: hint}
	if loc != nil {
		p.File, p.Line, p.Col = loc.File, loc.Row, loc.Col
	}
	return p
}

// problemsOf turns OPA's errors into Problems; file is where an error without a place belongs.
func problemsOf(file string, err error) Problems {
	var list ast.Errors
	if !errors.As(err, &list) {
		return Problems{{File: file, Message: err.Error()}}
	}
	out := make(Problems, 0, len(list))
	for _, e := range list {
		p := problemAt(e.Location, hintFor(e), "%s", strings.ReplaceAll(e.Message, boundedPrefix, ""))
		if p.File == "" {
			p.File = file
		}
		out = append(out, p)
	}
	return out
}

func hintFor(e *ast.Error) string {
	switch {
	case e.Code == ast.TypeErr && strings.HasPrefix(e.Message, "undefined function"):
		return "rules may use only builtins that depend on their arguments alone; what a rule needs to know is in input"
	case strings.Contains(e.Message, "keyword is required"):
		return "write Rego v1: deny contains msg if { ... }"
	default:
		return ""
	}
}

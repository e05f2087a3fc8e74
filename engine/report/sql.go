package report

import (
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

// Draft is what a request would run on one connection, as far as the files say.
type Draft struct {
	Connection resource.Name
	Statements []Statement // what gives or takes access, in order, remarks among them
	Own        int         // further statements, which keep the engine's own books
	// Why says why there is none, where nothing can be worded in advance.
	Why string
}

// Statement is one statement in the platform's own language, and what it is for.
type Statement struct{ Text, Why string }

// Bounds of the statements of one connection, in bytes: of what comes first, and of
// the end, which lets the people in.
const (
	maxFirst = 9 << 10
	maxLast  = 3 << 10
)

// sql are the statements that approving the requests would lead to, in blocks.
func (p Page) sql() []string {
	var out []string
	for _, a := range p.Asks {
		if len(a.Drafts) == 0 {
			continue
		}
		if len(p.Asks) > 1 {
			out = append(out, fmt.Sprintf("**%s**\n", Escape(string(a.Request))))
		}
		for _, d := range a.Drafts {
			out = append(out, d.blocks()...)
		}
	}
	if len(out) == 0 {
		return nil
	}
	rests := "As planned from the files"
	if p.Commit != "" {
		rests += " at " + Escape(p.Commit[:min(len(p.Commit), 12)])
	}
	return append([]string{rests + " and of this pull request, as if it were approved now; statements whose objects already exist are left out when it is applied.\n"}, out...)
}

func (d Draft) blocks() []string {
	name := "On " + Escape(string(d.Connection))
	if d.Why != "" {
		return []string{fmt.Sprintf("%s: %s\n", name, sentence(d.Why))}
	}
	var lines []string
	why := ""
	for _, s := range d.Statements {
		text := visible(s.Text)
		if s.Why != why && !strings.HasPrefix(text, "-- ") {
			why = s.Why
			lines = append(lines, "-- "+visible(why))
		}
		lines = append(lines, Clip(text, maxStatement))
	}
	title := name + ":\n"
	switch own := count(d.Own, "statement", "statements"); {
	case len(lines) == 0 && d.Own == 0:
		return []string{name + " nothing is to be done.\n"}
	case len(lines) == 0:
		return []string{name + " nothing opens or closes; " + own + " of the engine's own books.\n"}
	case d.Own > 0:
		title = name + ", besides " + own + " of the engine's own books:\n"
	}
	return append([]string{title}, Fenced("sql", middleOut(lines))...)
}

const maxStatement = 1900 // characters

// middleOut leaves out lines from the middle where there are too many.
func middleOut(lines []string) []string {
	first, size := 0, 0
	for first < len(lines) && size+len(lines[first]) <= maxFirst {
		size += len(lines[first]) + 1
		first++
	}
	last, size := len(lines), 0
	for last > first && size+len(lines[last-1]) <= maxLast {
		last--
		size += len(lines[last]) + 1
	}
	if last == first {
		return lines
	}
	out := append([]string{}, lines[:first]...)
	out = append(out, fmt.Sprintf("-- … %s left out here …", count(last-first, "line", "lines")))
	return append(out, lines[last:]...)
}

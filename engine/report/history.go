package report

import (
	"fmt"
	"strings"
	"time"
)

// Past is one earlier result of a pull request, as a forge keeps it.
type Past struct {
	At    time.Time `json:"at"`
	State State     `json:"state"`
	Line  string    `json:"line"`
}

// History is earlier results, the newest first, folded. A forge keeps them with
// its comment, where others might write: every word is escaped again.
func History(list []Past) string {
	if len(list) == 0 {
		return ""
	}
	var lines []string
	for i := len(list) - 1; i >= 0; i-- {
		x := list[i]
		lines = append(lines, fmt.Sprintf("- %s · %s %s", instant(x.At), x.State.Icon(), Escape(Clip(x.Line, 300))))
	}
	return fold(fmt.Sprintf("Earlier results (%d)", len(list)), []string{strings.Join(lines, "\n") + "\n"})
}

// Notes are what people are told besides the page, one line each.
func Notes(list []string) string {
	var b strings.Builder
	for _, n := range list {
		b.WriteString("> " + sentence(n) + "\n\n")
	}
	return b.String()
}

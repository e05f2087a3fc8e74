package forge

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/review"
)

// What forges with numbered pull requests, comments and statuses have in common.

// Number reads the id of a pull request that the forge numbers; anything else
// is ErrGone.
func Number(id string) (int, error) {
	n, err := strconv.Atoi(id)
	if err != nil || n <= 0 || strconv.Itoa(n) != id {
		return 0, fmt.Errorf("pull request %q: %w", id, ErrGone)
	}
	return n, nil
}

// The marker of the one comment that is edited in place, and what a comment that
// was cut says at its end.
const (
	markerStart = "<!-- assent "
	markerEnd   = " -->"
	cutNote     = "\n\n… cut here: `assent explain` has the whole of it.\n"
)

// IsComment reports whether a comment of the engine's account is the one that is
// edited in place. Anybody can write the marker.
func IsComment(body string) bool { return strings.HasPrefix(body, markerStart) }

// StatusContext is the name of the engine's status. The base branch is in it, so
// that a status for one branch says nothing about another.
func StatusContext(branch string) string { return "assent: " + branch }

// StatusState is the state of a status in words that every forge knows. Waiting
// is no failure.
func StatusState(o review.Outcome) string {
	switch {
	case o.Grants():
		return "success"
	case o == review.Denied:
		return "failure"
	case o == review.Canceled:
		return "error"
	default:
		return "pending"
	}
}

// OneLine makes text of strangers fit for the subject of a commit or a status.
func OneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// Shorten cuts a line to so many characters.
func Shorten(line string, most int) string {
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return line
}

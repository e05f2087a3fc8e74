package forge

import (
	"slices"

	"github.com/assent-dev/assent/engine/review"
)

// What stands around a pull request and only helps people: labels, requests for
// review, and the reactions that answer commands.

// LabelPrefix begins the names of the engine's labels; others are not touched.
const LabelPrefix = "assent: "

// LabelOf is the color, as six hexadecimal digits, and the description of the
// label of a state.
func LabelOf(state string) (color, description string) {
	switch state {
	case "waiting":
		return "fbca04", "somebody has to review this request"
	case "changes requested":
		return "d93f0b", "whoever opened it has to change it"
	case "approved":
		return "0e8a16", "agreed; access follows"
	case "applied":
		return "006b75", "access is there"
	case "denied":
		return "b60205", "a steward said no"
	case "prevented by guardrail":
		return "5319e7", "a rule keeps it from being granted"
	default:
		return "cfd3d7", "over"
	}
}

// The engine's reactions to a comment that say that its command was answered, and
// how.
const (
	ReactFollowed    = "rocket"
	ReactNotFollowed = "confused"
)

// MaxCommands is how many of the newest comments with a command are looked at: a
// flood of them costs nobody but its author.
const MaxCommands = 10

// maxAsked is how many reviews are requested at most: GitHub takes fifteen, and of
// a whole department nobody feels asked.
const maxAsked = 10

// Next are those whose review is to be requested now: who is needed and was never
// asked, at most ten; neither the author nor those of whom the forge refused it. A
// reminder asks everybody else again, and forgets the refusals: forgotten is what
// is left of them. All but Ask are ids of accounts.
func (r Report) Next(author string, asked, refused []string) (next []review.Actor, forgotten []string) {
	if r.Remind {
		asked, refused = nil, nil
	}
	for _, a := range r.Ask {
		if a.ID != author && !slices.Contains(asked, a.ID) && !slices.Contains(refused, a.ID) && len(next) < maxAsked {
			next = append(next, a)
		}
	}
	return next, slices.Clone(refused)
}

package validate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/assent-dev/assent/engine/resource"
)

// maxGuesses bounds the work of did-you-mean in a run that is broken all over.
const maxGuesses = 200

func quote(s string) string { return strconv.Quote(s) }

// closest is the candidate nearest to what was written: at most a third of its
// letters away, or its last segments. Of two alike, the first.
func (c *check) closest(written string, candidates []string) (string, bool) {
	c.guesses++
	if written == "" || c.guesses > maxGuesses {
		return "", false
	}
	best, distance := "", max(1, len(written)/3)+1
	for _, cand := range candidates {
		if strings.HasSuffix(cand, "/"+written) {
			return cand, true
		}
		if abs(len(cand)-len(written)) >= distance {
			continue
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(cand)); d < distance {
			best, distance = cand, d
		}
	}
	return best, best != ""
}

func abs(n int) int { return max(n, -n) }

// names are the names of a kind at head, that of the built-in form included.
func (c *check) names(kind resource.Kind) []string {
	var out []string
	for r := range c.head.All() {
		if r.Ref().Kind == kind {
			out = append(out, string(r.Ref().Name))
		}
	}
	if kind == resource.KindRequestForm && !slices.Contains(out, string(resource.StandardForm)) {
		out = append(out, string(resource.StandardForm))
	}
	return out
}

// choices lists what could have been written, shortened where it is long.
func choices(all []string) string {
	const most = 8
	if len(all) == 0 {
		return "none"
	}
	if len(all) > most {
		return strings.Join(all[:most], ", ") + " and " + strconv.Itoa(len(all)-most) + " more"
	}
	return strings.Join(all, ", ")
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

func texts[T ~string](list []T) []string {
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, string(e))
	}
	return out
}

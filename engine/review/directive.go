package review

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Directive is what a review's body says beyond its verdict.
type Directive struct {
	Until  time.Time // exclusive; zero where the reviewer set no end
	Reason string
}

const directiveHelp = "the first line may be /approve, /approve for 30d, /approve until 2027-01-31 or /deny"

// slashless is an end that somebody meant as a directive and wrote as prose.
var slashless = regexp.MustCompile(`(?i)^approved?\s+(for|until)\s+[0-9]`)

// ParseDirective reads a review's body. Its first line may be a directive, the
// rest is the reason; "for" is counted from at. What looks like a directive and
// is none is an error that says what to write: an end that is overlooked would
// give access for longer than the reviewer meant.
//
//	first line              approve          deny     comment
//	none                    no end           denial   text
//	/approve                no end           error    text
//	/approve for 30d        at + 30d         error    text
//	/approve until <day>    that day         error    text
//	/deny                   error            denial   text
//	any other /word         error            error    text
//	approve for 30d         error            denial   text
//	later line /approve …   error            error    text
func ParseDirective(body string, v Verdict, at time.Time) (Directive, error) {
	text := strings.TrimSpace(body)
	if v == Comment || v == Dismissed {
		return Directive{Reason: text}, nil
	}
	// What is shown as a line of its own is one.
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
	text = lines.Replace(text)
	first, rest, _ := strings.Cut(text, "\n")
	first = strings.TrimSpace(first)
	for line := range strings.Lines(rest) {
		if isDirective(strings.TrimSpace(line)) {
			return Directive{}, errors.New("read directive: it is not in the first line; " + directiveHelp)
		}
	}
	if !strings.HasPrefix(first, "/") {
		if v == Approve && slashless.MatchString(first) {
			return Directive{}, errors.New("read directive: it lacks its slash; " + directiveHelp)
		}
		return Directive{Reason: text}, nil
	}
	until, err := readDirective(first, v, at)
	return Directive{Until: until, Reason: strings.TrimSpace(rest)}, err
}

func isDirective(line string) bool {
	word, _, _ := strings.Cut(strings.ToLower(line), " ")
	return word == "/approve" || word == "/deny"
}

func readDirective(line string, v Verdict, at time.Time) (time.Time, error) {
	words := strings.Fields(line)
	switch {
	case words[0] != "/approve" && words[0] != "/deny":
		return time.Time{}, fmt.Errorf("read directive: %q is none; %s", words[0], directiveHelp)
	case words[0] == "/deny" && v != Deny:
		return time.Time{}, errors.New("read directive: /deny in an approving review; request changes instead")
	case words[0] == "/approve" && v != Approve:
		return time.Time{}, errors.New("read directive: /approve in a review that requests changes; approve instead")
	case len(words) == 1:
		return time.Time{}, nil
	case words[0] == "/approve" && len(words) == 3 && words[1] == "for":
		end, bounded, err := resource.Duration(words[2]).After(at)
		if err == nil && !bounded {
			err = errors.New("write /approve for an approval without an end of its own")
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("read directive: %w", err)
		}
		return end, nil
	case words[0] == "/approve" && len(words) == 3 && words[1] == "until":
		end, err := resource.Instant(words[2]).Time()
		if err == nil && !end.After(at) {
			err = fmt.Errorf("%s has passed", words[2])
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("read directive: %w", err)
		}
		return end, nil
	default:
		return time.Time{}, fmt.Errorf("read directive: %q is not understood; %s", line, directiveHelp)
	}
}

// FormatBody writes the body of a review that ParseDirective reads back. At
// most one of d and until may be stated, and only for an approval.
func FormatBody(v Verdict, d resource.Duration, until resource.Instant, reason string) (string, error) {
	first := ""
	switch {
	case d.Stated() && until.Stated():
		return "", errors.New("write review: want a duration or an end, not both")
	case v != Approve && (d.Stated() || until.Stated()):
		return "", errors.New("write review: only an approval has an end")
	case d.Stated():
		first = "/approve for " + string(d)
	case until.Stated():
		first = "/approve until " + string(until)
	case v == Approve:
		first = "/approve"
	case v == Deny:
		first = "/deny"
	}
	body := strings.TrimSpace(first + "\n\n" + strings.TrimSpace(reason))
	if v == Approve && len(body) > MaxSaid {
		return "", fmt.Errorf("write review: it has %d bytes, and at most %d are read: say it in fewer words", len(body), MaxSaid)
	}
	if _, err := ParseDirective(body, v, time.Time{}); err != nil {
		return "", fmt.Errorf("write review: %w", err)
	}
	return body, nil
}

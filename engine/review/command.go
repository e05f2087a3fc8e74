package review

import (
	"errors"
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

// Command is what a comment on a pull request asks of the engine. No command
// decides anything: a determination is a review.
type Command struct {
	Name     CommandName
	Duration resource.Duration // of CommandExtend
}

// CommandName is the word of a command.
type CommandName string

// The commands.
const (
	CommandRecheck CommandName = "recheck" // look again, now
	CommandExplain CommandName = "explain" // write the comment anew, with everything in it
	CommandRemind  CommandName = "remind"  // ask those again whose review is missing
	CommandCancel  CommandName = "cancel"  // withdraw the request
	CommandExtend  CommandName = "extend"  // ask for the same again, for so long
)

// CommandsHelp names the commands.
const CommandsHelp = "the commands are /recheck, /explain, /remind, /cancel and /extend 30d"

// ParseCommand reads the first line of a comment. found says that it is meant as a
// command; the error says what is wrong with it.
//
//	first line            found   error
//	/recheck              yes     none; likewise /explain, /remind, /cancel
//	/extend 30d           yes     none
//	/extend               yes     for how long
//	/extend indefinite    yes     it needs an end
//	/approve …, /deny     yes     a comment decides nothing
//	/other, /cancel now   yes     not understood
//	/etc/passwd, / x, //  no
//	anything else         no
func ParseCommand(body string) (c Command, found bool, err error) {
	first, _, _ := strings.Cut(strings.NewReplacer("\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(body), "\n")
	words := strings.Fields(first)
	if len(words) == 0 || !strings.HasPrefix(first, "/") || !isWord(words[0][1:]) {
		return Command{}, false, nil
	}
	c.Name = CommandName(strings.ToLower(words[0][1:]))
	switch c.Name {
	case CommandRecheck, CommandExplain, CommandRemind, CommandCancel:
		if len(words) > 1 {
			return Command{}, true, fmt.Errorf("read command: /%s stands alone", c.Name)
		}
		return c, true, nil
	case CommandExtend:
		if len(words) != 2 {
			return Command{}, true, errors.New("read command: say for how long, such as /extend 30d")
		}
		c.Duration = resource.Duration(words[1])
		if !c.Duration.Valid() || c.Duration == resource.Indefinite {
			return Command{}, true, errors.New("read command: /extend takes a whole number and min, h, d, w, mo or y, such as /extend 30d")
		}
		return c, true, nil
	case "approve", "deny":
		return Command{}, true, errors.New("read command: a comment decides nothing; approve or request changes in a review")
	default:
		return Command{}, true, errors.New("read command: not understood; " + CommandsHelp)
	}
}

// isWord reports whether a text is letters and nothing else.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

// PersonOf is the one person of a Set who is behind an actor, by what cannot be
// taken over. Where there is none it says why.
func PersonOf(set *resource.Set, a Actor) (name resource.Name, why string) {
	return newDirectory(set).person(a)
}

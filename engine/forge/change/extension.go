package change

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/review"
)

// extendsBranch is the branch of a pull request that the engine opened because a
// comment asked for it. It names the comment, and nobody can give a branch of a
// pull request another name.
var extendsBranch = regexp.MustCompile(`^request/[a-z0-9-]+-extend-([1-9][0-9]{0,18})$`)

// ExtensionName is the name of the request that a comment asks for, and with
// "request/" before it of its branch.
func ExtensionName(request, comment string) string {
	const most = 36
	return strings.TrimRight(request[:min(len(request), most)], "-") + "-extend-" + comment
}

// ExtensionOf is the id of the comment that asked for what is on a branch, where
// its name says that one did.
func ExtensionOf(branch string) (comment int64, ok bool) {
	m := extendsBranch.FindStringSubmatch(branch)
	if m == nil {
		return 0, false
	}
	comment, err := strconv.ParseInt(m[1], 10, 64)
	return comment, err == nil
}

// Extended makes whoever wrote a comment the author of the pull request that the
// engine, an account's id, opened for it, and nobody else. It stays the engine's,
// and so nobody's, where the comment asks for something else, or where somebody
// else pushed to it.
func Extended(facts *review.Facts, engine string, who review.Actor, body string) {
	cmd, found, err := review.ParseCommand(body)
	if err != nil || !found || cmd.Name != review.CommandExtend || who.Bot {
		return
	}
	for _, p := range facts.Pushers {
		if p.ID != engine && p.ID != who.ID {
			return // what is in it now is somebody else's word
		}
	}
	facts.Author = who
}

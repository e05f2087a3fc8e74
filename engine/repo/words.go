package repo

import (
	"strings"

	"github.com/assent-dev/assent/engine/diag"
)

// words says in plain words what the pattern of a definition wants.
type words struct {
	code diag.Code
	what string // "..., which is no WHAT"
	hint string
}

func wordsFor(definition string) words {
	switch definition {
	case "name":
		return words{CodeName, "name", "use lower-case letters, digits and dashes, at most 63, starting and ending with a letter or digit"}
	case "platform":
		return words{CodeName, "platform", "write the name of a platform, such as postgres, or connector/NAME"}
	case "slug":
		return words{CodeName, "name of a data source", "use lower-case letters, digits, dots, dashes and underscores"}
	case "sourceName":
		return words{CodeName, "name of a data source", "write connection/database/schema/table, or connection/database/table, as the file below sources/ is called"}
	case "levelPath":
		return words{CodeName, "path", "write database or database/schema, or leave it out for the connection itself"}
	case "targetPath":
		return words{CodeName, "path", "write connection, connection/database or connection/database/schema"}
	case "duration":
		return words{CodeDuration, "duration", "write a whole number and min, h, d, w, mo or y, such as 90d, or indefinite"}
	case "instant":
		return words{CodeInstant, "moment", "write a day such as 2027-01-31, or a moment in UTC such as 2027-01-31T17:00:00Z"}
	case "digest":
		return words{CodeDigest, "digest", "write sha256: and 64 hexadecimal digits"}
	case "tag":
		return words{CodePattern, "tag", "use letters, digits, dots, dashes, colons, slashes and underscores, without spaces"}
	case "questionId":
		return words{CodePattern, "question id", "start with a letter and use letters, digits, dashes and underscores"}
	case "key":
		return words{CodePattern, "key", "use letters, digits, dots, dashes, slashes and underscores, starting and ending with a letter or digit"}
	case "email":
		return words{CodePattern, "mail address", "write name@domain"}
	case "identity":
		return words{CodePattern, "identity", "start with a letter or digit and use letters, digits and . _ : / -, without spaces"}
	case "branch":
		return words{CodePattern, "name of a branch", "start with a letter or digit and use letters, digits and . _ / -"}
	case "login":
		return words{CodePattern, "login", "write it as the forge shows it, without @"}
	case "sshKey":
		return words{CodePattern, "public key", "write one line of a .pub file, such as ssh-ed25519 AAAA... kim"}
	case "host":
		return words{CodePattern, "host", "write a name or an address, without user, password or scheme"}
	case "accountTemplate":
		return words{CodePattern, "template", "write it without spaces, such as {name}"}
	case "githubRepository":
		return words{CodePattern, "repository of GitHub", "write OWNER/NAME, as in its address"}
	case "giteaRepository":
		return words{CodePattern, "repository of Gitea", "write OWNER/NAME, as in its address"}
	case "serverRoot":
		return words{CodePattern, "address of a server", "write it as https://HOST, as people open it in a browser"}
	case "apiRoot":
		return words{CodePattern, "address of an API", "write it as https://HOST/api/v3"}
	case "link":
		return words{CodePattern, "link", "start with https://"}
	case "event":
		return words{CodePattern, "name of an event", "use lower-case letters, digits, dots and dashes, such as request.pending"}
	case "secretReference":
		return words{CodePattern, "reference to a secret", "write env://NAME or file:///path: the secret itself must never be in git"}
	default:
		return words{}
	}
}

// explainPattern says what a value should have looked like.
func explainPattern(r *rule, value string) (code diag.Code, what, hint string) {
	w := wordsFor(r.name)
	switch {
	case w.what == "":
		return CodePattern, "valid value", "it must match " + r.pattern.String()
	case r.name == "name" || r.name == "slug":
		return w.code, w.what, w.hint + suggest(value)
	default:
		return w.code, w.what, w.hint
	}
}

// suggest spells a value as a name, where that is not much of a change.
func suggest(value string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-':
			return r
		case r == ' ' || r == '_' || r == '.':
			return '-'
		default:
			return -1
		}
	}, value)
	name = strings.Trim(name, "-")
	if len(name) == 0 || len(name) > 63 {
		return ""
	}
	return ": " + name
}

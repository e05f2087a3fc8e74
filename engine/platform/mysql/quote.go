package mysql

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// ident quotes a name, qualified where there are several parts. Backticks mean
// the same in every sql_mode, and a backslash between them is a backslash.
func ident(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = "`" + strings.ReplaceAll(p, "`", "``") + "`"
	}
	return strings.Join(quoted, ".")
}

// pattern quotes a database in a privilege on the whole of it, where _ and %
// would otherwise stand for other databases.
func pattern(database string) string {
	return ident(strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(database))
}

var errNotText = errors.New("quote text: it holds a NUL or is not UTF-8")

// checkText says whether a string can be a literal.
func checkText(s string) error {
	if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
		return errNotText
	}
	return nil
}

// literal quotes a string that checkText accepts, for our own sql_mode, which
// has neither ANSI_QUOTES nor NO_BACKSLASH_ESCAPES. Backslashes come in pairs
// and a quote is doubled, so that in any mode the text ends where it should.
func literal(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
}

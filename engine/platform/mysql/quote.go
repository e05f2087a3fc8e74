package mysql

import "strings"

// ident quotes a name, or several with dots between them.
func ident(parts ...string) string {
	var quoted []string
	for _, p := range parts {
		quoted = append(quoted, "`"+strings.ReplaceAll(p, "`", "``")+"`")
	}
	return strings.Join(quoted, ".")
}

var escapes = strings.NewReplacer(`\`, `\\`, `'`, `''`)

// literal quotes a text. It holds on sessions where a backslash escapes, which
// is the default and what the engine's own sessions set.
func literal(s string) string { return "'" + escapes.Replace(s) + "'" }

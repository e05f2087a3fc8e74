package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// maxIdent is the longest identifier in bytes; the server cuts longer ones
// without an error, which would make two names one.
const maxIdent = 63

// ident quotes a name, qualified where there are several parts. Names come from
// the catalog, from RoleKey or from viewName: all of them can be identifiers.
func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// nameable reports whether a string can be an identifier at all.
func nameable(s string) bool {
	return s != "" && len(s) <= maxIdent && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// badName is the fault of a name that PostgreSQL would refuse, or, where it is
// too long, cut to another one without a word.
func badName(kind, name string) *fault {
	what := "is not text that PostgreSQL takes"
	if len(name) > maxIdent {
		what = fmt.Sprintf("has %d bytes, and PostgreSQL takes %d", len(name), maxIdent)
	}
	return faultf(platform.BadName, "the name of %s %.80q %s: correct the file that says it", kind, name, what)
}

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

var errNotText = errors.New("quote text: it holds a NUL or is not UTF-8")

// checkText says whether a string can be a literal.
func checkText(s string) error {
	if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
		return errNotText
	}
	return nil
}

// literal quotes a string that checkText accepts. It does not depend on
// standard_conforming_strings.
func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

var elementEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// element quotes a string that checkText accepts as one of an array's text.
func element(s string) string { return `"` + elementEscapes.Replace(s) + `"` }

// viewName is the name of the view that stands for a table. It depends on the
// path alone and differs for different paths: a table of schema public keeps
// its name, another is schema__table, and where that would be ambiguous or too
// long, a hash of the path is added.
func viewName(path []string) string {
	schema, table := path[1], path[2]
	name, marks := table, 0
	if schema != "public" {
		name, marks = schema+"__"+table, 1
	}
	if strings.Count(name, "__") == marks && !strings.Contains(name, "___") && len(name) <= maxIdent {
		return name
	}
	sum := sha256.Sum256([]byte(schema + "\x00" + table))
	tag := "___" + hex.EncodeToString(sum[:8])
	for len(name) > maxIdent-len(tag) {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + tag
}

// Address implements platform.Platform. Names are quoted only where they need it.
func (p *Postgres) Address(role grant.RoleKey, object grant.Object) string {
	if len(object.Path) != 3 {
		return ""
	}
	if object.Masked() {
		return readable(role.SchemaName()) + "." + readable(viewName(object.Path))
	}
	return readable(object.Path[1]) + "." + readable(object.Path[2])
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

func readable(name string) string {
	if plainName.MatchString(name) && !strings.Contains(reserved, " "+name+" ") {
		return name
	}
	return ident(name)
}

// reserved are the words that cannot be a table or schema name unquoted, in
// PostgreSQL 15 to 18.
const reserved = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both " +
	"case cast char character check coalesce collate collation column concurrently constraint create cross current_catalog " +
	"current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable " +
	"desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group " +
	"grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array " +
	"json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value lateral " +
	"leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize not notnull " +
	"null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary real " +
	"references returning right row select session_user setof similar smallint some substring symmetric system_user table " +
	"tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic verbose " +
	"when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot " +
	"xmlserialize xmltable "

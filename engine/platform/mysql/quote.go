package mysql

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/grant"
)

// maxIdent is the longest name of a database, table, column or view, in characters.
const maxIdent = 64

// ident quotes a name, qualified where there are several parts. Backticks mean
// the same in every sql_mode, and a backslash between them is a backslash.
func ident(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = "`" + strings.ReplaceAll(p, "`", "``") + "`"
	}
	return strings.Join(quoted, ".")
}

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
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

func literals(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = literal(v)
	}
	return strings.Join(quoted, ", ")
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "NULL"
	}
	return literal(t.UTC().Format(time.DateTime))
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// viewName is the name of the view that stands for a table. It depends on the
// path alone and differs for different paths: it is database__table, and where
// that would be ambiguous or too long, a hash of the path is added.
func viewName(path []string) string {
	name := path[0] + "__" + path[1]
	if strings.Count(name, "__") == 1 && !strings.Contains(name, "___") && utf8.RuneCountInString(name) <= maxIdent {
		return name
	}
	tag := "___" + digest(path[0] + "\x00" + path[1])[:16]
	for utf8.RuneCountInString(name) > maxIdent-len(tag) {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + tag
}

// Address implements platform.Platform. Names are quoted only where they need it.
func (m *MySQL) Address(role grant.RoleKey, object grant.Object) string {
	if len(object.Path) != 2 {
		return ""
	}
	if object.Masked() {
		return readable(role.SchemaName()) + "." + readable(viewName(object.Path))
	}
	return readable(object.Path[0]) + "." + readable(object.Path[1])
}

// plainName needs no quotes: no reserved word of MariaDB or MySQL holds a digit
// or an underscore in front of a lower-case letter only, so words are quoted
// unless an underscore is in them.
var plainName = regexp.MustCompile(`^[a-z][a-z0-9]*_[a-z0-9_]*$`)

func readable(name string) string {
	if plainName.MatchString(name) && !strings.Contains(reserved, " "+name+" ") {
		return name
	}
	return ident(name)
}

// reserved are the reserved words that have an underscore.
const reserved = " character_set current_date current_role current_time current_timestamp current_user day_hour day_microsecond " +
	"day_minute day_second delete_domain_id dense_rank do_domain_ids first_value group_replication hour_microsecond hour_minute " +
	"hour_second ignore_domain_ids ignore_server_ids json_table last_value lead_lag master_bind master_heartbeat_period " +
	"master_ssl_verify_server_cert minute_microsecond minute_second no_write_to_binlog nth_value page_checksum parse_vcol_expr " +
	"percent_rank read_write ref_system_id row_number row_count second_microsecond session_user sql_big_result sql_calc_found_rows " +
	"sql_small_result stats_auto_recalc stats_persistent stats_sample_pages straight_join system_user utc_date utc_time " +
	"utc_timestamp year_month "

// keys are the keys of a map, in order.
func keys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// relNames are the relations of a map, in order.
func relNames[V any](m map[relName]V) []relName {
	return slices.SortedFunc(maps.Keys(m), func(a, b relName) int {
		return cmp.Or(cmp.Compare(a.database, b.database), cmp.Compare(a.name, b.name))
	})
}

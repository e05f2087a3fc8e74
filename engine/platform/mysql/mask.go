package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// column is a column as the catalog describes it.
type column struct {
	name     string
	base     string // the type without length and attributes: varchar, int
	declared string // the type as the table declares it
	nullable bool
	comment  string
	// undeclared says that a draft does not know the type: see Draft.
	undeclared bool
}

// The families of types that masks tell apart.
func (c column) integer() bool {
	return slices.Contains([]string{"tinyint", "smallint", "mediumint", "int", "bigint"}, c.base)
}

func (c column) numeric() bool {
	return c.integer() || slices.Contains([]string{"decimal", "float", "double"}, c.base)
}

func (c column) textual() bool {
	return slices.Contains([]string{"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"}, c.base)
}

func (c column) bytes() bool {
	return slices.Contains([]string{"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"}, c.base)
}

// readable reports whether the column has a text of its own.
func (c column) readable() bool {
	return c.textual() || c.numeric() ||
		slices.Contains([]string{"date", "datetime", "timestamp", "time", "year", "uuid", "inet4", "inet6"}, c.base)
}

// masker writes the expressions of a view. What a consumer can set in a session
// of his own must not change what they show, hence:
//
//	PAD_CHAR_TO_FULL_LENGTH  pads a char(n): its spaces are cut off
//	time_zone                shifts a timestamp: it is taken in UTC
//	default_regex_flags      changes patterns: they begin by unsetting them
type masker struct{ oracle bool }

// regexFlags unsets what a session may have set.
func (k masker) regexFlags() string {
	if k.oracle {
		return "(?-smx)"
	}
	return "(?-smxUJ)"
}

// expression is what a view shows for the column.
//
//	null      NULL, of a type like the column's
//	constant  the value: a number or a date where the column is one, else text
//	hash      64 hexadecimal digits
//	regex     the column as text, every match replaced
//	partial   as text, asterisks but for the ends; all asterisks where the
//	          ends would meet
//	round     numbers, rounded; numbers written as text likewise, other text NULL
//	truncate  the start of the unit, in UTC; of ISO dates written as text likewise
//	          as text, other text NULL
func (k masker) expression(c column, m *resource.Mask) (string, error) {
	if m == nil {
		return ref(c), nil
	}
	if c.undeclared {
		return "", fmt.Errorf("the mask %s of column %s depends on its type, and the file of the data source says %s", m.Type, c.name, cmp.Or(c.declared, "none"))
	}
	switch m.Type {
	case resource.MaskNull:
		return "CAST(NULL AS " + like(c) + ")", nil
	case resource.MaskConstant:
		return constant(c, m.Value)
	case resource.MaskHash:
		return hash(c)
	case resource.MaskRegex:
		t, err := text(c)
		if err != nil {
			return "", err
		}
		return k.regex(t, *m)
	case resource.MaskPartial:
		return partial(c, m.KeepFirst, m.KeepLast)
	case resource.MaskRound:
		return k.round(c, m.Digits)
	case resource.MaskTruncate:
		return k.truncate(c, m.Unit)
	default:
		return "", fmt.Errorf("mask column %s: no mask type %q", c.name, m.Type)
	}
}

// usesColumn reports whether a mask looks at the value at all.
func usesColumn(m *resource.Mask) bool {
	return m == nil || m.Type != resource.MaskNull && m.Type != resource.MaskConstant
}

func ref(c column) string { return "t." + ident(c.name) }

// like is a type that CAST knows, near the column's own.
func like(c column) string {
	switch {
	case c.integer():
		return "SIGNED"
	case c.base == "decimal":
		return "DECIMAL"
	case c.numeric():
		return "DOUBLE"
	case c.base == "date":
		return "DATE"
	case c.base == "datetime" || c.base == "timestamp":
		return "DATETIME"
	case c.base == "time":
		return "TIME"
	case c.bytes():
		return "BINARY"
	default:
		return "CHAR CHARACTER SET utf8mb4"
	}
}

func constant(c column, value string) (string, error) {
	if err := checkText(value); err != nil {
		return "", err
	}
	if _, err := strconv.ParseInt(value, 10, 64); err == nil && c.integer() {
		return "CAST(" + literal(value) + " AS SIGNED)", nil
	}
	if _, err := time.Parse(time.DateOnly, value); err == nil && c.base == "date" {
		return "CAST(" + literal(value) + " AS DATE)", nil
	}
	return "_utf8mb4" + literal(value), nil
}

// utc is a timestamp as a date and time in UTC, whatever the session's zone.
func utc(c column) string {
	if c.base == "timestamp" {
		return "(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL UNIX_TIMESTAMP(" + ref(c) + ") SECOND)"
	}
	return ref(c)
}

// text is the column as text.
func text(c column) (string, error) {
	switch {
	case !c.readable():
		return "", fmt.Errorf("mask column %s: its type %s has no text", c.name, c.declared)
	case c.base == "char":
		return "CAST(TRIM(TRAILING ' ' FROM " + ref(c) + ") AS CHAR CHARACTER SET utf8mb4)", nil
	default:
		return "CAST(" + utc(c) + " AS CHAR CHARACTER SET utf8mb4)", nil
	}
}

func hash(c column) (string, error) {
	value := ref(c)
	if !c.bytes() {
		t, err := text(c)
		if err != nil {
			return "", err
		}
		value = t
	}
	return "SHA2(CONCAT(s.salt, " + value + "), 256)", nil
}

func (k masker) matches(text, pattern string) string {
	return text + " COLLATE utf8mb4_bin REGEXP " + literal(k.regexFlags()+`\A`+pattern+`\z`)
}

const maxKeep = 1000

func partial(c column, first, last int) (string, error) {
	if first < 0 || last < 0 || first > maxKeep || last > maxKeep {
		return "", fmt.Errorf("mask column %s partly: keepFirst and keepLast must be between 0 and %d", c.name, maxKeep)
	}
	t, err := text(c)
	if err != nil {
		return "", err
	}
	n := "CHAR_LENGTH(" + t + ")"
	return fmt.Sprintf("CASE WHEN %[1]s <= %[2]d THEN REPEAT('*', %[1]s)"+
		" ELSE CONCAT(LEFT(%[3]s, %[4]d), REPEAT('*', %[1]s - %[2]d), RIGHT(%[3]s, %[5]d)) END", n, first+last, t, first, last), nil
}

// maxDigits is what DECIMAL holds behind the point.
const maxDigits = 30

// round never casts a text that is no number: the warning would show it.
func (k masker) round(c column, digits int) (string, error) {
	if digits < -maxDigits || digits > maxDigits {
		return "", fmt.Errorf("round column %s: digits must be between -%d and %d", c.name, maxDigits, maxDigits)
	}
	switch {
	case c.integer():
		return fmt.Sprintf("ROUND(CAST(%s AS DECIMAL(20, 0)), %d)", ref(c), digits), nil
	case c.numeric():
		return fmt.Sprintf("ROUND(%s, %d)", ref(c), digits), nil
	case c.textual():
		t, err := text(c)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("CASE WHEN %s THEN CAST(ROUND(CAST(%s AS DECIMAL(65, 30)), %d) AS CHAR CHARACTER SET utf8mb4) END",
			k.matches(t, "[-+]?[0-9]{1,30}([.][0-9]{1,30})?"), t, digits), nil
	default:
		return "", fmt.Errorf("round column %s: its type %s is no number", c.name, c.declared)
	}
}

// isoDate matches the text of a date that exists, from the year 1 on, with or
// without a time in UTC.
const isoDate = `(?!0000)([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))` +
	`|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)` +
	`([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z?)?`

func (k masker) truncate(c column, unit resource.DateUnit) (string, error) {
	if !slices.Contains(resource.DateUnits(), unit) {
		return "", fmt.Errorf("truncate column %s: no unit %q", c.name, unit)
	}
	switch {
	case c.base == "date":
		return startOf(ref(c), unit), nil
	case c.base == "datetime" || c.base == "timestamp":
		if unit == resource.UnitHour {
			return fmt.Sprintf("(CAST(DATE(%[1]s) AS DATETIME) + INTERVAL HOUR(%[1]s) HOUR)", utc(c)), nil
		}
		return "CAST(" + startOf(utc(c), unit) + " AS DATETIME)", nil
	case c.textual():
		t, err := text(c)
		if err != nil {
			return "", err
		}
		start := "CAST(" + startOf("CAST(SUBSTRING("+t+", 1, 10) AS DATE)", unit) + " AS CHAR CHARACTER SET utf8mb4)"
		if unit == resource.UnitHour {
			start = fmt.Sprintf("CONCAT(SUBSTRING(%[1]s, 1, 10), 'T', RPAD(SUBSTRING(%[1]s, 12, 2), 2, '0'), ':00:00Z')", t)
		}
		return "CASE WHEN " + k.matches(t, "("+isoDate+")") + " THEN " + start + " END", nil
	default:
		return "", fmt.Errorf("truncate column %s: its type %s is no date", c.name, c.declared)
	}
}

// startOf is the day on which a unit of a date begins. Years are written with
// four digits, so that none is taken for one of this century.
func startOf(x string, unit resource.DateUnit) string {
	year := "LPAD(YEAR(" + x + "), 4, '0')"
	switch unit {
	case resource.UnitYear:
		return "CAST(CONCAT(" + year + ", '-01-01') AS DATE)"
	case resource.UnitQuarter:
		return "CAST(CONCAT(" + year + ", '-', LPAD(QUARTER(" + x + ") * 3 - 2, 2, '0'), '-01') AS DATE)"
	case resource.UnitMonth:
		return "CAST(CONCAT(" + year + ", '-', LPAD(MONTH(" + x + "), 2, '0'), '-01') AS DATE)"
	case resource.UnitWeek:
		return "(DATE(" + x + ") - INTERVAL WEEKDAY(" + x + ") DAY)"
	default:
		return "DATE(" + x + ")"
	}
}

// definition is the statement that makes the view of a masked object.
func (k masker) definition(home string, at relName, list []string, salted bool) string {
	salt := ""
	if salted {
		salt = " JOIN " + ident(bookDatabase, "salt") + " AS s ON s.one = 1"
	}
	return "CREATE OR REPLACE DEFINER = " + viewsOwner.quoted() + " SQL SECURITY DEFINER VIEW " + ident(home, viewName(at.path())) +
		" AS SELECT " + strings.Join(list, ", ") + " FROM " + ident(at.database, at.name) + " AS t" + salt
}

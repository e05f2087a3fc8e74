package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// column is a column as the catalog describes it. typ is the name of its type
// with the modifier, of a domain's base type, ready to stand in a statement.
type column struct {
	name     string
	num      int16  // pg_attribute.attnum
	typ      string // varchar(20)
	base     string // the type's name in pg_type, without modifier: varchar, int4
	category string // pg_type.typcategory: S text, N number, D date and time, B boolean
	system   bool   // the type belongs to pg_catalog
	declared string // the type as the table declares it
	notNull  bool
	comment  string
	// undeclared says that a draft does not know the type: see Draft.
	undeclared bool
}

// expression is what a view shows for the column, and whether it reads the
// column at all. saltRef is how a hash refers to the salt.
//
//	null      NULL of the column's type
//	constant  the value, of the column's type where it can be one, else text
//	hash      64 hexadecimal digits
//	regex     the column as text, every match replaced
//	partial   as text, asterisks but for the ends; all asterisks where the
//	          ends would meet
//	round     numbers, rounded; numbers written as text likewise, other text NULL
//	truncate  the start of the unit, in UTC, of the column's type; of ISO dates
//	          written as text likewise as text, other text NULL
func expression(c column, m *resource.Mask) (sql string, reads bool, err error) {
	ref := "t." + ident(c.name)
	if m == nil {
		return ref, true, nil
	}
	if c.undeclared && typed(m) {
		return "", false, fmt.Errorf("the mask %s of column %s depends on its type, and the file of the data source says %s", m.Type, c.name, cmp.Or(c.declared, "none"))
	}
	text := ref + "::pg_catalog.text"
	switch m.Type {
	case resource.MaskNull:
		return "NULL::" + c.typ, false, nil
	case resource.MaskConstant:
		sql, err := constant(c, m.Value)
		return sql, false, err
	case resource.MaskHash:
		return "pg_catalog.encode(pg_catalog.sha256((SELECT s.salt FROM " + ident(bookSchema, "salt") +
			" AS s) || pg_catalog.convert_to(" + text + ", 'UTF8')), 'hex')", true, nil
	case resource.MaskRegex:
		sql, err := regexMask(text, *m)
		return sql, true, err
	case resource.MaskPartial:
		return partial(text, m.KeepFirst, m.KeepLast)
	case resource.MaskRound:
		return round(c, ref, m.Digits)
	case resource.MaskTruncate:
		return truncate(c, ref, m.Unit)
	default:
		return "", false, fmt.Errorf("mask column %s: no mask type %q", c.name, m.Type)
	}
}

func constant(c column, value string) (string, error) {
	if err := checkText(value); err != nil {
		return "", err
	}
	if c.system && fits(c, value) {
		return literal(value) + "::" + c.typ, nil
	}
	return literal(value) + "::pg_catalog.text", nil
}

// fits reports whether a constant surely is a value of the column's type.
func fits(c column, value string) bool {
	bits := map[string]int{"int2": 16, "int4": 32, "int8": 64}[c.base]
	switch {
	case bits != 0:
		_, err := strconv.ParseInt(value, 10, bits)
		return err == nil
	case c.base == "numeric" && c.typ == "numeric" || c.base == "float8":
		_, err := strconv.ParseInt(value, 10, 32)
		return err == nil
	case c.base == "bool":
		return value == "true" || value == "false"
	case c.base == "date":
		_, err := time.Parse(time.DateOnly, value)
		return err == nil
	case c.base == "timestamp" || c.base == "timestamptz":
		_, err := time.Parse(time.RFC3339, value)
		return err == nil
	default:
		return c.base == "text"
	}
}

func partial(text string, first, last int) (string, bool, error) {
	if first < 0 || last < 0 || first > maxKeep || last > maxKeep {
		return "", false, fmt.Errorf("mask partly: keepFirst and keepLast must be between 0 and %d", maxKeep)
	}
	n := "pg_catalog.char_length(" + text + ")"
	return fmt.Sprintf("CASE WHEN %[1]s <= %[2]d THEN pg_catalog.repeat('*', %[1]s)"+
		" ELSE pg_catalog.\"left\"(%[3]s, %[4]d) || pg_catalog.repeat('*', %[1]s - %[2]d) || pg_catalog.\"right\"(%[3]s, %[5]d) END",
		n, first+last, text, first, last), true, nil
}

const maxKeep = 1000

func round(c column, ref string, digits int) (string, bool, error) {
	if digits < -1000 || digits > 1000 {
		return "", false, fmt.Errorf("round column %s: digits must be between -1000 and 1000", c.name)
	}
	switch {
	case c.system && c.category == "N" && c.base != "money":
		return fmt.Sprintf("pg_catalog.round(%s::pg_catalog.numeric, %d)", ref, digits), true, nil
	case c.system && c.category == "S":
		return fmt.Sprintf("CASE WHEN %[1]s::pg_catalog.text ~ '^[-+]?[0-9]{1,100}([.][0-9]{1,100})?$'"+
			" THEN pg_catalog.round(%[1]s::pg_catalog.text::pg_catalog.numeric, %[2]d)::pg_catalog.text END", ref, digits), true, nil
	default:
		return "", false, fmt.Errorf("round column %s: its type %s is no number", c.name, c.declared)
	}
}

// isoDate matches the text of a date that exists, from the year 1 on, with or
// without a time in UTC.
const isoDate = `^(?!0000)([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))` +
	`|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)` +
	`([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z?)?$`

func truncate(c column, ref string, unit resource.DateUnit) (string, bool, error) {
	if !slices.Contains(resource.DateUnits(), unit) {
		return "", false, fmt.Errorf("truncate column %s: no unit %q", c.name, unit)
	}
	u := literal(string(unit))
	switch {
	case c.system && c.base == "timestamptz":
		return fmt.Sprintf("pg_catalog.date_trunc(%s, %s::pg_catalog.timestamptz, 'UTC')::%s", u, ref, c.typ), true, nil
	case c.system && (c.base == "timestamp" || c.base == "date"):
		return fmt.Sprintf("pg_catalog.date_trunc(%s, %s::pg_catalog.timestamp)::%s", u, ref, c.typ), true, nil
	case c.system && c.category == "S":
		part := func(from, n int) string {
			return fmt.Sprintf("pg_catalog.substr(%s::pg_catalog.text, %d, %d)", ref, from, n)
		}
		start := fmt.Sprintf("pg_catalog.to_char(pg_catalog.date_trunc(%s, pg_catalog.make_date(%s::pg_catalog.int4, %s::pg_catalog.int4, %s::pg_catalog.int4)"+
			"::pg_catalog.timestamp), 'YYYY-MM-DD')", u, part(1, 4), part(6, 2), part(9, 2))
		if unit == resource.UnitHour {
			start = part(1, 10) + " || 'T' || pg_catalog.rpad(" + part(12, 2) + ", 2, '0') || ':00:00Z'"
		}
		return fmt.Sprintf(`CASE WHEN %s::pg_catalog.text COLLATE "C" ~ %s THEN %s END`, ref, literal(isoDate), start), true, nil
	default:
		return "", false, fmt.Errorf("truncate column %s: its type %s is no date", c.name, c.declared)
	}
}

package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// maxRoundDigits bounds a round mask on both sides of the decimal point.
const maxRoundDigits = 15

// checkMask says why the sandbox cannot carry out a mask.
func checkMask(m resource.Mask) error {
	switch m.Type {
	case resource.MaskNull, resource.MaskHash:
		return nil
	case resource.MaskConstant:
		if strings.ContainsRune(m.Value, 0) {
			return errors.New("the constant holds a NUL character")
		}
		return nil
	case resource.MaskRegex:
		_, err := resource.ParseRegex(m)
		return err
	case resource.MaskPartial:
		if m.KeepFirst < 0 || m.KeepLast < 0 {
			return errors.New("a number of characters to keep is negative")
		}
		return nil
	case resource.MaskRound:
		if m.Digits < -maxRoundDigits || m.Digits > maxRoundDigits {
			return fmt.Errorf("digits are outside -%d to %d", maxRoundDigits, maxRoundDigits)
		}
		return nil
	case resource.MaskTruncate:
		if !slices.Contains(resource.DateUnits(), m.Unit) {
			return fmt.Errorf("unit %q is unknown", m.Unit)
		}
		return nil
	default:
		return fmt.Errorf("mask type %q is unknown", m.Type)
	}
}

// maskSQL is the expression that stands for a masked column. The functions in
// it bear prefix before their names.
func maskSQL(column string, m resource.Mask, prefix string) string {
	c := ident(column)
	switch m.Type {
	case resource.MaskConstant:
		return literal(m.Value)
	case resource.MaskHash:
		return prefix + "hash(" + c + ")"
	case resource.MaskRegex:
		return prefix + "regex(" + c + ", " + literal(m.Pattern) + ", " + literal(m.Replacement) + ")"
	case resource.MaskPartial:
		return fmt.Sprintf("%spartial(%s, %d, %d)", prefix, c, m.KeepFirst, m.KeepLast)
	case resource.MaskRound:
		return fmt.Sprintf("%sround(%s, %d)", prefix, c, m.Digits)
	case resource.MaskTruncate:
		return fmt.Sprintf("%struncate(%s, %s)", prefix, c, literal(string(m.Unit)))
	default: // null, and anything that is not known: hidden
		return "NULL"
	}
}

// shownPrefix begins the names of the mask functions in a preview. In a
// consumer's connection they begin with its random token instead, so that a
// consumer cannot call them and learn which value hides behind a hash.
const shownPrefix = "assent_"

// viewSQL is the query of a masked object over a table written as from. It is
// what a preview shows and what a consumer's connection runs.
func viewSQL(columns []grant.Column, from, prefix string) string {
	exprs := make([]string, len(columns))
	for i, c := range columns {
		if c.Mask == nil {
			exprs[i] = ident(c.Name)
		} else {
			exprs[i] = maskSQL(c.Name, *c.Mask, prefix) + " AS " + ident(c.Name)
		}
	}
	return "SELECT " + strings.Join(exprs, ", ") + " FROM " + from
}

// registerMasks adds the functions of the mask expressions to a connection.
func registerMasks(conn *sqlite.Conn, salt, prefix string) error {
	regexes := map[resource.Mask]func(string) string{}
	functions := []struct {
		name  string
		nargs int
		f     func(text string, args []sqlite.Value) (sqlite.Value, error)
	}{
		{"hash", 1, func(text string, _ []sqlite.Value) (sqlite.Value, error) {
			return sqlite.TextValue(hashText(salt, text)), nil
		}},
		{"regex", 3, func(text string, args []sqlite.Value) (sqlite.Value, error) {
			m := resource.Mask{Type: resource.MaskRegex, Pattern: args[1].Text(), Replacement: args[2].Text()}
			if regexes[m] == nil {
				r, err := resource.ParseRegex(m)
				if err != nil {
					return sqlite.Value{}, errors.New("the pattern of a mask is not valid")
				}
				regexes[m] = r.Replacer()
			}
			return sqlite.TextValue(regexes[m](text)), nil
		}},
		{"partial", 3, func(text string, args []sqlite.Value) (sqlite.Value, error) {
			return sqlite.TextValue(partialText(text, args[1].Int(), args[2].Int())), nil
		}},
		{"round", 2, func(text string, args []sqlite.Value) (sqlite.Value, error) {
			return roundText(text, args[1].Int()), nil
		}},
		{"truncate", 2, func(text string, args []sqlite.Value) (sqlite.Value, error) {
			return truncateText(text, resource.DateUnit(args[1].Text())), nil
		}},
	}
	for _, fn := range functions {
		err := conn.CreateFunction(prefix+fn.name, &sqlite.FunctionImpl{
			NArgs: fn.nargs, Deterministic: true, AllowIndirect: true,
			Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
				if args[0].Type() == sqlite.TypeNull {
					return sqlite.Value{}, nil
				}
				return fn.f(args[0].Text(), args)
			},
		})
		if err != nil {
			return fmt.Errorf("register %s: %w", fn.name, err)
		}
	}
	return nil
}

func hashText(salt, text string) string {
	h := hmac.New(sha256.New, []byte(salt))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// partialText keeps characters at both ends. What is not longer than both
// ends together is hidden whole.
func partialText(text string, first, last int) string {
	r := []rune(text)
	if first < 0 || last < 0 || len(r)-first <= last {
		first, last = 0, 0
	}
	return string(r[:first]) + strings.Repeat("*", len(r)-first-last) + string(r[len(r)-last:])
}

// roundText rounds half away from zero; what is no number is NULL.
func roundText(text string, digits int) sqlite.Value {
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return sqlite.Value{}
	}
	p := math.Pow10(max(digits, -digits))
	if digits > 0 {
		if scaled := x * p; !math.IsInf(scaled, 0) {
			x = math.Round(scaled) / p
		}
		return sqlite.FloatValue(x)
	}
	x = math.Round(x/p) * p
	if math.Abs(x) < 1<<53 {
		return sqlite.IntegerValue(int64(x))
	}
	return sqlite.FloatValue(x)
}

var timePart = regexp.MustCompile(`^[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z?$`)

// truncateText is the start of the unit that an ISO date is in, with or without
// a time in UTC; what is none is NULL.
func truncateText(text string, unit resource.DateUnit) sqlite.Value {
	if len(text) < len(time.DateOnly) {
		return sqlite.Value{}
	}
	day, clock := text[:len(time.DateOnly)], text[len(time.DateOnly):]
	t, err := time.Parse(time.DateOnly, day)
	if err != nil || t.Year() == 0 || clock != "" && !timePart.MatchString(clock) {
		return sqlite.Value{}
	}
	switch unit {
	case resource.UnitYear:
		t = t.AddDate(0, 1-int(t.Month()), 1-t.Day())
	case resource.UnitQuarter:
		t = t.AddDate(0, -(int(t.Month())-1)%3, 1-t.Day())
	case resource.UnitMonth:
		t = t.AddDate(0, 0, 1-t.Day())
	case resource.UnitWeek:
		t = t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
	case resource.UnitDay:
	case resource.UnitHour:
		hour := "00"
		if clock != "" {
			hour = clock[1:3]
		}
		return sqlite.TextValue(day + "T" + hour + ":00:00Z")
	default:
		return sqlite.Value{}
	}
	return sqlite.TextValue(t.Format(time.DateOnly))
}

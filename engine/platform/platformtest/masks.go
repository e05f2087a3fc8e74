package platformtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// maskCases: what people see behind a mask, and that nothing leads past it.
func maskCases() []testCase {
	return []testCase{
		{"every claimed mask hides the column and only the column", everyMask},
		{"a member of a masked object never reaches the table", func(e *env) {
			r := e.maskedReader("ann")
			e.reads("ann", e.address(r, 0), peopleColumns(), hiddenPeople())
			for _, c := range peopleColumns() {
				e.refused("ann", e.h.BaseAddress("people"), c)
			}
			e.notInserted("ann", e.h.BaseAddress("people"))
		}},
		{"only members reach a masked object", func(e *env) {
			r := e.maskedReader("ann")
			e.accounts("bob")
			e.refused("bob", e.address(r, 0), "id")
			e.ok(revoke(member(r.RoleKey, "ann")))
			e.refused("ann", e.address(r, 0), "id")
		}},
		{"a filter on a masked column gives nothing away", maskedFilter},
		{"a mask added later takes effect for members", func(e *env) {
			e.people("people")
			e.accounts("ann")
			clear := role(e.key("sales"), e.wholePeople("people"))
			e.ok(provision(clear), allow(member(clear.RoleKey, "ann")))
			e.reads("ann", e.address(clear, 0), peopleColumns(), clearPeople())
			hide := role(e.key("sales"), e.maskedPeople("people"))
			e.ok(replace(clear, hide))
			e.reads("ann", e.address(hide, 0), peopleColumns(), hiddenPeople())
			e.refused("ann", e.h.BaseAddress("people"), "iban")
			e.roundTrip(desired{roles: roles(hide), grants: grants(member(hide.RoleKey, "ann"))})
		}},
		{"a mask removed gives the column back to members", func(e *env) {
			hide := e.maskedReader("ann")
			clear := role(e.key("sales"), e.wholePeople("people"))
			e.ok(replace(hide, clear))
			e.reads("ann", e.address(clear, 0), peopleColumns(), clearPeople())
			e.roundTrip(desired{roles: roles(clear), grants: grants(member(clear.RoleKey, "ann"))})
		}},
		{"a mask changed replaces the one before", func(e *env) {
			hide := e.maskedReader("ann")
			other := role(e.key("sales"), masked(e.wholePeople("people"), "iban",
				resource.Mask{Type: resource.MaskConstant, Value: "it's \"secret\"; \\ -- %s"}))
			e.ok(replace(hide, other))
			e.reads("ann", e.address(other, 0), []string{"id", "iban"}, [][]string{
				{"1", `it's "secret"; \ -- %s`}, {"2", `it's "secret"; \ -- %s`}, {"3", `it's "secret"; \ -- %s`},
			})
			e.roundTrip(desired{roles: roles(other), grants: grants(member(other.RoleKey, "ann"))})
		}},
		{"a masked key and a table masked whole hide what they must", func(e *env) {
			e.people("people")
			e.accounts("ann", "bob")
			key := role(e.key("sales"), masked(e.wholePeople("people"), "id", hidden()))
			whole := role(e.key("audit"), masked(masked(e.maskedPeople("people"), "id", hidden()), "city", hidden()))
			e.converge(desired{roles: roles(key, whole), grants: grants(member(key.RoleKey, "ann"), member(whole.RoleKey, "bob"))})
			e.reads("ann", e.address(key, 0), []string{"city", "id"}, [][]string{{"Lima", "hidden"}, {"Oslo", "hidden"}, {"Rome", "hidden"}})
			e.reads("bob", e.address(whole, 0), peopleColumns(), [][]string{{"hidden", "hidden", "hidden"}, {"hidden", "hidden", "hidden"}, {"hidden", "hidden", "hidden"}})
		}},
		{"a constant is shown to the letter, whatever it holds", func(e *env) {
			e.people("people")
			e.accounts("ann")
			for i, value := range []string{"a\nb\r\tc", `\'; "x" \\`, "$$ $1 ${x} %d %s {{x}}", "/* a */ -- b #c", "\u00e5 a\u030a \U0001f510", " ", strings.Repeat("long ", 400)} {
				r := role(e.key(fmt.Sprintf("mask%d", i)), masked(e.wholePeople("people"), "iban", resource.Mask{Type: resource.MaskConstant, Value: value}))
				g := member(r.RoleKey, "ann")
				e.ok(provision(r), allow(g))
				e.reads("ann", e.address(r, 0), []string{"id", "iban"}, [][]string{{"1", value}, {"2", value}, {"3", value}})
				e.roundTrip(desired{roles: roles(r), grants: grants(g)})
				e.ok(retire(r))
			}
		}},
		{"a mask moved to another column hides that one", func(e *env) {
			hide := e.maskedReader("ann")
			other := role(e.key("sales"), masked(e.wholePeople("people"), "city", hidden()))
			e.ok(replace(hide, other))
			e.reads("ann", e.address(other, 0), peopleColumns(), [][]string{
				{"1", "hidden", "NO9386011117947"}, {"2", "hidden", "IT6054281110101"}, {"3", "hidden", "NO9386011117947"},
			})
		}},
		{"a masked column can be taken off the list", func(e *env) {
			hide := e.maskedReader("ann")
			less := role(e.key("sales"), e.object("people", "id", "city"))
			e.ok(replace(hide, less))
			e.readsCities("ann", e.address(less, 0))
			e.cannotRead("ann", e.address(less, 0), "id", "iban")
			e.cannotRead("ann", e.address(hide, 0), "id", "iban")
		}},
		{"an exception moves one person to another profile", profileMove},
		{"one account sees each product through its own masks", func(e *env) {
			e.people("people")
			e.accounts("ann", "bob")
			hide := role(e.key("sales"), e.maskedPeople("people"))
			clear := role(e.key("audit"), e.wholePeople("people"))
			e.ok(provision(hide), provision(clear), allow(member(hide.RoleKey, "ann")),
				allow(member(clear.RoleKey, "ann")), allow(member(hide.RoleKey, "bob")))
			e.reads("ann", e.address(hide, 0), peopleColumns(), hiddenPeople())
			e.reads("ann", e.address(clear, 0), peopleColumns(), clearPeople())
			e.refused("bob", e.address(clear, 0), "iban")
			e.ok(revoke(member(clear.RoleKey, "ann")))
			e.reads("ann", e.address(hide, 0), peopleColumns(), hiddenPeople())
			e.refused("ann", e.address(clear, 0), "iban")
		}},
		{"an unknown mask opens nothing", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), masked(e.wholePeople("people"), "iban", resource.Mask{Type: "blur"}))
			e.statuses([]plan.Change{provision(r)}, "failed/unsupported")
			e.apply(allow(member(r.RoleKey, "ann")))
			e.cannotRead("ann", e.address(r, 0), "iban")
			e.refused("ann", e.h.BaseAddress("people"), "iban")
		}},
		{"a mask that cannot be made closes the column for members", func(e *env) {
			r, _ := e.reader("ann")
			out := e.apply(replace(r, role(r.RoleKey, masked(e.wholePeople("people"), "iban", resource.Mask{Type: "blur"}))))
			e.want(out[0].Status == platform.Failed && out[0].Code == platform.Unsupported, "the change ended %s/%s", out[0].Status, out[0].Code)
			e.cannotRead("ann", e.h.BaseAddress("people"), "iban")
			e.ok(provision(role(r.RoleKey, e.maskedPeople("people"))))
			e.reads("ann", e.p.Address(r.RoleKey, e.maskedPeople("people")), peopleColumns(), hiddenPeople())
		}},
		{"a value too short for its partial mask is hidden whole", shortPartial},
		{"rounding text that is no number shows nothing of it", roundText},
		{"patterns mean the same on every platform", regexDialect},
	}
}

func replace(before, after *grant.Role) plan.Change {
	c := provision(after)
	c.PriorRole = before
	return c
}

// maskedReader makes the usual table, masked, with one reader.
func (e *env) maskedReader(account string) *grant.Role {
	e.Helper()
	e.people("people")
	e.accounts(account)
	r := role(e.key("sales"), e.maskedPeople("people"))
	e.ok(provision(r), allow(member(r.RoleKey, account)))
	return r
}

// maskSample is a mask of each type, and what it must make of the values.
type maskSample struct {
	mask  resource.Mask
	clear []string
	check func(got []string) error
}

func exactly(want ...string) func([]string) error {
	return func(got []string) error {
		if !slices.Equal(got, want) {
			return fmt.Errorf("want %q, got %q", want, got)
		}
		return nil
	}
}

func maskSamples() []maskSample {
	names := []string{"Ragnhild Ås", "Per", "Ragnhild Ås"}
	return []maskSample{
		{resource.Mask{Type: resource.MaskNull}, names, exactly("<null>", "<null>", "<null>")},
		{resource.Mask{Type: resource.MaskConstant, Value: "xxx"}, names, exactly("xxx", "xxx", "xxx")},
		{resource.Mask{Type: resource.MaskConstant}, names, exactly("", "", "")},
		{resource.Mask{Type: resource.MaskHash}, names, checkHash(names)},
		{resource.Mask{Type: resource.MaskRegex, Pattern: "[0-9]", Replacement: "#"},
			[]string{"a1b22", "none", "7'\"7"}, exactly("a#b##", "none", "#'\"#")},
		{resource.Mask{Type: resource.MaskPartial, KeepFirst: 2, KeepLast: 3},
			[]string{"Åsgårdstrand", "1234567890", "x'y\"z;--qw"}, checkPartial([][2]string{{"Ås", "and"}, {"12", "890"}, {"x'", "-qw"}})},
		{resource.Mask{Type: resource.MaskPartial, KeepLast: 4},
			[]string{"1234567890", "abcdefghij", "klmnopqrst"}, checkPartial([][2]string{{"", "7890"}, {"", "ghij"}, {"", "qrst"}})},
		{resource.Mask{Type: resource.MaskPartial},
			[]string{"secret", "hidden", "closed"}, checkPartial([][2]string{{"", ""}, {"", ""}, {"", ""}})},
		{resource.Mask{Type: resource.MaskRound, Digits: -2}, []string{"1234.5", "-1260", "7"}, checkNumbers(1200, -1300, 0)},
		{resource.Mask{Type: resource.MaskRound, Digits: 1}, []string{"1234.56", "-0.04", "3"}, checkNumbers(1234.6, 0, 3)},
		{resource.Mask{Type: resource.MaskRound}, []string{"1234.56", "0.4", "3"}, checkNumbers(1235, 0, 3)},
		truncated(resource.UnitYear, "2020-01-01", "1999-01-01", "2024-01-01"),
		truncated(resource.UnitQuarter, "2020-01-01", "1999-10-01", "2024-07-01"),
		truncated(resource.UnitMonth, "2020-02-01", "1999-12-01", "2024-07-01"),
		truncated(resource.UnitWeek, "2020-02-24", "1999-12-27", "2024-07-15"),
		truncated(resource.UnitDay, "2020-02-29", "1999-12-31", "2024-07-15"),
		truncated(resource.UnitHour, "2020-02-29T00:00:00Z", "1999-12-31T23:00:00Z", "2024-07-15T09:00:00Z"),
		{resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitMonth},
			[]string{"2023-02-29", "0000-01-01", "12 Elm Street"}, exactly("<null>", "<null>", "<null>")},
		{resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitHour},
			[]string{"1900-02-29 10:00:00", "2020-02-29T24:00:00Z", "2020-02-29T10:00:00+02:00"}, exactly("<null>", "<null>", "<null>")},
	}
}

// truncated is what a leap day, the last second of a year and a Monday become.
func truncated(unit resource.DateUnit, want ...string) maskSample {
	return maskSample{resource.Mask{Type: resource.MaskTruncate, Unit: unit},
		[]string{"2020-02-29", "1999-12-31T23:59:59.999Z", "2024-07-15 09:30:00"}, exactly(want...)}
}

// regexDialect compares with what resource.Regex makes of the values.
func regexDialect(e *env) {
	if !slices.Contains(e.p.Capabilities().Masks, resource.MaskRegex) {
		e.Skipf("the platform does not claim regex masks")
	}
	clear := []string{"", "ann.Berg@x.org", "2020-02-29", `C:\a & b`, "Åsa 日本 £5", "two\nlines", "abab aab", "$1 100% 'q'", "ANN berg"}
	masks := [][2]string{
		{`[0-9]`, "#"}, {`^[^@]*`, "x"}, {`\d{2,4}`, `\1&\&`}, {`\W`, "_"}, {`\s+`, ""}, {`a|ab|aba`, "<$0>"}, {`(?i)ann|å`, "n"},
		{`^([0-9]{4})-([0-9]{2})-[0-9]{2}$`, "$2/${1}$$"}, {`(\w)(\w+)`, "$2$1"}, {`[\]\\^&-]`, "."}, {`(?s).+`, "all"}, {`.+`, "line"},
		{`[^\x00-\x7f]`, "?"}, {`\pL`, "l"}, {`(?:^a|b)`, "!"}, {`[[:upper:]]`, "U"}, {`a?b`, "-"}, {`\$|\.|%`, "$$"}, {`\n`, "'"},
	}
	t := Table{Name: "texts", Columns: []string{"id"}}
	for i := range masks {
		t.Columns = append(t.Columns, fmt.Sprintf("c%d", i))
	}
	for i, text := range clear {
		row := []string{strconv.Itoa(i)}
		for range masks {
			row = append(row, text)
		}
		t.Rows = append(t.Rows, row)
	}
	e.table(t)
	e.accounts("ann")
	o := e.object("texts", t.Columns...)
	for i, m := range masks {
		o = masked(o, t.Columns[i+1], resource.Mask{Type: resource.MaskRegex, Pattern: m[0], Replacement: m[1]})
	}
	r := role(e.key("texts"), o)
	e.ok(provision(r), allow(member(r.RoleKey, "ann")))
	rows, err := e.h.Select(e.ctx, "ann", e.address(r, 0), t.Columns...)
	e.must("select", err)
	e.want(len(rows) == len(clear), "%d rows read", len(rows))
	for i, row := range rows {
		for j, m := range masks {
			re, err := resource.ParseRegex(*o.Columns[j+1].Mask)
			e.must("parse pattern", err)
			if want := re.Replacer()(clear[i]); row[j+1] != want {
				e.Errorf("%q with %q for %q reads %q, want %q", clear[i], m[1], m[0], row[j+1], want)
			}
		}
	}
}

func checkHash(clear []string) func([]string) error {
	return func(got []string) error {
		if got[0] != got[2] || got[0] == got[1] {
			return fmt.Errorf("equal values must hash alike and others not, got %q", got)
		}
		for i := range got {
			if len(got[i]) < 32 || strings.Contains(got[i], clear[i]) {
				return fmt.Errorf("%q is no hash of %q", got[i], clear[i])
			}
		}
		return nil
	}
}

// checkPartial wants the ends clear and between them nothing but asterisks.
func checkPartial(ends [][2]string) func([]string) error {
	return func(got []string) error {
		for i, g := range got {
			rest, first := strings.CutPrefix(g, ends[i][0])
			rest, last := strings.CutSuffix(rest, ends[i][1])
			if !first || !last || rest == "" || strings.Trim(rest, "*") != "" {
				return fmt.Errorf("want %s***%s, got %q", ends[i][0], ends[i][1], g)
			}
		}
		return nil
	}
}

func checkNumbers(want ...float64) func([]string) error {
	return func(got []string) error {
		for i, g := range got {
			n, err := strconv.ParseFloat(g, 64)
			if err != nil || n != want[i] {
				return fmt.Errorf("want %v, got %q", want, got)
			}
		}
		return nil
	}
}

func everyMask(e *env) {
	e.accounts("ann")
	claimed := e.p.Capabilities().Masks
	if len(claimed) == 0 {
		e.Fatalf("the platform claims no mask at all")
	}
	for i, s := range maskSamples() {
		if !slices.Contains(claimed, s.mask.Type) {
			continue
		}
		name := fmt.Sprintf("t%d", i)
		e.table(Table{Name: name, Columns: []string{"id", "secret", "open"}, Rows: [][]string{
			{"1", s.clear[0], "a"}, {"2", s.clear[1], "b"}, {"3", s.clear[2], "c"},
		}})
		r := role(e.key(name), masked(e.object(name, "id", "secret", "open"), "secret", s.mask))
		e.ok(provision(r), allow(member(r.RoleKey, "ann")))
		rows, err := e.h.Select(e.ctx, "ann", e.address(r, 0), "id", "secret", "open")
		if err != nil || len(rows) != 3 {
			e.Errorf("mask %+v: read: %d rows, %v", s.mask, len(rows), err)
			continue
		}
		got := []string{rows[0][1], rows[1][1], rows[2][1]}
		if err := s.check(got); err != nil {
			e.Errorf("mask %+v: %v", s.mask, err)
		}
		open := []string{rows[0][2], rows[1][2], rows[2][2]}
		e.want(slices.Equal(open, []string{"a", "b", "c"}), "mask %+v: the clear column reads %q", s.mask, open)
		e.refused("ann", e.h.BaseAddress(name), "secret")
	}
}

func maskedFilter(e *env) {
	f := optional[Filterer](e)
	r := e.maskedReader("ann")
	rows, err := f.SelectWhere(e.ctx, "ann", e.address(r, 0), "iban", "NO9386011117947", "id")
	e.must("filter", err)
	e.want(len(rows) == 0, "a filter on the clear value finds rows: %v", rows)
	rows, err = f.SelectWhere(e.ctx, "ann", e.address(r, 0), "iban", "hidden", "id")
	e.must("filter", err)
	e.want(len(rows) == 3, "a filter on the masked value finds %v", rows)
}

func profileMove(e *env) {
	e.people("people")
	e.accounts("ann", "bob")
	def := role(e.key("sales"), e.maskedPeople("people"))
	exc := role(withProfile(e.key("sales"), "x1a2b3c4d"), e.wholePeople("people"))
	e.ok(provision(def), allow(member(def.RoleKey, "ann")), allow(member(def.RoleKey, "bob")))
	e.reads("ann", e.address(def, 0), peopleColumns(), hiddenPeople())
	e.ok(revoke(member(def.RoleKey, "ann")), provision(exc), allow(member(exc.RoleKey, "ann")))
	e.reads("ann", e.address(exc, 0), peopleColumns(), clearPeople())
	e.reads("bob", e.address(def, 0), peopleColumns(), hiddenPeople())
	e.refused("bob", e.address(exc, 0), "iban")
	e.ok(revoke(member(exc.RoleKey, "ann")), allow(member(def.RoleKey, "ann")))
	e.reads("ann", e.address(def, 0), peopleColumns(), hiddenPeople())
	e.refused("ann", e.h.BaseAddress("people"), "iban")

	// Two profiles that both mask show each member its own.
	exc2 := role(withProfile(e.key("sales"), "x5e6f7a8b"), masked(e.wholePeople("people"), "city", hidden()))
	e.ok(revoke(member(def.RoleKey, "ann")), provision(exc2), allow(member(exc2.RoleKey, "ann")))
	e.reads("ann", e.address(exc2, 0), []string{"id", "city"}, [][]string{{"1", "hidden"}, {"2", "hidden"}, {"3", "hidden"}})
	e.cannotRead("ann", e.address(def, 0), "id")
	e.cannotRead("bob", e.address(exc2, 0), "id")
}

func shortPartial(e *env) {
	m := resource.Mask{Type: resource.MaskPartial, KeepFirst: 2, KeepLast: 2}
	if !slices.Contains(e.p.Capabilities().Masks, m.Type) {
		e.Skipf("the platform does not claim partial masks")
	}
	short := []string{"a", "ab", "abc", "abcd"}
	t := Table{Name: "codes", Columns: []string{"id", "code"}}
	for i, s := range short {
		t.Rows = append(t.Rows, []string{strconv.Itoa(i), s})
	}
	e.table(t)
	e.accounts("ann")
	r := role(e.key("codes"), masked(e.object("codes", "id", "code"), "code", m))
	e.ok(provision(r), allow(member(r.RoleKey, "ann")))
	rows, err := e.h.Select(e.ctx, "ann", e.address(r, 0), "id", "code")
	e.must("select", err)
	e.want(len(rows) == len(short), "%d rows read", len(rows))
	for i, row := range rows {
		e.want(strings.Trim(row[1], "*") == "", "%q is shown as %q", short[i], row[1])
	}
}

func roundText(e *env) {
	m := resource.Mask{Type: resource.MaskRound}
	if !slices.Contains(e.p.Capabilities().Masks, m.Type) {
		e.Skipf("the platform does not claim round masks")
	}
	e.table(Table{Name: "codes", Columns: []string{"id", "code"}, Rows: [][]string{{"1", "12 Elm Street"}, {"2", "secret"}}})
	e.accounts("ann")
	r := role(e.key("codes"), masked(e.object("codes", "id", "code"), "code", m))
	e.ok(provision(r), allow(member(r.RoleKey, "ann")))
	rows, err := e.h.Select(e.ctx, "ann", e.address(r, 0), "id", "code")
	if err != nil {
		e.want(!strings.Contains(err.Error(), "Elm") && !strings.Contains(err.Error(), "secret"), "the error shows the value: %v", err)
		return
	}
	for _, row := range rows {
		e.want(row[1] == "<null>", "text is shown as %q", row[1])
	}
}

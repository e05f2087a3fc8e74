package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// What a consumer can set in a session of his own does not lead past a mask.
func TestSessionSettingsDoNotOpenMasks(t *testing.T) {
	f := newFixture(t)
	f.accounts("ann")
	f.must(`CREATE TABLE shop.things (id INT PRIMARY KEY, code CHAR(12), at TIMESTAMP NULL, note VARCHAR(40), sum VARCHAR(40));
		INSERT INTO shop.things VALUES (1, 'abc', '2020-01-01 00:30:00', 'secret 12 words', '12\nsecret')`)
	r := f.role("things", f.object("things", seen("id"),
		hiddenAs("code", resource.Mask{Type: resource.MaskPartial, KeepFirst: 2, KeepLast: 2}),
		hiddenAs("at", resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitDay}),
		hiddenAs("note", resource.Mask{Type: resource.MaskRegex, Pattern: "[a-z ]+[0-9]+", Replacement: "x"}),
		hiddenAs("sum", resource.Mask{Type: resource.MaskRound})))
	hashes := f.role("hashes", f.object("things", hiddenAs("code", resource.Mask{Type: resource.MaskHash}),
		hiddenAs("at", resource.Mask{Type: resource.MaskHash}), seen("id")))
	f.must("SET GLOBAL time_zone = '+00:00'")
	f.ok(provision(r), provision(hashes), allow(r, "ann"), allow(hashes, "ann"))
	ask := func(settings string) [][]string {
		t.Helper()
		var out [][]string
		for _, role := range []*grant.Role{r, hashes} {
			rows, err := f.session("ann", settings, "SELECT * FROM "+f.p.Address(role.RoleKey, role.Objects[0]))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rows...)
		}
		warnings, err := f.session("ann", settings, "SELECT * FROM "+f.p.Address(r.RoleKey, r.Objects[0]), "SHOW WARNINGS")
		if err != nil || len(warnings) != 0 {
			t.Errorf("%s: warnings %v, %v", settings, warnings, err)
		}
		return out
	}
	plain := ask("DO 1")
	if want := []string{"1", "***", "2020-01-01 00:00:00", "x words", "<null>"}; cmp.Diff(want, plain[0]) != "" {
		t.Fatalf("want %q, got %q", want, plain[0])
	}
	for _, settings := range []string{
		"SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'", "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'", "SET time_zone = '-11:00'",
		"SET default_regex_flags = 'EXTENDED,DOTALL,MULTILINE,UNGREEDY'", "SET NAMES latin1", "SET collation_connection = 'utf8mb4_general_ci'", "SET NAMES utf8mb4, lc_time_names = 'de_DE'",
	} {
		if d := cmp.Diff(plain, ask(settings)); d != "" {
			t.Errorf("%s changes what is shown (-plain +set):\n%s", settings, d)
		}
	}
}

// session runs statements in one session of an account; the rows are the last one's.
func (f *fixture) session(account string, statements ...string) ([][]string, error) {
	db, err := f.admin.open(account)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	conn, err := db.Conn(f.t.Context())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var out [][]string
	for _, s := range statements {
		if out, err = query(f.t.Context(), conn, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func query(ctx context.Context, conn *sql.Conn, text string) ([][]string, error) {
	rows, err := conn.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return texts(rows)
}

// Nothing that a consumer can ask shows the salt, or how a view is made.
func TestSaltIsOutOfReach(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	masked := f.maskedRole()
	f.ok(provision(masked), allow(masked, "ann"))
	salt := f.ask("SELECT salt FROM assent.salt")[0][0]
	if len(salt) != 64 {
		t.Fatalf("the salt has %d digits", len(salt))
	}
	view := f.p.Address(masked.RoleKey, masked.Objects[0])
	for _, ask := range []string{
		"SELECT salt FROM assent.salt", "SHOW CREATE VIEW " + view, "EXPLAIN EXTENDED SELECT * FROM " + view, "ANALYZE FORMAT=JSON SELECT * FROM " + view + " WHERE id = '1'",
		"SELECT VIEW_DEFINITION FROM information_schema.VIEWS", "SELECT TRACE FROM information_schema.OPTIMIZER_TRACE", "SHOW WARNINGS", "SELECT INFO FROM information_schema.PROCESSLIST",
		"SELECT s.salt FROM " + view + " AS v", "SELECT * FROM " + view + " PROCEDURE ANALYSE()", "SELECT TABLE_COMMENT, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'assent'",
	} {
		rows, err := f.session("ann", "SET optimizer_trace = 'enabled=on'", "SELECT * FROM "+view+" WHERE id = '1'", ask)
		if all := fmt.Sprint(rows, err); strings.Contains(all, salt) || strings.Contains(all, "sha2") {
			t.Errorf("%s shows %s", ask, all)
		}
	}
	shown, err := f.p.Preview(t.Context(), []plan.Change{provision(masked)})
	if err != nil || strings.Contains(fmt.Sprint(shown), salt) {
		t.Errorf("the preview shows the salt, %v", err)
	}
	want := f.ask("SELECT SHA2(CONCAT('" + salt + "', 'Ann'), 256)")[0][0]
	if rows := f.reads("ann", masked, "name"); rows[0][0] != want && rows[1][0] != want {
		t.Errorf("the hash is another: %v", rows)
	}
}

// Every mask is right for every type, or refused.
func TestMasksOfTypes(t *testing.T) {
	const no = "unsupported"
	types := []struct{ declared, value, round, truncated, starred string }{
		{"INT", "1234", "1200", no, "1**4"}, {"BIGINT UNSIGNED", "18446744073709551615", "18446744073709551600", no, "1******************5"},
		{"DECIMAL(10,2)", "-1260.55", "-1300", no, "-******5"}, {"DOUBLE", "1234.5", "1200", no, "1****5"}, {"BOOL", "1", "0", no, "*"},
		{"VARCHAR(20)", "'2024-07-15'", "<null>", "2024-07-01", "2********5"}, {"CHAR(20)", "'1234'", "1200", "<null>", "1**4"}, {"TEXT", "'abc'", "<null>", "<null>", "a*c"},
		{"DATE", "'2024-07-15'", no, "2024-07-01", "2********5"}, {"DATE", "'0099-03-09'", no, "0099-03-01", "0********9"},
		{"DATETIME(3)", "'2024-07-15 10:11:12.5'", no, "2024-07-01 00:00:00", "2*********************0"},
		{"TIMESTAMP NULL", "'2024-07-15 10:11:12'", no, "2024-07-01 00:00:00", "2*****************2"}, {"TIME", "'10:11:12'", no, no, "1******2"},
		{"YEAR", "2024", no, no, "2**4"}, {"ENUM('aa','bb')", "'bb'", "<null>", "<null>", "**"}, {"SET('x','y')", "'x,y'", "<null>", "<null>", "x*y"},
		{"JSON", "'[1]'", "<null>", "<null>", "[*]"}, {"UUID", "'123e4567-e89b-12d3-a456-426655440000'", no, no, "1**********************************0"},
		{"INET4", "'10.0.0.1'", no, no, "1******1"}, {"VARBINARY(9)", "X'00ff'", no, no, no},
		{"BLOB", "'x'", no, no, no}, {"BIT(8)", "b'101'", no, no, no}, {"POINT", "POINT(1,1)", no, no, no},
	}
	f := newFixture(t)
	f.accounts("ann")
	defs, values := "id INT", "1"
	for i, tt := range types {
		defs += fmt.Sprintf(", c%d %s", i, tt.declared)
		values += ", " + tt.value
	}
	f.must("CREATE TABLE shop.things (" + defs + "); INSERT INTO shop.things VALUES (" + values + "), (" + values + ")")
	for j, m := range []resource.Mask{
		{Type: resource.MaskRound, Digits: -2}, {Type: resource.MaskTruncate, Unit: resource.UnitMonth}, {Type: resource.MaskPartial, KeepFirst: 1, KeepLast: 1},
		{Type: resource.MaskNull}, {Type: resource.MaskConstant, Value: "7"}, {Type: resource.MaskHash},
	} {
		want, columns := map[string]string{}, []grant.Column{seen("id")}
		for i, tt := range types {
			name, w := fmt.Sprintf("c%d", i), []string{tt.round, tt.truncated, tt.starred, "<null>", "7", "64"}[j]
			if m.Type == resource.MaskHash && tt.declared == "POINT" {
				w = no
			}
			if w == no {
				r := f.role("refused", f.object("things", seen("id"), hiddenAs(name, m)))
				if out := f.apply(provision(r)); out[0].Code != platform.Unsupported {
					t.Errorf("%s of %s: %s/%s", m.Type, tt.declared, out[0].Status, out[0].Code)
				}
				continue
			}
			want[name] = w
			columns = append(columns, hiddenAs(name, m))
		}
		r := f.role("all-"+string(m.Type), f.object("things", columns...))
		f.ok(provision(r), allow(r, "ann"))
		rows, err := f.Select(t.Context(), "ann", f.p.Address(r.RoleKey, r.Objects[0]), columnNames(r.Objects[0])...)
		if err != nil || len(rows) != 2 || !slices.Equal(rows[0], rows[1]) {
			t.Fatalf("%s: %v, %v", m.Type, rows, err)
		}
		for i, c := range columns[1:] {
			got := rows[0][i+1]
			if m.Type == resource.MaskHash {
				got = fmt.Sprint(len(got))
			}
			if got != want[c.Name] {
				t.Errorf("%s of %s: %q, want %q", m.Type, c.Name, rows[0][i+1], want[c.Name])
			}
		}
	}
}

// Optional groups and ends, and matches of nothing, are the same in both.
func TestRegexOfOptionalParts(t *testing.T) {
	f := newFixture(t)
	for pattern, text := range map[string]string{
		"^": "a", "^a?": "ba", "^a*": "aab", "^$": "", "^(b?)": "ab", "a$?": "aba", "a(?:ab)?": "aaab", "a(?:bc)?": "abc ab", "a(bc)?": "abc ab",
	} {
		m := resource.Mask{Type: resource.MaskRegex, Pattern: pattern, Replacement: "-"}
		r, err := resource.ParseRegex(m)
		if err != nil {
			t.Fatal(err)
		}
		sql, err := masker{}.regex("_utf8mb4"+literal(text), m)
		if err != nil {
			t.Errorf("%q: %v", pattern, err)
			continue
		}
		if got, want := f.ask("SELECT " + sql)[0][0], r.Replacer()(text); got != want {
			t.Errorf("%q in %q: the server says %q, the sandbox %q", pattern, text, got, want)
		}
	}
}

// The server replaces what the sandbox replaces, for any pattern that is let pass.
func TestRegexAgreesWithTheServer(t *testing.T) {
	f := newFixture(t)
	atom := rapid.SampledFrom([]string{"a", "b", "c", ".", "[ab]", "[^a]", `\d`, `\w`, `\.`, "1", "é", "(?:ab)", "(a)", "(b+)", "(?i:k)", "^", "$", "|", "(", ")", "(?:"})
	count := rapid.SampledFrom([]string{"", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}"})
	agreed, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		pattern := ""
		for range rapid.IntRange(1, 6).Draw(t, "length") {
			pattern += atom.Draw(t, "atom") + count.Draw(t, "count")
		}
		m := resource.Mask{
			Type: resource.MaskRegex, Pattern: pattern,
			Replacement: rapid.SampledFrom([]string{"", "-", "<$0>", "[$1]", "${2}$1", `\1&`}).Draw(t, "replacement"),
		}
		r, err := resource.ParseRegex(m)
		if err != nil {
			return
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aab1c.é\nkKK")), 0, 12, -1).Draw(t, "text")
		sql, err := masker{}.regex("_utf8mb4"+literal(text), m)
		if err != nil {
			refused++
			return
		}
		got := f.ask("SELECT " + sql)[0][0]
		if want := r.Replacer()(text); got != want {
			t.Fatalf("%q in %q with %q: the server says %q (%s), the sandbox %q", pattern, text, m.Replacement, got, sql, want)
		}
		agreed++
	})
	if agreed == 0 {
		t.Fatal("no pattern passed")
	}
	t.Logf("%d patterns agree, %d are refused", agreed, refused)
}

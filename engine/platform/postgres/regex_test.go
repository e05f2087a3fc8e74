package postgres

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
)

// The server replaces what the sandbox replaces, for any pattern that
// ParseRegex lets pass.
func TestRegexAgreesWithTheServer(t *testing.T) {
	h := newPlace(t)
	atom := rapid.SampledFrom([]string{"a", "b", "c", ".", "[ab]", "[^a]", `\d`, `\w`, `\.`, "1", "é", "(?:ab)", "(a)", "(b+)", "(?i:k)", "^", "$", "|", "(", ")", "(?:"})
	count := rapid.SampledFrom([]string{"", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}"})
	agreed := 0
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
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aab1c.é\nkKK")), 0, 12, -1).Draw(t, "text")
		sql, err := regexMask(literal(text)+"::pg_catalog.text", m)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := h.admin.QueryRow(h.t.Context(), "SELECT "+sql).Scan(&got); err != nil {
			t.Fatalf("%q as %s: %v", pattern, sql, err)
		}
		if want := r.Replacer()(text); got != want {
			t.Fatalf("%q in %q with %q: the server says %q (%s), the sandbox %q", pattern, text, m.Replacement, got, sql, want)
		}
		agreed++
	})
	if agreed == 0 {
		t.Fatal("no pattern passed")
	}
	t.Logf("%d patterns agree", agreed)
}

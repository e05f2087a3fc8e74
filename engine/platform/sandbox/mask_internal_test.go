package sandbox

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

func TestPartialText(t *testing.T) {
	for _, c := range []struct {
		text        string
		first, last int
		want        string
	}{
		{"abcdef", 1, 2, "a***ef"},
		{"abcdef", 0, 0, "******"},
		{"abc", 1, 1, "a*c"},
		{"ab", 1, 1, "**"},
		{"", 1, 1, ""},
		{"åøæ日本", 1, 1, "å***本"},
		{"abc", -1, 0, "***"},
		{"abc", 0, -1, "***"},
		{"abc", math.MaxInt, math.MaxInt, "***"},
	} {
		if got := partialText(c.text, c.first, c.last); got != c.want {
			t.Errorf("partialText(%q, %d, %d) = %q, want %q", c.text, c.first, c.last, got, c.want)
		}
	}
}

func FuzzPartialTextKeepsNoMoreThanAsked(f *testing.F) {
	f.Add("secret", 1, 2)
	f.Add("å", 0, 1)
	f.Fuzz(func(t *testing.T, text string, first, last int) {
		got := partialText(text, first, last)
		if utf8.RuneCountInString(got) != utf8.RuneCountInString(text) {
			t.Fatalf("%q became %q", text, got)
		}
		shown := 0
		for _, r := range got {
			if r != '*' {
				shown++
			}
		}
		if shown > 0 && shown > first+last {
			t.Fatalf("%q shows %d characters, %d and %d are to be kept", got, shown, first, last)
		}
	})
}

func TestRoundText(t *testing.T) {
	for _, c := range []struct {
		text   string
		digits int
		want   string
	}{
		{"1234.5", 0, "1235"}, {"-1234.5", 0, "-1235"}, {" 7 ", 0, "7"},
		{"1234", -2, "1200"}, {"1250", -2, "1300"}, {"3", -2, "0"},
		{"1.25", 1, "1.3"}, {"1e3", 0, "1000"},
		{"1e300", 15, "1e+300"},
		{"", 0, ""}, {"x", 0, ""}, {"NaN", 0, ""}, {"Inf", 0, ""}, {"12 Elm Street", 0, ""},
	} {
		v := roundText(c.text, c.digits)
		got := strings.ToLower(v.Text())
		if c.text == "1e300" {
			if v.Float() != 1e300 {
				t.Errorf("roundText(%q, %d) = %q", c.text, c.digits, got)
			}
			continue
		}
		if got != c.want {
			t.Errorf("roundText(%q, %d) = %q, want %q", c.text, c.digits, got, c.want)
		}
	}
}

func TestCheckMaskRefusesWhatWouldHideNothing(t *testing.T) {
	for _, m := range []resource.Mask{
		{}, {Type: "blur"}, {Type: "NULL"},
		{Type: resource.MaskRegex}, {Type: resource.MaskRegex, Pattern: "("}, {Type: resource.MaskRegex, Pattern: "a\x00"},
		{Type: resource.MaskConstant, Value: "a\x00b"},
		{Type: resource.MaskPartial, KeepFirst: -1}, {Type: resource.MaskPartial, KeepLast: -1},
		{Type: resource.MaskTruncate}, {Type: resource.MaskTruncate, Unit: "decade"},
		{Type: resource.MaskRound, Digits: 16}, {Type: resource.MaskRound, Digits: -16},
	} {
		if checkMask(m) == nil {
			t.Errorf("%+v is accepted", m)
		}
	}
}

func TestMembersOfTwoLevelsSeeOnlyWhatBothAgreeOn(t *testing.T) {
	hash, null := &resource.Mask{Type: resource.MaskHash}, &resource.Mask{Type: resource.MaskNull}
	got := merge(
		[]grant.Column{{Name: "a"}, {Name: "b", Mask: hash}, {Name: "c", Mask: hash}, {Name: "d"}},
		[]grant.Column{{Name: "b"}, {Name: "c", Mask: hash}, {Name: "d", Mask: null}, {Name: "e"}},
	)
	if names := strings.Join(columnNames(got), " "); names != "a c e" {
		t.Fatalf("columns %s, want a c e", names)
	}
}

func TestRelationTellsPathsApart(t *testing.T) {
	seen := map[string][]string{}
	for _, p := range [][]string{{"d", "a.b", "c"}, {"d", "a", "b.c"}, {"d", "a%2Eb", "c"}, {"d", "a.", "b"}, {"d", "a", ".b"}} {
		rel := relation(p)
		if other, taken := seen[rel]; taken {
			t.Errorf("%q and %q are both %s", other, p, rel)
		}
		seen[rel] = p
	}
}

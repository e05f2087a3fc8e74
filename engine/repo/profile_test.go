package repo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/diag"
)

const kimFile = "directory/users/kim.yaml"

func kim(spec string) string {
	return "apiVersion: assent.dev/v1\nkind: User\nmetadata:\n  name: kim\nspec:\n" + spec
}

// Every code point of the basic plane, in a comment, a value and a key: either it
// is refused at its place, or it is read as exactly itself and changes nothing else.
func TestEachCodePointIsRefusedOrReadAsItself(t *testing.T) {
	refused := 0
	var accepted []rune
	for r := rune(0); r <= 0xffff; r++ {
		if !utf8.ValidRune(r) || r == '"' || r == '\\' || r == '\n' {
			continue
		}
		verdicts := 0
		for _, form := range []string{"  email: a@b # x%sy\n", "  manager: \"x%sy\"\n", "  \"x%sy\": 1\n"} {
			text := kim(fmt.Sprintf(form, string(r)))
			problems := checkBytes(kimFile, []byte(text))
			if len(problems) == 0 {
				verdicts++
				continue
			}
			want := posAt(kimFile, []byte(text), strings.Index(text, "x"+string(r)+"y")+1)
			if problems[0].Pos != want || len(problems) != 1 {
				t.Fatalf("%U in %q: %v, want one at %v", r, form, problems, want)
			}
		}
		switch verdicts {
		case 0:
			refused++
		case 3:
			accepted = append(accepted, r)
		default:
			t.Fatalf("%U is refused in some places only", r)
		}
	}
	// C0 but tab and line feed, DEL and C1, separators, format characters and fillers.
	if refused < 30+33+2+40 {
		t.Errorf("%d refused, want more", refused)
	}
	for chunk := range slices.Chunk(accepted, 128) {
		readAsItself(t, chunk)
	}
}

// readAsItself puts each code point into a comment, a value and a key of one file.
func readAsItself(t *testing.T, chunk []rune) {
	t.Helper()
	var b strings.Builder
	b.WriteString("first: 1\n")
	for i, r := range chunk {
		fmt.Fprintf(&b, "k%d: v # x%cy: z\n\"x%cy%d\": \"a%cb\"\n", i, r, r, i, r)
	}
	root, problems := parse("sources/a/b/c/d.yaml", []byte(b.String()))
	if len(problems) > 0 {
		t.Fatalf("%U to %U: %v", chunk[0], chunk[len(chunk)-1], problems)
	}
	if len(root.Content) != 2+4*len(chunk) {
		t.Fatalf("%U to %U: %d nodes: a comment is live", chunk[0], chunk[len(chunk)-1], len(root.Content))
	}
	for i, r := range chunk {
		at := root.Content[2+4*i:]
		if at[1].Value != "v" || at[2].Value != fmt.Sprintf("x%cy%d", r, i) || at[3].Value != fmt.Sprintf("a%cb", r) {
			t.Errorf("%U reads %q: %q: %q", r, at[1].Value, at[2].Value, at[3].Value)
		}
	}
}

func TestCharactersThatHideTextAreRefused(t *testing.T) {
	for _, r := range []rune{0, 1, 7, 8, 0xb, 0xc, '\r', 0x1b, 0x7f, 0x80, 0x85, 0x9f, 0xad, 0x61c, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f,
		0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2060, 0x2066, 0x2067, 0x2068, 0x2069, 0x3164, 0xfeff, 0xfffe, 0xffff, 0xe0001, 0xe0041, 0xe0100} {
		if len(CheckBytes(kimFile, []byte(kim("  email: a@b # "+string(r)+"\n")))) == 0 {
			t.Errorf("%U is accepted", r)
		}
	}
	for _, r := range []rune{'\t', 'é', 'ß', 'Ж', '語', 0x2019, 0x2014, 0x1f512, 0xfe0f} {
		if problems := CheckBytes(kimFile, []byte(kim("  email: a@b # "+string(r)+"\n"))); len(problems) > 0 {
			t.Errorf("%U is refused: %v", r, problems)
		}
	}
}

// Whatever a file holds, reading it takes no longer than people wait.
func TestHostileShapesAreReadInBoundedTime(t *testing.T) {
	const sourceFile = "sources/warehouse/a/b/c.yaml"
	wide := func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size-20; i++ {
			fmt.Fprintf(&b, "k%d: 1\n", i)
		}
		return b.String()
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
	}
	for _, c := range []struct{ name, file, text string }{
		{"wide map", kimFile, wide(MaxFileBytes)},
		{"wide map in a source", sourceFile, wide(MaxSourceBytes)},
		{"wide map in a request", "requests/p/r.yaml", "apiVersion: assent.dev/v1\nkind: AccessRequest\nmetadata: {name: r}\nspec:\n  answers:\n    " + strings.ReplaceAll(wide(16<<10), "\n", "\n    ") + "\n"},
		{"brackets", kimFile, "a: " + strings.Repeat("[", MaxFileBytes-10)},
		{"brackets in a source", sourceFile, "a: " + strings.Repeat("[", MaxSourceBytes-10)},
		{"braces", sourceFile, "a: " + strings.Repeat("{a: ", MaxSourceBytes/4-10)},
		{"dashes", sourceFile, strings.Repeat("- ", MaxSourceBytes/2-10)},
		{"alias bomb", kimFile, bomb},
		{"comments", sourceFile, strings.Repeat("#\n", MaxSourceBytes/2-10)},
		{"one comment", sourceFile, "#" + strings.Repeat("a", MaxSourceBytes-10)},
		{"quotes", sourceFile, "a: " + strings.Repeat("'", MaxSourceBytes-10)},
		{"colons", sourceFile, strings.Repeat("a:\n", MaxSourceBytes/3-10)},
		{"broken near the end", sourceFile, wide(MaxSourceBytes-40) + "x: y: z\n"},
		{"unclosed flow", sourceFile, "a: [" + strings.Repeat("b,", MaxSourceBytes/2-10)},
		{"exclamation marks", kimFile, "a: [" + strings.Repeat("'!',", MaxFileBytes/4-10) + "]"},
		{"block scalars", sourceFile, strings.Repeat("a: |\n b\n", MaxSourceBytes/8-10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			took := time.Hour
			for range 3 { // the best of three: other programs run beside the test
				start := time.Now()
				r, problems, err := Decode(c.file, "", []byte(c.text))
				took = min(took, time.Since(start))
				if err != nil || r != nil || !problems.HasErrors() {
					t.Fatalf("accepted, or our error: %v", err)
				}
			}
			limit := 150 * time.Millisecond
			if len(c.text) > MaxFileBytes {
				limit = 600 * time.Millisecond
			}
			t.Logf("%d bytes in %v", len(c.text), took)
			if took > limit*slack {
				t.Errorf("took %v, want %v", took, limit)
			}
		})
	}
}

func TestLimitsAreExact(t *testing.T) {
	pad := func(n int) []byte {
		s := kim("  email: a@b\n")
		return []byte(s + "#" + strings.Repeat("x", n-len(s)-2) + "\n")
	}
	nodes := func(n int) []byte {
		return []byte(kim("  attributes:\n    a: [" + strings.TrimSuffix(strings.Repeat("x,", n), ",") + "]\n"))
	}
	// n nodes: the root, pairs, and one list item where n is even.
	pairs := func(n int) []byte {
		var b strings.Builder
		for i := range (n - 1) / 2 {
			fmt.Fprintf(&b, "k%d: ", i)
			if i == 0 && n%2 == 0 {
				b.WriteString("[1]\n")
			} else {
				b.WriteString("1\n")
			}
		}
		return []byte(b.String())
	}
	const envelope = 1 + 8 + 2 + 2 + 2 // root; top fields; name; attributes; a
	for _, c := range []struct {
		name string
		file string
		raw  []byte
		code diag.Code
	}{
		{"32 KiB", kimFile, pad(MaxFileBytes), ""},
		{"32 KiB and one", kimFile, pad(MaxFileBytes + 1), CodeTooLarge},
		{"256 KiB source", "sources/a/b/c/d.yaml", pad(MaxSourceBytes), ""},
		{"256 KiB source and one", "sources/a/b/c/d.yaml", pad(MaxSourceBytes + 1), CodeTooLarge},
		{"2,000 values", kimFile, nodes(MaxNodes - envelope), ""},
		{"2,001 values", kimFile, nodes(MaxNodes - envelope + 1), CodeTooManyNodes},
		{"2,000 values in a map", kimFile, pairs(MaxNodes), ""},
		{"2,001 values in a map", kimFile, pairs(MaxNodes + 1), CodeTooManyNodes},
		{"2,002 values in a map", kimFile, pairs(MaxNodes + 2), CodeTooManyNodes},
		{"an alias behind too many values", kimFile, append(pairs(MaxNodes+2), "z: &a 1\ny: *a\n"...), CodeTooManyNodes},
		{"20,000 values in a source", "sources/a/b/c/d.yaml", nodes(MaxSourceNodes - envelope), ""},
		{"20,001 values in a source", "sources/a/b/c/d.yaml", nodes(MaxSourceNodes - envelope + 1), CodeTooManyNodes},
		{"20 deep", kimFile, []byte("a: " + strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1)), ""},
		{"21 deep", kimFile, []byte("a: " + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)), CodeTooDeep},
		{"4 KiB value", kimFile, []byte("a: " + strings.Repeat("x", MaxScalarBytes)), ""},
		{"4 KiB value and one", kimFile, []byte("a: " + strings.Repeat("x", MaxScalarBytes+1)), CodeScalarTooLong},
		{"24 KiB agreement", "agreements/a.yaml", []byte("a: " + strings.Repeat("x", MaxAgreementBytes)), ""},
		{"24 KiB agreement and one", "agreements/a.yaml", []byte("a: " + strings.Repeat("x", MaxAgreementBytes+1)), CodeScalarTooLong},
		{"leading marker", kimFile, []byte("# a\n---\na: 1\n"), ""},
		{"two leading markers", kimFile, []byte("---\n---\na: 1\n"), CodeDocuments},
		{"percent in the middle", kimFile, []byte("a: 100%\n"), ""},
		{"exclamation mark in text", kimFile, []byte("a: yes we can!\nb: \"!\"\nc: '!x'\nd: |\n  !x\n"), ""},
	} {
		problems := CheckBytes(c.file, c.raw)
		switch {
		case c.code == "" && len(problems) > 0:
			t.Errorf("%s: %v", c.name, problems)
		case c.code != "" && (len(problems) != 1 || problems[0].Code != c.code):
			t.Errorf("%s: %v, want %s", c.name, problems, c.code)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"  email: a@b\n", "  attributes: {a: [b]}\n", "  validUntil: 2027-01-31 # x\n", "  state: \"left\"\n", "  permissions:\n  - AUDIT\n"} {
		f.Add([]byte(kim(name)), uint8(1))
	}
	kinds := folders()
	f.Fuzz(func(t *testing.T, raw []byte, pick uint8) {
		place := kinds[int(pick)%len(kinds)]
		file := place.prefix + strings.Repeat("a/", place.least) + "kim.yaml"
		start := time.Now()
		r, problems, err := Decode(file, "", raw)
		if err != nil {
			t.Fatalf("schema and Go type disagree: %v", err)
		}
		if (r == nil) != problems.HasErrors() {
			t.Fatalf("resource %v beside problems %v", r, problems)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Fatalf("took %v", took)
		}
		for _, d := range problems {
			if d.Hint == "" || d.Pos.File != file {
				t.Fatalf("%s: no hint or no file", d)
			}
		}
		if r == nil {
			return
		}
		text, err := Encode(r)
		if err != nil {
			t.Fatalf("a resource that was read cannot be written: %v", err)
		}
		again, problems, err := Decode(file, "", text)
		if err != nil || len(problems) > 0 {
			t.Fatalf("what was written cannot be read: %v %v\n%s", problems, err, text)
		}
		if diff := diffResources(r, again); diff != "" {
			t.Fatalf("(-read +written)\n%s", diff)
		}
	})
}

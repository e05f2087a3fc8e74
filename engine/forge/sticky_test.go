package forge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func report(state, text string) forge.Report {
	return forge.Report{
		Head: "h", Markdown: text, Key: text, State: state, Line: state + ": because", Judgement: review.Judgement{Outcome: review.Pending},
		Remembered: func(m forge.Memory) string { return fmt.Sprintf("notes %d\n", len(m.Notes)) },
	}
}

// The comment says how it stands, and is another only where that is.
func TestStickySaysHowItStands(t *testing.T) {
	var body string
	at := noon
	for i, state := range []string{"waiting", "waiting", "changes requested", "waiting", "approved"} {
		at = at.Add(time.Minute)
		r := report(state, fmt.Sprintf("text of %s\n", state))
		next, _, changed := forge.Sticky(forge.Recall(body), at, r, at, 65_000)
		if changed != (i != 1) {
			t.Errorf("round %d: changed is %v", i, changed)
		}
		if i == 1 && next != body {
			t.Errorf("nothing happened, and the comment is another: %q, was %q", next, body)
		}
		body = next
	}
	if !forge.IsComment(body) || !strings.Contains(body, "text of approved\n\nnotes 0\n") {
		t.Errorf("comment %q", body)
	}
}

func TestStickyIsBounded(t *testing.T) {
	var body string
	for i := range 200 {
		r := report(fmt.Sprintf("state %d", i), strings.Repeat("long line\n", 20_000))
		r.Line = strings.Repeat("é", 1000) + fmt.Sprint(i)
		r.Notes = []string{fmt.Sprintf("note %d", i)}
		body, _, _ = forge.Sticky(forge.Recall(body), noon, r, noon, 65_000)
	}
	m := forge.Recall(body)
	if len(body) > 65_000 || len(m.Notes) != 3 || m.Notes[2].Text != "note 199" {
		t.Errorf("%d bytes, %d notes", len(body), len(m.Notes))
	}
}

// What moves by itself is written once a day; what people must know, at once.
func TestStickyLeavesWhatOnlyMovesForADay(t *testing.T) {
	first := report("waiting", "until tomorrow\n")
	first.Key = "waiting"
	body, _, _ := forge.Sticky(forge.Memory{}, noon, first, noon, 65_000)
	second := first
	second.Markdown = "until the day after\n"
	for _, tc := range []struct {
		after time.Duration
		want  bool
	}{{time.Hour, false}, {25 * time.Hour, true}} {
		if _, _, changed := forge.Sticky(forge.Recall(body), noon, second, noon.Add(tc.after), 65_000); changed != tc.want {
			t.Errorf("after %s changed is %v", tc.after, changed)
		}
	}
	second.Key = "waiting for others"
	if _, _, changed := forge.Sticky(forge.Recall(body), noon, second, noon, 65_000); !changed {
		t.Error("news waits")
	}
	third := first
	third.Head = "h2"
	if _, _, changed := forge.Sticky(forge.Recall(body), noon, third, noon, 65_000); !changed {
		t.Error("a push is no news")
	}
}

func TestStickyTellsEachNoteOnceAndForADay(t *testing.T) {
	r := report("waiting", "text\n")
	r.Notes = []string{"no label"}
	body, _, _ := forge.Sticky(forge.Memory{}, noon, r, noon, 65_000)
	again, m, changed := forge.Sticky(forge.Recall(body), noon, r, noon.Add(time.Hour), 65_000)
	if changed || again != body || len(m.Notes) != 1 {
		t.Errorf("the same note twice: %+v", m.Notes)
	}
	r.Notes = nil
	if _, m, changed = forge.Sticky(forge.Recall(body), noon, r, noon.Add(25*time.Hour), 65_000); !changed || len(m.Notes) != 0 {
		t.Errorf("it is still told: %+v", m.Notes)
	}
}

// A comment that somebody edited remembers nothing, and breaks nothing.
func TestRecallOfAnythingIsSafe(t *testing.T) {
	for _, body := range []string{"", "x", "<!-- assent ", "<!-- assent a b -->", "<!-- assent a e30= -->\nx", "<!-- assent a " + strings.Repeat("A", 1<<16) + " -->", "<!-- assent 0123456789abcdef -->\nold form"} {
		m := forge.Recall(body)
		if _, _, changed := forge.Sticky(m, noon, report("waiting", "x"), noon, 65_000); !changed {
			t.Errorf("%q is taken for the comment as it should be", body)
		}
	}
}

func FuzzRecall(f *testing.F) {
	f.Add("<!-- assent a e30= -->\nx")
	f.Fuzz(func(t *testing.T, body string) {
		if m := forge.Recall(body); len(m.Notes) > 3 {
			t.Errorf("%d notes", len(m.Notes))
		}
	})
}

// A cut never leaves a fence or a fold open.
func TestCutClosesWhatItOpens(t *testing.T) {
	text := "one\n\n<details><summary>a</summary>\n\n~~~~sql\n" + strings.Repeat("~~~ no end\n", 500) + "~~~~\n\n</details>\nend\n"
	for most := 400; most < len(text)+100; most += 97 {
		got := forge.Cut(text, most)
		if len(got) > most && most < len(text) {
			t.Fatalf("%d bytes of %d", len(got), most)
		}
		if strings.Count(got, "\n~~~~") != 2 && strings.Contains(got, "~~~~sql") || strings.Count(got, "<details>") != strings.Count(got, "</details>") {
			t.Fatalf("at %d: …%q", most, got[max(0, len(got)-150):])
		}
	}
	if got := forge.Cut(text, len(text)); got != text {
		t.Error("a text that fits is cut")
	}
}

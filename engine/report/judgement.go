package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Markdown is how a pull request stands, for people: the word first, then who
// can move it on, then what it would give. Every text that a person wrote stands
// as inline code, so that it can neither mention, link nor embed.
func Markdown(facts review.Facts, j review.Judgement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s **%s** · %s\n", icon(j.Outcome), j.Outcome, Escape(j.Reason))
	for _, d := range j.Determinations {
		fmt.Fprintf(&b, "\n### %s\n", Escape(string(cmp.Or(d.Request, d.Review))))
		for _, n := range d.Missing {
			fmt.Fprintf(&b, "- next: %s%s\n", Escape(n.What), people(n.People))
		}
		if !d.Until.IsZero() {
			fmt.Fprintf(&b, "- until %s\n", d.Until.UTC().Format(time.RFC3339))
		}
		for i, s := range d.Stages {
			fmt.Fprintf(&b, "- stage %d %s\n", i+1, s.State)
			for _, src := range s.Sources {
				fmt.Fprintf(&b, "  - %s: %d of %d people answered\n", Escape(src.Source), len(src.Answered), len(src.People))
			}
		}
		for _, r := range d.Reviews {
			state := "counts"
			if !r.Counted {
				state = "does not count: " + Escape(r.Why)
			}
			fmt.Fprintf(&b, "- %s by %s: %s\n", r.Verdict, Escape(string(r.Person)), state)
		}
		for _, c := range d.Constraints {
			fmt.Fprintf(&b, "- rule: %s\n", Escape(c))
		}
	}
	impact(&b, j.Impact)
	return b.String()
}

// impact says what a change of governance would have made of past requests.
func impact(b *strings.Builder, i *review.Impact) {
	switch {
	case i == nil:
		return
	case i.Err != "":
		fmt.Fprintf(b, "\nWhat it would have made of past requests is not known: %s\n", Escape(i.Err))
		return
	}
	caused := i.Caused()
	fmt.Fprintf(b, "\n%d of the last %d determinations of requests would have come out otherwise with this change.\n", len(caused), i.Checked)
	const most = 20
	for _, d := range caused[:min(most, len(caused))] {
		fmt.Fprintf(b, "- %s: %s → %s: %s\n", Escape(string(d.Request)), d.Old, d.New, Escape(d.NewReason))
	}
	if len(caused) > most {
		fmt.Fprintf(b, "- and %d more\n", len(caused)-most)
	}
}

func icon(o review.Outcome) string {
	switch o {
	case review.Approved, review.TemporarilyApproved:
		return "🟢"
	case review.Denied:
		return "🔴"
	case review.Canceled, review.Skipped:
		return "⚪"
	default:
		return "🟡"
	}
}

func people(list []resource.Name) string {
	var out []string
	for _, p := range list {
		out = append(out, Escape(string(p)))
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, " or ") + ")"
}

// Escape makes a text inert in Markdown: inline code, on one line, with a fence
// longer than any run of backquotes in it and control characters replaced.
func Escape(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
	if strings.TrimSpace(text) == "" {
		return "` `"
	}
	run, longest := 0, 0
	for _, r := range text {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	pad := ""
	if longest > 0 {
		pad = " "
	}
	return fence + pad + text + pad + fence
}

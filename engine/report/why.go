package report

import (
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/review"
)

// Why is the tree of rules behind a page: what each stage waits for, which
// reviews count and why others do not, each with the file and line that it rests
// on, and who can unblock it, within a number of bytes.
func Why(p Page, most int) string {
	return join(append([]string{"**Who can unblock it:** " + sentence(Line(p)) + "\n"}, p.why()...), most, p.name())
}

func (p Page) why() []string {
	var out []string
	for _, a := range p.Asks {
		if a.Judgement == nil {
			continue
		}
		for _, d := range a.Judgement.Determinations {
			out = append(out, reasons(a, d, len(p.Asks) > 1)...)
		}
	}
	return out
}

// reasons is the tree of one determination, in blocks.
func reasons(a Ask, d review.Determination, one bool) []string {
	var b strings.Builder
	if one {
		fmt.Fprintf(&b, "**%s**\n\n", Escape(string(a.Request)))
	}
	if a.At != "" {
		fmt.Fprintf(&b, "- asks: %s\n", Escape(a.At))
	}
	if d.Flow.Mode != "" {
		fmt.Fprintf(&b, "- flow: %s, from %s%s\n", word(d.Flow.Mode), Escape(d.Flow.From), whereAt(d.Flow.At))
	}
	for _, lost := range d.Flow.Inactive {
		from, at, _ := strings.Cut(lost, " at ")
		fmt.Fprintf(&b, "- inactive: the flow of %s%s\n", Escape(from), whereAt(at))
	}
	out := []string{b.String()}
	for i, s := range d.Stages {
		out = append(out, stage(i, s))
	}
	b.Reset()
	for _, r := range d.Reviews {
		b.WriteString(reviewLine(r))
	}
	for _, c := range d.Constraints {
		fmt.Fprintf(&b, "- rule of the organisation: %s\n", sentence(c))
	}
	for _, n := range d.Missing {
		fmt.Fprintf(&b, "- missing: %s%s%s\n", sentence(n.What), who(n.People), whereAt(n.At))
	}
	for _, x := range Deadlines(d, subjects) {
		fmt.Fprintf(&b, "- %s %s\n", x.What, x.When)
	}
	return append(out, b.String())
}

func stage(i int, s review.StageResult) string {
	var b strings.Builder
	sign := map[review.StageState]string{review.StageApproved: "✅", review.StageWaiting: "🟡", review.StageBlocked: "⚪"}[s.State]
	least := ""
	if s.Count > 0 {
		least = fmt.Sprintf(", at least %d", s.Count)
	}
	fmt.Fprintf(&b, "- %s stage %d %s: %s of%s%s\n", sign, i+1, word(s.State), word(s.Mode), least, whereAt(s.At))
	if len(s.Files) > 0 {
		var files []string
		for _, f := range s.Files {
			files = append(files, Escape(f))
		}
		fmt.Fprintf(&b, "  - for %s\n", strings.Join(files, ", "))
	}
	for _, src := range s.Sources {
		mark := "waits for " + people(src.People, " or ")
		if len(src.People) == 0 {
			mark = "nobody can answer"
		}
		if len(src.Answered) > 0 {
			mark = "answered by " + people(src.Answered, ", ")
		}
		fmt.Fprintf(&b, "  - %s: %s%s\n", Escape(src.Source), mark, whereAt(src.At))
	}
	return b.String()
}

func reviewLine(r review.ReviewResult) string {
	who := string(r.Person)
	if who == "" {
		who = r.Actor.ID
	}
	state := "counts"
	if !r.Counted {
		state = "does not count: " + sentence(r.Why)
	}
	said := ""
	if r.Reason != "" {
		said = ", saying " + Escape(Clip(r.Reason, maxAnswer))
	}
	return fmt.Sprintf("- %s by %s%s: %s\n", word(r.Verdict), Escape(who), said, state)
}

// Deadline is one thing that happens to a request which nobody decides.
type Deadline struct{ What, When string }

// Deadlines are what happens to a request that nobody decides, in order. who writes
// the names of those that it escalates to.
func Deadlines(d review.Determination, who func([]string) string) []Deadline {
	if d.Deadlines == nil {
		return nil
	}
	var out []Deadline
	if t := d.Deadlines.NextReminder; !t.IsZero() {
		out = append(out, Deadline{"reminder", "due " + instant(t)})
	}
	if t := d.Deadlines.EscalateAt; !t.IsZero() {
		var to []string
		for _, s := range d.Deadlines.EscalateTo {
			to = append(to, audit.SubjectText(s))
		}
		since := ""
		if !d.DecidedAt.Before(t) {
			since = "since "
		}
		out = append(out, Deadline{"escalates", "to " + who(to) + ", " + since + instant(t)})
	}
	if t := d.Deadlines.LapseAt; !t.IsZero() {
		out = append(out, Deadline{"lapses", instant(t) + ", when nobody has decided by then"})
	}
	return out
}

// place is where a fact is written.
func whereAt(at string) string {
	if at == "" {
		return ""
	}
	return " · " + Escape(at)
}

// impact says what a change of governance would have made of past requests.
func impact(i *review.Impact) string {
	switch {
	case i == nil:
		return ""
	case i.Err != "":
		return fmt.Sprintf("What it would have made of past requests is not known: %s\n", sentence(i.Err))
	}
	var b strings.Builder
	caused := i.Caused()
	fmt.Fprintf(&b, "%d of the last %d determinations of requests would have come out otherwise with this change.\n", len(caused), i.Checked)
	if len(caused) > 0 {
		b.WriteString("\n")
	}
	for _, d := range caused[:min(maxRows, len(caused))] {
		fmt.Fprintf(&b, "- %s: %s → %s: %s\n", Escape(string(d.Request)), word(d.Old), word(d.New), sentence(d.NewReason))
	}
	if len(caused) > maxRows {
		fmt.Fprintf(&b, "- and %d more\n", len(caused)-maxRows)
	}
	return b.String()
}

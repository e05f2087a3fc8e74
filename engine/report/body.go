package report

import (
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Bounds of what is shown unfolded, so that it stays one screen or two.
const (
	maxAnswers = 20
	maxAnswer  = 400 // characters
	maxEarlier = 10
)

// body is what a steward needs to decide, and what came of it where it is decided.
func (a Ask) body(state State) []string {
	out := []string{a.next(state)}
	if text := a.decided(); text != "" {
		out = append(out, text)
	}
	out = append(out, a.onMerge(state)...)
	if len(a.Facts) > 0 && open(state) {
		out = append(out, "**Facts**\n\n- "+strings.Join(a.Facts, "\n- ")+"\n")
	}
	if text := a.answers(); text != "" {
		out = append(out, text)
	}
	return out
}

// next says who does what next, and who cannot.
func (a Ask) next(state State) string {
	var b strings.Builder
	switch needs := a.missing(); {
	case a.Judgement == nil:
	case a.Judgement.Outcome.Grants():
		b.WriteString("**Next:** nothing is missing; the engine merges and records it (`assent determine`).\n")
	case len(needs) == 1:
		fmt.Fprintf(&b, "**Next:** %s%s%s\n", whoFirst(needs[0].People), sentence(needs[0].What), a.stageOf())
	case len(needs) > 1:
		b.WriteString("**Next:**\n\n")
		for _, n := range needs[:min(len(needs), maxEarlier)] {
			fmt.Fprintf(&b, "- %s%s\n", whoFirst(n.People), sentence(n.What))
		}
	case state == Changes || state == Prevented:
		b.WriteString("**Next:** whoever opened this pull request changes it; an approval alone does not move it on.\n")
	}
	if len(a.Cannot) > 0 && state == Waiting {
		var parts []string
		for _, c := range a.Cannot[:min(len(a.Cannot), maxEarlier)] {
			parts = append(parts, Escape(string(c.Person))+" ("+word(c.Why)+")")
		}
		fmt.Fprintf(&b, "\n**Cannot decide:** %s\n", strings.Join(parts, ", "))
	}
	return b.String()
}

// open reports whether somebody still has to do something before it is decided.
func open(state State) bool {
	return state == Waiting || state == Changes || state == Prevented || state == Approved
}

// stageOf says which of several stages waits.
func (a Ask) stageOf() string {
	for _, d := range a.Judgement.Determinations {
		for i, s := range d.Stages {
			if s.State == review.StageWaiting && len(d.Stages) > 1 {
				return fmt.Sprintf(" (stage %d of %d)", i+1, len(d.Stages))
			}
		}
	}
	return ""
}

// whoFirst names them before what they can do.
func whoFirst(list []resource.Name) string {
	if len(list) == 0 {
		return ""
	}
	return people(list, " or ") + " · "
}

// who names the people who can do something.
func who(list []resource.Name) string {
	if len(list) == 0 {
		return ""
	}
	return " (" + people(list, " or ") + ")"
}

// decided is what the ledger and the platforms say of a request that is decided.
func (a Ask) decided() string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if !a.DecidedAt.IsZero() {
		by := ""
		if len(a.DecidedBy) > 0 {
			by = " by " + people(a.DecidedBy, ", ")
		}
		add("decided %s%s: record %d of the ledger, pull request %s", instant(a.DecidedAt), by, a.Record, Escape(a.PullRequest))
	}
	if !a.NotBefore.IsZero() {
		add("from %s", instant(a.NotBefore))
	}
	if !a.Until.IsZero() {
		add("until %s", instant(a.Until))
	}
	for i, e := range a.Earlier {
		if i == maxEarlier {
			add("and %d renewals before", len(a.Earlier)-i)
			break
		}
		add("renews %s", earlierText(e))
	}
	for _, g := range a.Grants {
		what := fmt.Sprintf("record %d", g.Record)
		if g.Record == 0 {
			what = sentence(g.Detail)
		}
		add("grant %s: %s in %s on %s (%s)", word(g.State), Escape(g.Principal), Escape(g.Role), Escape(string(g.Connection)), what)
	}
	if a.Judgement == nil {
		for _, p := range a.Prevented {
			add("no access (%s): %s", word(p.State), sentence(p.Reason))
		}
	}
	for _, n := range a.Notices {
		can := "nobody can; name somebody"
		if len(n.People) > 0 {
			can = people(n.People, " or ")
		}
		add("to do, %s: %s (%s)", word(n.State), sentence(n.Reason), can)
	}
	for _, f := range a.Findings {
		add("finding: record %d, %s: %s", f.Seq, word(f.Code), sentence(f.Detail))
	}
	if len(lines) == 0 {
		return ""
	}
	return "- " + strings.Join(lines, "\n- ") + "\n"
}

// earlierText is one request of the chain that a request continues.
func earlierText(e audit.Earlier) string {
	text := fmt.Sprintf("%s, %s", Escape(string(e.Request)), word(e.State))
	if !e.DecidedAt.IsZero() {
		text += ", decided " + instant(e.DecidedAt)
		if len(e.DecidedBy) > 0 {
			text += " by " + people(e.DecidedBy, ", ")
		}
		text += fmt.Sprintf(" (record %d)", e.Record)
	}
	if !e.Until.IsZero() {
		text += ", until " + instant(e.Until)
	}
	return text
}

func (a Ask) answers() string {
	if len(a.Answers) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("**Answers**\n\n")
	for i, x := range a.Answers {
		if i == maxAnswers {
			fmt.Fprintf(&b, "- and %d more in %s\n", len(a.Answers)-i, Escape(a.File))
			break
		}
		fmt.Fprintf(&b, "- %s **%s**\n", Escape(Clip(x.Question, maxAnswer)), Escape(Clip(x.Text, maxAnswer)))
	}
	return b.String()
}

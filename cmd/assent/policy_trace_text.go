package main

import (
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/review"
)

// explainDetermination writes what a determination rests on, line by line, for
// `assent policy trace`.
func explainDetermination(line func(label, format string, args ...any), d review.Determination) {
	line("flow", "%s, from %s%s", d.Flow.Mode, d.Flow.From, at(d.Flow.At))
	explainLosers(line, d)
	for i, stage := range d.Stages {
		count := ""
		if stage.Count > 0 {
			count = fmt.Sprintf(", at least %d", stage.Count)
		}
		line(fmt.Sprintf("stage %d", i+1), "%s: %s of%s%s", stage.State, stage.Mode, count, at(stage.At))
		if len(stage.Files) > 0 {
			line("", "  for %s", strings.Join(stage.Files, ", "))
		}
		for _, src := range stage.Sources {
			mark := "waits for " + names(src.People, " or ")
			if len(src.People) == 0 {
				mark = "nobody can answer"
			}
			if len(src.Answered) > 0 {
				mark = "answered by " + names(src.Answered, ", ")
			}
			line("", "  %s: %s%s", src.Source, mark, at(src.At))
		}
	}
	for _, r := range d.Reviews {
		who := string(r.Person)
		if who == "" {
			who = r.Actor.ID
		}
		state := "counts"
		if !r.Counted {
			state = "does not count: " + r.Why
		}
		reason := ""
		if r.Reason != "" {
			reason = fmt.Sprintf(" %q", r.Reason)
		}
		line("review", "%s by %s%s: %s", r.Verdict, who, reason, state)
	}
	for _, c := range d.Constraints {
		line("rule", "%s", c)
	}
	for _, n := range d.Missing {
		who := ""
		if len(n.People) > 0 {
			who = " (" + names(n.People, " or ") + ")"
		}
		line("next", "%s%s%s", n.What, who, at(n.At))
	}
	for _, x := range report.Deadlines(d, func(to []string) string { return strings.Join(to, ", ") }) {
		line(x.What, "%s", x.When)
	}
}

// explainLosers writes which flows do not count, though somebody stated them.
func explainLosers(line func(label, format string, args ...any), d review.Determination) {
	for _, lost := range d.Flow.Inactive {
		from, place, _ := strings.Cut(lost, " at ")
		line("inactive", "the flow of %s%s", from, at(place))
	}
}

package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// maxRows bounds what a comment shows of a preview.
const maxRows = 20

// Preview is what a request would give, for people: one row for each person and
// data source, and why it is less than was asked for.
func Preview(p grant.Preview) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n#### What %s would give", Escape(string(p.Request)))
	if !p.Until.IsZero() {
		fmt.Fprintf(&b, " until %s", p.Until.UTC().Format(time.RFC3339))
	}
	if len(p.Rows) == 0 {
		return b.String() + "\n\nNothing: no person or data source that it names is registered.\n"
	}
	b.WriteString("\n\n| who | data source | now | if approved |\n| --- | --- | --- | --- |\n")
	for _, r := range p.Rows[:min(len(p.Rows), maxRows)] {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", Escape(string(r.Person)), Escape(string(r.Source)), LevelText(r.Now), cell(r))
	}
	if more := len(p.Rows) - maxRows; more > 0 {
		fmt.Fprintf(&b, "\n… and %d rows more; `assent request preview %s` shows all.\n", more, p.Request)
	}
	return b.String()
}

// LevelText says an access level in words.
func LevelText(l resource.AccessLevel) string {
	if l == "" {
		return "no access"
	}
	return string(l)
}

func cell(r grant.PreviewRow) string {
	parts := []string{LevelText(r.Then)}
	for _, how := range []grant.Visibility{grant.Clear, grant.Masked} {
		var names []string
		for _, c := range r.Columns {
			if c.Then == how {
				names = append(names, Escape(c.Name))
			}
		}
		if len(names) > 0 {
			parts = append(parts, string(how)+" "+strings.Join(names, ", "))
		}
	}
	for _, why := range r.Prevented {
		parts = append(parts, "prevented: "+Escape(why))
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), "|", "\\|")
}

// Shifts is who would lose or gain access by a change of governance, for people.
func Shifts(list []grant.Shift) string {
	if len(list) == 0 {
		return "\n#### Nobody would lose or gain access\n"
	}
	var b strings.Builder
	b.WriteString("\n#### Who would lose or gain access\n\n| who | data source | now | after |\n| --- | --- | --- | --- |\n")
	for _, s := range list[:min(len(list), maxRows)] {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", Escape(string(s.Person)), Escape(string(s.Source)), sight(s.Was), sight(s.Will))
	}
	if more := len(list) - maxRows; more > 0 {
		fmt.Fprintf(&b, "\n… and %d rows more.\n", more)
	}
	return b.String()
}

func sight(s grant.Sight) string {
	r := grant.PreviewRow{Then: s.Level}
	for _, c := range s.Columns {
		r.Columns = append(r.Columns, grant.PreviewColumn{Name: c.Name, Then: c.How})
	}
	return cell(r)
}

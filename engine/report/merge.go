package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// maxRows bounds what a comment shows of a preview.
const maxRows = 20

// onMerge is what a pending request would change, as a diff: for each connection
// who gains what, and which columns stay masked.
func (a Ask) onMerge(state State) []string {
	if a.Preview == nil || !open(state) {
		return nil
	}
	if len(a.Preview.Rows) == 0 {
		return []string{"**On merge:** nothing changes: no person or data source that it names is registered.\n"}
	}
	lines := map[resource.Name][]string{}
	for _, r := range alike(a.Preview.Rows) {
		c := a.Places[r.Source].Connection
		lines[c] = append(lines[c], diffLines(r, a.Places[r.Source])...)
	}
	var all []string
	for _, c := range slices.Sorted(maps.Keys(lines)) {
		shown := lines[c]
		all = append(all, "@@ "+string(c)+" @@")
		all = append(all, shown[:min(len(shown), maxRows)]...)
		if more := len(shown) - maxRows; more > 0 {
			all = append(all, fmt.Sprintf("… and %d more; `assent request preview %s` shows all", more, a.Request))
		}
	}
	return append([]string{"**On merge**\n"}, Fenced("diff", all)...)
}

// row is what several people get of one source, all the same.
type row struct {
	grant.PreviewRow
	who []string
}

// alike puts the rows together that differ in the person only.
func alike(rows []grant.PreviewRow) []row {
	var out []row
	seen := map[string]int{}
	for _, r := range rows {
		key := fmt.Sprintf("%s %s %s %v %q", r.Source, r.Now, r.Then, r.Columns, r.Prevented)
		if i, ok := seen[key]; ok {
			out[i].who = append(out[i].who, string(r.Person))
			continue
		}
		seen[key] = len(out)
		out = append(out, row{r, []string{string(r.Person)}})
	}
	return out
}

// diffLines is one row as lines of a diff.
func diffLines(r row, at Place) []string {
	who := strings.Join(r.who[:min(len(r.who), 5)], ", ")
	if more := len(r.who) - 5; more > 0 {
		who += fmt.Sprintf(" and %d more", more)
	}
	table := at.Path
	if table == "" {
		table = string(r.Source)
	}
	now, then := sees(r.Columns, func(c grant.PreviewColumn) grant.Visibility { return c.Now }), sees(r.Columns, func(c grant.PreviewColumn) grant.Visibility { return c.Then })
	var out []string
	switch {
	case r.Now == r.Then && now == then && r.Now == "":
	case r.Now == r.Then && now == then:
		out = append(out, fmt.Sprintf("  %s  %s  %s has it already  %s", r.Then, table, who, then))
	default:
		if r.Now != "" {
			out = append(out, fmt.Sprintf("- %s  %s  %s  %s", r.Now, table, who, now))
		}
		if r.Then != "" {
			out = append(out, fmt.Sprintf("+ %s  %s  %s  %s", r.Then, table, who, then))
		}
	}
	for _, why := range r.Prevented {
		out = append(out, fmt.Sprintf("! %s  %s: %s", table, who, why))
	}
	if len(out) == 0 {
		out = append(out, fmt.Sprintf("! %s  %s gets nothing of it", table, who))
	}
	return out
}

// sees says which columns are clear, masked and hidden.
func sees(columns []grant.PreviewColumn, how func(grant.PreviewColumn) grant.Visibility) string {
	names := map[grant.Visibility][]string{}
	for _, c := range columns {
		names[how(c)] = append(names[how(c)], c.Name)
	}
	switch {
	case len(columns) == 0:
		return ""
	case len(names[grant.Clear]) == len(columns):
		return "all " + count(len(columns), "column", "columns") + " clear"
	}
	var parts []string
	for _, v := range []grant.Visibility{grant.Clear, grant.Masked, grant.Hidden} {
		list := names[v]
		if len(list) == 0 {
			continue
		}
		const most = 12
		text := string(v) + " " + strings.Join(list[:min(len(list), most)], ", ")
		if more := len(list) - most; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// LevelText says an access level in words.
func LevelText(l resource.AccessLevel) string {
	if l == "" {
		return "no access"
	}
	return word(l)
}

// Shifts is who would lose or gain access by a change of governance, for people.
func Shifts(list []grant.Shift) string {
	if len(list) == 0 {
		return "**On merge:** nobody would lose or gain access\n"
	}
	var b strings.Builder
	b.WriteString("**On merge: who would lose or gain access**\n\n| who | data source | now | after |\n| --- | --- | --- | --- |\n")
	for _, s := range list[:min(len(list), maxRows)] {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", EscapeCell(string(s.Person)), EscapeCell(string(s.Source)), sight(s.Was), sight(s.Will))
	}
	if more := len(list) - maxRows; more > 0 {
		fmt.Fprintf(&b, "\n… and %d rows more.\n", more)
	}
	return b.String()
}

func sight(s grant.Sight) string {
	parts := []string{strings.ReplaceAll(LevelText(s.Level), "|", "│")}
	for _, how := range []grant.Visibility{grant.Clear, grant.Masked} {
		var names []string
		for _, c := range s.Columns {
			if c.How == how {
				names = append(names, EscapeCell(c.Name))
			}
		}
		if len(names) > 0 {
			parts = append(parts, word(how)+" "+strings.Join(names, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

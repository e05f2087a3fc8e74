package report

import (
	"fmt"
	"strings"
)

// folds are the parts of the page that stand folded: why, the statements, what
// happened so far, and what one can do.
func (p Page) folds() []string {
	var out []string
	if why := p.why(); len(why) > 0 {
		out = append(out, fold("Why: the rules, and who can unblock it", why))
	}
	if sql := p.sql(); len(sql) > 0 {
		out = append(out, fold("Exact SQL", sql))
	}
	if past, n := p.past(); n > 0 {
		out = append(out, fold(fmt.Sprintf("Earlier results (%d)", n), past))
	}
	if len(p.Commands) > 0 {
		out = append(out, fold("Commands", []string{"- " + strings.Join(p.Commands, "\n- ") + "\n"}))
	}
	return out
}

// maxFold bounds one folded part, in bytes.
const maxFold = 20_000

// fold puts blocks behind a title that the engine itself wrote: inside of
// summary, text is HTML and not Markdown.
func fold(title string, blocks []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<details><summary>%s</summary>\n\n", title)
	listed := false
	for i, block := range blocks {
		if listed && !strings.HasPrefix(block, "- ") {
			b.WriteString("\n")
		}
		if b.Len()+len(block) > maxFold {
			fmt.Fprintf(&b, "\n… and %s more.\n", count(len(blocks)-i, "part", "parts"))
			break
		}
		listed = strings.HasPrefix(block, "- ")
		b.WriteString(block)
		if !listed && block != "" {
			b.WriteString("\n")
		}
	}
	if listed {
		b.WriteString("\n")
	}
	b.WriteString("</details>\n")
	return b.String()
}

// join puts blocks one after the other, up to a number of bytes, and says where
// the rest is. No block is cut.
func join(blocks []string, most int, name string) string {
	note := "… cut here to what fits: `assent explain` shows all of it.\n"
	if simple(name) {
		note = fmt.Sprintf("… cut here to what fits: `assent explain %s` shows all of it.\n", name)
	}
	var b strings.Builder
	for _, block := range blocks {
		if strings.TrimSpace(block) == "" {
			continue
		}
		if most > 0 && b.Len()+len(block)+1+len(note) > most {
			b.WriteString("\n" + note)
			break
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(block)
	}
	return b.String()
}

// simple reports whether a name can stand in a line of the engine's own.
func simple(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	})
}

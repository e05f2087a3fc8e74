package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/assent-dev/assent/engine/diag"
)

// maxSummary is how many bytes of problems a summary has; GitHub drops one of
// more than 1 MiB as a whole.
const maxSummary = 512 << 10

// StepSummary renders problems as the Markdown of a GitHub Actions job summary.
// People's text stands in code blocks, where nothing in it is a link, an image,
// a mention or markup.
func StepSummary(w io.Writer, list diag.List) error {
	list = list.Sorted()
	var b strings.Builder
	if len(list) == 0 {
		b.WriteString("### Assent: valid\n\nno mistakes found\n")
	} else {
		fmt.Fprintf(&b, "### Assent: %s\n\n", Summary(list))
	}
	for i, d := range list {
		text := fmt.Sprintf("%s: %s[%s]: %s", visible(d.Pos.String()), d.Severity, d.Code, visible(d.Message))
		if d.Hint != "" {
			text += "\nhelp: " + visible(d.Hint)
		}
		for _, r := range d.Related {
			text += "\nsee also " + visible(r.Pos.String()) + ": " + visible(r.Message)
		}
		if b.Len()+len(text) > maxSummary {
			fmt.Fprintf(&b, "and %d more; `assent validate` shows them all\n", len(list)-i)
			break
		}
		fence := fenceFor(text)
		fmt.Fprintf(&b, "%s\n%s\n%s\n\n", fence, text, fence)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fenceFor is a fence that is longer than any run of backticks in the text.
func fenceFor(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}

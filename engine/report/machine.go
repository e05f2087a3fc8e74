package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/assent-dev/assent/engine/diag"
)

// jsonVersion changes when a reader of the JSON would have to.
const jsonVersion = 1

type jsonReport struct {
	Version  int               `json:"version"`
	Errors   int               `json:"errors"`
	Warnings int               `json:"warnings"`
	Notes    int               `json:"notes"`
	Problems []diag.Diagnostic `json:"problems"`
}

// JSON renders problems for programs: a version, counts and the problems in
// order. Characters that would reorder or hide text in a terminal are written as
// JSON escapes, so that the values are the same and nothing is hidden.
func JSON(w io.Writer, list diag.List) error {
	out := jsonReport{Version: jsonVersion, Problems: []diag.Diagnostic{}}
	for _, d := range list.Sorted() {
		switch d.Severity {
		case diag.Error:
			out.Errors++
		case diag.Warning:
			out.Warnings++
		default:
			out.Notes++
		}
		d.Width = max(d.Width, 0)
		out.Problems = append(out.Problems, d)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("render problems as JSON: %w", err)
	}
	_, err := io.WriteString(w, escapeJSON(b.String()))
	return err
}

// escapeJSON escapes hidden characters. Outside strings JSON has none but line
// ends and spaces, so the text can be taken as a whole.
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// SARIF renders problems as SARIF 2.1.0, for code scanning. The id of a rule is
// the code, which never changes its meaning; the fingerprint leaves line numbers
// out, so that a problem that moves stays the same one. What explanations tell
// of a code is shown beside it. Code scanning keeps the first 5,000 results of a
// run, and which those are it does not say: of more, the errors come first, and
// the last one kept says how many there are besides.
func SARIF(w io.Writer, list diag.List, explanations ...diag.Explanation) error {
	all := len(list)
	list = keptResults(list.Sorted())
	run := sarif.NewRunWithInformationURI("assent", "https://github.com/assent-dev/assent").WithColumnKind("unicodeCodePoints")
	long := map[diag.Code]diag.Explanation{}
	for _, e := range explanations {
		long[e.Code] = e
	}
	for _, code := range codesOf(list) {
		rule := run.AddRule(string(code))
		if e, ok := long[code]; ok {
			rule.WithShortDescription(sarif.NewMultiformatMessageString().WithText(e.Title)).
				WithFullDescription(sarif.NewMultiformatMessageString().WithText(e.Why)).
				WithHelp(sarif.NewMultiformatMessageString().WithText(e.Fix))
		}
	}
	seen := map[string]int{}
	for i, d := range list {
		mark := fingerprint(d)
		seen[mark]++
		if i == maxResults-1 && all > maxResults {
			d.Message += fmt.Sprintf("; %d more are not shown here: assent validate shows them all", all-maxResults)
		}
		result := run.CreateResultForRule(string(d.Code)).WithLevel(string(d.Severity)).
			WithMessage(sarif.NewTextMessage(inertMessage(withHint(d)))).
			AddLocation(location(d.Pos, d.Width)).
			WithPartialFingerprints(map[string]string{"assentProblem/v1": mark + ":" + strconv.Itoa(seen[mark])})
		for _, r := range d.Related {
			result.AddRelatedLocation(location(r.Pos, 0).WithMessage(sarif.NewTextMessage(inertMessage(r.Message))))
		}
	}
	if err := sarif.NewReport().AddRun(run).PrettyWrite(w); err != nil {
		return fmt.Errorf("render problems as SARIF: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// maxResults is how many results of a run code scanning keeps.
const maxResults = 5000

func keptResults(list diag.List) diag.List {
	if len(list) <= maxResults {
		return list
	}
	weight := map[diag.Severity]int{diag.Error: 0, diag.Warning: 1}
	rank := func(d diag.Diagnostic) int {
		if n, ok := weight[d.Severity]; ok {
			return n
		}
		return len(weight)
	}
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b diag.Diagnostic) int { return cmp.Compare(rank(a), rank(b)) })
	return out[:maxResults]
}

func fingerprint(d diag.Diagnostic) string {
	sum := sha256.Sum256([]byte(string(d.Code) + "\x00" + d.Pos.File + "\x00" + d.Message))
	return hex.EncodeToString(sum[:16])
}

func location(pos diag.Pos, width int) *sarif.Location {
	uri := (&url.URL{Path: pos.File}).EscapedPath()
	physical := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(uri))
	if pos.Line > 0 {
		region := sarif.NewRegion().WithStartLine(pos.Line)
		if pos.Col > 0 {
			region.WithStartColumn(pos.Col)
			if width > 0 {
				region.WithEndColumn(pos.Col + width)
			}
		}
		physical.WithRegion(region)
	}
	return sarif.NewLocationWithPhysicalLocation(physical)
}

// inertMessage keeps a person's text from becoming a link in a viewer.
func inertMessage(text string) string {
	text = visible(text)
	if strings.Contains(text, "](") {
		return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(text)
	}
	return text
}

func withHint(d diag.Diagnostic) string {
	if d.Hint == "" {
		return d.Message
	}
	return d.Message + ". Help: " + d.Hint
}

// maxAnnotations is how many of a kind GitHub shows for one step.
const maxAnnotations = 10

// GitHub renders problems as workflow commands, which GitHub shows beside the
// changed lines. It shows ten of a kind: those in files that changed come first,
// and the tenth says how many there are more. With nil, no file counts as changed.
func GitHub(w io.Writer, list diag.List, changed map[string]bool) error {
	list = list.Sorted()
	slices.SortStableFunc(list, func(a, b diag.Diagnostic) int {
		switch {
		case changed[a.Pos.File] == changed[b.Pos.File]:
			return 0
		case changed[a.Pos.File]:
			return -1
		default:
			return 1
		}
	})
	total := map[string]int{}
	for _, d := range list {
		total[command(d.Severity)]++
	}
	var b strings.Builder
	shown := map[string]int{}
	for _, d := range list {
		kind := command(d.Severity)
		shown[kind]++
		if shown[kind] > maxAnnotations {
			continue
		}
		message := visible(d.Message)
		if d.Hint != "" {
			message += "\nhelp: " + visible(d.Hint)
		}
		for _, r := range d.Related {
			message += "\nsee also " + visible(r.Pos.String()) + ": " + visible(r.Message)
		}
		if left := total[kind] - maxAnnotations; shown[kind] == maxAnnotations && left > 0 {
			message += "\nand " + strconv.Itoa(left) + " more in the job summary; assent validate shows them all"
		}
		fmt.Fprintf(&b, "::%s %s::%s\n", kind, properties(d), escapeData(message))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func command(s diag.Severity) string {
	switch s {
	case diag.Error:
		return "error"
	case diag.Warning:
		return "warning"
	default:
		return "notice"
	}
}

func properties(d diag.Diagnostic) string {
	parts := []string{"file=" + escapeProperty(visible(d.Pos.File))}
	if d.Pos.Line > 0 {
		parts = append(parts, "line="+strconv.Itoa(d.Pos.Line))
		if d.Pos.Col > 0 {
			parts = append(parts, "col="+strconv.Itoa(d.Pos.Col))
			if d.Width > 0 {
				parts = append(parts, "endColumn="+strconv.Itoa(d.Pos.Col+d.Width))
			}
		}
	}
	return strings.Join(append(parts, "title="+escapeProperty(visible(string(d.Code)))), ",")
}

func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

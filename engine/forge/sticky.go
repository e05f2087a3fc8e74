package forge

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Memory is what the engine's one comment on a pull request remembers between
// two runs: what was not possible, and what it told people who sent commands.
// Nothing is decided by it, because others may edit a comment.
type Memory struct {
	Key   string `json:"key"`             // of head and Report.Key
	Notes []Note `json:"notes,omitempty"` // of the last day
	// Refused are the ids of accounts that the forge would not ask for a review.
	Refused []string `json:"refused,omitempty"`
}

// Note is one line for people.
type Note struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

const (
	maxNotes   = 3
	maxWords   = 300 // characters of a line that is remembered
	maxRefused = 50
	stale      = 24 * time.Hour
)

// Recall reads what a comment remembers; nothing where it cannot be read.
func Recall(comment string) Memory {
	var m Memory
	first, _, _ := strings.Cut(comment, "\n")
	first, ok := strings.CutPrefix(first, markerStart)
	if !ok {
		return m
	}
	_, data, _ := strings.Cut(strings.TrimSuffix(first, markerEnd), " ")
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil || json.Unmarshal(raw, &m) != nil {
		return Memory{}
	}
	return m.bounded()
}

func (m Memory) bounded() Memory {
	m.Notes = m.Notes[max(0, len(m.Notes)-maxNotes):]
	m.Refused = m.Refused[:min(len(m.Refused), maxRefused)]
	for i := range m.Notes {
		m.Notes[i].Text = Shorten(m.Notes[i].Text, maxWords)
	}
	return m
}

// Sticky is the engine's one comment after a report, from what it remembers: the
// marker, the text, and what it remembers behind it. changed is false where the
// comment that was written at a time says all that people must learn of already.
func Sticky(m Memory, written time.Time, r Report, now time.Time, most int) (body string, next Memory, changed bool) {
	now = now.UTC().Truncate(time.Second)
	m = m.bounded()
	m.Notes = slices.Clone(m.Notes)
	m.Notes = slices.DeleteFunc(m.Notes, func(n Note) bool { return now.Sub(n.At) > stale })
	for _, n := range r.Notes {
		n = Shorten(OneLine(n), maxWords)
		if !slices.ContainsFunc(m.Notes, func(o Note) bool { return o.Text == n }) {
			m.Notes = append(m.Notes, Note{now, n})
		}
	}
	m = m.bounded()
	notes, _ := json.Marshal([]any{m.Notes, m.Refused})
	sum := sha256.Sum256([]byte(r.Head + "\x00" + cmp.Or(r.Key, r.Markdown) + "\x00" + string(notes)))
	key := hex.EncodeToString(sum[:8])
	changed = m.Key != key || r.Key != "" && now.Sub(written) > stale
	m.Key = key
	tail := ""
	if r.Remembered != nil {
		if tail = r.Remembered(m); tail != "" {
			tail = "\n" + tail
		}
	}
	raw, _ := json.Marshal(m) // strings and times always marshal
	marker := markerStart + key + " " + base64.StdEncoding.EncodeToString(raw) + markerEnd + "\n"
	return marker + Cut(r.Markdown, most-len(marker)-len(tail)) + tail, m, changed
}

// Cut keeps so many bytes of a text, to the end of a line, and closes the fences
// of tildes and the folds that this leaves open. A Report within MaxText is never cut.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[:max(0, most-len(cutNote)-64)]
	text = text[:strings.LastIndexByte(text, '\n')+1]
	fence, folds := "", 0
	for line := range strings.Lines(text) {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "~"))]
		switch {
		case fence != "" && ticks == fence && strings.TrimSpace(line) == fence:
			fence = ""
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence == "" && strings.HasPrefix(line, "<details>"):
			folds++
		case fence == "" && strings.HasPrefix(line, "</details>"):
			folds--
		}
	}
	if fence != "" {
		text += fence + "\n"
	}
	return text + strings.Repeat("\n</details>\n", max(0, folds)) + cutNote
}

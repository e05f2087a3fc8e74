package connector

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of what a connector may write on stderr.
const (
	maxStderr     = 64 << 10 // bytes passed on from one process
	maxStderrLine = 4 << 10
)

// minSecret is the shortest part of a credential that is looked for: shorter
// ones are found in every other word.
const minSecret = 4

const redacted = "[secret]"

// secrets are the texts that must not be shown: the credential, its parts at
// colons and line ends, and how each looks within JSON.
func secrets(credential string) []string {
	var out []string
	add := func(s string) {
		s = strings.TrimSpace(s)
		if len(s) < minSecret {
			return
		}
		out = append(out, s)
		if raw, err := json.Marshal(s); err == nil {
			out = append(out, string(raw[1:len(raw)-1]))
		}
	}
	add(credential)
	for _, line := range strings.Split(credential, "\n") {
		add(line)
		if _, after, ok := strings.Cut(line, ":"); ok {
			add(after)
		}
	}
	// The longest first: a part must not spoil the whole.
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(out)
}

func redact(s string, secrets []string) string {
	for _, secret := range secrets {
		s = strings.ReplaceAll(s, secret, redacted)
	}
	return s
}

// clean makes a text of a connector's fit for one line of ours.
func clean(s string, secrets []string) string {
	s = redact(strings.ToValidUTF8(s, "?"), secrets)
	s = strings.Join(strings.FieldsFunc(s, unicode.IsControl), " ")
	return cut(strings.TrimSpace(s), maxText)
}

// cut shortens a text to at most n bytes, at a letter.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + " …"
}

// stderr passes on what a connector says, line by line and without secrets.
// Lines that are too long are cut, and what is too much is dropped.
type stderr struct {
	to      io.Writer // may be nil
	prefix  string
	secrets []string
	passed  int
	line    []byte
	long    bool   // the rest of the line is dropped
	last    string // the last line that was not empty
}

// Write implements io.Writer and never fails: a connector is not to be stopped
// by what it says.
func (w *stderr) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part = p[:i]
		}
		if room := maxStderrLine - len(w.line); len(part) > room {
			part, w.long = part[:max(room, 0)], true
		}
		w.line = append(w.line, part...)
		if i < 0 {
			return n, nil
		}
		w.flush()
		p = p[i+1:]
	}
	return n, nil
}

// flush passes on the line that was begun. A line that was cut loses as much of
// its end as a secret could hide in.
func (w *stderr) flush() {
	line := string(w.line)
	if w.long && len(w.secrets) > 0 {
		line = line[:max(0, len(line)-len(w.secrets[0]))]
	}
	line = clean(line, w.secrets)
	w.line, w.long = w.line[:0], false
	if line == "" {
		return
	}
	w.last = line
	if w.to == nil || w.passed >= maxStderr {
		return
	}
	w.passed += len(w.prefix) + len(line) + 1
	if w.passed >= maxStderr {
		line += " (it says too much: the rest is dropped)"
	}
	_, _ = io.WriteString(w.to, w.prefix+line+"\n")
}

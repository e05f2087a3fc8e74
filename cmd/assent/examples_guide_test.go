package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/assent-dev/assent/engine/signature"
)

func newKeyring() map[string]signature.Signer { return map[string]signature.Signer{} }

// guideText is a README as a test plays it: the commands of its console blocks, by the
// heading above them, each with the output that is shown.
type guideText struct {
	file  string
	lines []string
	parts []*guidePart
	edits map[int]guideEdit // by the line of the command, where updating
}

type guidePart struct {
	heading  string
	commands []guideCommand
}

type guideCommand struct {
	text  string
	first int // index of the first line of output
	shown []string
}

type guideEdit struct {
	drop int
	put  []string
}

func readGuide(t *testing.T, file string) *guideText {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := &guideText{file: file, lines: strings.Split(string(raw), "\n"), edits: map[int]guideEdit{}}
	part, inside := &guidePart{}, false
	for i, line := range g.lines {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside && line == "```console"
		case !inside && strings.HasPrefix(line, "#"):
			part = &guidePart{heading: strings.TrimSpace(strings.TrimLeft(line, "#"))}
			g.parts = append(g.parts, part)
		case inside && strings.HasPrefix(line, "$ "):
			part.commands = append(part.commands, guideCommand{text: line[2:], first: i + 1})
		case inside && len(part.commands) > 0:
			last := &part.commands[len(part.commands)-1]
			if open := strings.HasSuffix(last.text, "\\"); open && len(last.shown) == 0 {
				last.text, last.first = last.text+"\n"+line, i+1
			} else {
				last.shown = append(last.shown, line)
			}
		}
	}
	return g
}

// cmd is `guide HEADING`: it runs the commands below a heading and compares what
// they print with what is shown. A line … stands for any lines. A command that
// shows an error has to fail, and every other has to succeed.
func (g *guideText) cmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: guide HEADING")
	}
	found := false
	for _, part := range g.parts {
		if part.heading != args[0] {
			continue
		}
		for _, c := range part.commands {
			found = true
			g.play(ts, c)
		}
	}
	if !found {
		ts.Fatalf("%s has no commands below %q", g.file, args[0])
	}
}

func (g *guideText) play(ts *testscript.TestScript, c guideCommand) {
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", c.text)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	for _, name := range storyEnv {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := cmd.CombinedOutput()
	fmt.Fprintf(ts.Stdout(), "$ %s\n%s", c.text, out)
	fails := slices.ContainsFunc(c.shown, showsError.MatchString)
	got := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(bytes.TrimSpace(out)) == 0 {
		got = nil
	}
	if os.Getenv("UPDATE_SCRIPTS") != "" && (err != nil) == slices.ContainsFunc(got, showsError.MatchString) {
		g.update(c, got)
		return
	}
	if (err != nil) != fails {
		ts.Fatalf("%s: %v, and the README shows an error: %t\n%s", c.text, err, fails, out)
	}
	if !matches(c.shown, got) {
		ts.Fatalf("%s: %s prints something else (-shown +printed):\n%s", g.file, c.text, cmp.Diff(settledAll(c.shown), settledAll(got)))
	}
}

var showsError = regexp.MustCompile(`^(\S+ )?(error|hint: nothing was)[:\[]|: error\[`)

// matches compares what is shown with what was printed.
func matches(shown, printed []string) bool {
	if len(shown) == 0 {
		return len(printed) == 0
	}
	if strings.TrimSpace(shown[0]) == "…" {
		for i := range len(printed) + 1 {
			if matches(shown[1:], printed[i:]) {
				return true
			}
		}
		return false
	}
	return len(printed) > 0 && settled(shown[0]) == settled(printed[0]) && matches(shown[1:], printed[1:])
}

// settled takes out of a line what is another each time.
func settled(line string) string {
	for _, v := range varying {
		line = v.pattern.ReplaceAllString(line, v.name)
	}
	return strings.TrimRight(line, " ")
}

func settledAll(lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, settled(l))
	}
	return out
}

var varying = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{12,64}\b`), "HEX"},
	{regexp.MustCompile(`\bok \d+s ago\b`), "ok AGO"},
}

// update remembers what a command prints now; a shown … has to be kept by hand.
func (g *guideText) update(c guideCommand, got []string) {
	for _, line := range c.shown {
		if strings.TrimSpace(line) == "…" {
			return
		}
	}
	if !matches(c.shown, got) {
		g.edits[c.first] = guideEdit{len(c.shown), got}
	}
}

// finish writes the README where outputs were updated.
func (g *guideText) finish(t *testing.T) {
	t.Helper()
	if len(g.edits) == 0 {
		return
	}
	var out []string
	for i := 0; i < len(g.lines); {
		if e, ok := g.edits[i]; ok {
			out = append(out, e.put...)
			i += e.drop
			delete(g.edits, i)
			if e.drop > 0 {
				continue
			}
		}
		out = append(out, g.lines[i])
		i++
	}
	if err := os.WriteFile(g.file, []byte(strings.Join(out, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

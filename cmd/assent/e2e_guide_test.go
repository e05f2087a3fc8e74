package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// block is a fenced block of a guide. Its info says what to do with the text:
//
//	sql, sql setup   run it as the superuser of the database
//	yaml FILE        write it to the file
//	console          run the lines that begin with $; the others show what is printed
type block struct {
	info  string
	first int // line of the text
	lines []string
}

func blocksOf(lines []string) []block {
	var out []block
	inside := false
	for i, line := range lines {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !inside:
			out, inside = append(out, block{info: info, first: i + 1}), true
		case fence:
			inside = false
		case inside:
			last := &out[len(out)-1]
			last.lines = append(last.lines, line)
		}
	}
	return out
}

// shell is a terminal: the directory and the variables live on from one
// command to the next.
type shell struct {
	t          *testing.T
	dir, state string
	env        []string
}

func (s *shell) run(command string) (out string, err error) {
	s.t.Helper()
	script := `[ ! -e "$TERMINAL/env" ] || { . "$TERMINAL/env"; cd "$(cat "$TERMINAL/dir")"; }
keep() { export -p > "$TERMINAL/env"; pwd > "$TERMINAL/dir"; }
trap keep EXIT
set -eu
` + command
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), append(s.env, "TERMINAL="+s.state)...)
	raw, err := cmd.CombinedOutput()
	return string(raw), err
}

// where is the directory that the terminal is in.
func (s *shell) where() string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.state, "dir"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

const postgresGuide = "../../examples/postgres/README.md"

// TestPostgresGuide does what the guide says, in its order, on a server that has
// nothing but an empty database. UPDATE_SCRIPTS=1 writes what is printed into it.
func TestPostgresGuide(t *testing.T) {
	if _, err := exec.LookPath("psql"); err != nil {
		missing(t, err)
	}
	s := startServer(t, "shop", "shop_owner")
	home := t.TempDir()
	term := &shell{t: t, dir: home, state: t.TempDir(), env: []string{
		"HOME=" + home, "PGPORT=" + strconv.Itoa(s.Port()), "NO_COLOR=1", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=guide", "GIT_AUTHOR_EMAIL=guide@example.com", "GIT_COMMITTER_NAME=guide", "GIT_COMMITTER_EMAIL=guide@example.com",
	}}
	raw, err := os.ReadFile(postgresGuide)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	blocks := blocksOf(lines)
	for i := range blocks {
		b := &blocks[i]
		kind, rest, _ := strings.Cut(b.info, " ")
		text := strings.Join(b.lines, "\n") + "\n"
		switch kind {
		case "sql":
			s.exec(text)
		case "yaml":
			text = strings.Replace(text, "port: 5432", fmt.Sprintf("port: %d", s.Port()), 1)
			if err := writeFile(filepath.Join(term.where(), rest), []byte(text)); err != nil {
				t.Fatal(err)
			}
		case "console":
			term.play(b)
		default:
			t.Fatalf("line %d: what is to be done with a block of %q?", b.first, b.info)
		}
		if t.Failed() {
			return
		}
	}
	if os.Getenv("UPDATE_SCRIPTS") == "" {
		return
	}
	for _, b := range slices.Backward(blocks) {
		end := b.first + slices.Index(lines[b.first:], "```")
		lines = slices.Concat(lines[:b.first], b.lines, lines[end:])
	}
	if err := os.WriteFile(postgresGuide, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// play runs the commands of a block and compares what they print with what is
// shown: a command that shows an error fails, every other succeeds.
func (s *shell) play(b *block) {
	s.t.Helper()
	var out []string
	for at := 0; at < len(b.lines); {
		command, typed := strings.TrimPrefix(b.lines[at], "$ "), b.lines[at:at+1]
		if !strings.HasPrefix(b.lines[at], "$ ") {
			s.t.Fatalf("line %d: output without a command", b.first+at+1)
		}
		for at++; strings.HasSuffix(command, "\\") && at < len(b.lines); at++ {
			command, typed = command+"\n"+b.lines[at], append(slices.Clone(typed), b.lines[at])
		}
		var shown []string
		for ; at < len(b.lines) && !strings.HasPrefix(b.lines[at], "$ "); at++ {
			shown = append(shown, b.lines[at])
		}
		printed, err := s.run(command)
		var got []string
		if text := strings.TrimRight(printed, "\n"); text != "" {
			got = strings.Split(text, "\n")
		}
		fails := slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "ERROR:") || strings.HasPrefix(l, "error:") })
		if (err != nil) != fails {
			s.t.Fatalf("%s: %v\n%s", command, err, printed)
		}
		if !matches(shown, got) {
			if os.Getenv("UPDATE_SCRIPTS") == "" {
				s.t.Errorf("%s: %s prints something else (-shown +printed):\n%s", postgresGuide, command, cmp.Diff(settledAll(shown), settledAll(got)))
			}
			shown = got
		}
		out = slices.Concat(out, typed, shown)
	}
	b.lines = out
}

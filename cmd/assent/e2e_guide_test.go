package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
	guide      string // the file that its commands are from
	dir, state string
	env        []string
	swap       *strings.Replacer // what is another on this machine
}

// patience is how long one command of a guide may take.
const patience = 3 * time.Minute

func (s *shell) run(command string) (out string, err error) {
	s.t.Helper()
	script := `[ ! -e "$TERMINAL/env" ] || { . "$TERMINAL/env"; cd "$(cat "$TERMINAL/dir")"; }
keep() { export -p > "$TERMINAL/env"; pwd > "$TERMINAL/dir"; }
trap keep EXIT
set -eu
` + command
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.WaitDelay = time.Second
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

// guide is a README that is played on a server which has nothing yet.
type guide struct {
	file string
	port int    // where the server listens; the guide says
	said string // the line of its connection that names another port
	env  []string
	exec func(sql string) // as the administrator
	swap []string         // in commands: what is another on this machine, and what it is
	home string           // where it is played; empty for anywhere
}

func TestPostgresGuide(t *testing.T) {
	t.Parallel() // it waits for an end
	if _, err := exec.LookPath("psql"); err != nil {
		missing(t, err)
	}
	s := startServer(t, "shop", "shop_owner")
	guide{"../../examples/postgres/README.md", s.Port(), "port: 5432", []string{"PGPORT=" + strconv.Itoa(s.Port())}, s.exec, nil, ""}.play(t)
}

func TestMariaDBGuide(t *testing.T) {
	t.Parallel() // it waits for an end
	if _, err := exec.LookPath("mariadb"); err != nil {
		missing(t, err)
	}
	s := startMySQL(t)
	guide{"../../examples/mariadb/README.md", s.Port(), "port: 3306", []string{"MYSQL_TCP_PORT=" + strconv.Itoa(s.Port())}, s.exec, nil, ""}.play(t)
}

// play does what the guide says, in its order. UPDATE_SCRIPTS=1 writes what is
// printed into it.
func (g guide) play(t *testing.T) {
	t.Helper()
	home := g.home
	if home == "" {
		home = t.TempDir()
	} else if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	term := &shell{t: t, guide: g.file, dir: home, state: t.TempDir(), env: append([]string{
		"HOME=" + home, "NO_COLOR=1", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=guide", "GIT_AUTHOR_EMAIL=guide@example.com", "GIT_COMMITTER_NAME=guide", "GIT_COMMITTER_EMAIL=guide@example.com",
	}, g.env...), swap: strings.NewReplacer(g.swap...)}
	raw, err := os.ReadFile(g.file)
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
			g.exec(text)
		case "yaml":
			text = strings.Replace(text, g.said, fmt.Sprintf("port: %d", g.port), 1)
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
	if err := os.WriteFile(g.file, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
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
		printed, err := s.run(s.swap.Replace(command))
		var got []string
		if text := strings.TrimRight(printed, "\n"); text != "" {
			got = strings.Split(text, "\n")
		}
		fails := slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "ERROR") || strings.HasPrefix(l, "error:") })
		if (err != nil) != fails {
			s.t.Fatalf("%s: %v\n%s", command, err, printed)
		}
		if !matches(shown, got) {
			if os.Getenv("UPDATE_SCRIPTS") == "" {
				s.t.Errorf("%s: %s prints something else (-shown +printed):\n%s", s.guide, command, cmp.Diff(settledAll(shown), settledAll(got)))
			}
			shown = got
		}
		out = slices.Concat(out, typed, shown)
	}
	b.lines = out
}

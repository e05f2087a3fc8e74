package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

func TestMain(m *testing.M) {
	soonEnding()
	testscript.Main(suite{m}, map[string]func(){
		"assent": func() {
			// A GitHub that the program starts itself is judged too.
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			ctx = judge.With(ctx, func(format string, args ...any) { fmt.Fprintf(os.Stderr, "error: "+format+"\n", args...) })
			code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
		"gh": func() { os.Exit(gh(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// soonEnding has the programs that tests start end at once. One that is built with
// the race detector waits a second for races, after its work is done, where
// nothing else is said; this process waits as long as ever.
func soonEnding() {
	if strings.Contains(os.Getenv("GORACE"), "atexit_sleep_ms") {
		return
	}
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=20"); err != nil {
		panic(err)
	}
}

// inherited is what a program gets of this one's environment where a test says
// what else there is.
func inherited() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}
}

// TestScripts runs testdata/script/*.txtar: the program as people use it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("HOME", e.WorkDir)
			examples, err := filepath.Abs("../../examples")
			if err != nil {
				return err
			}
			e.Setenv("EXAMPLES", examples)
			e.Setenv("GIT_AUTHOR_NAME", "test")
			e.Setenv("GIT_AUTHOR_EMAIL", "test@example.com")
			e.Setenv("GIT_COMMITTER_NAME", "test")
			e.Setenv("GIT_COMMITTER_EMAIL", "test@example.com")
			e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			return nil
		},
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// readmeCommands are the commands of a guide: the lines that begin with "$ " in
// its console blocks.
func readmeCommands(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	inside := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			out = append(out, strings.TrimPrefix(line, "$ "))
		}
	}
	return out
}

// TestReadmeShowsWhatTheDemoPrints compares the README's excerpt with the demo,
// line by line.
func TestReadmeShowsWhatTheDemoPrints(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), "```text\n")
	excerpt, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the README has no excerpt of the demo")
	}
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"demo"}, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("exit %d\n%s%s", code, out.String(), errs.String())
	}
	seen := 0
	for line := range strings.Lines(excerpt) {
		line = strings.TrimSpace(line)
		if line == "" || line == "…" {
			continue
		}
		seen++
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("the demo does not print %q", line)
		}
	}
	if seen < 5 {
		t.Errorf("the excerpt has %d lines only", seen)
	}
}

// TestReadme runs every command of the README, but for the one that runs this
// test and those that need a server, which tests of their own cover.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	commands := readmeCommands(t, filepath.Join(root, "README.md"))
	if len(commands) < 2 || commands[0] != "go run ./cmd/assent demo" || commands[1] != "make test" {
		t.Fatalf("the README begins with the commands %q", commands)
	}
	play := t.TempDir()
	for _, command := range commands {
		if command == "make test" {
			continue // that is what runs here
		}
		command = strings.ReplaceAll(command, "./play", play+"/play")
		t.Run(command, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", command)
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
		})
	}
}

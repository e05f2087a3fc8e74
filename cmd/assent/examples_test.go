package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
)

const examplesDir = "../../examples"

// storyEnv is where the program is, and what git needs to know of whoever plays a story.
var storyEnv = []string{"PATH", "HOME", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_CONFIG_NOSYSTEM"}

// stories are the examples that have a story to play.
func stories(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(examplesDir, "*", "story.txtar"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no example has a story: %v", err)
	}
	return found
}

// TestStories plays every example: its story, and on the way each command of its
// README, with the output that the README shows.
func TestStories(t *testing.T) {
	for _, story := range stories(t) {
		name := filepath.Base(filepath.Dir(story))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := os.Getenv("PATH")
			if racing { // two hundred commands: TestScripts has them watched
				path = filepath.Dir(build(t)) + string(filepath.ListSeparator) + path
			}
			guide := readGuide(t, filepath.Join(examplesDir, name, "README.md"))
			t.Cleanup(func() { guide.finish(t) }) // the script runs in parallel
			testscript.Run(t, testscript.Params{
				Files: []string{story},
				Setup: func(e *testscript.Env) error {
					e.Setenv("PATH", path)
					e.Setenv("HOME", e.WorkDir)
					e.Setenv("GIT_AUTHOR_NAME", "story")
					e.Setenv("GIT_AUTHOR_EMAIL", "story@example.com")
					e.Setenv("GIT_COMMITTER_NAME", "story")
					e.Setenv("GIT_COMMITTER_EMAIL", "story@example.com")
					e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"world": worldCmd,
					"guide": guide.cmd,
					"query": queryCmd,
					"later": laterCmd,
				},
				RequireExplicitExec: true,
			})
		})
	}
}

// TestPlay lays an example out where somebody can follow its README by hand:
//
//	PLAY=$PWD/play go test ./cmd/assent -run TestPlay/bank
func TestPlay(t *testing.T) {
	dir := os.Getenv("PLAY")
	if dir == "" {
		t.Skip("name a directory in PLAY to have an example laid out there")
	}
	for _, story := range stories(t) {
		name := filepath.Base(filepath.Dir(story))
		t.Run(name, func(t *testing.T) {
			if err := layOut(t.Context(), name, dir); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// worldCmd is `world NAME`: it lays the example out in the script's directory.
func worldCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: world NAME")
	}
	ts.Check(layOut(context.Background(), args[0], ts.Getenv("WORK")))
}

// layOut makes a repository of examples/NAME in dir/NAME with keys made now in
// dir/keys, a ledger, and a sandbox for each connection that holds the tables
// which the sources describe and an account for everybody.
func layOut(ctx context.Context, name, dir string) error {
	w := &demoWorld{repoDir: filepath.Join(dir, name), keyDir: filepath.Join(dir, "keys"), clock: time.Now().UTC()}
	files, err := w.exampleFiles(os.DirFS(filepath.Join(examplesDir, name)))
	if err != nil {
		return err
	}
	db, err := gitdb.Init(w.repoDir, "main", false)
	if err != nil {
		return err
	}
	for file, data := range files {
		if err := writeFile(filepath.Join(w.repoDir, filepath.FromSlash(file)), data); err != nil {
			return err
		}
	}
	settings, err := repositoryIn(files)
	if err != nil {
		return err
	}
	state := filepath.Join(db.GitDir(), "assent")
	who := gitdb.Person{Name: "governance", Email: "governance@example.com", When: w.clock}
	if err := foundRepository(ctx, db, state, settings.Spec.ID, files, who); err != nil {
		return err
	}
	if err := db.ResetIndex(); err != nil {
		return err
	}
	if w.workspace, err = openWorkspace(ctx, w.repoDir, "", time.Now); err != nil {
		return err
	}
	for c := range resource.Of[*resource.Connection](w.snapshot.Set) {
		if err := fillSandbox(ctx, w.workspace, c); err != nil {
			return err
		}
	}
	return nil
}

// queryCmd is `query [CONNECTION:]ACCOUNT SQL`: it asks a sandbox as a consumer
// would, and `! query` expects to be refused.
func queryCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: query CONNECTION:ACCOUNT SQL")
	}
	connection, account, _ := strings.Cut(args[0], ":")
	people, err := consumersOf(context.Background(), ts.MkAbs("."), connection)
	ts.Check(err)
	defer people.close()
	rows, denied, err := people.query(context.Background(), account, args[1])
	switch {
	case denied != neg:
		ts.Fatalf("refused: %t, want %t (%v)", denied, neg, err)
	case err != nil && !denied:
		ts.Fatalf("%v", err)
	}
	for _, row := range rows {
		fmt.Fprintln(ts.Stdout(), strings.Join(row, " | "))
	}
}

// laterCmd is `later DURATION [PULL-REQUEST]`: when that much time has gone by,
// one round of the reconciler, or the determination of a pull request.
func laterCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: later DURATION [PULL-REQUEST]")
	}
	ctx := context.Background()
	then, bounded, err := resource.Duration(args[0]).After(time.Now())
	if err != nil || !bounded {
		ts.Fatalf("later %s: %v", args[0], err)
	}
	w, err := openWorkspace(ctx, ts.MkAbs("."), "", func() time.Time { return then })
	ts.Check(err)
	g := &global{output: "text", stdout: ts.Stdout(), stderr: ts.Stderr()}
	if len(args) == 2 {
		d, err := w.determiner(ctx)
		ts.Check(err)
		result, err := d.One(ctx, args[1])
		ts.Check(err)
		writeResult(g, result)
		return
	}
	r, err := w.reconciler(ctx, true)
	ts.Check(err)
	rep, err := r.Once(ctx)
	ts.Check(g.finishRound(rep, err))
}

// Every heading with commands is played, so that no command goes untested.
func TestStoriesPlayEveryGuide(t *testing.T) {
	for _, story := range stories(t) {
		raw, err := os.ReadFile(story)
		if err != nil {
			t.Fatal(err)
		}
		readme := filepath.Join(filepath.Dir(story), "README.md")
		for _, part := range readGuide(t, readme).parts {
			if len(part.commands) > 0 && !slices.Contains(strings.Split(string(raw), "\n"), "guide '"+part.heading+"'") {
				t.Errorf("%s does not play %q of %s", story, part.heading, readme)
			}
		}
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/scenario"
)

// maxScenario is a little more than scenario.Decode takes, so that it is the one
// to say that a file is too large.
const maxScenario = 64 << 10

// story is the text of one scenario file.
type story struct {
	file string
	raw  []byte
}

// readScenarios reads policies/scenarios/ as the snapshot has it.
func readScenarios(dir string, snapshot *repo.Snapshot) ([]story, error) {
	root, db, err := rootOf(dir)
	if err != nil {
		return nil, err
	}
	var out []story
	for _, e := range snapshot.Files {
		if !strings.HasPrefix(e.Path, scenario.Folder) || !strings.HasSuffix(e.Path, ".yaml") {
			continue
		}
		var raw []byte
		if e.OID != "" {
			raw, err = db.Blob(e.OID, maxScenario)
		} else {
			raw, err = readBounded(filepath.Join(root, filepath.FromSlash(e.Path)))
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Path, err)
		}
		out = append(out, story{e.Path, raw})
	}
	return out, nil
}

func readBounded(file string) ([]byte, error) {
	root, name := filepath.Split(file)
	f, err := os.DirFS(root).Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxScenario))
}

func playScenarios(ctx context.Context, e *policy.Engine, snapshot *repo.Snapshot, stories []story) ([]scenario.Result, error) {
	var out []scenario.Result
	for _, st := range stories {
		s, problems := scenario.Decode(st.file, st.raw)
		if problems.HasErrors() {
			out = append(out, scenario.Result{File: st.file, Title: s.Title, Problems: problems})
			continue
		}
		r, err := scenario.Run(ctx, e, snapshot.Set, s)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func writeScenario(g *global, s scenario.Result) {
	for _, p := range s.Problems {
		fmt.Fprintf(g.stdout, "ERROR  %s\n", p)
		if p.Hint != "" {
			fmt.Fprintf(g.stdout, "         hint: %s\n", p.Hint)
		}
	}
	if len(s.Differs) > 0 {
		fmt.Fprintf(g.stdout, "FAIL   %s: %s\n", s.File, s.Title)
	}
	for _, d := range s.Differs {
		fmt.Fprintf(g.stdout, "         %s: step %d: %s\n           want %s\n           got  %s\n", d.At, d.Step, d.What, d.Want, d.Got)
	}
}

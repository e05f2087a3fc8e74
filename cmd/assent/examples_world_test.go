package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

// exampleFiles are the governance files of an example, with a new key for
// everybody who has one.
func (w *demoWorld) exampleFiles(root fs.FS) (map[string][]byte, error) {
	w.keys = newKeyring()
	files := map[string][]byte{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "README.md" || name == "story.txtar" {
			return err
		}
		raw, err := fs.ReadFile(root, name)
		if err == nil && strings.HasPrefix(name, "directory/users/") {
			raw, err = w.newKey(name, raw)
		}
		files[name] = raw
		return err
	})
	return files, err
}

func repositoryIn(files map[string][]byte) (*resource.Repository, error) {
	r, problems, err := repo.Decode(repo.RepositoryFile, "", files[repo.RepositoryFile])
	if err != nil || problems.HasErrors() {
		return nil, fmt.Errorf("read %s: %v %w", repo.RepositoryFile, problems, err)
	}
	settings, ok := r.(*resource.Repository)
	if !ok {
		return nil, errors.New("read assent.yaml: not a repository")
	}
	return settings, nil
}

// sandboxFile is where a connection's sandbox lives, as openSandbox finds it.
func sandboxFile(w *workspace, c *resource.Connection) string {
	return w.path("sandbox", c.Spec.Endpoint.Database)
}

// fillSandbox makes the accounts and the tables of a connection.
func fillSandbox(ctx context.Context, w *workspace, c *resource.Connection) (err error) {
	if c.Spec.Platform != "sandbox" || c.Spec.Endpoint.Database == "" {
		return fmt.Errorf("lay out connection %s: an example has a sandbox with a file name", c.Ref().Name)
	}
	if err := os.MkdirAll(w.path("sandbox"), 0o700); err != nil {
		return err
	}
	s, err := sandbox.Open(ctx, sandbox.Config{Connection: c.Ref().Name, Path: sandboxFile(w, c)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	made := map[string]bool{}
	for u := range resource.Of[*resource.User](w.snapshot.Set) {
		account, ok := resource.AccountOf(u, c)
		if !ok || made[account] {
			continue
		}
		made[account] = true
		if err := s.CreateAccount(ctx, account); err != nil {
			return err
		}
	}
	for d := range resource.Of[*resource.DataSource](w.snapshot.Set) {
		if d.Spec.Connection != c.Ref().Name || d.Spec.Kind != "table" {
			continue
		}
		rows := [][]string{sampleRow(d, 1), sampleRow(d, 2)}
		if err := s.CreateTable(ctx, d.Spec.Path, d.Spec.Columns, rows); err != nil {
			return err
		}
	}
	return nil
}

// sampleRow is the n-th row of a table: values that show where they come from,
// and are long enough for a mask to leave something.
func sampleRow(d *resource.DataSource, n int) []string {
	var out []string
	for _, c := range d.Spec.Columns {
		switch c.Type {
		case "integer", "bigint":
			out = append(out, fmt.Sprint(n))
		case "numeric":
			out = append(out, fmt.Sprintf("%d234.56", n))
		case "date":
			out = append(out, fmt.Sprintf("2026-10-0%d", n))
		case "timestamp":
			out = append(out, fmt.Sprintf("2026-10-0%d 10:00:00", n))
		case "boolean":
			out = append(out, fmt.Sprint(n%2))
		default:
			out = append(out, fmt.Sprintf("%s-000%d", c.Name, n))
		}
	}
	return out
}

// consumersOf are the people who ask the sandbox of a connection of the
// repository in dir.
func consumersOf(ctx context.Context, dir, connection string) (consumers, error) {
	w, err := openWorkspace(ctx, dir, "", nil)
	if err != nil {
		return nil, err
	}
	c, ok := resource.Get[*resource.Connection](w.snapshot.Set, resource.KindConnection, resource.Name(connection))
	if !ok {
		return nil, fmt.Errorf("no connection %q in %s", connection, filepath.Base(dir))
	}
	s, err := sandbox.Open(ctx, sandbox.Config{Connection: c.Ref().Name, Path: sandboxFile(w, c)})
	if err != nil {
		return nil, err
	}
	return &sandboxPeople{s}, nil
}

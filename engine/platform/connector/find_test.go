package connector

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/assent-dev/assent/engine/platform"
)

// A connection file in Git names a connector; what may be run is the operator's.
func TestFindRunsOnlyWhatTheOperatorPutThere(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("good", 0o755)
	write("shared", 0o775)
	write("open", 0o757)
	write("text", 0o644)
	if err := os.Symlink("good", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ dir, name, text string }{
		{dir, "shared", "others than the owner may write"},
		{dir, "open", "others than the owner may write"},
		{dir, "text", "not executable"},
		{dir, "link", "symbolic link"},
		{dir, "folder", "is a directory"},
		{dir, "missing", "no connector missing"},
		{dir, "../good", "no name of a connector"},
		{dir, "a/b", "no name of a connector"},
		{dir, "", "no name of a connector"},
		{dir, ".", "no name of a connector"},
		{dir, "Good", "no name of a connector"},
		{"", "good", "no connector may be run here"},
		{".", "good", "depends on where one stands"},
		{dir + "-not", "good", "no directory"},
		{filepath.Join(dir, "good"), "good", "is a file"},
	}
	for _, c := range cases {
		_, err := Find("shop", c.dir, c.name)
		failed(t, err, platform.BadConnector, c.text)
	}
	if got, err := Find("shop", dir, "good"); err != nil || got != filepath.Join(dir, "good") {
		t.Fatalf("%s, %v", got, err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := Find("shop", dir, "good")
	failed(t, err, platform.BadConnector, "others than the owner may write")
}

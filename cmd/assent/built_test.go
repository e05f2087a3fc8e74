package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// suite is all tests, and tidies up what they shared.
type suite struct{ *testing.M }

// Run implements testscript.TestingM.
func (s suite) Run() int {
	code := s.M.Run()
	if builtDir != "" {
		_ = os.RemoveAll(builtDir)
	}
	return code
}

// builtDir holds the built program, once something asked for it.
var builtDir string

var built = sync.OnceValues(func() (string, error) {
	var err error
	if builtDir, err = os.MkdirTemp("", "assent-built-"); err != nil {
		return "", err
	}
	program := filepath.Join(builtDir, "assent")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// build is the program as people have it, built once: it dies as it would in
// life and is not slowed down by what the tests are run with.
func build(t *testing.T) string {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

package mysql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
)

// server is the private server of this test binary, nil where there is none.
var server *Private

func TestMain(m *testing.M) {
	s, err := StartPrivate(context.Background(), "")
	if err != nil && !errors.Is(err, ErrNoServer) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	code := m.Run()
	if server != nil {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// noServer ends a test that has no server: in CI it fails.
func noServer(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" || !errors.Is(err, ErrNoServer) {
		t.Fatal(err)
	}
	t.Skip(err)
}

// newServer is a server of the test's own.
func newServer(t *testing.T, options ...string) *Private {
	t.Helper()
	s, err := StartPrivate(t.Context(), "", options...)
	if err != nil {
		noServer(t, err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

//go:build unix

package private

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func start(t *testing.T, script string, answers func(context.Context, int) error) (*Server, int, error) {
	t.Helper()
	s, err := New(Config{Name: "assent-private-", Stop: syscall.SIGTERM})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	port, err := s.Start(t.Context(), "/bin/sh", func(port int) []string {
		return []string{"-c", script, "sh", strconv.Itoa(port)}
	}, answers)
	return s, port, err
}

func TestServerRunsUntilItIsStopped(t *testing.T) {
	tries := 0
	s, port, err := start(t, "exec sleep 600", func(_ context.Context, port int) error {
		if tries++; tries < 3 || port == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || port == 0 || tries != 3 {
		t.Fatalf("port %d after %d tries: %v", port, tries, err)
	}
	process := s.cmd.Process
	if os.Geteuid() == 0 {
		info, err := os.Stat(s.Path("."))
		if err != nil {
			t.Fatal(err)
		}
		if info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Error("the folder is root's")
		}
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := process.Signal(syscall.Signal(0)); err == nil {
		t.Error("it still runs")
	}
	if _, err := os.Stat(s.Path(".")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
}

func TestServerThatEndsSaysWhy(t *testing.T) {
	_, _, err := start(t, "echo starting; echo 2026 [ERROR] no room left; echo bye; exit 3", func(context.Context, int) error { return net.ErrClosed })
	if err == nil || err.Error() != "sh ended: 2026 [ERROR] no room left" {
		t.Errorf("got %v", err)
	}
}

func TestServerThatNeverAnswersIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(Config{Name: "assent-private-", Stop: syscall.SIGTERM})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Stop() }()
	_, err = s.Start(ctx, "/bin/sh", func(int) []string { return []string{"-c", "exec sleep 600"} }, func(context.Context, int) error {
		cancel()
		return net.ErrClosed
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProgramThatFailsSaysWhy(t *testing.T) {
	s, err := New(Config{Name: "assent-private-", Stop: syscall.SIGTERM})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Stop() }()
	if err := s.WriteFile("note", []byte("one")); err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context(), "/bin/sh", "-c", "cat note; echo; echo two; exit 4")
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 4: two") {
		t.Errorf("got %v", err)
	}
}

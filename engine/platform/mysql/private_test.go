package mysql

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestPrivateServerLeavesNothing(t *testing.T) {
	s := newServer(t, PrivateOptions{Settings: map[string]string{"max-connections": "12"}})
	admin := s.Admin()
	all, err := admin.Query(t.Context(), privateAdmin, "SELECT user, host FROM mysql.user WHERE user NOT IN ('mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema')")
	if err != nil || len(all) != 1 || all[0][0] != privateAdmin || all[0][1] != "127.0.0.1" {
		t.Errorf("accounts at first: %v %v", all, err)
	}
	if rows, err := admin.Query(t.Context(), "", "SELECT 1"); err == nil {
		t.Errorf("nobody at all is let in: %v", rows)
	}
	if err := admin.CreateLogin(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if _, err := admin.Query(t.Context(), "ann", "SELECT 1"); err == nil {
		t.Error("a killed server answers")
	}
	for range 2 {
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := admin.Query(t.Context(), "ann", "SELECT @@max_connections, @@event_scheduler, @@port")
	if err != nil || rows[0][0] != "12" || rows[0][1] != "ON" || rows[0][2] != strconv.Itoa(s.Port()) {
		t.Errorf("%v %v", rows, err)
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.server.Path(".")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder: %v", err)
	}
	if c, err := net.Dial("tcp", net.JoinHostPort(s.Host(), strconv.Itoa(s.Port()))); err == nil {
		_ = c.Close()
		t.Error("something still listens")
	}
}

func TestNoServerIsTold(t *testing.T) {
	t.Setenv("ASSENT_MYSQL_BINDIR", t.TempDir())
	if _, err := StartPrivate(context.Background(), ""); !errors.Is(err, ErrNoServer) {
		t.Fatalf("got %v", err)
	}
}

// TestPlainServerIsAskedToMakeItsFiles plays a MySQL, which makes its data
// directory itself, with a script.
func TestPlainServerIsAskedToMakeItsFiles(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nfor a; do case $a in --version) echo mysqld Ver 8.0.40; exit;; --initialize-insecure) echo '[ERROR] no room'; exit 1;; esac; done\n"
	if err := os.WriteFile(filepath.Join(dir, "mysqld"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, above := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(above, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("ASSENT_MYSQL_BINDIR", dir)
	_, err := StartPrivate(t.Context(), "")
	if err == nil || err.Error() != "start private server: mysqld: exit status 1: [ERROR] no room" {
		t.Errorf("got %v", err)
	}
}

package main

import (
	"testing"

	"github.com/assent-dev/assent/engine/platform/mysql"
)

// myServer is a private MariaDB server, and its administrator.
type myServer struct {
	*mysql.Private
	t     *testing.T
	admin *mysql.Admin
}

func startMySQL(t *testing.T) *myServer { return startMySQLWith(t, mysql.PrivateOptions{}) }

func startMySQLWith(t *testing.T, o mysql.PrivateOptions) *myServer {
	t.Helper()
	private, err := mysql.StartPrivateWith(t.Context(), o)
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if err := private.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &myServer{private, t, private.Admin()}
}

// exec runs statements as the administrator.
func (s *myServer) exec(sql string) {
	s.t.Helper()
	if err := s.admin.Exec(s.t.Context(), sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

package main

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/platform/postgres"
)

// server is a private PostgreSQL server with one database.
type server struct {
	*postgres.Private
	t        *testing.T
	database string
}

// startServer starts a server and makes a database that belongs to owner, who
// is nothing but a role that may log in.
func startServer(t *testing.T, database, owner string) *server {
	t.Helper()
	private, err := postgres.StartPrivate(t.Context(), "")
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if err := private.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &server{private, t, "postgres"}
	s.exec("CREATE ROLE " + owner + " LOGIN PASSWORD '" + owner + "-pw'")
	s.exec("CREATE DATABASE " + database + " OWNER " + owner)
	s.database = database
	return s
}

// login is how a role reaches the database; its password is its name and "-pw".
func (s *server) login(role string) string { return s.DSN(role, role+"-pw", s.database) }

// exec runs a statement as the superuser.
func (s *server) exec(sql string) {
	s.t.Helper()
	if err := postgres.NewAdmin(s.AdminDSN(s.database)).Exec(s.t.Context(), sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// setUp makes the engine's role and sets its credential as name.
func (s *server) setUp(credential string) {
	s.t.Helper()
	sql, err := postgres.SetupSQL("assent", "assent-pw", s.database, "public")
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(sql)
	s.t.Setenv(credential, "assent:assent-pw")
}

// session is psql, with statements put in one by one.
type session struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

// session opens a session of a login, which the test ends.
func (s *server) session(login string) *session { return s.open(s.login(login)) }

func (s *server) open(dsn string) *session {
	s.t.Helper()
	cmd := exec.Command("psql", "-X", "-q", "-A", "-t", "-F", " ", "-d", dsn)
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		missing(s.t, err)
	}
	s.t.Cleanup(func() { _, _ = in.Close(), cmd.Wait() })
	return &session{s.t, in, bufio.NewScanner(out)}
}

// ended is the state of a session that the server has ended.
const ended = "ended"

// ask runs a statement: the first row of what it gives, and its SQLSTATE, which
// is 00000 where it went well.
func (s *session) ask(sql string) (row, state string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, sql+";\n\\echo ### :SQLSTATE\n"); err != nil {
		return "", ended
	}
	for s.out.Scan() {
		line := s.out.Text()
		if state, done := strings.CutPrefix(line, "### "); done {
			return row, state
		}
		if row == "" {
			row = line
		}
	}
	return "", ended
}

// SQLSTATEs.
const (
	wentWell = "00000"
	denied   = "42501"
)

// may reports whether a statement goes well; one that fails for another reason
// than a missing right, or the end of the session, ends the test.
func (s *session) may(sql string) bool {
	s.t.Helper()
	_, state := s.ask(sql)
	if state != wentWell && state != denied && state != ended {
		s.t.Fatalf("%s: SQLSTATE %s", sql, state)
	}
	return state == wentWell
}

// ask runs a query in a session of its own: its first row, "refused" or "nothing".
func (s *server) ask(login, sql string) string {
	s.t.Helper()
	one := s.session(login)
	defer one.in.Close()
	row, state := one.ask(sql)
	switch {
	case state == denied:
		return "refused"
	case state != wentWell:
		s.t.Fatalf("%s asks %s: SQLSTATE %s", login, sql, state)
	case row == "":
		return "nothing"
	}
	return row
}

// readers are the logins that a query answers, asked one after the other in one
// session, with that login's rights.
func (s *server) readers(logins []string, sql string) []string {
	s.t.Helper()
	admin := s.open(s.AdminDSN(s.database))
	defer admin.in.Close()
	var out []string
	for _, login := range logins {
		admin.must("SET SESSION AUTHORIZATION " + login)
		if admin.may(sql) {
			out = append(out, login)
		}
		admin.must("RESET SESSION AUTHORIZATION")
	}
	return out
}

func (s *session) must(sql string) {
	s.t.Helper()
	if row, state := s.ask(sql); state != wentWell {
		s.t.Fatalf("%s: %s SQLSTATE %s", sql, row, state)
	}
}

package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoServer means that no initdb and postgres were found.
var ErrNoServer = errors.New("start private server: no initdb and postgres found: install PostgreSQL 15 or newer " +
	"(on Debian: apt-get install postgresql; on macOS: brew install postgresql), or set ASSENT_PG_BINDIR")

// Private is a server of our own for a demo or a test: loopback only, a random
// password, everything in one folder, nothing written safely to disk. It ends
// with Stop, and at the latest with the process that started it (on Linux).
type Private struct {
	dir      string
	port     int
	password string
	cmd      *exec.Cmd
	exited   chan struct{}
}

// Database is the database that a private server comes with.
const privateDatabase = "postgres"

const privateAdmin = "admin"

// StartPrivate makes and starts a server in a new folder below dir (the
// system's temporary folder where empty), as an unprivileged user where the
// process is root.
func StartPrivate(ctx context.Context, dir string) (*Private, error) {
	bin, err := findBinaries(ctx)
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, fmt.Errorf("start private server: %w", err)
	}
	s := &Private{password: secret()}
	if s.dir, err = os.MkdirTemp(dir, "assent-pg-"); err != nil {
		return nil, fmt.Errorf("start private server: %w", err)
	}
	if err := s.start(ctx, bin, who); err != nil {
		return nil, errors.Join(fmt.Errorf("start private server: %w", err), s.Stop())
	}
	return s, nil
}

func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// findBinaries is the folder that holds initdb and postgres: the one that
// ASSENT_PG_BINDIR names, else on PATH, else where pg_config points, else
// Debian's newest.
func findBinaries(ctx context.Context) (string, error) {
	if dir := os.Getenv("ASSENT_PG_BINDIR"); dir != "" {
		if hasBinaries(dir) {
			return dir, nil
		}
		return "", fmt.Errorf("%w: it names %s, which holds neither", ErrNoServer, dir)
	}
	var dirs []string
	if at, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(at))
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(debian, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range append(dirs, debian...) {
		if hasBinaries(dir) {
			return dir, nil
		}
	}
	return "", ErrNoServer
}

func major(bindir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bindir)))
	return n
}

func hasBinaries(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// account is a user of this machine.
type account struct{ uid, gid uint32 }

// unprivileged is whom the server runs as: nil for the user we are, unless
// that is root, whom PostgreSQL refuses.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &account{uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, errors.New("run as another user than root: neither postgres nor nobody exists here")
}

func (s *Private) start(ctx context.Context, bin string, who *account) error {
	pwfile := filepath.Join(s.dir, "pw")
	if err := os.WriteFile(pwfile, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if who != nil {
		for _, path := range []string{s.dir, pwfile} {
			if err := os.Chown(path, int(who.uid), int(who.gid)); err != nil {
				return err
			}
		}
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", privateAdmin, "--pwfile="+pwfile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = s.dir, asUser(who)
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLine(out))
	}
	if err := os.Remove(pwfile); err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := s.serve(ctx, bin, data, who)
		if err == nil || try == 2 || ctx.Err() != nil {
			return err
		}
	}
}

// serve starts the server on a free port and waits until it answers.
func (s *Private) serve(ctx context.Context, bin, data string, who *account) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.port = port
	logPath := filepath.Join(s.dir, "log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// Not bound to ctx: the server outlives the call that starts it.
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port), //nolint:noctx // see above
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "synchronous_commit=off",
		"-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_connections=50", "-c", "autovacuum=off",
		"-c", "max_wal_size=256MB", "-c", "dynamic_shared_memory_type=mmap", "-c", "logging_collector=off")
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.dir, log, log, asUser(who)
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	s.cmd, s.exited = cmd, exited
	go func() { _ = cmd.Wait(); close(exited) }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		select {
		case <-exited:
			out, _ := os.ReadFile(logPath)
			return fmt.Errorf("postgres ended: %s", lastLine(out))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		conn, err := pgx.Connect(ctx, s.DSN(privateAdmin, s.password, privateDatabase))
		if err == nil {
			return conn.Close(ctx)
		}
	}
	return errors.New("postgres does not answer within 20 s")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// Host and Port are where the server listens.
func (s *Private) Host() string { return "127.0.0.1" }

// Port is the port that the server listens on.
func (s *Private) Port() int { return s.port }

// AdminDSN is how the superuser reaches a database; "postgres" where empty.
func (s *Private) AdminDSN(database string) string {
	if database == "" {
		database = privateDatabase
	}
	return s.DSN(privateAdmin, s.password, database)
}

// DSN is how anybody else reaches a database.
func (s *Private) DSN(userName, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(userName, password), Path: "/" + database,
		Host: net.JoinHostPort(s.Host(), strconv.Itoa(s.port)), RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateEngine runs SetupSQL in a database of the server as its superuser, with
// a random password, and returns how the engine reaches it.
func (s *Private) CreateEngine(ctx context.Context, role, database string, schemas ...string) (string, error) {
	password := secret()
	setup, err := SetupSQL(role, password, database, schemas...)
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, s.AdminDSN(database))
	if err != nil {
		return "", fmt.Errorf("create engine role: %w", scrub(err))
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, setup); err != nil {
		return "", fmt.Errorf("create engine role: %w", err)
	}
	return s.DSN(role, password, database), nil
}

// Stop ends the server at once and removes its folder. A second call does nothing.
func (s *Private) Stop() error {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		select {
		case <-s.exited:
		case <-time.After(5 * time.Second):
			_ = s.cmd.Process.Signal(syscall.SIGQUIT)
			select {
			case <-s.exited:
			case <-time.After(5 * time.Second):
				_ = s.cmd.Process.Kill()
				<-s.exited
			}
		}
		s.cmd = nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("stop private server: %w", err)
	}
	return nil
}

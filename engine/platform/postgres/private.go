package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform/private"
)

// ErrNoServer means that no initdb and postgres were found.
var ErrNoServer = errors.New("start private server: no initdb and postgres found: install PostgreSQL 15 or newer " +
	"(on Debian: apt-get install postgresql; on macOS: brew install postgresql), or set ASSENT_PG_BINDIR")

// Private is a server of our own for a demo or a test: loopback only, a random
// password, everything in one folder, nothing written safely to disk. It ends
// with Stop, and at the latest with the process that started it (on Linux).
type Private struct {
	server   *private.Server
	options  PrivateOptions
	port     int
	password string
}

// PrivateOptions say how a private server differs from the usual one.
type PrivateOptions struct {
	Dir      string            // where its folder is made; the system's temporary folder where empty
	Bin      string            // the folder with initdb and postgres; found where empty
	Settings map[string]string // of the server, such as ssl = on
	Files    map[string][]byte // of the data folder, for the server's eyes only
}

// privateDatabase is the database that a private server comes with.
const privateDatabase = "postgres"

const privateAdmin = "admin"

// StartPrivate makes and starts a server in a new folder below dir (the
// system's temporary folder where empty), as an unprivileged user where the
// process is root.
func StartPrivate(ctx context.Context, dir string) (*Private, error) {
	return StartPrivateWith(ctx, PrivateOptions{Dir: dir})
}

// StartPrivateWith is StartPrivate with a choice.
func StartPrivateWith(ctx context.Context, o PrivateOptions) (*Private, error) {
	bin := o.Bin
	var err error
	if bin == "" {
		bin, err = findBinaries(ctx)
	} else if !hasBinaries(bin) {
		err = fmt.Errorf("%w: %s holds neither", ErrNoServer, bin)
	}
	if err != nil {
		return nil, err
	}
	server, err := private.New(private.Config{Dir: o.Dir, Name: "assent-pg-", Users: []string{"postgres"}, Stop: syscall.SIGINT}) // fast shutdown
	if err != nil {
		return nil, fmt.Errorf("start private server: %w", err)
	}
	s := &Private{server: server, options: o, password: private.Secret()}
	if err := s.start(ctx, bin); err != nil {
		return nil, errors.Join(fmt.Errorf("start private server: %w", err), s.Stop())
	}
	return s, nil
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

func (s *Private) start(ctx context.Context, bin string) error {
	if err := s.server.WriteFile("pw", []byte(s.password+"\n")); err != nil {
		return err
	}
	data := s.server.Path("data")
	err := s.server.Run(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", privateAdmin, "--pwfile="+s.server.Path("pw"),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	if err := os.Remove(s.server.Path("pw")); err != nil {
		return err
	}
	for _, name := range keys(s.options.Files) {
		if err := s.server.WriteFile(filepath.Join("data", name), s.options.Files[name]); err != nil {
			return err
		}
	}
	s.port, err = s.server.Start(ctx, filepath.Join(bin, "postgres"), func(port int) []string {
		args := []string{
			"-D", data, "-p", strconv.Itoa(port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "synchronous_commit=off",
			"-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_connections=50", "-c", "autovacuum=off",
			"-c", "max_wal_size=256MB", "-c", "dynamic_shared_memory_type=mmap", "-c", "logging_collector=off",
		}
		for _, name := range keys(s.options.Settings) {
			args = append(args, "-c", name+"="+s.options.Settings[name])
		}
		return args
	}, func(ctx context.Context, port int) error {
		s.port = port
		conn, err := pgx.Connect(ctx, s.AdminDSN(""))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
	return err
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
	password := private.Secret()
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
func (s *Private) Stop() error { return s.server.Stop() }

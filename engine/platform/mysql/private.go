package mysql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/assent-dev/assent/engine/platform/private"
)

// ErrNoServer means that no server's programs were found.
var ErrNoServer = errors.New("start private server: no mariadbd or mysqld found: install MariaDB 10.11 or newer " +
	"(on Debian: apt-get install mariadb-server; on macOS: brew install mariadb), or set ASSENT_MYSQL_BINDIR")

// Private is a server of our own for a demo or a test: loopback only, a random
// password, everything in one folder, nothing written safely to disk, events
// switched on. It ends with Stop, and at the latest with the process that
// started it (on Linux).
type Private struct {
	server   *private.Server
	programs programs
	options  PrivateOptions
	port     int
	password string
}

const privateAdmin = "admin"

// PrivateOptions say how a private server differs from the usual one.
type PrivateOptions struct {
	Dir      string            // where its folder is made; the system's temporary folder where empty
	Settings map[string]string // of the server, such as ssl-cert = server.pem; they win over ours
	Files    map[string][]byte // of the data folder, for the server's eyes only
}

// StartPrivate makes and starts a server in a new folder below dir (the
// system's temporary folder where empty), as an unprivileged user where the
// process is root.
func StartPrivate(ctx context.Context, dir string) (*Private, error) {
	return StartPrivateWith(ctx, PrivateOptions{Dir: dir})
}

// StartPrivateWith is StartPrivate with a choice.
func StartPrivateWith(ctx context.Context, o PrivateOptions) (*Private, error) {
	found, err := findPrograms(ctx)
	if err != nil {
		return nil, err
	}
	// Nothing in the folder is worth an orderly end.
	server, err := private.New(private.Config{Dir: o.Dir, Name: "assent-my-", Users: []string{"mysql"}, Stop: syscall.SIGKILL})
	if err != nil {
		return nil, fmt.Errorf("start private server: %w", err)
	}
	s := &Private{server: server, programs: found, options: o, password: private.Secret()}
	if err = s.install(ctx); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start private server: %w", err), s.Stop())
	}
	return s, nil
}

// programs are what a server is made of.
type programs struct {
	server  string // mariadbd or mysqld
	install string // MariaDB's mariadb-install-db; empty for MySQL, whose server does it
}

// findPrograms looks in the folder that ASSENT_MYSQL_BINDIR names, else on PATH
// and where Debian and others put a server.
func findPrograms(ctx context.Context) (programs, error) {
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/mysql/bin", "/opt/homebrew/bin")
	given := os.Getenv("ASSENT_MYSQL_BINDIR")
	if given != "" {
		dirs = []string{given}
	}
	for _, name := range []string{"mariadbd", "mysqld"} {
		server := program(dirs, name)
		if server == "" {
			continue
		}
		version, err := exec.CommandContext(ctx, server, "--no-defaults", "--version").Output()
		if err != nil {
			return programs{}, fmt.Errorf("ask the version of %s: %w", server, err)
		}
		if !strings.Contains(string(version), "MariaDB") {
			return programs{server: server}, nil
		}
		near := filepath.Dir(filepath.Dir(server))
		dirs = append([]string{filepath.Join(near, "bin"), filepath.Join(near, "scripts")}, dirs...)
		for _, name := range []string{"mariadb-install-db", "mysql_install_db"} {
			if install := program(dirs, name); install != "" {
				return programs{server, install}, nil
			}
		}
	}
	if given != "" {
		return programs{}, fmt.Errorf("%w: it names %s, which holds none", ErrNoServer, given)
	}
	return programs{}, ErrNoServer
}

// program is where a program is, empty where none of the folders has it.
func program(dirs []string, name string) string {
	for _, dir := range dirs {
		at := filepath.Join(dir, name)
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() {
			return at
		}
	}
	return ""
}

// fast are the options that make a server small, and careless of its files.
func (s *Private) fast() []string {
	return []string{
		"--no-defaults", "--datadir=" + s.server.Path("data"), "--tmpdir=" + s.server.Path("."), "--performance-schema=OFF",
		"--innodb-buffer-pool-size=32M", "--innodb-flush-method=nosync", "--loose-innodb-log-file-size=8M", "--loose-innodb-redo-log-capacity=8M",
		"--loose-aria-log-file-size=8M", "--loose-aria-pagecache-buffer-size=8M", "--loose-sync-frm=OFF", "--loose-feedback=OFF", "--loose-mysqlx=OFF",
		"--skip-log-bin",
	}
}

// install makes the data directory.
func (s *Private) install(ctx context.Context) error {
	program, args := s.programs.server, append(s.fast(), "--initialize-insecure")
	if s.programs.install != "" {
		program, args = s.programs.install, append(s.fast(), "--skip-test-db", "--skip-name-resolve", "--auth-root-authentication-method=socket")
	}
	if err := s.server.Run(ctx, program, args...); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.options.Files)) {
		if err := s.server.WriteFile(filepath.Join("data", name), s.options.Files[name]); err != nil {
			return err
		}
	}
	// The first administrator has no password yet, so nobody else may stay.
	admin := literal(privateAdmin) + "@'127.0.0.1'"
	return s.server.WriteFile("first.sql", []byte("CREATE USER IF NOT EXISTS "+admin+" IDENTIFIED BY '"+s.password+"';\n"+
		"GRANT ALL ON *.* TO "+admin+" WITH GRANT OPTION;\n"+
		"DROP USER IF EXISTS ''@'localhost', 'root'@'localhost', 'mysql'@'localhost';\n"))
}

func (s *Private) start(ctx context.Context) error {
	var err error
	s.port, err = s.server.Start(ctx, s.programs.server, func(port int) []string {
		args := append(s.fast(), "--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--socket=", "--skip-name-resolve",
			"--init-file="+s.server.Path("first.sql"), "--innodb-flush-log-at-trx-commit=0", "--event-scheduler=ON", "--max-connections=100",
			"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci")
		for _, name := range slices.Sorted(maps.Keys(s.options.Settings)) {
			args = append(args, "--"+name+"="+s.options.Settings[name])
		}
		return args
	}, func(ctx context.Context, port int) error {
		s.port = port
		return s.Admin().Exec(ctx, "SELECT 1")
	})
	return err
}

// Kill ends the server as a crash would, and keeps its files.
func (s *Private) Kill() { s.server.Halt() }

// Restart starts a server anew on the same port, with the same files; one that
// still runs is killed first.
func (s *Private) Restart(ctx context.Context) error { return s.server.Restart(ctx) }

// Host is where the server listens.
func (s *Private) Host() string { return "127.0.0.1" }

// Port is the port that the server listens on.
func (s *Private) Port() int { return s.port }

// Admin acts as the administrator of the server.
func (s *Private) Admin() *Admin { return NewAdmin(s.Host(), s.port, privateAdmin, s.password) }

// Stop ends the server at once and removes its folder. A second call does nothing.
func (s *Private) Stop() error { return s.server.Stop() }

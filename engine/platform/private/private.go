// Package private runs a database server of our own for a demo or a test:
// everything in one folder that goes with it, on loopback, as an unprivileged
// user where the process is root. Each platform says which programs it is made
// of; what is the same for all of them is here.
//
// It is the one package below engine/platform that starts a goroutine: it waits
// for the server's end.
package private

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is one server in a folder of its own.
type Server struct {
	dir    string
	who    *account
	stop   syscall.Signal
	cmd    *exec.Cmd // nil while nothing runs
	exited chan struct{}
	again  func(context.Context) error // starts it as it was started before
}

// Config says what kind of server it is.
type Config struct {
	Dir   string         // the parent folder; the system's temporary folder where empty
	Name  string         // what the folder's name begins with
	Users []string       // whom the server may run as where the process is root, best first
	Stop  syscall.Signal // ends the server at once and in order
}

// New makes the folder. Nothing runs yet; Stop removes it.
func New(cfg Config) (*Server, error) {
	s := &Server{stop: cfg.Stop}
	var err error
	if s.who, err = unprivileged(cfg.Users); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(cfg.Dir, cfg.Name); err != nil {
		return nil, err
	}
	if err := s.own(s.dir); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// account is a user of this machine.
type account struct{ uid, gid uint32 }

// unprivileged is whom the server runs as: nil for the user we are, unless that
// is root, whom database servers refuse.
func unprivileged(names []string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	names = append(names, "nobody")
	for _, name := range names {
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
	return nil, fmt.Errorf("run as another user than root: none of %s exists here", strings.Join(names, ", "))
}

func (s *Server) own(path string) error {
	if s.who == nil {
		return nil
	}
	return os.Chown(path, int(s.who.uid), int(s.who.gid))
}

// Path is where a file or folder of the server is.
func (s *Server) Path(name string) string { return filepath.Join(s.dir, name) }

// WriteFile makes a file that only the server's user can read.
func (s *Server) WriteFile(name string, data []byte) error {
	if err := os.WriteFile(s.Path(name), data, 0o600); err != nil {
		return err
	}
	return s.own(s.Path(name))
}

// Run runs a program of the server's to its end, such as the one that makes its
// files.
func (s *Server) Run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, s.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, complaint(out))
	}
	return nil
}

// Start runs the server on a free port of 127.0.0.1 until answers is content,
// for at most 20 seconds, and returns the port.
func (s *Server) Start(ctx context.Context, program string, args func(port int) []string, answers func(ctx context.Context, port int) error) (int, error) {
	for try := 0; ; try++ {
		port, err := freePort()
		if err == nil {
			s.again = func(ctx context.Context) error {
				return s.start(ctx, program, args(port), func() error { return answers(ctx, port) })
			}
			err = s.again(ctx)
		}
		// Somebody else may have taken the port.
		if err == nil || try == 2 || ctx.Err() != nil {
			return port, err
		}
	}
}

func (s *Server) start(ctx context.Context, program string, args []string, answers func() error) error {
	s.end()
	log, err := os.OpenFile(s.Path("log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// Not bound to ctx: the server outlives the call that starts it.
	cmd := exec.Command(program, args...) //nolint:noctx // see above
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.dir, log, log, s.attributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	s.cmd, s.exited = cmd, exited
	go func() { _ = cmd.Wait(); close(exited) }()
	name := filepath.Base(program)
	var refused error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		select {
		case <-exited:
			out, _ := os.ReadFile(s.Path("log"))
			return fmt.Errorf("%s ended: %s", name, complaint(out))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if refused = answers(); refused == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not answer within 20 s: %w", name, refused)
}

// Halt ends the server and keeps its folder.
func (s *Server) Halt() { s.end() }

// Restart runs a server that Start has run before, on the same port. One that
// still runs is ended first.
func (s *Server) Restart(ctx context.Context) error { return s.again(ctx) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

var complains = regexp.MustCompile(`\b(ERROR|FATAL|error)\b`)

// complaint is the line of an output that says what went wrong: the first one
// that calls itself an error, else the last.
func complaint(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, l := range lines {
		if complains.MatchString(l) {
			return l
		}
	}
	return lines[len(lines)-1]
}

// Stop ends the server at once and removes its folder. A second call does nothing.
func (s *Server) Stop() error {
	s.end()
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("stop private server: %w", err)
	}
	return nil
}

// end asks the server to end, and kills it where it does not within 5 seconds.
func (s *Server) end() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(s.stop)
	select {
	case <-s.exited:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cmd = nil
}

// Secret is a random password of letters and digits.
func Secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

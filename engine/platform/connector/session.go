package connector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"time"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Config says which connector to run, and for which connection.
type Config struct {
	Connection resource.Name
	Path       string // the program, as Find gives it
	Dir        string // where it runs; a directory that is there
	Endpoint   Endpoint
	Credential string // what credentialsFrom leads to; empty where there is none
	Test       bool
	// Diagnostics gets what the connector writes on stderr, without secrets;
	// nil drops it.
	Diagnostics io.Writer
	// Limit bounds the answer to one question; DefaultLimit unless stated.
	Limit time.Duration
}

// The time limits: of one answer, unless stated, and of those that need no work.
const (
	DefaultLimit = 5 * time.Minute
	quickLimit   = 10 * time.Second
	endLimit     = 2 * time.Second
)

// environment is all that a connector is given to know of ours.
func environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC"}
}

var errClosed = errors.New("the connection to the connector is closed")

// Session is a conversation with one connector. Call may be called by several
// goroutines; the connector is asked one question at a time. A process that is
// gone is started anew by the next Call.
type Session struct {
	cfg     Config
	secrets []string
	turn    chan struct{} // holds one token while somebody asks
	hello   Hello         // the first one; every later process must say the same
	proc    *process      // nil where none runs
	closed  bool
}

// process is one run of the connector.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.ReadCloser
	read *bufio.Reader
	said *stderr
	id   int64
}

// Start runs the connector and greets it.
func Start(ctx context.Context, cfg Config) (*Session, error) {
	if cfg.Limit == 0 {
		cfg.Limit = DefaultLimit
	}
	s := &Session{cfg: cfg, secrets: secrets(cfg.Credential), turn: make(chan struct{}, 1)}
	return s, s.locked(ctx, func() error { return s.ready(ctx) })
}

// Hello is what the connector said of itself.
func (s *Session) Hello() Hello { return s.hello }

// Call asks one question. Errors are a *platform.Error: the connector's own, with
// its code, or what is wrong with the connector.
func (s *Session) Call(ctx context.Context, method string, params, result any) error {
	return s.call(ctx, s.cfg.Limit, method, params, result)
}

func (s *Session) call(ctx context.Context, limit time.Duration, method string, params, result any) error {
	return s.locked(ctx, func() error {
		if err := s.ready(ctx); err != nil {
			return err
		}
		return s.ask(ctx, limit, method, params, result)
	})
}

// locked runs f while nobody else speaks to the connector.
func (s *Session) locked(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return s.fail(platform.Unreachable, "run it again", err)
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return s.fail(platform.Busy, "another question is being answered; try again", ctx.Err())
	}
	defer func() { <-s.turn }()
	return f()
}

// Close lets the connector end, and ends it where it does not. A second call
// does nothing.
func (s *Session) Close() error {
	return s.locked(context.Background(), func() error {
		s.closed = true
		if s.proc == nil {
			return nil
		}
		err := s.ask(context.Background(), quickLimit, methodClose, empty{}, &empty{})
		s.end()
		return err
	})
}

// ready starts the connector where none runs.
func (s *Session) ready(ctx context.Context) error {
	switch {
	case s.closed:
		return s.fail(platform.Unreachable, "open it again", errClosed)
	case s.proc != nil:
		return nil
	}
	if err := s.start(); err != nil {
		return err
	}
	var h Hello
	greeting := Greeting{
		Protocols: []int{Protocol}, Connection: s.cfg.Connection, Endpoint: s.cfg.Endpoint,
		Credential: s.cfg.Credential, Test: s.cfg.Test,
	}
	if err := s.ask(ctx, min(quickLimit, s.cfg.Limit), methodHello, greeting, &h); err != nil {
		s.end()
		return err
	}
	if err := s.greeted(h); err != nil {
		s.end()
		return err
	}
	s.hello = h
	return nil
}

func (s *Session) greeted(h Hello) error {
	if h.Protocol != Protocol {
		return s.fail(platform.BadConnector, "install a version of the connector, or of Assent, that speaks the other's protocol",
			fmt.Errorf("the connector speaks protocol %d, and this is %d", h.Protocol, Protocol))
	}
	if h.Name == "" || h.Version == "" || len(h.Capabilities.AccessLevels) == 0 || h.Capabilities.Masks == nil {
		return s.fail(platform.BadConnector, "ask its maker for one that does", errors.New("the connector does not say its name, its version and what it can do"))
	}
	if s.hello.Protocol != 0 && !reflect.DeepEqual(s.hello, h) {
		return s.fail(platform.BadConnector, "run the command again", fmt.Errorf("the connector has become another since it was opened: it was %s %s",
			clean(s.hello.Name, s.secrets), clean(s.hello.Version, s.secrets)))
	}
	return nil
}

func (s *Session) start() error {
	said := &stderr{to: s.cfg.Diagnostics, prefix: "connector of " + string(s.cfg.Connection) + ": ", secrets: s.secrets}
	cmd := exec.Command(s.cfg.Path)
	cmd.Dir, cmd.Env, cmd.Stderr, cmd.WaitDelay = s.cfg.Dir, environment(), said, endLimit
	alone(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return s.fail(platform.Unreachable, "run it again", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s.fail(platform.Unreachable, "run it again", err)
	}
	if err := cmd.Start(); err != nil {
		return s.fail(platform.BadConnector, "run "+s.cfg.Path+" by hand: it must start, and wait for a line", fmt.Errorf("start connector: %w", err))
	}
	s.proc = &process{cmd: cmd, in: in, out: out, read: bufio.NewReaderSize(out, 64<<10), said: said}
	return nil
}

// end ends the process, and gives how it ended and its last words.
func (s *Session) end() string {
	p := s.proc
	if p == nil {
		return ""
	}
	s.proc = nil
	_ = p.in.Close()
	timed, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	stop := context.AfterFunc(timed, p.kill)
	err := p.cmd.Wait()
	stop()
	killAll(p.cmd.Process) // whatever it left behind
	p.said.flush()
	how := "it ended"
	if err != nil {
		how = err.Error()
	}
	if p.said.last != "" {
		how += ", and last said: " + p.said.last
	}
	return how
}

func (p *process) kill() {
	killAll(p.cmd.Process)
	_ = p.out.Close()
}

// ask puts one question to the process. Any failure but an error of the
// connector's own ends the process, because what comes next from it could
// belong to any question.
func (s *Session) ask(ctx context.Context, limit time.Duration, method string, params, result any) error {
	p := s.proc
	p.id++
	line, err := json.Marshal(request{ID: p.id, Method: method, Params: params})
	if err != nil {
		return s.fail(platform.Unsupported, "report it", fmt.Errorf("write question %s: %w", method, err))
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	killed := make(chan struct{})
	stop := context.AfterFunc(timed, func() {
		p.kill()
		close(killed)
	})
	reply, err := p.exchange(append(line, '\n'))
	if !stop() {
		<-killed
		how := s.end()
		if ctx.Err() != nil {
			return s.fail(platform.Unreachable, "run it again", fmt.Errorf("ask connector for %s: %w", method, ctx.Err()))
		}
		return s.fail(platform.Unreachable, "find out what it waits for; its last words may tell",
			fmt.Errorf("the connector did not answer %s within %s and was ended: %s", method, limit, how))
	}
	switch {
	case errors.Is(err, errFlood):
		p.kill()
		s.end()
		return s.bad(method, err)
	case err != nil:
		return s.fail(platform.Unreachable, remedy(method),
			fmt.Errorf("the connector ended before it answered %s: %s", method, s.end()))
	}
	own, err := answer(reply, p.id, result)
	if err != nil {
		p.kill()
		s.end()
		return s.bad(method, err)
	}
	if own != nil {
		return s.fail(own.Code, clean(own.Hint, s.secrets), errors.New(clean(own.Message, s.secrets)))
	}
	return nil
}

var errFlood = fmt.Errorf("it is longer than %d bytes", MaxAnswer)

// exchange writes a line and reads one.
func (p *process) exchange(line []byte) ([]byte, error) {
	if _, err := p.in.Write(line); err != nil {
		return nil, err
	}
	var out []byte
	for {
		part, err := p.read.ReadSlice('\n')
		if len(out)+len(part) > MaxAnswer {
			return nil, errFlood
		}
		out = append(out, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(out, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// remedy is the next step after an answer that is missing or makes no sense.
func remedy(method string) string {
	if method == methodHello {
		return "check that it is a connector: it must read questions on stdin and answer them on stdout, as examples/connector does"
	}
	return "run the suite on it, assent connector test, and tell its maker"
}

// bad is the failure of a connector that does not keep to the protocol.
func (s *Session) bad(method string, err error) error {
	return s.fail(platform.BadConnector, remedy(method),
		fmt.Errorf("the connector's answer to %s is not understood: %s", method, clean(err.Error(), s.secrets)))
}

func (s *Session) fail(code platform.Code, hint string, err error) error {
	return &platform.Error{Connection: s.cfg.Connection, Code: code, Hint: hint, Err: err}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const hookSecret = "a-secret-of-webhooks-0123456789abcdef"

// serveWorld is the demo's world on GitHub, with an engine that serves it.
type serveWorld struct {
	*demoScript
	t       *testing.T
	address string // that Ana queries
}

func newServeWorld(t *testing.T, at time.Time) *serveWorld {
	t.Helper()
	return newServeWorldOn(t, forgeGitHubFake, at)
}

func newServeWorldOn(t *testing.T, forge string, at time.Time) *serveWorld {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatalf("git is needed: %v", err)
	}
	w, err := newDemoWorld(judge.With(t.Context(), t.Errorf), t.TempDir(), demoOptions{platform: "sandbox", forge: forge, at: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.hub != nil {
			w.hub.Close()
		}
		if err := w.people.close(); err != nil {
			t.Error(err)
		}
	})
	s := &demoScript{g: &global{stdout: io.Discard, stderr: io.Discard}, demoWorld: w, quiet: true}
	return &serveWorld{demoScript: s, t: t}
}

// served is a process of `assent serve`.
type served struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	mu   sync.Mutex
	logs bytes.Buffer
	exit chan error
}

// Write keeps the log, and finds in it where the process listens.
func (s *served) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs.Write(p)
}

func (s *served) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs.String()
}

// env is what the process gets: nothing of this one's but the path.
func (w *serveWorld) env(more ...string) []string {
	return append(append(inherited(),
		"HOME="+w.t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "ASSENT_GITHUB_TOKEN="+demoToken("engine"),
		"ASSENT_GITHUB_API="+w.hub.URL, "ASSENT_GITHUB_GIT="+w.hub.GitURL(), "ASSENT_WEBHOOK_SECRET=env://HOOK", "HOOK="+hookSecret,
	), more...)
}

// serve starts a process: this test's own binary, as the program.
func (w *serveWorld) serve(dir string, env []string, args ...string) *served {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	s := &served{t: w.t, exit: make(chan error, 1)}
	s.cmd = &exec.Cmd{
		Path: self, Args: append([]string{"assent", "-C", dir, "serve", "--listen", "127.0.0.1:0"}, args...), Env: env, Stdout: s, Stderr: s,
	}
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { s.exit <- s.cmd.Wait() }()
	w.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		if w.t.Failed() {
			w.t.Logf("log of %v:\n%s", args, s.log())
			if w.hub == nil {
				return
			}
			for _, text := range w.hub.Published(1, "assent-engine") {
				w.t.Logf("the engine says:\n%s", text)
			}
		}
	})
	s.url = s.listens()
	return s
}

// listens waits until the process says where it listens.
func (s *served) listens() string {
	s.t.Helper()
	at := ""
	s.within(time.Minute, "it listens", func() bool {
		for line := range strings.Lines(s.log()) {
			var l struct{ Msg, Listen string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "serving" {
				at = "http://" + l.Listen
				return true
			}
		}
		return false
	})
	return at
}

// within waits until something holds, and fails where it does not or the process ended.
func (s *served) within(d time.Duration, what string, holds func() bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	for time.Since(began) < d {
		if holds() {
			return time.Since(began)
		}
		select {
		case err := <-s.exit:
			s.t.Fatalf("the process ended before %s: %v\n%s", what, err, s.log())
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.t.Fatalf("not within %s: %s\n%s", d, what, s.log())
	return 0
}

func (s *served) get(path string) (int, string) {
	s.t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// stop ends the process as a supervisor does, and requires that it ends well.
func (s *served) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.exit:
		if err != nil {
			s.t.Errorf("after SIGTERM: %v\n%s", err, s.log())
		}
	case <-time.After(30 * time.Second):
		s.t.Errorf("SIGTERM is not heeded:\n%s", s.log())
	}
}

func (s *served) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exit
}

// asksFor has Ana open a request, and gives the number of its pull request.
func (w *serveWorld) asksFor() int {
	w.t.Helper()
	if err := w.asks(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	n := 0
	if _, err := fmt.Sscan(w.pull, &n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// approve is an approval as GitHub shows it.
func (w *serveWorld) approve(who string, n int) {
	w.t.Helper()
	body, err := review.FormatBody(review.Approve, "", "", "fine")
	if err != nil {
		w.t.Fatal(err)
	}
	w.hub.Wait(time.Now().Add(-2 * time.Second)) // GitHub's clock is the engine's, or what came before it ran ahead
	if _, err := w.hub.Review(who, n, "APPROVE", body, ""); err != nil {
		w.t.Fatal(err)
	}
}

// published reports whether the engine has said anything on a pull request.
func (w *serveWorld) published(n int) bool {
	return len(w.hub.Published(n, "assent-engine")) > 0
}

// merged reports whether main on GitHub holds Ana's request.
func (w *serveWorld) merged() bool {
	_, ok := w.hub.File("requests/customer-orders/" + w.request + ".yaml")
	return ok
}

// reads reports whether Ana is answered.
func (w *serveWorld) reads() bool {
	w.t.Helper()
	if w.address == "" {
		wish := grant.Desired(w.snapshot.Set, nil, w.clock)
		c, _ := resource.Get[*resource.Connection](w.snapshot.Set, resource.KindConnection, "warehouse")
		p, err := w.openPlatform(w.t.Context(), c)
		if err != nil {
			w.t.Fatal(err)
		}
		w.address = address(p, wish, "customer-orders", "customers")
		if err := p.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	_, denied, err := w.people.query(w.t.Context(), "ana", "SELECT id FROM "+w.address)
	if err != nil && !denied {
		return false // the platform is being changed
	}
	return !denied
}

// records counts the records of a type in the ledger on GitHub, which has to verify.
func (w *serveWorld) records(of ledger.Type) int {
	w.t.Helper()
	if err := w.reload(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	l, err := w.openLedger()
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for v, err := range l.Replay(context.Background()) {
		if err != nil {
			w.t.Fatal(err)
		}
		if v.Type == of {
			n++
		}
	}
	return n
}

// clone is another machine of the engine: a clone of its own, with nothing but
// the trusted root and one key.
func (w *serveWorld) clone(role string) (dir string, env []string) {
	w.t.Helper()
	dir = filepath.Join(w.t.TempDir(), role+".git")
	url := strings.Replace(w.hub.GitURL(), "http://", "http://x:"+demoToken("engine")+"@", 1)
	if out, err := exec.Command("git", "clone", "-q", "--bare", url, dir).CombinedOutput(); err != nil {
		w.t.Fatalf("git clone: %v\n%s", err, out)
	}
	state := filepath.Join(dir, "assent")
	if err := os.MkdirAll(filepath.Join(state, "keys"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	for _, file := range []string{"trust.json", filepath.Join("keys", role)} {
		raw, err := os.ReadFile(w.path(file))
		if err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(state, file), raw, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	env = slices.DeleteFunc(w.env(), func(e string) bool { return strings.Contains(e, "HOOK") })
	return dir, env
}

// newCommand is the program, which is this test's own binary, with a limit.
func newCommand(ctx context.Context, self string, args, env []string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	context.AfterFunc(ctx, cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0], cmd.Env = "assent", env
	return cmd
}

func demoDuration() resource.Duration { return resource.Duration(fmt.Sprintf("%dd", demoDays)) }

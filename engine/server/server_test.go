package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/server"
)

const canary = "canary-4711-hunter2"

// The values that a log may be given, each with a secret in it.
type secretive struct {
	Name string
	Deep map[string][]string
}

func TestLogsTellNoSecrets(t *testing.T) {
	var out bytes.Buffer
	redact := server.NewRedactor(canary, "first line of a key\nsecond-line-of-a-key", "", "abc")
	log := slog.New(redact.Handler(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	redact.Add("a-later-secret")
	const shaped = "hunter2hunter2"
	deep := secretive{canary, map[string][]string{"x": {canary}}}
	log.Info("message "+canary, "text", canary, "error", fmt.Errorf("wrap: %w", errors.New("with "+canary)), "value", deep, "pointer", &deep,
		"list", []string{canary}, "bytes", "x"+canary+"x", slog.Group("group", "inner", canary, slog.Group("more", "x", canary)))
	log.With("kept", canary).WithGroup("g").Warn("w", "a", "second-line-of-a-key", "b", "a-later-secret")
	log.Error("shapes",
		"url", "dial postgres://engine:"+shaped+"@db:5432/shop?x=1", "header", "Authorization: Bearer "+shaped, "github", "ghs_"+shaped+shaped,
		"pat", "github_pat_"+shaped+"_"+shaped, "dsn", "host=db password="+shaped+" user=engine", "json", `{"password": "`+shaped+`"}`,
		"jwt", "eyJhbGciOi.eyJpc3MiOiI"+shaped+"."+shaped, "basic", "basic "+shaped, "yaml", "token: "+shaped,
		"pem", "-----BEGIN OPENSSH PRIVATE KEY-----\n"+shaped+"\n-----END OPENSSH PRIVATE KEY-----")
	for _, secret := range []string{canary, shaped, "second-line-of-a-key", "a-later-secret"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, out.String())
		}
	}
	for _, kept := range []string{"wrap: with [redacted]", "postgres://[redacted]@db:5432/shop", "message [redacted]", `"kept":"[redacted]"`, "host=db"} {
		if !strings.Contains(out.String(), kept) {
			t.Errorf("%q is not in the log:\n%s", kept, out.String())
		}
	}
	if got := redact.Text("abc stays, and so does waiting for an approval"); got != "abc stays, and so does waiting for an approval" {
		t.Errorf("took too much: %s", got)
	}
}

func TestReadyOnlyWhileItsWorkIsDone(t *testing.T) {
	clock := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	h := server.NewHealth(func() time.Time { return clock }, server.NewRedactor(canary))
	h.Expect("sweep", time.Minute)
	queue := errors.New("no queue")
	h.Check("queue", func(context.Context) error { return queue })
	ready := func(want int, part, says string) {
		t.Helper()
		rec := newRecorder(h.Ready)
		var got struct {
			Ready  bool
			Checks map[string]string
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if rec.Code != want || got.Ready != (want == http.StatusOK) || !strings.Contains(got.Checks[part], says) || strings.Contains(rec.Body.String(), canary) {
			t.Errorf("%d %s, want %d and %s: %s", rec.Code, rec.Body, want, part, says)
		}
	}
	ready(http.StatusServiceUnavailable, "queue", "no queue")
	queue = nil
	ready(http.StatusServiceUnavailable, "sweep", "not ended for the first time")
	h.Tell("sweep", errors.New("with "+canary))
	ready(http.StatusServiceUnavailable, "sweep", "never ended well: with [redacted]")
	h.Tell("sweep", nil)
	ready(http.StatusOK, "sweep", "ok 0s ago")
	clock = clock.Add(time.Minute)
	h.Tell("sweep", errors.New("down"))
	ready(http.StatusOK, "sweep", "failed since: down")
	clock = clock.Add(time.Second)
	ready(http.StatusServiceUnavailable, "sweep", "down")
	h.Tell("sweep", nil)
	ready(http.StatusOK, "queue", "ok")
	h.Stop()
	ready(http.StatusServiceUnavailable, "process", "stopping")
	if rec := newRecorder(h.Alive); rec.Code != http.StatusOK {
		t.Errorf("alive: %d", rec.Code)
	}
}

// run serves until the returned function stops it, and gives the addresses.
func run(t *testing.T, cfg server.Config) (hooks, admin string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan [2]string, 1)
	cfg.OnListen = func(l, a net.Addr) { listening <- [2]string{l.String(), a.String()} }
	cfg.Health = server.NewHealth(time.Now, server.NewRedactor())
	if cfg.Metrics == nil {
		cfg.Metrics = server.NewMetrics(time.Now)
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Listen = "127.0.0.1:0"
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, cfg) }()
	at := <-listening
	var ended error
	once := false
	stop = func() error {
		if !once {
			once = true
			cancel()
			ended = <-done
		}
		return ended
	}
	t.Cleanup(func() { _ = stop() })
	return "http://" + at[0], "http://" + at[1], stop
}

func status(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

func TestWhatIsNotForTheWorldHasItsOwnAddress(t *testing.T) {
	hooks, admin, _ := run(t, server.Config{Admin: "127.0.0.1:0", Hooks: map[string]http.Handler{"/hooks/github": newReceiver(t, secret)}})
	for path, want := range map[string][2]int{
		"/metrics": {http.StatusNotFound, http.StatusOK}, "/readyz": {http.StatusNotFound, http.StatusOK}, "/healthz": {http.StatusOK, http.StatusOK},
		"/hooks/github": {http.StatusMethodNotAllowed, http.StatusNotFound}, "/": {http.StatusNotFound, http.StatusNotFound},
	} {
		if got := [2]int{status(t, hooks+path), status(t, admin+path)}; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// When it is stopped, what runs ends, and nothing new begins.
func TestRunEndsWhatRuns(t *testing.T) {
	var begun, ended atomic.Int64
	q := openQueue(t, server.QueueConfig{Determine: func(ctx context.Context, _ string, _ server.Trigger) error {
		begun.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
		ended.Add(1)
		return nil
	}})
	hooks, _, stop := run(t, server.Config{Queue: q, Grace: 10 * time.Second})
	hint(t, q, "7")
	until(t, "it began", func() bool { return begun.Load() == 1 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if ended.Load() != 1 {
		t.Error("what ran was not let end")
	}
	if got := status(t, hooks+"/healthz"); got != 0 {
		t.Errorf("it still answers: %d", got)
	}
}

func TestRunDoesNotWaitForever(t *testing.T) {
	q := openQueue(t, server.QueueConfig{Determine: func(ctx context.Context, _ string, _ server.Trigger) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	_, _, stop := run(t, server.Config{Queue: q, Grace: 200 * time.Millisecond})
	hint(t, q, "7")
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestRunStartsATaskAgain(t *testing.T) {
	var runs atomic.Int64
	m := server.NewMetrics(time.Now)
	hooks, _, _ := run(t, server.Config{Metrics: m, Tasks: map[string]func(context.Context) error{"fragile": func(ctx context.Context) error {
		if runs.Add(1) == 1 {
			panic("once")
		}
		<-ctx.Done()
		return nil
	}}})
	until(t, "another run", func() bool { return runs.Load() == 2 })
	resp, err := http.Get(hooks + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "assent_panics_total 1") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestUnsignedFloodsAreLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	clock := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	log := server.DeliveryLog(slog.New(slog.NewJSONHandler(&out, nil)), func() time.Time { return clock })
	for range 1000 {
		log(server.Delivery{Result: server.Unsigned})
	}
	clock = clock.Add(10 * time.Second)
	log(server.Delivery{Result: server.Unsigned})
	if lines := strings.Count(out.String(), "\n"); lines != 2 || !strings.Contains(out.String(), `"others_not_logged":999`) {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}

func newRecorder(h http.HandlerFunc) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	return rec
}

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config is a process that serves.
type Config struct {
	// Listen is the address of webhooks, and of everything where Admin is empty.
	Listen string
	// Admin is the address of health and metrics, where the other one is open to
	// the world.
	Admin string
	// Hooks take webhooks at each path; none in a role without them.
	Hooks   map[string]http.Handler
	Health  *Health
	Metrics *Metrics
	Queue   *Queue // nil where nothing is queued
	// Tasks run from the start until their context ends. One that panics or fails
	// is started again after a second.
	Tasks map[string]func(context.Context) error
	// Grace is how long what runs may take to end after ctx did.
	Grace  time.Duration
	Logger *slog.Logger
	// OnListen hears of the addresses that are listened on; nil for nobody.
	OnListen func(listen, admin net.Addr)
}

// The limits of a connection. What a webhook asks for is queued, so none of them
// has to wait for work.
const (
	headerTime = 5 * time.Second
	bodyTime   = 15 * time.Second
	answerTime = 20 * time.Second
	idleTime   = time.Minute
	maxHeader  = 16 << 10
	maxHooks   = 64 // at once
)

// Run serves until ctx ends, and then lets what runs end within the grace.
func Run(ctx context.Context, cfg Config) error {
	listeners, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	if cfg.Queue != nil {
		if err := cfg.Queue.Start(ctx); err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return err
		}
	}
	var work errgroup.Group
	for name, task := range cfg.Tasks {
		work.Go(func() error {
			cfg.keep(ctx, name, task)
			return nil
		})
	}
	servers := cfg.servers(len(listeners))
	failed := make(chan error, len(servers))
	for i, s := range servers {
		go func() {
			if err := s.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve: %w", err)
			}
		}()
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	cfg.Health.Stop()
	cfg.Logger.Info("stopping: no more webhooks are taken; what runs may end", "grace", cfg.Grace.String())
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Grace)
	defer cancel()
	err = errors.Join(err, cfg.stop(last, servers))
	if err == nil || ctx.Err() != nil {
		_ = work.Wait() // each task keeps to its own grace
	}
	cfg.Logger.Info("stopped")
	return err
}

// stop ends what takes work first, then what does it.
func (cfg Config) stop(ctx context.Context, servers []*http.Server) error {
	var errs []error
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop serving: %w", err), s.Close())
		}
	}
	if cfg.Queue != nil {
		if err := cfg.Queue.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			errs = append(errs, fmt.Errorf("stop queue: %w", err))
		}
	}
	return errors.Join(errs...)
}

func listen(ctx context.Context, cfg Config) ([]net.Listener, error) {
	var out []net.Listener
	var l net.ListenConfig
	for _, at := range []string{cfg.Listen, cfg.Admin} {
		if at == "" {
			continue
		}
		one, err := l.Listen(ctx, "tcp", at)
		if err != nil {
			for _, o := range out {
				_ = o.Close()
			}
			return nil, fmt.Errorf("listen: %w", err)
		}
		out = append(out, one)
	}
	if cfg.OnListen != nil && len(out) > 0 {
		cfg.OnListen(out[0].Addr(), out[len(out)-1].Addr())
	}
	return out, nil
}

// servers are one server for everything, or one for webhooks and one for the rest.
func (cfg Config) servers(n int) []*http.Server {
	hooks := http.NewServeMux()
	slots := make(chan struct{}, maxHooks)
	for path, h := range cfg.Hooks {
		hooks.Handle(path, limited(slots, h))
	}
	admin := hooks
	const both = 2
	if n == both {
		admin = http.NewServeMux()
		hooks.HandleFunc("GET /healthz", cfg.Health.Alive) // for whoever balances the load
	}
	admin.HandleFunc("GET /healthz", cfg.Health.Alive)
	admin.HandleFunc("GET /readyz", cfg.Health.Ready)
	admin.Handle("GET /metrics", cfg.Metrics.Handler())
	var out []*http.Server
	for _, mux := range []*http.ServeMux{hooks, admin}[:n] {
		out = append(out, &http.Server{
			Handler: mux, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
			MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
		})
	}
	return out
}

// limited lets only so many requests in at a time, because each holds a body in
// memory before anything about it is proven.
func limited(slots chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		case <-time.After(headerTime):
			w.Header().Set("Retry-After", "30")
			http.Error(w, "too many webhooks at once", http.StatusServiceUnavailable)
		}
	})
}

// keep runs a task until ctx ends, whatever happens to it.
func (cfg Config) keep(ctx context.Context, name string, task func(context.Context) error) {
	for ctx.Err() == nil {
		err := cfg.guard(ctx, name, task)
		if ctx.Err() != nil {
			return
		}
		cfg.Logger.Error("a task ended, and is started again", "task", name, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (cfg Config) guard(ctx context.Context, name string, task func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			cfg.Metrics.Panic()
			cfg.Logger.Error("a task panicked: this is a bug, please report it", "task", name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = errors.New("it panicked")
		}
	}()
	return task(ctx)
}

// DeliveryLog writes webhooks to a log: each that says something, and of those
// that nobody signed one in ten seconds, because anybody can send them.
func DeliveryLog(log *slog.Logger, now func() time.Time) func(Delivery) {
	const quiet = 10 * time.Second
	var mu sync.Mutex
	var last time.Time
	left := 0
	return func(d Delivery) {
		level := slog.LevelInfo
		args := []any{"result", d.Result, "status", d.Status, "event", d.Event, "action", d.Action, "delivery", d.ID, "reason", d.Reason}
		switch d.Result {
		case Unsigned:
			mu.Lock()
			if at := now(); at.Sub(last) < quiet {
				left++
				mu.Unlock()
				return
			}
			last, left, args = now(), 0, append(args, "others_not_logged", left)
			mu.Unlock()
			level = slog.LevelWarn
		case Failed:
			level, args = slog.LevelError, append(args, "error", d.Err)
		case Refused:
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "webhook", args...)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
	edge "github.com/assent-dev/assent/engine/server"
)

// The roles of a process. Each loads what it needs and nothing else.
const (
	roleAll       = "all"
	roleDetermine = "determine"
	roleReconcile = "reconcile"
)

// Where forges send their webhooks.
const (
	hookPath      = "/hooks/github"
	giteaHookPath = "/hooks/gitea"
)

// hooksOf is where the forge sends webhooks, and the number by which it knows
// the repository. Where it sends none, the path is empty.
func hooksOf(s resource.RepositorySpec) (path string, repository int64) {
	switch {
	case s.Forge == github.Name && s.GitHub != nil:
		return hookPath, s.GitHub.ID
	case s.Forge == gitea.Name && s.Gitea != nil:
		return giteaHookPath, s.Gitea.ID
	default:
		return "", 0
	}
}

type serveOptions struct {
	role, listen, admin, queue string
	webhooks                   bool
	sweep, full, grace         time.Duration
	pace                       reconcile.Pace
	workers                    int
}

func newServeCmd(g *global) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the engine: take webhooks, determine, reconcile, until it is stopped",
		Long: "Determines and reconciles in one process until SIGTERM. A webhook is only a hint\n" +
			"where to look: the forge is read again, and a sweep finds what no webhook told of,\n" +
			"so that losing them all costs a minute and nothing else.\n\n" +
			"--role splits it into two processes, which share nothing but the repository:\n" +
			"  determine  the determining key, the webhook secret, the forge's token\n" +
			"  reconcile  the reconciling key, the platforms' credentials, the forge's token\n\n" +
			"It answers on --listen, or what is not for the world on --admin:\n" +
			"  /hooks/github  webhooks; of a Gitea /hooks/gitea\n" +
			"  /healthz       200 while the process runs\n" +
			"  /readyz        200 while it does its work; says what does not\n" +
			"  /metrics       figures for Prometheus\n\n" +
			"Environment: ASSENT_WEBHOOK_SECRET refers to the webhook secret, as env://NAME or\n" +
			"file:///path, and while it is changed ASSENT_WEBHOOK_SECRET_OLD to the old one.\n" +
			"ASSENT_QUEUE is --queue. The others are those of `assent determine` and `assent\n" +
			"reconcile`. Logs are JSON on standard error, without secrets.",
		Example: "  ASSENT_WEBHOOK_SECRET=file:///run/secrets/hook assent serve -C access.git --listen :8080 --admin 127.0.0.1:9090\n" +
			"  assent serve -C access.git --role reconcile",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServe(cmd.Context(), g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.role, "role", roleAll, "all, determine or reconcile")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of webhooks, and of the rest unless --admin is given")
	f.StringVar(&o.admin, "admin", "", "address of /healthz, /readyz and /metrics")
	f.StringVar(&o.queue, "queue", "", "file of the queue, or the postgres:// URL of a shared one; it may be lost at any time (default: queue.db in the state directory; env ASSENT_QUEUE)")
	f.BoolVar(&o.webhooks, "webhooks", true, "take webhooks; without them, sweeps find everything")
	f.DurationVar(&o.sweep, "sweep", edge.DefaultInterval, "time between sweeps of the open pull requests")
	f.DurationVar(&o.full, "full-sweep", edge.DefaultFull, "time between two looks at a pull request that nothing happens to")
	f.IntVar(&o.workers, "workers", 4, "pull requests that are looked at side by side")
	f.DurationVar(&o.grace, "grace", 20*time.Second, "how long what runs may take to end after SIGTERM")
	f.DurationVar(&o.pace.Interval, "interval", time.Minute, "longest time between rounds of the reconciler")
	f.DurationVar(&o.pace.Retry, "retry", 5*time.Second, "time until the next round when something was left undone")
	return cmd
}

// serving is one process that serves.
type serving struct {
	g       *global
	o       serveOptions
	log     *slog.Logger
	redact  *edge.Redactor
	metrics *edge.Metrics
	health  *edge.Health
	cfg     edge.Config

	budget budget

	wake  chan struct{} // the reconciler
	sweep chan bool     // the sweeper; true for everything
}

func runServe(ctx context.Context, g *global, o serveOptions) error {
	switch {
	case g.now != "":
		return usageErrorf("leave it out", "--now is for looking, not for serving")
	case o.role != roleAll && o.role != roleDetermine && o.role != roleReconcile:
		return usageErrorf("choose all, determine or reconcile", "no role %q", o.role)
	case o.sweep < time.Second || o.full < o.sweep || o.pace.Interval < time.Second || o.grace < 0 || o.workers < 1:
		return usageErrorf("--sweep and --interval are at least 1s, --full-sweep at least --sweep, --workers at least 1", "the times do not make sense")
	}
	s := newServing(g, o)
	if err := s.prepare(ctx); err != nil {
		if s.cfg.Queue != nil {
			_ = s.cfg.Queue.Stop(ctx) // it never ran
		}
		return err
	}
	err := edge.Run(ctx, s.cfg)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "listen" {
		return usageErrorf("choose another --listen or --admin", "%w", err)
	}
	return err
}

func newServing(g *global, o serveOptions) *serving {
	redact := edge.NewRedactor()
	log := slog.New(redact.Handler(slog.NewJSONHandler(g.stderr, nil)))
	s := &serving{
		g: g, o: o, log: log, redact: redact, metrics: edge.NewMetrics(time.Now), health: edge.NewHealth(time.Now, redact),
		wake: make(chan struct{}, 1), sweep: make(chan bool, 1),
	}
	for _, name := range []string{"GITHUB_TOKEN", "GH_TOKEN", "ASSENT_GITHUB_TOKEN", "GITEA_TOKEN", "ASSENT_GITEA_TOKEN"} {
		redact.Add(os.Getenv(name))
	}
	s.cfg = edge.Config{
		Listen: o.listen, Admin: o.admin, Hooks: map[string]http.Handler{}, Health: s.health, Metrics: s.metrics,
		Tasks: map[string]func(context.Context) error{}, Grace: o.grace, Logger: log,
		OnListen: func(listen, admin net.Addr) {
			log.Info("serving", "role", o.role, "listen", listen.String(), "admin", admin.String(), "version", buildVersion())
		},
	}
	return s
}

func (s *serving) determines() bool { return s.o.role != roleReconcile }
func (s *serving) reconciles() bool { return s.o.role != roleDetermine }

// prepare opens what the role needs. Determining and reconciling share no open
// repository, so that an expiry never waits for the forge.
func (s *serving) prepare(ctx context.Context) error {
	at, err := s.queueAt()
	if err != nil {
		return err
	}
	if s.determines() {
		if err := s.prepareDetermining(ctx, at); err != nil {
			return err
		}
	} else if sharedQueue(at) {
		if err := s.openQueue(ctx, edge.QueueConfig{At: at}); err != nil {
			return err
		}
	}
	if s.reconciles() {
		return s.prepareReconciling(ctx)
	}
	return nil
}

// sharedQueue reports whether a queue is one that several processes share.
func sharedQueue(queue string) bool {
	return strings.HasPrefix(queue, "postgres://") || strings.HasPrefix(queue, "postgresql://")
}

// queueAt is where the queue is.
func (s *serving) queueAt() (string, error) {
	at := s.o.queue
	if at == "" {
		at = os.Getenv("ASSENT_QUEUE")
	}
	if at != "" {
		if sharedQueue(at) {
			s.redact.Add(at)
		}
		return at, nil
	}
	w, err := openWorkspace(context.Background(), s.g.dir, s.g.state, time.Now)
	if err != nil {
		return "", err
	}
	return w.path("queue.db"), nil
}

func (s *serving) openQueue(ctx context.Context, cfg edge.QueueConfig) error {
	cfg.Workers, cfg.Logger, cfg.OnPanic = s.o.workers, s.quiet(), s.metrics.Panic
	if s.reconciles() {
		cfg.Wake = s.wakeUp
	}
	q, err := edge.OpenQueue(ctx, cfg)
	if err != nil {
		return &exitError{
			code: exitUsage, err: errors.New(s.redact.Text(err.Error())),
			hint: "nothing true lives in the queue: delete its file, or name another with --queue",
		}
	}
	s.cfg.Queue = q
	s.metrics.Watch(q)
	s.health.Check("queue", func(ctx context.Context) error {
		_, _, err := q.Depth(ctx)
		return err
	})
	return nil
}

// quiet is the log of the queue, of which only what went wrong is told.
func (s *serving) quiet() *slog.Logger {
	return slog.New(s.redact.Handler(slog.NewJSONHandler(s.g.stderr, &slog.HandlerOptions{Level: slog.LevelError}))).With("part", "queue")
}

// open opens the repository for one half of the process.
func (s *serving) open(ctx context.Context) (*workspace, error) {
	w, err := s.g.open(ctx)
	if err != nil {
		return nil, err
	}
	w.stderr = &logLines{log: s.log}
	w.onCall = func(c github.Call) {
		s.metrics.Call(c.Method, c.Endpoint, c.Status, c.Remaining)
		s.budget.heard(c, time.Now())
	}
	w.offline = func(err error) {
		s.log.Warn("the forge cannot be reached at the start; what is here is worked with until it can", "error", err)
	}
	return w, nil
}

// wakeUp has the reconciler make a round now. It does not wait.
func (s *serving) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// sweepNow has the sweeper look now, at everything or at what changed.
func (s *serving) sweepNow(all bool) {
	select {
	case s.sweep <- all:
	default:
		if !all {
			return
		}
		select { // a sweep of everything is as good as one of what changed
		case <-s.sweep:
		default:
		}
		select {
		case s.sweep <- true:
		default:
		}
	}
}

// secrets are the webhook secrets that the environment refers to.
func (s *serving) secrets(ctx context.Context) ([]string, error) {
	var out []string
	for _, name := range []string{"ASSENT_WEBHOOK_SECRET", "ASSENT_WEBHOOK_SECRET_OLD"} {
		ref := os.Getenv(name)
		if ref == "" {
			continue
		}
		s.redact.Add(ref) // somebody may have put the secret itself there
		if !strings.Contains(ref, "://") {
			return nil, usageErrorf("write env://NAME or file:///path", "%s has to refer to the secret, not to be it", name)
		}
		secret, err := reference(ctx, name, ref, true)
		if err != nil {
			return nil, usageErrorf("correct "+name, "read the webhook secret: %w", err)
		}
		s.redact.Add(secret)
		out = append(out, secret)
	}
	if len(out) == 0 {
		return nil, usageErrorf("set ASSENT_WEBHOOK_SECRET, or say --webhooks=false: then sweeps find everything within a minute",
			"there is no webhook secret: without one, anybody could send webhooks")
	}
	return out, nil
}

// hooks take webhooks and follow their hints.
func (s *serving) hooks(ctx context.Context, w *workspace) (http.Handler, error) {
	secrets, err := s.secrets(ctx)
	if err != nil {
		return nil, err
	}
	_, repository := hooksOf(w.settings.Spec)
	log := edge.DeliveryLog(s.log, time.Now)
	h, err := edge.NewHooks(edge.HooksConfig{
		Secrets: secrets, Repository: repository, Branch: w.settings.Spec.MainBranch(), Enqueue: s.follow,
		OnDelivery: func(d edge.Delivery) { s.metrics.Delivery(d); log(d) },
	})
	if err != nil {
		return nil, usageErrorf("correct ASSENT_WEBHOOK_SECRET and the secret of the webhook", "%w", err)
	}
	return h, nil
}

// follow does what a hint says. Only what is about one pull request is queued:
// the rest is swept at every start anyway.
func (s *serving) follow(ctx context.Context, h edge.Hint) error {
	if h.PullRequest != "" {
		return s.cfg.Queue.Determine(ctx, h.PullRequest, edge.ByWebhook, h.Delivery)
	}
	s.sweepNow(!h.Main)
	if h.Main {
		s.wakeUp()
	}
	return nil
}

// logLines writes what connectors say to the log.
type logLines struct{ log *slog.Logger }

// Write implements io.Writer.
func (l *logLines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if line = strings.TrimSpace(line); line != "" {
			l.log.Info("connector", "says", line)
		}
	}
	return len(p), nil
}

// hookHint says what to do where webhooks cannot be asked for again.
func hookHint(err error) string {
	return fmt.Sprintf("%v; it needs the permission to read and write webhooks, and the sweep at the start found what was missed all the same", err)
}

// buildVersion is the version of the program, as its build says.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

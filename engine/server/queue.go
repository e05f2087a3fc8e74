package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Trigger says what made somebody look.
type Trigger string

// The triggers.
const (
	ByWebhook Trigger = "webhook"
	BySweep   Trigger = "sweep" // which found that something happened
	ByTurn    Trigger = "turn"  // time passes, and nothing else was seen to happen
	ByMerge   Trigger = "merge" // of this engine, or the base branch that moved
)

// QueueConfig says where the queue lives and who does its work.
type QueueConfig struct {
	// At is a file for SQLite, made where it is missing, or the postgres:// URL of
	// a database that several replicas share.
	At string
	// Determine looks at one pull request; nil where others do. An error that
	// forge.RetryAt knows a time of is tried again then, any other after a while.
	Determine func(ctx context.Context, pullRequest string, by Trigger) error
	// Wake makes the reconciler look now; nil where another process has it. It
	// does not wait.
	Wake func()
	// RetryAt is when a failed look makes sense again; zero for soon.
	RetryAt func(error) time.Time
	// Timeout bounds one look at a pull request; two minutes unless stated.
	Timeout time.Duration
	// Workers is how many pull requests are looked at side by side, so that one
	// that hangs holds up no other; four unless stated. Sweeps have some of their
	// own, so that a webhook does not wait for them.
	Workers int
	Logger  *slog.Logger
	// OnPanic hears of a panic that a job ended in; nil for nobody.
	OnPanic func()
}

// Queue is what is to be looked at: durable, and with one entry for each pull
// request, however often it is hinted at. It may be lost at any time.
type Queue struct {
	cfg    QueueConfig
	client riverClient
	store  store

	mu     sync.Mutex
	active map[string]bool // pull requests being looked at; true where a hint came meanwhile
}

// riverClient is the part of river.Client that does not depend on the driver.
type riverClient interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	JobList(ctx context.Context, params *river.JobListParams) (*river.JobListResult, error)
}

// determineJob asks to look at one pull request. Of one pull request there is at
// most one job in each lane.
type determineJob struct {
	PullRequest string  `json:"pullRequest" river:"unique"`
	Lane        int     `json:"lane" river:"unique"`
	By          Trigger `json:"by"`
	Delivery    string  `json:"delivery,omitempty"`
}

// Kind implements river.JobArgs.
func (determineJob) Kind() string { return "determine" }

// roundJob asks the reconciler to make a round now.
type roundJob struct {
	Lane int `json:"lane" river:"unique"`
}

// Kind implements river.JobArgs.
func (roundJob) Kind() string { return "round" }

const (
	determineQueue = "determine"
	sweepQueue     = "sweep"
	roundQueue     = "round"
	lanes          = 2 // of each queue
	sweepWorkers   = 2
	maxAttempts    = 6
	maxRuns        = 20 // of one job that is hinted at again and again

	soon, later = 1, 3 // priorities of River
)

// options make a job unique while it waits or runs. River's own default counts
// what was completed too, and so would drop every later hint in silence. One
// that failed does not count either: a hint is a reason not to wait longer.
func options(queue string, priority int) *river.InsertOpts {
	return &river.InsertOpts{Queue: queue, Priority: priority, MaxAttempts: maxAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}}
}

// OpenQueue opens the queue and makes its tables. Nothing runs before Start.
func OpenQueue(ctx context.Context, cfg QueueConfig) (*Queue, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 2 * time.Minute
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 4
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.OnPanic == nil {
		cfg.OnPanic = func() {}
	}
	q := &Queue{cfg: cfg, active: map[string]bool{}}
	open := openSQLite
	if strings.HasPrefix(cfg.At, "postgres://") || strings.HasPrefix(cfg.At, "postgresql://") {
		open = openPostgres
	}
	var err error
	if q.client, q.store, err = open(ctx, cfg.At, q.river()); err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return q, nil
}

// river is the configuration of River.
func (q *Queue) river() *river.Config {
	workers := river.NewWorkers()
	queues := map[string]river.QueueConfig{}
	if q.cfg.Determine != nil {
		river.AddWorker(workers, &determineWorker{q: q})
		queues[determineQueue] = river.QueueConfig{MaxWorkers: q.cfg.Workers}
		queues[sweepQueue] = river.QueueConfig{MaxWorkers: sweepWorkers}
	}
	if q.cfg.Wake != nil {
		river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[roundJob]) error {
			q.cfg.Wake()
			return nil
		}))
		queues[roundQueue] = river.QueueConfig{MaxWorkers: 1}
	}
	return &river.Config{
		Workers: workers, Queues: queues, SkipUnknownJobCheck: true, // another role does the rest
		FetchCooldown: 50 * time.Millisecond, FetchPollInterval: 50 * time.Millisecond,
		JobTimeout: q.cfg.Timeout, RescueStuckJobsAfter: 2 * q.cfg.Timeout,
		CompletedJobRetentionPeriod: time.Hour, DiscardedJobRetentionPeriod: time.Hour, CancelledJobRetentionPeriod: time.Hour,
		RetryPolicy: backOff{}, Logger: q.cfg.Logger, ErrorHandler: &panics{q},
	}
}

// Start begins to work until Stop.
func (q *Queue) Start(ctx context.Context) error {
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start queue: %w", err)
	}
	return nil
}

// Stop takes no more jobs, lets those that run end until ctx does, and then
// cancels them; what is not done is done after the next start.
func (q *Queue) Stop(ctx context.Context) error {
	err := q.client.Stop(ctx)
	if ctx.Err() != nil {
		const last = 5 * time.Second
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), last)
		defer cancel()
		err = q.client.StopAndCancel(hard)
	}
	return errors.Join(err, q.store.Close())
}

// Determine asks to look at a pull request. It returns once the hint is kept: a
// look that began before does not count as its answer.
func (q *Queue) Determine(ctx context.Context, pullRequest string, by Trigger, delivery string) error {
	if q.again(pullRequest) {
		return nil
	}
	queue, first := determineQueue, 0
	priority := soon
	if by == BySweep || by == ByTurn {
		queue, first = sweepQueue, lanes // a sweep that has to wait keeps no webhook waiting
	}
	if by == ByTurn {
		priority = later
	}
	err := q.insert(ctx, options(queue, priority), func(lane int) river.JobArgs {
		lane += first
		return determineJob{PullRequest: pullRequest, Lane: lane, By: by, Delivery: delivery}
	})
	if err != nil {
		return fmt.Errorf("queue pull request %s: %w", pullRequest, err)
	}
	return nil
}

// Round asks the reconciler, wherever it is, to make a round now.
func (q *Queue) Round(ctx context.Context) error {
	if q.cfg.Wake != nil {
		q.cfg.Wake()
		return nil
	}
	if err := q.insert(ctx, options(roundQueue, soon), func(lane int) river.JobArgs { return roundJob{lane} }); err != nil {
		return fmt.Errorf("queue a round: %w", err)
	}
	return nil
}

// insert inserts a job in the first lane where none runs. One that waits there
// is as good; one that runs may have looked already.
func (q *Queue) insert(ctx context.Context, opts *river.InsertOpts, job func(lane int) river.JobArgs) error {
	const (
		tries = 50
		pause = 20 * time.Millisecond // a job that ended is told to be running a little longer
	)
	for try := range tries {
		done, err := q.client.Insert(ctx, job(try%lanes), opts)
		if err != nil {
			return err
		}
		if !done.UniqueSkippedAsDuplicate || done.Job.State != rivertype.JobStateRunning {
			return nil
		}
		if try%lanes == lanes-1 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
		}
	}
	return errors.New("every lane is busy")
}

// again reports whether a pull request is looked at by this process now, and
// if so has it looked at once more.
func (q *Queue) again(pullRequest string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, active := q.active[pullRequest]; !active {
		return false
	}
	q.active[pullRequest] = true
	return true
}

// begin claims a pull request; where another job has it, that one goes on.
func (q *Queue) begin(pullRequest string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, active := q.active[pullRequest]; active {
		q.active[pullRequest] = true
		return false
	}
	q.active[pullRequest] = false
	return true
}

// end gives a pull request back, unless a hint came meanwhile and it may go on.
func (q *Queue) end(pullRequest string, may bool) (again bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.active[pullRequest] && may {
		q.active[pullRequest] = false
		return true
	}
	delete(q.active, pullRequest)
	return false
}

// Depth is how many jobs wait or run, and since when the oldest of them.
func (q *Queue) Depth(ctx context.Context) (n int, oldest time.Time, err error) {
	const most = 10_000
	list, err := q.client.JobList(ctx, river.NewJobListParams().First(most).OrderBy(river.JobListOrderByID, river.SortOrderAsc).States(
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateScheduled, rivertype.JobStateRetryable))
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read queue: %w", err)
	}
	for _, job := range list.Jobs {
		if oldest.IsZero() || job.CreatedAt.Before(oldest) {
			oldest = job.CreatedAt
		}
	}
	return len(list.Jobs), oldest, nil
}

// determineWorker looks at pull requests.
type determineWorker struct {
	river.WorkerDefaults[determineJob]
	q *Queue
}

// Work implements river.Worker.
func (w *determineWorker) Work(ctx context.Context, job *river.Job[determineJob]) error {
	q, id := w.q, job.Args.PullRequest
	if !q.begin(id) {
		return nil
	}
	ended := false
	defer func() {
		if !ended { // a panic
			q.end(id, false)
		}
	}()
	for run := 1; ; run++ {
		err := q.cfg.Determine(ctx, id, job.Args.By)
		may := ctx.Err() == nil && run < maxRuns
		if q.end(id, may) {
			continue
		}
		ended = true
		return q.verdict(err)
	}
}

// verdict is what River makes of how a look ended.
func (q *Queue) verdict(err error) error {
	if err == nil || q.cfg.RetryAt == nil {
		return err
	}
	if at := q.cfg.RetryAt(err); !at.IsZero() {
		return river.JobSnooze(max(time.Until(at), time.Second))
	}
	return err
}

// backOff is when a job that failed is tried again: after 1, 2, 4 … 60 seconds.
type backOff struct{}

// NextRetry implements river.ClientRetryPolicy.
func (backOff) NextRetry(job *rivertype.JobRow) time.Time {
	const most = time.Minute
	wait := time.Second << min(max(len(job.Errors), 0), maxAttempts)
	return time.Now().Add(min(wait, most))
}

// panics tells of panics; River keeps the process alive.
type panics struct{ q *Queue }

// HandleError implements river.ErrorHandler.
func (*panics) HandleError(context.Context, *rivertype.JobRow, error) *river.ErrorHandlerResult {
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (p *panics) HandlePanic(_ context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	p.q.cfg.OnPanic()
	p.q.cfg.Logger.Error("a job panicked: this is a bug, please report it; the job is tried again",
		"job", job.Kind, "args", string(job.EncodedArgs), "panic", fmt.Sprint(value), "stack", trace)
	return nil
}

package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/review"
	edge "github.com/assent-dev/assent/engine/server"
)

// lookTime is how long a look at one pull request may take.
const lookTime = 2 * time.Minute

// determining is the half of a process that judges pull requests.
type determining struct {
	*serving
	w       *workspace
	d       *determine.Determiner
	sweeper *edge.Sweeper
	rules   *ruleWatch
	at      string // the queue
	shown   uint64 // the record up to which what became of pull requests is shown
	first   bool   // a sweep ended well
	spread  bool   // some wait for their turn

	mu   sync.Mutex
	told map[string]string // how each pull request stood when it was last told of
}

// prepareDetermining opens the forge, the queue, the sweeper and the webhooks.
func (s *serving) prepareDetermining(ctx context.Context, at string) error {
	w, err := s.open(ctx)
	if err != nil {
		return err
	}
	d, err := w.determiner(ctx)
	if err != nil {
		return err
	}
	oneAtATime(d)
	half := &determining{serving: s, w: w, d: d, at: at, rules: &ruleWatch{w: w}}
	half.sweeper = &edge.Sweeper{
		List: half.list, Look: half.queue, Interval: s.o.sweep, Full: s.o.full, Now: time.Now, Logger: s.log, OnSweep: half.swept,
		Room: func(waiting int) int { return s.budget.room(time.Now(), waiting) },
	}
	if err := s.openQueue(ctx, edge.QueueConfig{At: at, Determine: half.look, RetryAt: forge.RetryAt, Timeout: lookTime}); err != nil {
		return err
	}
	if path, _ := hooksOf(w.settings.Spec); path != "" && s.o.webhooks {
		if s.cfg.Hooks[path], err = s.hooks(ctx, w); err != nil {
			return err
		}
	}
	if g, ok := d.Forge.(*github.GitHub); ok && s.o.webhooks {
		s.cfg.Tasks["redelivery"] = func(ctx context.Context) error { return s.redeliver(ctx, g) }
	}
	const missed = 3
	s.health.Expect("sweep", missed*s.o.sweep+lookTime)
	s.health.Expect("ledger", missed*s.o.sweep+lookTime)
	s.cfg.Tasks["sweep"] = func(ctx context.Context) error { return half.sweeper.Run(ctx, s.sweep) }
	return nil
}

// oneAtATime guards what the determiner calls and what is not safe to share.
func oneAtATime(d *determine.Determiner) {
	var mu sync.Mutex
	if render := d.Render; render != nil {
		d.Render = func(ctx context.Context, f review.Facts, j review.Judgement) forge.Report {
			mu.Lock()
			defer mu.Unlock()
			return render(ctx, f, j)
		}
	}
	if extend := d.Extend; extend != nil {
		d.Extend = func(ctx context.Context, e determine.Extension) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			return extend(ctx, e)
		}
	}
	if approvals := d.Approvals; approvals != nil {
		d.Approvals = func(ctx context.Context) (grant.Determinations, error) {
			mu.Lock()
			defer mu.Unlock()
			return approvals(ctx)
		}
	}
}

// list is what a sweep goes by.
func (h *determining) list(ctx context.Context, whole bool) (edge.Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_, err := h.d.Ledger.Head(ctx)
	h.health.Tell("ledger", err)
	if err != nil {
		return edge.Listing{}, err
	}
	states := []review.State{review.StateOpen}
	if whole {
		states = append(states, review.StateMerged)
	}
	waiting, err := h.d.Waiting(ctx, states...)
	if err != nil {
		return edge.Listing{}, err
	}
	if err := h.showEffects(ctx); err != nil {
		return edge.Listing{}, err
	}
	out := edge.Listing{Rules: h.rules.now(ctx)}
	for _, pr := range waiting {
		out.Open = append(out.Open, edge.Open{ID: pr.ID, Version: pr.Version})
	}
	return out, nil
}

// showEffects has those merged pull requests looked at for which access came or
// went since it was called last, so that their comments say so: after a start,
// within a day.
func (h *determining) showEffects(ctx context.Context) error {
	var since time.Time
	if h.shown == 0 {
		since = time.Now().Add(-24 * time.Hour)
	}
	ids, upTo, err := h.d.Effects(ctx, h.shown, since)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := h.queue(ctx, id, edge.BySweep); err != nil {
			return err
		}
	}
	h.shown = upTo
	return nil
}

// queue queues a look; where the queue is broken, it is made here and now.
func (h *determining) queue(ctx context.Context, id string, by edge.Trigger) error {
	err := h.cfg.Queue.Determine(ctx, id, by, "")
	if err == nil || ctx.Err() != nil {
		return err
	}
	h.log.Error("the queue does not take anything; it is gone without", "error", err)
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_ = h.look(ctx, id, by) // told of there, and tried again
	return nil
}

func (h *determining) swept(s edge.Sweep) {
	wait := h.budget.takes(time.Now(), s.Later, h.o.sweep)
	h.metrics.Sweep(s)
	h.metrics.Spread(s.Later, wait)
	h.health.Tell("sweep", s.Err)
	if spread := s.Later > 0; spread != h.spread && s.Err == nil {
		if h.spread = spread; spread {
			h.log.Info("a sweep is spread over time to keep within the forge's limit; what webhooks tell of, and what is seen to change, goes first",
				"waiting", s.Later, "open", s.Open, "done_within", wait.Round(time.Second).String())
		} else {
			h.log.Info("a sweep that was spread over time is done", "open", s.Open)
		}
	}
	if !h.first && s.Err == nil {
		h.first = true
		h.log.Info("the first sweep ended well", "pull_requests_waiting", s.Open)
	}
	if s.Found > 0 {
		h.log.Info("a sweep found what no webhook told of", "found", s.Found, "open", s.Open)
	}
}

// look looks at one pull request.
func (h *determining) look(ctx context.Context, id string, by edge.Trigger) error {
	if err := h.budget.wait(ctx, by); err != nil {
		h.metrics.Evaluation("", reasonOf(err), by, 0)
		return err
	}
	started := time.Now()
	r, err := h.d.One(ctx, id)
	took := time.Since(started)
	if errors.Is(err, forge.ErrGone) && r.Judgement.Outcome == "" {
		h.log.Info("no such pull request", "pull_request", id, "trigger", by)
		err = nil
	}
	h.sweeper.Looked(id, err)
	h.metrics.Evaluation(string(r.Judgement.Outcome), reasonOf(err), by, took)
	args := []any{"pull_request", id, "outcome", r.Judgement.Outcome, "trigger", by, "took", took.Round(time.Millisecond).String()}
	if r.Merged != "" {
		args = append(args, "merged", r.Merged)
	}
	if len(r.Records) > 0 {
		args = append(args, "records", r.Records)
	}
	switch {
	case err != nil:
		h.log.Warn("a pull request could not be determined; it is tried again", append(args, "error", err)...)
	case r.Merged != "" || len(r.Records) > 0:
		h.log.Info("determined", append(args, "reason", r.Judgement.Reason)...)
	case h.news(id, r.Judgement):
		h.log.Info("waits", append(args, "reason", r.Judgement.Reason)...)
	}
	if r.Merged != "" || len(r.Records) > 0 {
		h.moved(ctx)
	}
	return err
}

// news reports whether a pull request stands otherwise than when it was last told of.
func (h *determining) news(id string, j review.Judgement) bool {
	const most = 10_000
	h.mu.Lock()
	defer h.mu.Unlock()
	now := string(j.Outcome) + " " + j.Reason
	if h.told[id] == now {
		return false
	}
	if h.told == nil || len(h.told) > most {
		h.told = map[string]string{}
	}
	h.told[id] = now
	return true
}

// moved has the reconciler look, wherever it can be told.
func (h *determining) moved(ctx context.Context) {
	switch {
	case h.reconciles():
		h.wakeUp()
	case sharedQueue(h.at):
		if err := h.cfg.Queue.Round(ctx); err != nil {
			h.log.Warn("the reconciler could not be told; it sees the merge by itself", "error", err)
		}
	}
}

// reasonOf sorts why there is no judgement into a few words; empty for none.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	for _, r := range []struct {
		is   error
		word string
	}{
		{forge.ErrThrottled, "throttled"}, {forge.ErrForbidden, "forbidden"}, {forge.ErrGone, "gone"}, {forge.ErrMoved, "moved"},
		{forge.ErrIncomplete, "incomplete"}, {determine.ErrNotMerged, "not-merged-as-reviewed"},
		{context.DeadlineExceeded, "timeout"}, {context.Canceled, "stopped"},
	} {
		if errors.Is(err, r.is) {
			return r.word
		}
	}
	return "other"
}

// redeliver has GitHub send again what it could not deliver lately.
func (s *serving) redeliver(ctx context.Context, g *github.GitHub) error {
	n, err := g.Redeliver(ctx, time.Now().Add(-github.Redelivery), hookPath)
	s.metrics.Redelivered(n)
	switch {
	case err != nil && ctx.Err() == nil:
		s.log.Warn("missed webhooks could not be asked for again", "error", hookHint(err))
	case n > 0:
		s.log.Info("missed webhooks are sent again", "webhooks", n)
	}
	<-ctx.Done() // once for each start
	return nil
}

// ruleWatch tells when something changes that every pull request is judged by.
type ruleWatch struct {
	w     *workspace
	tree  gitdb.OID
	rules string
}

// now is the newest commit of main that changed anything but requests.
func (r *ruleWatch) now(ctx context.Context) string {
	w := r.w
	if w.upstream != nil {
		_ = w.follow(ctx) // then what is here counts, and the next sweep tries again
	}
	tip, err := w.db.Resolve("refs/heads/" + w.settings.Spec.MainBranch())
	if err != nil {
		return r.rules
	}
	c, err := w.db.Commit(tip)
	if err != nil || c.Tree == r.tree {
		return r.rules
	}
	changes, err := w.db.Diff(r.tree, c.Tree)
	if r.tree == "" || err != nil || slices.ContainsFunc(changes, func(f gitdb.FileChange) bool { return !strings.HasPrefix(f.Path, "requests/") }) {
		r.rules = string(tip)
	}
	r.tree = c.Tree
	return r.rules
}

// prepareReconciling opens the reconciler, which keeps its own time.
func (s *serving) prepareReconciling(ctx context.Context) error {
	w, err := s.open(ctx)
	if err != nil {
		return err
	}
	r, err := w.reconciler(ctx, true)
	if err != nil {
		return err
	}
	rounds := &roundLog{serving: s}
	r.Wake, r.OnRound = s.wake, rounds.made
	pace := s.o.pace
	pace.Grace = s.o.grace
	const missed = 3
	s.health.Expect("rounds", missed*pace.Interval+lookTime)
	if !s.determines() {
		s.health.Expect("ledger", missed*pace.Interval+lookTime)
	}
	s.cfg.Tasks["reconcile"] = func(ctx context.Context) error {
		return r.Run(ctx, pace)
	}
	eyes, err := s.open(ctx)
	if err != nil {
		return err
	}
	eyes.upstream = w.upstream
	s.cfg.Tasks["watch"] = func(ctx context.Context) error { return s.watch(ctx, eyes) }
	return nil
}

// watch looks whether main or the ledger moved, so that a merge is granted soon
// where nobody tells of it: by hand, or by a process of the other role.
func (s *serving) watch(ctx context.Context, w *workspace) error {
	pause := time.Second
	if w.upstream != nil {
		pause = 5 * time.Second
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := tips(ctx, w)
		if err == nil && now != last { // the first time too: it may have moved since the start
			s.wakeUp()
			if s.determines() {
				s.sweepNow(false)
			}
			last = now
		}
	}
}

// tips are where main and the ledger are, and on the local forge every pull
// request too.
func tips(ctx context.Context, w *workspace) (string, error) {
	var out strings.Builder
	if w.upstream == nil {
		refs, err := w.db.Refs("refs/")
		for _, r := range refs {
			out.WriteString(r.Name + " " + string(r.OID) + "\n")
		}
		return out.String(), err
	}
	ctx, cancel := context.WithTimeout(ctx, pullTime)
	defer cancel()
	if err := w.follow(ctx); err != nil {
		return "", err
	}
	for _, b := range []string{w.settings.Spec.MainBranch(), w.settings.Spec.LedgerBranch()} {
		oid, err := w.db.Resolve("refs/heads/" + b)
		if err != nil {
			return "", err
		}
		out.WriteString(string(oid) + "\n")
	}
	return out.String(), nil
}

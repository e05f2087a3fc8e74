package server

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the figures of one process, in a registry of their own. Their
// labels have few values: no person, request or pull request is named.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time

	deliveries  *prometheus.CounterVec
	unsigned    prometheus.Counter
	evaluations *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	incomplete  *prometheus.CounterVec
	sweeps      *prometheus.CounterVec
	findings    prometheus.Counter
	open        prometheus.Gauge
	later       prometheus.Gauge
	laterTime   prometheus.Gauge
	redelivered prometheus.Counter
	calls       *prometheus.CounterVec
	budget      prometheus.Gauge
	rounds      *prometheus.CounterVec
	roundTime   prometheus.Histogram
	changes     *prometheus.CounterVec
	late        prometheus.Gauge
	lateSteps   prometheus.Counter
	unsettled   prometheus.Gauge
	panics      prometheus.Counter

	mu        sync.Mutex
	swept     time.Time // the last sweep that ended well
	sweptAll  time.Time // the last one of everything
	rounded   time.Time // the last round that ended well
	queue     *Queue
	beginning time.Time
}

const namespace = "assent"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

// NewMetrics makes the figures, all zero.
func NewMetrics(now func() time.Time) *Metrics {
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), now: now, beginning: now(),
		deliveries:  counter("webhook_deliveries_total", "Webhooks by event and by what became of them.", "event", "result"),
		unsigned:    one("webhook_signature_failures_total", "Webhooks that no secret of ours signed."),
		evaluations: counter("evaluations_total", "Looks at a pull request by outcome and by what made somebody look.", "outcome", "trigger"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "evaluation_duration_seconds", Help: "Time of one look at a pull request.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120},
		}, []string{"trigger"}),
		incomplete:  counter("incomplete_observations_total", "Looks that ended without a judgement, by reason.", "reason"),
		sweeps:      counter("sweeps_total", "Sweeps by how far they went and by how they ended.", "kind", "result"),
		findings:    one("sweep_findings_total", "Pull requests that a sweep found changed and no webhook told of; it rises where webhooks are lost."),
		open:        gauge("pull_requests_waiting", "Pull requests that wait, at the last sweep."),
		later:       gauge("sweep_waiting", "Pull requests that wait for their turn, because the forge's limit is kept; those that something happened to do not."),
		laterTime:   gauge("sweep_waiting_seconds", "Time within which each of them has had its turn, at what looks cost now."),
		redelivered: one("webhook_redeliveries_requested_total", "Webhooks that the forge was asked to send again."),
		calls:       counter("forge_api_calls_total", "Requests to the forge's API by method, endpoint and status; 0 is no answer.", "method", "endpoint", "status"),
		budget:      gauge("forge_rate_budget_remaining", "Requests left of the forge's primary limit, as it last said; -1 before it said so."),
		rounds:      counter("rounds_total", "Rounds of the reconciler by how they ended.", "result"),
		roundTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "round_duration_seconds", Help: "Time of one round of the reconciler.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 300},
		}),
		changes:   counter("changes_total", "Changes of the reconciler by action and by how they ended.", "action", "status"),
		late:      gauge("late_revocations_seconds", "How long the longest access that is over still stands; alert on more than 60."),
		lateSteps: one("late_revocations_total", "Revocations that were due and did not end well in their round."),
		unsettled: gauge("connections_unsettled", "Connections that the last round could not bring to where they have to be."),
		panics:    one("panics_total", "Jobs that ended in a panic; each is a bug."),
	}
	m.budget.Set(-1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.deliveries, m.unsigned, m.evaluations, m.duration, m.incomplete, m.sweeps, m.findings, m.open, m.later, m.laterTime, m.redelivered, m.calls, m.budget,
		m.rounds, m.roundTime, m.changes, m.late, m.lateSteps, m.unsettled, m.panics,
		&ages{m},
	)
	return m
}

// Handler serves the figures.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Delivery counts a webhook. An event that the engine does not know is "other".
func (m *Metrics) Delivery(d Delivery) {
	event := d.Event
	if _, known := scopes()[event]; !known && event != "ping" {
		event = "other"
	}
	m.deliveries.WithLabelValues(event, string(d.Result)).Inc()
	if d.Result == Unsigned {
		m.unsigned.Inc()
	}
}

// Evaluation counts a look at a pull request; reason is why it ended without a
// judgement, empty where it has one.
func (m *Metrics) Evaluation(outcome, reason string, by Trigger, took time.Duration) {
	if reason != "" {
		outcome = "none"
		m.incomplete.WithLabelValues(reason).Inc()
	}
	m.evaluations.WithLabelValues(outcome, string(by)).Inc()
	m.duration.WithLabelValues(string(by)).Observe(took.Seconds())
}

// Sweep counts a sweep.
func (m *Metrics) Sweep(s Sweep) {
	kind, result := "changed", "ok"
	if s.Whole {
		kind = "full"
	}
	if s.Err != nil {
		result = "failed"
	}
	m.sweeps.WithLabelValues(kind, result).Inc()
	m.findings.Add(float64(s.Found))
	if s.Err != nil {
		return
	}
	m.open.Set(float64(s.Open))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.swept = m.now()
	if s.Whole {
		m.sweptAll = m.swept
	}
}

// Spread tells how many wait for their turn, and within which time they have it.
func (m *Metrics) Spread(waiting int, within time.Duration) {
	m.later.Set(float64(waiting))
	m.laterTime.Set(within.Seconds())
}

// Redelivered counts webhooks that are sent again.
func (m *Metrics) Redelivered(n int) { m.redelivered.Add(float64(n)) }

// Call counts a request to the forge's API; remaining is negative where the
// answer did not say.
func (m *Metrics) Call(method, endpoint string, status, remaining int) {
	m.calls.WithLabelValues(method, endpoint, strconv.Itoa(status)).Inc()
	if remaining >= 0 {
		m.budget.Set(float64(remaining))
	}
}

// Round is how a round of the reconciler ended.
type Round struct {
	Settled   bool
	Err       error
	Took      time.Duration
	Late      time.Duration // of the longest access that is over and stands
	LateSteps int
	Unsettled int // connections
	Changes   map[[2]string]int
}

// Round counts a round.
func (m *Metrics) Round(r Round) {
	result := "ok"
	switch {
	case r.Err != nil:
		result = "failed"
	case !r.Settled:
		result = "unsettled"
	}
	m.rounds.WithLabelValues(result).Inc()
	m.roundTime.Observe(r.Took.Seconds())
	m.late.Set(r.Late.Seconds())
	m.lateSteps.Add(float64(r.LateSteps))
	m.unsettled.Set(float64(r.Unsettled))
	for key, n := range r.Changes {
		m.changes.WithLabelValues(key[0], key[1]).Add(float64(n))
	}
	if r.Err == nil {
		m.mu.Lock()
		m.rounded = m.now()
		m.mu.Unlock()
	}
}

// Panic counts a panic.
func (m *Metrics) Panic() { m.panics.Inc() }

// Watch adds the queue's depth.
func (m *Metrics) Watch(q *Queue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = q
}

// ages are the figures that are worked out when they are asked for.
type ages struct{ *Metrics }

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil)
}

// Describe implements prometheus.Collector: what there is depends on the role.
func (*ages) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (a *ages) Collect(out chan<- prometheus.Metric) {
	a.mu.Lock()
	swept, all, rounded, queue := a.swept, a.sweptAll, a.rounded, a.queue
	a.mu.Unlock()
	send := func(name, help string, v float64) {
		out <- prometheus.MustNewConstMetric(desc(name, help), prometheus.GaugeValue, v)
	}
	age := func(name, help string, at time.Time) {
		if at.IsZero() {
			at = a.beginning
		}
		send(name, help, max(a.now().Sub(at).Seconds(), 0))
	}
	age("last_sweep_age_seconds", "Seconds since the last sweep that ended well, or since the start.", swept)
	age("last_full_sweep_age_seconds", "Seconds since the last full sweep that ended well, or since the start.", all)
	age("last_round_age_seconds", "Seconds since the last round that ended well, or since the start.", rounded)
	if queue == nil {
		return
	}
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	up := 0.0
	if n, oldest, err := queue.Depth(ctx); err == nil {
		up = 1
		send("queue_depth", "Jobs that wait or run.", float64(n))
		since := 0.0
		if !oldest.IsZero() {
			since = max(time.Since(oldest).Seconds(), 0)
		}
		send("queue_oldest_job_age_seconds", "Age of the oldest job that waits or runs.", since)
	}
	send("queue_up", "Whether the queue can be read.", up)
}

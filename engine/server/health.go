package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Health is whether the process does its work: each part of it has to have
// succeeded not too long ago.
type Health struct {
	now    func() time.Time
	redact *Redactor

	mu       sync.Mutex
	parts    map[string]*part
	live     map[string]func(context.Context) error
	stopping bool
}

// part is a work that is done again and again.
type part struct {
	within time.Duration
	well   time.Time // when it last ended well
	err    error     // of the last time, nil where that ended well
}

// NewHealth expects nothing yet.
func NewHealth(now func() time.Time, redact *Redactor) *Health {
	return &Health{now: now, redact: redact, parts: map[string]*part{}, live: map[string]func(context.Context) error{}}
}

// Expect makes the process ready only while a part ended well within a time.
func (h *Health) Expect(name string, within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[name] = &part{within: within}
}

// Check makes the process ready only while a question is answered without error.
func (h *Health) Check(name string, ask func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live[name] = ask
}

// Tell says how a part ended. One that nobody expects is not kept.
func (h *Health) Tell(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.parts[name]
	if !ok {
		return
	}
	if p.err = err; err == nil {
		p.well = h.now()
	}
}

// Stop makes the process not ready for good: it is about to end.
func (h *Health) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
}

// state is what /readyz answers.
type state struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

func (h *Health) state(ctx context.Context) state {
	h.mu.Lock()
	s := state{Ready: !h.stopping, Checks: map[string]string{}}
	if h.stopping {
		s.Checks["process"] = "it is stopping"
	}
	now := h.now()
	for name, p := range h.parts {
		text, ok := p.say(now)
		s.Checks[name] = h.redact.Text(text)
		s.Ready = s.Ready && ok
	}
	live := map[string]func(context.Context) error{}
	for name, ask := range h.live {
		live[name] = ask
	}
	h.mu.Unlock()
	for name, ask := range live {
		s.Checks[name] = "ok"
		if err := ask(ctx); err != nil {
			s.Checks[name], s.Ready = h.redact.Text(err.Error()), false
		}
	}
	return s
}

func (p *part) say(now time.Time) (text string, ok bool) {
	age := now.Sub(p.well).Round(time.Second)
	switch {
	case p.well.IsZero() && p.err == nil:
		return "it has not ended for the first time yet", false
	case p.well.IsZero():
		return "it never ended well: " + p.err.Error(), false
	case age > p.within:
		why := errors.New("nothing was heard of it since")
		if p.err != nil {
			why = p.err
		}
		return fmt.Sprintf("it last ended well %s ago, and has to within %s: %v", age, p.within, why), false
	case p.err != nil:
		return fmt.Sprintf("ok %s ago, and failed since: %v", age, p.err), true
	default:
		return fmt.Sprintf("ok %s ago", age), true
	}
}

// Alive answers that the process runs, whatever it cannot reach.
func (*Health) Alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// Ready answers 200 while everything ended well not too long ago, else 503, and
// says what did not.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	s := h.state(ctx)
	w.Header().Set("Content-Type", "application/json")
	if !s.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s)
}

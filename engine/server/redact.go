package server

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
)

const redacted = "[redacted]"

// Redactor takes secrets out of text: those it was told of, and what looks like
// one whoever it belongs to.
type Redactor struct {
	shapes []shape

	mu      sync.RWMutex
	secrets []string // the longest first
}

type shape struct {
	re *regexp.Regexp
	by string
}

// minSecret is the shortest secret that is looked for: shorter ones would take
// words out of every sentence.
const minSecret = 6

// NewRedactor knows some secrets.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{shapes: []shape{
		{regexp.MustCompile(`\b(gh[opsur]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{10,}`), redacted},
		{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*`), redacted},
		{regexp.MustCompile(`(?i)\b(bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{8,}`), "$1 " + redacted},
		{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@:]*:[^\s/@]*@`), "${1}" + redacted + "@"},
		{regexp.MustCompile(`(?i)\b(password|passwd|secret|token|api[_-]?key)(["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;&"']+)`), "$1$2" + redacted},
		{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)`), redacted},
	}}
	r.Add(secrets...)
	return r
}

// Add tells of more secrets. Each line of one counts too.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		for _, part := range append(strings.Split(s, "\n"), s) {
			if part = strings.TrimSpace(part); len(part) >= minSecret && !slices.Contains(r.secrets, part) {
				r.secrets = append(r.secrets, part)
			}
		}
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
}

// Text is a text without secrets.
func (r *Redactor) Text(s string) string {
	r.mu.RLock()
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, redacted)
	}
	r.mu.RUnlock()
	for _, shape := range r.shapes {
		s = shape.re.ReplaceAllString(s, shape.by)
	}
	return s
}

// Handler is a handler of logs that sees no secret: neither in a message nor in
// a value, however deep.
func (r *Redactor) Handler(next slog.Handler) slog.Handler { return &redacting{r, next} }

type redacting struct {
	r    *Redactor
	next slog.Handler
}

// Enabled implements slog.Handler.
func (h *redacting) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *redacting) Handle(ctx context.Context, rec slog.Record) error {
	clean := slog.NewRecord(rec.Time, rec.Level, h.r.Text(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.r.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h *redacting) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = h.r.attr(a)
	}
	return &redacting{h.r, h.next.WithAttrs(out)}
}

// WithGroup implements slog.Handler.
func (h *redacting) WithGroup(name string) slog.Handler {
	return &redacting{h.r, h.next.WithGroup(name)}
}

func (r *Redactor) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		group := v.Group()
		out := make([]slog.Attr, len(group))
		for i, g := range group {
			out[i] = r.attr(g)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(out...)}
	case slog.KindString:
		return slog.String(a.Key, r.Text(v.String()))
	case slog.KindAny:
		return slog.String(a.Key, r.Text(fmt.Sprint(v.Any())))
	default: // numbers, times
		return slog.Attr{Key: a.Key, Value: v}
	}
}

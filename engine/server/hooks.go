package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Limits of webhooks.
const (
	MinSecret   = 32      // bytes of a webhook secret
	MaxPayload  = 1 << 20 // bytes of a webhook; what a larger one tells, the sweep finds
	maxID       = 128     // bytes of the id of a delivery, and of an event's name
	enqueueTime = 5 * time.Second
	maxSeen     = 8192 // deliveries that are remembered
)

var (
	errNotJSON    = errors.New("it is not JSON")
	errOtherShape = errors.New("it is JSON of another shape")
)

// HooksConfig is what webhooks are checked against, and where their hints go.
type HooksConfig struct {
	// Secrets are the shared secrets: one, or while it is changed the new and the
	// old one. Each has at least MinSecret bytes.
	Secrets []string
	// Repository is the numeric id of the repository whose webhooks count.
	Repository int64
	// Branch is the base branch; main where empty.
	Branch string
	// Enqueue keeps a hint, durably, before the webhook is answered.
	Enqueue func(context.Context, Hint) error
	// OnDelivery hears of every request; nil for nobody.
	OnDelivery func(Delivery)
}

// Result is what became of a webhook.
type Result string

// The results.
const (
	Queued    Result = "queued"    // something will be looked at
	Duplicate Result = "duplicate" // this delivery was queued before
	Ignored   Result = "ignored"   // it points nowhere, and the reason says why
	Refused   Result = "refused"   // it is not what it has to be
	Unsigned  Result = "unsigned"  // no secret signed it: a wrong secret, or a forgery
	Failed    Result = "failed"    // it could not be kept; the forge has it for redelivery
)

// Delivery is one webhook and what became of it.
type Delivery struct {
	ID     string `json:"delivery,omitempty"`
	Event  string `json:"event,omitempty"` // empty where nobody known sent it
	Action string `json:"action,omitempty"`
	Result Result `json:"result"`
	Reason string `json:"reason,omitempty"`
	Status int    `json:"-"` // of the answer
	Err    error  `json:"-"` // for the log of the operator, never for the sender
}

// Hooks takes webhooks. It proves that whoever sent one has the secret, keeps the
// hint in it, and answers, before any work is done.
type Hooks struct {
	cfg    HooksConfig
	scopes map[string]scope

	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool
	ring [][sha256.Size]byte // what is seen, the oldest at next
	next int
}

// NewHooks checks the configuration.
func NewHooks(cfg HooksConfig) (*Hooks, error) {
	const most = 2
	switch {
	case len(cfg.Secrets) == 0:
		return nil, errors.New("take webhooks: there is no secret, and without one anybody could send them")
	case len(cfg.Secrets) > most:
		return nil, fmt.Errorf("take webhooks: %d secrets, and no more than the new and the old one make sense", len(cfg.Secrets))
	case cfg.Repository <= 0:
		return nil, errors.New("take webhooks: the numeric id of the repository is missing")
	case cfg.Enqueue == nil:
		return nil, errors.New("take webhooks: there is nowhere to put them")
	}
	for _, s := range cfg.Secrets {
		if len(s) < MinSecret {
			return nil, fmt.Errorf("take webhooks: a secret has %d bytes, and needs at least %d: `openssl rand -hex 32` makes one", len(s), MinSecret)
		}
	}
	if cfg.Branch == "" {
		cfg.Branch = "main"
	}
	if cfg.OnDelivery == nil {
		cfg.OnDelivery = func(Delivery) {}
	}
	return &Hooks{cfg: cfg, scopes: scopes(), seen: map[[sha256.Size]byte]bool{}}, nil
}

// ServeHTTP answers a webhook.
//
//	202  queued, a duplicate, or ignored
//	400  signed, and not a webhook all the same
//	401  not signed with a secret of ours by SHA-256
//	405  not a POST
//	413  larger than MaxPayload
//	415  not JSON by its content type
//	503  it could not be kept: the forge shows it as failed, and can send it again
func (h *Hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := h.take(w, r)
	h.cfg.OnDelivery(d)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if d.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.WriteHeader(d.Status)
	_ = json.NewEncoder(w).Encode(d) // nobody is left to tell
}

func (h *Hooks) take(w http.ResponseWriter, r *http.Request) Delivery {
	refuse := func(status int, result Result, reason string) Delivery {
		return Delivery{Status: status, Result: result, Reason: reason}
	}
	if r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, Refused, "webhooks are POST")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, Refused, "larger than 1 MiB; the next sweep finds what it would have told")
	}
	if err != nil {
		return refuse(http.StatusBadRequest, Refused, "it broke off")
	}
	if !h.signed(r.Header.Values("X-Hub-Signature-256"), body) {
		return refuse(http.StatusUnauthorized, Unsigned, "no X-Hub-Signature-256 made with a secret of ours")
	}
	// From here on it is the forge that speaks.
	d := Delivery{Event: r.Header.Get("X-GitHub-Event"), ID: r.Header.Get("X-GitHub-Delivery"), Status: http.StatusBadRequest, Result: Refused}
	if !plain(d.Event) || !plain(d.ID) {
		d.Event, d.ID, d.Reason = "", "", "X-GitHub-Event and X-GitHub-Delivery are missing, or no plain words"
		return d
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		d.Status, d.Reason = http.StatusUnsupportedMediaType, "the content type of the webhook has to be application/json"
		return d
	}
	return h.keep(r.Context(), d, body)
}

// keep finds the hints of a signed webhook and keeps them.
func (h *Hooks) keep(ctx context.Context, d Delivery, body []byte) Delivery {
	hints, reason, err := h.read(d.Event, body)
	if err != nil {
		d.Reason, d.Err = err.Error(), err
		return d
	}
	d.Status = http.StatusAccepted
	if len(hints) == 0 {
		d.Result, d.Reason = Ignored, reason
		return d
	}
	d.Action = hints[0].Action
	// The id is not signed, the body is: only both together were seen before.
	once := sha256.Sum256(append([]byte(d.ID+"\x00"), body...))
	if h.known(once) {
		d.Result, d.Reason = Duplicate, "this delivery was queued before"
		return d
	}
	ctx, cancel := context.WithTimeout(ctx, enqueueTime)
	defer cancel()
	for _, hint := range hints {
		hint.Delivery = d.ID
		if err := h.cfg.Enqueue(ctx, hint); err != nil {
			d.Status, d.Result, d.Reason, d.Err = http.StatusServiceUnavailable, Failed, "it could not be kept; send it again", err
			return d
		}
	}
	h.remember(once)
	d.Result = Queued
	return d
}

// signed reports whether one of the secrets made the only signature there is.
// The header of SHA-1 is not looked at.
func (h *Hooks) signed(headers []string, body []byte) bool {
	if len(headers) != 1 {
		return false
	}
	text, ok := strings.CutPrefix(headers[0], "sha256=")
	got, err := hex.DecodeString(text)
	if !ok || err != nil || len(got) != sha256.Size {
		return false
	}
	match := false
	for _, secret := range h.cfg.Secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		match = hmac.Equal(mac.Sum(nil), got) || match // every secret is tried, whichever it is
	}
	return match
}

// plain reports whether a word is fit for logs and for metrics.
func plain(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

func (h *Hooks) known(once [sha256.Size]byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[once]
}

// remember keeps a delivery, and forgets the oldest of too many.
func (h *Hooks) remember(once [sha256.Size]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen[once] {
		return
	}
	h.seen[once] = true
	if len(h.ring) < maxSeen {
		h.ring = append(h.ring, once)
		return
	}
	delete(h.seen, h.ring[h.next])
	h.ring[h.next] = once
	h.next = (h.next + 1) % maxSeen
}

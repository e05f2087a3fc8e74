package githubtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// HookFaults are how webhooks go astray.
type HookFaults struct {
	Lose    bool // none is sent, nor kept for redelivery
	Double  bool // each is sent twice, with the same id
	Shuffle bool // those of one moment are sent in any order
}

// sender sends webhooks, as GitHub does: after what they tell of, without
// waiting, and never again by itself.
type sender struct {
	id          int64
	url, secret string
	to          string                                  // what the url stands for
	judge       func(event, action string, body []byte) // nil for nobody
	poke        chan struct{}
	stop        context.CancelFunc
	done        sync.WaitGroup

	mu     sync.Mutex
	faults HookFaults
	sent   []*delivery // oldest first
	told   map[string]string
}

// delivery is one webhook that was sent.
type delivery struct {
	ID            int64
	GUID          string
	Event, Action string
	Body          []byte
	At            time.Time
	Status        int
	Redelivery    bool
}

// happening is a webhook to be sent.
type happening struct {
	event string
	body  object
}

// Hook sends webhooks of all that happens from now on to an address, until Close.
func (s *Server) Hook(url, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendTo(url, url, secret)
}

// Reach says at which address of this machine a name of the world answers, as a
// proxy before an engine has it. A webhook that somebody sets up below it is sent.
func (s *Server) Reach(name, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reach = [2]string{name, address}
}

// sendTo starts the sender. The lock is held.
func (s *Server) sendTo(url, to, secret string) *sender {
	ctx, cancel := context.WithCancel(context.Background())
	h := &sender{id: s.id(), url: url, to: to, secret: secret, judge: s.judges.Hook, poke: make(chan struct{}, 1), stop: cancel}
	h.told, _ = s.whatIs()
	s.hook = h
	h.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-h.poke:
				h.send(ctx, s.happened(h))
			}
		}
	})
	return h
}

// Astray sets how webhooks go astray.
func (s *Server) Astray(f HookFaults) {
	s.mu.Lock()
	h := s.hook
	s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = f
}

// Unhook ends the webhooks.
func (s *Server) Unhook() {
	s.mu.Lock()
	h := s.hook
	s.hook = nil
	s.mu.Unlock()
	if h != nil {
		h.stop()
		h.done.Wait()
	}
}

// Sent counts the webhooks that were sent, by the status of the answer.
func (s *Server) Sent() map[int]int {
	s.mu.Lock()
	h := s.hook
	s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[int]int{}
	for _, d := range h.sent {
		out[d.Status]++
	}
	return out
}

// poked wakes the sender. The lock is held.
func (s *Server) poked() {
	if s.hook == nil {
		return
	}
	select {
	case s.hook.poke <- struct{}{}:
	default:
	}
}

// happened compares what is with what was told.
func (s *Server) happened(h *sender) []happening {
	s.mu.Lock()
	defer s.mu.Unlock() // until the bodies are made
	now, bodies := s.whatIs()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []happening
	for key, state := range now {
		if was, known := h.told[key]; !known || was != state {
			out = append(out, bodies[key](known))
		}
	}
	h.told = now
	slices.SortFunc(out, func(a, b happening) int { return cmp.Compare(order(a), order(b)) })
	return out
}

// order is the order in which GitHub tells of what happened at once.
func order(h happening) string {
	return strconv.Itoa(slices.Index([]string{"push", "pull_request", "issue_comment", "pull_request_review", "status"}, h.event))
}

// whatIs is everything that webhooks tell of: by key its state, and what is sent
// where that is new or changed.
func (s *Server) whatIs() (states map[string]string, bodies map[string]func(known bool) happening) {
	states, bodies = map[string]string{}, map[string]func(bool) happening{}
	add := func(key, state string, body func(known bool) happening) { states[key], bodies[key] = state, body }
	pick := func(known bool, then, first string) string {
		if known {
			return then
		}
		return first
	}
	for _, p := range s.pulls {
		add(fmt.Sprintf("pull %d", p.number), fmt.Sprint(p.head, p.open, p.base, p.title), func(known bool) happening {
			if !p.open {
				return s.pullHook(p, "closed")
			}
			return s.pullHook(p, pick(known, "synchronize", "opened"))
		})
		for _, r := range p.reviews {
			add(fmt.Sprintf("review %d", r.ID), r.State+r.Body, func(known bool) happening {
				if r.State == "DISMISSED" {
					return s.reviewHook(p, r, "dismissed")
				}
				return s.reviewHook(p, r, pick(known, "edited", "submitted"))
			})
		}
	}
	for _, c := range s.comments {
		add(fmt.Sprintf("comment %d", c.ID), c.Body, func(known bool) happening { return s.commentHook(c, pick(known, "edited", "created")) })
	}
	for sha, list := range s.statuses {
		add("status "+sha, strconv.Itoa(len(list)), func(bool) happening { return s.statusHook(sha, list[len(list)-1]) })
	}
	if tip, err := s.db.Resolve("refs/heads/main"); err == nil {
		if push, err := s.pushHook(tip); err == nil {
			add("push main", string(tip), func(bool) happening { return push })
		}
	}
	return states, bodies
}

// send sends webhooks, with the faults of the moment.
func (h *sender) send(ctx context.Context, list []happening) {
	h.mu.Lock()
	f := h.faults
	h.mu.Unlock()
	if f.Lose {
		return
	}
	if f.Shuffle {
		mathrand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) //nolint:gosec // an order is no secret
	}
	for _, one := range list {
		body, err := json.Marshal(one.body)
		if err != nil {
			continue
		}
		action, _ := one.body["action"].(string)
		if h.judge != nil {
			h.judge(one.event, action, body)
		}
		d := delivery{GUID: rand.Text(), Event: one.event, Action: action, Body: body}
		h.deliver(ctx, d)
		if f.Double {
			h.deliver(ctx, d)
		}
	}
}

// deliver sends one webhook and keeps how it was answered.
func (h *sender) deliver(ctx context.Context, d delivery) {
	const patience = 10 * time.Second // GitHub's own
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d.At = time.Now()
	if req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.to, bytes.NewReader(d.Body)); err == nil {
		mac := hmac.New(sha256.New, []byte(h.secret))
		mac.Write(d.Body)
		for name, value := range map[string]string{
			"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/fake", "X-GitHub-Event": d.Event, "X-GitHub-Delivery": d.GUID,
			"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
		} {
			req.Header.Set(name, value)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			d.Status = resp.StatusCode
			_ = resp.Body.Close()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	d.ID = int64(len(h.sent) + 1)
	h.sent = append(h.sent, &d)
}

// hookRoutes are the webhook of the repository and its deliveries.
func (s *Server) hookRoutes(repo string) map[string]func(r *http.Request, by User) (int, any) {
	return map[string]func(r *http.Request, by User) (int, any){
		"GET " + repo + "/hooks":                              s.listHooks,
		"GET " + repo + "/hooks/{h}/deliveries":               s.listDeliveries,
		"POST " + repo + "/hooks/{h}/deliveries/{d}/attempts": s.postAttempt,
	}
}

func (s *Server) listHooks(*http.Request, User) (int, any) {
	list := s.setHooks()
	if s.hook != nil {
		list = append(list, s.sentHookJSON())
	}
	return http.StatusOK, list
}

// sentHookJSON is the webhook that is sent. The secret is never shown.
func (s *Server) sentHookJSON() object {
	at := fmt.Sprintf("%s/hooks/%d", repoAPI, s.hook.id)
	return object{
		"type": "Repository", "id": s.hook.id, "name": "web", "active": true, "events": []string{"*"}, "created_at": stamp(s.now), "updated_at": stamp(s.now),
		"config": object{"url": s.hook.url, "content_type": "json", "insecure_ssl": "0", "secret": "********"},
		"url":    at, "test_url": at + "/test", "ping_url": at + "/pings", "deliveries_url": at + "/deliveries",
		"last_response": object{"code": nil, "status": "unused", "message": nil},
	}
}

func (s *Server) listDeliveries(r *http.Request, _ User) (int, any) {
	h := s.hook
	if h == nil || r.PathValue("h") != strconv.FormatInt(h.id, 10) {
		return s.setDeliveries(r.PathValue("h"))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []object{}
	for _, d := range slices.Backward(h.sent) {
		state := "OK"
		if d.Status == 0 {
			state = "failed to connect to host"
		} else if d.Status >= http.StatusBadRequest {
			state = "Invalid HTTP Response: " + strconv.Itoa(d.Status)
		}
		list = append(list, object{
			"id": d.ID, "guid": d.GUID, "delivered_at": stamp(d.At), "redelivery": d.Redelivery, "duration": 0.1, "status": state, "status_code": d.Status,
			"event": d.Event, "action": textOrNull(d.Action), "installation_id": nil, "repository_id": ID, "throttled_at": nil,
		})
	}
	return http.StatusOK, list
}

func (s *Server) postAttempt(r *http.Request, _ User) (int, any) {
	h := s.hook
	if h == nil || r.PathValue("h") != strconv.FormatInt(h.id, 10) {
		return notFound()
	}
	h.mu.Lock()
	i := slices.IndexFunc(h.sent, func(d *delivery) bool { return strconv.FormatInt(d.ID, 10) == r.PathValue("d") })
	if i < 0 {
		h.mu.Unlock()
		return notFound()
	}
	again := *h.sent[i]
	h.mu.Unlock()
	again.Redelivery = true
	h.done.Go(func() { h.deliver(context.Background(), again) })
	return http.StatusAccepted, object{}
}

// updated is when GitHub last showed anything new of a pull request.
func (s *Server) updated(p *pull) time.Time {
	at := p.created
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	later(p.closed)
	for _, r := range p.reviews {
		later(r.Submitted)
	}
	for _, e := range p.events {
		later(e.At)
	}
	for _, c := range s.comments {
		if c.Issue == p.number {
			later(c.At)
		}
	}
	for _, a := range s.activity {
		if a.Ref == "refs/heads/"+p.headRef {
			later(a.At)
		}
	}
	return at
}

package gitea_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/forgetest"
	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

func TestContractIsWhole(t *testing.T) { forgetest.Whole(t, (*harness)(nil)) }

// Cannot is empty. What Gitea itself does not do, something in front of it may:
// answer late, or with another commit of a review, or not at all.
func (h *harness) Cannot() map[string]string { return map[string]string{} }

func (h *harness) Replace(ctx context.Context, by, id string, files map[string]string) error {
	_, err := h.Repository.Push(ctx, by, h.number(id), files, true)
	return err
}

func (h *harness) PushDated(ctx context.Context, by, id string, files map[string]string, at time.Time) error {
	_, err := h.Dated(at).Push(ctx, by, h.number(id), files, false)
	return err
}

func (h *harness) ReviewOf(ctx context.Context, by, id, head string, v review.Verdict, body string) error {
	event := map[review.Verdict]string{review.Approve: "APPROVED", review.Deny: "REQUEST_CHANGES", review.Comment: "COMMENT"}[v]
	_, err := h.Repository.Review(ctx, h.who(by), h.number(id), event, body, gitdb.OID(head))
	return err
}

func (h *harness) Dismiss(ctx context.Context, by, id, r string) error {
	if err := h.Collaborate(ctx, by, "admin"); err != nil {
		return err
	}
	at := h.Path("pulls/%d/reviews/%s/dismissals", h.number(id), r)
	return h.API(ctx, h.person(by).Token, http.MethodPost, at, map[string]any{"message": "wrong"}, nil)
}

// EditReview changes the words where people read them, which is in the timeline.
func (h *harness) EditReview(ctx context.Context, by, id, _, body string) error {
	at := h.Path("issues/comments/%d", h.event(h.number(id), "review").ID)
	return h.API(ctx, h.person(by).Token, http.MethodPatch, at, map[string]string{"body": body}, nil)
}

func (h *harness) ForgeStatus(ctx context.Context, by, id string) error {
	pr, err := h.Pull(ctx, h.number(id))
	if err != nil {
		return err
	}
	return h.API(ctx, h.person(by).Token, http.MethodPost, h.Path("statuses/%s", pr.Head.SHA), map[string]string{
		"state": "success", "context": forge.StatusContext("main"), "description": "approved by everybody",
	}, nil)
}

func (h *harness) Status(id string) string {
	h.t.Helper()
	pr, err := h.Pull(h.t.Context(), h.number(id))
	h.must(err)
	var combined struct {
		State string `json:"state"`
	}
	h.api("", http.MethodGet, h.Path("commits/%s/status", pr.Head.SHA), nil, &combined)
	return combined.State
}

// GiveAway is for an account that only this repository knows: others of the server
// look for the names that they know.
func (h *harness) GiveAway(ctx context.Context, name, stranger string) error {
	h.odd.called = map[string]string{name: name + "-of-" + h.Name, stranger: stranger + "-of-" + h.Name}
	was, err := h.Person(ctx, h.who(name))
	if err != nil {
		return err
	}
	h.odd.login = map[string]string{name: was.Login}
	if err := h.Server.GiveAway(ctx, h.who(name), h.who(stranger)); err != nil {
		return err
	}
	if err := h.Collaborate(ctx, h.who(name), "write"); err != nil {
		return err
	}
	return h.Collaborate(ctx, h.who(stranger), "write")
}

// who is the name by which the server's other repositories do not know somebody.
func (h *harness) who(name string) string {
	if called, ok := h.odd.called[name]; ok {
		return called
	}
	return name
}

func (h *harness) Methods() []string {
	return []string{string(gitea.MergeCommit), string(gitea.Squash), string(gitea.Rebase)}
}

func (h *harness) ForgeBy(method string) forge.Forge {
	cfg := h.config()
	cfg.Method, cfg.Transport = gitea.Method(method), &wire{h: h}
	return h.open(cfg)
}

// odd is what is odd about the answers, which the harness's lock guards, and about
// the people.
type odd struct {
	throttled bool
	moved     []string // pull requests whose reviews name the head
	lag       int
	late      map[string]int    // how often each address still answers as before
	before    map[string]answer // what each address answered last
	called    map[string]string // see who
	login     map[string]string // of people, as the directory shows them
}

type answer struct {
	code   int
	header http.Header
	body   []byte
}

func (a answer) to(r *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(a.code), StatusCode: a.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}
}

func (h *harness) Throttle(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.odd.throttled = on
}

func (h *harness) Lag(reads int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.odd.lag, h.odd.late = reads, map[string]int{}
}

func (h *harness) Reanchor(_ context.Context, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.odd.moved = append(h.odd.moved, id)
	return nil
}

// answer is what Gitea answers, or what is odd.
func (h *harness) answer(r *http.Request) (*http.Response, error) {
	about := strings.Contains(r.URL.Path, "/pulls/") || strings.Contains(r.URL.Path, "/timeline")
	at := r.URL.String()
	if odd, ok := h.oddly(at, r.Method == http.MethodGet && about); ok {
		return odd.to(r), nil
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || !about || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	if raw, err = h.reanchored(r, raw); err != nil {
		return nil, err
	}
	is := answer{resp.StatusCode, resp.Header, raw}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.odd.before == nil {
		h.odd.before = map[string]answer{}
	}
	h.odd.before[at] = is
	return is.to(r), nil
}

func (h *harness) oddly(at string, reads bool) (answer, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.odd.throttled {
		return answer{http.StatusTooManyRequests, http.Header{"Retry-After": {"600"}}, []byte(`{"message":"too much"}`)}, true
	}
	was, known := h.odd.before[at]
	if !reads || !known || h.odd.lag == 0 {
		return answer{}, false
	}
	if _, begun := h.odd.late[at]; !begun {
		h.odd.late[at] = h.odd.lag
	}
	h.odd.late[at]--
	return was, h.odd.late[at] >= 0
}

// reanchored has the reviews of a pull request name its head.
func (h *harness) reanchored(r *http.Request, raw []byte) ([]byte, error) {
	_, rest, _ := strings.Cut(r.URL.Path, "/pulls/")
	id, ok := strings.CutSuffix(rest, "/reviews")
	h.mu.Lock()
	moved := slices.Contains(h.odd.moved, id)
	h.mu.Unlock()
	if !ok || !moved {
		return raw, nil
	}
	n, err := strconv.Atoi(id)
	if err != nil {
		return nil, err
	}
	pr, err := h.Pull(r.Context(), n)
	if err != nil {
		return nil, err
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	for _, one := range list {
		one["commit_id"] = json.RawMessage(strconv.Quote(string(pr.Head.SHA)))
	}
	return json.Marshal(list)
}

package gitea_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/forgetest"
	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/forge/gitea/giteatest"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

func TestContract(t *testing.T) {
	s := server(t)
	forgetest.Run(t, func(t *testing.T) forgetest.Harness { return newHarness(t, s) })
}

// server is the Gitea of one test.
func server(t *testing.T) *giteatest.Server {
	t.Helper()
	where := os.Getenv(giteatest.Variable)
	if where == "" {
		t.Skip(giteatest.Skip)
	}
	s, err := giteatest.Start(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// harness is one repository of a real Gitea with the people of the contract.
type harness struct {
	*giteatest.Repository
	t      *testing.T
	method gitea.Method

	mu    sync.Mutex
	shown map[int][]string // on each pull request, in the order in which Gitea took it
	odd   odd
}

func newHarness(t *testing.T, s *giteatest.Server) *harness {
	t.Helper()
	h := &harness{t: t, shown: map[int][]string{}}
	var err error
	h.Repository, err = s.Repository(t.Context(), h.db(), time.Now, map[string]string{"forms/standard.yaml": "a: 1\n"}, "ann", "bo", "cy", "di", "engine")
	h.must(err)
	return h
}

func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) db() *gitdb.DB {
	h.t.Helper()
	db, err := gitdb.Init(h.t.TempDir(), "main", true)
	h.must(err)
	return db
}

func (h *harness) person(name string) giteatest.Person {
	h.t.Helper()
	p, err := h.Person(h.t.Context(), h.who(name))
	h.must(err)
	return p
}

func (h *harness) config() gitea.Config {
	token := h.person("engine").Token
	return gitea.Config{
		Repo: "r-1", URL: h.URL, Owner: h.Org, Name: h.Name, ID: h.ID, DB: h.db(), Now: time.Now, Method: h.method,
		Token: func(context.Context) (string, error) { return token, nil }, Pause: pause,
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
	return ctx.Err()
}

func (h *harness) open(cfg gitea.Config) *gitea.Gitea {
	h.t.Helper()
	g, err := gitea.New(cfg)
	h.must(err)
	return g
}

func (h *harness) Forge() forge.Forge {
	cfg := h.config()
	cfg.Transport = &wire{h: h}
	return h.open(cfg)
}

var errDied = errors.New("process died")

// Crashing is an engine whose process dies when the answer to its nth write is
// on the way.
func (h *harness) Crashing(n int) forge.Forge {
	cfg := h.config()
	cfg.Transport = &wire{h: h, left: n}
	return h.open(cfg)
}

// wire notes which comments Gitea took, and dies after some writes. Gitea shows
// the earlier texts of a comment in the browser and not in its API.
type wire struct {
	h    *harness
	left int
	dead bool
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.dead {
		return nil, errDied
	}
	resp, err := w.h.answer(r)
	if err != nil || r.Method == http.MethodGet || resp.StatusCode >= http.StatusBadRequest {
		return resp, err
	}
	if strings.Contains(r.URL.Path, "/comments") {
		if err := w.h.note(resp); err != nil {
			return nil, err
		}
	}
	if w.left--; w.left == 0 {
		w.dead = true
		return nil, errors.Join(errDied, resp.Body.Close())
	}
	return resp, nil
}

func (h *harness) note(resp *http.Response) error {
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	var c struct {
		Body string `json:"body"`
		At   string `json:"pull_request_url"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	n, err := strconv.Atoi(path.Base(c.At))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown[n] = append(h.shown[n], c.Body)
	return err
}

// CountsMergesByHand says that people may merge on Gitea.
func (h *harness) CountsMergesByHand() bool { return true }

func (h *harness) Actor(name string) review.Actor {
	p := h.person(name)
	login, ok := h.odd.login[name]
	if !ok {
		login = p.Login
	}
	return review.Actor{Forge: gitea.Name, ID: strconv.FormatInt(p.ID, 10), Login: login}
}

// Tick waits until the clock of Gitea, which counts seconds, shows another one.
func (h *harness) Tick() { tick() }

func (h *harness) Open(ctx context.Context, by string, d forgetest.Draft) (string, error) {
	n, err := h.Repository.Open(ctx, by, "request/"+d.ID, d.Title, d.Files)
	return strconv.Itoa(n), err
}

func (h *harness) number(id string) int {
	n, err := strconv.Atoi(id)
	h.must(err)
	return n
}

func (h *harness) Push(ctx context.Context, by, id string, files map[string]string) error {
	_, err := h.Repository.Push(ctx, by, h.number(id), files, false)
	return err
}

func (h *harness) Review(ctx context.Context, by, id string, v review.Verdict, body string) error {
	return h.ReviewOf(ctx, by, id, "", v, body)
}

// Cancel closes it. Whoever may write may close a pull request on Gitea; only
// who opened it withdraws it so.
func (h *harness) Cancel(ctx context.Context, by, id, _ string) error {
	if by != "ann" {
		return fmt.Errorf("%s would close it, not cancel it", by)
	}
	return h.Change(ctx, by, h.number(id), "state", "closed")
}

func (h *harness) Published(id string) []string {
	h.t.Helper()
	now, err := h.Comments(h.t.Context(), h.number(id), h.person("engine").ID)
	h.must(err)
	h.mu.Lock()
	defer h.mu.Unlock()
	shown := h.shown[h.number(id)]
	if len(now) != 1 || len(shown) == 0 || now[0] != shown[len(shown)-1] {
		h.t.Errorf("comments %q, want the one that was written last: %q", now, shown)
	}
	var out []string
	for _, body := range shown {
		_, text, _ := strings.Cut(body, "-->\n")
		out = append(out, text)
	}
	return out
}

func (h *harness) Base() string {
	h.t.Helper()
	at, err := h.At(h.t.Context(), "refs/heads/main")
	h.must(err)
	return string(at)
}

func (h *harness) File(path string) (string, bool) {
	h.t.Helper()
	text, ok, err := h.Repository.File(h.t.Context(), path)
	h.must(err)
	return text, ok
}

func (h *harness) Commit(files map[string]string) {
	h.t.Helper()
	h.must(h.Repository.Commit(h.t.Context(), files))
}

func (h *harness) MergeByHand(id string, more map[string]string) {
	h.t.Helper()
	if more == nil {
		h.must(h.Merge(h.t.Context(), h.number(id), "merge"))
		return
	}
	h.must(h.Slip(h.t.Context(), h.number(id), more))
}

func (h *harness) Rewind(to string) {
	h.t.Helper()
	h.must(h.Repository.Rewind(h.t.Context(), gitdb.OID(to)))
}

func (h *harness) Retarget(ctx context.Context, by, id string) error {
	if err := h.Branch(ctx, "playground"); err != nil {
		return err
	}
	return h.Change(ctx, by, h.number(id), "base", "playground")
}

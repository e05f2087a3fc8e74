package gitea

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
)

// served is a server of this test and a client for it.
func served(t *testing.T, answer http.HandlerFunc) *client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	c := newClient(Config{URL: s.URL, Token: func(context.Context) (string, error) { return "s3cret", nil }})
	c.http.RetryWaitMin, c.http.RetryWaitMax = 0, 0
	return c
}

// shelf answers with comments 1 to n as one of Gitea's lists would.
type shelf struct {
	n       int
	most    int  // that a page has, whatever is asked for
	total   int  // that X-Total-Count says; none below zero
	hidden  int  // comments at the start that are left out of their page
	unpaged bool // all of them on every page
}

func (s shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/settings/api") {
		_ = json.NewEncoder(w).Encode(map[string]int{"max_response_items": s.most})
		return
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	limit = min(limit, s.most)
	first, last := (page-1)*limit+1, page*limit
	if s.unpaged {
		first, last = 1, s.n
	}
	var out []comment
	for id := first; id <= min(last, s.n); id++ {
		if id > s.hidden {
			out = append(out, comment{ID: int64(id)})
		}
	}
	if s.total >= 0 {
		w.Header().Set("X-Total-Count", strconv.Itoa(s.total))
	}
	_ = json.NewEncoder(w).Encode(out) // null where it is empty, as Gitea has it
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	for name, c := range map[string]struct {
		shelf
		list
		want int
		err  error
	}{
		"counted":                            {shelf{n: 120, most: 50, total: 120}, list{}, 120, nil},
		"a full last page":                   {shelf{n: 100, most: 50, total: 100}, list{}, 100, nil},
		"nothing":                            {shelf{n: 0, most: 50, total: 0}, list{}, 0, nil},
		"not counted":                        {shelf{n: 120, most: 50, total: -1}, list{}, 120, nil},
		"short pages by configuration":       {shelf{n: 30, most: 7, total: 30}, list{}, 30, nil},
		"not in pages":                       {shelf{n: 120, most: 50, total: 120, unpaged: true}, list{}, 120, nil},
		"fewer than counted":                 {shelf{n: 40, most: 50, total: 41}, list{}, 0, forge.ErrIncomplete},
		"fewer than counted, and that is so": {shelf{n: 120, hidden: 1, most: 50, total: 120}, list{partly: true}, 119, nil},
		"two empty pages first, counted":     {shelf{n: 120, hidden: 100, most: 50, total: 120}, list{partly: true}, 20, nil},
		"two empty pages first, known":       {shelf{n: 120, hidden: 100, most: 50, total: -1}, list{hidden: 100}, 20, nil},
		"without end":                        {shelf{n: 1 << 30, most: 50, total: 1 << 30}, list{}, 0, forge.ErrIncomplete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := served(t, c.shelf.ServeHTTP)
			c.list.doing, c.list.path = "read", "things"
			got, err := all[comment](t.Context(), client, c.list)
			if !errors.Is(err, c.err) || len(got) != c.want {
				t.Errorf("%d, %v; want %d, %v", len(got), err, c.want, c.err)
			}
		})
	}
}

func TestAnswersBecomeErrors(t *testing.T) {
	for code, want := range map[int]error{
		301: forge.ErrIncomplete, 401: forge.ErrForbidden, 403: forge.ErrForbidden, 404: forge.ErrGone, 409: forge.ErrMoved,
		410: forge.ErrGone, 423: forge.ErrForbidden, 429: forge.ErrThrottled, 500: forge.ErrIncomplete, 503: forge.ErrIncomplete,
	} {
		c := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, `{"message":"line one\nline two %s"}`, strings.Repeat("x", 9000))
		})
		err := c.get(t.Context(), "user", &user{})
		if !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", code, err, want)
		}
		for _, other := range []error{forge.ErrIncomplete, forge.ErrForbidden, forge.ErrGone, forge.ErrMoved, forge.ErrThrottled} {
			if !errors.Is(want, other) && errors.Is(err, other) {
				t.Errorf("%d is %v too", code, other)
			}
		}
		if text := err.Error(); strings.Contains(text, "\n") || len(text) > 400 || strings.Contains(text, "s3cret") {
			t.Errorf("%d reads %q", code, text)
		}
	}
}

func TestReadsAreRepeatedAndWritesAreNot(t *testing.T) {
	calls := map[string]int{}
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		if calls[r.Method]++; calls[r.Method] < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte(`{"id": 7}`))
	})
	var u user
	if err := c.get(t.Context(), "user", &u); err != nil || u.ID != 7 {
		t.Errorf("read: %v, %+v", err, u)
	}
	if err := c.send(t.Context(), http.MethodPost, "user", nil, nil); !errors.Is(err, forge.ErrIncomplete) || calls["POST"] != 1 {
		t.Errorf("write: %v after %d calls", err, calls["POST"])
	}
}

func TestTheTokenGoesNowhereElse(t *testing.T) {
	got := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") + "!" }))
	defer other.Close()
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	if err := c.get(t.Context(), "user", &user{}); !errors.Is(err, forge.ErrIncomplete) || got != "" {
		t.Errorf("%v; the other server got %q", err, got)
	}
}

// wire answers without a server, and keeps what it was asked.
type wire struct {
	answer func(*http.Request) *http.Response
	asked  []string
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked = append(w.asked, r.Method+" "+r.URL.Path)
	resp := w.answer(r)
	resp.Request, resp.Body = r, http.NoBody
	if resp.StatusCode == http.StatusOK {
		resp.Body = io.NopCloser(strings.NewReader(`{"id": 7}`))
	}
	return resp, nil
}

// A write is answered where it was sent, or not at all: what a redirect names
// may be another repository. Reads follow a renamed one.
func TestWritesAreNotCarriedElsewhere(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
			w := &wire{answer: func(r *http.Request) *http.Response {
				if strings.HasPrefix(r.URL.Path, "/api/v1/repos/acme/old/") {
					return &http.Response{StatusCode: status, Header: http.Header{"Location": {"/api/v1/repos/mallory/new/pulls/1/merge"}}}
				}
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}}
			}}
			c := newClient(Config{URL: "https://gitea.example.com", Transport: w})
			var got user
			err := c.send(t.Context(), method, "repos/acme/old/pulls/1/merge", nil, &got)
			if method == http.MethodGet {
				if err != nil || got.ID != 7 || len(w.asked) != 2 {
					t.Errorf("%d of a read: %v, asked %v", status, err, w.asked)
				}
				continue
			}
			if !errors.Is(err, forge.ErrIncomplete) || got.ID != 0 || len(w.asked) != 1 {
				t.Errorf("%d of %s: %v, asked %v", status, method, err, w.asked)
			}
		}
	}
}

func TestNewRefusesWhatIsNoRepository(t *testing.T) {
	good := Config{URL: "https://gitea.example.com/forge/", Owner: "acme", Name: "access", ID: 4711}
	g, err := New(good)
	if err != nil || g.Remote().URL != "https://gitea.example.com/forge/acme/access.git" || g.client.root != "https://gitea.example.com/forge/api/v1/" {
		t.Errorf("%v: git at %s, API at %s", err, g.Remote().URL, g.client.root)
	}
	for name, spoil := range map[string]func(*Config){
		"not https":      func(c *Config) { c.URL = "http://gitea.example.com" },
		"no host":        func(c *Config) { c.URL = "gitea" },
		"a password":     func(c *Config) { c.URL = "https://u:hunter2@gitea.example.com" },
		"a query":        func(c *Config) { c.URL = "https://gitea.example.com/?x" },
		"no id":          func(c *Config) { c.ID = 0 },
		"a path as name": func(c *Config) { c.Name = "../x" },
		"no owner":       func(c *Config) { c.Owner = "" },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package gitdb_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/assent-dev/assent/engine/gitdb"
)

// between stands before a remote, counts what it sends and may change what is asked.
type between struct {
	at    gitdb.Remote
	mu    sync.Mutex
	asked []string
	bytes int
}

func stand(t *testing.T, at gitdb.Remote, change func(w http.ResponseWriter, r *http.Request) bool) *between {
	t.Helper()
	to, err := url.Parse(at.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := &between{at: at}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asked = append(b.asked, r.Method+" "+r.URL.Path)
		b.mu.Unlock()
		if change == nil || !change(w, r) {
			proxy.ServeHTTP(&counting{w, b}, r)
		}
	}))
	t.Cleanup(srv.Close)
	b.at.URL = srv.URL + "/repo.git"
	return b
}

type counting struct {
	http.ResponseWriter
	b *between
}

func (c *counting) Write(data []byte) (int, error) {
	c.b.mu.Lock()
	c.b.bytes += len(data)
	c.b.mu.Unlock()
	return c.ResponseWriter.Write(data)
}

// Where a remote has many references, finding out that one has not moved costs
// one small answer.
func TestAFetchOfWhatIsHereIsSmall(t *testing.T) {
	dir, at := served(t)
	work := t.TempDir()
	gitRun(t, work, "clone", "-q", dir, "w")
	w := work + "/w"
	gitRun(t, w, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "one")
	gitRun(t, w, "push", "-q", "origin", "HEAD:refs/heads/main")
	tip := strings.TrimSpace(gitRun(t, dir, "rev-parse", "refs/heads/main"))
	var refs strings.Builder
	for n := range 2000 {
		fmt.Fprintf(&refs, "create refs/pull/%d/head %s\n", n, tip)
	}
	cmd := exec.CommandContext(t.Context(), "git", "-C", dir, "update-ref", "--stdin")
	cmd.Stdin = strings.NewReader(refs.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := stand(t, at, nil)
	db := fresh(t)
	want := map[string]string{"refs/heads/main": "refs/forge/main", "refs/pull/7/head": "refs/forge/pull/7", "refs/pull/9999/head": "refs/forge/pull/9999"}
	for round := range 3 {
		b.asked, b.bytes = nil, 0
		got, err := db.Fetch(t.Context(), b.at, want)
		if err != nil || len(got) != 2 || string(got["refs/pull/7/head"]) != tip {
			t.Fatalf("round %d: %v %v", round, got, err)
		}
		if round > 0 && (len(b.asked) != 1 || b.bytes > 1000) {
			t.Errorf("it asks %q and takes %d bytes", b.asked, b.bytes)
		}
	}
	// Names are not what they begin with.
	got, err := db.Fetch(t.Context(), b.at, map[string]string{"refs/pull/70/head": "refs/forge/a", "refs/heads/mai": "refs/forge/b"})
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

// A remote that knows only the older protocol, or answers rot, is asked by it.
func TestAFetchFromAnOlderRemote(t *testing.T) {
	cut := func(w http.ResponseWriter, body string) bool {
		_, _ = w.Write([]byte(body))
		return true
	}
	two := "001e# service=git-upload-pack\n0000000eversion 2\n000cls-refs\n0000"
	for name, change := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"older": func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Git-Protocol"); return false },
		"cut off": func(w http.ResponseWriter, r *http.Request) bool {
			return r.Header.Get("Git-Protocol") != "" && (r.Method == "GET" && cut(w, two) || r.Method == "POST" && cut(w, "003f"))
		},
		"rot": func(w http.ResponseWriter, r *http.Request) bool {
			return r.Header.Get("Git-Protocol") != "" && (r.Method == "GET" && cut(w, two) || r.Method == "POST" && cut(w, "0008ERR 0000"))
		},
		"part of a list": func(w http.ResponseWriter, r *http.Request) bool {
			return r.Header.Get("Git-Protocol") != "" && (r.Method == "GET" && cut(w, two) ||
				r.Method == "POST" && cut(w, "003d"+strings.Repeat("a", 40)+" refs/heads/main\n"))
		},
		"nothing": func(w http.ResponseWriter, r *http.Request) bool {
			return r.Header.Get("Git-Protocol") != "" && (r.Method == "GET" && cut(w, two) || r.Method == "POST" && cut(w, "0000"))
		},
		"refused": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Git-Protocol") == "" || r.Method == "GET" {
				return false
			}
			w.WriteHeader(http.StatusInternalServerError)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, at := served(t)
			db := fresh(t)
			tip := commitOf(t, db, "one")
			if err := db.Push(t.Context(), at, "refs/heads/main", "", tip); err != nil {
				t.Fatal(err)
			}
			b := stand(t, at, change)
			got, err := db.Fetch(t.Context(), b.at, map[string]string{"refs/heads/main": "refs/forge/main"})
			if err != nil || got["refs/heads/main"] != tip {
				t.Errorf("got %v, %v; the remote is %s", got, err, dir)
			}
		})
	}
}

// The token is not carried to where another host is pointed at.
func TestATokenStaysWithItsRemote(t *testing.T) {
	_, at := served(t)
	var told []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Git-Protocol") != "" {
			told = append(told, r.Header.Get("Authorization"))
		}
		_, _ = w.Write([]byte("000eversion 2\n000cls-refs\n0000"))
	}))
	t.Cleanup(elsewhere.Close)
	other := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	b := stand(t, at, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Git-Protocol") == "" {
			return false
		}
		http.Redirect(w, r, other+r.URL.RequestURI(), http.StatusMovedPermanently)
		return true
	})
	if _, err := fresh(t).Fetch(t.Context(), b.at, map[string]string{"refs/heads/main": "refs/forge/main"}); err == nil {
		t.Error("an empty remote is no error")
	}
	if len(told) != 1 || told[0] != "" {
		t.Errorf("the other host is told %q", told)
	}
}

// What the remote refuses stays told apart.
func TestARefusedListIsRefused(t *testing.T) {
	_, at := served(t)
	at.Token = nil
	if _, err := fresh(t).Fetch(t.Context(), at, map[string]string{"refs/heads/main": "refs/forge/main"}); !errors.Is(err, gitdb.ErrRefused) {
		t.Errorf("%v, want %v", err, gitdb.ErrRefused)
	}
	at.URL = "http://127.0.0.1:1/repo.git"
	if _, err := fresh(t).Fetch(t.Context(), at, map[string]string{"refs/heads/main": "refs/forge/main"}); !errors.Is(err, gitdb.ErrUnreachable) {
		t.Errorf("%v, want %v", err, gitdb.ErrUnreachable)
	}
}

package githubtest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

// TestHooksAreAsGitHubSendsThem makes each kind of thing happen that webhooks tell
// of; the judge of the server reads them.
func TestHooksAreAsGitHubSendsThem(t *testing.T) {
	var mu sync.Mutex
	var told []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r.Header.Get("X-GitHub-Event"))
	}))
	t.Cleanup(receiver.Close)
	s, err := githubtest.Start(judge.Context(t), t.TempDir(), time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), map[string]string{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for id, who := range []string{"ann", "bo", "di"} {
		s.Add(githubtest.User{ID: int64(id + 11), Login: who, Type: "User"}, "token-"+who)
	}
	s.Hook(receiver.URL, "secret")
	// Each is awaited, for what happens at once is told of at once.
	happens := func(event string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			mu.Lock()
			found := slices.Contains(told, event)
			told = nil
			mu.Unlock()
			if found {
				return
			}
		}
		t.Fatalf("nobody told of %s", event)
	}
	n, err := s.Open("ann", "request/one", "x", map[string]string{"c": "d"})
	happens("pull_request", err)
	happens("pull_request", s.Push("ann", n, map[string]string{"c": "e"}, false))
	id, err := s.Review("bo", n, "APPROVE", "fine", "")
	happens("pull_request_review", err)
	happens("pull_request_review", s.Dismiss("ann", n, id))
	head, err := s.Head(n)
	if err != nil {
		t.Fatal(err)
	}
	happens("status", s.Status("di", head, "success", "assent: main", ""))
	_, err = s.Comment("bo", n, "/recheck")
	happens("issue_comment", err)
	happens("push", s.MergeByHand(n, nil))
	s.Unhook()
}

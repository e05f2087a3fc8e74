package judge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

// BenchmarkPull judges a whole pull request, which is the longest thing that is
// asked for often.
func BenchmarkPull(b *testing.B) {
	s, err := githubtest.Start(b.Context(), b.TempDir(), time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), map[string]string{"a": "b"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	s.Add(githubtest.User{ID: 11, Login: "ann", Type: "User"}, "token")
	if _, err := s.Open("ann", "request/one", "x", map[string]string{"c": "d"}); err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+"repos/acme/access/pulls/1", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || !json.Valid(body) {
		b.Fatal(err)
	}
	j, err := judge.New()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := j.Request(req, nil); err != nil {
			b.Fatal(err)
		}
		if err := j.Response(req, resp.StatusCode, resp.Header, body); err != nil {
			b.Fatal(err)
		}
	}
}

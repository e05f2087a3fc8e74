package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
)

// Context makes githubtest.Start a server that is judged: a request or an answer
// that GitHub's description does not know fails the test.
func Context(t testing.TB) context.Context {
	t.Helper()
	return With(t.Context(), t.Errorf)
}

// With is Context for a program that a test runs: found hears of the mistakes,
// and the request that has one, or whose answer does, is answered with 400. The
// description is read when a server starts: most programs start none.
func With(ctx context.Context, found func(format string, args ...any)) context.Context {
	return githubtest.Behind(ctx, githubtest.Judges{
		API: func(next http.Handler) http.Handler { return must().Handler(next, found) },
		Hook: func(event, action string, body []byte) {
			if err := must().Webhook(event, action, body); err != nil {
				found("GitHub's description: %v", err)
			}
		},
	})
}

func must() *Judge {
	j, err := New()
	if err != nil {
		panic(err) // the description is in the binary
	}
	return j
}

// Handler judges what a server is asked and what it answers.
func (j *Judge) Handler(next http.Handler, found func(format string, args ...any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			found("GitHub's description: read request: %v", err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		if err = j.Request(r, body); err == nil {
			next.ServeHTTP(answer, r)
			if answer.Header().Get(githubtest.Fault) == "" { // it misbehaves because it was told to
				err = j.Response(r, answer.Code, answer.Header(), answer.Body.Bytes())
			}
		}
		if err != nil {
			found("GitHub's description: %v", err)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": fmt.Sprintf("GitHub's description: %v", err)})
			return
		}
		for key, values := range answer.Header() {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// Transport judges what a client sends, and not what it is answered.
func (j *Judge) Transport(next http.RoundTripper, found func(format string, args ...any)) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		if err := j.Request(r, body); err != nil {
			found("GitHub's description: %v", err)
		}
		return next.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

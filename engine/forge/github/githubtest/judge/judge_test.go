package judge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
)

func sent(method, path, body string) (*http.Request, []byte) {
	r := httptest.NewRequest(method, "/api/v3"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r, []byte(body)
}

// TestWhatGitHubRefusesIsFound has a mistake of each kind, once made in earnest
// or nearly so.
func TestWhatGitHubRefusesIsFound(t *testing.T) {
	j, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ method, path, body, want string }{
		"a status":            {"POST", "/repos/acme/access/statuses/0a", `{"state":"success","context":"assent: main","description":"x"}`, ""},
		"its state":           {"POST", "/repos/acme/access/statuses/0a", `{"state":"approved"}`, `/state: value is not one of the allowed values ["error","failure","pending","success"]`},
		"no state":            {"POST", "/repos/acme/access/statuses/0a", `{"context":"assent: main"}`, `/state: property "state" is missing`},
		"a field":             {"POST", "/repos/acme/access/statuses/0a", `{"state":"success","describe":"x"}`, `property "describe" is unsupported`},
		"a review":            {"POST", "/repos/acme/access/pulls/1/reviews", `{"event":"APPROVE","body":"x"}`, ""},
		"its event":           {"POST", "/repos/acme/access/pulls/1/reviews", `{"event":"APPROVED"}`, `/event: value is not one of the allowed values ["APPROVE","REQUEST_CHANGES","COMMENT"]`},
		"a merge":             {"PUT", "/repos/acme/access/pulls/1/merge", `{"sha":"0a","merge_method":"squash"}`, ""},
		"its method":          {"PUT", "/repos/acme/access/pulls/1/merge", `{"merge_method":"ff"}`, `/merge_method: value is not one of the allowed values ["merge","squash","rebase"]`},
		"another type":        {"PUT", "/repos/acme/access/pulls/1/merge", `{"sha":7}`, `/sha: value must be a string`},
		"a check of an App":   {"POST", "/repos/acme/access/check-runs", `{"name":"assent: main","head_sha":"0a","status":"in_progress"}`, ""},
		"one without an end":  {"PATCH", "/repos/acme/access/check-runs/1", `{"status":"completed"}`, "doesn't match any schema"},
		"no body":             {"POST", "/repos/acme/access/issues/1/comments", ``, "value is required but missing"},
		"a body of its own":   {"GET", "/repos/acme/access/pulls/1", `{}`, "it has a body, and the description has none"},
		"a list":              {"GET", "/repos/acme/access/pulls?state=all&base=main&sort=created&direction=asc&per_page=100&page=2", ``, ""},
		"a parameter":         {"GET", "/repos/acme/access/pulls?status=open", ``, `query parameter "status" is not in the description, which has state, head, base, sort, direction, per_page, page`},
		"its value":           {"GET", "/repos/acme/access/pulls?state=merged", ``, `value is not one of the allowed values ["open","closed","all"]`},
		"a number":            {"GET", "/repos/acme/access/pulls/one", ``, `parameter "pull_number"`},
		"a branch with parts": {"GET", "/repos/acme/access/git/ref/heads/request/one", ``, ""},
		"the number's name":   {"GET", "/repositories/4711/activity?ref=refs/heads/main&per_page=100", ``, ""},
		"no route":            {"GET", "/repos/acme/access/pull/1", ``, "GET /repos/acme/access/pull/1 is not in the description"},
		"another method":      {"PUT", "/repos/acme/access/statuses/0a", `{}`, "is not in the description that is kept; where GitHub has it, add it to testdata/routes.txt"},
	} {
		r, body := sent(c.method, c.path, c.body)
		err := j.Request(r, body)
		if got := ""; err != nil {
			got = err.Error()
			if c.want == "" || !strings.Contains(got, c.want) {
				t.Errorf("%s: %s, want %q", what, got, c.want)
			}
		} else if c.want != "" {
			t.Errorf("%s: nothing is found, want %q", what, c.want)
		}
	}
}

func TestWhatGitHubNeverAnswersIsFound(t *testing.T) {
	j, err := New()
	if err != nil {
		t.Fatal(err)
	}
	comment := `{"id":1,"node_id":"n","html_url":"u","issue_url":"u","url":"u","user":null,"created_at":"2026-11-01T09:00:00Z","updated_at":"2026-11-01T09:00:00Z"`
	for what, c := range map[string]struct {
		method, path string
		code         int
		body, want   string
	}{
		"a comment":         {"POST", "/repos/acme/access/issues/1/comments", 201, comment + `}`, ""},
		"a field too many":  {"POST", "/repos/acme/access/issues/1/comments", 201, comment + `,"text":"x"}`, `property "text" is unsupported`},
		"a field too few":   {"POST", "/repos/acme/access/issues/1/comments", 201, strings.Replace(comment, `"id":1,`, "", 1) + `}`, `/id: property "id" is missing`},
		"a time":            {"POST", "/repos/acme/access/issues/1/comments", 201, strings.Replace(comment, `T09:00:00Z`, "", 1) + `}`, `/created_at: string doesn't match the format "date-time"`},
		"another code":      {"POST", "/repos/acme/access/issues/1/comments", 200, comment + `}`, "status 200 is not in the description"},
		"not found":         {"GET", "/repos/acme/access/pulls/1/reviews", 404, `{"message":"Not Found"}`, ""},
		"not found, how":    {"GET", "/repos/acme/access/pulls/1/reviews", 404, `{"message":7}`, "/message: value must be a string"},
		"a broken server":   {"GET", "/repos/acme/access/pulls/1/reviews", 500, `{}`, "status 500 is not in the description"},
		"nothing new":       {"GET", "/repos/acme/access/pulls/1/reviews", 304, ``, ""},
		"something in a no": {"GET", "/repos/acme/access/pulls/1/reviews", 200, `{"message":"x"}`, "value must be an array"},
	} {
		r, _ := sent(c.method, c.path, "")
		err := j.Response(r, c.code, http.Header{"Content-Type": {"application/json; charset=utf-8"}}, []byte(c.body))
		switch {
		case err == nil && c.want != "":
			t.Errorf("%s: nothing is found, want %q", what, c.want)
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

// TestAMistakeReachesTheTest goes the whole way: over the wire to a server that
// knows better than its own rules.
func TestAMistakeReachesTheTest(t *testing.T) {
	var found []string
	ctx := With(t.Context(), func(format string, args ...any) { found = append(found, args[len(args)-1].(error).Error()) })
	s, err := githubtest.Start(ctx, t.TempDir(), time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), map[string]string{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Add(githubtest.User{ID: 11, Login: "ann", Type: "User"}, "token")
	ask := func(path string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer token")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if code := ask("repos/acme/access/pulls?state=open"); code != http.StatusOK || len(found) != 0 {
		t.Errorf("a request without a mistake: %d, %v", code, found)
	}
	if code := ask("repos/acme/access/pulls?status=open"); code != http.StatusBadRequest || len(found) != 1 {
		t.Errorf("a request with one: %d, %v", code, found)
	}
	s.Misbehave(githubtest.Faults{Fail: func(*http.Request) int { return http.StatusBadGateway }})
	if code := ask("repos/acme/access/pulls?state=open"); code != http.StatusBadGateway || len(found) != 1 {
		t.Errorf("a server that is to fail: %d, %v", code, found)
	}
}

func BenchmarkJudge(b *testing.B) {
	j, err := New()
	if err != nil {
		b.Fatal(err)
	}
	r, body := sent("POST", "/repos/acme/access/check-runs", `{"name":"assent: main","head_sha":"0a","status":"in_progress"}`)
	for b.Loop() {
		if err := j.Request(r, body); err != nil {
			b.Fatal(err)
		}
	}
}

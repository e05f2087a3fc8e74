package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/server"
)

const (
	secret = "0123456789abcdef0123456789abcdef"
	older  = "fedcba9876543210fedcba9876543210"
	repoID = 4711
)

// receiver is Hooks with what came of them.
type receiver struct {
	*server.Hooks
	hints      []server.Hint
	deliveries []server.Delivery
	err        error // of keeping
}

func newReceiver(t *testing.T, secrets ...string) *receiver {
	t.Helper()
	r := &receiver{}
	h, err := server.NewHooks(server.HooksConfig{
		Secrets: secrets, Repository: repoID,
		Enqueue: func(_ context.Context, h server.Hint) error {
			if r.err == nil {
				r.hints = append(r.hints, h)
			}
			return r.err
		},
		OnDelivery: func(d server.Delivery) { r.deliveries = append(r.deliveries, d) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Hooks = h
	return r
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// post is a webhook as GitHub sends it.
func post(event, id, secret, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks/github", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-Hub-Signature-256", sign(secret, []byte(body)))
	return r
}

func (r *receiver) answer(req *http.Request) (int, string) {
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, req)
	var out struct{ Result string }
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		return rec.Code, "no JSON: " + rec.Body.String()
	}
	return rec.Code, out.Result
}

const review7 = `{"action":"submitted","repository":{"id":4711},"pull_request":{"number":7,"head":{"sha":"abc","ref":"request/7"}}}`

func TestHooksNeedASecret(t *testing.T) {
	keep := func(context.Context, server.Hint) error { return nil }
	for name, secrets := range map[string][]string{
		"none": nil, "empty": {""}, "short": {secret[:31]}, "one of two short": {secret, "x"}, "three": {secret, older, secret},
	} {
		if _, err := server.NewHooks(server.HooksConfig{Secrets: secrets, Repository: repoID, Enqueue: keep}); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), secret[:31]) {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
}

// What does not carry the one right header is refused, whatever else it carries.
func TestHooksRefuseWhatNoSecretSigned(t *testing.T) {
	good := sign(secret, []byte(review7))
	raw := strings.TrimPrefix(good, "sha256=")
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(review7))
	sha1Header := "sha1=" + hex.EncodeToString(mac.Sum(nil))
	header := func(values ...string) http.Header { return http.Header{"X-Hub-Signature-256": values} }
	bad := map[string]http.Header{
		"none": {}, "empty": header(""), "no prefix": header(raw), "other prefix": header("sha512=" + raw), "prefix only": header("sha256="),
		"upper prefix": header("SHA256=" + raw), "cut": header(good[:len(good)-2]), "half a byte short": header(good[:len(good)-1]), "longer": header(good + "00"),
		"space before": header(" " + good), "space after": header(good + " "), "newline": header(good + "\n"), "quoted": header(`"` + good + `"`),
		"twice": header(good, good), "two in one": header(good + "," + good), "wrong first": header(sign(older, []byte(review7)), good),
		"not hex": header("sha256=" + strings.Repeat("g", 64)), "zeros": header("sha256=" + strings.Repeat("0", 64)), "base64": header("sha256=" + raw[:43] + "="),
		"nul": header(good[:len(good)-1] + "\x00"), "last bit": header(good[:len(good)-1] + map[bool]string{true: "1", false: "0"}[good[len(good)-1] == '0']),
		"other secret": header(sign(older, []byte(review7))), "empty secret": header(sign("", []byte(review7))), "of another body": header(sign(secret, []byte(review7+" "))),
		"of an empty body": header(sign(secret, nil)), "of the hex": header(sign(secret, []byte(raw))), "plain digest": header("sha256=" + fmt.Sprintf("%x", sha256.Sum256([]byte(review7)))),
		"sha1 in its own header": {"X-Hub-Signature": {sha1Header}}, "sha1 in ours": header(sha1Header),
		"sha256 in the header of sha1": {"X-Hub-Signature": {good}}, "gitea's old header": {"X-Gitea-Signature": {raw}}, "the secret itself": {"X-Hub-Signature-256": {secret}},
	}
	for name, h := range bad {
		r := newReceiver(t, secret)
		req := post("pull_request_review", "d-1", secret, review7)
		req.Header.Del("X-Hub-Signature-256")
		for k, v := range h {
			req.Header[k] = v
		}
		if code, result := r.answer(req); code != http.StatusUnauthorized || result != "unsigned" || len(r.hints) != 0 {
			t.Errorf("%s: %d %s, hints %v", name, code, result, r.hints)
		}
		if d := r.deliveries; len(d) != 1 || d[0].Event != "" || d[0].ID != "" {
			t.Errorf("%s: told of as %+v: names that nobody signed", name, d)
		}
	}
	r := newReceiver(t, secret)
	req := post("pull_request_review", "d-1", secret, review7)
	req.Header.Set("X-Hub-Signature", "sha1="+strings.Repeat("0", 40)) // is not looked at
	if code, result := r.answer(req); code != http.StatusAccepted || result != "queued" {
		t.Errorf("the right one: %d %s", code, result)
	}
}

func TestHooksTakeTwoSecretsWhileOneIsChanged(t *testing.T) {
	r := newReceiver(t, secret, older)
	for i, s := range []string{secret, older} {
		if code, _ := r.answer(post("pull_request", fmt.Sprint(i), s, review7)); code != http.StatusAccepted {
			t.Errorf("secret %d: %d", i, code)
		}
	}
	if len(r.hints) != 2 {
		t.Errorf("%d hints", len(r.hints))
	}
}

func TestHooksReadWhereAnEventPoints(t *testing.T) {
	const repo = `"repository":{"id":4711}`
	for _, c := range []struct {
		event, body string
		want        []server.Hint
	}{
		{"pull_request_review", review7, []server.Hint{{Action: "submitted", PullRequest: "7", Head: "abc", Branch: "request/7"}}},
		{"issue_comment", `{"action":"created",` + repo + `,"issue":{"number":9,"pull_request":{}}}`, []server.Hint{{Action: "created", PullRequest: "9"}}},
		{"issue_comment", `{"action":"created",` + repo + `,"issue":{"number":9}}`, nil},
		{"issue_comment", `{"action":"created",` + repo + `,"issue":{"number":9,"pull_request":null}}`, nil},
		{"push", `{"ref":"refs/heads/main","after":"def",` + repo + `}`, []server.Hint{{Branch: "refs/heads/main", Head: "def", Main: true}}},
		{"push", `{"ref":"refs/heads/request/7","after":"def",` + repo + `}`, nil},
		{"push", `{"ref":"refs/tags/main","after":"def",` + repo + `}`, nil},
		{"check_run", `{"action":"completed",` + repo + `,"check_run":{"head_sha":"abc","pull_requests":[{"number":7}]}}`, nil},
		{"check_run", `{"action":"rerequested",` + repo + `,"check_run":{"head_sha":"abc","pull_requests":[{"number":7},{"number":8}]}}`,
			[]server.Hint{{Action: "rerequested", PullRequest: "7", Head: "abc"}, {Action: "rerequested", PullRequest: "8", Head: "abc"}}},
		{"check_suite", `{"action":"rerequested",` + repo + `,"check_suite":{"head_sha":"abc","pull_requests":[]}}`, []server.Hint{{Action: "rerequested", Head: "abc"}}},
		{"merge_group", `{"action":"checks_requested",` + repo + `,"merge_group":{"head_sha":"abc","head_ref":"refs/heads/q"}}`, []server.Hint{{Action: "checks_requested", Head: "abc", Branch: "refs/heads/q"}}},
		{"member", `{"action":"removed",` + repo + `}`, []server.Hint{{Action: "removed"}}},
		{"organization", `{"action":"member_removed"}`, []server.Hint{{Action: "member_removed"}}},
		{"repository_ruleset", `{"action":"edited"}`, nil}, // of no repository
		{"status", `{"sha":"abc",` + repo + `}`, nil},      // of the engine itself, mostly
		{"ping", `{"zen":"Anything added dilutes everything else."}`, nil},
		{"star", `{"action":"created",` + repo + `}`, nil},
	} {
		r := newReceiver(t, secret)
		code, result := r.answer(post(c.event, "d-1", secret, c.body))
		for i := range c.want {
			c.want[i].Event, c.want[i].Delivery = c.event, "d-1"
		}
		if diff := cmp.Diff(c.want, r.hints); diff != "" || code != http.StatusAccepted {
			t.Errorf("%s %s: %d (-want +got)\n%s", c.event, c.body, code, diff)
		}
		if want := map[bool]string{true: "ignored", false: "queued"}[len(c.want) == 0]; result != want {
			t.Errorf("%s %s: %s", c.event, c.body, result)
		}
	}
}

func TestHooksIgnoreOtherRepositories(t *testing.T) {
	r := newReceiver(t, secret)
	for _, event := range []string{"pull_request", "push", "organization"} {
		body := strings.Replace(review7, "4711", "4712", 1)
		if code, result := r.answer(post(event, "d-"+event, secret, body)); code != http.StatusAccepted || result != "ignored" {
			t.Errorf("%s: %d %s", event, code, result)
		}
	}
	if len(r.hints) != 0 || !strings.Contains(r.deliveries[0].Reason, "4712") {
		t.Errorf("hints %v, reason %q", r.hints, r.deliveries[0].Reason)
	}
}

func TestHooksRefuseWhatIsNoWebhook(t *testing.T) {
	exact := `{"repository":{"id":4711},"pull_request":{"number":7},"x":"`
	exact += strings.Repeat("x", server.MaxPayload-len(exact)-2) + `"}`
	for name, c := range map[string]struct {
		req  *http.Request
		want int
	}{
		"get":             {httptest.NewRequest(http.MethodGet, "/hooks/github", nil), http.StatusMethodNotAllowed},
		"no json":         {post("pull_request", "d", secret, "payload=%7B%7D"), http.StatusBadRequest},
		"empty":           {post("pull_request", "d", secret, ""), http.StatusBadRequest},
		"array":           {post("pull_request", "d", secret, "[]"), http.StatusBadRequest},
		"no number":       {post("pull_request", "d", secret, `{"repository":{"id":4711}}`), http.StatusBadRequest},
		"number negative": {post("pull_request", "d", secret, `{"repository":{"id":4711},"pull_request":{"number":-1}}`), http.StatusBadRequest},
		"number a text":   {post("pull_request", "d", secret, `{"repository":{"id":4711},"pull_request":{"number":"7"}}`), http.StatusBadRequest},
		"deep":            {post("pull_request", "d", secret, strings.Repeat(`{"a":`, 100_000)), http.StatusBadRequest},
		"no event":        {post("", "d", secret, review7), http.StatusBadRequest},
		"no delivery":     {post("pull_request", "", secret, review7), http.StatusBadRequest},
		"event with line": {post("pull\nrequest", "d", secret, review7), http.StatusBadRequest},
		"1 MiB":           {post("pull_request", "d", secret, exact), http.StatusAccepted},
		"1 MiB and 1":     {post("pull_request", "d", secret, exact+" "), http.StatusRequestEntityTooLarge},
	} {
		r := newReceiver(t, secret)
		if code, result := r.answer(c.req); code != c.want {
			t.Errorf("%s: %d %s", name, code, result)
		}
		if c.want != http.StatusAccepted && len(r.hints) > 0 {
			t.Errorf("%s: hints %v", name, r.hints)
		}
	}
	form := post("pull_request", "d", secret, review7)
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if code, _ := newReceiver(t, secret).answer(form); code != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d", code)
	}
}

func TestHooksQueueADeliveryOnce(t *testing.T) {
	r := newReceiver(t, secret)
	r.err = errors.New("disk full of " + secret)
	if code, result := r.answer(post("pull_request", "d-1", secret, review7)); code != http.StatusServiceUnavailable || result != "failed" {
		t.Fatalf("where it cannot be kept: %d %s", code, result)
	}
	r.err = nil
	var got []string
	for _, id := range []string{"d-1", "d-1", "d-2", "d-1"} {
		_, result := r.answer(post("pull_request", id, secret, review7))
		got = append(got, result)
	}
	// Somebody who replays a body under a later delivery's id does not silence that.
	_, result := r.answer(post("pull_request", "d-2", secret, strings.Replace(review7, ":7", ":8", 1)))
	if diff := cmp.Diff([]string{"queued", "duplicate", "queued", "duplicate", "queued"}, append(got, result)); diff != "" {
		t.Error(diff)
	}
	if len(r.hints) != 3 {
		t.Errorf("%d hints", len(r.hints))
	}
}

func TestHooksForgetTheOldest(t *testing.T) {
	r := newReceiver(t, secret)
	for i := range 9000 {
		r.answer(post("pull_request", fmt.Sprint(i), secret, review7))
	}
	_, first := r.answer(post("pull_request", "0", secret, review7))
	_, last := r.answer(post("pull_request", "8999", secret, review7))
	if first != "queued" || last != "duplicate" {
		t.Errorf("the first is %s, the last %s", first, last)
	}
}

// The answer tells nothing of what went wrong inside.
func TestHooksTellNoSecrets(t *testing.T) {
	r := newReceiver(t, secret)
	r.err = errors.New("disk full of " + secret)
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, post("pull_request", "d-1", secret, review7))
	if bytes.Contains(rec.Body.Bytes(), []byte(secret)) || bytes.Contains(rec.Body.Bytes(), []byte("disk")) {
		t.Errorf("answer: %s", rec.Body)
	}
}

func FuzzHooks(f *testing.F) {
	f.Add("pull_request", review7)
	f.Add("push", `{"ref":"refs/heads/main"}`)
	f.Add("check_run", `{"check_run":{"pull_requests":[{}]}}`)
	f.Fuzz(func(t *testing.T, event, body string) {
		r := newReceiver(t, secret)
		code, _ := r.answer(post(event, "d", secret, body))
		if code >= http.StatusInternalServerError {
			t.Errorf("%d", code)
		}
		for _, h := range r.hints {
			if h.PullRequest != "" && strings.Trim(h.PullRequest, "0123456789") != "" {
				t.Errorf("pull request %q", h.PullRequest)
			}
		}
	})
}

package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/server"
)

// example is the body of a webhook that GitHub sent.
type example struct {
	event string
	n     int // of the event's
	body  []byte
}

func (e example) String() string { return fmt.Sprintf("%s %d", e.event, e.n) }

func examples(t testing.TB) []example {
	t.Helper()
	packed, err := os.ReadFile("testdata/webhooks.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name     string
		Examples []json.RawMessage
	}
	if err := json.NewDecoder(r).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var out []example
	for _, e := range list {
		for i, body := range e.Examples {
			out = append(out, example{e.Name, i, body})
		}
	}
	if len(out) != 329 {
		t.Fatalf("%d examples, and there were 329", len(out))
	}
	return out
}

// outcome is what became of one webhook.
type outcome struct {
	code  int
	last  server.Delivery
	hints []server.Hint
}

// sentTo sends a webhook to a receiver of one repository.
func sentTo(t testing.TB, repository int64, event string, body []byte) (out outcome) {
	t.Helper()
	h, err := server.NewHooks(server.HooksConfig{
		Secrets: []string{secret}, Repository: repository, Branch: "master",
		Enqueue:    func(_ context.Context, h server.Hint) error { out.hints = append(out.hints, h); return nil },
		OnDelivery: func(d server.Delivery) { out.last = d },
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, post(event, "d-1", secret, string(body)))
	out.code = rec.Code
	return out
}

// String is an outcome as the golden file has it.
func (o outcome) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", o.code, o.last.Result)
	if o.last.Reason != "" {
		fmt.Fprintf(&b, ": %s", o.last.Reason)
	}
	for _, h := range o.hints {
		fmt.Fprintf(&b, " → %q", h.PullRequest)
		if h.Head != "" {
			fmt.Fprintf(&b, " at %.7s", h.Head)
		}
		if h.Branch != "" {
			fmt.Fprintf(&b, " on %s", h.Branch)
		}
		if h.Main {
			b.WriteString(" main moved")
		}
	}
	return b.String()
}

// repositoryOf is the number of an example's repository; another where it has none.
func repositoryOf(t testing.TB, body []byte) int64 {
	t.Helper()
	var p struct{ Repository struct{ ID int64 } }
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Repository.ID == 0 {
		return repoID
	}
	return p.Repository.ID
}

// TestExamplesOfGitHub sends everything that GitHub was seen to send. What
// becomes of it stands in webhooks.out; what has a pull request is a hint at it.
func TestExamplesOfGitHub(t *testing.T) {
	var got strings.Builder
	for _, e := range examples(t) {
		o := sentTo(t, repositoryOf(t, e.body), e.event, e.body)
		var p struct {
			Action      string
			PullRequest *struct {
				Number int64
				Head   struct{ SHA string }
			} `json:"pull_request"`
			Repository *struct{ ID int64 }
		}
		if err := json.Unmarshal(e.body, &p); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s %s: %s\n", e, p.Action, o)
		if p.PullRequest != nil {
			want := server.Hint{Delivery: "d-1", Event: e.event, Action: p.Action, PullRequest: strconv.FormatInt(p.PullRequest.Number, 10), Head: p.PullRequest.Head.SHA}
			if len(o.hints) == 1 {
				want.Branch = o.hints[0].Branch
			}
			if diff := cmp.Diff([]server.Hint{want}, o.hints); diff != "" {
				t.Errorf("%s (-want +got):\n%s", e, diff)
			}
		}
		if p.Repository == nil {
			continue
		}
		if o := sentTo(t, p.Repository.ID+1, e.event, e.body); o.code != http.StatusAccepted || len(o.hints) != 0 {
			t.Errorf("%s of another repository: %s", e, o)
		}
	}
	const golden = "testdata/webhooks.out"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The parts of a webhook in which hints are.
var telling = []string{"", "action", "ref", "sha", "after", "repository", "pull_request", "issue", "check_run", "check_suite", "merge_group"}

// within are the parts of those that are read, and some that others might read.
var within = []string{"id", "number", "head", "base", "user", "state", "pull_request", "pull_requests", "head_sha", "head_ref", "base_ref", "merged"}

// mutations are what is put in place of a value; nil takes it away.
func mutations() map[string]any {
	return map[string]any{
		"gone": nil, "null": json.RawMessage("null"), "a text": "<!-- @everyone -->", "an empty text": "", "a number": 7, "nought": 0, "below nought": -7,
		"a huge number": json.RawMessage("1" + strings.Repeat("0", 400)), "more than 64 bits": json.RawMessage("18446744073709551616"),
		"a part of one": json.RawMessage("7.5"), "a power": json.RawMessage("1e3"), "true": true, "a list": []any{}, "an object": map[string]any{},
		"a deep list": deepMark, "upper case": upper, "a long text": strings.Repeat("a", 5_000), "no text at all": json.RawMessage(`"\ud800\u0000"`),
	}
}

// deepMark stands for a list that is deeper than encoding/json goes.
const deepMark = "the deep list"

// upper stands for the value itself in upper case.
var upper = new(int)

// TestExamplesMutated damages one example of each event: each part of it, and
// what is in the parts in which hints are. Nothing panics and nothing is the
// server's fault; a hint is the one that the whole webhook gave, unless what it is
// read from was damaged: then there may be none, or one that is well-formed.
func TestExamplesMutated(t *testing.T) {
	t.Parallel()
	const depth = 2
	deep := []byte(strings.Repeat("[", 12_000) + strings.Repeat("]", 12_000))
	count, seen := 0, map[string]bool{}
	for _, e := range examples(t) {
		var whole any
		if err := json.Unmarshal(e.body, &whole); err != nil {
			t.Fatal(err)
		}
		repository := repositoryOf(t, e.body)
		was := sentTo(t, repository, e.event, e.body)
		if seen[e.event] {
			continue
		}
		seen[e.event] = true
		for _, path := range paths(whole, depth) {
			first := ""
			if len(path) > 0 {
				first = path[0]
			}
			if len(path) > 1 && (!slices.Contains(telling, first) || !slices.Contains(within, path[1])) {
				continue
			}
			for name, m := range mutations() {
				body, err := json.Marshal(mutate(whole, path, m))
				if err != nil {
					t.Fatal(err)
				}
				body = bytes.Replace(body, []byte(`"`+deepMark+`"`), deep, 1)
				count++
				o := sentTo(t, repository, e.event, body)
				at := fmt.Sprintf("%s, /%s is %s: %s", e, strings.Join(path, "/"), name, o)
				wellFormed(t, at, o)
				if !slices.Contains(telling, first) && name != "a deep list" {
					if diff := cmp.Diff(was.hints, o.hints); diff != "" {
						t.Errorf("%s: what tells nothing changes the hints (-was +is):\n%s", at, diff)
					}
				}
			}
		}
	}
	t.Logf("%d webhooks", count)
	if count < 5_000 {
		t.Errorf("only %d webhooks were sent", count)
	}
}

// wellFormed holds an answer to a signed webhook, whatever is in it.
func wellFormed(t testing.TB, at string, o outcome) {
	t.Helper()
	switch {
	case o.code == http.StatusBadRequest && len(o.hints) == 0 && o.last.Reason != "":
	case o.code == http.StatusAccepted && len(o.hints) == 0 && o.last.Result == server.Ignored && o.last.Reason != "":
	case o.code == http.StatusAccepted && len(o.hints) > 0 && o.last.Result == server.Queued:
	default:
		t.Errorf("%s: an answer that is none of ours", at)
	}
	for _, h := range o.hints {
		n, err := strconv.ParseInt(h.PullRequest, 10, 64)
		if h.PullRequest != "" && (err != nil || n <= 0 || strconv.FormatInt(n, 10) != h.PullRequest) {
			t.Errorf("%s: a hint at pull request %q", at, h.PullRequest)
		}
	}
	if strings.Contains(o.last.Reason, "@everyone") {
		t.Errorf("%s: the reason has the sender's words", at)
	}
}

// TestExamplesTruncated cuts each example at many places.
func TestExamplesTruncated(t *testing.T) {
	t.Parallel()
	for _, e := range examples(t) {
		repository := repositoryOf(t, e.body)
		for i := range 32 {
			cut := e.body[:len(e.body)*i/32]
			if o := sentTo(t, repository, e.event, cut); o.code != http.StatusBadRequest || len(o.hints) != 0 {
				t.Errorf("%s, cut after %d of %d bytes: %s", e, len(cut), len(e.body), o)
			}
		}
	}
}

// FuzzExamples begins with what GitHub sent, and is any body that the forge signed.
func FuzzExamples(f *testing.F) {
	seen := map[string]bool{}
	for _, e := range examples(f) {
		if !seen[e.event] {
			f.Add(e.event, e.body)
		}
		seen[e.event] = true
	}
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		if event == "" || len(event) > 128 || strings.ContainsFunc(event, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) || len(body) > server.MaxPayload {
			t.Skip()
		}
		wellFormed(t, "fuzzed", sentTo(t, repoID, event, body))
	})
}

// paths are the places of the values in a value, down to a level. Of a list only
// the first element counts.
func paths(v any, depth int) [][]string {
	out := [][]string{{}}
	if depth == 0 {
		return out
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			for _, p := range paths(v[k], depth-1) {
				out = append(out, append([]string{k}, p...))
			}
		}
	case []any:
		if len(v) > 0 {
			for _, p := range paths(v[0], depth-1) {
				out = append(out, append([]string{"0"}, p...))
			}
		}
	}
	return out
}

// mutate is a value with another one at a place.
func mutate(v any, path []string, m any) any {
	if len(path) == 0 {
		if text, ok := v.(string); m == any(upper) {
			if ok {
				return strings.ToUpper(text)
			}
			return v
		}
		return m
	}
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		if m == nil && len(path) == 1 {
			delete(out, path[0])
		} else {
			out[path[0]] = mutate(v[path[0]], path[1:], m)
		}
		return out
	case []any:
		out := slices.Clone(v)
		out[0] = mutate(v[0], path[1:], m)
		return out
	}
	return v
}

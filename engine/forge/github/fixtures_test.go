package github

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

// exchange is a request and its answer, as GitHub once gave it: testdata holds
// some scenarios of @octokit/fixtures 23.1.2 (method, path, body, status, headers
// and response of each normalized-fixture.json).
type exchange struct {
	Method, Path string
	Body         json.RawMessage
	Status       int
	Headers      map[string]string
	Response     json.RawMessage
}

// replay answers with one scenario, in its order.
type replay struct {
	t     *testing.T
	left  []exchange
	asked []string
}

// RoundTrip implements http.RoundTripper.
func (p *replay) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := strings.ToLower(r.Method) + " " + r.URL.RequestURI()
	p.asked = append(p.asked, asked)
	if r.URL.Host != "api.github.com" {
		p.t.Errorf("%s: the token goes to %s", asked, r.URL.Host)
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		p.t.Errorf("%s: without the token", asked)
	}
	if len(p.left) == 0 || p.left[0].Method+" "+p.left[0].Path != asked {
		p.t.Errorf("%s is not what comes next", asked)
		return nil, errors.New("nothing is recorded")
	}
	x := p.left[0]
	p.left = p.left[1:]
	if r.Body != nil {
		var got, want any
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &got) != nil || json.Unmarshal(x.Body, &want) != nil || !cmp.Equal(want, got) {
			p.t.Errorf("%s: body %s, %v", asked, body, err)
		}
	}
	header := http.Header{}
	for key, v := range x.Headers {
		header.Set(key, v)
	}
	header.Del("Content-Length")
	return &http.Response{StatusCode: x.Status, Header: header, Body: io.NopCloser(bytes.NewReader(x.Response)), Request: r, ContentLength: -1}, nil
}

// replayed is a client with the adapter's transport, which GitHub answers as it
// did in a scenario.
func replayed(t *testing.T, scenario string, id int64) (*gh.Client, *replay) {
	t.Helper()
	packed, err := os.ReadFile("testdata/fixtures.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]exchange{}
	if err := json.NewDecoder(r).Decode(&all); err != nil {
		t.Fatal(err)
	}
	p := &replay{t: t, left: all[scenario]}
	if len(p.left) == 0 {
		t.Fatalf("no scenario %s", scenario)
	}
	j, err := judge.New()
	if err != nil {
		t.Fatal(err)
	}
	token := Personal(func() (string, error) { return "secret", nil })
	return gh.NewClient(newHTTP(Config{Transport: j.Transport(p, t.Errorf), Tokens: token, ID: id})), p
}

const fixtures = "octokit-fixture-org"

// GitHub's links are absolute, and name the repository by its number.
func TestFixturesLinksAreFollowed(t *testing.T) {
	client, p := replayed(t, "paginate-issues", 1000)
	seen := map[int]bool{}
	next := "repos/" + fixtures + "/paginate-issues/issues?per_page=3"
	for next != "" {
		req, err := client.NewRequest(http.MethodGet, next, nil)
		if err != nil {
			t.Fatal(err)
		}
		var page []*gh.Issue
		resp, err := client.Do(t.Context(), req, &page)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page {
			seen[i.GetNumber()] = true
		}
		next = ""
		for part := range strings.SplitSeq(resp.Header.Get("Link"), ",") {
			if link, ok := strings.CutSuffix(strings.TrimSpace(part), `>; rel="next"`); ok {
				next = strings.TrimPrefix(link, "<")
			}
		}
	}
	if len(seen) != 13 || len(p.left) != 0 {
		t.Errorf("%d issues, %d pages left, want 13 and none", len(seen), len(p.left))
	}
}

// A renamed repository is read by its number.
func TestFixturesRenamedRepositoryIsRead(t *testing.T) {
	client, p := replayed(t, "rename-repository", 1000)
	p.left = p.left[1:3] // after the rename
	r, _, err := client.Repositories.Get(t.Context(), fixtures, "rename-repository")
	if err != nil || r.GetID() != 1000 || r.GetName() != "rename-repository-newname" {
		t.Errorf("%v, %v", r, err)
	}
}

// A write is carried on to the number of the pinned repository, and nowhere else.
func TestFixturesRenamedRepositoryIsWritten(t *testing.T) {
	for what, c := range map[string]struct {
		id     int64
		status int
		asked  int
	}{
		"the pinned repository": {1000, http.StatusTemporaryRedirect, 2},
		"another":               {100, http.StatusTemporaryRedirect, 1},
		"a read in its place":   {1000, http.StatusMovedPermanently, 1},
	} {
		client, p := replayed(t, "rename-repository", c.id)
		p.left = p.left[3:]
		p.left[0].Status = c.status
		r, _, err := client.Repositories.Edit(t.Context(), fixtures, "rename-repository", &gh.Repository{
			Name: gh.String("rename-repository-newname"), Description: gh.String("test description"),
		})
		if len(p.asked) != c.asked || c.asked == 1 && !errors.Is(apiErr("write", err), forge.ErrIncomplete) || c.asked == 2 && r.GetID() != 1000 {
			t.Errorf("%s: asked %v, %v", what, p.asked, err)
		}
	}
}

// What GitHub refuses says why, and is not tried again.
func TestFixturesRefusalSaysWhy(t *testing.T) {
	client, p := replayed(t, "errors", 1000)
	_, _, err := client.Issues.CreateLabel(t.Context(), fixtures, "errors", &gh.Label{Name: gh.String("foo"), Color: gh.String("invalid")})
	err = apiErr("make label", err)
	for _, sentinel := range []error{forge.ErrIncomplete, forge.ErrMoved, forge.ErrForbidden, forge.ErrGone, forge.ErrThrottled} {
		if errors.Is(err, sentinel) {
			t.Errorf("a refusal is %v", sentinel)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "Validation Failed") || !strings.Contains(err.Error(), "color") || len(p.asked) != 1 {
		t.Errorf("%v after %d requests", err, len(p.asked))
	}
}

func TestFixturesStatusesAreRead(t *testing.T) {
	client, p := replayed(t, "create-status", 1000)
	sha := strings.Repeat("0", 39) + "1"
	for _, state := range []string{"failure", "success"} {
		n := map[string]string{"failure": "1", "success": "2"}[state]
		s, _, err := client.Repositories.CreateStatus(t.Context(), fixtures, "create-status", sha, &gh.RepoStatus{
			State: gh.String(state), TargetURL: gh.String("https://example.com"), Description: gh.String("create-status " + state + " test"), Context: gh.String("example/" + n),
		})
		if err != nil || s.GetState() != state || s.GetCreator().GetID() == 0 || s.GetCreatedAt().IsZero() {
			t.Errorf("%v, %v", s, err)
		}
	}
	list, _, err := client.Repositories.ListStatuses(t.Context(), fixtures, "create-status", sha, nil)
	if err != nil || len(list) != 2 || list[0].GetState() != "success" || len(p.left) != 1 {
		t.Errorf("%v, %v: the newest comes first", list, err)
	}
}

// A branch without protection is not a branch that cannot be read.
func TestFixturesBranchWithoutProtection(t *testing.T) {
	client, _ := replayed(t, "branch-protection", 1000)
	_, _, err := client.Repositories.GetBranchProtection(t.Context(), fixtures, "branch-protection", "main")
	if !errors.Is(err, gh.ErrBranchNotProtected) {
		t.Errorf("%v, want %v", err, gh.ErrBranchNotProtected)
	}
}

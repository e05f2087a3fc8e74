package gitea_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// stage is a pull request of ann, and its forge.
type stage struct {
	*harness
	f    *gitea.Gitea
	n    int
	head string
}

func (h *harness) stage() *stage {
	h.t.Helper()
	n, err := h.Repository.Open(h.t.Context(), "ann", "request/x", "x", map[string]string{"requests/x.yaml": "a: 1\n"})
	h.must(err)
	s := &stage{h, h.open(h.config()), n, ""}
	f, err := s.f.Observe(h.t.Context(), strconv.Itoa(n))
	h.must(err)
	s.head = f.Head
	return s
}

// api is one request of somebody.
func (s *stage) api(who, method, path string, in, out any) {
	s.t.Helper()
	s.must(s.API(s.t.Context(), s.person(who).Token, method, s.Path("%s", path), in, out))
}

// shows publishes a report as determine makes them.
func (s *stage) shows(state string, ask ...string) {
	s.t.Helper()
	s.publish(s.f, s.report(state, ask...))
}

func (s *stage) report(state string, ask ...string) forge.Report {
	r := forge.Report{
		Head: s.head, Markdown: "how it stands: " + state + "\n", State: state, Line: state,
		Judgement: review.Judgement{Class: review.ClassRequest, Outcome: review.Pending, Reason: "waiting"},
		Remembered: func(m forge.Memory) string {
			var lines []string
			for _, n := range m.Notes {
				lines = append(lines, n.Text)
			}
			return strings.Join(lines, "\n")
		},
	}
	for _, name := range ask {
		r.Ask = append(r.Ask, s.Actor(name))
	}
	return r
}

func (s *stage) publish(f forge.Forge, r forge.Report) {
	s.t.Helper()
	s.must(f.Publish(s.t.Context(), strconv.Itoa(s.n), r))
}

type shown struct {
	Labels []struct{ Name, Color string }
}

func (s *stage) shown() (labels []string, waits []int64) {
	s.t.Helper()
	var pr shown
	s.api("ann", http.MethodGet, fmt.Sprintf("pulls/%d", s.n), nil, &pr)
	for _, l := range pr.Labels {
		labels = append(labels, l.Name+" "+l.Color)
	}
	var reviews []struct {
		User  struct{ ID int64 }
		State string
	}
	s.api("ann", http.MethodGet, fmt.Sprintf("pulls/%d/reviews?limit=50", s.n), nil, &reviews)
	for _, r := range reviews {
		if r.State == "REQUEST_REVIEW" {
			waits = append(waits, r.User.ID)
		}
	}
	slices.Sort(labels)
	slices.Sort(waits)
	return labels, waits
}

func (s *stage) asked(names ...string) {
	s.t.Helper()
	var want []int64
	for _, name := range names {
		want = append(want, s.person(name).ID)
	}
	slices.Sort(want)
	if _, waits := s.shown(); !slices.Equal(waits, want) {
		s.t.Errorf("reviews are requested of %v, want %v", waits, want)
	}
}

func (s *stage) says(by, body string) int64 {
	s.t.Helper()
	var c struct{ ID int64 }
	s.api(by, http.MethodPost, fmt.Sprintf("issues/%d/comments", s.n), map[string]string{"body": body}, &c)
	return c.ID
}

func (s *stage) heard() []forge.Comment {
	s.t.Helper()
	list, err := s.f.Commands(s.t.Context(), strconv.Itoa(s.n))
	s.must(err)
	return list
}

func (s *stage) text() string {
	s.t.Helper()
	texts, err := s.Comments(s.t.Context(), s.n, s.person("engine").ID)
	s.must(err)
	if len(texts) != 1 {
		s.t.Fatalf("%d comments of the engine: %q", len(texts), texts)
	}
	return texts[0]
}

func TestAroundAPullRequest(t *testing.T) {
	server := server(t)
	for name, test := range map[string]func(*testing.T, *stage){
		"the label follows the state":             labelFollows,
		"reviews are requested once":              requestedOnce,
		"what only helps holds nothing up":        onlyHelps,
		"looking changes nothing":                 looksOnly,
		"commands are read once each":             commandsOnce,
		"a command that was changed at once":      changedAtOnce,
		"who a pull request is from":              whoItIsFrom,
		"a pull request for a comment, once":      openedOnce,
		"what the engine closed is not withdrawn": engineCloses,
		"the clock is Gitea's":                    giteasClock,
	} {
		t.Run(name, func(t *testing.T) { test(t, newHarness(t, server).stage()) })
	}
}

// The label is that of the state, others stay; and one that somebody made under
// the same name takes its place.
func labelFollows(t *testing.T, s *stage) {
	var ids []int64
	for _, name := range []string{"urgent", "assent: waiting", "assent: applied", "assent: applied"} {
		var l struct{ ID int64 }
		s.api("ann", http.MethodPost, "labels", map[string]string{"name": name, "color": "#111111"}, &l)
		ids = append(ids, l.ID)
	}
	s.api("ann", http.MethodPost, fmt.Sprintf("issues/%d/labels", s.n), map[string]any{"labels": ids}, nil)
	s.shows("changes requested")
	s.shows("changes requested")
	if got, _ := s.shown(); !slices.Equal(got, []string{"assent: changes requested d93f0b", "urgent 111111"}) {
		t.Errorf("labels %q", got)
	}
	s.shows("applied")
	if got, _ := s.shown(); !slices.Equal(got, []string{"assent: applied 111111", "urgent 111111"}) {
		t.Errorf("labels %q", got)
	}
	s.shows("changes requested")
	var all []struct{ Name string }
	s.api("ann", http.MethodGet, "labels", nil, &all)
	if len(all) != len(ids)+1 {
		t.Errorf("labels of the repository: %v", all)
	}
}

// Those whose review is needed are asked once: not who was asked and taken off by
// hand, not the author; and by the name that the account has now.
func requestedOnce(t *testing.T, s *stage) {
	s.must(s.API(t.Context(), s.Admin(), http.MethodPost, "admin/users/"+s.person("cy").Login+"/rename", map[string]string{"new_username": s.person("cy").Login + "-2"}, nil))
	defer func() {
		s.must(s.API(t.Context(), s.Admin(), http.MethodPost, "admin/users/"+s.person("cy").Login+"-2/rename", map[string]string{"new_username": s.person("cy").Login}, nil))
	}()
	s.shows("waiting", "ann", "bo", "cy")
	s.asked("bo", "cy")
	s.api("ann", http.MethodDelete, fmt.Sprintf("pulls/%d/requested_reviewers", s.n), map[string][]string{"reviewers": {s.person("bo").Login}}, nil)
	s.shows("waiting", "ann", "bo", "cy", "di")
	s.asked("cy", "di")
	_, err := s.Repository.Review(t.Context(), "di", s.n, "COMMENT", "a question", "")
	s.must(err)
	s.shows("waiting", "bo", "cy", "di")
	s.asked("cy")
	again := s.report("waiting", "bo", "cy")
	again.Remind = true
	s.publish(s.f, again)
	s.asked("bo", "cy")
	var events []struct {
		Type     string
		Removed  bool               `json:"removed_assignee"`
		Assignee struct{ ID int64 } `json:"assignee"`
	}
	s.api("ann", http.MethodGet, fmt.Sprintf("issues/%d/timeline", s.n), nil, &events)
	told := 0
	for _, e := range events {
		if e.Type == "review_request" && !e.Removed && e.Assignee.ID == s.person("cy").ID {
			told++
		}
	}
	if told != 2 {
		t.Errorf("cy was asked %d times, want once and to be reminded once", told)
	}
}

// What Gitea refuses is told of once in the comment, and is not tried again; the
// status is there all the same.
func onlyHelps(t *testing.T, s *stage) {
	stranger := s.person("stranger") // who may not read the repository
	s.shows("waiting", "stranger", "cy")
	s.asked("cy")
	if want := fmt.Sprintf("no review could be requested of account %d: Gitea answers 422", stranger.ID); !strings.Contains(s.text(), want) {
		t.Errorf("the comment does not say %q:\n%s", want, s.text())
	}
	cfg := s.config()
	var refused []string
	cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet && (strings.Contains(r.URL.Path, "requested_reviewers") || strings.Contains(r.URL.Path, "labels")) {
			refused = append(refused, r.URL.Path)
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	f := s.open(cfg)
	s.publish(f, s.report("waiting", "stranger", "cy"))
	if len(refused) != 0 {
		t.Errorf("writes though nothing is new: %v", refused)
	}
	s.publish(f, s.report("changes requested", "di"))
	for _, want := range []string{"the label assent: waiting could not be taken off: Gitea answers 403", fmt.Sprintf("no review could be requested of account %d: Gitea answers 403", s.person("di").ID)} {
		if !strings.Contains(s.text(), want) {
			t.Errorf("%q is missing in:\n%s", want, s.text())
		}
	}
	var statuses []struct{ Status, Description string }
	s.api("ann", http.MethodGet, "commits/"+s.head+"/statuses?sort=oldest", nil, &statuses)
	if len(statuses) == 0 || statuses[len(statuses)-1].Description != "changes requested" {
		t.Errorf("statuses %+v", statuses)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Whoever only looks changes nothing around the pull request.
func looksOnly(t *testing.T, s *stage) {
	cfg := s.config()
	cfg.Look, cfg.Engine = true, s.person("engine").ID
	err := s.open(cfg).Publish(t.Context(), strconv.Itoa(s.n), s.report("waiting", "bo"))
	labels, waits := s.shown()
	if !errors.Is(err, forge.ErrForbidden) || len(labels) != 0 || len(waits) != 0 {
		t.Errorf("%v, labels %v, asked %v", err, labels, waits)
	}
}

// People's commands are read once each, from unedited comments.
func commandsOnce(t *testing.T, s *stage) {
	edited := s.says("bo", "/remind")
	s.Tick()
	s.api("bo", http.MethodPatch, fmt.Sprintf("issues/comments/%d", edited), map[string]string{"body": "/explain"}, nil)
	s.says("bo", "please /cancel this")
	s.says("engine", "/cancel")
	first, second := s.says("ann", "/cancel"), s.says("bo", "/recheck\nthanks")
	s.api("cy", http.MethodPost, fmt.Sprintf("issues/comments/%d/reactions", first), map[string]string{"content": "rocket"}, nil) // answers nothing
	got := s.heard()
	if len(got) != 2 || got[0].ID != strconv.FormatInt(first, 10) || got[0].Actor.ID != s.Actor("ann").ID || got[1].ID != strconv.FormatInt(second, 10) || got[1].Body != "/recheck\nthanks" {
		t.Fatalf("commands %+v", got)
	}
	for range 2 {
		s.must(s.f.Answer(t.Context(), strconv.Itoa(s.n), got[0].ID, true))
	}
	s.must(s.f.Answer(t.Context(), strconv.Itoa(s.n), got[1].ID, false))
	for id, want := range map[int64]string{first: "rocket", second: "confused"} {
		var list []struct {
			User    struct{ ID int64 }
			Content string
		}
		s.api("ann", http.MethodGet, fmt.Sprintf("issues/comments/%d/reactions", id), nil, &list)
		var own []string
		for _, r := range list {
			if r.User.ID == s.person("engine").ID {
				own = append(own, r.Content)
			}
		}
		if !slices.Equal(own, []string{want}) {
			t.Errorf("reactions of the engine: %v, want %s", own, want)
		}
	}
	if got := s.heard(); len(got) != 0 {
		t.Errorf("answered commands come again: %+v", got)
	}
}

// Whoever may write can change what somebody wrote, and within the second nobody
// sees it in the comment. It makes no command of theirs.
func changedAtOnce(t *testing.T, s *stage) {
	for range 20 {
		s.Tick()
		id := s.says("ann", "thanks")
		s.api("bo", http.MethodPatch, fmt.Sprintf("issues/comments/%d", id), map[string]string{"body": "/cancel"}, nil)
		var c struct {
			Created time.Time `json:"created_at"`
			Updated time.Time `json:"updated_at"`
			Body    string
			User    struct{ ID int64 }
		}
		s.api("bo", http.MethodGet, fmt.Sprintf("issues/comments/%d", id), nil, &c)
		if c.Body != "/cancel" || c.User.ID != s.person("ann").ID {
			t.Fatalf("the comment is %+v", c)
		}
		if got := s.heard(); len(got) != 0 {
			t.Fatalf("bo speaks for ann: %+v", got)
		}
		if c.Created.Equal(c.Updated) {
			return // and that is what the test is about
		}
	}
	t.Fatal("no comment was changed within its second")
}

// A pull request that the engine opened is from whoever wrote the comment that
// asked for it, as it was first written. No other pull request is from anybody but
// its author, whatever its branch is called.
func whoItIsFrom(t *testing.T, s *stage) {
	asked, edited, other := s.says("bo", "/extend 30d"), s.says("bo", "/recheck"), s.says("bo", "/explain")
	s.Tick()
	s.api("bo", http.MethodPatch, fmt.Sprintf("issues/comments/%d", edited), map[string]string{"body": "/extend 30d"}, nil)
	for i, tc := range []struct {
		by   string
		id   int64
		want string
	}{{"engine", asked, "bo"}, {"engine", edited, "engine"}, {"engine", other, "engine"}, {"engine", 999_999, "engine"}, {"cy", asked, "cy"}} {
		branch := fmt.Sprintf("request/%d-%s", i, change.ExtensionName("r", strconv.FormatInt(tc.id, 10)))
		n, err := s.Repository.Open(t.Context(), tc.by, branch, "x", map[string]string{"requests/y.yaml": branch})
		s.must(err)
		facts, err := s.f.Observe(t.Context(), strconv.Itoa(n))
		s.must(err)
		if facts.Author.ID != s.Actor(tc.want).ID {
			t.Errorf("%s opened %s: it is from %s, want %s", tc.by, branch, facts.Author.Login, tc.want)
		}
		if tc.want == "bo" { // and not any more once somebody else had a hand in it
			_, err := s.Repository.Push(t.Context(), "cy", n, map[string]string{"requests/y.yaml": "more"}, false)
			s.must(err)
			if facts, err = s.f.Observe(t.Context(), strconv.Itoa(n)); err != nil || facts.Author.ID != s.Actor("engine").ID {
				t.Errorf("%v: with a push of cy it is from %s", err, facts.Author.Login)
			}
		}
	}
}

// openedOnce opens the same again and finds it, also where only the branch is
// there, and takes nobody else's branch.
func openedOnce(t *testing.T, s *stage) {
	draft := func(branch string) change.Draft {
		return change.Draft{
			Branch: "request/" + branch, Title: "more", Files: map[string][]byte{"requests/" + branch + ".yaml": []byte("a: 1\n")},
			Author: gitdb.Person{Name: "bo", Email: "bo@example.com", When: time.Now()},
		}
	}
	one, err := s.f.OpenOnce(t.Context(), draft("a-extend-1"))
	s.must(err)
	for range 2 {
		again, err := s.f.OpenOnce(t.Context(), draft("a-extend-1"))
		if err != nil || again.ID != one.ID || again.Head != one.Head {
			t.Errorf("%v: once %+v, then %+v", err, one, again)
		}
	}
	for branch, same := range map[string]bool{"b-extend-1": true, "c-extend-1": false} {
		d := draft(branch)
		if !same {
			d.Files["requests/more.yaml"] = []byte("b: 1\n")
		}
		db := s.db()
		at, err := db.Fetch(t.Context(), s.Remote(s.person("cy").Token), map[string]string{"refs/heads/main": "refs/heads/main"})
		s.must(err)
		_, err = d.Push(t.Context(), db, s.Remote(s.person("cy").Token), at["refs/heads/main"])
		s.must(err)
		pr, err := s.f.OpenOnce(t.Context(), draft(branch))
		if same && (err != nil || pr.ID == "") || !same && !errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s: %+v, %v", branch, pr, err)
		}
	}
}

func engineCloses(t *testing.T, s *stage) {
	n, err := s.Repository.Open(t.Context(), "engine", "request/z", "z", map[string]string{"requests/z.yaml": "a: 1\n"})
	s.must(err)
	s.must(s.f.Close(t.Context(), strconv.Itoa(n), "denied"))
	if f, err := s.f.Observe(t.Context(), strconv.Itoa(n)); err != nil || f.State != review.StateClosed {
		t.Errorf("%v: it is %s", err, f.State)
	}
}

// A fresh approval counts whatever the engine's clock says.
func giteasClock(t *testing.T, s *stage) {
	s.Tick()
	_, err := s.Repository.Review(t.Context(), "bo", s.n, "APPROVED", "fine", "")
	s.must(err)
	for _, skew := range []time.Duration{-90 * time.Second, 0, 90 * time.Second} {
		cfg := s.config()
		cfg.Now = func() time.Time { return time.Now().Add(skew) }
		f, err := s.open(cfg).Observe(t.Context(), strconv.Itoa(s.n))
		s.must(err)
		if off := f.ObservedAt.Sub(f.ForgeTime); f.ForgeTime.IsZero() || f.Reviews[0].SubmittedAt.After(f.ForgeTime) || (off-skew).Abs() > 20*time.Second {
			t.Errorf("%s: the forge's time is %s, the engine's %s, the approval's %s", skew, f.ForgeTime, f.ObservedAt, f.Reviews[0].SubmittedAt)
		}
	}
}

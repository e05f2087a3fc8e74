package github_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/review"
)

// shown is a report as determine makes them.
func shown(head, state string, ask ...string) forge.Report {
	r := forge.Report{
		Head: head, Markdown: "how it stands: " + state + "\n", State: state, Line: state + " for cy: waiting", Why: "- stage 1\n",
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
		r.Ask = append(r.Ask, review.Actor{Forge: "github", ID: strconv.FormatInt(ids[name], 10), Login: name})
	}
	return r
}

// opened is a pull request of ann, and its forge.
func opened(t *testing.T) (*harness, forge.Forge, string, int) {
	t.Helper()
	h := newHarness(t)
	n, err := h.Server.Open("ann", "request/x", "x", map[string]string{"requests/x.yaml": "a: 1\n"})
	if err != nil {
		t.Fatal(err)
	}
	head, err := h.Head(n)
	if err != nil {
		t.Fatal(err)
	}
	return h, h.Forge(), head, n
}

func publish(t *testing.T, f forge.Forge, n int, r forge.Report) {
	t.Helper()
	if err := f.Publish(t.Context(), strconv.Itoa(n), r); err != nil {
		t.Fatal(err)
	}
}

// The label is that of the state, others stay.
func TestLabelFollowsTheState(t *testing.T) {
	h, f, head, n := opened(t)
	h.Label(n, "urgent")
	h.Label(n, "assent: waiting") // by hand
	publish(t, f, n, shown(head, "changes requested"))
	publish(t, f, n, shown(head, "changes requested"))
	if got := h.Labels(n); !slices.Equal(got, []string{"urgent", "assent: changes requested"}) {
		t.Errorf("labels %v", got)
	}
	publish(t, f, n, shown(head, "applied"))
	if got := h.Labels(n); !slices.Equal(got, []string{"urgent", "assent: applied"}) {
		t.Errorf("labels %v", got)
	}
	if got := h.Color("assent: applied"); got != "006b75" {
		t.Errorf("color %q", got)
	}
}

// Those whose review is needed are asked once: not who was asked and taken off by
// hand, not the author; and by the name that the account has now.
func TestReviewsAreRequestedOnceOfThoseStillNeeded(t *testing.T) {
	h, f, head, n := opened(t)
	h.Rename("cy", "cy-2")
	publish(t, f, n, shown(head, "waiting", "ann", "bo", "cy"))
	if got := h.Asked(n); !slices.Equal(got, []string{"bo", "cy-2"}) {
		t.Fatalf("asked %v", got)
	}
	h.Unask("ann", n, "bo")
	publish(t, f, n, shown(head, "waiting", "ann", "bo", "cy", "di"))
	if got := h.Asked(n); !slices.Equal(got, []string{"cy-2", "di"}) {
		t.Errorf("after bo was taken off by hand: %v", got)
	}
	if _, err := h.Server.Review("di", n, "COMMENT", "a question", ""); err != nil {
		t.Fatal(err)
	}
	publish(t, f, n, shown(head, "waiting", "bo", "cy", "di"))
	if got := h.Asked(n); !slices.Equal(got, []string{"cy-2"}) {
		t.Errorf("after di answered: %v", got)
	}
	again := shown(head, "waiting", "bo", "cy")
	again.Remind = true
	publish(t, f, n, again)
	if got := h.Asked(n); !slices.Equal(got, []string{"bo", "cy-2"}) {
		t.Errorf("after a reminder: %v", got)
	}
}

// What GitHub refuses is told of once in the comment, and is not tried again; the
// status is there all the same.
func TestWhatHelpsOnlyNeverHoldsUpAReport(t *testing.T) {
	h, f, head, n := opened(t)
	h.Stranger("bo")
	publish(t, f, n, shown(head, "waiting", "bo", "cy"))
	if got := h.Asked(n); !slices.Equal(got, []string{"cy"}) {
		t.Errorf("asked %v", got)
	}
	body := last(h.Server.Published(n, "assent-engine"))
	if !strings.Contains(body, "no review could be requested of account 12: GitHub answers 422") {
		t.Errorf("the comment does not say so:\n%s", body)
	}
	tries := 0
	h.Misbehave(githubtest.Faults{Fail: func(r *http.Request) int {
		if r.Method != http.MethodGet && (strings.Contains(r.URL.Path, "requested_reviewers") || strings.Contains(r.URL.Path, "labels")) {
			tries++
			return http.StatusForbidden
		}
		return 0
	}})
	publish(t, f, n, shown(head, "waiting", "bo", "cy"))
	if tries != 0 {
		t.Errorf("%d writes though nothing is new", tries)
	}
	publish(t, f, n, shown(head, "changes requested", "di"))
	body = last(h.Server.Published(n, "assent-engine"))
	for _, want := range []string{"the label assent: waiting could not be taken off: GitHub answers 403", "no review could be requested of account 14: GitHub answers 403"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in:\n%s", want, body)
		}
	}
	if got := h.Comments(n); got != 1 {
		t.Errorf("%d comments", got)
	}
	if got := h.Shown(head, "assent: main"); got != "pending" {
		t.Errorf("status %q", got)
	}
}

// Whoever only looks changes nothing around the pull request.
func TestLookingLabelsAndAsksNothing(t *testing.T) {
	h, _, head, n := opened(t)
	cfg := h.config()
	cfg.Look, cfg.Engine = true, 99
	_ = h.open(cfg).Publish(t.Context(), strconv.Itoa(n), shown(head, "waiting", "bo"))
	if len(h.Labels(n)) != 0 || len(h.Asked(n)) != 0 || h.Comments(n) != 0 {
		t.Errorf("labels %v, asked %v, %d comments", h.Labels(n), h.Asked(n), h.Comments(n))
	}
}

func last(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// People's commands are read once each, from unedited comments of people.
func TestCommandsAreReadOnceEach(t *testing.T) {
	h, f, _, n := opened(t)
	l := f.(forge.Listener)
	comment := func(by, body string) int64 {
		id, err := h.Comment(by, n, body)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	comment("bo", "please /cancel this")
	comment("assent-engine", "/cancel")
	edited := comment("bo", "/remind")
	h.EditComment(edited, "/cancel")
	first, second := comment("ann", "/explain"), comment("bo", "/recheck\nthanks")
	h.React("cy", first, "rocket") // somebody else's reaction answers nothing
	got, err := l.Commands(t.Context(), strconv.Itoa(n))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].ID != strconv.FormatInt(first, 10) || got[1].Body != "/recheck\nthanks" || got[1].Actor.ID != "12" {
		t.Fatalf("commands %+v", got)
	}
	for range 2 {
		if err := l.Answer(t.Context(), strconv.Itoa(n), got[0].ID, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Answer(t.Context(), strconv.Itoa(n), got[1].ID, false); err != nil {
		t.Fatal(err)
	}
	if got := h.Reactions("assent-engine", first); !slices.Equal(got, []string{"rocket"}) {
		t.Errorf("reactions %v", got)
	}
	if got := h.Reactions("assent-engine", second); !slices.Equal(got, []string{"confused"}) {
		t.Errorf("reactions %v", got)
	}
	if got, err = l.Commands(t.Context(), strconv.Itoa(n)); err != nil || len(got) != 0 {
		t.Errorf("answered commands come again: %+v, %v", got, err)
	}
	for range 50 {
		comment("bo", "/recheck")
	}
	if got, err = l.Commands(t.Context(), strconv.Itoa(n)); err != nil || len(got) != 10 {
		t.Errorf("a flood of commands is read whole: %d, %v", len(got), err)
	}
}

// A pull request that the engine opened is from whoever wrote the comment that
// asked for it, as it was first written. No other pull request is from anybody
// but its author, whatever its branch is called.
func TestWhoAPullRequestIsFrom(t *testing.T) {
	h, f, _, n := opened(t)
	comment := func(by, body string) int64 {
		id, err := h.Comment(by, n, body)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	asked, edited, other := comment("bo", "/extend 30d"), comment("bo", "/recheck"), comment("bo", "/explain")
	h.EditComment(edited, "/extend 30d")
	for _, tc := range []struct {
		by, branch, want string
	}{
		{"assent-engine", "request/x-" + change.ExtensionName("r", strconv.FormatInt(asked, 10)), "12"},
		{"assent-engine", "request/x-" + change.ExtensionName("r", strconv.FormatInt(edited, 10)), "99"},
		{"assent-engine", "request/x-" + change.ExtensionName("r", strconv.FormatInt(other, 10)), "99"},
		{"assent-engine", "request/x-" + change.ExtensionName("r", "999999"), "99"},
		{"cy", "request/y-" + change.ExtensionName("r", strconv.FormatInt(asked, 10)), "13"},
	} {
		made, err := h.Server.Open(tc.by, tc.branch, "x", map[string]string{"requests/y.yaml": tc.branch + tc.by})
		if err != nil {
			t.Fatal(err)
		}
		facts, err := f.Observe(t.Context(), strconv.Itoa(made))
		if err != nil {
			t.Fatal(err)
		}
		if facts.Author.ID != tc.want {
			t.Errorf("%s opened %s: it is from %s, want %s", tc.by, tc.branch, facts.Author.ID, tc.want)
		}
	}
}

package github_test

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/gitdb"
)

// asked is an issue of ann's and the pull request that the engine opened for it.
func asked(t *testing.T, app bool) (*stage, int) {
	t.Helper()
	h := newHarness(t)
	if app {
		h.asApp()
	}
	issue := h.OpenIssue("ann", "data", "### What?\n\norders\n", github.IssueLabel)
	s := &stage{harness: h, g: h.open(h.config())}
	s.n = s.opens(issue)
	return s, issue
}

func draft(issue int) change.Draft {
	return change.Draft{
		Branch: github.IssueBranch(issue), Title: "for ann", Body: "x", Files: map[string][]byte{"requests/one.yaml": []byte("role: read\n")},
		Author: gitdb.Person{Name: "assent", Email: "assent@localhost"},
	}
}

func (s *stage) opens(issue int) int {
	s.t.Helper()
	d := draft(issue)
	d.Author.When = s.Now()
	pr, _, err := s.g.OpenFor(s.t.Context(), issue, d)
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, r := range pr.ID {
		n = n*10 + int(r-'0')
	}
	return n
}

func TestWhoWroteTheIssueAsks(t *testing.T) {
	t.Parallel()
	for _, app := range []bool{false, true} {
		s, _ := asked(t, app)
		f := s.look()
		if f.Author.ID != "11" || f.Author.Bot || f.Issue == "" {
			t.Errorf("app %v: the author is %+v, by issue %q", app, f.Author, f.Issue)
		}
	}
}

// TestNobodyAsksForAnother: whatever is not as the engine makes it leaves the
// pull request with the account that opened it, which nobody in a directory is.
func TestNobodyAsksForAnother(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]func(s *stage, issue int){
		"bo pushes into the branch": func(s *stage, _ int) {
			s.must(s.Server.Push("bo", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, false))
		},
		"bo puts something else there by force": func(s *stage, _ int) {
			s.must(s.Server.Push("bo", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, true))
		},
		"the issue is gone": func(s *stage, issue int) { s.DeleteIssue(issue) },
		"bo opens one of that name": func(s *stage, _ int) {
			n, err := s.Server.Open("bo", "intake/1002", "x", map[string]string{"requests/one.yaml": "role: read\n"})
			s.must(err)
			s.OpenIssue("ann", "x", "y")
			s.n = n
		},
		"the engine's of another branch": func(s *stage, issue int) {
			n, err := s.Server.Open("assent-engine", "request/x", "For #1001", map[string]string{"requests/one.yaml": "role: read\n"})
			s.must(err)
			s.n = n
		},
		"a number that is no number": func(s *stage, _ int) {
			n, err := s.Server.Open("assent-engine", "intake/01001", "x", map[string]string{"requests/one.yaml": "role: read\n"})
			s.must(err)
			s.n = n
		},
		"the number of a pull request": func(s *stage, _ int) {
			one, err := s.Server.Open("ann", "request/y", "x", map[string]string{"requests/y.yaml": "role: read\n"})
			s.must(err)
			n, err := s.Server.Open("assent-engine", github.IssueBranch(one), "x", map[string]string{"requests/one.yaml": "role: read\n"})
			s.must(err)
			s.n = n
		},
		"an issue of the engine's own": func(s *stage, _ int) { s.n = s.opens(s.OpenIssue("assent-engine", "x", "y")) },
		"an issue of a bot": func(s *stage, _ int) {
			s.Add(githubtest.User{ID: 77, Login: "helper[bot]", Type: "Bot"}, "")
			s.n = s.opens(s.OpenIssue("helper[bot]", "x", "y"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, issue := asked(t, false)
			attack(s, issue)
			f := s.look()
			if f.Author.ID == "11" || f.Issue != "" {
				t.Errorf("the author is %+v, by issue %q", f.Author, f.Issue)
			}
		})
	}
}

// The issue's author may mend what the engine opened.
func TestTheAskerMayPush(t *testing.T) {
	t.Parallel()
	s, _ := asked(t, false)
	s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: none\n"}, false))
	if f := s.look(); f.Author.ID != "11" {
		t.Errorf("the author is %+v", f.Author)
	}
}

func TestOneIssueHasOnePullRequest(t *testing.T) {
	t.Parallel()
	s, issue := asked(t, false)
	for range 3 {
		if n := s.opens(issue); n != s.n {
			t.Errorf("opened %d beside %d", n, s.n)
		}
	}
	s.must(s.Server.Shut("di", s.n))
	if n := s.opens(issue); n != s.n {
		t.Errorf("opened %d after %d was closed", n, s.n)
	}
}

// A branch that is there already is used where it is what the engine would have
// pushed, and left alone where it is not.
func TestABranchThatWasLeftIsUsedOnlyAsOurs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cfg := h.config()
	cfg.Transport = &mortal{left: 1} // dies when it has opened the pull request, or before
	g := h.open(cfg)
	issue := h.OpenIssue("ann", "x", "y")
	d := draft(issue)
	d.Author.When = h.Now()
	if _, _, err := g.OpenFor(t.Context(), issue, d); err == nil {
		t.Fatal("it did not die")
	}
	again := &stage{harness: h, g: h.open(h.config())}
	n := again.opens(issue)
	if got := h.PullsOf("assent-engine"); len(got) != 1 || got[0] != n {
		t.Errorf("pull requests %v", got)
	}
	other := h.OpenIssue("ann", "x", "y")
	if err := h.Branch("bo", github.IssueBranch(other), map[string]string{"requests/one.yaml": "role: admin\n"}); err != nil {
		t.Fatal(err)
	}
	d.Branch = github.IssueBranch(other)
	if _, _, err := again.g.OpenFor(t.Context(), other, d); err == nil || !strings.Contains(err.Error(), "holds something else") {
		t.Errorf("a branch of bo's: %v", err)
	}
}

func TestWhoEditedAnIssueIsTold(t *testing.T) {
	t.Parallel()
	s, issue := asked(t, false)
	s.EditIssue("ann", issue, "better")
	one, err := s.g.Issue(t.Context(), issue)
	if err != nil || len(one.Others) != 0 || one.Body != "better" || one.Author.ID != "11" {
		t.Errorf("%+v, %v", one, err)
	}
	s.EditIssue("bo", issue, "for bo")
	if one, err = s.g.Issue(t.Context(), issue); err != nil || len(one.Others) != 1 || one.Others[0].ID != "12" {
		t.Errorf("%+v, %v", one, err)
	}
	if _, err := s.g.Issue(t.Context(), s.n); err == nil {
		t.Error("a pull request is read as an issue")
	}
}

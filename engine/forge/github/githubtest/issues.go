package githubtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// firstIssue is the number of the first issue: above those of pull requests, with
// which issues share their numbers.
const firstIssue = 1001

type issue struct {
	number      int
	title, body string
	user        User
	open        bool
	labels      []string
	editors     []User
	created     time.Time
}

func (s *Server) issueRoutes(repo string) map[string]handle {
	return map[string]handle{
		"GET " + repo + "/issues":       s.listIssues,
		"GET " + repo + "/issues/{n}":   s.getIssue,
		"PATCH " + repo + "/issues/{n}": s.patchIssue,
	}
}

// OpenIssue opens an issue.
func (s *Server) OpenIssue(by, title, body string, labels ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := &issue{number: firstIssue + len(s.issues), title: title, body: body, user: s.users[by], open: true, labels: labels, created: s.tick()}
	s.issues = append(s.issues, i)
	return i.number
}

// EditIssue changes the text of an issue.
func (s *Server) EditIssue(by string, n int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.issue(n)
	i.body, i.editors = body, append(i.editors, s.users[by])
}

// IssueOpen reports whether an issue is open.
func (s *Server) IssueOpen(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(n).open
}

// DeleteIssue takes an issue away.
func (s *Server) DeleteIssue(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issue(n).number = 0
}

// PullsOf are the numbers of the pull requests that an account opened.
func (s *Server) PullsOf(login string) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []int
	for _, p := range s.pulls {
		if p.author.Login == login {
			out = append(out, p.number)
		}
	}
	return out
}

func (s *Server) issue(n int) *issue {
	for _, i := range s.issues {
		if i.number == n {
			return i
		}
	}
	return nil
}

// numbered is the number in a path, where a pull request or an issue has it.
func (s *Server) numbered(r *http.Request) (int, bool) {
	n, err := strconv.Atoi(r.PathValue("n"))
	return n, err == nil && (s.pull(n) != nil || s.issue(n) != nil)
}

func (s *Server) issueJSON(i *issue) object {
	at := repoAPI + "/issues/" + strconv.Itoa(i.number)
	state, closed := "open", any(nil)
	if !i.open {
		state, closed = "closed", stamp(s.now)
	}
	labels := []object{}
	for n, l := range i.labels {
		labels = append(labels, object{"id": n + 1, "node_id": node("LA", int64(n)), "url": at, "name": l, "color": "ededed", "default": false, "description": nil})
	}
	return object{
		"id": 5000 + i.number, "node_id": node("I", int64(i.number)), "url": at, "repository_url": repoAPI, "labels_url": at + "/labels{/name}",
		"comments_url": at + "/comments", "events_url": at + "/events", "html_url": repoHTML + "/issues/" + strconv.Itoa(i.number), "number": i.number,
		"state": state, "title": i.title, "body": textOrNull(i.body), "user": userJSON(i.user), "labels": labels, "assignee": nil, "milestone": nil,
		"locked": false, "comments": 0, "closed_at": closed, "created_at": stamp(i.created), "updated_at": stamp(s.now), "author_association": "NONE",
	}
}

func (s *Server) listIssues(r *http.Request, _ User) (int, any) {
	q := r.URL.Query()
	list := []object{}
	for _, i := range s.issues {
		lacks := slices.ContainsFunc(strings.FieldsFunc(q.Get("labels"), func(r rune) bool { return r == ',' }), func(l string) bool { return !slices.Contains(i.labels, l) })
		if i.number != 0 && !lacks && (q.Get("state") == "all" || (q.Get("state") != "closed") == i.open) {
			list = append(list, s.issueJSON(i))
		}
	}
	return 200, list
}

func (s *Server) getIssue(r *http.Request, _ User) (int, any) {
	n, ok := s.numbered(r)
	if !ok {
		return notFound()
	}
	if i := s.issue(n); i != nil {
		return 200, s.issueJSON(i)
	}
	p := s.pull(n)
	at := repoAPI + "/pulls/" + strconv.Itoa(n)
	return 200, with(s.issueJSON(&issue{number: n, title: p.title, user: p.author, open: p.open, created: p.created}), object{
		"pull_request": object{"url": at, "html_url": nowhere, "diff_url": nowhere, "patch_url": nowhere},
	})
}

func (s *Server) patchIssue(r *http.Request, _ User) (int, any) {
	var in struct{ State string }
	n, ok := s.numbered(r)
	if i := s.issue(n); ok && i != nil && read(r, &in) && in.State == "closed" {
		i.open = false
		return 200, s.issueJSON(i)
	}
	return notFound()
}

// graphql answers the one question that the adapter asks: who edited an issue.
func (s *Server) graphql(r *http.Request, _ User) (int, any) {
	var in struct {
		Query     string
		Variables struct {
			Owner, Name string
			N           int
		}
	}
	if !read(r, &in) || !strings.Contains(in.Query, "userContentEdits") || in.Variables.Owner != Owner || in.Variables.Name != Repository {
		return 200, object{"errors": []object{{"message": "Could not resolve"}}}
	}
	i := s.issue(in.Variables.N)
	if i == nil {
		return 200, object{"data": object{"repository": object{"databaseId": ID, "issue": nil}}, "errors": []object{{"message": "Could not resolve to an Issue"}}}
	}
	nodes := []object{}
	for _, e := range i.editors {
		nodes = append(nodes, object{"editor": object{"__typename": e.Type, "login": e.Login, "databaseId": e.ID}})
	}
	return 200, object{"data": object{"repository": object{"databaseId": ID, "issue": object{
		"userContentEdits": object{"totalCount": len(nodes), "nodes": nodes},
	}}}}
}

// Branch pushes a branch with files and opens nothing.
func (s *Server) Branch(by, branch string, files map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	base, err := s.base()
	if err != nil {
		return err
	}
	head, err := s.commit(base, files, "x\n", by)
	if err != nil {
		return err
	}
	return s.db.MoveRef("refs/heads/"+branch, "", head)
}

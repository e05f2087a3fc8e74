package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
)

type object = map[string]any

// handler serves the API below /api/v3/ and git below /OWNER/NAME.git.
func (s *Server) handler(git http.Handler, wrap func(http.Handler) http.Handler) http.Handler {
	api := http.NewServeMux()
	repo := "/repos/" + Owner + "/" + Repository
	for pattern, h := range map[string]func(r *http.Request, by User) (int, any){
		"GET /user":                               s.getMe,
		"GET /users/{login}":                      s.getUser,
		"GET " + repo:                             func(_ *http.Request, by User) (int, any) { return 200, s.repositoryJSON(by) },
		"GET " + repo + "/pulls":                  s.listPulls,
		"POST " + repo + "/pulls":                 s.postPull,
		"GET " + repo + "/pulls/{n}":              s.getPull,
		"PATCH " + repo + "/pulls/{n}":            s.patchPull,
		"PUT " + repo + "/pulls/{n}/merge":        s.putMerge,
		"GET " + repo + "/pulls/{n}/reviews":      s.listReviews,
		"POST " + repo + "/pulls/{n}/reviews":     s.postReview,
		"GET " + repo + "/pulls/{n}/commits":      s.listCommits,
		"GET " + repo + "/issues/{n}/{what}":      s.getOfIssue,
		"POST " + repo + "/issues/{n}/comments":   s.postComment,
		"PATCH " + repo + "/issues/comments/{id}": s.patchComment,
		"GET " + repo + "/commits/{sha}/statuses": s.listStatuses,
		"POST " + repo + "/statuses/{sha}":        s.postStatus,
		"GET " + repo + "/activity":               s.listActivity,
	} {
		api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h) })
	}
	for _, more := range []map[string]func(r *http.Request, by User) (int, any){s.settingsRoutes(repo), s.issueRoutes(repo), s.checkRoutes(repo), s.hookRoutes(repo), s.socialRoutes(repo), s.scanRoutes(repo)} {
		for pattern, h := range more {
			api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h) })
		}
	}
	for pattern, h := range s.appRoutes() {
		api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveApp(w, r, h) })
	}
	mux, rest := http.NewServeMux(), http.StripPrefix("/api/v3", byNumber(api))
	if wrap != nil {
		rest = wrap(rest)
	}
	mux.Handle("/api/v3/", rest)
	mux.HandleFunc("POST /api/graphql", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s.graphql) })
	mux.HandleFunc("/"+Owner+"/", func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := r.BasicAuth()
		s.mu.Lock()
		_, ok := s.whose(token)
		s.mu.Unlock()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		git.ServeHTTP(w, r)
	})
	return mux
}

// serve checks the token, plays the faults and writes the answer, one request at
// a time.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, h func(r *http.Request, by User) (int, any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	by, ok := s.whose(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if !ok {
		answer(w, http.StatusUnauthorized, object{"message": "Bad credentials"})
		return
	}
	w.Header().Set("Date", s.date().UTC().Format(http.TimeFormat))
	if s.misbehaves(w, r) {
		return
	}
	code, body := h(r, by)
	if list, ok := body.([]func() object); ok { // made for the page only: a list may be long
		made := []object{}
		for _, one := range page(s, w, r, list) {
			made = append(made, one())
		}
		body = made
	} else if list, ok := body.([]object); ok && r.Method == http.MethodGet {
		body = page(s, w, r, list)
	}
	if p, ok := body.(pageOf); ok {
		body = object{"total_count": len(p.list), p.name: page(s, w, r, p.list)}
	}
	if s.settings.Scopes != nil {
		w.Header().Set("X-OAuth-Scopes", *s.settings.Scopes)
	}
	w.Header().Set("Date", s.date().UTC().Format(http.TimeFormat)) // it has moved on with what was done
	s.calls.All++
	if r.Method == http.MethodGet && code == http.StatusOK && unchanged(w, r, body) {
		s.calls.Unchanged++
		return
	}
	answer(w, code, body)
}

// pageOf is a list that is one field of the answer, beside its length.
type pageOf struct {
	name string
	list []object
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// page cuts a list, and says where the next page is, unless it misbehaves.
func page[T any](s *Server, w http.ResponseWriter, r *http.Request, list []T) []T {
	size, at := 30, 1
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > 0 {
		size = min(n, 100)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 0 {
		at = n
	}
	if s.faults.PageSize > 0 {
		size = s.faults.PageSize
	}
	from := min((at-1)*size, len(list))
	to := min(from+size, len(list))
	if to < len(list) && s.faults.PageSize == 0 {
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(at+1))
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, strings.TrimSuffix(s.URL, "/")+r.URL.Path, q.Encode()))
	}
	return list[from:to]
}

func notFound() (int, any) { return http.StatusNotFound, object{"message": "Not Found"} }

func invalid(why string) (int, any) {
	return http.StatusUnprocessableEntity, object{"message": why, "documentation_url": "https://docs.github.com/rest"}
}

func (s *Server) pathPull(r *http.Request) *pull {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		return nil
	}
	return s.pull(n)
}

func read(r *http.Request, into any) bool { return json.NewDecoder(r.Body).Decode(into) == nil }

// getMe is whose token it is; that of an installation is nobody's.
func (s *Server) getMe(_ *http.Request, by User) (int, any) {
	if _, ok := s.appOf(by); ok {
		return http.StatusForbidden, object{"message": "Resource not accessible by integration"}
	}
	return 200, profileJSON(by, s.begin)
}

func (s *Server) getUser(r *http.Request, _ User) (int, any) {
	u, ok := s.users[r.PathValue("login")]
	if !ok {
		return notFound()
	}
	return 200, profileJSON(u, s.begin)
}

func (s *Server) listPulls(r *http.Request, _ User) (int, any) {
	list := []func() object{}
	for _, p := range s.pulls {
		q := r.URL.Query()
		if state := q.Get("state"); state != "all" && (state == "closed") == p.open || q.Get("base") != "" && q.Get("base") != p.base || q.Get("head") != "" && q.Get("head") != Owner+":"+p.headRef {
			continue
		}
		list = append(list, func() object { return s.pullJSON(p, false) })
	}
	return 200, list
}

func (s *Server) postPull(r *http.Request, by User) (int, any) {
	var in struct{ Title, Head, Base, Body string }
	if !read(r, &in) || in.Base != "main" {
		return invalid("Validation Failed")
	}
	head, err := s.db.Resolve("refs/heads/" + in.Head)
	if err != nil {
		return invalid("the head is no branch")
	}
	n, err := s.opened(by.Login, in.Head, in.Title, head)
	if err != nil {
		return invalid(err.Error())
	}
	s.pull(n).body = in.Body
	return 201, s.pullJSON(s.pull(n), true)
}

func (s *Server) getPull(r *http.Request, _ User) (int, any) {
	p := s.pathPull(r)
	if p == nil {
		return notFound()
	}
	shown := *p
	if p.lags > 0 {
		p.lags--
		shown.head = p.was
	}
	return 200, s.pullJSON(&shown, true)
}

func (s *Server) patchPull(r *http.Request, by User) (int, any) {
	p := s.pathPull(r)
	var in struct{ State string }
	if p == nil {
		return notFound()
	}
	if !read(r, &in) || in.State != "closed" {
		return invalid("Validation Failed")
	}
	if p.open {
		p.open, p.closed = false, s.tick()
		p.events = append(p.events, event{ID: s.id(), Event: "closed", Actor: by, At: s.tick()})
	}
	return 200, s.pullJSON(p, true)
}

func (s *Server) putMerge(r *http.Request, by User) (int, any) {
	p := s.pathPull(r)
	var in struct {
		SHA    string `json:"sha"`
		Method string `json:"merge_method"`
	}
	switch {
	case p == nil:
		return notFound()
	case !read(r, &in) || !slices.Contains([]string{"", "merge", "squash", "rebase"}, in.Method):
		return invalid("Validation Failed")
	case !p.open:
		return http.StatusMethodNotAllowed, object{"message": "Pull Request is not mergeable"}
	case in.SHA != "" && in.SHA != string(p.head):
		return http.StatusConflict, object{"message": "Head branch was modified. Review and try the merge again."}
	}
	if missing := s.missingCheck(p); missing != "" {
		return http.StatusMethodNotAllowed, object{"message": "Repository rule violations found\n\nRequired status check \"" + missing + "\" is expected."}
	}
	tree, base, err := s.mergeTree(p)
	if err != nil {
		return http.StatusMethodNotAllowed, object{"message": "Pull Request is not mergeable"}
	}
	oid, err := s.mergeCommit(p, base, tree, nil, in.Method == "" || in.Method == "merge")
	if err == nil {
		err = s.finish(p, base, oid, by)
	}
	if err != nil {
		return http.StatusInternalServerError, object{"message": err.Error()}
	}
	return 200, object{"sha": string(oid), "merged": true, "message": "Pull Request successfully merged"}
}

func (s *Server) listReviews(r *http.Request, _ User) (int, any) {
	p := s.pathPull(r)
	if p == nil {
		return notFound()
	}
	list := []object{}
	for _, v := range p.reviews {
		if v.lags > 0 {
			v.lags--
			continue
		}
		list = append(list, p.reviewJSON(v))
	}
	return 200, list
}

func (s *Server) postReview(r *http.Request, by User) (int, any) {
	p := s.pathPull(r)
	var in struct {
		Event, Body string
		CommitID    string `json:"commit_id"`
	}
	if p == nil {
		return notFound()
	}
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	s.mu.Unlock()
	id, err := s.Review(by.Login, p.number, in.Event, in.Body, in.CommitID)
	s.mu.Lock()
	if err != nil {
		return invalid(err.Error())
	}
	i := slices.IndexFunc(p.reviews, func(v *reviewed) bool { return v.ID == id })
	return 200, p.reviewJSON(p.reviews[i])
}

// commits are those of a pull request, the newest first.
func (s *Server) commits(p *pull) []gitdb.Commit {
	base, err := s.db.Resolve("refs/heads/" + p.base)
	if err != nil {
		return nil
	}
	if p.merged {
		if c, err := s.db.Commit(p.mergeCommit); err == nil {
			base = c.Parents[0]
		}
	}
	stop, err := s.db.MergeBase(base, p.head)
	if err != nil {
		return nil
	}
	list, _, _ := s.db.FirstParents(p.head, stop)
	return slices.DeleteFunc(list, func(c gitdb.Commit) bool { return c.OID == stop })
}

func (s *Server) listCommits(r *http.Request, _ User) (int, any) {
	p := s.pathPull(r)
	if p == nil {
		return notFound()
	}
	list := []object{}
	for _, c := range slices.Backward(s.commits(p)) {
		// GitHub knows an account by the address in the commit.
		u := userJSON(s.users[strings.TrimSuffix(c.Author.Email, "@example.com")])
		list = append(list, commitJSON(c, u))
	}
	return 200, list
}

func (s *Server) listEvents(r *http.Request, _ User) (int, any) {
	p := s.pathPull(r)
	if p == nil {
		return notFound()
	}
	list := []object{}
	for _, e := range p.events {
		list = append(list, eventJSON(e))
	}
	return 200, list
}

func (s *Server) listComments(r *http.Request, _ User) (int, any) {
	n, ok := s.numbered(r)
	if !ok {
		return notFound()
	}
	list := []object{}
	for _, c := range s.comments {
		if c.Issue == n {
			list = append(list, commentJSON(c))
		}
	}
	return 200, list
}

func (s *Server) postComment(r *http.Request, by User) (int, any) {
	n, ok := s.numbered(r)
	var in struct{ Body string }
	if !ok {
		return notFound()
	}
	if !read(r, &in) || in.Body == "" || len(in.Body) > 65536 {
		return invalid("Validation Failed")
	}
	c := &comment{ID: s.id(), Issue: n, User: by, Body: in.Body, At: s.tick(), Shown: []string{in.Body}}
	s.comments = append(s.comments, c)
	return 201, commentJSON(c)
}

func (s *Server) patchComment(r *http.Request, _ User) (int, any) {
	var in struct{ Body string }
	i := slices.IndexFunc(s.comments, func(c *comment) bool { return strconv.FormatInt(c.ID, 10) == r.PathValue("id") })
	if i < 0 {
		return notFound()
	}
	if !read(r, &in) || in.Body == "" || len(in.Body) > 65536 {
		return invalid("Validation Failed")
	}
	c := s.comments[i]
	c.Body, c.Updated = in.Body, s.tick()
	c.Shown = append(c.Shown, in.Body)
	return 200, commentJSON(c)
}

func (s *Server) listStatuses(r *http.Request, _ User) (int, any) {
	list := []object{}
	for _, st := range slices.Backward(s.statuses[r.PathValue("sha")]) {
		list = append(list, statusJSON(st))
	}
	return 200, list
}

func (s *Server) postStatus(r *http.Request, by User) (int, any) {
	var in struct{ State, Context, Description string }
	sha := r.PathValue("sha")
	if _, err := s.db.Commit(gitdb.OID(sha)); err != nil {
		return invalid("No commit found for SHA: " + sha)
	}
	if !read(r, &in) || !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State) || len([]rune(in.Description)) > 140 {
		return invalid("Validation Failed")
	}
	st := status{s.id(), in.State, in.Context, in.Description, by, s.tick()}
	s.statuses[sha] = append(s.statuses[sha], st)
	return 201, statusJSON(st)
}

func (s *Server) listActivity(r *http.Request, _ User) (int, any) {
	list := []object{}
	for _, a := range s.activity {
		if ref := r.URL.Query().Get("ref"); !s.faults.NoActivity && (ref == "" || ref == a.Ref) {
			list = append(list, activityJSON(a))
		}
	}
	return 200, list
}

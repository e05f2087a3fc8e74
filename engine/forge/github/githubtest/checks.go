package githubtest

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
)

type check struct {
	ID                     int64
	Head, Name             string
	App                    App
	External               string
	Status, Conclusion     string
	Title, Summary, Text   string
	StartedAt, CompletedAt time.Time
	annotations            int
}

// checkIn is what a request says of a check; what it leaves out stays.
type checkIn struct {
	Name       string
	HeadSHA    string `json:"head_sha"`
	External   string `json:"external_id"`
	Status     string
	Conclusion string
	StartedAt  *time.Time `json:"started_at"`
	Output     *struct {
		Title, Summary, Text string
		Annotations          []any
	}
}

func (s *Server) checkRoutes(repo string) map[string]func(r *http.Request, by User) (int, any) {
	return map[string]func(r *http.Request, by User) (int, any){
		"POST " + repo + "/check-runs":              s.postCheck,
		"PATCH " + repo + "/check-runs/{id}":        s.patchCheck,
		"GET " + repo + "/commits/{sha}/check-runs": s.listChecks,
	}
}

// only an App may write checks.
func notAnApp() (int, any) {
	return http.StatusForbidden, object{"message": "You must authenticate via a GitHub App."}
}

func (s *Server) postCheck(r *http.Request, by User) (int, any) {
	a, ok := s.appOf(by)
	if !ok {
		return notAnApp()
	}
	var in checkIn
	if !read(r, &in) || in.Name == "" {
		return invalid("Validation Failed")
	}
	if _, err := s.db.Commit(gitdb.OID(in.HeadSHA)); err != nil {
		return invalid("No commit found for SHA: " + in.HeadSHA)
	}
	c := &check{ID: s.id(), Head: in.HeadSHA, Name: in.Name, App: a, Status: "queued", StartedAt: s.tick()}
	if !c.set(in, s.now) {
		return invalid("Validation Failed")
	}
	s.checks = append(s.checks, c)
	return http.StatusCreated, s.checkJSON(c)
}

func (s *Server) patchCheck(r *http.Request, by User) (int, any) {
	a, ok := s.appOf(by)
	if !ok {
		return notAnApp()
	}
	i := slices.IndexFunc(s.checks, func(c *check) bool { return strconv.FormatInt(c.ID, 10) == r.PathValue("id") })
	if i < 0 {
		return notFound()
	}
	c := s.checks[i]
	if c.App.ID != a.ID {
		return http.StatusForbidden, object{"message": "Invalid app_id `" + strconv.FormatInt(a.ID, 10) + "` - check run can only be modified by the GitHub App that created it."}
	}
	var in checkIn
	if !read(r, &in) || !c.set(in, s.tick()) {
		return invalid("Validation Failed")
	}
	return http.StatusOK, s.checkJSON(c)
}

// set takes over what a request says, and reports whether it may be so.
func (c *check) set(in checkIn, now time.Time) bool {
	if in.Name != "" {
		c.Name = in.Name
	}
	if in.External != "" {
		c.External = in.External
	}
	if in.Status != "" {
		c.Status, c.Conclusion, c.CompletedAt = in.Status, "", time.Time{}
	}
	if in.Conclusion != "" { // says that it is completed
		c.Status, c.Conclusion, c.CompletedAt = "completed", in.Conclusion, now
	}
	if in.StartedAt != nil {
		c.StartedAt = *in.StartedAt
	}
	const most = 65535
	if o := in.Output; o != nil {
		c.Title, c.Summary, c.Text = o.Title, o.Summary, o.Text
		c.annotations += len(o.Annotations)
		if o.Title == "" || o.Summary == "" || len([]rune(o.Summary)) > most || len([]rune(o.Text)) > most {
			return false
		}
	}
	return (c.Status == "completed") == (c.Conclusion != "")
}

// listChecks lists the newest check of each name, or all, the newest first.
func (s *Server) listChecks(r *http.Request, _ User) (int, any) {
	q := r.URL.Query()
	list, seen := []object{}, map[string]bool{}
	for _, c := range slices.Backward(s.checks) {
		if c.Head != r.PathValue("sha") || q.Get("check_name") != "" && q.Get("check_name") != c.Name ||
			q.Get("app_id") != "" && q.Get("app_id") != strconv.FormatInt(c.App.ID, 10) || q.Get("status") != "" && q.Get("status") != c.Status {
			continue
		}
		key := strconv.FormatInt(c.App.ID, 10) + " " + c.Name
		if q.Get("filter") != "all" && seen[key] {
			continue
		}
		seen[key] = true
		list = append(list, s.checkJSON(c))
	}
	return http.StatusOK, pageOf{"check_runs", list}
}

func (s *Server) checkJSON(c *check) object {
	url := repoAPI + "/check-runs/" + strconv.FormatInt(c.ID, 10)
	html := repoHTML + "/runs/" + strconv.FormatInt(c.ID, 10)
	return object{
		"id": c.ID, "node_id": node("CR", c.ID), "name": c.Name, "head_sha": c.Head, "external_id": c.External, "url": url, "html_url": html, "details_url": html,
		"status": c.Status, "conclusion": textOrNull(c.Conclusion), "started_at": stampOrNull(c.StartedAt), "completed_at": stampOrNull(c.CompletedAt),
		"check_suite": object{"id": c.App.ID}, "app": s.appJSON(c.App), "pull_requests": []any{},
		"output": object{
			"title": textOrNull(c.Title), "summary": textOrNull(c.Summary), "text": textOrNull(c.Text),
			"annotations_count": c.annotations, "annotations_url": url + "/annotations",
		},
	}
}

// Check is the newest check of a name on a commit: its status, or its conclusion
// where it has one, and its texts.
func (s *Server) Check(commit, name string) (state, title, summary string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.checks) {
		if c.Head == commit && c.Name == name {
			if c.Conclusion != "" {
				return c.Conclusion, c.Title, c.Summary
			}
			return c.Status, c.Title, c.Summary
		}
	}
	return "", "", ""
}

// CheckOf is what the newest check of a name that an App put on a commit says.
func (s *Server) CheckOf(app int64, commit, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.checks) {
		if c.Head == commit && c.Name == name && c.App.ID == app {
			return cmp.Or(c.Conclusion, c.Status)
		}
	}
	return ""
}

// ForeignCheck is a check that another App puts on a commit, with what it says of
// itself in external.
func (s *Server) ForeignCheck(app int64, commit, name, conclusion, external string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.apps, func(a App) bool { return a.ID == app })
	if i < 0 {
		return errors.New("404: no such App")
	}
	c := &check{ID: s.id(), Head: commit, Name: name, App: s.apps[i], External: external, StartedAt: s.tick()}
	c.set(checkIn{Conclusion: conclusion}, s.now)
	s.checks = append(s.checks, c)
	return nil
}

// Checks counts the checks on a commit.
func (s *Server) Checks(commit string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.checks {
		if c.Head == commit {
			n++
		}
	}
	return n
}

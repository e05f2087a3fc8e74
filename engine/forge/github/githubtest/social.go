package githubtest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// label is a label of the repository.
type label struct {
	ID                       int64
	Name, Color, Description string
}

type reaction struct {
	ID      int64
	User    User
	Content string
}

func (s *Server) socialRoutes(repo string) map[string]func(r *http.Request, by User) (int, any) {
	return map[string]func(r *http.Request, by User) (int, any){
		"GET " + repo + "/labels/{name}":                    s.getLabel,
		"POST " + repo + "/labels":                          s.postLabel,
		"POST " + repo + "/issues/{n}/labels":               s.addLabels,
		"DELETE " + repo + "/issues/{n}/labels/{name}":      s.dropLabel,
		"POST " + repo + "/pulls/{n}/requested_reviewers":   s.askReviews,
		"DELETE " + repo + "/pulls/{n}/requested_reviewers": s.dropReviews,
		"GET " + repo + "/issues/comments/{id}/reactions":   s.listReactions,
		"POST " + repo + "/issues/comments/{id}/reactions":  s.postReaction,
	}
}

func (l label) json() object {
	return object{
		"id": l.ID, "node_id": node("LA", l.ID), "url": repoAPI + "/labels/" + strconv.FormatInt(l.ID, 10), "name": l.Name,
		"color": l.Color, "description": textOrNull(l.Description), "default": false,
	}
}

func (s *Server) labelNamed(name string) *label {
	i := slices.IndexFunc(s.labels, func(l label) bool { return strings.EqualFold(l.Name, name) })
	if i < 0 {
		return nil
	}
	return &s.labels[i]
}

func (s *Server) labelsJSON(p *pull) []object {
	list := []object{}
	for _, name := range p.labels {
		list = append(list, s.labelNamed(name).json())
	}
	return list
}

func usersJSON(list []User) []any {
	out := []any{}
	for _, u := range list {
		out = append(out, userJSON(u))
	}
	return out
}

func (s *Server) getLabel(r *http.Request, _ User) (int, any) {
	l := s.labelNamed(r.PathValue("name"))
	if l == nil {
		return notFound()
	}
	return 200, l.json()
}

func (s *Server) postLabel(r *http.Request, _ User) (int, any) {
	var in struct{ Name, Color, Description string }
	if !read(r, &in) || in.Name == "" || len(in.Name) > 50 || len(in.Description) > 100 || s.labelNamed(in.Name) != nil {
		return invalid("Validation Failed")
	}
	s.labels = append(s.labels, label{s.id(), in.Name, in.Color, in.Description})
	return 201, s.labels[len(s.labels)-1].json()
}

func (s *Server) addLabels(r *http.Request, _ User) (int, any) {
	p := s.pathPull(r)
	var in struct{ Labels []string }
	if p == nil {
		return notFound()
	}
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	for _, name := range in.Labels {
		if s.labelNamed(name) == nil { // as GitHub does, without a color of its own
			s.labels = append(s.labels, label{s.id(), name, "ededed", ""})
		}
		if !slices.Contains(p.labels, name) {
			p.labels = append(p.labels, name)
		}
	}
	return 200, s.labelsJSON(p)
}

func (s *Server) dropLabel(r *http.Request, _ User) (int, any) {
	p := s.pathPull(r)
	if p == nil || !slices.Contains(p.labels, r.PathValue("name")) {
		return notFound()
	}
	p.labels = slices.DeleteFunc(p.labels, func(l string) bool { return l == r.PathValue("name") })
	return 200, s.labelsJSON(p)
}

// askReviews requests reviews. Whoever has no access to the repository, and who
// opened the pull request, is refused, and with them the whole request.
func (s *Server) askReviews(r *http.Request, by User) (int, any) {
	p := s.pathPull(r)
	var in struct{ Reviewers []string }
	if p == nil {
		return notFound()
	}
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	for _, login := range in.Reviewers {
		if u, ok := s.users[login]; !ok || login == p.author.Login || u.Type != "User" || s.strangers[login] {
			return invalid("Reviews may only be requested from collaborators.")
		}
	}
	for _, login := range in.Reviewers {
		u := s.users[login]
		if !slices.Contains(p.asked, u) {
			p.asked = append(p.asked, u)
			p.events = append(p.events, event{ID: s.id(), Event: "review_requested", Actor: by, At: s.tick(), Asked: u})
		}
	}
	return 201, s.pullJSON(p, false)
}

func (s *Server) dropReviews(r *http.Request, by User) (int, any) {
	p := s.pathPull(r)
	var in struct{ Reviewers []string }
	if p == nil {
		return notFound()
	}
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	s.unask(p, by, in.Reviewers)
	return 200, s.pullJSON(p, false)
}

func (s *Server) unask(p *pull, by User, logins []string) {
	for _, u := range slices.Clone(p.asked) {
		if slices.Contains(logins, u.Login) {
			p.asked = slices.DeleteFunc(p.asked, func(o User) bool { return o == u })
			p.events = append(p.events, event{ID: s.id(), Event: "review_request_removed", Actor: by, At: s.tick(), Asked: u})
		}
	}
}

// getOfIssue tells the paths apart that a ServeMux finds alike.
func (s *Server) getOfIssue(r *http.Request, by User) (int, any) {
	switch n, what := r.PathValue("n"), r.PathValue("what"); {
	case n == "comments":
		r.SetPathValue("id", what)
		return s.getComment(r, by)
	case what == "events":
		return s.listEvents(r, by)
	case what == "comments":
		return s.listComments(r, by)
	default:
		return notFound()
	}
}

func (s *Server) getComment(r *http.Request, _ User) (int, any) {
	c := s.pathComment(r)
	if c == nil {
		return notFound()
	}
	return 200, commentJSON(c)
}

func (s *Server) pathComment(r *http.Request) *comment {
	i := slices.IndexFunc(s.comments, func(c *comment) bool { return strconv.FormatInt(c.ID, 10) == r.PathValue("id") })
	if i < 0 {
		return nil
	}
	return s.comments[i]
}

func (c *comment) reactionsJSON() object {
	url := fmt.Sprintf("%s/issues/comments/%d/reactions", repoAPI, c.ID)
	o := object{"url": url, "total_count": len(c.Reactions)}
	for _, name := range []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket"} {
		n := 0
		for _, r := range c.Reactions {
			if r.Content == name {
				n++
			}
		}
		o[name] = n
	}
	return o
}

func (r reaction) json(at string) object {
	return object{"id": r.ID, "node_id": node("REA", r.ID), "user": userJSON(r.User), "content": r.Content, "created_at": at}
}

func (s *Server) listReactions(r *http.Request, _ User) (int, any) {
	c := s.pathComment(r)
	if c == nil {
		return notFound()
	}
	list := []object{}
	for _, x := range c.Reactions {
		list = append(list, x.json(stamp(s.now)))
	}
	return 200, list
}

func (s *Server) postReaction(r *http.Request, by User) (int, any) {
	c := s.pathComment(r)
	var in struct{ Content string }
	if c == nil {
		return notFound()
	}
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	for _, x := range c.Reactions {
		if x.User == by && x.Content == in.Content {
			return 200, x.json(stamp(s.now))
		}
	}
	c.Reactions = append(c.Reactions, reaction{s.id(), by, in.Content})
	return 201, c.Reactions[len(c.Reactions)-1].json(stamp(s.now))
}

// The methods below are what people do, and what they see.

// Comment writes a comment below a pull request.
func (s *Server) Comment(by string, n int, body string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pull(n) == nil {
		return 0, errors.New("404: no such pull request")
	}
	c := &comment{ID: s.id(), Issue: n, User: s.users[by], Body: body, At: s.tick(), Shown: []string{body}}
	s.comments = append(s.comments, c)
	return c.ID, nil
}

// EditComment changes a comment, as its author or somebody with the right to can.
func (s *Server) EditComment(id int64, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.comments {
		if c.ID == id {
			c.Body, c.Updated = body, s.tick()
			c.Shown = append(c.Shown, body)
		}
	}
}

// React puts a reaction on a comment.
func (s *Server) React(by string, id int64, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.comments {
		if c.ID == id {
			c.Reactions = append(c.Reactions, reaction{s.id(), s.users[by], content})
		}
	}
}

// Reactions are those of an account on a comment.
func (s *Server) Reactions(by string, id int64) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.comments {
		for _, r := range c.Reactions {
			if c.ID == id && r.User.Login == by {
				out = append(out, r.Content)
			}
		}
	}
	return out
}

// Labels are those of a pull request, and Color that of a label.
func (s *Server) Labels(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pull(n).labels)
}

// Label puts a label on a pull request, as somebody may by hand.
func (s *Server) Label(n int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.labelNamed(name) == nil {
		s.labels = append(s.labels, label{s.id(), name, "ededed", ""})
	}
	s.pull(n).labels = append(s.pull(n).labels, name)
}

// Color is that of a label; empty where there is none.
func (s *Server) Color(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.labelNamed(name); l != nil {
		return l.Color
	}
	return ""
}

// Asked are the accounts whose review is requested.
func (s *Server) Asked(n int) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.pull(n).asked {
		out = append(out, u.Login)
	}
	return out
}

// Unask takes a request for review away, as somebody may by hand.
func (s *Server) Unask(by string, n int, login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unask(s.pull(n), s.users[by], []string{login})
}

// Stranger makes an account one without access to the repository.
func (s *Server) Stranger(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strangers[login] = true
}

// Rename gives an account another login, which anybody may take then.
func (s *Server) Rename(login, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[login]
	delete(s.users, login)
	u.Login = to
	s.users[to] = u
}

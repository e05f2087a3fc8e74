package githubtest

import "net/http"

// settingsRoutes are what the owners of a repository set up.
func (s *Server) settingsRoutes(_ string) map[string]func(r *http.Request, by User) (int, any) {
	return map[string]func(r *http.Request, by User) (int, any){
		"POST /orgs/" + Owner + "/repos": s.postRepository,
	}
}

// postRepository makes the one repository, which is there from the start.
func (s *Server) postRepository(r *http.Request, _ User) (int, any) {
	var in struct{ Name string }
	if !read(r, &in) || in.Name != Repository {
		return invalid("Validation Failed")
	}
	return http.StatusCreated, fullRepoJSON()
}

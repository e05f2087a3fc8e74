package githubtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Settings are what the owners of a repository set up, in the words of the API.
// Tests change them by Server.Set.
type Settings struct {
	Repository   object            // fields of the repository beside its names
	Rulesets     []object          // as GitHub gives one
	Protection   map[string]object // classic, by branch
	Actions      object            // actions/permissions/workflow
	Environments map[string]*Environment
	Secrets      []string // names of the repository's own
	Variables    []string
	Hooks        []object
	Deliveries   map[int64][]object // by webhook
	Owners       []object           // mistakes in CODEOWNERS
	Roles        map[string]string  // login → pull, push, admin; others have no access
	Scanning     bool               // code scanning is switched on
	Scopes       *string            // X-OAuth-Scopes of every token; nil for fine-grained ones
}

// Environment is where secrets are kept for some branches.
type Environment struct {
	Policy   object   // nil for every branch
	Branches []string // of a custom policy
	Secrets  []string
}

func newSettings() Settings {
	return Settings{
		Repository: object{
			"private": true, "default_branch": "main", "allow_merge_commit": true, "allow_squash_merge": true, "allow_rebase_merge": true,
		},
		Protection: map[string]object{}, Environments: map[string]*Environment{}, Deliveries: map[int64][]object{}, Roles: map[string]string{},
		Actions: object{"default_workflow_permissions": "read", "can_approve_pull_request_reviews": false},
	}
}

// Set changes the settings.
func (s *Server) Set(change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.settings)
}

type handle = func(r *http.Request, by User) (int, any)

// settingsRoutes are what the owners of a repository set up.
func (s *Server) settingsRoutes(repo string) map[string]handle {
	names := func(list func(r *http.Request) []string, field string) handle {
		return func(r *http.Request, _ User) (int, any) { return 200, s.counted(r, field, list(r)) }
	}
	return map[string]handle{
		"POST /orgs/" + Owner + "/repos":                     s.postRepository,
		"PATCH " + repo:                                      s.patchRepository,
		"GET /user/{id}":                                     s.getAccount,
		"GET " + repo + "/rules/branches/{branch}":           s.listRules,
		"POST " + repo + "/rulesets":                         s.postRuleset,
		"GET " + repo + "/rulesets/{id}":                     s.getRuleset,
		"GET " + repo + "/branches/{branch}/protection":      s.getProtection,
		"GET " + repo + "/actions/permissions/workflow":      func(*http.Request, User) (int, any) { return 200, s.settings.Actions },
		"PUT " + repo + "/actions/permissions/workflow":      s.putActions,
		"GET " + repo + "/actions/secrets":                   names(func(*http.Request) []string { return s.settings.Secrets }, "secrets"),
		"GET " + repo + "/actions/variables":                 names(func(*http.Request) []string { return s.settings.Variables }, "variables"),
		"POST " + repo + "/actions/variables":                s.postVariable,
		"GET " + repo + "/environments":                      s.listEnvironments,
		"PUT " + repo + "/environments/{env}":                s.putEnvironment,
		"GET " + repo + "/environments/{env}/secrets":        names(func(r *http.Request) []string { return s.environment(r).Secrets }, "secrets"),
		"PUT " + repo + "/environments/{env}/secrets/{name}": s.putSecret,
		"GET " + repo + "/environments/{env}/secrets/public-key": func(*http.Request, User) (int, any) {
			return 200, object{"key_id": "1", "key": "2Sg8iYjAxxmI2LvUXpJjkYrMxURPc8r+dB7TJyvvcCU="}
		},
		"GET " + repo + "/environments/{env}/deployment-branch-policies":  names(func(r *http.Request) []string { return s.environment(r).Branches }, "branch_policies"),
		"POST " + repo + "/environments/{env}/deployment-branch-policies": s.postBranchPolicy,
		"POST " + repo + "/hooks": s.postHook,
		"GET " + repo + "/codeowners/errors": func(*http.Request, User) (int, any) {
			return 200, object{"errors": append([]object{}, s.settings.Owners...)}
		},
		"GET " + repo + "/collaborators":         s.listCollaborators,
		"PUT " + repo + "/collaborators/{login}": s.putCollaborator,
	}
}

// postRepository makes the one repository, which is there from the start.
func (s *Server) postRepository(r *http.Request, by User) (int, any) {
	var in struct{ Name string }
	if !read(r, &in) || in.Name != Repository {
		return invalid("Validation Failed")
	}
	s.settings.Roles[by.Login] = "admin"
	return http.StatusCreated, s.repositoryJSON(by)
}

// repositoryJSON is the repository as an account sees it.
func (s *Server) repositoryJSON(by User) object {
	out := fullRepoJSON()
	maps.Copy(out, s.settings.Repository)
	out["permissions"] = permissions(s.settings.Roles[by.Login])
	return out
}

func permissions(role string) object {
	order := []string{"pull", "triage", "push", "maintain", "admin"}
	out := object{}
	for i, p := range order {
		out[p] = i <= slices.Index(order, role)
	}
	return out
}

func (s *Server) patchRepository(r *http.Request, by User) (int, any) {
	var in object
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	maps.Copy(s.settings.Repository, in)
	return 200, s.repositoryJSON(by)
}

func (s *Server) getAccount(r *http.Request, _ User) (int, any) {
	for _, u := range s.users {
		if strconv.FormatInt(u.ID, 10) == r.PathValue("id") {
			return 200, profileJSON(u, s.begin)
		}
	}
	return notFound()
}

// counted is a page of a list of things that have names, with the count of all.
func (s *Server) counted(r *http.Request, field string, list []string) object {
	out := []object{}
	page, size := pageAsked(r)
	for i, name := range list {
		if i >= (page-1)*size && i < page*size {
			out = append(out, s.namedJSON(field, i, name))
		}
	}
	return object{"total_count": len(list), field: out}
}

func (s *Server) namedJSON(field string, i int, name string) object {
	at := object{"created_at": stamp(s.now), "updated_at": stamp(s.now), "name": name}
	switch field {
	case "variables":
		return with(at, object{"value": "x"})
	case "branch_policies":
		return object{"id": i + 1, "node_id": node("BP", int64(i)), "name": name}
	case "environments":
		return with(at, object{"id": i + 1, "node_id": node("EN", int64(i)), "url": nowhere, "html_url": nowhere, "deployment_branch_policy": nil})
	}
	return at
}

func pageAsked(r *http.Request) (page, size int) {
	page, size = 1, 30
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 0 {
		page = n
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > 0 {
		size = min(n, 100)
	}
	return page, size
}

// rulesOf are the rules that apply to a branch.
func (s *Server) rulesOf(branch string) []object {
	out := []object{}
	for _, set := range s.settings.Rulesets {
		if set["enforcement"] != "active" || !includes(set, branch) {
			continue
		}
		rules, _ := set["rules"].([]any)
		for _, r := range rules {
			rule, _ := r.(object)
			one := maps.Clone(rule)
			one["ruleset_id"], one["ruleset_source"], one["ruleset_source_type"] = set["id"], Owner+"/"+Repository, "Repository"
			out = append(out, one)
		}
	}
	return out
}

func includes(set object, branch string) bool {
	conditions, _ := set["conditions"].(object)
	names, _ := conditions["ref_name"].(object)
	include, _ := names["include"].([]any)
	return slices.ContainsFunc(include, func(p any) bool {
		return p == "~ALL" || p == "~DEFAULT_BRANCH" && branch == "main" || p == "refs/heads/"+branch
	})
}

func (s *Server) listRules(r *http.Request, _ User) (int, any) {
	return 200, s.rulesOf(r.PathValue("branch"))
}

// missingCheck is a check that a rule requires of a head and that is not green, or
// not from the App that the rule names.
func (s *Server) missingCheck(p *pull) string {
	for _, rule := range s.rulesOf(p.base) {
		parameters, _ := rule["parameters"].(object)
		checks, _ := parameters["required_status_checks"].([]any)
		for _, c := range checks {
			one, _ := c.(object)
			name, _ := one["context"].(string)
			if !s.green(string(p.head), name, one["integration_id"]) {
				return name
			}
		}
	}
	return ""
}

func (s *Server) green(head, name string, source any) bool {
	for _, c := range slices.Backward(s.checks) {
		if c.Head == head && c.Name == name && (source == nil || fmt.Sprint(source) == fmt.Sprint(c.App.ID)) {
			return c.Conclusion == "success"
		}
	}
	for _, st := range slices.Backward(s.statuses[head]) {
		if st.Context == name && source == nil {
			return st.State == "success"
		}
	}
	return false
}

func (s *Server) postRuleset(r *http.Request, _ User) (int, any) {
	var in object
	if !read(r, &in) || in["name"] == nil || in["enforcement"] == nil {
		return invalid("Validation Failed")
	}
	return http.StatusCreated, s.addRuleset(in)
}

func (s *Server) addRuleset(in object) object {
	in["id"], in["source"], in["source_type"] = s.id(), Owner+"/"+Repository, "Repository"
	s.settings.Rulesets = append(s.settings.Rulesets, in)
	return in
}

// AddRuleset adds a ruleset in the JSON that GitHub imports.
func (s *Server) AddRuleset(raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in object
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("read ruleset: %w", err)
	}
	s.addRuleset(in)
	return nil
}

func (s *Server) getRuleset(r *http.Request, by User) (int, any) {
	for _, set := range s.settings.Rulesets {
		if fmt.Sprint(set["id"]) == r.PathValue("id") {
			out := maps.Clone(set)
			if s.settings.Roles[by.Login] != "admin" {
				delete(out, "bypass_actors")
			}
			return 200, out
		}
	}
	return notFound()
}

func (s *Server) getProtection(r *http.Request, by User) (int, any) {
	if s.settings.Roles[by.Login] != "admin" {
		return notFound()
	}
	p, ok := s.settings.Protection[r.PathValue("branch")]
	if !ok {
		return http.StatusNotFound, object{"message": "Branch not protected", "documentation_url": "https://docs.github.com/rest", "status": "404"}
	}
	return 200, p
}

func (s *Server) putActions(r *http.Request, _ User) (int, any) {
	if !read(r, &s.settings.Actions) {
		return invalid("Validation Failed")
	}
	return http.StatusNoContent, nil
}

func (s *Server) postVariable(r *http.Request, _ User) (int, any) {
	var in struct{ Name, Value string }
	if !read(r, &in) || in.Name == "" || in.Value == "" {
		return invalid("Validation Failed")
	}
	s.settings.Variables = append(s.settings.Variables, in.Name)
	return http.StatusCreated, object{}
}

func (s *Server) environment(r *http.Request) *Environment {
	if e := s.settings.Environments[r.PathValue("env")]; e != nil {
		return e
	}
	return &Environment{}
}

func (s *Server) listEnvironments(r *http.Request, _ User) (int, any) {
	names := slices.Sorted(maps.Keys(s.settings.Environments))
	out := s.counted(r, "environments", names)
	list, _ := out["environments"].([]object)
	for _, e := range list {
		name, _ := e["name"].(string)
		if p := s.settings.Environments[name].Policy; p != nil {
			e["deployment_branch_policy"] = p
		}
	}
	return 200, out
}

func (s *Server) putEnvironment(r *http.Request, _ User) (int, any) {
	var in struct {
		Policy object `json:"deployment_branch_policy"`
	}
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	name := r.PathValue("env")
	e := s.settings.Environments[name]
	if e == nil {
		e = &Environment{}
		s.settings.Environments[name] = e
	}
	e.Policy = in.Policy
	return 200, with(s.namedJSON("environments", 0, name), object{"deployment_branch_policy": in.Policy})
}

func (s *Server) putSecret(r *http.Request, _ User) (int, any) {
	var in struct {
		Value string `json:"encrypted_value"`
		Key   string `json:"key_id"`
	}
	e := s.settings.Environments[r.PathValue("env")]
	if e == nil {
		return notFound()
	}
	if !read(r, &in) || in.Value == "" || in.Key == "" {
		return invalid("Validation Failed")
	}
	e.Secrets = append(e.Secrets, r.PathValue("name"))
	return http.StatusCreated, object{}
}

func (s *Server) postBranchPolicy(r *http.Request, _ User) (int, any) {
	var in struct{ Name string }
	e := s.settings.Environments[r.PathValue("env")]
	if e == nil || e.Policy["custom_branch_policies"] != true {
		return notFound()
	}
	if !read(r, &in) || in.Name == "" {
		return invalid("Validation Failed")
	}
	e.Branches = append(e.Branches, in.Name)
	return 200, s.namedJSON("branch_policies", len(e.Branches), in.Name)
}

func (s *Server) postHook(r *http.Request, _ User) (int, any) {
	var in object
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	config, _ := in["config"].(object)
	url, _ := config["url"].(string)
	if url == "" {
		return invalid("Validation Failed")
	}
	if below, ok := strings.CutPrefix(url, s.reach[0]); ok && s.reach[0] != "" {
		return s.takeHook(in, config, below)
	}
	if config["secret"] != nil {
		config["secret"] = "********"
	}
	if config["insecure_ssl"] == nil {
		config["insecure_ssl"] = "0"
	}
	in["id"] = s.id()
	s.settings.Hooks = append(s.settings.Hooks, in)
	return http.StatusCreated, s.hookJSON(in)
}

// takeHook starts to send a webhook, with a ping, as GitHub does.
func (s *Server) takeHook(in, config object, below string) (int, any) {
	secret, _ := config["secret"].(string)
	if in["active"] != true || config["content_type"] != "json" || fmt.Sprint(in["events"]) != "[*]" || s.hook != nil {
		return invalid("this imitation sends one webhook, of every event, as JSON")
	}
	h := s.sendTo(s.reach[0]+below, s.reach[1]+below, secret)
	told := s.sentHookJSON()
	ping := happening{"ping", object{"zen": "Keep it logically awesome.", "hook_id": h.id, "hook": told, "repository": repoJSON()}}
	h.done.Go(func() { h.send(context.Background(), []happening{ping}) })
	return http.StatusCreated, told
}

func (s *Server) setHooks() []object {
	list := []object{}
	for _, h := range s.settings.Hooks {
		list = append(list, s.hookJSON(h))
	}
	return list
}

func (s *Server) hookJSON(h object) object {
	at := fmt.Sprintf("%s/hooks/%v", repoAPI, h["id"])
	return with(object{
		"type": "Repository", "name": "web", "url": at, "test_url": at + "/test", "ping_url": at + "/pings",
		"created_at": stamp(s.now), "updated_at": stamp(s.now), "last_response": object{"code": nil, "status": "unused", "message": nil},
	}, h)
}

func (s *Server) setDeliveries(hook string) (int, any) {
	id, err := strconv.ParseInt(hook, 10, 64)
	if err != nil {
		return notFound()
	}
	return 200, append([]object{}, s.settings.Deliveries[id]...)
}

func (s *Server) listCollaborators(*http.Request, User) (int, any) {
	list := []object{}
	for _, login := range slices.Sorted(maps.Keys(s.settings.Roles)) {
		role := s.settings.Roles[login]
		one, ok := userJSON(s.users[login]).(object)
		if !ok || role == "" {
			continue
		}
		one["permissions"] = permissions(role)
		one["role_name"] = strings.NewReplacer("pull", "read", "push", "write").Replace(role)
		list = append(list, one)
	}
	return 200, list
}

func (s *Server) putCollaborator(r *http.Request, _ User) (int, any) {
	var in struct{ Permission string }
	if _, ok := s.users[r.PathValue("login")]; !ok {
		return notFound()
	}
	if !read(r, &in) {
		return invalid("Validation Failed")
	}
	s.settings.Roles[r.PathValue("login")] = in.Permission
	return http.StatusNoContent, nil
}

package scenario

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// forgeName and what is below stand for a forge on which everybody has an
// account, numbered in the order of their names.
const (
	forgeName = "github"
	baseRef   = "refs/heads/main"
	baseOID   = "base"
	headOID   = "head"
	treeOID   = "tree"
	newBlob   = "new"
)

// world is the repository of a scenario: its people have accounts, and those whom
// the story needs are added.
type world struct {
	set      *resource.Set
	accounts map[resource.Name]review.Actor
}

func newWorld(s *resource.Set, people map[resource.Name]Person) world {
	w := world{accounts: map[resource.Name]review.Actor{}}
	users := map[resource.Name]*resource.User{}
	var all []resource.Resource
	joins := map[resource.Name][]resource.Subject{}
	leaves := map[resource.Name]bool{}
	for u := range resource.Of[*resource.User](s) {
		users[u.Ref().Name] = u
	}
	for name, p := range people {
		users[name] = p.user(name, users[name])
		if p.stated["groups"] {
			leaves[name] = true
			for _, g := range p.Groups {
				joins[g] = append(joins[g], resource.Subject{User: name})
			}
		}
	}
	for i, name := range slices.Sorted(maps.Keys(users)) {
		u := *users[name]
		u.Spec.Forge = resource.UserForge{GitHub: &resource.GitHubAccount{ID: int64(i + 1), Login: string(name)}}
		w.accounts[name] = review.Actor{Forge: forgeName, ID: fmt.Sprint(i + 1), Login: string(name)}
		all = append(all, &u)
	}
	for r := range s.All() {
		switch r := r.(type) {
		case *resource.User:
		case *resource.Group:
			all = append(all, regroup(r, leaves, joins[r.Ref().Name]))
		default:
			all = append(all, r)
		}
	}
	w.set = resource.NewSet(all...)
	return w
}

func regroup(g *resource.Group, leaves map[resource.Name]bool, joins []resource.Subject) *resource.Group {
	out := *g
	out.Spec.Members = slices.DeleteFunc(slices.Clone(g.Spec.Members), func(s resource.Subject) bool { return leaves[s.User] })
	slices.SortFunc(joins, func(a, b resource.Subject) int { return strings.Compare(string(a.User), string(b.User)) })
	out.Spec.Members = append(out.Spec.Members, joins...)
	return &out
}

// user is the person of the directory with what the story states, or a new one.
func (p Person) user(name resource.Name, known *resource.User) *resource.User {
	u := &resource.User{}
	u.APIVersion, u.Kind, u.Metadata.Name = resource.APIVersion, resource.KindUser, string(name)
	u.Source.File = "directory/users/" + string(name) + ".yaml"
	if known != nil {
		*u = *known
	}
	if p.stated["attributes"] {
		u.Spec.Attributes = p.Attributes
	}
	if p.stated["permissions"] {
		u.Spec.Permissions = p.Permissions
	}
	if p.stated["state"] {
		u.Spec.State = p.State
	}
	return u
}

// request is the request of the story, read like a request file.
func (s Scenario) request(w world) (*resource.AccessRequest, diag.List) {
	var problems diag.List
	if s.path != "" {
		for r := range resource.Of[*resource.AccessRequest](w.set) {
			if r.Origin().File == s.path {
				copied := *r
				copied.Source.OID = newBlob
				return &copied, nil
			}
		}
		problems.Errorf(s.pos, CodeRequest, "no request of this repository is %s", s.path).WithHint("name a file below requests/")
		return nil, problems
	}
	if s.spec.Kind != yaml.MappingNode {
		problems.Errorf(s.pos, CodeRequest, "the request is no mapping of names to values")
		return nil, problems
	}
	doc := s.document(w)
	raw, err := yaml.Marshal(doc)
	if err != nil {
		problems.Errorf(s.pos, CodeRequest, "it cannot be written as a request: %v", err)
		return nil, problems
	}
	file := "requests/" + folderOf(s.spec) + "/" + string(s.Name) + ".yaml"
	r, found, err := repo.Decode(file, newBlob, raw)
	if err != nil {
		problems.Errorf(s.pos, CodeRequest, "%v", err)
		return nil, problems
	}
	places := placesOf(raw, doc)
	for _, p := range found {
		at := s.pos
		if n := places[[2]int{p.Pos.Line, p.Pos.Col}]; n != nil && n.Line > 0 {
			at = diag.Pos{File: s.File, Line: n.Line, Col: n.Column}
		}
		problems.Errorf(at, CodeRequest, "%s", p.Message).WithHint("%s", p.Hint)
	}
	req, _ := r.(*resource.AccessRequest)
	return req, problems
}

// document is the request file, with what a scenario may leave out filled in.
func (s Scenario) document(w world) *yaml.Node {
	spec := &yaml.Node{Kind: yaml.MappingNode, Content: slices.Clone(s.spec.Content), Line: s.spec.Line, Column: s.spec.Column}
	add := func(key string, value any) {
		if child(spec, key) != nil {
			return
		}
		n := &yaml.Node{}
		if err := n.Encode(value); err == nil {
			spec.Content = append(spec.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, n)
		}
	}
	add("type", string(resource.DataAccess))
	if r := child(spec, "requester"); r != nil {
		add("beneficiaries", []map[string]string{{"user": r.Value}})
	}
	draft := &resource.AccessRequest{}
	if err := spec.Decode(&draft.Spec); err == nil {
		name := resource.FormFor(w.set, draft)
		if form, ok := resource.FormOf(w.set, name); ok {
			add("form", map[string]string{"name": string(name), "digest": form.Digest()})
			if a, ok := resource.Get[*resource.DataUseAgreement](w.set, resource.KindDataUseAgreement, form.Spec.Agreement); ok {
				add("agreement", map[string]any{"name": string(form.Spec.Agreement), "digest": a.Digest(), "accepted": true})
			}
		}
	}
	text := func(v string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v} }
	meta := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("name"), text(string(s.Name))}}
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		text("apiVersion"), text(resource.APIVersion), text("kind"), text(string(resource.KindAccessRequest)),
		text("metadata"), meta, text("spec"), spec,
	}}
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// folderOf is the folder that a request of this target would live in.
func folderOf(spec *yaml.Node) string {
	target := child(spec, "target")
	for _, key := range []string{"product", "source", "path"} {
		if v := child(target, key); v != nil && v.Value != "" {
			return path.Base(v.Value)
		}
	}
	return "request"
}

// placesOf maps the places of a written document to the nodes it was written from.
func placesOf(raw []byte, from *yaml.Node) map[[2]int]*yaml.Node {
	out := map[[2]int]*yaml.Node{}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil || len(doc.Content) == 0 {
		return out
	}
	var walk func(a, b *yaml.Node)
	walk = func(a, b *yaml.Node) {
		if _, taken := out[[2]int{a.Line, a.Column}]; !taken {
			out[[2]int{a.Line, a.Column}] = b
		}
		for i := range min(len(a.Content), len(b.Content)) {
			walk(a.Content[i], b.Content[i])
		}
	}
	walk(doc.Content[0], from)
	return out
}

// facts are those of the story's pull request at a moment.
func (s Scenario) facts(w world, req *resource.AccessRequest, at time.Time, reviews []Review) review.Facts {
	by := s.By
	if by == "" {
		by = req.Spec.Requester
	}
	author := w.accounts[by]
	opened := s.Steps[0].At.Add(-time.Hour)
	f := review.Facts{
		Repo: "scenario", Forge: forgeName, PullRequest: string(s.Name), Title: s.Title, State: review.StateOpen,
		BaseRef: baseRef, Base: baseOID, Head: headOID, MergeBase: baseOID, ResultTree: treeOID,
		Author: author, Pushers: []review.Actor{author}, CoAuthors: []review.Actor{},
		Files:        []review.File{{Path: req.Origin().File, Mode: "100644", NewBlob: newBlob}},
		ChangeDigest: "sha256:scenario", HeadFirstSeen: opened, OpenedAt: opened, ObservedAt: at,
		Held: map[resource.Name][]review.HeldAccess{},
	}
	for _, p := range resource.People(w.set, req.Spec.Beneficiaries) {
		f.Held[p] = []review.HeldAccess{}
		for _, h := range s.Held[p] {
			if h.Product != "" {
				t := resource.Target{Product: h.Product}
				h.Tags = append(slices.Clone(h.Tags), resource.TagsOfTarget(w.set, t)...)
				h.Domain, _ = resource.DomainOfTarget(w.set, t)
			}
			f.Held[p] = append(f.Held[p], h)
		}
	}
	for i, r := range reviews {
		f.Reviews = append(f.Reviews, review.Review{
			ID: fmt.Sprintf("%03d", i+1), Actor: w.accounts[r.By], Verdict: r.Verdict, Body: r.Body,
			Commit: headOID, FirstCommit: headOID, SubmittedAt: opened.Add(time.Duration(i+1) * time.Second),
		})
	}
	return f
}

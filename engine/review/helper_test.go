package review_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/policies"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// setOf reads the files of a txtar archive; each file's OID is "oid:" and its
// digest, as if git had hashed it. DIGEST(name) stands for the digest of a form or
// an agreement of the archives.
func setOf(t testing.TB, archives ...string) *resource.Set {
	t.Helper()
	var files []txtar.File
	for _, archive := range archives {
		files = append(files, txtar.Parse([]byte(archive)).Files...)
	}
	var pins []string
	for _, f := range files {
		if dir, file := path.Split(f.Name); dir == "forms/" || dir == "agreements/" {
			pins = append(pins, "DIGEST("+strings.TrimSuffix(file, ".yaml")+")", resource.Origin{Raw: f.Data}.Digest())
		}
	}
	var all []resource.Resource
	for _, f := range files {
		all = append(all, decode(t, f.Name, []byte(strings.NewReplacer(pins...).Replace(string(f.Data)))))
	}
	return resource.NewSet(all...)
}

func decode(t testing.TB, file string, raw []byte) resource.Resource {
	t.Helper()
	var root yaml.Node
	var head resource.Header
	if err := yaml.Unmarshal(raw, &root); err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	if err := root.Decode(&head); err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	strict := yaml.NewDecoder(bytes.NewReader(raw))
	strict.KnownFields(true)
	probe, ok := resource.New(head.Kind)
	if !ok {
		t.Fatalf("decode %s: unknown kind %q", file, head.Kind)
	}
	if err := strict.Decode(probe); err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	origin := resource.Origin{File: file, Raw: raw}
	origin.OID = "oid:" + origin.Digest()
	r, err := resource.FromNode(head.Kind, &root, origin)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rules(t testing.TB, custom map[string]string) *policy.Engine {
	t.Helper()
	e, err := policy.Compile(context.Background(), policies.Builtin(), custom)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// people: ann asks, bo and cy are finance stewards, dee is legal, eve is both,
// gov has GOVERNANCE, di is a colleague, lee left, etl is bo's service account.
const people = `
-- directory/users/ann.yaml --
kind: User
metadata: {name: ann}
spec: {email: ann@x.org, forge: {github: {id: 1, login: ann}}}
-- directory/users/bo.yaml --
kind: User
metadata: {name: bo}
spec: {email: bo@x.org, forge: {github: {id: 2, login: bo}, ssh: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPFWhhH85vr4ldlvfzBbdsUzH+OmpeMq7GdysowHbrtd bo@laptop"]}}
-- directory/users/cy.yaml --
kind: User
metadata: {name: cy}
spec: {email: cy@x.org, forge: {github: {id: 3, login: cy}, gitea: {id: 33, login: cy}}}
-- directory/users/dee.yaml --
kind: User
metadata: {name: dee}
spec: {forge: {github: {id: 4, login: dee}}, attributes: {role: [dpo]}}
-- directory/users/eve.yaml --
kind: User
metadata: {name: eve}
spec: {forge: {github: {id: 5, login: eve}}}
-- directory/users/gov.yaml --
kind: User
metadata: {name: gov}
spec: {forge: {github: {id: 6, login: gov}}, permissions: [GOVERNANCE]}
-- directory/users/di.yaml --
kind: User
metadata: {name: di}
spec: {forge: {github: {id: 7, login: di}}}
-- directory/users/lee.yaml --
kind: User
metadata: {name: lee}
spec: {forge: {github: {id: 8, login: lee}}, state: left}
-- directory/users/etl.yaml --
kind: User
metadata: {name: etl}
spec: {forge: {github: {id: 9, login: etl}}, kind: service, owner: bo}
-- directory/groups/finance.yaml --
kind: Group
metadata: {name: finance}
spec: {members: [{user: bo}, {user: cy}, {user: eve}, {user: ann}, {user: lee}, {serviceAccount: etl}]}
-- directory/groups/legal.yaml --
kind: Group
metadata: {name: legal}
spec: {members: [{user: dee}, {user: eve}]}
-- directory/groups/empty.yaml --
kind: Group
metadata: {name: empty}
spec: {members: []}
-- domains/money.yaml --
kind: Domain
metadata: {name: money}
spec: {owner: cy, permissions: {manageDataProducts: [{user: cy}]}}
`

// product is a published product whose form has the given review flow.
func product(flow string) string {
	return `
-- products/orders.yaml --
kind: DataProduct
metadata: {name: orders}
spec: {domain: money, sources: [{source: dw/shop/public/orders}], forms: {dataAccess: ask}, maxDuration: 1y}
-- forms/ask.yaml --
kind: RequestForm
metadata: {name: ask}
spec:
  questions: []
  review: ` + flow + "\n"
}

const anyFinance = `{mode: stewards, stages: [{any: [{group: finance}]}]}`

// boKey is the fingerprint of bo's SSH key.
const boKey = "SHA256:kTimLF11A6kMWHIIkkwnC5JN4RtF/K4kT1+gY5lVaAk"

const requestPath = "requests/orders/r1.yaml"

// request is the file of request r1; rest are more fields of its spec.
func request(rest string) string {
	return "-- " + requestPath + ` --
kind: AccessRequest
metadata: {name: r1}
spec: {type: data-access, target: {product: orders}, requester: ann, form: {name: ask, digest: "DIGEST(ask)"}, ` + rest + "}\n"
}

const forAnn = `beneficiaries: [{user: ann}], duration: 90d`

// scene is a pull request by ann that adds requests, as GitHub would tell of it.
type scene struct {
	base, head *resource.Set
	facts      review.Facts
}

func newScene(t testing.TB, flow, spec string) *scene {
	t.Helper()
	base := []string{people, product(flow)}
	s := &scene{base: setOf(t, base...), head: setOf(t, append(base, request(spec))...)}
	req, ok := resource.Get[*resource.AccessRequest](s.head, resource.KindAccessRequest, "r1")
	if !ok {
		t.Fatal("the request is not in the head")
	}
	s.facts = review.Facts{
		Repo: "repo-1", Forge: "github", PullRequest: "7", State: review.StateOpen,
		BaseRef: "refs/heads/main", Base: "base", Head: "head", MergeBase: "base", ResultTree: "tree",
		Author: github(1), Pushers: []review.Actor{github(1)},
		Files:        []review.File{{Path: requestPath, Mode: "100644", NewBlob: req.Origin().OID}},
		ChangeDigest: "sha256:c", HeadFirstSeen: noon.Add(-time.Hour), OpenedAt: noon.Add(-2 * time.Hour), ObservedAt: noon,
	}
	return s
}

func github(id int) review.Actor {
	return review.Actor{Forge: "github", ID: strconv.Itoa(id)}
}

// ids of the actors in people.
const (
	ann = iota + 1
	bo
	cy
	dee
	eve
	gov
	di
	lee
	etl
)

// says adds a review of this head.
func (s *scene) says(id int, v review.Verdict, body string) *review.Review {
	n := len(s.facts.Reviews)
	s.facts.Reviews = append(s.facts.Reviews, review.Review{
		ID: "r" + strconv.Itoa(n+1), Actor: github(id), Verdict: v, Body: body,
		Commit: s.facts.Head, FirstCommit: s.facts.Head, SubmittedAt: noon.Add(-time.Minute * time.Duration(50-n)),
	})
	return &s.facts.Reviews[n]
}

func (s *scene) judge(t testing.TB, d review.Decider) review.Judgement {
	t.Helper()
	j, err := review.Determine(context.Background(), d, s.base, s.head, s.facts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func show(t testing.TB, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// theRules are the built-in rules, compiled once for the package's tests.
func theRules(t testing.TB) *policy.Engine {
	t.Helper()
	e, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var compiled = sync.OnceValues(func() (*policy.Engine, error) {
	return policy.Compile(context.Background(), policies.Builtin(), nil)
})

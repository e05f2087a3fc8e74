package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/gitea/giteatest"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/resource"
)

// onGitea is a governance repository on a real Gitea, and the clones that people
// and the engine work in.
type onGitea struct {
	t      *testing.T
	repo   *giteatest.Repository
	dir    string // with the clones access and engine.git
	state  string // of the engine
	remote string // with a token
	self   string
}

// TestGiteaEndToEnd asks, is denied, asks better, is approved, reads, and loses
// the access at its end; and once more, until it is withdrawn.
func TestGiteaEndToEnd(t *testing.T) {
	t.Parallel() // it waits for an end
	where := os.Getenv(giteatest.Variable)
	if where == "" {
		t.Skip(giteatest.Skip)
	}
	g := setUpGitea(t, where)

	g.engine("determine").says("no pull request waits")
	g.engine("reconcile", "--once").says(`\+ provision assent_example_orders_read`)

	// Denied: closed by the engine, with the reason where people look.
	g.asks("hasty", "30d").says("opened 1: ana asks for read")
	g.engine("determine").says("1: pending: waiting for an approval for group example-stewards")
	g.as("ana", "review", "approve", "1", "--reason", "mine").fails("approve your own pull is not allowed|beneficiary|opened")
	g.as("kim", "review", "deny", "1", "--reason", "Say what for").says("recorded the denial of steward on 1")
	g.engine("determine").says("1: denied")
	if pr := g.pull(1); pr.State != "closed" || pr.Merged {
		t.Errorf("the denied pull request is %+v", pr)
	}
	if text := g.comment(1); !strings.Contains(text, "Say what for") {
		t.Errorf("the comment does not give the reason:\n%s", text)
	}

	// Mended and approved: merged by the engine, open, and over at its end.
	g.asks("better", "1min").says("opened 2")
	g.engine("determine").says("2: pending")
	g.later()
	g.as("kim", "review", "approve", "2", "--reason", "A fair use").says("now temporarily-approved: approved by steward")
	g.engine("determine").says("2: temporarily-approved, merged as .*, recorded as")
	if pr := g.pull(2); !pr.Merged {
		t.Errorf("the approved pull request is %+v", pr)
	}
	g.mayRead(false)
	g.engine("reconcile", "--once").says(`\+ grant assent_example_orders_read to ana until .* \(approved\)`)
	g.mayRead(true)
	g.assent([]string{"GITEA_TOKEN=" + g.person("ana").Token, "ASSENT_STATE=" + g.state}, "-C", "engine.git", "explain", "better").says("by steward")
	time.Sleep(time.Minute)
	g.engine("reconcile", "--once").says(`- revoke assent_example_orders_read from ana \(expired\)`)
	g.mayRead(false)

	// Once more, until she withdraws it: nobody needs to approve that.
	g.asks("again", "30d").says("opened 3")
	g.engine("determine").says("3: pending")
	g.later()
	g.as("kim", "review", "approve", "3", "--for", "7d", "--reason", "Fine").says("now temporarily-approved")
	g.engine("determine").says("3: temporarily-approved, merged as")
	g.engine("reconcile", "--once").says(`\+ grant assent_example_orders_read to ana`)
	g.mayRead(true)
	gitIn(t, filepath.Join(g.dir, "access"), "pull", "-q", g.remote, "main")
	g.as("ana", "request", "cancel", "again", "--reason", "done").says("opened again-withdrawn")
	g.engine("determine").says("4: approved, merged as")
	g.engine("reconcile", "--once").says(`- revoke assent_example_orders_read from ana \(withdrawn\)`)
	g.mayRead(false)
	g.engine("audit", "verify").says("ledger holds: .* signed, dense and chained")
}

// TestServeOnGitea has webhooks tell the engine of everything: its sweeps are too
// far apart to help.
func TestServeOnGitea(t *testing.T) {
	t.Parallel()
	where := os.Getenv(giteatest.Variable)
	if where == "" {
		t.Skip(giteatest.Skip)
	}
	g := setUpGitea(t, where)
	s := &served{t: t, exit: make(chan error, 1)}
	s.cmd = exec.CommandContext(t.Context(), g.self, "-C", "engine.git", "serve", "--listen", "127.0.0.1:0", "--sweep", "10m", "--full-sweep", "10m", "--interval", "10m")
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = g.dir, s, s
	s.cmd.Env = append(inherited(), "HOME="+g.dir, "ASSENT_STATE="+g.state, "ASSENT_GITEA_TOKEN="+g.person("engine").Token, "ASSENT_WEBHOOK_SECRET=env://HOOK", "HOOK="+hookSecret)
	g.must(s.cmd.Start())
	go func() { s.exit <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		if t.Failed() {
			t.Log(s.log())
		}
	})
	s.url = s.listens()
	g.must(g.repo.Server.API(t.Context(), g.repo.Admin(), http.MethodPost, g.repo.Path("hooks"), map[string]any{
		"type": "gitea", "active": true, "config": map[string]string{"url": s.url + giteaHookPath, "content_type": "json", "secret": hookSecret},
		"events": []string{"push", "pull_request", "pull_request_sync", "pull_request_review_approved", "pull_request_review_rejected", "pull_request_review_comment", "pull_request_comment"},
	}, nil))
	const most = time.Minute
	said := func(n int) func() bool {
		return func() bool {
			texts, err := g.repo.Comments(t.Context(), n, g.person("engine").ID)
			g.must(err)
			return len(texts) > 0
		}
	}
	g.asks("hasty", "30d").says("opened 1")
	s.within(most, "the engine says who decides", said(1))
	g.as("kim", "review", "deny", "1", "--reason", "Say what for").says("recorded the denial")
	s.within(most, "it is closed", func() bool { return g.pull(1).State == "closed" })

	g.asks("better", "30d").says("opened 2")
	s.within(most, "the engine says who decides", said(2))
	g.later()
	g.as("kim", "review", "approve", "2", "--for", "7d", "--reason", "Fine").says("now temporarily-approved")
	s.within(most, "it is merged", func() bool { return g.pull(2).Merged })
	s.within(most, "ana reads", func() bool { return g.reads() == nil })
	s.within(most, "its label says so", func() bool { return slices.Contains(g.labels(2), "assent: applied") })

	// Commands: of who is in the directory, and of nobody else. None approves.
	g.asks("again", "30d").says("opened 3")
	s.within(most, "kim is asked for a review", func() bool { return slices.Contains(g.labels(3), "assent: waiting") && g.waitsFor(3, "kim") })
	unknown := g.comments("engineer", 3, "/cancel") // who may write, and is nobody here
	s.within(most, "it is not followed", func() bool { return g.reacted(unknown, "confused") })
	decides := g.comments("kim", 3, "/approve")
	s.within(most, "it decides nothing", func() bool { return g.reacted(decides, "confused") })
	if pr := g.pull(3); pr.State != "open" {
		t.Errorf("after the commands of others it is %s", pr.State)
	}
	cancel := g.comments("ana", 3, "/cancel")
	s.within(most, "it is withdrawn", func() bool { return g.reacted(cancel, "rocket") && g.pull(3).State == "closed" })
	extend := g.comments("ana", 2, "/extend 30d")
	s.within(most, "the engine opens a pull request for her", func() bool { return g.reacted(extend, "rocket") && g.pull(4).State == "open" })
	s.within(most, "kim is asked for a review", func() bool { return g.waitsFor(4, "kim") })
	g.later()
	g.as("ana", "review", "approve", "4", "--reason", "mine").says("it does not count: ana is the requester")
	g.as("kim", "review", "approve", "4", "--for", "14d", "--reason", "Fine").says("now temporarily-approved")
	s.within(most, "it is merged", func() bool { return g.pull(4).Merged })
	_, figures := s.get("/metrics")
	for _, event := range []string{"pull_request", "pull_request_rejected", "pull_request_approved", "issue_comment"} {
		if !strings.Contains(figures, `assent_webhook_deliveries_total{event="`+event+`",result="queued"}`) {
			t.Errorf("no webhook of %s was followed", event)
		}
	}
	if strings.Contains(s.log(), hookSecret) || strings.Contains(s.log(), g.person("engine").Token) {
		t.Error("a secret is in the log")
	}
}

// labels are those of a pull request.
func (g *onGitea) labels(n int) (out []string) {
	g.t.Helper()
	var list []struct{ Name string }
	g.must(g.repo.API(g.t.Context(), g.repo.Admin(), http.MethodGet, g.repo.Path("issues/%d/labels", n), nil, &list))
	for _, l := range list {
		out = append(out, l.Name)
	}
	return out
}

// waitsFor reports whether a review of somebody is requested.
func (g *onGitea) waitsFor(n int, who string) bool {
	g.t.Helper()
	var list []struct {
		User  struct{ ID int64 }
		State string
	}
	g.must(g.repo.API(g.t.Context(), g.repo.Admin(), http.MethodGet, g.repo.Path("pulls/%d/reviews", n), nil, &list))
	return slices.ContainsFunc(list, func(r struct {
		User  struct{ ID int64 }
		State string
	}) bool {
		return r.State == "REQUEST_REVIEW" && r.User.ID == g.person(who).ID
	})
}

// comments writes below a pull request.
func (g *onGitea) comments(who string, n int, body string) int64 {
	g.t.Helper()
	var c struct{ ID int64 }
	g.must(g.repo.API(g.t.Context(), g.person(who).Token, http.MethodPost, g.repo.Path("issues/%d/comments", n), map[string]string{"body": body}, &c))
	return c.ID
}

// reacted reports whether the engine answered a comment so.
func (g *onGitea) reacted(comment int64, how string) bool {
	g.t.Helper()
	var list []struct {
		User    struct{ ID int64 }
		Content string
	}
	g.must(g.repo.API(g.t.Context(), g.repo.Admin(), http.MethodGet, g.repo.Path("issues/comments/%d/reactions", comment), nil, &list))
	for _, r := range list {
		if r.User.ID == g.person("engine").ID && r.Content == how {
			return true
		}
	}
	return false
}

func (g *onGitea) asks(name, long string) printed {
	g.t.Helper()
	return g.as("ana", "request", "new", "--product", "example-orders", "--duration", long, "--accept-agreement", "--answer", "purpose=Which orders came back", "--name", name)
}

func setUpGitea(t *testing.T, where string) *onGitea {
	t.Helper()
	s, err := giteatest.Start(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	g := &onGitea{t: t, dir: t.TempDir(), state: filepath.Join(t.TempDir(), "state"), self: filepath.Join(t.TempDir(), "assent")}
	self, err := filepath.Abs(os.Args[0])
	g.must(err)
	g.must(os.Symlink(self, g.self)) // the binary of this test is the program too
	db, err := gitdb.Init(t.TempDir(), "main", true)
	g.must(err)
	g.repo, err = s.Repository(t.Context(), db, time.Now, nil, "gia", "kim", "ana", "engine", "engineer")
	g.must(err)

	access := filepath.Join(g.dir, "access")
	g.assent(nil, "init", access).says("made a governance repository")
	g.edit("assent.yaml", "  forge: local\n", fmt.Sprintf("  forge: gitea\n  gitea:\n    url: %s\n    repository: %s/%s\n    id: %d\n    engine: %d\n",
		s.URL, g.repo.Org, g.repo.Name, g.repo.ID, g.person("engine").ID))
	g.edit("connections/warehouse.yaml", "mode: observe", "mode: enforce")
	for name, who := range map[string]string{"governor": "gia", "steward": "kim", "ana": "ana"} {
		p := g.person(who)
		permissions := ""
		if name == "governor" {
			permissions = "  permissions: [GOVERNANCE]\n"
		}
		g.must(writeFile(filepath.Join(access, "directory", "users", name+".yaml"), fmt.Appendf(nil,
			"apiVersion: assent.dev/v1\nkind: User\nmetadata:\n  name: %s\nspec:\n  email: %s@example.com\n%s  forge:\n    gitea:\n      id: %d\n      login: %s\n", name, who, permissions, p.ID, p.Login)))
	}
	g.assent(nil, "-C", access, "validate").says("valid")
	gitIn(t, access, "add", "-A")
	gitIn(t, access, "commit", "-qm", "live on Gitea")
	g.remote = strings.Replace(s.URL, "://", "://x:"+g.person("gia").Token+"@", 1) + "/" + g.repo.Org + "/" + g.repo.Name + ".git"
	gitIn(t, access, "push", "-q", g.remote, "main", "assent/ledger")
	gitIn(t, g.dir, "clone", "-q", "--bare", g.remote, "engine.git")
	g.must(os.Rename(filepath.Join(access, ".git", "assent"), g.state))

	g.warehouse(func(s *sandbox.Sandbox) {
		g.must(s.CreateAccount(t.Context(), "ana"))
		g.must(s.CreateTable(t.Context(), []string{"shop", "public", "orders"}, []resource.Column{{Name: "id", Type: "bigint"}, {Name: "customer_email", Type: "text"}, {Name: "total", Type: "integer"}},
			[][]string{{"1", "noor@example.com", "4200"}}))
	})
	return g
}

func (g *onGitea) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *onGitea) person(name string) giteatest.Person {
	g.t.Helper()
	p, err := g.repo.Person(g.t.Context(), name)
	g.must(err)
	return p
}

func (g *onGitea) edit(file, old, now string) {
	g.t.Helper()
	at := filepath.Join(g.dir, "access", file)
	raw, err := os.ReadFile(at)
	g.must(err)
	if !strings.Contains(string(raw), old) {
		g.t.Fatalf("%s holds no %q", file, old)
	}
	g.must(os.WriteFile(at, []byte(strings.Replace(string(raw), old, now, 1)), 0o644))
}

// later waits until Gitea's clock, which has seconds, shows another one: what was
// approved in the second of a push is not proven to be of it.
func (g *onGitea) later() { time.Sleep(1100 * time.Millisecond) }

type printed struct {
	t    *testing.T
	args []string
	text string
	err  error
}

func (g *onGitea) assent(env []string, args ...string) printed {
	g.t.Helper()
	ctx, stop := context.WithTimeout(g.t.Context(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, g.self, args...)
	cmd.Dir = g.dir
	cmd.Env = append(inherited(), "HOME="+g.dir, "NO_COLOR=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=gia", "GIT_AUTHOR_EMAIL=gia@example.com", "GIT_COMMITTER_NAME=gia", "GIT_COMMITTER_EMAIL=gia@example.com")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), g.person("engine").Token) {
		g.t.Errorf("%q prints a token", args)
	}
	return printed{g.t, args, string(out), err}
}

func (g *onGitea) as(who string, args ...string) printed {
	g.t.Helper()
	return g.assent([]string{"GITEA_TOKEN=" + g.person(who).Token, "ASSENT_STATE=" + g.state}, append([]string{"-C", "access"}, args...)...)
}

func (g *onGitea) engine(args ...string) printed {
	g.t.Helper()
	return g.assent([]string{"ASSENT_GITEA_TOKEN=" + g.person("engine").Token, "ASSENT_STATE=" + g.state}, append([]string{"-C", "engine.git"}, args...)...)
}

func (a printed) says(pattern string) {
	a.t.Helper()
	if a.err != nil || !regexp.MustCompile(pattern).MatchString(a.text) {
		a.t.Fatalf("assent %s: %v, want %q:\n%s", strings.Join(a.args, " "), a.err, pattern, a.text)
	}
}

func (a printed) fails(pattern string) {
	a.t.Helper()
	if a.err == nil || !regexp.MustCompile(pattern).MatchString(a.text) {
		a.t.Fatalf("assent %s: %v, want a failure that says %q:\n%s", strings.Join(a.args, " "), a.err, pattern, a.text)
	}
}

func (g *onGitea) pull(n int) giteatest.Pull {
	g.t.Helper()
	pr, err := g.repo.Pull(g.t.Context(), n)
	g.must(err)
	return pr
}

// comment is the one comment of the engine.
func (g *onGitea) comment(n int) string {
	g.t.Helper()
	texts, err := g.repo.Comments(g.t.Context(), n, g.person("engine").ID)
	g.must(err)
	if len(texts) != 1 {
		g.t.Fatalf("%d comments of the engine: %q", len(texts), texts)
	}
	return texts[0]
}

func (g *onGitea) warehouse(do func(*sandbox.Sandbox)) {
	g.t.Helper()
	g.must(os.MkdirAll(filepath.Join(g.state, "sandbox"), 0o700))
	s, err := sandbox.Open(g.t.Context(), sandbox.Config{Connection: "warehouse", Path: filepath.Join(g.state, "sandbox", "warehouse.db")})
	g.must(err)
	defer func() { _ = s.Close() }()
	do(s)
}

// reads is why ana cannot read the orders; nil where she reads them masked.
func (g *onGitea) reads() (err error) {
	g.t.Helper()
	g.warehouse(func(s *sandbox.Sandbox) {
		var r sandbox.Result
		if r, err = s.Query(g.t.Context(), "ana", `SELECT * FROM "assent_example_orders.public.orders"`); err != nil {
			return
		}
		if text := fmt.Sprint(r.Rows); len(r.Rows) != 1 || strings.Contains(text, "noor@") {
			g.t.Errorf("ana sees %s", text)
		}
	})
	return err
}

// mayRead checks that ana reads the orders, or is refused.
func (g *onGitea) mayRead(want bool) {
	g.t.Helper()
	if err := g.reads(); want && err != nil || !want && !errors.Is(err, sandbox.ErrDenied) {
		g.t.Fatalf("ana reads: %v, want that to be %v", err, want)
	}
}

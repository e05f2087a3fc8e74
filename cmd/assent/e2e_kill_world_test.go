package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// How many people ask for the products of the crowd.
const (
	crowdNew = 30
	crowdOld = 10 // the first of them
)

func people() []string {
	out := make([]string, crowdNew)
	for i := range out {
		out[i] = fmt.Sprintf("p%02d", i)
	}
	return out
}

// crowd is a repository in which many people have asked for the product old,
// whose accesses were carried out and are over now, and for the product new,
// which they may have from now on. Two more are strangers: one asked, and
// nobody answered; the other did not even ask.
type crowd struct {
	*gov
	people []string
	signer map[string]signature.Signer
	clock  time.Time
	server *server // nil with the sandbox
	// program is the program as it is built for people; this test's own
	// binary where it is empty.
	program string
}

// ok runs the built program, where there is one.
func (c *crowd) ok(args ...string) string {
	c.t.Helper()
	if c.program == "" {
		return c.gov.ok(args...)
	}
	out, err := exec.Command(c.program, append([]string{"-C", c.dir}, args...)...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("assent %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func crowdFiles(connection string) map[string]string {
	files := map[string]string{
		"assent.yaml":                "kind: Repository\nmetadata:\n  name: crowd\nspec:\n  id: crowd-test\n  forge: local\n",
		"connections/warehouse.yaml": "kind: Connection\nmetadata:\n  name: warehouse\nspec:\n  mode: enforce\n  accounts:\n    template: \"{name}\"\n" + connection,
		"domains/all.yaml":           "kind: Domain\nmetadata:\n  name: all\nspec:\n  owner: kim\n  members:\n    match:\n      paths: [\"warehouse/**\"]\n",
		"forms/short.yaml": "kind: RequestForm\nmetadata:\n  name: short\nspec:\n  onBehalfOf: never\n  questions:\n    - id: why\n      title: Why?\n      type: short-answer\n" +
			"  review:\n    mode: stewards\n    stages:\n      - any: [{user: kim}]\n",
		"directory/users/idle.yaml": "kind: User\nmetadata:\n  name: idle\nspec:\n  email: idle@example.com\n",
	}
	for _, name := range []string{"old", "new"} {
		files["products/"+name+".yaml"] = "kind: DataProduct\nmetadata:\n  name: " + name + "\n  title: " + name +
			"\nspec:\n  domain: all\n  sources:\n    - source: warehouse/shop/public/" + name + "\n  forms:\n    dataAccess: short\n"
		files["sources/warehouse/shop/public/"+name+".yaml"] = "kind: DataSource\nmetadata:\n  name: " + name +
			"\nspec:\n  connection: warehouse\n  path: [shop, public, " + name + "]\n  kind: table\n  columns:\n    - name: id\n      type: text\n" +
			"    - name: mail\n      type: text\n      mask:\n        type: \"null\"\n"
	}
	for name, text := range files {
		files[name] = "apiVersion: assent.dev/v1\n" + text
	}
	return files
}

// newCrowd founds the repository. The past of the story is ten days ago.
func newCrowd(t *testing.T, s *server) *crowd {
	t.Helper()
	c := &crowd{
		gov:    &gov{t: t, dir: filepath.Join(t.TempDir(), "crowd.git")},
		signer: map[string]signature.Signer{}, server: s,
		clock: time.Now().UTC().Truncate(time.Second).AddDate(0, 0, -10),
	}
	connection := "  platform: sandbox\n"
	if s != nil {
		connection = fmt.Sprintf("  platform: postgres\n  credentialsFrom: env://CROWD_CREDENTIAL\n  endpoint: {host: 127.0.0.1, port: %d, database: shop, tls: disable}\n", s.Port())
	}
	files := map[string][]byte{}
	for name, text := range crowdFiles(connection) {
		files[name] = []byte(text)
	}
	c.people = people()
	for _, name := range append([]string{"kim", "stranger"}, c.people...) {
		key, _, err := signature.Generate(name)
		if err != nil {
			t.Fatal(err)
		}
		c.signer[name] = key
		files["directory/users/"+name+".yaml"] = []byte("apiVersion: assent.dev/v1\nkind: User\nmetadata:\n  name: " + name +
			"\nspec:\n  email: " + name + "@example.com\n  forge:\n    ssh:\n      - " + key.Public().String() + "\n")
	}
	db, err := gitdb.Init(c.dir, "main", true)
	if err != nil {
		t.Fatal(err)
	}
	who := gitdb.Person{Name: "kim", Email: "kim@example.com", When: c.clock}
	if err := foundRepository(t.Context(), db, filepath.Join(c.dir, "assent"), "crowd-test", files, who); err != nil {
		t.Fatal(err)
	}
	c.platform()
	return c
}

// accounts are all who can log in to the platform, in order.
func (c *crowd) accounts() []string {
	return slices.Concat([]string{"idle"}, c.people, []string{"stranger"})
}

// platform makes the tables and the accounts.
func (c *crowd) platform() {
	c.t.Helper()
	if c.server != nil {
		for _, table := range []string{"old", "new"} {
			c.server.exec("CREATE TABLE public." + table + " (id text, mail text); INSERT INTO public." + table + " VALUES ('1', 'a@example.com')")
		}
		for _, a := range c.accounts() {
			c.server.exec("CREATE ROLE " + a + " LOGIN PASSWORD '" + a + "-pw'")
		}
		return
	}
	s := c.sandbox()
	defer s.Close()
	for _, table := range []string{"old", "new"} {
		columns := []resource.Column{{Name: "id"}, {Name: "mail"}}
		if err := s.CreateTable(c.t.Context(), []string{"shop", "public", table}, columns, [][]string{{"1", "a@example.com"}}); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, a := range c.accounts() {
		if err := s.CreateAccount(c.t.Context(), a); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *crowd) sandbox() *sandbox.Sandbox {
	c.t.Helper()
	file := filepath.Join(c.dir, "assent", "sandbox", "warehouse.db")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		c.t.Fatal(err)
	}
	s, err := sandbox.Open(c.t.Context(), sandbox.Config{Connection: "warehouse", Path: file})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *crowd) workspace() *workspace {
	c.t.Helper()
	w, err := openWorkspace(c.t.Context(), c.dir, "", func() time.Time { return c.clock })
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

// ask files the requests of people and of the stranger for a product, and Kim
// approves all but the stranger's.
func (c *crowd) ask(product, duration string, people []string) {
	c.t.Helper()
	w := c.workspace()
	f, err := w.openLocal(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range append([]string{"stranger"}, people...) {
		id := c.file(w, f, p, product, duration)
		if p == "stranger" {
			continue
		}
		if _, err := f.Review(c.t.Context(), c.signer["kim"], id, review.Approve, "/approve"); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *crowd) file(w *workspace, f *local.Local, person, product, duration string) string {
	c.t.Helper()
	me, err := w.person(c.signer[person])
	if err != nil {
		c.t.Fatal(err)
	}
	made, problems, err := w.fileRequest(c.t.Context(), me, requestOptions{product: product, duration: duration, answers: []string{"why=I need it"}})
	if err != nil || problems.HasErrors() {
		c.t.Fatal(err, problems)
	}
	if _, err := f.Open(c.t.Context(), c.signer[person], local.Draft{ID: made.name, Title: made.title, Files: map[string][]byte{made.file: made.raw}}); err != nil {
		c.t.Fatal(err)
	}
	return made.name
}

// determine and reconcile work in this process, by the clock of the story.
func (c *crowd) determine() {
	c.t.Helper()
	d, err := c.workspace().determiner(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	results, err := d.All(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != "" || len(r.Records) == 0 && !strings.HasPrefix(r.PullRequest, "stranger") {
			c.t.Fatalf("%s: %s %s: %s", r.PullRequest, r.Err, r.Judgement.Outcome, r.Judgement.Reason)
		}
	}
}

func (c *crowd) reconcile() {
	c.t.Helper()
	r, err := c.workspace().reconciler(c.t.Context(), true)
	if err != nil {
		c.t.Fatal(err)
	}
	rep, err := r.Once(c.t.Context())
	if err != nil || !rep.Settled() {
		c.t.Fatalf("%v %+v", err, rep)
	}
}

// pack leaves few files to copy, as git does by itself now and then.
func (c *crowd) pack() { c.git("gc", "-q") }

// copied is the same crowd in a repository of its own.
func (c *crowd) copied() *crowd {
	c.t.Helper()
	other := *c
	other.gov = &gov{t: c.t, dir: filepath.Join(c.t.TempDir(), "crowd.git")}
	if out, err := exec.Command("cp", "-a", c.dir, other.dir).CombinedOutput(); err != nil {
		c.t.Fatalf("cp: %v: %s", err, out)
	}
	return &other
}

// readers are the accounts that may read a product, in order.
func (c *crowd) readers(product string) []string {
	c.t.Helper()
	if c.server != nil {
		return c.server.readers(c.accounts(), "SELECT id FROM assent_"+product+"."+product)
	}
	s := c.sandbox()
	defer s.Close()
	var out []string
	for _, a := range c.accounts() {
		r, err := s.Query(c.t.Context(), a, `SELECT id FROM "assent_`+product+`.public.`+product+`"`)
		switch {
		case err == nil && len(r.Rows) == 1:
			out = append(out, a)
		case err != nil && !errors.Is(err, sandbox.ErrDenied):
			c.t.Fatal(err)
		}
	}
	return out
}

// killed starts the program and kills it after a while; false says that it had
// ended by itself before.
func (c *crowd) killed(after time.Duration, args ...string) bool {
	c.t.Helper()
	cmd := exec.Command(c.program, append([]string{"-C", c.dir}, args...)...)
	var out shared
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), after)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			c.t.Fatalf("assent %s: %v\n%s", strings.Join(args, " "), err, out.String())
		}
		return false
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-ended
		return true
	}
}

// Package loop_test plays the whole loop, from a pull request to a query on the
// platform, on a real repository, ledger, forge and sandbox, and attacks each
// link of it. It holds the tests of packages determine, audit and reconcile.
package loop_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
	"github.com/assent-dev/assent/engine/validate"
)

const (
	repoID   = "acme-access-quickstart"
	mainRef  = "refs/heads/main"
	bookRef  = "refs/heads/assent/ledger"
	pipeline = "sales-pipeline"  // one steward of kim, raj; no masks
	orders   = "customer-orders" // kim or raj, then lea; masked
)

var begin = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)

// world is a governance repository with everything around it.
type world struct {
	t      testing.TB
	dir    string // everything durable
	clock  time.Time
	db     *gitdb.DB
	loader *repo.Loader
	keys   map[string]signature.Signer // people, and root, determining, reconciling
	book   *ledger.Ledger
	forge  *local.Local
	boxes  map[resource.Name]*sandbox.Sandbox // as their owners see them
	where  map[resource.Name]string           // what to write after FROM, by product

	rec  *reconcile.Reconciler
	det  *determine.Determiner
	open reconcile.Opener
	gone gitdb.OID // where a reference was that a test takes away
}

// newWorld lays out the quickstart; edit changes its files before they begin.
func newWorld(t testing.TB, edit func(map[string][]byte)) *world {
	t.Helper()
	return newWorldAt(t, begin, edit)
}

func newWorldAt(t testing.TB, at time.Time, edits ...func(map[string][]byte)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: at, keys: map[string]signature.Signer{}, boxes: map[resource.Name]*sandbox.Sandbox{}}
	for _, name := range []string{"root", "determining", "reconciling"} {
		w.keys[name] = newKey(t)
	}
	files := w.quickstart()
	for _, edit := range edits {
		if edit != nil {
			edit(files)
		}
	}
	var err error
	w.db, err = gitdb.Init(w.path("governance.git"), "main", true)
	must(t, err)
	must(t, w.db.MoveRef(mainRef, "", w.commit("", files)))
	w.connect()
	must(t, w.book.Init(t.Context(), w.keys["root"], ledger.SealBody{
		From: 1, Determining: w.keys["determining"].Public().String(), Reconciling: w.keys["reconciling"].Public().String(), Reason: "begin",
	}, w.clock))
	w.sandbox("warehouse")
	w.where = w.addresses()
	return w
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// connect opens everything anew, as a process that starts does.
func (w *world) connect() {
	w.t.Helper()
	var err error
	w.db, err = gitdb.Open(w.path("governance.git"))
	must(w.t, err)
	w.loader = repo.NewLoader(w.db)
	w.book = ledger.Open(w.db, ledger.Trust{Repo: repoID, Branch: "assent/ledger", Root: []string{w.keys["root"].Public().Fingerprint()}})
	w.forge = local.New(w.db, local.Config{Repo: repoID, Branch: "main", Now: w.now, Engine: w.keys["determining"]})
	w.det = w.determiner(w.forge)
	w.open = w.openBox
	w.rec = w.reconciler()
}

// crashed is the world as another process finds it that starts on a copy of
// what was durable.
func (w *world) copied() *world {
	w.t.Helper()
	c := *w
	c.dir = w.t.TempDir()
	must(w.t, os.CopyFS(filepath.Join(c.dir, "governance.git"), os.DirFS(w.path("governance.git"))))
	for name := range w.boxes {
		raw, err := os.ReadFile(w.path(string(name) + ".db"))
		must(w.t, err)
		must(w.t, os.WriteFile(filepath.Join(c.dir, string(name)+".db"), raw, 0o600))
	}
	if raw, err := os.ReadFile(w.path("high-water.json")); err == nil {
		must(w.t, os.WriteFile(filepath.Join(c.dir, "high-water.json"), raw, 0o600))
	}
	c.boxes = map[resource.Name]*sandbox.Sandbox{}
	c.connect()
	for name := range w.boxes {
		box, err := sandbox.Open(w.t.Context(), sandbox.Config{Connection: name, Path: c.path(string(name) + ".db")})
		must(w.t, err)
		w.t.Cleanup(func() { _ = box.Close() })
		c.boxes[name] = box
	}
	return &c
}

func (w *world) now() time.Time { return w.clock }

func (w *world) judge() *determine.Judge { return determine.NewJudge(w.loader, capabilities) }

func capabilities(string) (validate.Capabilities, bool) {
	c := (&sandbox.Sandbox{}).Capabilities()
	return validate.Capabilities{Masks: c.Masks, AccessLevels: c.AccessLevels}, true
}

func (w *world) determiner(f forge.Forge) *determine.Determiner {
	return &determine.Determiner{DB: w.db, Judge: w.judge(), Forge: f, Ledger: w.book, Key: w.keys["determining"], Now: w.now, Approvals: w.approvals}
}

// approvals are those in force, for rules that ask what people hold.
func (w *world) approvals(ctx context.Context) (grant.Determinations, error) {
	c, err := w.auditor().Custody(ctx, w.tip(mainRef))
	return c.Approvals, err
}

func (w *world) auditor() *audit.Auditor {
	return &audit.Auditor{DB: w.db, Ledger: w.book, Judge: w.judge()}
}

func (w *world) reconciler() *reconcile.Reconciler {
	return &reconcile.Reconciler{
		DB: w.db, Loader: w.loader, Branch: "main", Custodian: w.auditor(), Ledger: w.book, Key: w.keys["reconciling"],
		Open:      func(ctx context.Context, c *resource.Connection) (platform.Platform, error) { return w.open(ctx, c) },
		Now:       w.now,
		HighWater: w.path("high-water.json"),
	}
}

func requestFile(name, product string) string { return "requests/" + product + "/" + name + ".yaml" }

// request is a valid request file; edit changes it.
func (w *world) request(name, who, product, duration string, edit ...func(*resource.AccessRequest)) []byte {
	w.t.Helper()
	set := w.set()
	form, ok := resource.Get[*resource.RequestForm](set, resource.KindRequestForm, "analytics")
	agreement, ok2 := resource.Get[*resource.DataUseAgreement](set, resource.KindDataUseAgreement, "acceptable-use")
	if !ok || !ok2 {
		w.t.Fatal("the quickstart has lost its form or agreement")
	}
	req := &resource.AccessRequest{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindAccessRequest}}
	req.Metadata.Name = name
	req.Spec = resource.AccessRequestSpec{
		Type: resource.DataAccess, Target: resource.Target{Product: resource.Name(product)}, AccessLevel: resource.Read,
		Requester: resource.Name(who), Beneficiaries: []resource.Subject{{User: resource.Name(who)}}, Duration: resource.Duration(duration),
		Form:      resource.PinnedForm{Name: "analytics", Digest: form.Digest()},
		Agreement: &resource.Acceptance{Name: "acceptable-use", Digest: agreement.Digest(), Accepted: true},
		Answers:   map[string]any{"purpose": "Churn model for the spring campaign", "project": "churn-model", "duration": duration},
	}
	for _, f := range edit {
		f(req)
	}
	raw, err := repo.Encode(req)
	must(w.t, err)
	return raw
}

// ask opens a pull request with one request file.
func (w *world) ask(name, who, product, duration string) {
	w.t.Helper()
	w.propose(name, who, map[string][]byte{requestFile(name, product): w.request(name, who, product, duration)})
}

func (w *world) propose(id, who string, files map[string][]byte) {
	w.t.Helper()
	_, err := w.forge.Open(w.t.Context(), w.keys[who], local.Draft{ID: id, Title: id, Files: files, Author: gitdb.Person{Name: who, Email: who + "@example.com", When: w.clock}})
	must(w.t, err)
}

func (w *world) review(id, who string, v review.Verdict, body string) {
	w.t.Helper()
	_, err := w.forge.Review(w.t.Context(), w.keys[who], id, v, body)
	must(w.t, err)
}

func (w *world) approve(id string, who ...string) {
	w.t.Helper()
	for _, p := range who {
		w.review(id, p, review.Approve, "A fair use of the data")
	}
}

// determine determines everything, and fails on what went wrong.
func (w *world) determine() []determine.Result {
	w.t.Helper()
	out, err := w.det.All(w.t.Context())
	must(w.t, err)
	for _, r := range out {
		if r.Err != "" {
			w.t.Fatalf("determine %s: %s", r.PullRequest, r.Err)
		}
	}
	return out
}

// granted asks, approves and determines, and reconciles nothing.
func (w *world) granted(name, who, product, duration string) {
	w.t.Helper()
	w.ask(name, who, product, duration)
	w.approve(name, "kim")
	if product == orders {
		w.approve(name, "lea")
	}
	results := w.determine()
	for _, v := range w.records(ledger.TypeDetermination) {
		if v.Subject.Request == name {
			return
		}
	}
	for _, r := range results {
		w.t.Logf("%s: %s: %s", r.PullRequest, r.Judgement.Outcome, r.Judgement.Reason)
	}
	w.t.Fatalf("%s was not approved", name)
}

func (w *world) records(types ...ledger.Type) []ledger.Verified {
	w.t.Helper()
	var out []ledger.Verified
	for v, err := range w.book.Replay(w.t.Context()) {
		must(w.t, err)
		for _, t := range types {
			if v.Type == t {
				out = append(out, v)
			}
		}
	}
	return out
}

// outcomes are the determinations of a pull request, in order.
func (w *world) outcomes(id string) []string {
	w.t.Helper()
	var out []string
	for _, v := range w.records(ledger.TypeDetermination) {
		body, err := v.Determination()
		must(w.t, err)
		if body.Change.PullRequest == id {
			out = append(out, strings.TrimSpace(v.Subject.Request+" "+body.Outcome))
		}
	}
	return out
}

// reconcile makes one round that must go without an error.
func (w *world) reconcile() reconcile.Report {
	w.t.Helper()
	rep, err := w.rec.Once(w.t.Context())
	must(w.t, err)
	return rep
}

// settled makes one round that must leave nothing undone.
func (w *world) settled() reconcile.Report {
	w.t.Helper()
	rep := w.reconcile()
	if !rep.Settled() {
		w.t.Fatalf("the round left something undone: frozen %q, %+v", rep.Frozen, rep.Connections)
	}
	return rep
}

func (w *world) custody() audit.Custody {
	w.t.Helper()
	c, err := w.auditor().Custody(w.t.Context(), w.tip(mainRef))
	must(w.t, err)
	return c
}

// reads asks the platform itself.
func (w *world) reads(who, product string) bool {
	w.t.Helper()
	res, err := w.boxes["warehouse"].Query(w.t.Context(), who, "SELECT * FROM "+w.where[resource.Name(product)])
	if err != nil && !errors.Is(err, sandbox.ErrDenied) && !strings.Contains(err.Error(), "no such table") {
		w.t.Fatal(err)
	}
	return err == nil && len(res.Rows) > 0
}

func (w *world) want(who, product string, want bool) {
	w.t.Helper()
	if got := w.reads(who, product); got != want {
		w.t.Errorf("%s reads %s: %v, want %v", who, product, got, want)
	}
}

func roleOf(product string) string {
	return grant.RoleKey{Connection: "warehouse", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(product)}, Access: resource.Read, Profile: grant.DefaultProfile}.RoleName()
}

func codes(findings []audit.Finding) string {
	var out []string
	for _, f := range findings {
		out = append(out, fmt.Sprintf("%d %s", f.Seq, f.Code))
	}
	return strings.Join(out, ", ")
}

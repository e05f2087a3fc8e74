package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/reconcile"
)

// The addresses of what the product bench-balances opens.
const (
	benchView = "assent_bench_balances.pgbench_accounts"
	benchRole = "assent_bench_balances_read"
	// The clear value of abalance is seven times aid; the mask rounds to thousands.
	benchQuery = "SELECT abalance FROM " + benchView + " WHERE aid = 1234"
	clear8638  = "8638"
	masked8638 = "9000"
)

// bench is a database that nobody here designed, and its governance.
type bench struct {
	*gov
	*server
	t *testing.T
}

// TestGovernsAForeignDatabase takes pgbench's database, from discovery to the
// end of an access, through the program alone.
func TestGovernsAForeignDatabase(t *testing.T) {
	b := newBench(t)
	b.discovers()
	b.describes()
	b.provisions()
	b.asksAndDecides()
	b.grants()
	b.repairs()
	b.loops()
	b.endsOnTime()
	b.proves()
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := startServer(t, "bench", "bench_owner")
	cmd := exec.CommandContext(t.Context(), pgbench(t), "-q", "-i", "-s", "1", "-h", s.Host(), "-p", strconv.Itoa(s.Port()), "-U", "bench_owner", "bench")
	cmd.Env = append(os.Environ(), "PGPASSWORD=bench_owner-pw")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pgbench: %v\n%s", err, out)
	}
	s.exec("UPDATE pgbench_accounts SET abalance = aid * 7")
	for _, person := range []string{"ana", "ben", "stranger"} {
		s.exec("CREATE ROLE " + person + " LOGIN PASSWORD '" + person + "-pw'")
	}
	s.setUp("BENCH_CREDENTIAL")
	t.Setenv("HOME", t.TempDir()) // nobody's own keys come into it
	b := &bench{&gov{t: t, dir: filepath.Join(t.TempDir(), "gov"), keys: map[string]string{}}, s, t}
	return b
}

// pgbench is the program beside initdb.
func pgbench(t *testing.T) string {
	t.Helper()
	dirs := []string{os.Getenv("ASSENT_PG_BINDIR")}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		target, err := filepath.EvalSymlinks(initdb)
		dirs = append(dirs, filepath.Dir(initdb))
		if err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range append(dirs, debian...) {
		path := filepath.Join(dir, "pgbench")
		if info, err := os.Stat(path); dir != "" && err == nil && !info.IsDir() {
			return path
		}
	}
	path, err := exec.LookPath("pgbench")
	if err != nil {
		missing(t, err)
	}
	return path
}

// discovers makes the repository and lets the program find the tables.
func (b *bench) discovers() {
	b.ok("init", b.dir)
	for _, name := range []string{"connections/warehouse.yaml", "masking/contact-data.yaml", "products/example-orders.yaml", "sources/warehouse"} {
		if err := os.RemoveAll(filepath.Join(b.dir, name)); err != nil {
			b.t.Fatal(err)
		}
	}
	b.write("connections/bench.yaml", fmt.Sprintf(`apiVersion: assent.dev/v1
kind: Connection
metadata:
  name: bench
spec:
  platform: postgres
  endpoint:
    host: 127.0.0.1
    port: %d
    database: bench
    tls: disable
  credentialsFrom: env://BENCH_CREDENTIAL
  mode: enforce
  accounts:
    template: "{name}"
`, b.Port()))
	out := b.ok("discover", "bench")
	holds(b.t, out, "bench: 4 new, 0 changed, 0 gone, 4 in all")
	got := map[string][]string{}
	for _, table := range []string{"accounts", "branches", "history", "tellers"} {
		name := "pgbench_" + table
		raw, err := os.ReadFile(filepath.Join(b.dir, "sources/bench/bench/public", name+".yaml"))
		if err != nil {
			b.t.Fatal(err)
		}
		holds(b.t, string(raw), "kind: DataSource", "name: "+name, "connection: bench", "- bench", "- public", "- "+name, "kind: table")
		got[table] = columns(string(raw))
	}
	want := map[string][]string{
		"accounts": {"aid integer", "bid integer", "abalance integer", "filler character(84)"},
		"branches": {"bid integer", "bbalance integer", "filler character(88)"},
		"history":  {"tid integer", "bid integer", "aid integer", "delta integer", "mtime timestamp without time zone", "filler character(22)"},
		"tellers":  {"tid integer", "bid integer", "tbalance integer", "filler character(84)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("discovered columns (-want +got):\n%s", diff)
	}
	holds(b.t, b.ok("discover", "bench"), "bench: 0 new, 0 changed, 0 gone, 4 in all")
}

// columns are the columns in the text of a DataSource: name and type.
func columns(text string) []string {
	var out []string
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- "))
		if n, ok := strings.CutPrefix(line, "name: "); ok {
			name = n
		} else if typ, ok := strings.CutPrefix(line, "type: "); ok {
			out = append(out, name+" "+typ)
		}
	}
	return out
}

// describes writes what people would: a product, a mask, a form with two
// stages and who is who.
func (b *bench) describes() {
	for _, name := range []string{"ana", "ben", "bo", "cy"} {
		b.person(name, "")
	}
	b.person("gia", "  permissions:\n    - GOVERNANCE\n")
	b.write("masking/balances.yaml", `apiVersion: assent.dev/v1
kind: MaskingPolicy
metadata:
  name: balances
spec:
  match:
    columns: [bench/bench/public/pgbench_accounts/abalance]
  mask:
    type: round
    digits: -3
`)
	b.write("domains/banking.yaml", `apiVersion: assent.dev/v1
kind: Domain
metadata:
  name: banking
spec:
  owner: gia
  members:
    match:
      paths: ["bench/bench/**"]
`)
	b.write("forms/bench.yaml", `apiVersion: assent.dev/v1
kind: RequestForm
metadata:
  name: bench
spec:
  onBehalfOf: never
  questions:
    - id: purpose
      title: What for?
      type: short-answer
  review:
    mode: stewards
    stages:
      - any: [{user: bo}]
      - any: [{user: cy}]
`)
	b.write("products/bench-balances.yaml", `apiVersion: assent.dev/v1
kind: DataProduct
metadata:
  name: bench-balances
  title: Balances
spec:
  domain: banking
  sources:
    - source: bench/bench/public/pgbench_accounts
    - source: bench/bench/public/pgbench_branches
  forms:
    dataAccess: bench
`)
	holds(b.t, b.ok("validate"), "valid: no mistakes found")
	b.git("add", "-A")
	b.git("commit", "-q", "-m", "govern the bench")
	holds(b.t, b.ok("validate", "--rev", "main"), "valid: no mistakes found")
}

func (b *bench) provisions() {
	holds(b.t, b.ok("plan"), "+ provision "+benchRole+": bench.public.pgbench_accounts (masked: abalance), bench.public.pgbench_branches",
		`CREATE VIEW "assent_bench_balances"."pgbench_accounts" AS SELECT`, "NOLOGIN")
	holds(b.t, b.ok("reconcile", "--once"), "bench: + provision "+benchRole)
	b.reads("ana", benchQuery, "refused")
	b.reads("ana", "SELECT bid FROM public.pgbench_branches", "refused")
}

// reads requires what a person's query brings.
func (b *bench) reads(person, sql, want string) {
	b.t.Helper()
	if got := b.ask(person, sql); got != want {
		b.t.Errorf("%s asks %s: %s, want %s", person, sql, got, want)
	}
}

func (b *bench) asksAndDecides() {
	holds(b.t, b.as("ana", "request", "new", "--product", "bench-balances", "--duration", "90d", "--answer", "purpose=Balances by branch"),
		"opened ana-bench-balances")
	holds(b.t, b.as("bo", "review", "approve", "ana-bench-balances"), "now pending")
	holds(b.t, b.ok("determine"), "ana-bench-balances: pending")
	holds(b.t, b.as("cy", "review", "approve", "ana-bench-balances", "--for", "30d"), "now temporarily-approved")
	b.reads("ana", benchQuery, "refused")
	holds(b.t, b.ok("determine"), "ana-bench-balances: temporarily-approved, merged as")
	b.reads("ana", benchQuery, "refused")
	b.git("reset", "-q", "--hard", "main") // as a pull would
}

func (b *bench) grants() {
	holds(b.t, b.ok("plan"), "+ grant "+benchRole+" to ana", `GRANT "`+benchRole+`" TO "ana"`)
	b.ends(exitChanges, "plan", "--detailed-exitcode")
	b.reads("ana", benchQuery, "refused") // a plan changes nothing
	holds(b.t, b.ok("reconcile", "--once"), "bench: + grant "+benchRole+" to ana")
	b.reads("ana", benchQuery, masked8638)
	b.reads("ana", "SELECT count(*) FROM "+benchView, "100000")
	b.reads("ana", "SELECT bid, bbalance FROM public.pgbench_branches", "1 0")
	for _, table := range []string{"accounts", "tellers", "history"} {
		b.reads("ana", "SELECT count(*) FROM public.pgbench_"+table, "refused")
	}
	b.reads("ana", "UPDATE public.pgbench_branches SET bbalance = 1", "refused")
	b.reads("ben", benchQuery, "refused")
	before := b.tip()
	holds(b.t, b.ok("reconcile", "--once"), "nothing to change")
	b.ends(exitOK, "plan", "--detailed-exitcode")
	if after := b.tip(); after != before {
		b.t.Errorf("a run that changes nothing moved the ledger from %s to %s", before, after)
	}
}

// repairs has somebody change things on the server by hand, sees that the
// change is real, and requires that one run undoes and records it.
func (b *bench) repairs() {
	tests := []struct {
		name, sql     string
		who, query    string
		drifted, then string
		record, drift string
	}{
		{
			"somebody puts her out", "REVOKE " + benchRole + " FROM ana",
			"ana", benchQuery, "refused", masked8638,
			"applied " + benchRole + " ana drift",
			"missing  " + benchRole + " for ana: it was there, and somebody took it away",
		}, {
			"somebody lets a stranger in", "GRANT " + benchRole + " TO stranger",
			"stranger", benchQuery, masked8638, "refused",
			"revoked " + benchRole + " stranger unexpected",
			"extra    " + benchRole + " for stranger: no approval gave it",
		}, {
			"somebody makes the view show the clear value",
			"CREATE OR REPLACE VIEW " + benchView + " AS SELECT aid, bid, abalance::numeric AS abalance, filler FROM public.pgbench_accounts",
			"ana", benchQuery, clear8638, masked8638,
			"applied " + benchRole + " drift",
			"bench.public.pgbench_accounts is not open as it should be: view " + benchView + " is not as we made it",
		}, {
			"somebody opens the base table to the role", "SET ROLE assent; GRANT SELECT ON public.pgbench_accounts TO " + benchRole,
			"ana", "SELECT abalance FROM public.pgbench_accounts WHERE aid = 1234", clear8638, "refused",
			"applied " + benchRole + " drift",
			"bench.public.pgbench_accounts is open with aid, bid, abalance, filler clear and should not be",
		},
	}
	for _, tt := range tests {
		before := len(records(b.t, b.dir))
		b.exec(tt.sql)
		b.reads(tt.who, tt.query, tt.drifted)
		out, _ := b.ends(exitFindings, "drift")
		holds(b.t, out, tt.drift)
		b.ok("reconcile", "--once")
		b.reads(tt.who, tt.query, tt.then)
		if diff := cmp.Diff([]string{tt.record}, since(b.t, b.dir, before)); diff != "" {
			b.t.Errorf("%s: records (-want +got):\n%s", tt.name, diff)
		}
	}
	b.exec("ALTER TABLE pgbench_accounts ADD COLUMN pin text DEFAULT '0000'; ALTER TABLE pgbench_branches ADD COLUMN pin text DEFAULT '0000'")
	for range 2 {
		b.reads("ana", "SELECT pin FROM public.pgbench_branches", "refused")
		b.reads("ana", "SELECT bid FROM public.pgbench_branches", "1")
		b.reads("ana", "SELECT count(*) FROM information_schema.columns WHERE column_name = 'pin'", "0")
		holds(b.t, b.ok("reconcile", "--once"), "nothing to change")
	}
	b.reads("ana", benchQuery, masked8638)
	holds(b.t, b.ok("discover", "bench", "--dry-run"), "changed  sources/bench/bench/public/pgbench_accounts.yaml", "2 changed")
}

// endsOnTime runs the reconciler's loop shortly before the end of Ana's access,
// by a clock that is a month ahead, and requires that sessions of hers end with it.
func (b *bench) endsOnTime() {
	end := b.until("ana-bench-balances")
	offset := time.Until(end) - 4*time.Second
	now := func() time.Time { return time.Now().Add(offset) }
	w, err := openWorkspace(b.t.Context(), b.dir, "", now)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := w.reconciler(b.t.Context(), true)
	if err != nil {
		b.t.Fatal(err)
	}
	idle, holding := b.session("ana"), b.session("ana")
	holding.must("BEGIN; DECLARE c CURSOR FOR SELECT aid FROM " + benchView + " ORDER BY aid; FETCH 1 FROM c")
	round := time.Now()
	if _, err := r.Once(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	grace := time.Second + time.Since(round) // a round takes what it takes on a busy machine
	ctx, stop := context.WithCancel(b.t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(ctx, reconcile.Pace{Interval: time.Hour}) }()
	var last, refused time.Time
	for refused.IsZero() && now().Before(end.Add(time.Minute)) {
		asked := now()
		if idle.may(benchQuery) {
			last = asked
		} else {
			refused = now()
		}
		time.Sleep(20 * time.Millisecond)
	}
	if refused.Before(end) || refused.After(end.Add(grace)) {
		b.t.Errorf("refused %s after the end, want between 0 and %s", refused.Sub(end), grace)
	}
	if last.Before(end.Add(-time.Second)) {
		b.t.Errorf("she read for the last time %s before the end", end.Sub(last))
	}
	b.reads("ana", benchQuery, "refused")
	b.waits("her cursor ends", func() bool { _, state := holding.ask("FETCH 1 FROM c"); return state != wentWell })
	b.waits("her grant is recorded as revoked", func() bool {
		return slices.Contains(since(b.t, b.dir, 0), "revoked "+benchRole+" ana expired")
	})
	stop()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		b.t.Errorf("the loop ends with %v", err)
	}
}

// until is when an approved request ends, as its record says.
func (b *bench) until(request string) time.Time {
	b.t.Helper()
	for _, v := range b.verified() {
		if body, err := v.Determination(); err == nil && v.Subject.Request == request {
			return body.Until
		}
	}
	b.t.Fatalf("no determination of %s", request)
	return time.Time{}
}

// waits waits for something that is about to happen.
func (b *bench) waits(what string, until func() bool) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); !until(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// loops lets Ben in for seconds, by the program's own loop and the real clock.
func (b *bench) loops() {
	b.as("ben", "request", "new", "--product", "bench-balances", "--duration", "90d", "--answer", "purpose=A look at one branch")
	b.as("bo", "review", "approve", "ben-bench-balances")
	end := time.Now().UTC().Truncate(time.Second).Add(10 * time.Second)
	b.as("cy", "review", "approve", "ben-bench-balances", "--until", end.Format(time.RFC3339))
	holds(b.t, b.ok("determine"), "ben-bench-balances: temporarily-approved")
	session := b.session("ben")
	ctx, stop := context.WithCancel(b.t.Context())
	var out shared
	stopped := make(chan int, 1)
	go func() { stopped <- run(ctx, []string{"-C", b.dir, "reconcile"}, strings.NewReader(""), &out, &out) }()
	read := false
	for time.Now().Before(end.Add(3 * time.Second)) {
		asked := time.Now()
		may := session.may(benchQuery)
		read = read || may
		if may && asked.After(end.Add(2*time.Second)) {
			b.t.Errorf("he still reads %s after the end", asked.Sub(end))
			break
		}
		if read && !may {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !read {
		b.t.Error("the loop never let him in")
	}
	b.reads("ben", benchQuery, "refused")
	b.waits("his revocation is told of", func() bool { return strings.Contains(out.String(), "- revoke "+benchRole+" from ben (expired)") })
	stop()
	if code := <-stopped; code != exitOK {
		b.t.Errorf("the loop ends with %d\n%s", code, out.String())
	}
	holds(b.t, out.String(), "+ grant "+benchRole+" to ben")
	if got := since(b.t, b.dir, 0); !slices.Contains(got, "revoked "+benchRole+" ben expired") {
		b.t.Errorf("no record that Ben was revoked in %v", got)
	}
}

// proves verifies the ledger with the program, and one record without it.
func (b *bench) proves() {
	holds(b.t, b.ok("audit", "verify"), "ledger holds", "2 approvals made again and proven")
	clone := filepath.Join(b.t.TempDir(), "clone")
	git(b.t, b.t.TempDir(), "clone", "-q", "--single-branch", "--branch", "assent/ledger", b.dir, clone)
	found := slices.DeleteFunc(records(b.t, b.dir), func(r record) bool { return r.Type != "determination" })
	if len(found) != 2 {
		b.t.Fatalf("%d determinations, want 2", len(found))
	}
	verify := func(name string, payload []byte) error {
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "assent-determining", "-n", "assent.determination.v1", "-s", name+".sig")
		cmd.Dir, cmd.Stdin = clone, strings.NewReader(string(payload))
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	name := found[0].path
	payload, err := os.ReadFile(filepath.Join(clone, name))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := verify(name, payload); err != nil {
		b.t.Errorf("%s: %v", name, err)
	}
	if verify(name, []byte(strings.Replace(string(payload), "ana", "ann", 1))) == nil {
		b.t.Errorf("%s: other bytes verify too", name)
	}
}

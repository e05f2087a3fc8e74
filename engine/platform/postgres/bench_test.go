package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
)

// The goals of speed, each a ratio of two things measured in the same run, in
// turn, as medians. `make bench-platforms` runs them; a goal that is missed
// fails it. A peer that is not here is named.

// bench gathers the rows of the table.
type bench struct {
	t      *testing.T
	rounds int
	full   int // declarations of the large load
	rows   []benchRow
}

type benchRow struct {
	what, against string
	ours, theirs  time.Duration
	limit         float64 // ours / theirs; where negative, theirs / ours at least
	cost          string  // statements and round trips
	absent        string  // why it was not measured
}

func (r benchRow) ratio() float64 { return float64(r.ours) / float64(r.theirs) }

func (r benchRow) met() bool {
	if r.limit < 0 {
		return r.ratio() <= 1/-r.limit
	}
	return r.ratio() <= r.limit
}

func (b *bench) add(r benchRow) {
	b.rows = append(b.rows, r)
	b.t.Log(r.line())
}

func (r benchRow) line() string {
	if r.absent != "" {
		return fmt.Sprintf("%-10s %-42s against %s: %s", "NOT RUN", r.what, r.against, r.absent)
	}
	verdict := "ok"
	if !r.met() {
		verdict = "MISSED"
	}
	goal := fmt.Sprintf("%.2fx <= %.2fx", r.ratio(), r.limit)
	if r.limit < 0 {
		goal = fmt.Sprintf("%.0fx faster >= %.0fx", 1/r.ratio(), -r.limit)
	}
	return fmt.Sprintf("%-10s %-42s %10s / %10s = %-24s against %s; %s", verdict, r.what,
		r.ours.Round(100*time.Microsecond), r.theirs.Round(100*time.Microsecond), goal, r.against, r.cost)
}

func TestBenchPlatforms(t *testing.T) {
	if os.Getenv("ASSENT_BENCH") == "" {
		t.Skip("make bench-platforms runs it")
	}
	needPsql(t)
	b := &bench{t: t, rounds: fromEnv("ASSENT_BENCH_ROUNDS", 3), full: fromEnv("ASSENT_BENCH_DECLARATIONS", 10_000)}
	if b.wants("objects") {
		b.objects()
	} else if b.wants("repair") {
		t.Run("repair", func(t *testing.T) { b.repair(b.applies(newLoad(t, b.full/10), false)) })
	}
	if b.wants("people") {
		t.Run("people", func(t *testing.T) { b.memberships(newLoad(t, 1)) })
	}
	var lines []string
	missed := 0
	for _, r := range b.rows {
		lines = append(lines, r.line())
		if r.absent == "" && !r.met() {
			missed++
		}
	}
	t.Logf("%d cores, PostgreSQL on this machine without fsync, median of %d\n%s", runtime.NumCPU(), b.rounds, strings.Join(lines, "\n"))
	if missed > 0 {
		t.Errorf("%d goals missed", missed)
	}
}

// wants reports whether rows are measured: all are, or those that
// ASSENT_BENCH_ONLY lists, of objects, repair (which is among these) and people.
func (b *bench) wants(rows string) bool {
	only := os.Getenv("ASSENT_BENCH_ONLY")
	return only == "" || slices.Contains(strings.Split(only, ","), rows)
}

func (b *bench) repair(m measured) {
	b.add(benchRow{what: "repair of 1 % drift", against: "a no-op", ours: m.repair, theirs: m.noop, limit: 3, cost: m.repairCost})
}

func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// objects measures what a platform does with the privileges of roles.
func (b *bench) objects() {
	var small, large measured
	b.t.Run("small", func(t *testing.T) {
		l := newLoad(t, b.full/100)
		small = b.applies(l, false)
		// Peers that know whole tables only are measured where a declaration
		// opens one column, so that both give as many items.
		l.columns = loadColumns[:1]
		l.roles = l.wide(nil)
		few := b.applies(l, false)
		b.peers(l, few, &small, ansible(), terraform())
	})
	b.t.Run("large", func(t *testing.T) {
		l := newLoad(t, b.full/10)
		large = b.applies(l, true)
		b.peers(l, large, nil, ldap2pg(), pgbedrock())
	})
	if b.t.Failed() {
		b.t.FailNow()
	}
	n := strconv.Itoa(b.full)
	b.add(benchRow{what: "first apply of " + n + " declarations", against: "psql -1, single grants", ours: large.apply, theirs: large.singles, limit: 0.33, cost: large.applyCost})
	b.add(benchRow{what: "first apply of " + n + " declarations", against: "psql, 100 tables x 10 roles a statement", ours: large.apply, theirs: large.batches, limit: 2, cost: large.applyCost})
	b.add(benchRow{what: "no-op of " + n + " declarations", against: "the aclexplode query", ours: large.noop, theirs: large.query, limit: 4, cost: large.noopCost})
	b.repair(large)
	b.add(benchRow{what: "apply, ten times the declarations", against: "a tenth of them", ours: large.apply, theirs: small.apply, limit: 12, cost: small.applyCost})
	b.add(benchRow{what: "no-op, ten times the declarations", against: "a tenth of them", ours: large.noop, theirs: small.noop, limit: 12, cost: small.noopCost})
	b.add(benchRow{what: "application's p99 during the apply", against: "its p99 when idle", ours: large.busyP99, theirs: large.idleP99, limit: 5})
}

// measured is what applies found: medians, and the cost of the last round.
type measured struct {
	apply, noop, repair, query, singles, batches time.Duration
	busyP99, idleP99                             time.Duration
	applyCost, noopCost, repairCost              string
}

func (b *bench) applies(l *load, raw bool) measured {
	var apply, noop, repair, query, singles, batches, busy, idle []time.Duration
	var m measured
	counter := l.count()
	single, batch := l.script("singles.sql", l.singles()), l.script("batches.sql", l.batches())
	for range b.rounds {
		if raw {
			l.reset()
			batches = append(batches, l.runScript(batch))
			l.reset()
			singles = append(singles, l.runScript(single, "-1"))
		}
		if raw {
			l.reset()
			app := l.startApplication()
			time.Sleep(2 * time.Second)
			idle = append(idle, app.p99())
			l.round(l.roles, nil)
			busy = append(busy, app.p99())
			app.stop()
		}
		l.reset()
		counter.reset()
		apply = append(apply, l.round(l.roles, nil))
		m.applyCost = counter.String()
		for range 3 {
			counter.reset()
			noop = append(noop, l.round(l.roles, nil))
			m.noopCost = counter.String()
			d, _ := l.catalogQuery(l.admin)
			query = append(query, d)
		}
		l.drift()
		counter.reset()
		repair = append(repair, l.round(l.roles, nil))
		m.repairCost = counter.String()
	}
	m.apply, m.noop, m.repair, m.query = median(apply), median(noop), median(repair), median(query)
	m.singles, m.batches, m.busyP99, m.idleP99 = median(singles), median(batches), median(busy), median(idle)
	return m
}

// round is one round of the reconciler: observe, compare, apply, read back.
func (l *load) round(roles []*grant.Role, grants []grant.Grant) time.Duration {
	l.t.Helper()
	runtime.GC()
	desired := plan.Desired{}
	for _, r := range roles {
		desired.Roles = append(desired.Roles, *r)
	}
	desired.Grants = grants
	start := time.Now()
	st := l.observe()
	p, _ := plan.Compute(desired, []plan.Observed{{Connection: l.Connection(), State: st.Ours}}, plan.Limits{Count: 1 << 30, Percent: 100})
	if !p.Empty() {
		l.mustApply(p.Changes)
	}
	return time.Since(start)
}

// drift takes one table in a hundred from every role.
func (l *load) drift() {
	conn := dial(l.t, l.engine)
	names := make([]string, 0, loadRoles)
	for j := range loadRoles {
		names = append(names, fmt.Sprintf("assent_p%d_read", j))
	}
	for i := 0; i < l.schemas; i += 10 {
		mustExec(l.t, conn, fmt.Sprintf("REVOKE SELECT (%s) ON %s.t3 FROM %s", idents(l.columns), loadSchema(i), idents(names)))
	}
	_ = conn.Close(context.Background())
}

// counter counts what goes over the engine's connections.
type counter struct {
	statements, trips, transactions atomic.Int64
	wrote                           atomic.Bool
}

// count counts on every connection of the load's platform that is yet to be opened.
func (l *load) count() *counter {
	c := &counter{}
	l.opened = func(p *Postgres) {
		var d net.Dialer
		p.pgx.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := d.DialContext(ctx, network, addr)
			return &countedConn{conn, c}, err
		}
		p.before = func(_ context.Context, sql string) error {
			switch sql {
			case "BEGIN":
				c.transactions.Add(1)
			case "COMMIT":
			default:
				c.statements.Add(1)
			}
			return nil
		}
	}
	return c
}

func (c *counter) reset() {
	c.statements.Store(0)
	c.trips.Store(0)
	c.transactions.Store(0)
}

// String says what was counted.
func (c *counter) String() string {
	return fmt.Sprintf("%d writing statements, %d transactions, %d round trips", c.statements.Load(), c.transactions.Load(), c.trips.Load())
}

type countedConn struct {
	net.Conn
	c *counter
}

func (n *countedConn) Write(b []byte) (int, error) {
	n.c.wrote.Store(true)
	return n.Conn.Write(b)
}

func (n *countedConn) Read(b []byte) (int, error) {
	if n.c.wrote.Swap(false) {
		n.c.trips.Add(1)
	}
	return n.Conn.Read(b)
}

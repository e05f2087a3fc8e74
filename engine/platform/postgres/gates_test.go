package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// roundsOf is how many rounds a random test has: ASSENT_SOAK_ROUNDS, else few.
func roundsOf(few int) int {
	if n, err := strconv.Atoi(os.Getenv("ASSENT_SOAK_ROUNDS")); err == nil {
		return n
	}
	if testing.Short() {
		return few / 4
	}
	return few
}

// foreignSQL is every item on tables, columns and schemas that the engine did
// not grant, and every membership in a role that is not ours.
const foreignSQL = `
	WITH item AS (
		SELECT 'table' AS kind, c.oid::text AS on, a.* FROM pg_class c, aclexplode(c.relacl) a
		UNION ALL
		SELECT 'column', t.attrelid || ' ' || t.attnum, a.* FROM pg_attribute t, aclexplode(t.attacl) a WHERE NOT t.attisdropped
		UNION ALL
		SELECT 'schema', n.oid::text, a.* FROM pg_namespace n, aclexplode(n.nspacl) a
		UNION ALL
		SELECT 'member', m.roleid::text, m.grantor, m.member, '', m.admin_option FROM pg_auth_members m
		WHERE NOT starts_with(m.roleid::regrole::text, 'assent_')
	)
	SELECT coalesce(string_agg(i::text, E'\n' ORDER BY i::text), '') FROM item i
	WHERE i.grantor <> $1::regrole AND i.grantor NOT IN (SELECT oid FROM pg_roles WHERE rolname = 'assent_views')`

func (f *fixture) foreignItems() string {
	f.t.Helper()
	var out string
	if err := f.admin.QueryRow(f.t.Context(), foreignSQL, "engine"+strings.TrimPrefix(f.db, "db")).Scan(&out); err != nil {
		f.t.Fatal(err)
	}
	return out
}

// Whatever the engine does, and whatever three other grantors give and take
// meanwhile, to people and to our own roles, no item of theirs changes.
func TestForeignItemsNeverChange(t *testing.T) {
	f := newFixture(t)
	rounds := roundsOf(60)
	const tables = 4
	for i := range tables {
		mustExec(t, f.owner, fmt.Sprintf(`CREATE TABLE shop.t%d (id text, name text, iban text)`, i))
	}
	people := []string{"ann", "bob", "cyd", "dan"}
	f.accounts(people...)
	var others []*pgx.Conn
	for i := range 3 {
		name := fmt.Sprintf("dba%d", i)
		f.accounts(name)
		mustExec(t, f.owner, "GRANT ALL ON ALL TABLES IN SCHEMA shop TO "+name+" WITH GRANT OPTION", "GRANT USAGE ON SCHEMA shop TO "+name+" WITH GRANT OPTION")
		others = append(others, dial(t, f.server.DSN(name, consumerPassword, f.db)))
	}
	seed := uint64(rounds)
	rnd := rand.New(rand.NewPCG(seed, 7))
	one := func(of []string) string { return of[rnd.IntN(len(of))] }
	roles := []*grant.Role{f.role("r0"), f.role("r1"), f.role("r2")}
	changed := 0
	for n := range rounds {
		for range 1 + rnd.IntN(4) {
			to := one(append([]string{"assent_r0_read", "assent_r1_read", "PUBLIC"}, people...))
			on := fmt.Sprintf("shop.t%d", rnd.IntN(tables))
			what := one([]string{"SELECT", "SELECT (id)", "SELECT (name, iban)", "INSERT", "UPDATE (iban)", "DELETE"})
			sql := "GRANT " + what + " ON " + on + " TO " + to
			if rnd.IntN(3) == 0 {
				sql = "REVOKE " + what + " ON " + on + " FROM " + to
			}
			if _, err := others[rnd.IntN(3)].Exec(t.Context(), sql); err != nil && !strings.Contains(err.Error(), "does not exist") {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		before := f.foreignItems()
		for _, o := range f.apply(f.randomBatch(rnd, roles, people, tables)...) {
			// What others granted to a role of ours keeps the role.
			if o.Status == platform.Failed && (o.Change.Action != plan.Retire || o.Code != platform.NotOurs) {
				t.Fatalf("round %d: %s %s: %s: %s", n, o.Change.Action, o.Change.RoleKey().RoleName(), o.Code, o.Detail)
			}
			if o.Status == platform.Applied {
				changed++
			}
		}
		if after := f.foreignItems(); after != before {
			t.Fatalf("round %d changed what others granted, from\n%s\nto\n%s", n, before, after)
		}
	}
	if changed < rounds {
		t.Errorf("only %d changes were applied in %d rounds: the test does nothing", changed, rounds)
	}
}

// randomBatch is what a round does with roles: other columns and masks, people
// in and out, and sometimes the end of one.
func (f *fixture) randomBatch(rnd *rand.Rand, roles []*grant.Role, people []string, tables int) []plan.Change {
	var out []plan.Change
	for i, r := range roles {
		role := &grant.Role{RoleKey: r.RoleKey}
		for k := range tables {
			if rnd.IntN(2) == 0 {
				continue
			}
			columns := []grant.Column{seen("id")}
			switch rnd.IntN(3) {
			case 0:
				columns = append(columns, seen("name"), seen("iban"))
			case 1:
				columns = append(columns, starred("name"))
			}
			role.Objects = append(role.Objects, f.object(fmt.Sprintf("t%d", k), columns...))
		}
		roles[i] = role
		if rnd.IntN(8) == 0 {
			out = append(out, retire(role))
			continue
		}
		out = append(out, provision(role))
		for _, p := range people {
			switch rnd.IntN(3) {
			case 0:
				out = append(out, allow(role, p))
			case 1:
				out = append(out, revoke(role, p))
			}
		}
	}
	return out
}

// Four engines take turns at one database while its owner alters the tables:
// no conflict of theirs ever reaches an outcome.
func TestWritersAndDDLSurfaceNoConflict(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	rounds := min(roundsOf(6), 100)
	stop := make(chan struct{})
	var user, writers sync.WaitGroup
	user.Add(1)
	go func() {
		defer user.Done()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			for _, sql := range []string{
				`BEGIN; ALTER TABLE shop.people ADD COLUMN extra text; SELECT pg_sleep(0.02); COMMIT`,
				`BEGIN; ALTER TABLE shop.people ALTER COLUMN name SET STATISTICS 50; SELECT pg_sleep(0.02); COMMIT`, `GRANT SELECT ON shop.people TO bob`, `ANALYZE shop.people`,
				`ALTER TABLE shop.people DROP COLUMN extra`, `REVOKE SELECT ON shop.people FROM bob`, `CREATE INDEX i ON shop.people (name)`, `DROP INDEX shop.i`,
			} {
				// The owner may meet an uncommitted GRANT; that is his conflict, not the engine's.
				if _, err := f.owner.Exec(context.Background(), sql); err != nil {
					_, _ = f.owner.Exec(context.Background(), "ROLLBACK")
				}
			}
		}
	}()
	var mu sync.Mutex
	var surfaced []string
	for w := range 4 {
		p, err := f.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		writers.Add(1)
		go func() {
			defer writers.Done()
			r := f.role(fmt.Sprintf("w%d", w), f.object("people", seen("id"), seen("name")))
			narrow := f.role(fmt.Sprintf("w%d", w), f.object("people", seen("id"), starred("name")))
			for n := range rounds {
				batch := []plan.Change{provision(r), allow(r, "ann")}
				if n%2 == 1 {
					batch = []plan.Change{provision(narrow), revoke(r, "ann")}
				}
				out, err := p.Apply(t.Context(), platform.Batch{Changes: batch})
				mu.Lock()
				if err != nil {
					surfaced = append(surfaced, err.Error())
				}
				for _, o := range out {
					if o.Status != platform.Applied && o.Status != platform.Done && o.Code != platform.StillReadable {
						surfaced = append(surfaced, fmt.Sprint(o.Change.Action, " ", o.Status, " ", o.Code, ": ", o.Detail))
					}
				}
				mu.Unlock()
			}
		}()
	}
	writers.Wait()
	close(stop)
	user.Wait()
	if len(surfaced) > 0 {
		t.Fatalf("%d of %d batches:\n%s", len(surfaced), 4*rounds, strings.Join(surfaced, "\n"))
	}
}

// victimEnv makes this test binary a process that applies a batch and kills
// itself at a boundary: the DSN, the database, the number of the boundary and
// the position of the ledger.
const victimEnv = "ASSENT_TEST_VICTIM"

// killStory is a batch of several transactions, where each takes one atom.
func (f *fixture) killStory() ([]plan.Change, []*grant.Role, []*grant.Grant) {
	first := f.role("a", f.object("people", seen("id"), seen("name")))
	second := f.role("b", f.object("people", seen("id"), starred("name")))
	return []plan.Change{provision(first), provision(second), allow(first, "ann"), allow(second, "ann"), allow(first, "bob")},
		[]*grant.Role{first, second}, []*grant.Grant{member(first, "ann"), member(first, "bob"), member(second, "ann")}
}

func TestVictim(t *testing.T) {
	args := strings.Fields(os.Getenv(victimEnv))
	if len(args) != 4 {
		t.Skip("TestKillAtEveryBoundaryConverges starts it")
	}
	f := &fixture{place: &place{t: t, db: args[1], engine: args[0]}}
	f.reopen()
	at, _ := strconv.Atoi(args[2])
	f.seq, _ = strconv.ParseUint(args[3], 10, 64)
	n := 0
	f.p.weight = 1
	f.p.before = func(_ context.Context, sql string) error {
		if sql == "BEGIN" || sql == "COMMIT" {
			if n++; n == at {
				self, err := os.FindProcess(os.Getpid())
				if err != nil {
					return err
				}
				_ = self.Kill()
				select {}
			}
		}
		return nil
	}
	batch, _, _ := f.killStory()
	f.ok(batch...)
}

// A process that is killed at the boundary of a transaction leaves what one
// more run makes right: nobody waits for a lock, nothing is done twice.
func TestKillAtEveryBoundaryConverges(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	batch, roles, grants := f.killStory()
	for at, killed := 1, true; killed; at++ {
		f.ok(retire(roles[0]), retire(roles[1]))
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d %d", victimEnv, f.engine, f.db, at, f.seq))
		out, err := cmd.CombinedOutput()
		if killed = strings.Contains(fmt.Sprint(err), "killed"); !killed && err != nil {
			t.Fatalf("boundary %d: %v: %s", at, err, out)
		}
		f.seq += 10 // the victim has moved the ledger's position, too
		f.ok(batch...)
		if d := f.diff(roles, grants); d != "" {
			t.Fatalf("killed at boundary %d (-want +got):\n%s", at, d)
		}
		if at > 60 {
			t.Fatal("there is no end")
		}
		if !killed && at < 12 {
			t.Fatalf("only %d boundaries: the batch is one transaction", at)
		}
		if testing.Short() && at%2 == 1 {
			at++
		}
	}
}

// A large batch is many short transactions, each role as it should be at the
// end, and a failure half way is found without losing the others.
func TestOneBadRoleAmongManyFailsAlone(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.ok(provision(f.role("r13", f.object("people", seen("id")))))
	mustExec(t, f.admin, `ALTER ROLE assent_r13_read SUPERUSER`) // the engine may not change it back
	f.p.weight = 7
	var batch []plan.Change
	for i := range 20 {
		r := f.role(fmt.Sprintf("r%02d", i), f.object("people", seen("id"), seen("name")))
		batch = append(batch, provision(r), allow(r, "ann"))
	}
	out := f.apply(batch...)
	for i, o := range out {
		want := platform.Applied
		if i/2 == 13 {
			want = platform.Failed
		}
		if o.Status != want {
			t.Errorf("%s %s: %s/%s: %s", o.Change.Action, o.Change.RoleKey().RoleName(), o.Status, o.Code, o.Detail)
		}
	}
	if bad := out[26]; bad.Code != platform.NoRight || bad.Detail == "" {
		t.Errorf("the bad role says %s: %s", bad.Code, bad.Detail)
	}
	if n := len(f.observe().Ours.Roles); n != 20 {
		t.Errorf("%d roles", n)
	}
}

// Grants of many roles on the same tables are one statement, and a second run
// writes nothing.
func TestAlikeGrantsAreOneStatement(t *testing.T) {
	f := newFixture(t)
	f.people()
	var batch []plan.Change
	for i := range 10 {
		batch = append(batch, provision(f.role(fmt.Sprintf("r%d", i), f.object("people", seen("id"), seen("name")))))
	}
	shown, err := f.p.Preview(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	grants := slices.DeleteFunc(shown, func(s platform.Statement) bool { return !strings.HasPrefix(s.Text, "GRANT SELECT") })
	if len(grants) != 1 || strings.Count(grants[0].Text, "assent_r") != 10 {
		t.Errorf("grants: %v", grants)
	}
}

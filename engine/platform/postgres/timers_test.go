package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/plan"
)

// cronServer is a server with pg_cron, which works in the database that the
// next place has.
func cronServer(t *testing.T) *Private {
	t.Helper()
	bin := ""
	for _, dir := range binariesOf(t) {
		if at, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			dir = filepath.Dir(at)
		}
		for _, lib := range []string{"../lib/pg_cron.so", "../lib/postgresql/pg_cron.so"} {
			if _, err := os.Stat(filepath.Join(dir, lib)); err == nil {
				bin = dir
			}
		}
	}
	if bin == "" {
		const missing = "pg_cron is not here (on Debian: apt-get install postgresql-15-cron)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	s, err := StartPrivateWith(t.Context(), PrivateOptions{Bin: bin, Settings: map[string]string{
		"shared_preload_libraries": "pg_cron", "cron.use_background_workers": "on",
		"cron.database_name": fmt.Sprint("db", databases.Load()+1),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// job is a row of cron.job.
type job struct {
	Name, Schedule, Command string
}

func (f *fixture) jobs() []job {
	f.t.Helper()
	rows, err := f.admin.Query(f.t.Context(), `SELECT jobname::text, schedule, command FROM cron.job ORDER BY jobname::text COLLATE "C"`)
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[job])
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// schedules are those of the jobs, in order.
func (f *fixture) schedules() []string {
	f.t.Helper()
	out := []string{}
	for _, j := range f.jobs() {
		out = append(out, j.Schedule)
	}
	slices.Sort(out)
	return out
}

func (f *fixture) scheduled(when string, want ...string) {
	f.t.Helper()
	if d := cmp.Diff(append([]string{}, want...), f.schedules()); d != "" {
		f.t.Fatalf("jobs %s (-want +got):\n%s", when, d)
	}
}

func (f *fixture) findings() []string {
	f.t.Helper()
	found, err := f.p.SelfAudit(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, x := range found {
		out = append(out, x.Code)
	}
	return out
}

func until(c plan.Change, action plan.Action, end time.Time) plan.Change {
	g := *c.Grant
	g.NotAfter, c.Action, c.Grant = end, action, &g
	return c
}

// letUseCron lets the engine use pg_cron, and waits for its launcher.
func (f *fixture) letUseCron() {
	f.t.Helper()
	mustExec(f.t, f.admin, "GRANT USAGE ON SCHEMA cron TO engine"+strings.TrimPrefix(f.db, "db"))
	for deadline := time.Now().Add(30 * time.Second); slices.Contains(f.findings(), "no-timers") && time.Now().Before(deadline); {
		time.Sleep(200 * time.Millisecond) // the launcher waited for the database to be made
	}
	f.observe()
}

// A job for each membership with an end comes and goes with it, and one of them
// ends access with no engine there.
func TestTimers(t *testing.T) {
	f := newFixtureOn(t, cronServer(t))
	const odd = `o'dd "$$\ name`
	f.people("ann", "bob", "eve", odd)
	r := f.clearRole()

	// Where pg_cron is absent nothing is scheduled, and nothing said.
	f.ok(provision(r), allow(r, "eve"))
	if found := f.findings(); slices.Contains(found, "no-timers") || f.p.Capabilities().NativeExpiry {
		t.Fatalf("without pg_cron: %v, %+v", found, f.p.Capabilities())
	}
	mustExec(t, f.admin, "CREATE EXTENSION pg_cron")
	f.ok(allow(r, "bob"))
	f.scheduled("without the right")
	if found := f.findings(); !slices.Contains(found, "no-timers") || f.p.Capabilities().NativeExpiry {
		t.Fatalf("without the right: %v, %+v", found, f.p.Capabilities())
	}
	f.letUseCron()
	if found := f.findings(); slices.Contains(found, "no-timers") || !f.p.Capabilities().NativeExpiry {
		t.Fatalf("with the right: %v, %+v", found, f.p.Capabilities())
	}

	// The memberships that were there get theirs, seconds go up to the minute.
	f.ok(allow(r, "ann"))
	const usual = "5 3 2 1 *" // of 03:04:05
	f.scheduled("with the right", usual, usual, usual)
	later := time.Date(2031, 12, 31, 23, 59, 1, 0, time.UTC)
	f.ok(until(allow(r, "ann"), plan.Extend, later))
	f.scheduled("after an extension", "0 0 1 1 *", usual, usual)
	f.ok(until(allow(r, "ann"), plan.Extend, time.Date(2031, 12, 31, 23, 59, 0, 0, time.UTC)))
	f.scheduled("at a full minute", usual, usual, "59 23 31 12 *")
	f.ok(until(allow(r, "ann"), plan.Extend, time.Time{}))
	f.scheduled("without an end", usual, usual)
	f.ok(revoke(r, "bob"))
	f.scheduled("after a revocation", usual)
	f.ok(allow(r, "bob"))
	f.asEngine("REVOKE assent_clear_read FROM bob")
	f.ok(revoke(r, "bob"))
	f.scheduled("after a revocation by hand", usual)

	// What is missing, altered or left over is mended.
	f.asEngine("SELECT cron.unschedule(jobid) FROM cron.job", "SELECT cron.schedule('assent left', '* * * * *', 'SELECT 1')",
		"SELECT cron.schedule('other', '1 1 1 1 *', 'SELECT 1')")
	f.ok()
	f.scheduled("after a repair", "1 1 1 1 *", usual)
	f.asEngine("SELECT cron.unschedule('other')", "SELECT cron.schedule(jobname::text, schedule, 'SELECT 1') FROM cron.job")
	f.ok()
	if got := f.jobs(); len(got) != 1 || !strings.HasPrefix(got[0].Command, "DO ") {
		t.Fatalf("the altered job is %v", got)
	}

	// Run before its time, such as of an earlier end or in an earlier year, a job cuts nothing.
	f.ok(allow(r, odd))
	for _, j := range f.jobs() {
		f.asEngine(j.Command)
	}
	if got := len(f.reads("eve", r, "id")) + len(f.reads(odd, r, "id")); got != 4 {
		t.Fatalf("a job cut what had not ended: %d rows", got)
	}
	f.scheduled("that ran too early", usual, usual)

	// Run after it, it ends access and goes; the next Apply sees to the sessions.
	mustExec(t, f.admin, "UPDATE assent.member SET not_after = now() - interval '1 second'")
	for _, j := range f.jobs() {
		f.asEngine(j.Command)
	}
	f.scheduled("that ran")
	f.refused(odd, f.p.Address(r.RoleKey, r.Objects[0]), "id")
	f.refused("eve", f.p.Address(r.RoleKey, r.Objects[0]), "id")
	f.ok(revoke(r, "eve"))
	var rows int
	if err := f.admin.QueryRow(t.Context(), "SELECT count(*) FROM assent.member WHERE account <> 'ann'").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows are left in the books: %v", rows, err)
	}

	f.ok(allow(r, "bob"), revoke(r, "ann"))
	f.ok(retire(r))
	f.scheduled("after the role was retired")
	f.expires()
}

// expires waits for a real job.
func (f *fixture) expires() {
	f.t.Helper()
	if testing.Short() {
		f.t.Log("a real job is not waited for: it takes a minute")
		return
	}
	r := f.maskedRole()
	end := time.Now().UTC().Truncate(time.Second).Add(2 * time.Second)
	f.ok(provision(r), until(allow(r, "ann"), plan.Allow, end), allow(r, "bob"))
	if err := f.p.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.reads("ann", r, "id")
	address := f.p.Address(r.RoleKey, r.Objects[0])
	for {
		if _, err := f.Select(f.t.Context(), "ann", address, "id"); err != nil {
			break
		}
		if time.Now().After(end.Add(75 * time.Second)) {
			f.t.Fatal("access has not ended by itself")
		}
		time.Sleep(time.Second)
	}
	if time.Now().Before(end) {
		f.t.Error("access ended before its time")
	}
	f.reads("bob", r, "id")
	f.scheduled("that ran by itself", "5 3 2 1 *")
}

// What a job does works on every version, whoever runs it.
func TestJobText(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "bob")
		r := f.clearRole()
		f.ok(provision(r), allow(r, "ann"), allow(r, "bob"))
		// What a job needs of pg_cron, which is for one version here.
		mustExec(t, f.admin, "CREATE SCHEMA cron", "GRANT USAGE ON SCHEMA cron TO PUBLIC", "CREATE TABLE cron.job (jobid int8, jobname text, username name)",
			"CREATE FUNCTION cron.unschedule(int8) RETURNS bool LANGUAGE sql AS 'SELECT true'",
			"GRANT SELECT ON cron.job TO PUBLIC", "UPDATE assent.member SET not_after = now() WHERE account = 'ann'")
		snap, err := f.p.read(t.Context(), wantedBy(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, account := range []string{"ann", "bob"} {
			f.asEngine(snap.jobText(memberKey{snap.roleName(r.RoleKey), account}))
		}
		f.refused("ann", f.p.Address(r.RoleKey, r.Objects[0]), "id")
		f.reads("bob", r, "id")
		f.ok(revoke(r, "ann"))
		mustExec(t, f.admin, "DROP SCHEMA cron CASCADE")
	})
}

func TestJobTime(t *testing.T) {
	for end, want := range map[time.Time]string{
		time.Date(2031, 5, 4, 10, 31, 0, 0, time.UTC):                         "31 10 4 5 *",
		time.Date(2031, 5, 4, 10, 31, 1, 0, time.UTC):                         "32 10 4 5 *",
		time.Date(2031, 12, 31, 23, 59, 59, 0, time.UTC):                      "0 0 1 1 *",
		time.Date(2032, 2, 29, 1, 30, 0, 0, time.FixedZone("ahead", 2*3600)):  "30 23 28 2 *",
		time.Date(2031, 5, 4, 10, 31, 0, 1, time.FixedZone("behind", -30*60)): "2 11 4 5 *",
	} {
		if got := jobTime(end); got != want {
			t.Errorf("%s: %s, not %s", end, got, want)
		}
	}
}

func TestCronVersions(t *testing.T) {
	for version, want := range map[string][2]bool{"1.2": {}, "1.3": {true}, "1.4-1": {true}, "1.6": {true, true}, "1.10": {true, true}, "2.0": {true, true}, "": {}} {
		if got := [2]bool{since(version, 3), since(version, 6)}; got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
	for zone, want := range map[string]bool{"GMT": true, "Etc/UTC": true, "utc": true, "Europe/London": false, "Etc/GMT+1": false} {
		if universal(zone) != want {
			t.Errorf("zone %s: %t", zone, !want)
		}
	}
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// timers is pg_cron as the engine may use it: a job for each membership with an
// end takes it away, be the engine alive or not.
type timers struct {
	usable bool
	// why says what keeps the engine from pg_cron where it is installed, and fix
	// what mends that.
	why, fix string
	jobs     map[string]string // ours: by name, the digest of schedule and command
}

const (
	jobPrefix = markPrefix
	// maxTidied bounds the jobs that one Apply mends beside its changes.
	maxTidied = 1000
)

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readCron says whether the engine may use pg_cron. The schema has to be the
// extension's own, and the launcher to work in this database.
func readCron(ctx context.Context, conn querier) (timers, error) {
	var version, zone, me, database string
	var schema, calls, jobs, runs bool
	err := conn.QueryRow(ctx, `
		SELECT x.extversion, current_user, current_database(),
		       has_schema_privilege(n.oid, 'USAGE'),
		       (SELECT count(*) = 2 FROM pg_proc p WHERE p.pronamespace = n.oid AND has_function_privilege(p.oid, 'EXECUTE')
		        AND (p.proname = 'schedule' AND p.pronargs = 3 OR p.proname = 'unschedule' AND p.proargtypes[0] = 'int8'::regtype)),
		       coalesce((SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'job'), false),
		       coalesce((SELECT setting FROM pg_settings WHERE name = 'cron.timezone'), ''),
		       EXISTS (SELECT FROM pg_stat_activity a WHERE a.backend_type = 'pg_cron launcher' AND a.datname = current_database())
		FROM pg_extension x
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.classid = 'pg_namespace'::regclass
		JOIN pg_namespace n ON n.oid = d.objid AND n.nspname = 'cron'
		WHERE x.extname = 'pg_cron'`).Scan(&version, &me, &database, &schema, &calls, &jobs, &zone, &runs)
	if errors.Is(err, pgx.ErrNoRows) {
		return timers{}, nil
	}
	if err != nil {
		return timers{}, err
	}
	no := func(why, fix string) (timers, error) { return timers{why: why, fix: fix}, nil }
	switch {
	case !since(version, 3):
		return no("its version "+version+" has no jobs with a name", "ALTER EXTENSION pg_cron UPDATE")
	case !schema:
		return no("the engine's account may not use schema cron", "GRANT USAGE ON SCHEMA cron TO "+ident(me))
	case !calls:
		return no("the engine's account may not schedule jobs", "GRANT EXECUTE ON FUNCTION cron.schedule(text, text, text), cron.unschedule(bigint) TO "+ident(me))
	case !jobs:
		return no("the engine's account may not see its own jobs", "GRANT SELECT ON cron.job TO "+ident(me))
	case !runs:
		return no("its launcher is not seen to work in this database", "set shared_preload_libraries to hold pg_cron and cron.database_name to "+
			database+", restart the server, and GRANT pg_read_all_stats TO "+ident(me))
	case zone == "" && since(version, 6): // before, it was always GMT
		return no("the engine's account may not read the setting cron.timezone", "GRANT pg_read_all_settings TO "+ident(me))
	case zone != "" && !universal(zone):
		return no("its schedules are of time zone "+zone, "set cron.timezone = GMT in the server's configuration and restart it")
	}
	return timers{usable: true, jobs: map[string]string{}}, nil
}

// since reports whether a version, such as 1.4-1, is at least 1.minor.
func since(version string, minor int) bool {
	var x, y int
	_, err := fmt.Sscanf(version, "%d.%d", &x, &y)
	return err == nil && (x > 1 || x == 1 && y >= minor)
}

// universal reports whether the time of a zone is that of the engine.
func universal(zone string) bool {
	switch strings.TrimPrefix(strings.ToUpper(zone), "ETC/") {
	case "GMT", "UTC", "UCT", "ZULU", "UNIVERSAL", "GREENWICH":
		return true
	}
	return false
}

// readTimers reads whether pg_cron can be used, and the jobs of ours.
func (s *snapshot) readTimers(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	var err error
	if s.timers, err = readCron(ctx, tx); err != nil || !s.timers.usable {
		return err
	}
	var name, text string
	return each(ctx, tx, `
		SELECT jobname::text, encode(sha256(convert_to(schedule || E'\n' || command, 'UTF8')), 'hex')
		FROM cron.job WHERE active AND username = current_user AND database = current_database() AND starts_with(jobname::text, $1)`,
		[]any{jobPrefix}, []any{&name, &text}, func() error {
			s.timers.jobs[name] = text
			return nil
		})
}

func jobName(k memberKey) string { return jobPrefix + digest(k.role + "\x00" + k.account)[:32] }

// jobTime is when a job runs: the first full minute that is not before the end.
// A schedule has no year, so the job itself looks whether the end has come.
func jobTime(end time.Time) string {
	at := end.UTC().Add(time.Minute - time.Nanosecond).Truncate(time.Minute)
	return fmt.Sprintf("%d %d %d %d *", at.Minute(), at.Hour(), at.Day(), int(at.Month()))
}

// jobText is what a job does: where the books say that the membership is over,
// it takes that away, keeps that sessions are to end, and goes. The books decide,
// and their row is locked first, so that a job never cuts what was extended.
func (s *snapshot) jobText(k memberKey) string {
	by := ""
	if s.version >= 160000 {
		by = " GRANTED BY " + ident(s.engine)
	}
	return "DO " + literal("BEGIN PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true); "+
		"UPDATE assent.member SET not_after = NULL, requests = 'null', ending = true"+
		" WHERE role = "+literal(k.role)+" AND account = "+literal(k.account)+" AND NOT ending AND not_after <= now(); "+
		"IF FOUND THEN REVOKE "+ident(k.role)+" FROM "+ident(k.account)+by+" CASCADE; "+
		"PERFORM cron.unschedule(jobid) FROM cron.job WHERE username = current_user AND jobname = "+literal(jobName(k))+"; END IF; END")
}

var (
	timerRows = &rows{
		why:    "end the access in time, whether the engine runs or not",
		before: "SELECT cron.schedule(v.name, v.at, v.text) FROM (VALUES ",
		after:  ") AS v (name, at, text)",
	}
	noTimerRows = &rows{
		why:    "no job needs to end this access",
		before: "SELECT cron.unschedule(jobid) FROM cron.job WHERE username = current_user AND jobname IN (",
		after:  ")",
	}
)

// timer sets the job that ends a membership, where pg_cron can be used; it
// takes it away where the membership has no end. It reports whether there was
// anything to do.
func (b *builder) timer(k memberKey, end time.Time) bool {
	if !b.s.timers.usable {
		return false
	}
	if end.IsZero() {
		return b.noTimer(k)
	}
	name, at, text := jobName(k), jobTime(end), b.s.jobText(k)
	want := digest(at + "\n" + text)
	if b.s.timers.jobs[name] == want {
		return false
	}
	b.row(timerRows, name, "("+literal(name)+", "+literal(at)+", "+literal(text)+")")
	b.s.timers.jobs[name] = want
	return true
}

// noTimer takes the job of a membership away where there is one.
func (b *builder) noTimer(k memberKey) bool { return len(b.s.timers.jobs) > 0 && b.noJob(jobName(k)) }

func (b *builder) noJob(name string) bool {
	if _, ok := b.s.timers.jobs[name]; !ok {
		return false
	}
	b.row(noTimerRows, name, literal(name))
	delete(b.s.timers.jobs, name)
	return true
}

// tidy brings the jobs in line with the books, some at a time: those that were
// left over go, and those that are missing or altered are set, as where pg_cron
// came later than the membership.
func (b *builder) tidy() {
	left, wanted := maxTidied, map[string]bool{}
	for k, m := range b.s.book.members {
		if m.ending || m.notAfter.IsZero() {
			continue
		}
		wanted[jobName(k)] = true
		if left > 0 && b.timer(k, m.notAfter) {
			left--
		}
	}
	for _, name := range keys(b.s.timers.jobs) {
		if left > 0 && !wanted[name] && b.noJob(name) {
			left--
		}
	}
}

// timers tidies the jobs. A server that refuses that keeps nobody from losing access.
func (r *run) timers(ctx context.Context) error {
	if !r.s.timers.usable {
		return nil
	}
	r.b.tidy()
	err := r.txs(ctx, r.b.take())
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	return r.reread(ctx)
}

package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform"
)

// missedAfter is how long after its end a membership may stand before its timer
// counts as one that did not run: a job runs at the next full minute.
const missedAfter = "2 minutes"

// lateTimers are the jobs of pg_cron that did not end access as they should.
type lateTimers struct {
	failed  int    // jobs whose last run failed
	message string // of the latest of them
	missed  int    // memberships that are over, and stand
	who     string // the one that stands for the longest
	since   time.Time
}

func readLateTimers(ctx context.Context, conn *pgx.Conn) (lateTimers, error) {
	var out lateTimers
	var details, books bool
	err := conn.QueryRow(ctx, `SELECT coalesce(has_table_privilege(to_regclass('cron.job_run_details'), 'SELECT'), false),
		coalesce(has_table_privilege(to_regclass('assent.member'), 'SELECT'), false)`).Scan(&details, &books)
	if err != nil {
		return out, err
	}
	if details {
		// A job that did its work is gone, so what is left of its runs are failures.
		err := conn.QueryRow(ctx, `
			SELECT count(*), coalesce((array_agg(last.return_message ORDER BY last.start_time DESC))[1], '')
			FROM cron.job j CROSS JOIN LATERAL (
				SELECT d.status, d.return_message, d.start_time FROM cron.job_run_details d
				WHERE d.jobid = j.jobid AND d.status IN ('failed', 'succeeded') ORDER BY d.runid DESC LIMIT 1) last
			WHERE j.username = current_user AND j.database = current_database() AND starts_with(j.jobname::text, $1)
			  AND last.status = 'failed'`, jobPrefix).Scan(&out.failed, &out.message)
		if err != nil {
			return out, err
		}
	}
	if !books {
		return out, nil
	}
	return out, conn.QueryRow(ctx, `
		SELECT count(*), coalesce((array_agg(m.account || ' in ' || m.role ORDER BY m.not_after))[1], ''), coalesce(min(m.not_after), now())
		FROM assent.member m JOIN pg_roles r ON r.rolname = m.role JOIN pg_roles a ON a.rolname = m.account
		WHERE NOT m.ending AND m.not_after < now() - interval '`+missedAfter+`'
		  AND EXISTS (SELECT FROM pg_auth_members x WHERE x.roleid = r.oid AND x.member = a.oid)`).Scan(&out.missed, &out.who, &out.since)
}

func (l lateTimers) findings() []platform.Finding {
	var out []platform.Finding
	if l.failed > 0 {
		why, _, _ := strings.Cut(l.message, "\n") // its context follows
		out = append(out, platform.Finding{
			Code: "timer-failed", Text: fmt.Sprintf("pg_cron could not end access: %d of our jobs failed, the last with: %s", l.failed, oneLine(why)),
			Fix: "`assent reconcile --once` ends what is over; see cron.job_run_details, and whether pg_cron may log in as the engine's account",
		})
	}
	if l.missed > 0 {
		out = append(out, platform.Finding{
			Code: "timer-missed", Text: fmt.Sprintf("pg_cron has not ended %d accesses that are over, such as %s, over since %s",
				l.missed, l.who, l.since.UTC().Format("2006-01-02 15:04:05Z")),
			Fix: "`assent reconcile --once` ends them; then look whether pg_cron's launcher runs and may run jobs as the engine's account",
		})
	}
	return out
}

package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

var (
	_ platform.SelfAuditor = (*Postgres)(nil)
	_ platform.Describer   = (*Postgres)(nil)
)

// Describe implements platform.Describer.
func (p *Postgres) Describe(ctx context.Context) (platform.Description, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn, err := p.connect(ctx)
	if err != nil {
		return platform.Description{}, err
	}
	out := platform.Description{Product: "PostgreSQL " + conn.PgConn().ParameterStatus("server_version")}
	if t, ok := conn.PgConn().Conn().(*tls.Conn); ok {
		out.TLS = tls.VersionName(t.ConnectionState().Version)
	}
	err = conn.QueryRow(ctx, `SELECT current_user`).Scan(&out.Account)
	return out, p.whole("describe server", err)
}

// SelfAudit implements platform.SelfAuditor.
//
//	refused   superuser            the account is one
//	          becomes-superuser    or can act as one
//	warned    old-version          before PostgreSQL 15
//	          standby              nothing can be written there
//	          weak-provenance      it acts as the owner of tables: what it grants looks like the owner's
//	          bypassrls, createdb, replication
//	                               attributes that it does not need
//	          predefined-role      it is in a role of the server's that reads, writes or runs anything
//	          no-createrole, no-create, no-signal, no-stats, no-grant-option
//	                               rights that it lacks
//	          no-timers            pg_cron is there, and the engine cannot use it
//	          timer-failed, timer-missed
//	                               a job of ours failed, or did not run in its minute
func (p *Postgres) SelfAudit(ctx context.Context) ([]platform.Finding, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	var a selfAudit
	if err := a.read(ctx, conn); err != nil {
		return nil, p.whole("audit the engine's account", err)
	}
	return a.findings(!p.cfg.NoEndSessions), nil
}

// selfAudit is what the server says of the engine's account.
type selfAudit struct {
	user, database                              string
	version                                     int
	standby                                     bool
	super, createRole, createDB, bypass, stream bool
	create, signal, stats                       bool
	becomes                                     []string // superusers that it can act as
	predefined                                  []string
	owns                                        int
	locked                                      []lockedSchema
	timers                                      timers
	late                                        lateTimers
}

// lockedSchema is a schema with tables that the engine cannot open to others.
type lockedSchema struct {
	name   string
	tables []string
}

// tooPowerful are the roles of the server's own that no engine needs.
var tooPowerful = []string{
	"pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_write_server_files", "pg_execute_server_program",
	"pg_checkpoint", "pg_create_subscription", "pg_maintain",
}

func (a *selfAudit) read(ctx context.Context, conn *pgx.Conn) error {
	err := conn.QueryRow(ctx, `
		SELECT rolname, current_database(), current_setting('server_version_num')::int, pg_is_in_recovery(),
		       rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication,
		       has_database_privilege(current_database(), 'CREATE'),
		       pg_has_role('pg_signal_backend', 'USAGE'), pg_has_role('pg_read_all_stats', 'USAGE'),
		       ARRAY(SELECT s.rolname::text FROM pg_roles s WHERE s.rolsuper AND s.rolname <> me.rolname AND pg_has_role(s.oid, 'MEMBER') ORDER BY 1),
		       ARRAY(SELECT r.rolname::text FROM pg_roles r WHERE r.rolname = ANY ($1::text[]) AND pg_has_role(r.oid, 'MEMBER') ORDER BY 1),
		       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		          AND n.nspname !~ '^assent(_|$)' AND pg_has_role(c.relowner, 'USAGE'))
		FROM pg_roles me WHERE rolname = current_user`, tooPowerful).Scan(
		&a.user, &a.database, &a.version, &a.standby, &a.super, &a.createRole, &a.createDB, &a.bypass, &a.stream,
		&a.create, &a.signal, &a.stats, &a.becomes, &a.predefined, &a.owns)
	if err != nil || a.super {
		return err
	}
	if a.timers, err = readCron(ctx, conn); err != nil {
		return err
	}
	if a.timers.usable {
		if a.late, err = readLateTimers(ctx, conn); err != nil {
			return err
		}
	}
	// A schema that the engine may open is one that it is to govern: there, a
	// table that it cannot open is one that somebody forgot.
	rows, err := conn.Query(ctx, `
		SELECT n.nspname::text, array_agg(c.relname::text ORDER BY c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|assent_)' AND n.nspname NOT IN ('information_schema', 'assent')
		  AND EXISTS (SELECT FROM aclexplode(n.nspacl) x WHERE x.grantee = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND x.is_grantable)
		  AND NOT has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION')
		GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return err
	}
	var s lockedSchema
	_, err = pgx.ForEachRow(rows, []any{&s.name, &s.tables}, func() error {
		a.locked = append(a.locked, s)
		s.tables = nil
		return nil
	})
	return err
}

func (a *selfAudit) findings(endsSessions bool) []platform.Finding {
	me := ident(a.user)
	var refused, warned []platform.Finding
	refuse := func(code, text, fix string) {
		refused = append(refused, platform.Finding{Code: code, Refuse: true, Text: text, Fix: fix})
	}
	warn := func(code, text, fix string) {
		warned = append(warned, platform.Finding{Code: code, Text: text, Fix: fix})
	}
	const another = "use the account that `assent setup` makes"
	if a.super {
		refuse("superuser", "the engine's account "+a.user+" is a superuser: nothing checks it, and its grants look like those of each table's owner", another)
	}
	for _, s := range a.becomes {
		if !a.super {
			refuse("becomes-superuser", "the engine's account can act as "+s+", a superuser", "REVOKE "+ident(s)+" FROM "+me)
		}
	}
	if a.standby {
		warn("standby", "the server is a standby and takes no changes", "point the connection at the primary server")
	}
	if a.version < 150000 {
		warn("old-version", fmt.Sprintf("the server is of version %d: the engine needs PostgreSQL 15 or newer", a.version/10000), "upgrade the server")
	}
	if a.super {
		return append(refused, warned...)
	}
	if a.owns > 0 {
		warn("weak-provenance", fmt.Sprintf("the engine's account acts as the owner of %d tables, so its grants look like theirs", a.owns), another)
	}
	for _, x := range []struct {
		has           bool
		code, can, no string
	}{
		{a.bypass, "bypassrls", "bypasses row-level security", "NOBYPASSRLS"},
		{a.createDB, "createdb", "can make databases", "NOCREATEDB"},
		{a.stream, "replication", "can stream the whole server", "NOREPLICATION"},
	} {
		if x.has {
			warn(x.code, "the engine's account "+x.can+" and needs not", "ALTER ROLE "+me+" "+x.no)
		}
	}
	for _, r := range a.predefined {
		warn("predefined-role", "the engine's account is in "+r+" and needs not", "REVOKE "+r+" FROM "+me)
	}
	return append(append(refused, warned...), a.lacks(me, endsSessions)...)
}

// lacks are the rights that the account should have and has not.
func (a *selfAudit) lacks(me string, endsSessions bool) []platform.Finding {
	var out []platform.Finding
	for _, x := range []struct {
		has             bool
		code, cannot, f string
	}{
		{a.createRole, "no-createrole", "cannot make roles", "ALTER ROLE " + me + " CREATEROLE"},
		{a.create, "no-create", "cannot make schemas", "GRANT CREATE ON DATABASE " + ident(a.database) + " TO " + me},
		{a.signal || !endsSessions, "no-signal", "cannot end the sessions of people whose access ended", "GRANT pg_signal_backend TO " + me},
		{a.stats || !endsSessions, "no-stats", "cannot see which sessions hold on to what they read", "GRANT pg_read_all_stats TO " + me},
	} {
		if !x.has {
			out = append(out, platform.Finding{Code: x.code, Text: "the engine's account " + x.cannot, Fix: x.f})
		}
	}
	if a.timers.why != "" {
		out = append(out, platform.Finding{
			Code: "no-timers", Text: "pg_cron is installed but does not end access in time: " + a.timers.why, Fix: a.timers.fix,
		})
	}
	out = append(out, a.late.findings()...)
	const shown = 3
	for _, s := range a.locked {
		names := strings.Join(s.tables, ", ")
		if n := len(s.tables); n > shown {
			names = fmt.Sprintf("%s and %d more", strings.Join(s.tables[:shown], ", "), n-shown)
		}
		out = append(out, platform.Finding{
			Code: "no-grant-option", Text: "the engine's account cannot open tables of schema " + s.name + ": " + names,
			Fix: "GRANT " + tablePrivileges + " ON ALL TABLES IN SCHEMA " + ident(s.name) + " TO " + me + " WITH GRANT OPTION",
		})
	}
	return out
}

// tooBroad refuses to give anything as a superuser: what it grants would be
// the owner's, and so nobody's to take back. What takes access away goes on.
func (r *run) tooBroad() error {
	if !r.s.engineSuper || !slices.ContainsFunc(r.batch.Changes, func(c plan.Change) bool { return !takesAway(c) }) {
		return nil
	}
	return &platform.Error{
		Connection: r.p.cfg.Connection, Code: platform.TooBroad, Hint: "use the account that `assent setup` makes",
		Err: fmt.Errorf("apply: the engine's account %s is a superuser", r.s.engine),
	}
}

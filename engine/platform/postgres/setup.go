package postgres

import (
	"context"
	"fmt"
	"strings"
)

// SetupSQL is what a database's owner or superuser runs once, connected to the
// database, so that the engine can work there without being either: a login
// with CREATEROLE, the right to make schemas and to end sessions, and on each
// schema the privileges that it will pass on. With no password the login gets
// none. Tables that the running role makes later in these schemas are covered;
// for those of other roles, repeat the last statements as these roles.
//
// On PostgreSQL 15, CREATEROLE lets the engine put anybody into any role but
// superusers; from 16 on only into those that it made.
func SetupSQL(engineRole, password, database string, schemas ...string) (string, error) {
	for _, name := range append([]string{engineRole, database}, schemas...) {
		if !nameable(name) {
			return "", fmt.Errorf("write setup: %q cannot be a name", name)
		}
	}
	if err := checkText(password); err != nil {
		return "", fmt.Errorf("write setup: password: %w", err)
	}
	engine := ident(engineRole)
	var b strings.Builder
	b.WriteString("CREATE ROLE " + engine + " LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS")
	if password != "" {
		b.WriteString(" PASSWORD " + literal(password))
	}
	b.WriteString(";\n")
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+";\n", args...) }
	line("GRANT pg_signal_backend, pg_read_all_stats TO %s", engine)
	line("GRANT CONNECT, CREATE ON DATABASE %s TO %s", ident(database), engine)
	for _, s := range schemas {
		line("GRANT USAGE ON SCHEMA %s TO %s WITH GRANT OPTION", ident(s), engine)
		line("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s WITH GRANT OPTION", ident(s), engine)
		line("ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %s WITH GRANT OPTION", ident(s), engine)
	}
	return b.String(), nil
}

// Warnings says what is wrong with the engine's own account, in sentences for
// people; none where it is as SetupSQL makes it.
func (p *Postgres) Warnings(ctx context.Context) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	var super, createrole, bypass, signal, create bool
	var owns int
	err = conn.QueryRow(ctx, `
		SELECT rolsuper, rolcreaterole, rolbypassrls, pg_has_role('pg_signal_backend', 'USAGE'),
		       has_database_privilege(current_database(), 'CREATE'),
		       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		          AND NOT starts_with(n.nspname, 'assent') AND pg_has_role(c.relowner, 'USAGE'))
		FROM pg_roles WHERE rolname = current_user`).Scan(&super, &createrole, &bypass, &signal, &create, &owns)
	if err != nil {
		return nil, p.whole("check account", err)
	}
	switch {
	case super:
		out = append(out, "provenance is weak: the engine's account is a superuser, so its grants look like those of each table's owner; use an account made by the setup statements")
	case owns > 0:
		out = append(out, fmt.Sprintf("provenance is weak: the engine's account acts as the owner of %d tables, so its grants look like theirs; use an account made by the setup statements", owns))
	}
	if !super && !createrole {
		out = append(out, "the engine's account cannot make roles: ALTER ROLE … CREATEROLE")
	}
	if !create && !super {
		out = append(out, "the engine's account cannot make schemas: GRANT CREATE ON DATABASE")
	}
	if bypass && !super {
		out = append(out, "the engine's account bypasses row-level security and needs not: ALTER ROLE … NOBYPASSRLS")
	}
	if !signal && !p.cfg.NoEndSessions {
		out = append(out, "the engine's account cannot end the sessions of people whose access ended: GRANT pg_signal_backend")
	}
	return out, nil
}

package postgres

import (
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
)

var _ platform.Preparer = (*Postgres)(nil)

// Prepare implements platform.Preparer: SetupSQL for psql, with the rights on
// what the creators make later, and with what is left to do by hand.
func (*Postgres) Prepare(o platform.Preparation) (string, error) {
	setup, err := SetupSQL(o.Account, "", o.Database, o.Schemas...)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("-- For the owner of the database or a superuser, once, connected to it.\n" + setup)
	for _, s := range o.Schemas {
		for _, creator := range o.Creators[s] {
			if !nameable(creator) {
				return "", fmt.Errorf("write setup: %q cannot be a name", creator)
			}
			fmt.Fprintf(&b, "ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %s GRANT %s ON TABLES TO %s WITH GRANT OPTION;\n",
				ident(creator), ident(s), tablePrivileges, ident(o.Account))
			fmt.Fprintf(&b, "ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %s GRANT USAGE ON SEQUENCES TO %s WITH GRANT OPTION;\n",
				ident(creator), ident(s), ident(o.Account))
		}
	}
	var uncovered []string
	for _, s := range o.Schemas {
		if len(o.Creators[s]) == 0 {
			uncovered = append(uncovered, ident(s))
		}
	}
	if len(uncovered) > 0 {
		b.WriteString("-- Tables that roles other than you make later are not covered in " + oneLine(strings.Join(uncovered, ", ")) +
			": name these roles as creators.\n")
	}
	b.WriteString("-- Then give the account a password, in psql: \\password " + ident(o.Account) + "\n")
	return b.String(), nil
}

// tablePrivileges are what the engine passes on. MAINTAIN, which PostgreSQL 17
// added, is not among them: it is no way to read or write.
const tablePrivileges = "SELECT, INSERT, UPDATE, DELETE"

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
		line("GRANT "+tablePrivileges+" ON ALL TABLES IN SCHEMA %s TO %s WITH GRANT OPTION", ident(s), engine)
		line("GRANT USAGE ON ALL SEQUENCES IN SCHEMA %s TO %s WITH GRANT OPTION", ident(s), engine)
		line("ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT "+tablePrivileges+" ON TABLES TO %s WITH GRANT OPTION", ident(s), engine)
		line("ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT USAGE ON SEQUENCES TO %s WITH GRANT OPTION", ident(s), engine)
	}
	return b.String(), nil
}

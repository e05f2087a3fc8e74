package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The raw ways to grant what a load declares, as somebody would with psql.

// psql is the client that runs the raw scripts, empty where there is none.
func psql() string {
	if at, err := exec.LookPath("psql"); err == nil {
		return at
	}
	return ""
}

func (l *load) script(name string, statements []string) string {
	l.t.Helper()
	path := filepath.Join(l.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Join(statements, ";\n")+";\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// runScript is the time that psql needs for a script, as the engine's account.
func (l *load) runScript(path string, options ...string) time.Duration {
	l.t.Helper()
	args := append([]string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", l.engine, "-f", path}, options...)
	start := time.Now()
	out, err := exec.CommandContext(l.t.Context(), psql(), args...).CombinedOutput()
	took := time.Since(start)
	if err != nil || strings.Contains(string(out), "WARNING") {
		l.t.Fatalf("psql: %v: %.300s", err, out)
	}
	l.given = true
	return took
}

func rawRole(j int) string { return fmt.Sprintf("raw_%d", j) }

// singles is one statement for each table and role.
func (l *load) singles() []string {
	var out []string
	columns := idents(l.columns)
	for j := range loadRoles {
		for i := range l.schemas {
			out = append(out, "GRANT USAGE ON SCHEMA "+loadSchema(i)+" TO "+rawRole(j))
			for k := range loadTables {
				out = append(out, fmt.Sprintf("GRANT SELECT (%s) ON %s.t%d TO %s", columns, loadSchema(i), k, rawRole(j)))
			}
		}
	}
	return out
}

// batches is one statement for a hundred tables and all roles.
func (l *load) batches() []string {
	var out []string
	var roles []string
	for j := range loadRoles {
		roles = append(roles, rawRole(j))
	}
	to := " TO " + strings.Join(roles, ", ")
	var tables, schemas []string
	for i := range l.schemas {
		schemas = append(schemas, loadSchema(i))
		for k := range loadTables {
			tables = append(tables, fmt.Sprintf("%s.t%d", loadSchema(i), k))
		}
	}
	for some := range slices.Chunk(schemas, 100) {
		out = append(out, "GRANT USAGE ON SCHEMA "+strings.Join(some, ", ")+to)
	}
	for some := range slices.Chunk(tables, 100) {
		out = append(out, "GRANT SELECT ("+idents(l.columns)+") ON "+strings.Join(some, ", ")+to)
	}
	return out
}

// catalogQuery reads every item of the managed roles, by object ids, the way
// that a tool would which does nothing else.
func (l *load) catalogQuery(conn *pgx.Conn) (took time.Duration, items int) {
	l.t.Helper()
	start := time.Now()
	rows, err := conn.Query(context.Background(), `
		WITH managed AS MATERIALIZED (SELECT array_agg(oid) AS oids FROM pg_roles WHERE starts_with(rolname, 'assent_'))
		SELECT c.oid, 0::int2, a.grantee, a.grantor, a.privilege_type FROM managed, pg_class c, aclexplode(c.relacl) a
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.grantee = ANY (managed.oids)
		UNION ALL
		SELECT t.attrelid, t.attnum, a.grantee, a.grantor, a.privilege_type FROM managed, pg_attribute t, aclexplode(t.attacl) a
		WHERE t.attacl IS NOT NULL AND NOT t.attisdropped AND a.grantee = ANY (managed.oids)`)
	if err != nil {
		l.t.Fatal(err)
	}
	for rows.Next() {
		items++
	}
	if rows.Err() != nil {
		l.t.Fatal(rows.Err())
	}
	return time.Since(start), items
}

// median of durations; the slice is sorted.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func needPsql(t *testing.T) {
	t.Helper()
	if psql() == "" {
		t.Skip("no psql on PATH: install the client of PostgreSQL")
	}
}

package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// load is a workload: a declaration is one role on one schema of ten tables, with
// the same columns of each.
type load struct {
	*fixture
	schemas int
	columns []string // that a role opens of each table
	roles   []*grant.Role
	given   bool // something may have been granted
	opened  func(*Postgres)
}

const (
	loadTables = 10 // of a schema
	loadRoles  = 10 // on each schema
)

// loadColumns are the columns of each table.
var loadColumns = []string{"id", "name", "email", "amount"}

func newLoad(t *testing.T, schemas int) *load {
	t.Helper()
	l := &load{fixture: newFixture(t), schemas: schemas, columns: loadColumns}
	engine := ident("engine" + strings.TrimPrefix(l.db, "db"))
	for i := range schemas {
		s := loadSchema(i)
		var b strings.Builder
		fmt.Fprintf(&b, "CREATE SCHEMA %s; GRANT USAGE ON SCHEMA %s TO %s WITH GRANT OPTION;", s, s, engine)
		for j := range loadTables {
			fmt.Fprintf(&b, "CREATE TABLE %s.t%d (id int, name text, email text, amount numeric);", s, j)
		}
		fmt.Fprintf(&b, "GRANT SELECT ON ALL TABLES IN SCHEMA %s TO %s WITH GRANT OPTION;", s, engine)
		mustExec(t, l.admin, b.String())
	}
	for j := range loadRoles {
		mustExec(t, l.admin, fmt.Sprintf("CREATE ROLE raw_%d", j))
	}
	l.roles = l.wide(nil)
	mustExec(t, l.admin, "VACUUM ANALYZE")
	return l
}

func loadSchema(i int) string { return fmt.Sprintf("s%04d", i) }

// wide is ten roles, each on every schema.
func (l *load) wide(columns []grant.Column) []*grant.Role {
	if columns == nil {
		for _, c := range l.columns {
			columns = append(columns, seen(c))
		}
	}
	var out []*grant.Role
	for j := range loadRoles {
		r := l.role(fmt.Sprintf("p%d", j))
		for i := range l.schemas {
			r.Objects = append(r.Objects, l.objects(i, columns)...)
		}
		out = append(out, r)
	}
	return out
}

func (l *load) objects(schema int, columns []grant.Column) []grant.Object {
	var out []grant.Object
	for k := range loadTables {
		out = append(out, grant.Object{Path: []string{l.db, loadSchema(schema), fmt.Sprintf("t%d", k)}, Kind: "table", Columns: columns})
	}
	return out
}

// reset takes everything away from our roles and from the raw ones, and
// cleans the catalogs, so that every run starts alike.
func (l *load) reset() {
	l.t.Helper()
	ctx := context.Background()
	_ = l.p.Close()
	rows, err := l.admin.Query(ctx, `SELECT rolname FROM pg_roles WHERE rolname ~ '^(assent|raw)_'`)
	if err != nil {
		l.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		l.t.Fatal(err)
	}
	// Only the grantor's own REVOKE takes an item away.
	conn := dial(l.t, l.engine)
	for start := 0; start < len(names) && l.given; start += 100 {
		list := idents(names[start:min(start+100, len(names))])
		for i := range l.schemas {
			mustExec(l.t, conn, "REVOKE ALL ON ALL TABLES IN SCHEMA "+loadSchema(i)+" FROM "+list, "REVOKE ALL ON SCHEMA "+loadSchema(i)+" FROM "+list)
		}
	}
	_ = conn.Close(ctx)
	l.given = true
	mustExec(l.t, l.admin, "DROP SCHEMA IF EXISTS assent CASCADE")
	for _, n := range names {
		if strings.HasPrefix(n, "assent") {
			mustExec(l.t, l.admin, "DROP ROLE "+ident(n))
		}
	}
	mustExec(l.t, l.admin, "VACUUM pg_class", "VACUUM pg_attribute", "VACUUM pg_namespace", "VACUUM pg_authid", "VACUUM pg_auth_members",
		"VACUUM pg_shdepend", "VACUUM pg_shdescription", "CHECKPOINT")
	l.seq = 0
	l.reopen()
	if l.opened != nil {
		l.opened(l.p)
	}
}

func (l *load) mustApply(changes []plan.Change) []platform.Outcome {
	l.t.Helper()
	out := l.apply(changes...)
	for _, o := range out {
		if o.Status != platform.Applied && o.Status != platform.Done {
			l.t.Fatalf("%s %s: %s %s", o.Change.Action, o.Change.RoleKey().RoleName(), o.Status, o.Detail)
		}
	}
	return out
}

package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform"
)

// Survey implements platform.Surveyor. It reads roles and their members, owners,
// superusers, the predefined roles that open data, and privileges on the
// database, schemas, functions that run with their owner's rights, and tables to
// come. What PostgreSQL itself and the engine need is left out.
func (p *Postgres) Survey(ctx context.Context) (platform.Survey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn, err := p.connect(ctx)
	if err != nil {
		return platform.Survey{}, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return platform.Survey{}, p.whole("survey", err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	out := platform.Survey{Members: map[string][]string{}}
	var role, account string
	err = each(ctx, tx, membersSQL, nil, []any{&role, &account}, func() error {
		members := out.Members[role]
		if account != "" {
			members = append(members, account)
		}
		out.Members[role] = members
		return nil
	})
	if err != nil {
		return platform.Survey{}, p.whole("survey", err)
	}
	var s platform.Standing
	err = each(ctx, tx, standingSQL, nil, []any{&s.Reason, &s.Principal, &s.Path, &s.Privilege, &s.Grantable, &s.Grantor}, func() error {
		out.Standing = append(out.Standing, s)
		s.Path = nil
		return nil
	})
	if err != nil {
		return platform.Survey{}, p.whole("survey", err)
	}
	slices.SortFunc(out.Standing, platform.Standing.Compare)
	return out, nil
}

// membersSQL gives the logins in each role, also through other roles, and the
// role itself where it can log in; "" where there is none. Our roles, those of
// the platform, and logins without members are left out.
const membersSQL = `
	WITH RECURSIVE team AS (
		SELECT r.oid, r.rolname, r.rolcanlogin FROM pg_roles r
		WHERE r.oid >= 16384 AND r.rolname <> current_user AND NOT starts_with(r.rolname, 'assent_')
	), inside AS (
		SELECT m.roleid AS role, m.member FROM pg_auth_members m JOIN team t ON t.oid = m.roleid
		UNION
		SELECT i.role, m.member FROM inside i JOIN pg_auth_members m ON m.roleid = i.member
	)
	SELECT t.rolname, '' FROM team t WHERE NOT t.rolcanlogin
	UNION
	SELECT t.rolname, a.rolname FROM team t JOIN inside i ON i.role = t.oid JOIN pg_roles a ON a.oid = i.member
	WHERE a.rolcanlogin AND a.rolname <> current_user
	UNION
	SELECT t.rolname, t.rolname FROM team t WHERE t.rolcanlogin AND EXISTS (SELECT FROM inside i WHERE i.role = t.oid)
	ORDER BY 1, 2`

// standingSQL gives every way to data that is no privilege on a table.
const standingSQL = `
	WITH space AS (
		SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n
		WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> 'assent' AND NOT starts_with(n.nspname, 'assent_')
	), person AS (
		SELECT oid, rolname FROM pg_roles WHERE oid >= 16384 AND rolname <> current_user AND NOT starts_with(rolname, 'assent_')
	), item AS (
		SELECT 'superuser' AS reason, r.oid AS grantee, ARRAY[current_database()::text] AS path, 'ALL' AS privilege, false AS grantable, 0::oid AS grantor
		FROM pg_roles r WHERE r.rolsuper
		UNION ALL
		SELECT 'owner', d.datdba, ARRAY[d.datname::text], 'ALL', false, 0 FROM pg_database d WHERE d.datname = current_database()
		UNION ALL
		SELECT 'owner', s.nspowner, ARRAY[current_database()::text, s.nspname::text], 'ALL', false, 0 FROM space s
		UNION ALL
		SELECT DISTINCT 'owner', c.relowner, ARRAY[current_database()::text, s.nspname::text, c.relname::text], 'ALL', false, 0::oid
		FROM pg_class c JOIN space s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
		UNION ALL
		SELECT 'predefined-role', m.member, ARRAY[current_database()::text], 'MEMBER OF ' || r.rolname, m.admin_option, m.grantor
		FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
		WHERE r.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_execute_server_program')
		UNION ALL
		SELECT 'database-privilege', a.grantee, ARRAY[d.datname::text], a.privilege_type, a.is_grantable, a.grantor
		FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database() AND a.grantee <> d.datdba AND a.privilege_type = 'CREATE'
		UNION ALL
		SELECT 'schema-privilege', a.grantee, ARRAY[current_database()::text, s.nspname::text], a.privilege_type, a.is_grantable, a.grantor
		FROM space s, aclexplode(s.nspacl) a WHERE a.grantee <> s.nspowner AND a.privilege_type = 'CREATE'
		UNION ALL
		SELECT DISTINCT 'function', a.grantee, ARRAY[current_database()::text, s.nspname::text, f.proname::text], 'EXECUTE', a.is_grantable, a.grantor
		FROM pg_proc f JOIN space s ON s.oid = f.pronamespace, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
		WHERE f.prosecdef AND a.grantee <> f.proowner
		UNION ALL
		SELECT 'default-privilege', a.grantee,
		       CASE WHEN s.oid IS NULL THEN ARRAY[current_database()::text] ELSE ARRAY[current_database()::text, s.nspname::text] END,
		       a.privilege_type, a.is_grantable, d.defaclrole
		FROM pg_default_acl d LEFT JOIN space s ON s.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
		WHERE d.defaclobjtype = 'r' AND a.grantee <> d.defaclrole AND (d.defaclnamespace = 0 OR s.oid IS NOT NULL)
	)
	SELECT i.reason, CASE i.grantee WHEN 0 THEN 'PUBLIC' ELSE coalesce(g.rolname, p.rolname) END, i.path, i.privilege, i.grantable,
	       CASE i.grantor WHEN 0 THEN '' ELSE pg_get_userbyid(i.grantor) END
	FROM item i LEFT JOIN person p ON p.oid = i.grantee
	LEFT JOIN pg_roles g ON g.oid = i.grantee AND g.rolsuper AND i.reason = 'superuser'
	WHERE i.grantee = 0 OR p.oid IS NOT NULL OR g.oid IS NOT NULL`

// Undo implements platform.Advisor.
func (p *Postgres) Undo(f platform.Foreign) string {
	to := ident(f.Principal)
	if f.Principal == everybody {
		to = everybody
	}
	as := ""
	if f.Grantor != "" {
		as = "SET ROLE " + ident(f.Grantor) + "; "
	}
	if role, ok := strings.CutPrefix(f.Privilege, "MEMBER OF "); ok {
		return as + "REVOKE " + ident(role) + " FROM " + to
	}
	if len(f.Path) != 3 {
		return ""
	}
	privilege := f.Privilege
	if len(f.Columns) > 0 {
		privilege += " (" + idents(f.Columns) + ")"
	}
	return as + "REVOKE " + privilege + " ON TABLE " + ident(f.Path[1], f.Path[2]) + " FROM " + to
}

var (
	_ platform.Surveyor = (*Postgres)(nil)
	_ platform.Advisor  = (*Postgres)(nil)
)

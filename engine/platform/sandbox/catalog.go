package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// role is a role as the file holds it. The objects are those that can be read
// now: one whose table or any column is gone is not there.
type role struct {
	name    string
	ours    bool
	role    grant.Role
	tables  []int64 // the table of each object
	columns [][]string
}

// table is a registered table that exists.
type table struct {
	id      int64
	columns []string
}

// findTable finds a table by its path. ok is false where there is none.
func findTable(conn *sqlite.Conn, path []string) (t table, ok bool, err error) {
	if len(path) != 3 {
		return table{}, false, nil
	}
	err = query(conn, `SELECT id FROM assent_tables WHERE db = ? AND schema = ? AND name = ?`, func(st *sqlite.Stmt) error {
		t.id = st.ColumnInt64(0)
		return nil
	}, path[0], path[1], path[2])
	if err != nil || t.id == 0 {
		return table{}, false, err
	}
	t.columns, err = tableColumns(conn, relation(path))
	return t, len(t.columns) > 0, err
}

func tableColumns(conn *sqlite.Conn, rel string) (cols []string, err error) {
	err = query(conn, `SELECT name FROM pragma_table_info(?) ORDER BY cid`, func(st *sqlite.Stmt) error {
		cols = append(cols, st.ColumnText(0))
		return nil
	}, rel)
	return cols, err
}

// readRoles reads the roles in order of their names; name, where not empty, picks one.
func readRoles(conn *sqlite.Conn, connection resource.Name, name string) ([]*role, error) {
	var out []*role
	err := query(conn, `SELECT name, ours, scope_kind, scope_name, access, profile FROM assent_roles
		WHERE ?1 = '' OR name = ?1 ORDER BY name`, func(st *sqlite.Stmt) error {
		r := &role{name: st.ColumnText(0), ours: st.ColumnBool(1)}
		r.role.RoleKey = grant.RoleKey{
			Connection: connection,
			Scope:      resource.Ref{Kind: resource.Kind(st.ColumnText(2)), Name: resource.Name(st.ColumnText(3))},
			Access:     resource.AccessLevel(st.ColumnText(4)),
			Profile:    st.ColumnText(5),
		}
		r.role.Objects = []grant.Object{}
		out = append(out, r)
		return nil
	}, name)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	for _, r := range out {
		if err := readObjects(conn, r); err != nil {
			return nil, fmt.Errorf("read role %s: %w", r.name, err)
		}
	}
	return out, nil
}

func readObjects(conn *sqlite.Conn, r *role) error {
	var all []grant.Object
	var ids []int64
	err := query(conn, `SELECT t.id, t.db, t.schema, t.name, o.kind, o.read_only, c.name, c.mask
		FROM assent_objects o
		JOIN assent_tables t ON t.id = o.table_id
		JOIN assent_columns c ON c.role = o.role AND c.table_id = o.table_id
		WHERE o.role = ? ORDER BY t.db, t.schema, t.name, c.ordinal`, func(st *sqlite.Stmt) error {
		id := st.ColumnInt64(0)
		if len(ids) == 0 || ids[len(ids)-1] != id {
			ids = append(ids, id)
			all = append(all, grant.Object{
				Path: []string{st.ColumnText(1), st.ColumnText(2), st.ColumnText(3)}, Kind: st.ColumnText(4),
				ReadOnly: st.ColumnBool(5),
			})
		}
		col := grant.Column{Name: st.ColumnText(6)}
		if !st.ColumnIsNull(7) {
			col.Mask = new(resource.Mask)
			if err := json.Unmarshal([]byte(st.ColumnText(7)), col.Mask); err != nil {
				return fmt.Errorf("read mask of %s: %w", col.Name, err)
			}
		}
		o := &all[len(all)-1]
		o.Columns = append(o.Columns, col)
		return nil
	}, r.name)
	if err != nil {
		return err
	}
	for i, o := range all {
		cols, err := tableColumns(conn, relation(o.Path))
		if err != nil {
			return err
		}
		if missingColumn(o, cols) == "" {
			r.role.Objects = append(r.role.Objects, o)
			r.tables = append(r.tables, ids[i])
			r.columns = append(r.columns, cols)
		}
	}
	return nil
}

// missingColumn is the first column of the object that the table has not.
func missingColumn(o grant.Object, have []string) string {
	for _, c := range o.Columns {
		if !slices.Contains(have, c.Name) {
			return c.Name
		}
	}
	return ""
}

// readMembers reads the members of a role, or of all roles that are ours.
func readMembers(conn *sqlite.Conn, roleName, account string, each func(role string, g grant.Grant) error) error {
	err := query(conn, `SELECT m.role, m.account, m.not_after, m.requests FROM assent_members m
		WHERE (?1 = '' OR m.role = ?1) AND (?2 = '' OR m.account = ?2) ORDER BY m.role, m.account`, func(st *sqlite.Stmt) error {
		g := grant.Grant{Principal: st.ColumnText(1)}
		if !st.ColumnIsNull(2) {
			g.NotAfter = time.Unix(st.ColumnInt64(2), 0).UTC()
		}
		if err := json.Unmarshal([]byte(st.ColumnText(3)), &g.Requests); err != nil {
			return fmt.Errorf("read requests of %s: %w", g.Principal, err)
		}
		return each(st.ColumnText(0), g)
	}, roleName, account)
	if err != nil {
		return fmt.Errorf("read members: %w", err)
	}
	return nil
}

func readForeign(conn *sqlite.Conn, account string) (out []platform.Foreign, err error) {
	err = query(conn, `SELECT f.account, t.db, t.schema, t.name, f.privilege, f.grantor
		FROM assent_foreign f JOIN assent_tables t ON t.id = f.table_id
		WHERE ?1 = '' OR f.account = ?1
		ORDER BY f.account, t.db, t.schema, t.name, f.privilege, f.grantor`, func(st *sqlite.Stmt) error {
		out = append(out, platform.Foreign{
			Principal: st.ColumnText(0),
			Path:      []string{st.ColumnText(1), st.ColumnText(2), st.ColumnText(3)},
			Privilege: st.ColumnText(4), Grantor: st.ColumnText(5),
		})
		return nil
	}, account)
	return out, err
}

func accountExists(conn *sqlite.Conn, account string) (bool, error) {
	n, err := number(conn, `SELECT count(*) FROM assent_accounts WHERE name = ?`, account)
	return n == 1, err
}

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Observe implements platform.Platform.
func (s *Sandbox) Observe(ctx context.Context) (platform.State, error) {
	var st platform.State
	err := s.read(ctx, func(conn *sqlite.Conn) (err error) {
		st, err = s.state(conn)
		return err
	})
	if err != nil {
		return platform.State{}, s.wrap(fmt.Errorf("observe: %w", err))
	}
	return st, nil
}

func (s *Sandbox) state(conn *sqlite.Conn) (st platform.State, err error) {
	if st.Mark, err = readMark(conn); err != nil {
		return st, err
	}
	if st.ServerID, err = meta(conn, "server"); err != nil {
		return st, err
	}
	all, err := readRoles(conn, s.cfg.Connection, "")
	if err != nil {
		return st, err
	}
	ours := map[string]grant.RoleKey{}
	st.Ours = grant.State{Roles: []grant.Role{}, Grants: []grant.Grant{}}
	for _, r := range all {
		if r.ours {
			ours[r.name] = r.role.RoleKey
			st.Ours.Roles = append(st.Ours.Roles, r.role)
		}
	}
	err = readMembers(conn, "", "", func(name string, g grant.Grant) error {
		if k, ok := ours[name]; ok {
			g.RoleKey = k
			st.Ours.Grants = append(st.Ours.Grants, g)
		}
		return nil
	})
	if err != nil {
		return st, err
	}
	slices.SortFunc(st.Ours.Roles, func(a, b grant.Role) int { return a.RoleKey.Compare(b.RoleKey) })
	slices.SortFunc(st.Ours.Grants, grant.Grant.Compare)
	st.Foreign, err = readForeign(conn, "")
	return st, err
}

// Discover implements platform.Platform. The tables are read in one view of
// the file before the first is given.
func (s *Sandbox) Discover(ctx context.Context) iter.Seq2[platform.Source, error] {
	return func(yield func(platform.Source, error) bool) {
		var found []platform.Source
		err := s.read(ctx, func(conn *sqlite.Conn) (err error) {
			found, err = sources(conn)
			return err
		})
		if err != nil {
			yield(platform.Source{}, s.wrap(fmt.Errorf("discover: %w", err)))
			return
		}
		for _, f := range found {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func sources(conn *sqlite.Conn) ([]platform.Source, error) {
	var out []platform.Source
	var written [][]resource.Column
	err := query(conn, `SELECT db, schema, name, columns FROM assent_tables ORDER BY db, schema, name`, func(st *sqlite.Stmt) error {
		var cols []resource.Column
		if err := json.Unmarshal([]byte(st.ColumnText(3)), &cols); err != nil {
			return fmt.Errorf("read columns of %s: %w", st.ColumnText(2), err)
		}
		written = append(written, cols)
		out = append(out, platform.Source{Path: []string{st.ColumnText(0), st.ColumnText(1), st.ColumnText(2)}, Kind: "table"})
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := out[:0]
	for i, src := range out {
		if src.Columns, err = sourceColumns(conn, relation(src.Path), written[i]); err != nil {
			return nil, err
		}
		if len(src.Columns) > 0 {
			kept = append(kept, src)
		}
	}
	return kept, nil
}

// sourceColumns reads names and types from SQLite, and the rest from what the
// owner wrote when the table was made.
func sourceColumns(conn *sqlite.Conn, rel string, written []resource.Column) (cols []resource.Column, err error) {
	err = query(conn, `SELECT name, type, "notnull" FROM pragma_table_info(?) ORDER BY cid`, func(st *sqlite.Stmt) error {
		c := resource.Column{Name: st.ColumnText(0), Type: st.ColumnText(1)}
		if st.ColumnBool(2) {
			c.Nullable = new(bool)
		}
		for _, w := range written {
			if w.Name == c.Name {
				c.Description, c.Tags = w.Description, w.Tags
			}
		}
		cols = append(cols, c)
		return nil
	}, rel)
	return cols, err
}

package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// reach is what one account may do, worked out from the file at the start of
// its statement. Names are as the schema spells them.
type reach struct {
	token   string                     // the name of the attached file, and the start of every name nobody can guess
	read    map[string]map[string]bool // table: columns open in clear
	write   map[string]map[string]bool // table: columns open for writing
	views   map[string]*view           // by the name that consumers use
	direct  map[string]bool            // tables that are open whole, also for writing, and have no view before them
	inner   map[string]bool            // names of views and triggers that only this connection can name
	trusted bool                       // set while a trigger of ours writes
}

// view is what stands in a consumer's connection for a masked object or a table.
type view struct {
	relation string
	columns  []grant.Column // in order; one that is not open is masked with NULL
	open     map[string]bool
	insert   map[string]bool // columns that may be inserted through it; none of a masked object
	mine     bool            // the account may read something of it
}

// loadReach reads what the account may do at the time now. A zero now means
// that no grant ends by itself.
func loadReach(conn *sqlite.Conn, token, account string, now time.Time) (*reach, error) {
	a := &reach{
		token: token,
		read:  map[string]map[string]bool{}, write: map[string]map[string]bool{},
		views: map[string]*view{}, direct: map[string]bool{}, inner: map[string]bool{},
	}
	in := map[string]bool{}
	err := readMembers(conn, "", account, func(role string, g grant.Grant) error {
		if account != "" && (now.IsZero() || g.NotAfter.IsZero() || now.Before(g.NotAfter)) {
			in[role] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	roles, err := readRoles(conn, "", "")
	if err != nil {
		return nil, err
	}
	for _, r := range roles {
		if r.ours {
			a.addRole(r, in[r.name])
		}
	}
	if err := a.addForeign(conn, account); err != nil {
		return nil, err
	}
	return a, a.addTables(conn)
}

func (a *reach) addRole(r *role, mine bool) {
	for _, o := range r.role.Objects {
		if o.Masked() {
			a.addMasked(r.role.RoleKey, o, mine)
		} else if mine {
			add(a.read, relation(o.Path), columnNames(o.Columns))
			if r.role.Writes(o) {
				add(a.write, relation(o.Path), columnNames(o.Columns))
			}
		}
	}
}

// addMasked adds a masked object, which is read and never written. Where two of
// an account's roles that share the address disagree on a column for a moment,
// it is shown through neither.
func (a *reach) addMasked(k grant.RoleKey, o grant.Object, mine bool) {
	name := viewName(k, o.Path)
	v := a.views[name]
	switch {
	case v == nil || mine && !v.mine:
		v = &view{relation: relation(o.Path), columns: o.Columns, mine: mine, insert: map[string]bool{}}
		a.views[name] = v
	case mine:
		v.columns = merge(v.columns, o.Columns)
	}
	v.open = set(columnNames(v.columns))
}

func merge(a, b []grant.Column) []grant.Column {
	var out []grant.Column
	for _, c := range a {
		i := slices.IndexFunc(b, func(d grant.Column) bool { return d.Name == c.Name })
		if i < 0 || sameMask(c.Mask, b[i].Mask) {
			out = append(out, c)
		}
	}
	for _, d := range b {
		if !slices.ContainsFunc(a, func(c grant.Column) bool { return c.Name == d.Name }) {
			out = append(out, d)
		}
	}
	return out
}

func sameMask(a, b *resource.Mask) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func (a *reach) addForeign(conn *sqlite.Conn, account string) error {
	if account == "" {
		return nil
	}
	others, err := readForeign(conn, account)
	if err != nil {
		return err
	}
	for _, f := range others {
		cols, err := tableColumns(conn, relation(f.Path))
		if err != nil {
			return err
		}
		add(a.read, relation(f.Path), cols)
	}
	return nil
}

// addTables puts a view before everything that the file holds, the
// bookkeeping too. Only a table that is open whole, also for writing, needs none.
func (a *reach) addTables(conn *sqlite.Conn) error {
	var names []string
	err := query(conn, `SELECT name FROM `+ident(a.token)+`.sqlite_schema
		WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`, func(st *sqlite.Stmt) error {
		names = append(names, st.ColumnText(0))
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		cols, err := tableColumns(conn, name)
		if err != nil {
			return err
		}
		if all(a.read[name], cols) && all(a.write[name], cols) {
			a.direct[name] = true
			continue
		}
		v := &view{relation: name, open: a.read[name], insert: a.write[name], mine: len(a.read[name]) > 0}
		for _, c := range cols {
			col := grant.Column{Name: c}
			if !v.open[c] {
				col.Mask = &resource.Mask{Type: resource.MaskNull}
			}
			v.columns = append(v.columns, col)
		}
		a.views[name] = v
	}
	return nil
}

// prepare makes the views of the account in its connection, before the guard stands.
func (a *reach) prepare(conn *sqlite.Conn) error {
	salt, err := meta(conn, "salt")
	if err != nil {
		return err
	}
	if salt == "" {
		return errors.New("read salt: it is missing")
	}
	if err := registerMasks(conn, salt, a.token+"_"); err != nil {
		return err
	}
	for i, name := range sortedKeys(a.views) {
		if err := a.makeView(conn, name, a.views[name], i); err != nil {
			return fmt.Errorf("make view %s: %w", name, err)
		}
	}
	return nil
}

// makeView makes the view that consumers name over one that only this
// connection can name. Of a view that is not the account's there is only an
// empty shape, so that it is refused and not unknown.
func (a *reach) makeView(conn *sqlite.Conn, name string, v *view, i int) error {
	if !v.mine || len(v.columns) == 0 {
		shape := []string{`NULL AS "nothing"`}
		for _, c := range v.columns {
			shape = append(shape, "NULL AS "+ident(c.Name))
		}
		return exec(conn, "CREATE TEMP VIEW "+ident(name)+" AS SELECT "+strings.Join(shape, ", ")+" WHERE false")
	}
	inner := fmt.Sprintf("%s_v%d", a.token, i)
	a.inner[inner] = true
	body := viewSQL(v.columns, ident(a.token)+"."+ident(v.relation), a.token+"_")
	if err := exec(conn, "CREATE TEMP VIEW "+ident(inner)+" AS "+body); err != nil {
		return err
	}
	if err := exec(conn, "CREATE TEMP VIEW "+ident(name)+" AS SELECT * FROM temp."+ident(inner)); err != nil {
		return err
	}
	if len(v.insert) == 0 {
		return nil
	}
	return a.makeInsert(conn, name, v, i)
}

// makeInsert lets rows into the table behind a view, in the columns that may be
// written. A value for any other column is refused. The trigger calls a
// function, because SQLite lets no trigger name the table behind its own view.
func (a *reach) makeInsert(conn *sqlite.Conn, name string, v *view, i int) error {
	var columns, values, refuse []string
	for _, c := range v.columns {
		if v.insert[c.Name] {
			columns = append(columns, c.Name)
			values = append(values, "NEW."+ident(c.Name))
		} else {
			refuse = append(refuse, "NEW."+ident(c.Name)+" IS NOT NULL")
		}
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	sql := "INSERT INTO " + ident(a.token) + "." + ident(v.relation) + " (" + idents(columns) + ") VALUES (" + marks + ")"
	function, trigger := fmt.Sprintf("%s_f%d", a.token, i), fmt.Sprintf("%s_t%d", a.token, i)
	a.inner[trigger] = true
	err := conn.CreateFunction(function, &sqlite.FunctionImpl{
		NArgs: len(columns), AllowIndirect: true,
		Scalar: func(ctx sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			a.trusted = true
			defer func() { a.trusted = false }()
			return sqlite.Value{}, sqlitex.ExecuteTransient(ctx.Conn(), sql, &sqlitex.ExecOptions{Args: plain(args)})
		},
	})
	if err != nil {
		return err
	}
	body := "SELECT " + ident(function) + "(" + strings.Join(values, ", ") + ");"
	if len(refuse) > 0 {
		body = "SELECT RAISE(ABORT, " + literal(a.token) + ") WHERE " + strings.Join(refuse, " OR ") + "; " + body
	}
	return exec(conn, "CREATE TEMP TRIGGER "+ident(trigger)+" INSTEAD OF INSERT ON temp."+ident(name)+" BEGIN "+body+" END")
}

func plain(values []sqlite.Value) []any {
	out := make([]any, len(values))
	for i, v := range values {
		switch v.Type() {
		case sqlite.TypeInteger:
			out[i] = v.Int64()
		case sqlite.TypeFloat:
			out[i] = v.Float()
		case sqlite.TypeText:
			out[i] = v.Text()
		case sqlite.TypeBlob:
			out[i] = v.Blob()
		default:
			out[i] = nil
		}
	}
	return out
}

// writes reports whether the account may write anything.
func (a *reach) writes() bool {
	for _, v := range a.views {
		if v.mine && len(v.insert) > 0 {
			return true
		}
	}
	return len(a.direct) > 0
}

func columnNames(cols []grant.Column) (names []string) {
	for _, c := range cols {
		names = append(names, c.Name)
	}
	return names
}

func set(names []string) map[string]bool {
	out := map[string]bool{}
	for _, n := range names {
		out[n] = true
	}
	return out
}

func all(have map[string]bool, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return !have[n] })
}

func add(m map[string]map[string]bool, table string, columns []string) {
	if m[table] == nil {
		m[table] = map[string]bool{}
	}
	for _, c := range columns {
		m[table][c] = true
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

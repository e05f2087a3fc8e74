package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// reach is what one account may do, worked out from the file at the start of
// its statement. Names are as the schema spells them.
type reach struct {
	read   map[string]map[string]bool // base relation: columns read directly
	update map[string]map[string]bool // base relation: columns written directly
	views  map[string]*view           // by the name consumers use
	inner  map[string]string          // random name: the base relation behind it
	known  map[string]bool            // every base relation, in lower case
	token  string                     // the random part of every inner name
}

// view is a masked object as the account sees it.
type view struct {
	relation string
	columns  []grant.Column
	insert   []string // columns that may be inserted through it; nil for none
	mine     bool     // the account is a member of a role that has it
	token    string
}

// loadReach reads what the account may do at the time now. A zero now means
// that no grant ends by itself.
func loadReach(conn *sqlite.Conn, account string, now time.Time) (*reach, error) {
	a := &reach{
		read: map[string]map[string]bool{}, update: map[string]map[string]bool{},
		views: map[string]*view{}, inner: map[string]string{}, known: map[string]bool{},
		token: "assent_" + random(16),
	}
	err := query(conn, `SELECT relation FROM assent_tables`, func(st *sqlite.Stmt) error {
		a.known[strings.ToLower(st.ColumnText(0))] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	in := map[string]bool{}
	err = readMembers(conn, "", account, func(role string, g grant.Grant) error {
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
	return a, a.addForeign(conn, account)
}

func (a *reach) addRole(r *role, mine bool) {
	for _, o := range r.role.Objects {
		if o.Masked() {
			a.addView(r.role.RoleKey, o, mine)
			continue
		}
		if !mine {
			continue
		}
		rel := relation(o.Path)
		add(a.read, rel, clearColumns(o.Columns))
		if r.role.Access == resource.Write {
			add(a.update, rel, clearColumns(o.Columns))
		}
	}
}

// addView adds a masked object. The levels of one product share the address;
// where two of an account's roles disagree on a column for a moment, it is
// shown through neither.
func (a *reach) addView(k grant.RoleKey, o grant.Object, mine bool) {
	name := viewName(k, o.Path)
	v := a.views[name]
	if v == nil || mine && !v.mine {
		v = &view{relation: relation(o.Path), columns: o.Columns, mine: mine}
		a.views[name] = v
	} else if mine {
		v.columns = merge(v.columns, o.Columns)
	}
	if mine && k.Access == resource.Write {
		v.insert = append(v.insert, clearColumns(o.Columns)...)
	}
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

func add(m map[string]map[string]bool, rel string, columns []string) {
	if m[rel] == nil {
		m[rel] = map[string]bool{}
	}
	for _, c := range columns {
		m[rel][c] = true
	}
}

func (a *reach) addForeign(conn *sqlite.Conn, account string) error {
	others, err := readForeign(conn, account)
	if err != nil {
		return err
	}
	for _, f := range others {
		rel := relation(f.Path)
		cols, err := tableColumns(conn, rel)
		if err != nil {
			return err
		}
		add(a.read, rel, cols)
	}
	return nil
}

// prepare makes the views and the triggers of the account in its connection,
// before the guard stands.
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
	for i, rel := range sortedKeys(a.update) {
		if err := a.keepHidden(conn, rel, i); err != nil {
			return fmt.Errorf("guard table %s: %w", rel, err)
		}
	}
	return nil
}

// makeView makes the view that consumers name over one that only this
// connection can name. Of a view that is not the account's there is only an
// empty shape, so that it is refused and not unknown.
func (a *reach) makeView(conn *sqlite.Conn, name string, v *view, i int) error {
	if !v.mine || len(v.columns) == 0 {
		nothing := []string{`NULL AS "nothing"`}
		for _, c := range v.columns {
			nothing = append(nothing, "NULL AS "+ident(c.Name))
		}
		return exec(conn, "CREATE TEMP VIEW "+ident(name)+" AS SELECT "+strings.Join(nothing, ", "))
	}
	v.token = fmt.Sprintf("%s_v%d", a.token, i)
	a.inner[v.token] = v.relation
	if err := exec(conn, "CREATE TEMP VIEW "+ident(v.token)+" AS "+viewSQL(v.columns, "main."+ident(v.relation), a.token+"_")); err != nil {
		return err
	}
	if err := exec(conn, "CREATE TEMP VIEW "+ident(name)+" AS SELECT * FROM temp."+ident(v.token)); err != nil {
		return err
	}
	if len(v.insert) == 0 {
		return nil
	}
	slices.Sort(v.insert)
	v.insert = slices.Compact(v.insert)
	var values, refuse []string
	for _, c := range v.columns {
		if slices.Contains(v.insert, c.Name) {
			values = append(values, "NEW."+ident(c.Name))
		} else {
			refuse = append(refuse, "NEW."+ident(c.Name)+" IS NOT NULL")
		}
	}
	trigger := fmt.Sprintf("%s_i%d", a.token, i)
	a.inner[trigger] = v.relation
	body := ""
	if len(refuse) > 0 {
		body = "SELECT RAISE(ABORT, " + literal(a.token) + ") WHERE " + strings.Join(refuse, " OR ") + "; "
	}
	columns := slices.DeleteFunc(columnNames(v.columns), func(c string) bool { return !slices.Contains(v.insert, c) })
	return exec(conn, "CREATE TEMP TRIGGER "+ident(trigger)+" INSTEAD OF INSERT ON temp."+ident(name)+" BEGIN "+body+
		"INSERT INTO "+ident(v.relation)+" ("+idents(columns)+") VALUES ("+strings.Join(values, ", ")+"); END")
}

func columnNames(cols []grant.Column) (names []string) {
	for _, c := range cols {
		names = append(names, c.Name)
	}
	return names
}

// keepHidden refuses an INSERT that states a column which the account may not
// write. The authorizer is not told which columns an INSERT names.
func (a *reach) keepHidden(conn *sqlite.Conn, rel string, i int) error {
	var stated []string
	err := query(conn, `SELECT name, coalesce(dflt_value, 'NULL') FROM pragma_table_info(?, 'main') ORDER BY cid`, func(st *sqlite.Stmt) error {
		if name := st.ColumnText(0); !a.update[rel][name] {
			stated = append(stated, "NEW."+ident(name)+" IS NOT ("+st.ColumnText(1)+")")
		}
		return nil
	}, rel)
	if err != nil || len(stated) == 0 {
		return err
	}
	trigger := fmt.Sprintf("%s_t%d", a.token, i)
	a.inner[trigger] = rel
	return exec(conn, "CREATE TEMP TRIGGER "+ident(trigger)+" BEFORE INSERT ON main."+ident(rel)+
		" WHEN "+strings.Join(stated, " OR ")+" BEGIN SELECT RAISE(ABORT, "+literal(a.token)+"); END")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// writes reports whether the account may write anything.
func (a *reach) writes() bool {
	if len(a.update) > 0 {
		return true
	}
	for _, v := range a.views {
		if v.mine && len(v.insert) > 0 {
			return true
		}
	}
	return false
}

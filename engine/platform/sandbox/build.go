package sandbox

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// verdict is how a change will end if its statements succeed. The zero verdict
// is applied, or done where there are no statements.
type verdict struct {
	status platform.Status
	code   platform.Code
	detail string
}

func failed(code platform.Code, format string, args ...any) verdict {
	return verdict{platform.Failed, code, fmt.Sprintf(format, args...)}
}

func pending(code platform.Code, format string, args ...any) verdict {
	return verdict{platform.Pending, code, fmt.Sprintf(format, args...)}
}

// builder turns changes into statements. It knows what the statements it has
// built lead to, so that a preview of a whole batch needs none of them to run.
type builder struct {
	conn       *sqlite.Conn
	connection resource.Name
	roles      map[string]*role
	members    map[member]*grant.Grant
}

type member struct{ role, account string }

func newBuilder(conn *sqlite.Conn, connection resource.Name) *builder {
	return &builder{conn: conn, connection: connection, roles: map[string]*role{}, members: map[member]*grant.Grant{}}
}

// role is the role as it will be; nil where there is none.
func (b *builder) role(name string) (*role, error) {
	if r, ok := b.roles[name]; ok {
		return r, nil
	}
	found, err := readRoles(b.conn, b.connection, name)
	if err != nil {
		return nil, err
	}
	b.roles[name] = nil
	if len(found) == 1 {
		b.roles[name] = found[0]
	}
	return b.roles[name], nil
}

// member is the membership as it will be; nil where there is none.
func (b *builder) member(m member) (*grant.Grant, error) {
	if g, ok := b.members[m]; ok {
		return g, nil
	}
	b.members[m] = nil
	err := readMembers(b.conn, m.role, m.account, func(_ string, g grant.Grant) error {
		b.members[m] = &g
		return nil
	})
	return b.members[m], err
}

// build gives the statements of one change and how it will end.
func (b *builder) build(c plan.Change) ([]statement, verdict, error) {
	k := c.RoleKey()
	if k.Connection != b.connection {
		return nil, failed(platform.Unsupported, "the change is for connection %s, this is %s", k.Connection, b.connection), nil
	}
	r, err := b.role(k.RoleName())
	if err != nil {
		return nil, verdict{}, err
	}
	if r != nil && (!r.ours || r.role.RoleKey != k) {
		return nil, failed(platform.NotOurs, "the role %s was made by somebody else; have its owner rename it", r.name), nil
	}
	switch c.Action {
	case plan.Revoke:
		return b.revoke(r, c.Grant)
	case plan.Retire:
		return b.retire(r)
	case plan.Provision:
		return b.provision(r, *c.Role)
	case plan.Extend, plan.Allow:
		return b.allow(r, *c.Grant)
	default:
		return nil, failed(platform.Unsupported, "the action %q is unknown", c.Action), nil
	}
}

func (b *builder) revoke(r *role, g *grant.Grant) ([]statement, verdict, error) {
	if r == nil {
		return nil, verdict{}, nil
	}
	m := member{r.name, g.Principal}
	held, err := b.member(m)
	if err != nil {
		return nil, verdict{}, err
	}
	var out []statement
	if held != nil {
		out = append(out, revokeRole(m.role, m.account))
		b.members[m] = nil
	}
	v, err := b.residual(r, g.Principal)
	return out, v, err
}

// residual says whether an account still reads an object of the role because
// somebody granted it by hand.
func (b *builder) residual(r *role, account string) (verdict, error) {
	others, err := readForeign(b.conn, account)
	if err != nil {
		return verdict{}, err
	}
	for _, f := range others {
		if slices.ContainsFunc(r.role.Objects, func(o grant.Object) bool { return slices.Equal(o.Path, f.Path) }) {
			return verdict{platform.Residual, platform.StillReadable, fmt.Sprintf(
				"%s still reads %s by a grant of %s; ask there to revoke it", account, relation(f.Path), f.Grantor)}, nil
		}
	}
	return verdict{}, nil
}

func (b *builder) retire(r *role) ([]statement, verdict, error) {
	if r == nil {
		return nil, verdict{}, nil
	}
	var out []statement
	err := readMembers(b.conn, r.name, "", func(_ string, g grant.Grant) error {
		m := member{r.name, g.Principal}
		if held, known := b.members[m]; !known || held != nil {
			out = append(out, revokeRole(m.role, m.account))
		}
		b.members[m] = nil
		return nil
	})
	if err != nil {
		return nil, verdict{}, err
	}
	for i, o := range r.role.Objects {
		out = append(out, closeObject(r.role.RoleKey, o, r.tables[i]))
	}
	b.roles[r.name] = nil
	return append(out, b.sweep(r)...), verdict{}, nil
}

// sweep is the end of a retirement: the role, and members and objects that
// could not be named because their account or table is gone.
func (b *builder) sweep(r *role) []statement {
	drop := dropRole(r.name)
	last := drop.run
	drop.run = func(conn *sqlite.Conn) error {
		for _, t := range []string{"assent_members", "assent_columns", "assent_objects"} {
			if err := exec(conn, "DELETE FROM "+t+" WHERE role = ?", r.name); err != nil {
				return err
			}
		}
		return last(conn)
	}
	return []statement{drop}
}

func (b *builder) allow(r *role, g grant.Grant) ([]statement, verdict, error) {
	if r == nil {
		return nil, pending(platform.NoObject, "the role %s is not there yet; it is made when its product is provisioned", g.RoleName()), nil
	}
	ok, err := accountExists(b.conn, g.Principal)
	if err != nil {
		return nil, verdict{}, err
	}
	if !ok {
		return nil, pending(platform.NoAccount, "the account %q does not exist; create it, or correct the user's accounts", g.Principal), nil
	}
	m := member{r.name, g.Principal}
	held, err := b.member(m)
	if err != nil {
		return nil, verdict{}, err
	}
	b.members[m] = &g
	switch {
	case held == nil:
		return []statement{grantRole(g, "GRANT", "a live approval wants it")}, verdict{}, nil
	case !held.NotAfter.Equal(g.NotAfter) || !slices.Equal(held.Requests, g.Requests):
		return []statement{grantRole(g, "ALTER GRANT OF", "its end or its requests changed")}, verdict{}, nil
	default:
		return nil, verdict{}, nil
	}
}

// provision closes what the role must not have, or not like this, and then
// opens what is missing. An object that cannot be opened as asked is closed.
func (b *builder) provision(r *role, want grant.Role) ([]statement, verdict, error) {
	if want.Access != resource.Read && want.Access != resource.Write {
		return nil, failed(platform.Unsupported, "the access level %q is unknown to the sandbox", want.Access), nil
	}
	target, v, err := b.resolve(want)
	if err != nil {
		return nil, v, err
	}
	var out []statement
	if r == nil {
		out = append(out, createRole(want.RoleKey))
		r = &role{name: target.name}
	}
	for i, o := range r.role.Objects {
		if !has(target, r.tables[i], o) {
			out = append(out, closeObject(want.RoleKey, o, r.tables[i]))
		}
	}
	for i, o := range target.role.Objects {
		if !has(r, target.tables[i], o) {
			st := openObject(want.RoleKey, o, target.tables[i])
			out = append(out, clearing(st, target.name, target.tables[i]))
		}
	}
	b.roles[target.name] = target
	return out, v, nil
}

// clearing lets a statement start from nothing: an object whose columns are
// gone is not observed, but its entries are still there.
func clearing(st statement, role string, tableID int64) statement {
	open := st.run
	st.run = func(conn *sqlite.Conn) error {
		if err := deleteObject(conn, role, tableID); err != nil {
			return err
		}
		return open(conn)
	}
	return st
}

func has(r *role, tableID int64, o grant.Object) bool {
	i := slices.Index(r.tables, tableID)
	return i >= 0 && cmp.Equal(r.role.Objects[i], o)
}

// resolve finds the objects of a role on the platform. Those that are missing,
// lack a column or cannot be made as asked are left out, and the verdict names
// the first of them.
func (b *builder) resolve(want grant.Role) (*role, verdict, error) {
	target := &role{name: want.RoleName(), ours: true, role: grant.Role{RoleKey: want.RoleKey}}
	var v verdict
	note := func(n verdict) {
		if v.status == "" || v.status == platform.Pending && n.status == platform.Failed {
			v = n
		}
	}
	for _, o := range want.Objects {
		if err := checkObject(o); err != nil {
			note(failed(platform.Unsupported, "%s is not opened: %v; change the mask or the source", relation(o.Path), err))
			continue
		}
		t, ok, err := findTable(b.conn, o.Path)
		if err != nil {
			return nil, v, err
		}
		missing := missingColumn(o, t.columns)
		switch {
		case !ok:
			note(pending(platform.NoObject, "the table %s does not exist; it is opened when it comes, or remove its source", relation(o.Path)))
		case missing != "":
			note(pending(platform.NoColumn, "%s has no column %q; run discover and correct its source", relation(o.Path), missing))
		case slices.Contains(target.tables, t.id):
			note(failed(platform.Unsupported, "%s is listed twice in one role", relation(o.Path)))
		default:
			target.role.Objects = append(target.role.Objects, o)
			target.tables = append(target.tables, t.id)
			target.columns = append(target.columns, t.columns)
		}
	}
	return target, v, nil
}

// checkObject says why an object cannot be opened, whatever the tables are.
func checkObject(o grant.Object) error {
	if len(o.Path) != 3 {
		return fmt.Errorf("its path has %d parts, want database, schema and table", len(o.Path))
	}
	if len(o.Columns) == 0 {
		return errors.New("it lists no column")
	}
	seen := map[string]bool{}
	for _, c := range o.Columns {
		if seen[c.Name] {
			return fmt.Errorf("column %q is listed twice", c.Name)
		}
		seen[c.Name] = true
		if c.Mask == nil {
			continue
		}
		if err := checkMask(*c.Mask); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
	}
	return nil
}

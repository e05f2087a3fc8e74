package postgres

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// book is the engine's own bookkeeping in the database.
type book struct {
	connection string
	epoch      int64
	seq        uint64
	digest     string
	roles      map[string]bookRole
	views      map[relName]bookView
	members    map[memberKey]bookMember

	viewsOf map[string]map[relName]bool // by role
	// maskers are the roles that open a relation through a view, or once did.
	maskers map[relName]map[string]bool
	ending  map[string]map[string]bool // by role, the accounts whose sessions are still to end
}

func newBook() *book {
	return &book{
		roles: map[string]bookRole{}, views: map[relName]bookView{}, members: map[memberKey]bookMember{},
		viewsOf: map[string]map[relName]bool{}, maskers: map[relName]map[string]bool{}, ending: map[string]map[string]bool{},
	}
}

func (b *book) setRole(name string, r bookRole) {
	b.roles[name] = r
	for _, o := range r.body.Objects {
		if o.Masked() {
			put(b.maskers, relName{o.Path[1], o.Path[2]}, name)
		}
	}
}

func (b *book) setView(at relName, v bookView) {
	b.dropView(at)
	b.views[at] = v
	put(b.viewsOf, v.role, at)
}

func (b *book) dropView(at relName) {
	delete(b.viewsOf[b.views[at].role], at)
	delete(b.views, at)
}

func (b *book) setMember(k memberKey, m bookMember) {
	b.members[k] = m
	if m.ending {
		put(b.ending, k.role, k.account)
	} else {
		delete(b.ending[k.role], k.account)
	}
}

func (b *book) dropMember(k memberKey) {
	delete(b.members, k)
	delete(b.ending[k.role], k.account)
}

func put[K, V comparable](m map[K]map[V]bool, k K, v V) {
	if m[k] == nil {
		m[k] = map[V]bool{}
	}
	m[k][v] = true
}

type bookRole struct {
	oid  uint32
	body grant.Role // what was carried out, less what was missing then
}

type bookView struct {
	role string
	path []string
	text string // digest of the statement that made it
	def  string // digest of what the server made of it
}

type memberKey struct{ role, account string }

type bookMember struct {
	notAfter time.Time
	requests []resource.Ref
	ending   bool // the membership is gone, sessions may hold on
}

// storedRole is how the books keep a role: objects that differ only in the
// name of the table stand together.
type storedRole struct {
	grant.RoleKey
	Columns [][]grant.Column `json:"columns"`
	Objects []storedObjects  `json:"objects"`
}

type storedObjects struct {
	Database string   `json:"database"`
	Schema   string   `json:"schema"`
	Kind     string   `json:"kind"`
	ReadOnly bool     `json:"readOnly,omitempty"`
	Columns  int      `json:"columns"` // which of the role's lists
	Names    []string `json:"names"`
}

func (s *storedObjects) fits(o grant.Object) bool {
	return s.Database == o.Path[0] && s.Schema == o.Path[1] && s.Kind == o.Kind && s.ReadOnly == o.ReadOnly
}

func encodeRole(r grant.Role) string {
	out := storedRole{RoleKey: r.RoleKey, Columns: [][]grant.Column{}, Objects: []storedObjects{}}
	for _, o := range r.Objects {
		n := len(out.Columns) - 1
		for n >= 0 && !sameColumns(out.Columns[n], o.Columns) {
			n--
		}
		if n < 0 {
			n = len(out.Columns)
			out.Columns = append(out.Columns, o.Columns)
		}
		if last := len(out.Objects) - 1; last >= 0 && out.Objects[last].Columns == n && out.Objects[last].fits(o) {
			out.Objects[last].Names = append(out.Objects[last].Names, o.Path[2])
			continue
		}
		out.Objects = append(out.Objects, storedObjects{o.Path[0], o.Path[1], o.Kind, o.ReadOnly, n, []string{o.Path[2]}})
	}
	return toJSON(out)
}

func decodeRole(text string) (grant.Role, error) {
	var in storedRole
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return grant.Role{}, err
	}
	n := 0
	for _, o := range in.Objects {
		n += len(o.Names)
	}
	out := grant.Role{RoleKey: in.RoleKey, Objects: make([]grant.Object, 0, n)}
	paths := make([]string, 0, 3*n)
	for _, o := range in.Objects {
		if o.Columns < 0 || o.Columns >= len(in.Columns) {
			return grant.Role{}, faultf(notOurs, "the books of role %s are damaged: delete its row in assent.role", in.RoleName())
		}
		for _, name := range o.Names {
			paths = append(paths, o.Database, o.Schema, name)
			path := paths[len(paths)-3 : len(paths) : len(paths)]
			out.Objects = append(out.Objects, grant.Object{Path: path, Kind: o.Kind, Columns: in.Columns[o.Columns], ReadOnly: o.ReadOnly})
		}
	}
	return out, nil
}

func sameRole(a, b grant.Role) bool {
	return a.RoleKey == b.RoleKey && slices.EqualFunc(a.Objects, b.Objects, func(x, y grant.Object) bool {
		return x.Kind == y.Kind && x.ReadOnly == y.ReadOnly && slices.Equal(x.Path, y.Path) && sameColumns(x.Columns, y.Columns)
	})
}

func sameColumns(a, b []grant.Column) bool {
	if len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] {
		return true
	}
	return slices.EqualFunc(a, b, func(x, y grant.Column) bool {
		return x.Name == y.Name && (x.Mask == y.Mask || x.Mask != nil && y.Mask != nil && toJSON(x.Mask) == toJSON(y.Mask))
	})
}

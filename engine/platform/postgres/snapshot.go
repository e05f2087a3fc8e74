package postgres

import (
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// snapshot is everything that the engine needs to know of a database, read in
// one consistent transaction. The builder of statements adds to it what it has
// planned, so that later changes of a batch build on earlier ones.
type snapshot struct {
	connection  resource.Name
	version     int // server_version_num
	serverID    string
	database    string
	engine      string
	engineID    uint32
	engineSuper bool

	roles   map[string]*role  // those of our namespace, and the accounts of the batch
	renamed map[string]string // what a role of ours is called now → what the books call it
	schemas map[string]*schema
	rels    map[relName]*relation
	byOID   map[uint32]*relation
	holders map[string]map[relName]bool // where a role may hold something by our hand
	book    *book                       // nil before the first Apply
	salted  bool                        // the owner of the views may read the salt
}

type role struct {
	oid        uint32
	name       string
	comment    string
	super      bool
	predefined bool
	// altered lists the attributes that a group role of ours must not have.
	altered []string
	members []membership
	// joined are the roles that this one was put into.
	joined    []string
	nowCalled string // where somebody renamed it
	planned   bool
}

// membership is one row of pg_auth_members, seen from the role.
type membership struct {
	account    string
	grantor    string
	grantorOK  bool // the engine may revoke what this grantor granted
	admin      bool
	inherit    bool
	set        bool
	privileged bool // granted by the engine, or by any grantor before PostgreSQL 16
}

type schema struct {
	oid     uint32
	name    string
	comment string
	public  bool // PUBLIC may use it
	usage   map[string]bool
	granted map[string]bool // usage granted by us
	planned bool
}

type relName struct{ schema, name string }

type relation struct {
	relName
	oid     uint32
	kind    byte // pg_class.relkind
	owner   string
	comment string
	columns []column
	acl     []access
	// def is the digest of a view's definition and options, for views in our schemas.
	def string
	// direct are the privileges that a role of ours holds by our own hand.
	direct map[string]*held
}

// access is a privilege that somebody other than the owner holds.
type access struct {
	grantee string // PUBLIC for everybody
	grantor string
	priv    string
	columns []string // nil for the table as a whole
	// grantable says that the grantee may pass it on.
	grantable bool
	ours      bool // granted by the engine, or by the owner where the engine acts as one
}

// held is what one role holds on one relation by our own hand.
type held struct {
	table   map[string]bool
	columns map[string]map[string]bool // privilege → column
}

func newHeld() *held {
	return &held{table: map[string]bool{}, columns: map[string]map[string]bool{}}
}

func (h *held) add(a access) {
	if a.columns == nil {
		h.table[a.priv] = true
		return
	}
	if h.columns[a.priv] == nil {
		h.columns[a.priv] = map[string]bool{}
	}
	for _, c := range a.columns {
		h.columns[a.priv][c] = true
	}
}

func (h *held) empty() bool { return h == nil || len(h.table) == 0 && len(h.columns) == 0 }

func (r *relation) held(role string) *held {
	if h := r.direct[role]; h != nil {
		return h
	}
	return newHeld()
}

// heldBy are the relations on which a role holds anything by our hand, in order.
func (s *snapshot) heldBy(role string) []relName {
	found := map[relName]bool{}
	for at := range s.holders[role] {
		if r := s.rels[at]; r != nil && !r.direct[role].empty() {
			found[at] = true
		}
	}
	return relNames(found)
}

// holds notes that a role holds something on a relation by our hand.
func (s *snapshot) holds(role string, r *relation, a access) {
	if r.direct[role] == nil {
		r.direct[role] = newHeld()
	}
	r.direct[role].add(a)
	if s.holders[role] == nil {
		s.holders[role] = map[relName]bool{}
	}
	s.holders[role][r.relName] = true
}

func (r *relation) column(name string) (column, bool) {
	i := slices.IndexFunc(r.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return r.columns[i], true
}

// book is the engine's own bookkeeping in the database.
type book struct {
	connection string
	epoch      int64
	seq        uint64
	digest     string
	roles      map[string]bookRole
	views      map[relName]bookView
	members    map[memberKey]bookMember
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

// wanted are the names that a snapshot must cover beside our own.
type wanted struct {
	accounts []string
	paths    map[relName]bool
}

func wantedBy(changes []plan.Change) wanted {
	w := wanted{paths: map[relName]bool{}}
	for _, c := range changes {
		if c.Grant != nil && nameable(c.Grant.Principal) {
			w.accounts = append(w.accounts, c.Grant.Principal)
		}
		for _, r := range []*grant.Role{c.Role, c.PriorRole} {
			if r == nil {
				continue
			}
			for _, o := range r.Objects {
				if len(o.Path) == 3 {
					w.paths[relName{o.Path[1], o.Path[2]}] = true
				}
			}
		}
	}
	slices.Sort(w.accounts)
	w.accounts = slices.Compact(w.accounts)
	return w
}

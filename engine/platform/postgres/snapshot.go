package postgres

import (
	"slices"
	"strings"

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
	uses    map[string][]*schema // by role, the schemas whose use we gave it
	rels    map[relName]*relation
	byOID   map[uint32]*relation
	ordered []*relation           // those that were read, in order
	all     []*relation           // those that the first read found, in order: see at
	cursor  int                   // where in all the last search ended
	aiming  int                   // how often aims were taken
	holders map[string]*relations // where a role may hold something by our hand
	book    *book                 // nil before the first Apply
	salted  bool                  // the owner of the views may read the salt
	unread  map[relName]bool      // views of ours that somebody holds locked

	timers timers // of pg_cron

	aids []*aid // what writing needs beside the tables, in order

	called  map[grant.RoleKey]string // see roleName
	names   map[uint32]string        // of the roles that the catalogs mention by object id
	acts    map[uint32]bool          // which of them the engine has the rights of
	wants   wants
	matches map[[2]*held]bool // what equal found, by its two sides
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
	// inherits says that a login has what its roles have; see pg_roles.rolinherit.
	inherits bool
	// member and anybody find members by account; see has and holds.
	member, anybody map[string]bool
}

// roleAttributes take away, in the order of the bits that readRoles asks for,
// what a group role of ours must not have.
var roleAttributes = [...]string{"NOLOGIN", "NOINHERIT", "NOCREATEDB", "NOCREATEROLE", "NOREPLICATION", "NOBYPASSRLS", "NOSUPERUSER"}

// membership is one row of pg_auth_members, seen from the role.
type membership struct {
	account    string
	grantor    string
	grantorID  uint32
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

	usable, grantable bool // the engine may use it, and let others use it

	ownerID uint32
	access  []grantItem // as read
}

// relations is a list that several share and add to.
type relations struct{ list []*relation }

type relName struct{ schema, name string }

type relation struct {
	relName
	oid     uint32
	kind    byte // pg_class.relkind
	owner   string
	comment string
	columns []column
	// acl is what others than the engine granted, to whomever, and what the
	// engine granted to roles that are not ours. Relations may share it.
	acl []access
	// def is the digest of a view's definition and options, for views in our schemas.
	def string
	// direct are the privileges that a role of ours holds by our own hand.
	// Relations on which all is alike share it until one changes.
	direct map[string]*held
	shared bool

	ownerID uint32
	access  relAccess // as read
	sql     string    // see quoted

	nth   int  // its place in snapshot.all, from 1; 0 where it has none
	named bool // a role of the books or of the changes names it
	// listed are the roles whose holders have it from the snapshot before.
	listed map[string]*held
	gone   bool  // dropped since the snapshot was taken
	aim    *held // what the role whose aims were the aimOf-th should hold
	aimOf  int
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

// quoted is the relation's name, ready to stand in a statement.
func (r *relation) quoted() string {
	if r.sql == "" {
		r.sql = ident(r.schema, r.name)
	}
	return r.sql
}

// hasColumns reports whether a relation has every column of an object.
func (r *relation) hasColumns(o *grant.Object) bool {
	for i, c := range o.Columns {
		if i < len(r.columns) && r.columns[i].name == c.Name {
			continue
		}
		if _, ok := r.column(c.Name); !ok {
			return false
		}
	}
	return true
}

// usesOf are the schemas whose use we gave a role, in order.
func (s *snapshot) usesOf(role string) []*schema {
	slices.SortFunc(s.uses[role], func(a, b *schema) int { return strings.Compare(a.name, b.name) })
	return s.uses[role]
}

func (r *relation) column(name string) (column, bool) {
	i := slices.IndexFunc(r.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return r.columns[i], true
}

// wanted are the names that a snapshot must cover beside our own.
type wanted struct {
	accounts []string
	roles    []*grant.Role // of the changes, as they are and as they will be
	writes   bool          // of a role that writes
	// again narrows the snapshot to these relations, where set: the others stay
	// as before has them, and nobody's rows in the books are read.
	again  map[relName]bool
	before *snapshot
	// known are the roles of the books that the last read decoded, by their text,
	// and bodies those of this one.
	known, bodies map[string]grant.Role
}

func wantedBy(changes []plan.Change) wanted {
	var w wanted
	for _, c := range changes {
		if c.Grant != nil && c.Action != plan.Revoke && nameable(c.Grant.Principal) {
			w.accounts = append(w.accounts, c.Grant.Principal)
		}
		for _, r := range []*grant.Role{c.Role, c.PriorRole} {
			if r == nil {
				continue
			}
			w.writes = w.writes || writing(*r)
			w.roles = append(w.roles, r)
		}
	}
	slices.Sort(w.accounts)
	w.accounts = slices.Compact(w.accounts)
	return w
}

package mysql

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// snapshot is everything that the engine needs to know of a server. The builder
// of statements adds to it what it has planned, so that later changes of a batch
// build on earlier ones. The privilege tables know no transactions: what another
// engine does meanwhile may be seen by half, and shows as altered.
type snapshot struct {
	connection resource.Name
	oracle     bool // MySQL, not MariaDB: see "MySQL" in the package comment
	serverID   string
	engine     account
	global     map[string]bool // what the engine may do everywhere
	super      bool            // which is everything
	passes     bool            // it may pass on what it holds everywhere
	now        time.Time       // by the server's clock
	timers     bool            // the server runs events

	logins    map[account]*login // every account and role
	byUser    map[string][]account
	members   map[string]map[account]bool // by role, who is directly in it, and whether he may pass it on
	joined    map[account]map[string]bool // the same the other way round
	databases map[string]string           // name → comment
	events    map[string]event            // of the books' database, by name
	rels      map[relName]*relation
	rights    []access                               // every privilege on data, whoever holds it
	direct    map[account]map[relName]*held          // of the roles of our namespace, and of our own accounts
	wide      map[account]map[string]map[string]bool // likewise: database as mysql.db has it, or "" for the server → privileges
	book      *book                                  // nil before the first Apply
	bookState bookState
	own       ownRights
	refused   map[refusal]bool // what the server would not let us open in this Apply
}

// bookState is how far the database of the books has come.
type bookState int

const (
	bookAbsent bookState = iota
	bookBegun            // some of its tables are there
	bookWhole
)

// account is one row of the catalog: a user name and the hosts it may come
// from. A role of MariaDB has no host.
type account struct{ user, host string }

func (a account) quoted() string { return ident(a.user) + "@" + ident(a.host) }

func (a account) String() string { return a.user + "@" + a.host }

func (a account) compare(b account) int {
	if c := strings.Compare(a.user, b.user); c != 0 {
		return c
	}
	return strings.Compare(a.host, b.host)
}

// login is an account or a role.
type login struct {
	account
	role     bool
	defaults []string        // its default roles; at most one on MariaDB
	global   map[string]bool // SELECT, INSERT, UPDATE, DELETE on everything
}

type event struct {
	definer, timeZone, status, text string
	at                              time.Time
}

type relName struct{ database, name string }

func (n relName) path() []string { return []string{n.database, n.name} }

type relation struct {
	relName
	kind    string // information_schema.TABLES.TABLE_TYPE
	comment string
	born    birth
	columns []column
	// def is the digest of a view's definition, for views in our databases.
	def     string
	definer string
	engine  string // that stores it; none for a view
	unread  string // why it cannot be read, empty where it can
}

// birth tells a table from another one that takes its name later.
type birth struct {
	Created string `json:"created,omitempty"` // CREATE_TIME: also moved by ALTER
	ID      uint64 `json:"id,omitempty"`      // InnoDB's: also moved by TRUNCATE
	Seen    string `json:"seen,omitempty"`    // when we recorded it
}

// another reports whether what is there now is not what was recorded. The id
// counts only where the table was made in the very second it was recorded in,
// when the time alone cannot tell.
func (b birth) another(now birth) bool {
	if b.Created != now.Created {
		return true
	}
	return b.ID != now.ID && b.Created >= b.Seen
}

// access is a privilege on a table, on columns of it, on a database or on the server.
type access struct {
	grantee account
	at      relName // the name is empty for a database, both are for the server
	raw     string  // the database as mysql.db has it: a pattern
	priv    string
	columns []string // nil for the object as a whole
	grantor string
	pass    bool // the grantee may pass it on
}

// held is what one role holds on one relation.
type held struct {
	table   map[string]bool
	columns map[string]map[string]bool // privilege → column
}

func newHeld() *held {
	return &held{table: map[string]bool{}, columns: map[string]map[string]bool{}}
}

// reading is SELECT, on the whole relation where there are no columns.
func reading(columns []string) *held {
	h := newHeld()
	h.add("SELECT", columns)
	return h
}

func (h *held) add(priv string, columns []string) {
	if columns == nil {
		h.table[priv] = true
		return
	}
	if h.columns[priv] == nil {
		h.columns[priv] = map[string]bool{}
	}
	for _, c := range columns {
		h.columns[priv][c] = true
	}
}

func (h *held) empty() bool { return h == nil || len(h.table) == 0 && len(h.columns) == 0 }

// holds notes that a role, or an account of ours, holds something on a relation.
func (s *snapshot) holds(who account, at relName, priv string, columns []string) {
	if s.direct[who] == nil {
		s.direct[who] = map[relName]*held{}
	}
	if s.direct[who][at] == nil {
		s.direct[who][at] = newHeld()
	}
	s.direct[who][at].add(priv, columns)
}

func (s *snapshot) held(who account, at relName) *held {
	if h := s.direct[who][at]; h != nil {
		return h
	}
	return newHeld()
}

// role is the account that stands for a role.
func (s *snapshot) role(name string) account {
	if s.oracle {
		return account{name, "%"}
	}
	return account{name, ""}
}

func (s *snapshot) hasRole(name string) bool { return s.logins[s.role(name)] != nil }

// isMember reports whether an account is directly in a role.
func (s *snapshot) isMember(role string, who account) bool {
	_, ok := s.members[role][who]
	return ok
}

func (s *snapshot) join(role string, who account, admin bool) {
	if s.members[role] == nil {
		s.members[role] = map[account]bool{}
	}
	if s.joined[who] == nil {
		s.joined[who] = map[string]bool{}
	}
	s.members[role][who], s.joined[who][role] = admin, admin
}

func (s *snapshot) leave(role string, who account) {
	delete(s.members[role], who)
	delete(s.joined[who], role)
}

// accounts are the keys of a map, in order.
func accounts[V any](m map[account]V) []account {
	return slices.SortedFunc(maps.Keys(m), account.compare)
}

func (r *relation) column(name string) (column, bool) {
	if r != nil {
		for _, c := range r.columns {
			if c.name == name {
				return c, true
			}
		}
	}
	return column{}, false
}

// book is the engine's own bookkeeping on the server.
type book struct {
	connection string
	epoch      uint64
	seq        uint64
	digest     string
	owners     bool // our two accounts were made by us
	roles      map[string]bookRole
	homes      map[string]string // databases of masked views → role
	views      map[relName]bookView
	members    map[memberKey]bookMember
	umbrellas  map[account]string
}

type bookRole struct {
	settled bool
	body    grant.Role // what is being or was carried out, less what was missing then
	born    map[string]birth
}

type bookView struct {
	role string
	text string // digest of the statement that made it
	def  string // digest of what the server made of it
}

type memberKey struct {
	role string
	account
}

type bookMember struct {
	principal string
	notAfter  time.Time
	requests  []resource.Ref
	ending    bool // the membership is gone, sessions may hold on
}

// wanted are the names that a snapshot must cover beside our own.
type wanted struct{ paths map[relName]bool }

func wantedBy(changes []plan.Change) wanted {
	w := wanted{paths: map[relName]bool{}}
	for _, c := range changes {
		for _, r := range []*grant.Role{c.Role, c.PriorRole} {
			if r == nil {
				continue
			}
			for _, o := range r.Objects {
				if len(o.Path) == 2 && checkText(o.Path[0]+o.Path[1]) == nil {
					w.paths[relName{o.Path[0], o.Path[1]}] = true
				}
			}
		}
	}
	return w
}

func sorted(as []account) []account {
	slices.SortFunc(as, account.compare)
	return slices.Compact(as)
}

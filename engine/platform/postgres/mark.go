package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

const (
	bookSchema = "assent"
	viewsRole  = "assent_views"
	everybody  = "PUBLIC"

	markPrefix = "assent "
	bookMark   = markPrefix + "bookkeeping: do not edit"
	viewsMark  = markPrefix + "owner of masked views: has no members but the engine"
)

// roleMark is the comment that marks a role as ours; it names the role's key,
// so that a lost bookkeeping can be made anew.
func (s *snapshot) roleMark(key grant.RoleKey) string {
	text, err := json.Marshal(marking{s.database, key})
	if err != nil {
		panic(err) // strings always marshal
	}
	return markPrefix + string(text)
}

func (s *snapshot) schemaMark() string {
	return markPrefix + "masked views of connection " + string(s.connection)
}

func viewMark(text string) string { return markPrefix + "view " + text }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// owned is the key of a role that is ours: one that the bookkeeping knows by
// object id, or whose comment is our mark for this database and connection.
func (s *snapshot) owned(name string) (grant.RoleKey, bool) {
	r := s.roles[name]
	if r == nil {
		return grant.RoleKey{}, false
	}
	if s.book != nil {
		if b, ok := s.book.roles[name]; ok && b.oid == r.oid {
			return b.body.RoleKey, true
		}
	}
	m, ok := readMark(r.comment)
	if !ok || m.Database != s.database || m.Key.Connection != s.connection ||
		name != m.Key.RoleName() && name != s.apart(m.Key) {
		return grant.RoleKey{}, false
	}
	return m.Key, true
}

// marking is what the comment of a role of ours says.
type marking struct {
	Database string        `json:"database"`
	Key      grant.RoleKey `json:"key"`
}

func readMark(comment string) (m marking, ok bool) {
	text, ok := strings.CutPrefix(comment, markPrefix)
	if !ok {
		return marking{}, false // most roles are people
	}
	var read marking
	ok = json.Unmarshal([]byte(text), &read) == nil && read.Key != grant.RoleKey{}
	return read, ok
}

// roleName is what the role of a key is called here. Roles belong to the
// cluster: where another database of it governs the same product, and its role
// has the name already, the one of this database bears a suffix.
func (s *snapshot) roleName(key grant.RoleKey) string {
	name, known := s.called[key]
	if !known {
		if s.called == nil {
			s.called = map[grant.RoleKey]string{}
		}
		name = s.findName(key)
		s.called[key] = name
	}
	return name
}

func (s *snapshot) findName(key grant.RoleKey) string {
	name, apart := key.RoleName(), s.apart(key)
	if k, ok := s.owned(apart); ok && k == key {
		return apart
	}
	if r := s.roles[name]; r != nil {
		if m, ok := readMark(r.comment); ok && m.Key.RoleName() == name && (m.Database != s.database || m.Key.Connection != s.connection) {
			return apart
		}
	}
	return name
}

// apart is the name of a role of this database where the usual one is taken by
// another database.
func (s *snapshot) apart(key grant.RoleKey) string {
	return key.RoleName() + "_" + digest(s.database + "\x00" + string(s.connection))[:6]
}

// mine fails where the role of a key is somebody else's. Absent is fine.
func (s *snapshot) mine(key grant.RoleKey) error {
	if key.Connection != s.connection {
		return faultf(platform.Unsupported, "the change is for connection %s: apply it there", key.Connection)
	}
	name := s.roleName(key)
	if s.roles[name] == nil {
		return nil
	}
	if have, ok := s.owned(name); !ok || have != key {
		return faultf(notOurs, "role %s exists and is not ours: rename or drop it", name)
	}
	return nil
}

// schemaMine fails where a schema exists without our mark.
func (s *snapshot) schemaMine(name string) error {
	n := s.schemas[name]
	if n == nil || n.planned || n.comment == s.schemaMark() {
		return nil
	}
	return faultf(notOurs, "schema %s exists and is not ours: rename or drop it", name)
}

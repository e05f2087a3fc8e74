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
	text, err := json.Marshal(struct {
		Database string        `json:"database"`
		Key      grant.RoleKey `json:"key"`
	}{s.database, key})
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
	text, ok := strings.CutPrefix(r.comment, markPrefix)
	if !ok {
		return grant.RoleKey{}, false
	}
	var m struct {
		Database string        `json:"database"`
		Key      grant.RoleKey `json:"key"`
	}
	if json.Unmarshal([]byte(text), &m) != nil || m.Database != s.database || m.Key.Connection != s.connection ||
		m.Key.RoleName() != name {
		return grant.RoleKey{}, false
	}
	return m.Key, true
}

// mine fails where the role of a key is somebody else's. Absent is fine.
func (s *snapshot) mine(key grant.RoleKey) error {
	if key.Connection != s.connection {
		return faultf(platform.Unsupported, "the change is for connection %s: apply it there", key.Connection)
	}
	name := key.RoleName()
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

// Package grant says what access should exist at an instant: it turns the
// resources on main and the admitted determinations into desired roles and
// grants. It is pure: the caller gives the time, and nothing here knows a
// platform, a forge or a key.
//
// Access of people is membership. A Role is one product, source or level of a
// connection, at one access level, seen through one masking profile; objects belong to the role,
// and a Grant lets one account into it until a time.
package grant

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// RoleKey identifies a role on one platform.
type RoleKey struct {
	Connection resource.Name        `json:"connection"`
	Scope      resource.Ref         `json:"scope"` // a DataProduct, a DataSource or a Level
	Access     resource.AccessLevel `json:"access"`
	// Profile names the masks a member sees through: DefaultProfile, or
	// "x" and a short hash where a masking exception lifts some of them.
	Profile string `json:"profile"`
}

// DefaultProfile is the profile of people without a masking exception.
const DefaultProfile = "default"

// Compare orders role keys.
func (k RoleKey) Compare(o RoleKey) int {
	if k == o {
		return 0 // as of most neighbours in a list of grants
	}
	return cmp.Or(
		cmp.Compare(k.Connection, o.Connection),
		cmp.Compare(k.Scope.Kind, o.Scope.Kind), cmp.Compare(k.Scope.Name, o.Scope.Name),
		cmp.Compare(k.Access, o.Access), cmp.Compare(k.Profile, o.Profile),
	)
}

// RoleName is the name of the role on a platform: it matches
// [a-z][a-z0-9_]{0,47}, starts with "assent_" and differs for different keys.
// The connection is no part of it, because each platform has its own names.
func (k RoleKey) RoleName() string {
	level := string(k.Access)
	if k.Profile != DefaultProfile {
		level += "_" + k.Profile
	}
	return scopedName(k, level)
}

// SchemaName is the name of the schema that holds the masked views of a role;
// like RoleName it is unique for the key. Reading roles leave their level out.
func (k RoleKey) SchemaName() string {
	suffix := ""
	if k.Access != resource.Read {
		suffix += "_" + string(k.Access)
	}
	if k.Profile != DefaultProfile {
		suffix += "_" + k.Profile
	}
	return scopedName(k, suffix) // with a suffix, two underscores in all: no scope's slug has them
}

const maxNameLen = 48

// scopedName joins assent, the scope and a suffix. The readable slug loses
// information (case, punctuation, length), so a hash is added whenever the
// slug is not the scope's name to the letter.
func scopedName(k RoleKey, suffix string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(string(k.Scope.Name)) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	slug := b.String()
	exact := k.Scope.Kind == resource.KindDataProduct && !strings.ContainsAny(string(k.Scope.Name), "_./") &&
		strings.ToLower(string(k.Scope.Name)) == string(k.Scope.Name) && !strings.Contains(slug, "__")
	tail := ""
	if suffix != "" {
		tail = "_" + suffix
	}
	room := maxNameLen - len("assent_") - len(tail)
	if !exact || len(slug) > room {
		sum := sha256.Sum256([]byte(k.Scope.String()))
		tag := "__" + hex.EncodeToString(sum[:4]) // no exact slug has two underscores in a row
		slug = slug[:min(len(slug), room-len(tag))] + tag
	}
	return "assent_" + slug + tail
}

// Column is one column that a role may see. Mask nil is clear.
type Column struct {
	Name string         `json:"name"`
	Mask *resource.Mask `json:"mask,omitempty"`
}

// Object is one table or view of a role, with every column that the role may
// see, in the order the DataSource declares. What is not listed stays hidden.
type Object struct {
	Path    []string `json:"path"` // database, schema, table, as the platform spells them
	Kind    string   `json:"kind"`
	Columns []Column `json:"columns"`
	// ReadOnly keeps the members of a writing role from changing rows.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// AlteredRole is the kind of an object, in what a platform is seen to hold, that
// stands for everything about a role which has no place among its objects and is
// not as it was made. Nobody desires one.
const AlteredRole = "altered-role"

// Masked reports whether any column is hidden behind a mask.
func (o Object) Masked() bool {
	return slices.ContainsFunc(o.Columns, func(c Column) bool { return c.Mask != nil })
}

// Writes reports whether members of the role may change rows of the object: an
// object with a masked column is read through its view and never written.
func (r Role) Writes(o Object) bool {
	return r.Access == resource.Write && !o.ReadOnly && !o.Masked()
}

// Compare orders objects by path.
func (o Object) Compare(p Object) int { return slices.Compare(o.Path, p.Path) }

// Role is what a platform opens as one.
type Role struct {
	RoleKey
	Objects []Object `json:"objects"` // ordered by path
}

// Grant lets one account into a role. NotAfter is exclusive, in UTC and whole
// seconds; zero means no end.
type Grant struct {
	RoleKey
	Principal string         `json:"principal"` // the account, as the platform spells it
	NotAfter  time.Time      `json:"notAfter,omitzero"`
	Requests  []resource.Ref `json:"requests"` // all that justifies it, ordered: live requests, and the product where a birthright does
}

// Key identifies a grant on its platform.
type Key struct {
	RoleKey
	Principal string
}

// Key identifies the grant.
func (g Grant) Key() Key { return Key{g.RoleKey, g.Principal} }

// Compare orders grants by role, then principal.
func (g Grant) Compare(o Grant) int {
	return cmp.Or(g.RoleKey.Compare(o.RoleKey), cmp.Compare(g.Principal, o.Principal))
}

// State is roles and grants together, each ordered and without repeats. It is
// what is desired, and also what a platform is seen to hold.
type State struct {
	Roles  []Role  `json:"roles"`
	Grants []Grant `json:"grants"`
}

// Approval is a determination that counts: admitted by the verifier of the
// ledger, in force unless its window is over.
type Approval struct {
	Request       resource.Name `json:"request"`
	ContentDigest string        `json:"contentDigest"` // of the request file that was approved
	PlanDigest    string        `json:"planDigest"`
	NotBefore     time.Time     `json:"notBefore,omitzero"`
	Until         time.Time     `json:"until,omitzero"` // exclusive; zero means no end
	Seq           uint64        `json:"seq"`            // of the record in the ledger
	// DecidedAt is when the determination was made: durations run from it.
	DecidedAt time.Time `json:"decidedAt,omitzero"`
	// Certified is when the access was last found right: at the determination, or
	// by the last review that kept it. CertifyBy is when it has to be found right
	// again, zero for never; Lapses says that Until is that instant. See Certify.
	Certified time.Time `json:"certified,omitzero"`
	CertifyBy time.Time `json:"certifyBy,omitzero"`
	Lapses    bool      `json:"lapses,omitempty"`
	// Approved is the request as it was approved, where the file on main may
	// have been edited since; nil where it is not known.
	Approved *resource.AccessRequest `json:"-"`
}

// Determinations are the approvals in force, by request. A revocation or a
// denial removes its request.
type Determinations map[resource.Name]Approval

// Prevented is an approved request that gives no access now, or less than it
// asks for, and why.
type Prevented struct {
	Request resource.Name `json:"request"`
	State   string        `json:"state"` // one of the States
	Reason  string        `json:"reason"`
}

package platform

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/assent-dev/assent/engine/resource"
)

// The interfaces below are what a platform may offer beside Platform. A command
// that needs one and does not find it says that the platform cannot do it.

// Inspector says who can read what, by every path there is, whoever opened it.
type Inspector interface {
	Effective(ctx context.Context, q Question) (Effective, error)
}

// Question asks for effective access: everybody's to Path, everything that
// Principal has, or one's to the other. Path may stop early, at a schema or a
// database, and then means everything below; at least one field is set.
type Question struct {
	Path      []string `json:"path,omitempty"`
	Principal string   `json:"principal,omitempty"`
}

// Effective is the answer, ordered by principal, path, origin and way.
type Effective struct {
	Access []Access `json:"access"`
	// Unknown are the parts that could not be read: nobody may take them for closed.
	Unknown []string `json:"unknown,omitempty"`
}

// Origin says who opened a way to data.
type Origin string

// The origins.
const (
	ByUs       Origin = "assent"     // a role of ours
	ByOthers   Origin = "others"     // a privilege that somebody else granted, to the principal or to a role it is in
	ByPublic   Origin = "public"     // a privilege of everybody
	ByOwner    Origin = "owner"      // the principal owns it, or acts as the owner
	BySuper    Origin = "superuser"  // the principal is not checked at all
	ByBuiltIn  Origin = "predefined" // a role of the platform itself, such as pg_read_all_data
	ByDatabase Origin = "database"   // a privilege on the database or the whole server, where platforms have these
)

// Access is one way in which one principal reaches one object.
type Access struct {
	Principal  string   `json:"principal"` // an account, or PUBLIC
	Path       []string `json:"path"`
	Privileges []string `json:"privileges"`        // SELECT, INSERT …, ordered
	Columns    []string `json:"columns,omitempty"` // none for all of them
	Masked     []string `json:"masked,omitempty"`  // of these, seen behind a mask
	Origin     Origin   `json:"origin"`
	// Via is the chain of roles from the principal to whom the privilege was
	// granted; empty where it is the principal itself.
	Via     []string `json:"via,omitempty"`
	Grantor string   `json:"grantor,omitempty"`
}

// Below reports whether a path is the one asked for, or lies below it. No path
// asks for everything.
func (q Question) Below(path []string) bool {
	return len(q.Path) <= len(path) && slices.Equal(q.Path, path[:len(q.Path)])
}

// About reports whether the question is about a principal.
func (q Question) About(principal string) bool { return q.Principal == "" || q.Principal == principal }

// Sort puts the answer in its order, joins the ways that differ in the privilege
// alone, and drops repeats.
func (e *Effective) Sort() {
	slices.SortStableFunc(e.Access, compareAccess)
	var out []Access
	for _, a := range e.Access {
		if n := len(out); n > 0 && compareAccess(out[n-1], a) == 0 {
			out[n-1].Privileges = append(out[n-1].Privileges, a.Privileges...)
			continue
		}
		a.Privileges = slices.Clone(a.Privileges)
		out = append(out, a)
	}
	for i := range out {
		slices.Sort(out[i].Privileges)
		out[i].Privileges = slices.Compact(out[i].Privileges)
	}
	e.Access = out
	slices.Sort(e.Unknown)
	e.Unknown = slices.Compact(e.Unknown)
}

// compareAccess orders ways by everything but their privileges.
func compareAccess(a, b Access) int {
	return cmp.Or(
		cmp.Compare(a.Principal, b.Principal), slices.Compare(a.Path, b.Path), cmp.Compare(a.Origin, b.Origin),
		slices.Compare(a.Via, b.Via), cmp.Compare(a.Grantor, b.Grantor),
		slices.Compare(a.Columns, b.Columns), slices.Compare(a.Masked, b.Masked),
	)
}

// Surveyor tells of what others opened beside privileges on tables, so that an
// import can name what no request can stand for.
type Surveyor interface {
	Survey(ctx context.Context) (Survey, error)
}

// Survey is the answer, ordered.
type Survey struct {
	// Members are the accounts in each role of others, also through other roles.
	Members map[string][]string `json:"members"`
	// Standing are ways to data that no privilege on a table tells of.
	Standing []Standing `json:"standing"`
}

// Standing is one such way. Path may stop at the database or the schema.
type Standing struct {
	Foreign
	// Reason is one of the reasons below.
	Reason string `json:"reason"`
}

// The reasons of a Standing.
const (
	StandsSuper     = "superuser"          // not checked at all
	StandsOwner     = "owner"              // owns the object, the schema or the database
	StandsBuiltIn   = "predefined-role"    // is in a role of the platform itself
	StandsDatabase  = "database-privilege" // on the database or the whole server
	StandsSchema    = "schema-privilege"   // to make objects in a schema
	StandsFunction  = "function"           // may run a function that works with its owner's rights
	StandsByDefault = "default-privilege"  // on tables that will be made
)

// Compare orders ways by reason, principal, path and privilege.
func (s Standing) Compare(o Standing) int {
	return cmp.Or(cmp.Compare(s.Reason, o.Reason), cmp.Compare(s.Principal, o.Principal), slices.Compare(s.Path, o.Path),
		cmp.Compare(s.Privilege, o.Privilege), cmp.Compare(s.Grantor, o.Grantor))
}

// Advisor words statements that others would run.
type Advisor interface {
	// Undo is the statement by which the grantor takes a foreign access back, or
	// nothing where there is none. It needs no connection and runs nothing.
	Undo(f Foreign) string
}

// Releaser lets go of a table before its owner changes it.
type Releaser interface {
	// Release drops everything of ours that would keep the owner from altering
	// or dropping the object, so that access through it ends until the next
	// round makes it anew. It returns the statements; with dry it runs none.
	Release(ctx context.Context, path []string, dry bool) ([]Statement, error)
}

// SelfAuditor judges the engine's own account on the platform.
type SelfAuditor interface {
	// SelfAudit needs a connection. Findings are ordered, the grave ones first.
	SelfAudit(ctx context.Context) ([]Finding, error)
}

// Finding is one thing that is wrong with the engine's own account or server.
type Finding struct {
	Code string `json:"code"` // stable, such as superuser or no-tls
	// Refuse says that the engine must not write here; otherwise it warns.
	Refuse bool   `json:"refuse"`
	Text   string `json:"text"` // a sentence
	Fix    string `json:"fix"`  // the statement or step that mends it
}

// Refusal is the error of the first finding that refuses, nil where none does.
func Refusal(connection resource.Name, found []Finding) error {
	for _, f := range found {
		if f.Refuse {
			return &Error{Connection: connection, Code: TooBroad, Hint: f.Fix, Err: errors.New(f.Text)}
		}
	}
	return nil
}

// Preparer writes what an administrator of a platform runs once, so that the
// engine can work there with the least rights.
type Preparer interface {
	// Prepare needs no connection. The text holds no secret.
	Prepare(p Preparation) (string, error)
}

// Preparation is what the engine is to govern, and by which account.
type Preparation struct {
	Account  string
	Database string
	Schemas  []string
	// Creators are, by schema, the accounts that make tables there; theirs are
	// covered, too.
	Creators map[string][]string
}

// Describer says what a connection reaches.
type Describer interface {
	Describe(ctx context.Context) (Description, error)
}

// Description is a server as the engine meets it.
type Description struct {
	Product string `json:"product"` // with its version
	Account string `json:"account"` // the engine's own
	TLS     string `json:"tls"`     // the version of the protocol; empty without TLS
}

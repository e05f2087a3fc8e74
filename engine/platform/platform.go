// Package platform is the contract that a data platform implements. An
// implementation carries out roles and grants; it never decides who may have
// them, never reads Git and never imports another platform or a forge.
//
// Every method may be called again after a crash at any moment: nothing
// resumes from memory, and a second call finds its work done.
package platform

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// Platform is one connection to one data platform.
type Platform interface {
	// Capabilities says what the platform can do. It needs no connection.
	Capabilities() Capabilities
	// Discover yields the tables and views that could become data sources,
	// ordered by path, without those that Assent made.
	Discover(ctx context.Context) iter.Seq2[Source, error]
	// Observe reads everything in one consistent view. An error means
	// "unknown": nobody may take the state that comes with it for empty.
	Observe(ctx context.Context) (State, error)
	// Preview renders the statements that Apply would run for these changes,
	// executing none of them.
	Preview(ctx context.Context, changes []plan.Change) ([]Statement, error)
	// Apply carries out the batch and reads it back: one outcome for each
	// change, in the same order, even when it also returns an error. The
	// error is for what failed as a whole, such as a lost connection.
	Apply(ctx context.Context, batch Batch) ([]Outcome, error)
	// Address is what a member of the role writes after FROM to read the
	// object: the base table, or the view that hides its masked columns.
	Address(role grant.RoleKey, object grant.Object) string
	// Close ends the connection.
	Close() error
}

// Capabilities are what a platform can do; pull requests are checked against them.
type Capabilities struct {
	Masks        []resource.MaskType    `json:"masks"`
	AccessLevels []resource.AccessLevel `json:"accessLevels"`
	NativeExpiry bool                   `json:"nativeExpiry"` // grants end by themselves, engine or not
	EndSessions  bool                   `json:"endSessions"`  // a revocation can end open sessions
}

// Source is one table or view found by discovery.
type Source struct {
	Path        []string          `json:"path"`
	Kind        string            `json:"kind"`
	Description string            `json:"description,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Columns     []resource.Column `json:"columns"`
}

// State is what a platform holds.
type State struct {
	// Ours is what carries every mark of Assent's ownership.
	Ours grant.State `json:"ours"`
	// Altered says, in words, what differs about roles of ours that somebody
	// changed. It explains Ours and adds nothing to it.
	Altered []Alteration `json:"altered,omitempty"`
	// Foreign is what others made around it: shown, never changed.
	Foreign []Foreign `json:"foreign,omitempty"`
	// Unknown are the objects that could not be read: what they hold is neither
	// missing nor gone. Plans rest on Ours alone, so that Ours has to have each of
	// them as it was last carried out: then nothing is planned for it, and what is
	// due otherwise, such as a revocation, still is. The suite holds a platform to it.
	Unknown [][]string `json:"unknown,omitempty"`
	// ServerID identifies the server itself, so that a connection that was
	// repointed is noticed.
	ServerID string `json:"serverId"`
	// Mark is the ledger position that the last Apply carried, zero if none.
	Mark Mark `json:"mark"`
}

// Alteration is one thing about a role of ours that is not as it was made.
type Alteration struct {
	Role grant.RoleKey `json:"role"`
	Path []string      `json:"path,omitempty"` // the object that it is about; none for the role itself
	What string        `json:"what"`           // a clause, such as "view a.b is gone"
}

// Compare orders alterations by role, path and text.
func (a Alteration) Compare(b Alteration) int {
	return cmp.Or(a.Role.Compare(b.Role), slices.Compare(a.Path, b.Path), cmp.Compare(a.What, b.What))
}

// Foreign is an access that Assent did not give.
type Foreign struct {
	Principal string   `json:"principal"`
	Path      []string `json:"path"`
	Privilege string   `json:"privilege"`
	Columns   []string `json:"columns,omitempty"`   // none for the object as a whole
	Grantable bool     `json:"grantable,omitempty"` // the principal may pass it on
	Grantor   string   `json:"grantor,omitempty"`
}

// Mark is a position in the ledger. Going backwards means that somebody
// restored or rewrote something, and freezes grants.
type Mark struct {
	Seq    uint64 `json:"seq"`
	Digest string `json:"digest"`
}

// Batch is the changes for one platform, in order, and the ledger position
// they follow from, which the platform keeps in its own bookkeeping. Apply
// refuses a batch whose Mark is behind the one it holds, unless every change
// in it takes access away.
type Batch struct {
	Changes []plan.Change
	Mark    Mark
}

// Statement is one statement of a preview, in the platform's own language.
type Statement struct {
	Text string `json:"text"`
	Why  string `json:"why,omitempty"`
	// Own says that it keeps the engine's own books, or makes what they need, and opens
	// no data to anybody.
	Own bool `json:"-"`
}

// Status is how a change ended.
type Status string

// The statuses. Applied and Done were read back; only they are facts.
const (
	Applied  Status = "applied"  // carried out now and read back
	Done     Status = "done"     // was so already, read back
	Failed   Status = "failed"   // not carried out; retried next round
	Pending  Status = "pending"  // waits for something that is missing, such as a table or an account
	Residual Status = "residual" // our grant is gone, but the person still reads another way
)

// Code is a stable reason for an outcome that is not a success.
type Code string

// The reason codes that every platform uses.
const (
	NoAccount       Code = "no-such-account"
	NoObject        Code = "no-such-object"
	NoColumn        Code = "no-such-column"
	NotOurs         Code = "not-ours"          // the name is taken by something Assent did not make
	NoRight         Code = "no-right"          // the engine's own account may not
	Unsupported     Code = "unsupported"       // mask, level or object the platform cannot do
	Busy            Code = "busy"              // locks or conflicts outlasted the retries
	StillReadable   Code = "still-readable"    // effective access remains by another path
	NotReadBack     Code = "not-read-back"     // the statement succeeded, the read-back disagrees
	Behind          Code = "ledger-behind"     // the batch is older than what the platform has seen
	Unreachable     Code = "unreachable"       // connection refused, lost or timed out
	WrongCredential Code = "wrong-credential"  // the platform refused the engine's own login
	Untrusted       Code = "untrusted-server"  // the server's certificate does not prove who it is
	Ambiguous       Code = "ambiguous-account" // the name matches more than one account
	TooBroad        Code = "engine-too-broad"  // the engine's own account may do what it must not
	BadName         Code = "bad-name"          // too long, or not a name on this platform
	BadConnector    Code = "bad-connector"     // the connector cannot be run, or does not keep to the protocol
)

// Outcome is how one change ended.
type Outcome struct {
	Change plan.Change `json:"change"`
	Status Status      `json:"status"`
	Code   Code        `json:"code,omitempty"`
	Detail string      `json:"detail,omitempty"` // one sentence and a next step, free of secrets
	// SessionsEnded counts the sessions that a revocation ended.
	SessionsEnded int `json:"sessionsEnded,omitempty"`
}

// Error is a failure of a platform as a whole, with its reason code.
type Error struct {
	Connection resource.Name
	Code       Code
	Hint       string // the next step, for a person
	Err        error
}

// Error implements error.
func (e *Error) Error() string {
	return "connection " + string(e.Connection) + ": " + string(e.Code) + ": " + e.Err.Error()
}

// Unwrap implements errors.Unwrap.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the reason code of an error; Unreachable where it has none.
func CodeOf(err error) Code {
	var pe *Error
	if errors.As(err, &pe) {
		return pe.Code
	}
	return Unreachable
}

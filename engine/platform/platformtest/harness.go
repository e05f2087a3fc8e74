// Package platformtest is the conformance suite of the platform contract:
// every platform passes the same cases, against a real server or file.
package platformtest

import (
	"context"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Harness is a fresh, empty place on a platform, and the people around it. The
// suite acts through Platform as the engine, and through the rest as the
// owner of the data and as its consumers.
type Harness interface {
	// Connection is the name that grants on this place carry.
	Connection() resource.Name
	// Database and Schema are the first two parts of every table's path; an
	// empty Schema is left out.
	Database() string
	Schema() string
	// Platform opens the platform as the engine, as after a restart. The
	// suite closes what it opens.
	Platform(ctx context.Context) (platform.Platform, error)
	// CreateAccount makes a login that may connect and nothing more.
	CreateAccount(ctx context.Context, account string) error
	// CreateTable makes a table as the owner of the data and fills it.
	CreateTable(ctx context.Context, table Table) error
	// DropTable drops a table as its owner, with everything that depends on it.
	DropTable(ctx context.Context, name string) error
	// GrantByHand lets an account read a whole table, as the owner would do
	// without Assent.
	GrantByHand(ctx context.Context, account, table string) error
	// RevokeByHand takes an account out of a role of ours behind our back.
	RevokeByHand(ctx context.Context, account, role string) error
	// Select reads columns as the account, in a session of its own, ordered
	// by the first column. NULL reads as "<null>". address is
	// platform.Address, or BaseAddress.
	Select(ctx context.Context, account, address string, columns ...string) ([][]string, error)
	// Insert adds one row as the account.
	Insert(ctx context.Context, account, address string, columns, values []string) error
	// BaseAddress is what a person writes after FROM to read the table itself.
	BaseAddress(table string) string
	// Denied reports whether an error of Select or Insert means that the
	// platform refused for want of a right.
	Denied(err error) bool
}

// Table is a table of the suite. Every column is text; the first one is its key.
type Table struct {
	Name    string
	Columns []string
	Rows    [][]string
}

package platformtest

import (
	"context"

	"github.com/assent-dev/assent/engine/platform"
)

// The optional interfaces below are what a Harness offers where its platform
// can: a case that needs one and does not find it is skipped, and says so.

// Filterer reads columns like Select, for the rows where column equals value.
type Filterer interface {
	SelectWhere(ctx context.Context, account, address, column, value string, columns ...string) ([][]string, error)
}

// MemberAdder puts an account into a role of ours behind our back.
type MemberAdder interface {
	AddByHand(ctx context.Context, account, role string) error
}

// RoleTaker makes something of a stranger's that bears the name of a role.
type RoleTaker interface {
	TakeRoleName(ctx context.Context, role string) error
}

// ColumnAdder adds a text column to a table as its owner and fills it.
type ColumnAdder interface {
	AddColumn(ctx context.Context, table, column, value string) error
}

// ColumnDropper drops a column of a table as its owner, with everything that
// depends on it.
type ColumnDropper interface {
	DropColumn(ctx context.Context, table, column string) error
}

// Namer says which names the platform itself cannot hold, whoever asks. kind
// is "table", "column" or "account".
type Namer interface {
	CanName(kind, name string) bool
}

// Changer updates and deletes rows as an account.
type Changer interface {
	// Update sets column to value in the rows where key equals keyValue.
	Update(ctx context.Context, account, address, key, keyValue, column, value string) error
	// Delete removes the rows where key equals keyValue.
	Delete(ctx context.Context, account, address, key, keyValue string) error
}

// Limited is a Harness that has the methods of optional interfaces that it does
// not offer, because what it speaks to says at run time what it can.
type Limited interface {
	// Offers says whether the interface of that name, such as "Filterer", is
	// more than its methods.
	Offers(name string) bool
}

// Distinguisher says which spellings the platform itself takes for one name.
// kind is as in Namer. Without it, different spellings are different names.
type Distinguisher interface {
	TellsApart(kind, a, b string) bool
}

// AccountDropper drops an account, with all that it was given.
type AccountDropper interface {
	DropAccount(ctx context.Context, account string) error
}

// TableRenamer renames a table as its owner.
type TableRenamer interface {
	RenameTable(ctx context.Context, from, to string) error
}

// Withholder makes a table whose owner has not let the engine pass it on.
type Withholder interface {
	CreateWithheld(ctx context.Context, table Table) error
}

// Hider takes from the engine's account all that lets it see a table, and gives
// it back. What others hold on the table stays.
type Hider interface {
	HideTable(ctx context.Context, table string) error
	ShowTable(ctx context.Context, table string) error
}

// Locker holds a table as a transaction of its owner's does that has not ended:
// nobody can read the table, nor what shows it, until it is let go.
type Locker interface {
	LockTable(ctx context.Context, table string) error
	UnlockTable(ctx context.Context, table string) error
}

// Mortal opens a platform that loses its connection for good before the given
// step of Apply, counted from 1: a statement, or whatever can happen without
// the next. died says whether it came to that.
type Mortal interface {
	Dying(ctx context.Context, step int) (p platform.Platform, died func() bool, err error)
}

// NameBound is a Harness of a platform whose privileges are on names: a table
// made anew under the name of one that was dropped is open as that one was, until
// Apply sees to it.
type NameBound interface {
	PrivilegesFollowNames() bool
}

package mysql

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

var errNotYet = errors.New("not implemented yet")

// Discover implements platform.Platform.
func (m *MySQL) Discover(context.Context) iter.Seq2[platform.Source, error] {
	return func(yield func(platform.Source, error) bool) { yield(platform.Source{}, errNotYet) }
}

// Observe implements platform.Platform.
func (m *MySQL) Observe(context.Context) (platform.State, error) {
	return platform.State{}, errNotYet
}

// Preview implements platform.Platform.
func (m *MySQL) Preview(context.Context, []plan.Change) ([]platform.Statement, error) {
	return nil, errNotYet
}

// Apply implements platform.Platform.
func (m *MySQL) Apply(context.Context, platform.Batch) ([]platform.Outcome, error) {
	return nil, errNotYet
}

// Address implements platform.Platform.
func (m *MySQL) Address(role grant.RoleKey, object grant.Object) string {
	if object.Masked() {
		return role.SchemaName() + "." + strings.Join(object.Path, ".")
	}
	return strings.Join(object.Path, ".")
}

package connector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

var _ platform.Platform = (*Connector)(nil)

// Connector is a platform behind a connector.
type Connector struct{ s *Session }

// Open starts the connector of cfg. The platform it gives implements of
// platform's optional interfaces those that the connector offers.
func Open(ctx context.Context, cfg Config) (platform.Platform, error) {
	s, err := Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return offered(&Connector{s}), nil
}

// Capabilities implements platform.Platform.
func (c *Connector) Capabilities() platform.Capabilities {
	can := c.s.Hello().Capabilities
	can.Masks, can.AccessLevels = slices.Clone(can.Masks), slices.Clone(can.AccessLevels)
	return can
}

// Discover implements platform.Platform. It asks page by page.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[platform.Source, error] {
	return func(yield func(platform.Source, error) bool) {
		var last []string
		after := ""
		for range maxPages {
			var page discoverResult
			if err := c.s.Call(ctx, methodDiscover, discoverParams{After: after, Limit: pageSize}, &page); err != nil {
				yield(platform.Source{}, err)
				return
			}
			if page.Sources == nil {
				yield(platform.Source{}, c.s.bad(methodDiscover, errSilent))
				return
			}
			for _, src := range page.Sources {
				if len(src.Path) == 0 || last != nil && slices.Compare(last, src.Path) >= 0 {
					yield(platform.Source{}, c.s.bad(methodDiscover, fmt.Errorf("%q comes after %q: sources are ordered by path, each once", src.Path, last)))
					return
				}
				last = src.Path
				if !yield(src, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			after = page.Next
		}
		yield(platform.Source{}, c.s.bad(methodDiscover, fmt.Errorf("it has more than %d pages", maxPages)))
	}
}

// Observe implements platform.Platform.
func (c *Connector) Observe(ctx context.Context) (platform.State, error) {
	var st platform.State
	if err := c.s.Call(ctx, methodObserve, empty{}, &st); err != nil {
		return platform.State{}, err
	}
	if err := c.check(&st); err != nil {
		return platform.State{}, c.s.bad(methodObserve, err)
	}
	return st, nil
}

// check says what cannot be true in a state, and puts its times in UTC.
func (c *Connector) check(st *platform.State) error {
	if st.Ours.Roles == nil || st.Ours.Grants == nil {
		return errSilent
	}
	if st.ServerID == "" {
		return errors.New("it does not say which server it is")
	}
	for _, path := range st.Unknown {
		if len(path) == 0 {
			return errors.New("it could not read an object and does not say which")
		}
	}
	var before *grant.Role
	for i, r := range st.Ours.Roles {
		switch {
		case r.Connection != c.s.cfg.Connection:
			return fmt.Errorf("the role %s is of the connection %q", r.RoleName(), r.Connection)
		case before != nil && before.RoleKey.Compare(r.RoleKey) >= 0:
			return fmt.Errorf("the role %s is out of order", r.RoleName())
		case !slices.IsSortedFunc(r.Objects, grant.Object.Compare):
			return fmt.Errorf("the objects of the role %s are out of order", r.RoleName())
		}
		before = &st.Ours.Roles[i]
	}
	for i, g := range st.Ours.Grants {
		switch {
		case g.Connection != c.s.cfg.Connection || g.Principal == "":
			return fmt.Errorf("the grant of %q is of the connection %q", g.Principal, g.Connection)
		case i > 0 && st.Ours.Grants[i-1].Compare(g) >= 0:
			return fmt.Errorf("the grant of %q is out of order", g.Principal)
		}
		if !g.NotAfter.IsZero() {
			st.Ours.Grants[i].NotAfter = g.NotAfter.UTC()
		}
	}
	return nil
}

// Preview implements platform.Platform.
func (c *Connector) Preview(ctx context.Context, changes []plan.Change) ([]platform.Statement, error) {
	var out statementsResult
	if err := c.s.Call(ctx, methodPreview, changesParams{Changes: named(changes)}, &out); err != nil {
		return nil, err
	}
	return c.shown(methodPreview, out.Statements)
}

// shown is statements without secrets.
func (c *Connector) shown(method string, statements []platform.Statement) ([]platform.Statement, error) {
	if statements == nil {
		return nil, c.s.bad(method, errSilent)
	}
	for i, st := range statements {
		statements[i] = platform.Statement{Text: redact(st.Text, c.s.secrets), Why: clean(st.Why, c.s.secrets)}
	}
	return statements, nil
}

// Apply implements platform.Platform. Outcomes that do not fit the changes are
// none of them believed: the next round sees what is there.
func (c *Connector) Apply(ctx context.Context, batch platform.Batch) ([]platform.Outcome, error) {
	var result applyResult
	err := c.s.Call(ctx, methodApply, changesParams{Changes: named(batch.Changes), Mark: &batch.Mark}, &result)
	if err == nil {
		if odd := fits(result.Outcomes, batch.Changes); odd != nil {
			err = c.s.bad(methodApply, odd)
		}
	}
	out := make([]platform.Outcome, len(batch.Changes))
	for i, change := range batch.Changes {
		if err != nil {
			out[i] = platform.Outcome{Change: change, Status: platform.Failed, Code: platform.CodeOf(err),
				Detail: "the connector did not say how it ended; it is looked at again in the next round"}
			continue
		}
		o := result.Outcomes[i]
		out[i] = platform.Outcome{
			Change: change, Status: o.Status, Code: o.Code, Detail: clean(o.Detail, c.s.secrets), SessionsEnded: max(0, o.SessionsEnded),
		}
	}
	return out, err
}

// fits says why outcomes cannot be those of the changes.
func fits(outcomes []outcome, changes []plan.Change) error {
	if len(outcomes) != len(changes) {
		return fmt.Errorf("it has %d outcomes for %d changes", len(outcomes), len(changes))
	}
	for i, o := range outcomes {
		known := []platform.Status{platform.Applied, platform.Done, platform.Failed, platform.Pending, platform.Residual}
		fact := o.Status == platform.Applied || o.Status == platform.Done
		switch {
		case o.Change == nil || *o.Change != i:
			return fmt.Errorf("the outcome at place %d is not that of change %d", i, i)
		case !slices.Contains(known, o.Status):
			return fmt.Errorf("the status %q of change %d is unknown", o.Status, i)
		case !fact && (!codePattern.MatchString(string(o.Code)) || o.Detail == ""):
			return fmt.Errorf("change %d ended %s without a reason code and a detail", i, o.Status)
		}
	}
	return nil
}

// Address implements platform.Platform. It is empty where the connector gives none.
func (c *Connector) Address(role grant.RoleKey, object grant.Object) string {
	var out addressResult
	params := addressParams{role, listedObject(object), role.RoleName(), role.SchemaName()}
	if err := c.s.call(context.Background(), quickLimit, methodAddress, params, &out); err != nil {
		return ""
	}
	return redact(out.Address, c.s.secrets)
}

// Close implements platform.Platform.
func (c *Connector) Close() error { return c.s.Close() }

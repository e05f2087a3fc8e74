package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
)

// maxDrafted is how many tables a request may open on one connection for its
// statements to be worded.
const maxDrafted = 2000

// drafts are the statements that a request would lead to if it were approved, by
// connection, from the files alone: no platform is asked.
func drafts(ctx context.Context, set *resource.Set, without, with grant.State) []report.Draft {
	var out []report.Draft
	for c := range resource.Of[*resource.Connection](set) {
		changes := caused(c.Ref().Name, without, with)
		if len(changes) > 0 {
			out = append(out, draftOn(ctx, set, c, changes, with))
		}
	}
	return out
}

func draftOn(ctx context.Context, set *resource.Set, c *resource.Connection, changes []plan.Change, with grant.State) report.Draft {
	out := report.Draft{Connection: c.Ref().Name}
	if name := c.Spec.Connector(); name != "" {
		out.Why = fmt.Sprintf("the connector %s words its statements only where it is connected", name)
		return out
	}
	drafter, ok := platformKinds()[c.Spec.Platform].unopened.(platform.Drafter)
	sources, tables := sourcesOf(set, c.Ref().Name, changes)
	switch {
	case !ok:
		out.Why = fmt.Sprintf("the platform %s words its statements only where it is connected", c.Spec.Platform)
		return out
	case tables > maxDrafted:
		out.Why = fmt.Sprintf("%d tables are more than is worded in advance", tables)
		return out
	}
	list, err := drafter.Draft(ctx, platform.Draft{Connection: out.Connection, Changes: changes, Sources: sources})
	if err != nil {
		out.Why = err.Error()
		return out
	}
	for _, s := range list {
		if s.Own {
			out.Own++
			continue
		}
		out.Statements = append(out.Statements, report.Statement{Text: s.Text, Why: s.Why})
	}
	for _, change := range changes {
		if change.Action == plan.Revoke && change.Reason == plan.ReasonMoved && change.PriorGrant != nil && !hasRole(with, change.RoleKey()) {
			out.Statements = append(out.Statements, report.Statement{Text: "-- " + change.RoleKey().RoleName() + " goes as well, where nobody else is in it"})
		}
	}
	return out
}

// caused are the changes on one connection that lead from one state to the other. A
// role that somebody joins is provisioned among them, be it there already or not: an
// Apply leaves out what is as it should be. Roles that would be left empty are not
// retired here, since the states know the beneficiaries of one request alone.
func caused(connection resource.Name, without, with grant.State) []plan.Change {
	limits := plan.Limits{Count: len(without.Grants) + len(without.Roles) + 1}
	p, _ := plan.Compute(plan.Desired{State: with}, []plan.Observed{{Connection: connection, State: without}}, limits)
	made, joined := map[grant.RoleKey]bool{}, map[grant.RoleKey]bool{}
	for _, c := range p.Changes {
		made[c.RoleKey()] = made[c.RoleKey()] || c.Action == plan.Provision
		joined[c.RoleKey()] = joined[c.RoleKey()] || c.Action == plan.Allow
	}
	var out, rest []plan.Change
	for _, c := range p.Changes {
		switch {
		case c.Action == plan.Retire, c.Action == plan.Provision && !joined[c.RoleKey()]:
		case c.Action == plan.Revoke:
			out = append(out, c)
		default:
			rest = append(rest, c)
		}
	}
	for _, r := range with.Roles {
		if joined[r.RoleKey] && !made[r.RoleKey] {
			out = append(out, plan.Change{Action: plan.Provision, Reason: plan.ReasonApproved, Role: &r})
		}
	}
	return append(out, rest...)
}

func hasRole(s grant.State, key grant.RoleKey) bool {
	return slices.ContainsFunc(s.Roles, func(r grant.Role) bool { return r.RoleKey == key })
}

// sourcesOf are the tables that changes are about, as their files describe them, and
// how many tables the roles open together.
func sourcesOf(set *resource.Set, connection resource.Name, changes []plan.Change) (out []platform.Source, tables int) {
	wanted := map[string]bool{}
	for _, c := range changes {
		for _, r := range []*grant.Role{c.Role, c.PriorRole} {
			if r == nil {
				continue
			}
			tables += len(r.Objects)
			for _, o := range r.Objects {
				wanted[strings.Join(o.Path, "\x00")] = true
			}
		}
	}
	if len(wanted) == 0 {
		return nil, 0
	}
	for d := range resource.Of[*resource.DataSource](set) {
		if d.Spec.Connection == connection && wanted[strings.Join(d.Spec.Path, "\x00")] {
			out = append(out, platform.Source{Path: d.Spec.Path, Kind: d.Spec.Kind, Columns: d.Spec.Columns})
		}
	}
	return out, tables
}

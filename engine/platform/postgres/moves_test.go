package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
)

// Two masking exceptions of one person begin, and end one after the other:
// each moves the person to another profile, and between any two statements of
// the engine the person reads through one of them, and never more than is due.
func TestExceptionsMoveWithoutAnInstantOfLostAccess(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	profile := func(name string, columns ...grant.Column) *grant.Role {
		r := f.role("masked", f.object("people", columns...))
		r.Profile = name
		return r
	}
	none := profile(grant.DefaultProfile, seen("id"), starred("name"), starred("iban"))
	both := profile("x00000012", seen("id"), seen("name"), seen("iban"))
	iban := profile("x00000001", seen("id"), starred("name"), seen("iban"))
	at := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	first, second := at.Add(time.Hour), at.Add(2*time.Hour)
	until := func(r *grant.Role, account string, end time.Time) grant.Grant {
		g := *member(r, account)
		g.NotAfter = end
		return g
	}
	watcher := dial(t, f.server.DSN("ann", consumerPassword, f.db))
	open := func(r *grant.Role) bool {
		_, err := watcher.Exec(t.Context(), "SELECT id FROM "+f.p.Address(r.RoleKey, r.Objects[0]))
		return err == nil
	}
	roles := []*grant.Role{none, both, iban}
	round := func(now time.Time, want *grant.Role, extra ...*grant.Role) {
		t.Helper()
		wanted := grant.State{Roles: []grant.Role{*none}, Grants: []grant.Grant{until(none, "bob", time.Time{})}}
		for _, r := range extra {
			wanted.Roles = append(wanted.Roles, *r)
		}
		end := map[*grant.Role]time.Time{none: {}, both: first, iban: second}[want]
		wanted.Grants = append(wanted.Grants, until(want, "ann", end))
		p, held := plan.Compute(plan.Desired{State: wanted, Now: now}, []plan.Observed{{Connection: f.Connection(), State: f.observe().Ours}}, plan.DefaultLimits)
		if held != nil {
			t.Fatal(held)
		}
		had := 0
		for _, r := range roles {
			if open(r) {
				had++
			}
		}
		f.p.before = func(context.Context, string) error {
			if n := had; n > 0 {
				reads := 0
				for _, r := range roles {
					if open(r) {
						reads++
					}
				}
				if reads == 0 {
					t.Error("ann reads nothing for an instant")
				}
			}
			return nil
		}
		for _, o := range f.apply(p.Changes...) {
			if o.Status != "applied" && o.Status != "done" {
				t.Errorf("%s %s: %s/%s: %s", o.Change.Action, o.Change.RoleKey().RoleName(), o.Status, o.Code, o.Detail)
			}
		}
		f.p.before = nil
		watcher = dial(t, f.server.DSN("ann", consumerPassword, f.db))
		for _, r := range roles {
			if open(r) != (r == want) {
				t.Errorf("profile %s: open %v", r.Profile, open(r))
			}
		}
	}
	round(at, none)
	f.p.cfg.NoEndSessions = true // the watcher's session would end on PostgreSQL 15
	round(at, both, both, iban)  // grant.Desired makes the next profile ahead
	if got := f.reads("ann", both, "name", "iban"); got[0][0] != "Ann" || got[0][1] != "NO93" {
		t.Errorf("with both exceptions ann reads %v", got)
	}
	round(first, iban, iban)
	if got := f.reads("ann", iban, "name", "iban"); got[0][0] != "***" || got[0][1] != "NO93" {
		t.Errorf("with one exception ann reads %v", got)
	}
	round(second, none)
	if got := f.reads("ann", none, "name", "iban"); got[0][0] != "***" || got[0][1] != "***" {
		t.Errorf("without exceptions ann reads %v", got)
	}
	if got := f.reads("bob", none, "name", "iban"); got[0][0] != "***" || got[0][1] != "***" {
		t.Errorf("bob reads %v", got)
	}
}

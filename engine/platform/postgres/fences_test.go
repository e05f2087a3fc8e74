package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
)

func (f *fixture) ask(sql string) (out string) {
	f.t.Helper()
	if err := f.admin.QueryRow(f.t.Context(), `SELECT coalesce((`+sql+`)::text, '')`).Scan(&out); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return out
}

const membersOfClear = `SELECT string_agg(member::regrole::text, ' ' ORDER BY 1) FROM pg_auth_members WHERE roleid = to_regrole('assent_clear_read')`

// A role outside what we made is nobody's to revoke, though it has the name.
func TestFenceNamespace(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "eve")
	clear := f.clearRole()
	mustExec(t, f.admin, `CREATE ROLE assent_clear_read`, `GRANT assent_clear_read TO eve`, `GRANT SELECT ON shop.people TO assent_clear_read, eve`)
	f.want(f.apply(revoke(clear, "eve"), retire(clear)), "failed/not-ours", "failed/not-ours")
	if got := f.ask(membersOfClear); got != "eve" {
		t.Errorf("members are %q", got)
	}
	if rows, err := f.Select(t.Context(), "eve", "shop.people", "id"); err != nil || len(rows) != 2 {
		t.Errorf("eve reads %v, %v", rows, err)
	}
}

// What another grantor gave to a role of ours stays when we narrow the role.
func TestFenceGrantor(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "dba")
	wide, narrow := f.clearRole(), f.role("clear", f.object("people", seen("id")))
	f.ok(provision(wide), allow(wide, "ann"))
	mustExec(t, f.owner, `GRANT SELECT (name) ON shop.people TO dba WITH GRANT OPTION`)
	mustExec(t, f.admin, `SET ROLE dba`, `GRANT SELECT (name) ON shop.people TO assent_clear_read`, `RESET ROLE`)
	f.ok(provision(narrow))
	acl := f.ask(`SELECT string_agg(attacl::text, ' ') FROM pg_attribute WHERE attrelid = 'shop.people'::regclass AND attname = 'name'`)
	if !strings.Contains(acl, "assent_clear_read=r/dba") || strings.Contains(acl, "assent_clear_read=r/engine") {
		t.Errorf("the access list is %s", acl)
	}
	found := false
	for _, x := range f.observe().Foreign {
		found = found || x.Principal == "assent_clear_read" && x.Grantor == "dba"
	}
	if !found {
		t.Error("what dba granted is not shown as foreign")
	}
}

// A stranger's role that takes the place of one of ours is not in our books,
// which know roles by object id.
func TestFenceBooks(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "eve")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	mustExec(t, f.admin, `CREATE TABLE kept AS SELECT * FROM assent.role`)
	f.ok(retire(clear))
	mustExec(t, f.admin, `INSERT INTO assent.role SELECT * FROM kept`, `CREATE ROLE assent_clear_read`, `GRANT assent_clear_read TO eve`)
	if ours := f.observe().Ours; len(ours.Roles)+len(ours.Grants) != 0 {
		t.Errorf("taken for ours: %v", ours)
	}
	f.want(f.apply(revoke(clear, "eve"), retire(clear)), "failed/not-ours", "failed/not-ours")
	if got := f.ask(membersOfClear); got != "eve" {
		t.Errorf("members are %q", got)
	}
}

// A plan that would take away much at once stops before the first statement;
// an expiry does not.
func TestFenceBlastRadius(t *testing.T) {
	f := newFixture(t)
	f.people()
	clear := f.clearRole()
	changes := []plan.Change{provision(clear)}
	for i := range 12 {
		account := fmt.Sprintf("p%02d", i)
		f.accounts(account)
		changes = append(changes, allow(clear, account))
	}
	f.ok(changes...)
	observed := plan.Observed{Connection: f.Connection(), State: f.observe().Ours}
	p, held := plan.Compute(plan.Desired{State: grant.State{}}, []plan.Observed{observed}, plan.DefaultLimits)
	if len(held) != 1 || held[0].Revokes != 12 {
		t.Fatalf("held is %v", held)
	}
	f.ok(p.Changes...)
	if n := len(f.observe().Ours.Grants); n != 12 {
		t.Errorf("%d grants are left", n)
	}
	after := plan.Desired{State: grant.State{Roles: []grant.Role{*clear}}, Now: member(clear, "p00").NotAfter}
	p, held = plan.Compute(after, []plan.Observed{observed}, plan.DefaultLimits)
	if held != nil {
		t.Fatalf("expiries are held: %v", held)
	}
	f.ok(p.Changes...)
	if n := len(f.observe().Ours.Grants); n != 0 {
		t.Errorf("%d grants are left", n)
	}
}

// Whenever a retirement dies, what is left of the role still bears our mark, so
// that the next round ends it.
func TestFenceARemovedRolesMarkerGoesLast(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	masked := f.maskedRole()
	died := errors.New("died")
	for step := 1; ; step++ {
		f.ok(provision(masked), allow(masked, "ann"))
		n := 0
		f.p.before = func(context.Context, string) error {
			if n++; n >= step {
				return died
			}
			return nil
		}
		out, err := f.try(t.Context(), retire(masked))
		f.p.before = nil
		finished := err == nil && n < step
		if exists, mark := f.ask(`SELECT to_regrole('assent_masked_read') IS NOT NULL`), f.ask(`SELECT shobj_description(to_regrole('assent_masked_read')::oid, 'pg_authid')`); exists == "true" {
			if !strings.HasPrefix(mark, markPrefix) {
				t.Fatalf("at step %d the role is there and its mark is %q", step, mark)
			}
			if len(f.observe().Ours.Roles) != 1 {
				t.Fatalf("at step %d the role is not seen as ours", step)
			}
		}
		f.ok(retire(masked))
		if left := f.ask(`SELECT to_regrole('assent_masked_read')`) + f.ask(`SELECT to_regnamespace('assent_masked')`); left != "" {
			t.Fatalf("after step %d %s is left", step, left)
		}
		if finished {
			f.want(out, "applied")
			if step < 5 {
				t.Fatalf("a retirement has %d steps only", step)
			}
			return
		}
	}
}

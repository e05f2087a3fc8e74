package mysql

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/resource"
)

// fixture is a place with the platform open on it.
type fixture struct {
	*place
	p   *MySQL
	seq uint64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{place: newPlace(t)}
	f.reopen()
	return f
}

func (f *fixture) reopen() {
	f.t.Helper()
	p, err := f.open(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	f.p = p
	f.t.Cleanup(func() { _ = p.Close() })
}

func (f *fixture) key(product string) grant.RoleKey {
	return grant.RoleKey{
		Connection: f.Connection(), Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(product)},
		Access: resource.Read, Profile: grant.DefaultProfile,
	}
}

// people makes the table people(id, name, iban) and the accounts.
func (f *fixture) people(accounts ...string) {
	f.t.Helper()
	err := f.CreateTable(f.t.Context(), platformtest.Table{
		Name: "people", Columns: []string{"id", "name", "iban"},
		Rows: [][]string{{"1", "Ann", "NO93"}, {"2", "Bob", "IT60"}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.accounts(accounts...)
}

func (f *fixture) accounts(names ...string) {
	f.t.Helper()
	for _, a := range names {
		if err := f.CreateAccount(f.t.Context(), a); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) object(table string, columns ...grant.Column) grant.Object {
	return grant.Object{Path: []string{"shop", table}, Kind: "table", Columns: columns}
}

func seen(name string) grant.Column { return grant.Column{Name: name} }

func hiddenAs(name string, m resource.Mask) grant.Column { return grant.Column{Name: name, Mask: &m} }

func starred(name string) grant.Column {
	return hiddenAs(name, resource.Mask{Type: resource.MaskConstant, Value: "***"})
}

func (f *fixture) role(product string, objects ...grant.Object) *grant.Role {
	return &grant.Role{RoleKey: f.key(product), Objects: objects}
}

func (f *fixture) clearRole() *grant.Role {
	return f.role("clear", f.object("people", seen("id"), seen("name")))
}

func (f *fixture) maskedRole() *grant.Role {
	return f.role("masked", f.object("people", seen("id"), hiddenAs("name", resource.Mask{Type: resource.MaskHash}), starred("iban")))
}

func provision(r *grant.Role) plan.Change {
	return plan.Change{Action: plan.Provision, Reason: plan.ReasonProduct, Role: r}
}

func retire(r *grant.Role) plan.Change {
	return plan.Change{Action: plan.Retire, Reason: plan.ReasonProduct, Role: r}
}

func member(r *grant.Role, account string) *grant.Grant {
	return &grant.Grant{
		RoleKey: r.RoleKey, Principal: account, NotAfter: time.Date(2037, 1, 2, 3, 4, 5, 0, time.UTC),
		Requests: []resource.Ref{{Kind: resource.KindAccessRequest, Name: "r1"}},
	}
}

func allow(r *grant.Role, account string) plan.Change {
	return plan.Change{Action: plan.Allow, Reason: plan.ReasonApproved, Grant: member(r, account)}
}

func revoke(r *grant.Role, account string) plan.Change {
	return plan.Change{Action: plan.Revoke, Reason: plan.ReasonExpired, Grant: member(r, account)}
}

func (f *fixture) apply(changes ...plan.Change) []platform.Outcome {
	f.t.Helper()
	out, err := f.try(f.t.Context(), changes...)
	if err != nil {
		f.t.Fatalf("apply: %v", err)
	}
	return out
}

func (f *fixture) try(ctx context.Context, changes ...plan.Change) ([]platform.Outcome, error) {
	f.seq++
	return f.p.Apply(ctx, platform.Batch{Changes: changes, Mark: platform.Mark{Seq: f.seq, Digest: fmt.Sprint("d", f.seq)}})
}

// statuses are "status" or "status/code".
func statuses(out []platform.Outcome) []string {
	var got []string
	for _, o := range out {
		s := string(o.Status)
		if o.Code != "" {
			s += "/" + string(o.Code)
		}
		got = append(got, s)
	}
	return got
}

func (f *fixture) want(out []platform.Outcome, want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(want, statuses(out)); diff != "" {
		for _, o := range out {
			f.t.Log(o.Change.Action, o.Detail)
		}
		f.t.Fatalf("outcomes (-want +got):\n%s", diff)
	}
}

func (f *fixture) ok(changes ...plan.Change) {
	f.t.Helper()
	for _, o := range f.apply(changes...) {
		if o.Status != platform.Applied && o.Status != platform.Done {
			f.t.Fatalf("%s %s: %s/%s: %s", o.Change.Action, o.Change.RoleKey().RoleName(), o.Status, o.Code, o.Detail)
		}
	}
}

func (f *fixture) observe() platform.State {
	f.t.Helper()
	st, err := f.p.Observe(f.t.Context())
	if err != nil {
		f.t.Fatalf("observe: %v", err)
	}
	return st
}

// diff is what the platform holds beside what it should.
func (f *fixture) diff(roles []*grant.Role, grants []*grant.Grant) string {
	f.t.Helper()
	want := grant.State{}
	for _, r := range roles {
		want.Roles = append(want.Roles, *r)
	}
	for _, g := range grants {
		want.Grants = append(want.Grants, *g)
	}
	return cmp.Diff(want, f.observe().Ours, cmpopts.EquateEmpty())
}

func (f *fixture) reads(account string, r *grant.Role, columns ...string) [][]string {
	f.t.Helper()
	rows, err := f.Select(f.t.Context(), account, f.p.Address(r.RoleKey, r.Objects[0]), columns...)
	if err != nil {
		f.t.Fatalf("%s: %v", account, err)
	}
	return rows
}

func (f *fixture) refused(account, address, column string) {
	f.t.Helper()
	if rows, err := f.Select(f.t.Context(), account, address, column); err == nil {
		f.t.Fatalf("%s reads %s of %s: %v", account, column, address, rows)
	}
}

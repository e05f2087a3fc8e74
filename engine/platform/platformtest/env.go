package platformtest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// caseTimeout bounds one case, so that a platform that waits for ever fails.
const caseTimeout = 2 * time.Minute

// env is one case: a harness, the platform as the engine holds it, and the
// position of the ledger, which grows with every batch.
type env struct {
	T
	ctx context.Context
	h   Harness
	p   platform.Platform
	seq uint64
}

func newEnv(t T, h Harness) *env {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	t.Cleanup(cancel)
	e := &env{T: t, ctx: ctx, h: h}
	e.restart()
	t.Cleanup(func() {
		if e.p != nil {
			_ = e.p.Close()
		}
	})
	return e
}

// restart opens the platform anew, as after a crash.
func (e *env) restart() {
	e.Helper()
	if e.p != nil {
		if err := e.p.Close(); err != nil {
			e.Fatalf("close platform: %v", err)
		}
		e.p = nil
	}
	p, err := e.h.Platform(e.ctx)
	if err != nil {
		e.Fatalf("open platform: %v", err)
	}
	e.p = p
}

func (e *env) must(what string, err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// want fails the case, without ending it, unless cond holds.
func (e *env) want(cond bool, format string, args ...any) {
	e.Helper()
	if !cond {
		e.Errorf(format, args...)
	}
}

func (e *env) accounts(names ...string) {
	e.Helper()
	for _, n := range names {
		e.must("create account "+n, e.h.CreateAccount(e.ctx, n))
	}
}

// peopleTable is what most cases read: a key, a clear column and a secret one.
func peopleTable(name string) Table {
	return Table{
		Name:    name,
		Columns: []string{"id", "city", "iban"},
		Rows: [][]string{
			{"1", "Oslo", "NO9386011117947"},
			{"2", "Rome", "IT6054281110101"},
			{"3", "Lima", "NO9386011117947"},
		},
	}
}

func (e *env) table(t Table) {
	e.Helper()
	e.must("create table "+t.Name, e.h.CreateTable(e.ctx, t))
}

// people makes the usual table.
func (e *env) people(name string) {
	e.Helper()
	e.table(peopleTable(name))
}

// path is where a table is: a platform without schemas has paths of two parts.
func (e *env) path(table string) []string {
	if e.h.Schema() == "" {
		return []string{e.h.Database(), table}
	}
	return []string{e.h.Database(), e.h.Schema(), table}
}

// key is the reading role of a product, through the default profile.
func (e *env) key(product string) grant.RoleKey {
	return grant.RoleKey{
		Connection: e.h.Connection(),
		Scope:      resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(product)},
		Access:     resource.Read,
		Profile:    grant.DefaultProfile,
	}
}

func withLevel(k grant.RoleKey, l resource.AccessLevel) grant.RoleKey { k.Access = l; return k }
func withProfile(k grant.RoleKey, p string) grant.RoleKey             { k.Profile = p; return k }

// object opens columns of a table, all of them clear.
func (e *env) object(table string, columns ...string) grant.Object {
	o := grant.Object{Path: e.path(table), Kind: "table"}
	for _, c := range columns {
		o.Columns = append(o.Columns, grant.Column{Name: c})
	}
	return o
}

// masked is the object with one column behind a mask.
func masked(o grant.Object, column string, m resource.Mask) grant.Object {
	cols := make([]grant.Column, len(o.Columns))
	copy(cols, o.Columns)
	for i := range cols {
		if cols[i].Name == column {
			cols[i].Mask = &m
		}
	}
	o.Columns = cols
	return o
}

// wholePeople opens every column of the usual table.
func (e *env) wholePeople(table string) grant.Object { return e.object(table, "id", "city", "iban") }

// maskedPeople opens the usual table with iban replaced by a constant.
func (e *env) maskedPeople(table string) grant.Object {
	return masked(e.wholePeople(table), "iban", hidden())
}

func hidden() resource.Mask { return resource.Mask{Type: resource.MaskConstant, Value: "hidden"} }

func role(k grant.RoleKey, objects ...grant.Object) *grant.Role {
	if objects == nil {
		objects = []grant.Object{}
	}
	return &grant.Role{RoleKey: k, Objects: objects}
}

// until is an end far enough away for every run of the suite.
func until() time.Time { return time.Date(2199, 12, 31, 23, 59, 59, 0, time.UTC) }

func member(k grant.RoleKey, account string) *grant.Grant {
	return &grant.Grant{
		RoleKey: k, Principal: account, NotAfter: until(),
		Requests: []resource.Ref{{Kind: resource.KindAccessRequest, Name: resource.Name("req-" + string(k.Scope.Name))}},
	}
}

func provision(r *grant.Role) plan.Change {
	return plan.Change{Action: plan.Provision, Reason: plan.ReasonProduct, Role: r}
}

func retire(r *grant.Role) plan.Change {
	return plan.Change{Action: plan.Retire, Reason: plan.ReasonProduct, Role: r, PriorRole: r}
}

func allow(g *grant.Grant) plan.Change {
	return plan.Change{Action: plan.Allow, Reason: plan.ReasonApproved, Grant: g}
}

func extend(g *grant.Grant) plan.Change {
	return plan.Change{Action: plan.Extend, Reason: plan.ReasonApproved, Grant: g}
}

func revoke(g *grant.Grant) plan.Change {
	return plan.Change{Action: plan.Revoke, Reason: plan.ReasonExpired, Grant: g, PriorGrant: g}
}

func (e *env) mark() platform.Mark {
	return platform.Mark{Seq: e.seq, Digest: fmt.Sprintf("sha256:%064x", e.seq)}
}

// apply carries out changes as the next batch. Every Apply of the suite is
// held to "one outcome for each change, in the same order".
func (e *env) apply(changes ...plan.Change) []platform.Outcome {
	e.Helper()
	e.seq++
	out, err := e.p.Apply(e.ctx, platform.Batch{Changes: changes, Mark: e.mark()})
	if err != nil {
		e.Fatalf("apply: %v", err)
	}
	e.inOrder(changes, out)
	return out
}

func (e *env) inOrder(changes []plan.Change, out []platform.Outcome) {
	e.Helper()
	var got []plan.Change
	for _, o := range out {
		got = append(got, o.Change)
	}
	if diff := cmp.Diff(changes, got, cmpopts.EquateEmpty()); diff != "" {
		e.Fatalf("outcomes are not those of the changes, in order (-changes +outcomes):\n%s", diff)
	}
}

// ok applies changes that must all succeed.
func (e *env) ok(changes ...plan.Change) {
	e.Helper()
	for _, o := range e.apply(changes...) {
		if o.Status != platform.Applied && o.Status != platform.Done {
			e.Fatalf("%s: status %s, code %q, detail %q; want applied or done", describe(o.Change), o.Status, o.Code, o.Detail)
		}
	}
}

// statuses applies changes and compares how each ended, as "status" or "status/code".
func (e *env) statuses(changes []plan.Change, want ...string) {
	e.Helper()
	out := e.apply(changes...)
	for i, o := range out {
		got := string(o.Status)
		if o.Code != "" {
			got += "/" + string(o.Code)
		}
		if got != want[i] {
			e.Fatalf("%s ended %s (%s), want %s", describe(o.Change), got, o.Detail, want[i])
		}
		if o.Code != "" && o.Detail == "" {
			e.Errorf("%s ended %s without a detail that says what to do", describe(o.Change), got)
		}
	}
}

func describe(c plan.Change) string {
	s := string(c.Action) + " " + c.RoleKey().RoleName()
	if c.Grant != nil {
		s += " for " + c.Grant.Principal
	}
	return s
}

func (e *env) observe() platform.State {
	e.Helper()
	st, err := e.p.Observe(e.ctx)
	if err != nil {
		e.Fatalf("observe: %v", err)
	}
	return st
}

// address is where a member of the role reads the object.
func (e *env) address(r *grant.Role, i int) string { return e.p.Address(r.RoleKey, r.Objects[i]) }

// reads asserts, in a session of the account's own, what it reads.
func (e *env) reads(account, address string, columns []string, want [][]string) {
	e.Helper()
	got, err := e.h.Select(e.ctx, account, address, columns...)
	if err != nil {
		e.Fatalf("%s cannot read %s of %s: %v", account, strings.Join(columns, ", "), address, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		e.Fatalf("%s reads something else from %s (-want +got):\n%s", account, address, diff)
	}
}

// readsCities asserts that the account reads the clear columns of the usual table.
func (e *env) readsCities(account, address string) {
	e.Helper()
	e.reads(account, address, []string{"id", "city"}, [][]string{{"1", "Oslo"}, {"2", "Rome"}, {"3", "Lima"}})
}

// refused asserts, in a session of the account's own, that it reads nothing.
func (e *env) refused(account, address string, columns ...string) {
	e.Helper()
	got, err := e.h.Select(e.ctx, account, address, columns...)
	if err == nil {
		e.Fatalf("%s reads %s of %s and must not: %v", account, strings.Join(columns, ", "), address, got)
	}
	if !e.h.Denied(err) {
		e.Fatalf("%s is kept from %s by something else than a missing right: %v", account, address, err)
	}
}

// cannotRead asserts that the account reads nothing, be it for want of a right
// or because the address no longer exists.
func (e *env) cannotRead(account, address string, columns ...string) {
	e.Helper()
	if got, err := e.h.Select(e.ctx, account, address, columns...); err == nil {
		e.Fatalf("%s reads %s of %s and must not: %v", account, strings.Join(columns, ", "), address, got)
	}
}

// clearPeople are all rows of the usual table.
func clearPeople() [][]string { return peopleTable("").Rows }

// hiddenPeople are all rows of the usual table behind the constant mask.
func hiddenPeople() [][]string {
	return [][]string{{"1", "Oslo", "hidden"}, {"2", "Rome", "hidden"}, {"3", "Lima", "hidden"}}
}

func peopleColumns() []string { return []string{"id", "city", "iban"} }

// offered finds an optional interface of the harness.
func offered[O any](e *env) (O, bool) {
	o, ok := e.h.(O)
	if l, limited := e.h.(Limited); ok && limited {
		ok = l.Offers(reflect.TypeFor[O]().Name())
	}
	return o, ok
}

// optional finds an optional interface of the harness or skips the case.
func optional[O any](e *env) O {
	e.Helper()
	o, ok := offered[O](e)
	if !ok {
		e.Skipf("the harness does not offer %s", reflect.TypeFor[O]().Name())
	}
	return o
}

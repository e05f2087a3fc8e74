package mysql

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// sideBySide is a first state of two roles, and a second one of four that are
// opened together: one is narrowed, one widened, two are new.
func (f *fixture) sideBySide() (first, second []plan.Change, roles []*grant.Role) {
	f.t.Helper()
	f.people()
	if err := f.CreateTable(f.t.Context(), platformtest.Table{Name: "extra", Columns: []string{"id", "note"}}); err != nil {
		f.t.Fatal(err)
	}
	people, extra := f.object("people", seen("id"), seen("name")), f.object("extra", seen("id"))
	first = []plan.Change{
		provision(f.role("a", f.object("people", seen("id"), seen("name"), seen("iban")))),
		provision(f.role("b", f.object("people", seen("id")))),
	}
	roles = []*grant.Role{f.role("a", people), f.role("b", extra, people), f.role("c", extra, people), f.role("d", extra, people)}
	for _, r := range roles {
		second = append(second, provision(r))
	}
	return first, second, roles
}

// What several roles are given alike is given in one statement, after all that
// takes away and between the books that say so.
func TestRolesShareStatements(t *testing.T) {
	f := newFixture(t)
	first, second, roles := f.sideBySide()
	f.ok(first...)
	shown, err := f.p.Preview(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, r := range roles {
		names[ident(r.RoleName())] = string(r.Scope.Name)
	}
	var want, ran, short []string
	for _, s := range shown {
		want = append(want, s.Text)
	}
	f.p.before = func(_ context.Context, sql string) error {
		if strings.HasPrefix(sql, "UPDATE assent.meta SET mark_seq") {
			return nil
		}
		ran = append(ran, sql)
		for long, name := range names {
			sql = strings.ReplaceAll(sql, long, name)
		}
		if strings.HasPrefix(sql, "INSERT INTO assent.roles") {
			sql = "book"
		}
		if strings.HasPrefix(sql, "UPDATE assent.roles SET settled = TRUE") {
			sql = "settled"
		}
		short = append(short, sql)
		return nil
	}
	f.ok(second...)
	if d := cmp.Diff(want, ran); d != "" {
		t.Errorf("preview and apply differ (-preview +apply):\n%s", d)
	}
	const owner = " TO `assent_fuse`@`localhost` WITH ADMIN OPTION"
	if d := cmp.Diff([]string{
		"book", "book", "book", "book",
		"REVOKE SELECT (`iban`) ON TABLE `shop`.`people` FROM a",
		"CREATE ROLE c", "GRANT c" + owner, "CREATE ROLE d", "GRANT d" + owner,
		"GRANT SELECT (`id`) ON TABLE `shop`.`extra` TO b, c, d",
		"GRANT SELECT (`name`) ON TABLE `shop`.`people` TO b",
		"GRANT SELECT (`id`, `name`) ON TABLE `shop`.`people` TO c, d",
		"settled", "settled", "settled", "settled",
	}, short); d != "" {
		t.Errorf("statements (-want +got):\n%s", d)
	}
	if d := f.diff(roles, nil); d != "" {
		t.Errorf("state (-want +got):\n%s", d)
	}
	f.p.before = nil
	f.want(f.apply(second[0], provision(f.role("c", roles[0].Objects...)), second[3]), "done", "applied", "done")
}

// Whichever statement of several roles the engine dies at, running them again
// converges.
func TestCrashBetweenRolesConverges(t *testing.T) {
	died := errors.New("died")
	f := newFixture(t)
	first, second, roles := f.sideBySide()
	for at, done := 0, false; !done; at++ {
		f.p.before = nil
		if at > 0 {
			f.ok(retire(roles[2]), retire(roles[3]))
		}
		f.ok(first...)
		n := 0
		f.p.before = func(context.Context, string) error {
			if n++; n == at+1 {
				f.p.drop()
				return died
			}
			return nil
		}
		out, err := f.try(t.Context(), second...)
		if done = n <= at; done != (err == nil) {
			t.Fatalf("statement %d of %d: %v, %v", at, n, err, statuses(out))
		}
		f.p.before = nil
		f.ok(second...)
		if d := f.diff(roles, nil); d != "" {
			t.Fatalf("died at statement %d (-want +got):\n%s", at, d)
		}
	}
}

// One role that cannot be opened keeps nobody else from being opened.
func TestOneRoleOfSeveralFails(t *testing.T) {
	f := newFixture(t)
	first, second, roles := f.sideBySide()
	f.ok(first...)
	f.must("CREATE ROLE " + ident(roles[2].RoleName())) // made by somebody else
	dropped := false
	f.p.before = func(_ context.Context, sql string) error {
		if !dropped && strings.HasPrefix(sql, "GRANT SELECT (`id`) ON TABLE `shop`.`extra`") {
			dropped = true
			f.must("DROP TABLE shop.extra")
		}
		return nil
	}
	f.want(f.apply(second...), "applied", "pending/no-such-object", "failed/not-ours", "pending/no-such-object")
	people := f.object("people", seen("id"), seen("name"))
	if d := f.diff([]*grant.Role{f.role("a", people), f.role("b", people), f.role("d", people)}, nil); d != "" {
		t.Errorf("state (-want +got):\n%s", d)
	}
}

// Roles are opened together up to a number, never one role twice, and a role
// with a mask or one that is refused goes by itself.
func TestWhichRolesGoTogether(t *testing.T) {
	f := &fixture{place: &place{t: t}}
	s := &snapshot{connection: f.Connection()}
	clear := func(name string) plan.Change { return provision(f.role(name, f.object("people", seen("id")))) }
	masked := provision(f.role("masked", f.object("people", starred("id"))))
	other := clear("other")
	other.Role.Connection = "elsewhere"
	many := make([]plan.Change, maxRoles+1)
	for i := range many {
		many[i] = clear(strings.Repeat("r", i+1))
	}
	for name, tc := range map[string]struct {
		changes []plan.Change
		want    [][]int
	}{
		"two":             {[]plan.Change{clear("a"), clear("b")}, [][]int{{0, 1}}},
		"one twice":       {[]plan.Change{clear("a"), clear("b"), clear("a"), clear("c")}, [][]int{{0, 1}, {2, 3}}},
		"with a mask":     {[]plan.Change{clear("a"), masked, clear("b"), clear("c")}, [][]int{{0}, {1}, {2, 3}}},
		"refused":         {[]plan.Change{clear("a"), other, clear("b")}, [][]int{{0}, {1}, {2}}},
		"after a removal": {[]plan.Change{clear("a"), retire(f.role("old")), clear("b")}, [][]int{{1}, {0, 2}}},
	} {
		var got [][]int
		for _, u := range s.units(tc.changes) {
			got = append(got, u.at)
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if us := s.units(many); len(us) != 2 || len(us[0].at) != maxRoles {
		t.Errorf("%d roles make %d units, the first of %d", len(many), len(us), len(us[0].at))
	}
}

// Nobody joins the one role of several that could not be opened; the others
// take people.
func TestNobodyJoinsTheRoleThatFailed(t *testing.T) {
	f := newFixture(t)
	f.accounts("ann")
	_, second, roles := f.sideBySide()
	d := ident(roles[3].RoleName())
	f.p.before = func(_ context.Context, sql string) error {
		if sql == "CREATE ROLE "+d {
			return faultf(platform.NoRight, "not this one")
		}
		return nil
	}
	second = append(second, allow(roles[2], "ann"), allow(roles[3], "ann"))
	f.want(f.apply(second...), "applied", "applied", "applied", "failed/no-right", "applied", "failed/no-right")
	f.p.before = nil
	f.ok(second...)
	if d := f.diff(roles, []*grant.Grant{member(roles[2], "ann"), member(roles[3], "ann")}); d != "" {
		t.Errorf("state (-want +got):\n%s", d)
	}
}

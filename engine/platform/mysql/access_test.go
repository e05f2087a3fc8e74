package mysql

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// people with two roles have both at once, though one role is active a session.
func TestUmbrellaOpensEveryRole(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear, masked := f.clearRole(), f.maskedRole()
	f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "ann"))
	f.reads("ann", clear, "id", "name")
	f.reads("ann", masked, "id", "iban")
	if rows := f.ask("SELECT default_role FROM mysql.user WHERE user = 'ann'"); !strings.HasPrefix(rows[0][0], "assent_account_ann__") {
		t.Errorf("default role %q", rows[0][0])
	}
	f.ok(revoke(clear, "ann"), revoke(masked, "ann"))
	left := f.ask("SELECT (SELECT default_role FROM mysql.user WHERE user = 'ann'), (SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'assent\\_account%'), (SELECT COUNT(*) FROM assent.umbrellas)")
	if !slices.Equal(left[0], []string{"", "0", "0"}) {
		t.Errorf("left over: %v", left)
	}
}

// A default role that others set is never replaced.
func TestDefaultRoleOfOthersStays(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	f.must("CREATE ROLE staff; CREATE DATABASE hr; CREATE TABLE hr.desks (id INT); GRANT SELECT ON hr.desks TO staff; GRANT staff TO ann; SET DEFAULT ROLE staff FOR ann")
	clear := f.clearRole()
	out := f.apply(provision(clear), allow(clear, "ann"), allow(clear, "bob"))
	f.want(out, "applied", "failed/not-ours", "applied")
	for _, word := range []string{"staff", "SET DEFAULT ROLE NONE FOR `ann`@`%`", "assent_account_ann__"} {
		if !strings.Contains(out[1].Detail, word) {
			t.Errorf("the detail does not say %s: %s", word, out[1].Detail)
		}
	}
	f.refused("ann", "shop.people", "id")
	if _, err := f.Select(t.Context(), "ann", "hr.desks", "id"); err != nil {
		t.Errorf("ann lost what she had: %v", err)
	}
	f.must("SET DEFAULT ROLE NONE FOR ann")
	f.ok(allow(clear, "ann"))
	f.reads("ann", clear, "id")
	// What the administrator puts into the umbrella stays, and shows.
	umbrella := f.ask("SELECT name FROM assent.umbrellas WHERE user = 'ann'")[0][0]
	f.must("GRANT staff TO " + umbrella)
	if _, err := f.Select(t.Context(), "ann", "hr.desks", "id"); err != nil {
		t.Errorf("ann has not both: %v", err)
	}
	if !slices.ContainsFunc(f.observe().Foreign, func(x platform.Foreign) bool { return x.Principal == "ann" && x.Privilege == "MEMBER OF staff" }) {
		t.Error("what others put into the umbrella does not show")
	}
	f.want(f.apply(revoke(clear, "ann")), "applied")
	if _, err := f.Select(t.Context(), "ann", "hr.desks", "id"); err != nil {
		t.Errorf("ann lost what others gave: %v", err)
	}
}

// Who changes the default role later makes the grant one that is not as it was.
func TestDefaultRoleTakenAwayIsSeenAndGivenBack(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	f.must("CREATE ROLE staff; GRANT staff TO ann; SET DEFAULT ROLE staff FOR ann")
	g := f.observe().Ours.Grants
	if len(g) != 1 || g[0].Requests != nil || !g[0].NotAfter.IsZero() || g[0].Principal != "ann" {
		t.Fatalf("seen as %+v", g)
	}
	f.want(f.apply(plan.Change{Action: plan.Extend, Grant: member(clear, "ann")}), "failed/not-ours")
	f.must("SET DEFAULT ROLE NONE FOR ann")
	f.want(f.apply(plan.Change{Action: plan.Extend, Grant: member(clear, "ann")}), "applied")
	f.reads("ann", clear, "id")
	f.must("SET DEFAULT ROLE staff FOR ann")
	f.want(f.apply(revoke(clear, "ann")), "applied")
	if rows := f.ask("SELECT default_role FROM mysql.user WHERE user = 'ann'"); rows[0][0] != "staff" {
		t.Errorf("the default role of others became %q", rows[0][0])
	}
}

// A principal is one account, or nobody's.
func TestPrincipals(t *testing.T) {
	f := newFixture(t)
	f.people()
	f.must("CREATE USER ann@localhost; CREATE USER ann@'10.%'; CREATE USER bob@'%'; CREATE USER `x@y.example`@'%'; CREATE USER ''@'10.9.9.9'")
	clear := f.clearRole()
	f.ok(provision(clear))
	tests := []struct{ principal, want, detail string }{
		{"ann", "failed/ambiguous-account", "write ann@10.% or ann@localhost in the user's file"},
		{"ann@10.%", "applied", ""}, {"bob", "applied", ""}, {"x@y.example", "applied", ""},
		{"bob@%", "failed/ambiguous-account", `as "bob" already`},
		{"ann@%", "pending/no-such-account", ""}, {"x", "pending/no-such-account", ""}, {"", "pending/no-such-account", ""}, {"@10.9.9.9", "pending/no-such-account", ""},
		{"engine", "failed/unsupported", ""}, {"assent_views", "failed/unsupported", ""}, {"assent_clear_read", "pending/no-such-account", ""}, {"PUBLIC", "pending/no-such-account", ""},
	}
	for _, tt := range tests {
		out := f.apply(allow(clear, tt.principal))
		if got := statuses(out)[0]; got != tt.want || !strings.Contains(out[0].Detail, tt.detail) {
			t.Errorf("%q ended %s (%s), want %s", tt.principal, got, out[0].Detail, tt.want)
		}
	}
	var got []string
	for _, g := range f.observe().Ours.Grants {
		got = append(got, g.Principal)
	}
	if want := []string{"ann@10.%", "bob", "x@y.example"}; !slices.Equal(got, want) {
		t.Fatalf("observed %q, want %q", got, want)
	}
	// An account of the same name that comes later takes nothing away.
	f.must("CREATE USER bob@localhost")
	f.want(f.apply(allow(clear, "bob")), "done")
	f.want(f.apply(revoke(clear, "bob"), revoke(clear, "ann@10.%"), revoke(clear, "x@y.example")), "applied", "applied", "applied")
	if g := f.observe().Ours.Grants; len(g) != 0 {
		t.Errorf("still in: %+v", g)
	}
}

// An open session has no access after the revocation, and ends.
func TestRevocationEndsSessions(t *testing.T) {
	for name, leave := range map[string]bool{"ends": false, "leaves": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.p.cfg.NoEndSessions = leave
			f.people("ann")
			clear := f.clearRole()
			f.ok(provision(clear), allow(clear, "ann"))
			db, err := f.admin.open("ann")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			prepared, err := conn.PrepareContext(t.Context(), "SELECT COUNT(id) FROM shop.people")
			if err != nil {
				t.Fatal(err)
			}
			defer prepared.Close()
			var n int
			if err := prepared.QueryRowContext(t.Context()).Scan(&n); err != nil || n != 2 {
				t.Fatal(n, err)
			}
			out := f.apply(revoke(clear, "ann"))
			f.want(out, "applied")
			if err := prepared.QueryRowContext(t.Context()).Scan(&n); err == nil {
				t.Error("the open session still reads")
			}
			_, alive := conn.ExecContext(t.Context(), "DO 1")
			if ended := out[0].SessionsEnded == 1; ended == leave || (alive == nil) != leave {
				t.Errorf("ended %d, then %v", out[0].SessionsEnded, alive)
			}
		})
	}
}

// Access that remains by another way is told, whatever the way.
func TestResidual(t *testing.T) {
	ways := map[string]string{
		"a table":              "GRANT SELECT ON shop.people TO ann",
		"a column":             "GRANT SELECT (name) ON shop.people TO ann",
		"a database":           "GRANT SELECT ON shop.* TO ann",
		"a database pattern":   "GRANT SELECT ON `s_%`.* TO ann",
		"everything":           "GRANT SELECT ON *.* TO ann",
		"everybody":            "GRANT SELECT ON shop.people TO PUBLIC",
		"a role":               "CREATE ROLE staff; GRANT SELECT ON shop.people TO staff; GRANT staff TO ann",
		"a role within a role": "CREATE ROLE inner_role; CREATE ROLE staff; GRANT SELECT ON shop.* TO inner_role; GRANT inner_role TO staff; GRANT staff TO ann",
		"":                     "GRANT SELECT ON `shop\\_`.* TO ann; GRANT INSERT ON shop.people TO ann; CREATE DATABASE other; GRANT ALL ON other.* TO ann",
	}
	for name, statements := range ways {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann")
			clear := f.clearRole()
			f.ok(provision(clear), allow(clear, "ann"))
			f.must(statements)
			out := f.apply(revoke(clear, "ann"))
			if name == "" {
				f.want(out, "applied")
				f.refused("ann", "shop.people", "name")
				return
			}
			f.want(out, "residual/still-readable")
			if !strings.Contains(out[0].Detail, "shop.people") {
				t.Error(out[0].Detail)
			}
		})
	}
}

// The event ends the access while no engine is there.
func TestFuse(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob", "cyd")
	clear := f.clearRole()
	f.ok(provision(clear))
	short, long := member(clear, "ann"), member(clear, "bob")
	short.NotAfter = time.Now().UTC().Truncate(time.Second).Add(3 * time.Second)
	long.NotAfter = short.NotAfter
	f.ok(plan.Change{Action: plan.Allow, Grant: short}, plan.Change{Action: plan.Allow, Grant: long})
	if !f.p.Capabilities().NativeExpiry {
		t.Error("native expiry is not claimed")
	}
	long.NotAfter = time.Now().UTC().Truncate(time.Second).Add(time.Hour)
	f.ok(plan.Change{Action: plan.Extend, Grant: long})
	_ = f.p.Close()
	f.reads("ann", clear, "id")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err := f.Select(t.Context(), "ann", "shop.people", "id"); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the event has not ended the access")
		}
	}
	f.reads("bob", clear, "id")
	f.reopen()
	// It is seen until the engine has looked after the sessions, and no longer.
	if d := f.diff([]*grant.Role{clear}, []*grant.Grant{short, long}); d != "" {
		t.Errorf("after the event: %s", d)
	}
	f.want(f.apply(revoke(clear, "ann")), "done")
	if d := f.diff([]*grant.Role{clear}, []*grant.Grant{long}); d != "" {
		t.Errorf("after the revocation: %s", d)
	}
	// Without an end, and with one that no event can have, there is none.
	long.NotAfter = time.Time{}
	f.ok(plan.Change{Action: plan.Extend, Grant: long})
	far := member(clear, "cyd")
	far.NotAfter = time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)
	f.ok(plan.Change{Action: plan.Allow, Grant: far})
	if rows := f.ask("SELECT COUNT(*) FROM information_schema.EVENTS"); rows[0][0] != "0" {
		t.Errorf("%s events are left", rows[0][0])
	}
	if d := f.diff(nil, nil); !strings.Contains(d, "2199") {
		t.Errorf("cyd: %s", d)
	}
	far.NotAfter = time.Now().UTC().Truncate(time.Second).Add(-time.Minute)
	f.want(f.apply(plan.Change{Action: plan.Extend, Grant: far}), "failed/not-read-back")
}

// Who takes the event away, or disables it, makes the grant one that is repaired.
func TestFuseTakenAway(t *testing.T) {
	for _, by := range []string{"DROP EVENT assent.%", "ALTER EVENT assent.% DISABLE", "ALTER EVENT assent.% ON SCHEDULE AT '2037-12-31'", "ALTER EVENT assent.% DO SELECT 1"} {
		f := newFixture(t)
		f.people("ann")
		clear := f.clearRole()
		f.ok(provision(clear), allow(clear, "ann"))
		name := f.ask("SELECT EVENT_NAME FROM information_schema.EVENTS")[0][0]
		f.must(strings.ReplaceAll(by, "%", name))
		if g := f.observe().Ours.Grants; len(g) != 1 || g[0].Requests != nil {
			t.Fatalf("%s: seen as %+v", by, g)
		}
		f.want(f.apply(plan.Change{Action: plan.Extend, Grant: member(clear, "ann")}), "applied")
		if g := f.observe().Ours.Grants; len(g) != 1 || g[0].Requests == nil {
			t.Fatalf("%s: repaired as %+v", by, g)
		}
	}
}

// The accounts that own views and events cannot log in, even without a password.
func TestOwnersCannotLogIn(t *testing.T) {
	f := newFixture(t)
	f.ok(provision(f.role("empty")))
	for _, a := range []account{viewsOwner, fuseOwner} {
		for _, password := range []string{"", "invalid"} {
			f.admin.passwords[a.user] = password
			if rows, err := f.admin.Query(context.Background(), a.user, "SELECT 1"); err == nil {
				t.Errorf("%s logs in: %v", a, rows)
			}
		}
		f.must("ALTER USER " + a.quoted() + " ACCOUNT UNLOCK")
		f.admin.passwords[a.user] = ""
		if rows, err := f.admin.Query(context.Background(), a.user, "SELECT 1"); err == nil {
			t.Errorf("%s, unlocked, logs in: %v", a, rows)
		}
	}
}

// A stranger's account of that name is not used.
func TestStrangersOwner(t *testing.T) {
	f := newFixture(t)
	f.people()
	f.must("CREATE USER assent_views@localhost IDENTIFIED BY 'known'")
	_, err := f.try(t.Context(), provision(f.maskedRole()))
	if platform.CodeOf(err) != platform.NotOurs {
		t.Fatal(err)
	}
}
